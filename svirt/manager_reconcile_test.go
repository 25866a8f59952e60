// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestForeign has machines of others in force, and of another Manager.
func TestForeign(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	if err := f.Create(ctx, numbered(1)); err != nil {
		t.Fatal(err)
	}
	foreign := numbered(2)
	profile := "libvirt-" + foreign.UUID
	f.driver.loaded[profile] = "theirs"
	list, err := f.List(ctx)
	if err != nil || len(list) != 1 || list[0].UUID != numbered(1).UUID {
		t.Errorf("listed as own: %+v, %v", list, err)
	}
	_, status := f.Status(ctx, foreign.UUID)
	for what, err := range map[string]error{
		"status": status, "create": f.Create(ctx, foreign), "unload": f.Unload(ctx, foreign.UUID), "remove": f.Remove(ctx, foreign.UUID),
	} {
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if f.driver.loaded[profile] != "theirs" {
		t.Error("a profile that others loaded was changed")
	}
	all, err := f.Reconcile(ctx, nil, ReconcileOptions{Load: true, Replace: true, Remove: true})
	if err != nil || len(all) != 1 || f.driver.loaded[profile] != "theirs" {
		t.Errorf("reconciled: %+v, %v", all, err)
	}

	// A second Manager in another directory, with the same kernel.
	if err := f.Create(ctx, numbered(1)); err != nil {
		t.Fatal(err)
	}
	other := newFixture(t, ManagerOptions{})
	other.driver.loaded = f.driver.loaded
	if err := other.Remove(ctx, numbered(1).UUID); !errors.Is(err, ErrForeign) || f.driver.loaded["libvirt-"+numbered(1).UUID] == "" {
		t.Errorf("another Manager's machine was removed: %v", err)
	}
}

// TestPrefix keeps machines under another prefix.
func TestPrefix(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{Prefix: "acme.vm-"})
	if err := f.Create(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	const profile = "acme.vm-" + testUUID
	text, err := f.store.read(profile)
	if err != nil || !strings.Contains(string(text), "profile "+profile+" ") || !strings.Contains(string(text), "<acme.vm/"+profile+".files>") {
		t.Errorf("%v, the profile is\n%s", err, text)
	}
	if _, err := f.store.read(profile + ".files"); err != nil || f.driver.loaded[profile] == "" {
		t.Errorf("%v, loaded: %v", err, f.driver.loaded)
	}
	const head = headerStart + "acme.vm.\n"
	if rules, _ := f.store.read(profile + ".files"); !strings.HasPrefix(string(rules), head) {
		t.Errorf("the rules begin with %.80s", rules)
	}
	s, err := f.Status(ctx, testUUID)
	if err != nil || s.Profile != profile || s.Edited || s.Stale || !s.Loaded {
		t.Errorf("got %+v, %v", s, err)
	}
	created := f.driver.loaded[profile]
	if err := f.Load(ctx, testUUID); err != nil || f.driver.loaded[profile] != created {
		t.Errorf("load: %v", err)
	}
	if err := f.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{raw("b", "/srv/b")}}}); err != nil || f.driver.loaded[profile] == created {
		t.Errorf("update: %v", err)
	}
	if rules, _ := f.store.read(profile + ".files"); !strings.HasPrefix(string(rules), head) {
		t.Errorf("after an update the rules begin with %.80s", rules)
	}
	// One with libvirt's prefix has the directory beside it.
	libvirt := newFixture(t, ManagerOptions{Dir: f.dir})
	if list, err := libvirt.List(ctx); err != nil || len(list) != 0 {
		t.Errorf("got %v, %v", list, err)
	}
	if err := f.Remove(ctx, testUUID); err != nil || len(f.driver.loaded) != 0 {
		t.Errorf("remove: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(f.dir, "acme.vm", "*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	for _, bad := range []string{"-", "x", "a b-", "a/b-", "../-", ".-", "a//-", "ä-", strings.Repeat("a", 80) + "-"} {
		if _, err := New(ctx, ManagerOptions{Dir: t.TempDir(), Driver: None{}, Prefix: bad}); !errors.Is(err, ErrOptions) {
			t.Errorf("prefix %q: %v", bad, err)
		}
	}
	if _, err := New(ctx, ManagerOptions{Dir: t.TempDir(), Driver: None{}, Prefix: "x-", Derive: Options{Method: Compat90}}); !errors.Is(err, ErrOptions) {
		t.Errorf("compat: %v", err)
	}
}

// TestReconcile carries on after what may have happened to machines meanwhile.
func TestReconcile(t *testing.T) {
	ctx := context.Background()
	const profile = testProfile
	wanted := func() *Domain { return testDomain("/srv/a") }
	other := func(f *fixture) error { return f.Replace(ctx, testDomain("/srv/b")) }
	type state struct{ profile, files, loaded, stale, differs, inUse bool }
	good := state{profile: true, files: true, loaded: true}
	gone := state{}
	for _, test := range []struct {
		name    string
		happens func(f *fixture) error
		wanted  bool
		found   state // as Reconcile tells it without mending
		left    state // as it is when all is mended
	}{
		{"nothing", func(*fixture) error { return nil }, true, good, good},
		{"a restart of the host", func(f *fixture) error { clear(f.driver.loaded); return nil }, true,
			state{profile: true, files: true}, good},
		{"another profile in force", func(f *fixture) error { f.driver.loaded[profile] = "x"; return nil }, true,
			state{profile: true, files: true, loaded: true, stale: true}, good},
		{"a run killed between files and kernel", func(f *fixture) error {
			digest := f.driver.loaded[profile]
			err := other(f)
			f.driver.loaded[profile] = digest
			return err
		}, true, state{profile: true, files: true, loaded: true, stale: true, differs: true}, good},
		{"rules of an earlier release of this package", func(f *fixture) error {
			return f.store.replace(testFiles, []byte(filesHeader+"# machine: \"vm\" \"kvm\" -1\n  \"/srv/a\" rwk, # disk vda\n"))
		}, true, state{profile: true, files: true, loaded: true, stale: true, differs: true}, good},
		{"rules of a later release, after a downgrade", func(f *fixture) error {
			return f.store.replace(testFiles, []byte(filesHeader+"# machine: \"vm\" \"kvm\" -1 \"word\"\n  \"/srv/a\" rwk, # teleporter vda\n  \"/srv/t\" rw, # teleporter vda\n"))
		}, true, state{profile: true, files: true, loaded: true, stale: true, differs: true}, good},
		{"another description", other, true, state{profile: true, files: true, loaded: true, differs: true}, good},
		{"a removed machine", func(f *fixture) error { return f.Remove(ctx, testUUID) }, true,
			state{differs: true}, good},
		{"missing rules", func(f *fixture) error { return f.store.remove(testFiles) }, true,
			state{profile: true, loaded: true, stale: true, differs: true}, good},
		{"a machine that nobody wants", func(*fixture) error { return nil }, false, good, gone},
		{"a machine that nobody wants, in use", func(f *fixture) error { f.driver.used[profile] = true; return nil }, false,
			state{profile: true, files: true, loaded: true, inUse: true}, state{profile: true, files: true, loaded: true, inUse: true}},
		{"a machine that nobody wants, not in force", func(f *fixture) error { return f.Unload(ctx, testUUID) }, false,
			state{profile: true, files: true}, gone},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t, ManagerOptions{})
			if err := errors.Join(f.Create(ctx, wanted()), test.happens(f)); err != nil {
				t.Fatal(err)
			}
			var domains []*Domain
			if test.wanted {
				domains = append(domains, wanted())
			}
			of := func(list []Reconciled) state {
				t.Helper()
				if len(list) == 0 {
					return state{}
				}
				r := list[0]
				if len(list) != 1 || r.UUID != testUUID || r.Wanted != test.wanted || r.Err != nil {
					t.Errorf("got %+v", list)
				}
				return state{r.HasProfile, r.HasFiles, r.Loaded, r.Stale, r.Differs, r.InUse}
			}
			before := f.state(t)
			list, err := f.Reconcile(ctx, domains, ReconcileOptions{})
			if got := of(list); err != nil || got != test.found {
				t.Errorf("found %+v, want %+v, %v", got, test.found, err)
			}
			for name, text := range f.state(t) {
				if before[name] != text {
					t.Errorf("%s was changed", name)
				}
			}
			list, err = f.Reconcile(ctx, domains, ReconcileOptions{Load: true, Replace: true, Remove: true})
			if got := of(list); err != nil || got != test.left {
				t.Errorf("left %+v, want %+v, %v", got, test.left, err)
			}
			list, err = f.Reconcile(ctx, domains, ReconcileOptions{Load: true, Replace: true, Remove: true})
			if got := of(list); err != nil || got != test.left || slices.ContainsFunc(list, func(r Reconciled) bool { return r.Did != ReconcileOptions{} }) {
				t.Errorf("again %+v, want %+v, %v", list, test.left, err)
			}
		})
	}

	// What goes wrong with one machine is told, and the others are mended.
	f := newFixture(t, ManagerOptions{})
	bad := numbered(1, raw("a", "/etc/shadow"))
	list, err := f.Reconcile(ctx, []*Domain{bad, numbered(2)}, ReconcileOptions{Replace: true})
	wantReasons(t, "a bad machine", err, ReasonRestricted)
	if len(list) != 2 || list[0].Err == nil || list[1].Err != nil || !list[1].Loaded || !list[1].Did.Replace {
		t.Errorf("got %+v", list)
	}
	var ie *IdentityError
	if _, err := f.Reconcile(ctx, []*Domain{{UUID: "x"}}, ReconcileOptions{}); !errors.As(err, &ie) {
		t.Errorf("a bad UUID: %v", err)
	}
}

// TestMigration moves a machine between two hosts: the destination has its profile
// before the source loses it, and one of them has it whatever happens.
func TestMigration(t *testing.T) {
	ctx := context.Background()
	mend := ReconcileOptions{Load: true, Replace: true, Remove: true}
	for _, failed := range []bool{false, true} {
		source, target := newFixture(t, ManagerOptions{}), newFixture(t, ManagerOptions{})
		d := func() *Domain { return testDomain("/srv/shared") }
		if err := errors.Join(source.Create(ctx, d()), target.Create(ctx, d())); err != nil {
			t.Fatal(err)
		}
		if source.driver.loaded[testProfile] == "" || target.driver.loaded[testProfile] == "" {
			t.Fatal("one of the hosts does not confine the machine")
		}
		// The machine still runs on the source, and its process may be left there
		// for a while. The manager is started again meanwhile.
		source.driver.used[testProfile] = true
		here, there := []*Domain{d()}, []*Domain(nil)
		if !failed {
			here, there = there, here
		}
		if _, err := source.Reconcile(ctx, here, mend); err != nil {
			t.Error(err)
		}
		if source.driver.loaded[testProfile] == "" {
			t.Error("the profile was removed while a process runs under it")
		}
		source.driver.used[testProfile] = failed
		for range 2 {
			at, err := source.Reconcile(ctx, here, mend)
			if err != nil || failed != (source.driver.loaded[testProfile] != "") || failed && (len(at) != 1 || !at[0].Loaded || at[0].Stale || at[0].Differs) {
				t.Errorf("failed %t, at the source: %+v, %v", failed, at, err)
			}
			at, err = target.Reconcile(ctx, there, mend)
			if err != nil || failed == (target.driver.loaded[testProfile] != "") || !failed && (len(at) != 1 || !at[0].Loaded || at[0].Stale || at[0].Differs) {
				t.Errorf("failed %t, at the target: %+v, %v", failed, at, err)
			}
		}
	}
}
