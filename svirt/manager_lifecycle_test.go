// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/loader"
)

// TestStartContent starts machines whose profile in force is, or is not, what
// it should be.
func TestStartContent(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		before func(*fixture) *fixture // returns who starts
		want   error
	}{
		{"created", func(f *fixture) *fixture { return f }, nil},
		{"updated", func(f *fixture) *fixture {
			f.must(t, f.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{{ID: "new", Image: Image{Path: "/srv/new"}}}}}))
			return f
		}, nil},
		{"loaded", func(f *fixture) *fixture {
			f.must(t, f.Unload(ctx, testUUID), f.Load(ctx, testUUID))
			return f
		}, nil},
		{"updated before it is loaded", func(f *fixture) *fixture {
			f.must(t, f.Unload(ctx, testUUID))
			f.must(t, f.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{{ID: "new", Image: Image{Path: "/srv/new"}}}}}))
			f.must(t, f.Load(ctx, testUUID))
			return f
		}, nil},
		{"unloaded", func(f *fixture) *fixture { f.must(t, f.Unload(ctx, testUUID)); return f }, ErrNotLoaded},
		{"removed", func(f *fixture) *fixture { f.must(t, f.Remove(ctx, testUUID)); return f }, ErrNotLoaded},
		{"removed by others", func(f *fixture) *fixture { delete(f.driver.loaded, testProfile); return f }, ErrNotLoaded},
		{"replaced by others", func(f *fixture) *fixture { f.driver.loaded[testProfile] = "other"; return f }, loader.ErrContent},
		// What was put in force counts, not what is on disk by now.
		{"edited since", func(f *fixture) *fixture {
			f.must(t, f.store.replace(testFiles, []byte(filesHeader+"# machine: \"vm\" \"kvm\" -1\n")))
			return f
		}, nil},
		{"asked of another manager", func(f *fixture) *fixture { return f.again(t) }, nil},
		{"asked of another manager, replaced by others", func(f *fixture) *fixture {
			f.driver.loaded[testProfile] = "other"
			return f.again(t)
		}, loader.ErrContent},
		{"asked of another manager, edited since", func(f *fixture) *fixture {
			f.must(t, f.store.replace(testFiles, []byte(filesHeader+"# machine: \"vm\" \"kvm\" -1\n")))
			return f.again(t)
		}, loader.ErrContent},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, ManagerOptions{})
			f.must(t, f.put(ctx, testDomain("/srv/a")))
			f = c.before(f)
			for what, do := range map[string]func() error{
				"start":          func() error { return f.Start(ctx, testUUID, exec.Command("true")) },
				"change profile": func() error { return f.ChangeProfile(ctx, testUUID) },
			} {
				f.driver.started = nil
				if err := do(); !errors.Is(err, c.want) {
					t.Errorf("%s: error %v, want %v", what, err, c.want)
				}
				if (len(f.driver.started) > 0) != (c.want == nil) {
					t.Errorf("%s: started %q", what, f.driver.started)
				}
			}
		})
	}
}

func (f *fixture) must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// again returns a second Manager over the same directory and driver.
func (f *fixture) again(t *testing.T) *fixture {
	t.Helper()
	closed(t, f)
	m, err := New(context.Background(), ManagerOptions{Dir: f.dir, Driver: f.driver, Derive: Options{FS: emptyFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.must(t, m.Close()) })
	return &fixture{Manager: m, driver: f.driver, dir: f.dir}
}

// TestLifecycleOptions checks that the driver gets what is asked for, and
// nothing that is not.
func TestLifecycleOptions(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	f.must(t, f.put(ctx, testDomain("/srv/a")))
	o := StartOptions{Accept: loader.Accept{Complain: true}, KeepFiles: true, Started: new(loader.Started)}
	f.must(t,
		f.Start(ctx, testUUID, exec.Command("true")),
		f.StartWith(ctx, testUUID, exec.Command("true"), o),
		f.ChangeProfile(ctx, testUUID),
		f.ChangeProfileWith(ctx, testUUID, loader.Accept{Unverified: true}))
	if want := []StartOptions{{}, o, {}, {Accept: loader.Accept{Unverified: true}}}; !slices.Equal(f.driver.options, want) {
		t.Errorf("started with %+v", f.driver.options)
	}

	retire := loader.RetireOptions{Cgroup: "/sys/fs/cgroup/vm", Kill: true, Timeout: time.Hour}
	f.driver.used[testProfile] = true
	before := f.state(t)
	for _, err := range []error{f.Unload(ctx, testUUID), f.Remove(ctx, testUUID)} {
		if !errors.Is(err, ErrInUse) || len(f.state(t)) != len(before) {
			t.Errorf("in use: %v", err)
		}
	}
	f.must(t, f.RemoveWith(ctx, testUUID, RemoveOptions{Retire: retire, KeepFiles: true}))
	if s := f.state(t); s[testProfile] == "" || s[testFiles] == "" || s["loaded "+testProfile] != "" {
		t.Errorf("unloaded: %v", s)
	}
	f.must(t, f.Load(ctx, testUUID), f.RemoveWith(ctx, testUUID, RemoveOptions{Retire: retire}))
	if s := f.state(t); len(s) > 0 {
		t.Errorf("removed: %v", s)
	}
	if want := []loader.RetireOptions{{}, {}, retire, retire}; !slices.Equal(f.driver.retired, want) {
		t.Errorf("retired with %+v", f.driver.retired)
	}
	if n := len(f.machines); n > 0 {
		t.Errorf("%d machines are remembered", n)
	}
}

// TestAppArmorCompares has the real driver, which must not take a mark of another
// kind, or do without a kernel.
func TestAppArmorCompares(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	a := &f.driver.AppArmor
	if m := a.Mark("something else"); m != nil {
		t.Errorf("mark %v", m)
	}
	if _, err := content(Confinement{Profile: testProfile}); err == nil {
		t.Error("a missing mark is taken for a mark")
	}
	_, inUse := a.InUse(ctx, testProfile)
	for what, err := range map[string]error{
		"start":          a.Start(ctx, exec.Command(filepath.Join(f.dir, "none")), Confinement{}, StartOptions{}),
		"change profile": a.ChangeProfile(ctx, Confinement{}, loader.Accept{}),
		"unload":         a.Unload(ctx, testProfile, loader.RetireOptions{}),
		"in use":         inUse,
	} {
		if !errors.Is(err, errNoKernel) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestManagerWarns tells what a created and an updated machine may need.
func TestManagerWarns(t *testing.T) {
	ctx := t.Context()
	var got []Warning
	f := newFixture(t, ManagerOptions{Warn: func(uuid string, w []Warning) {
		if uuid != testUUID {
			t.Errorf("warned of %s", uuid)
		}
		got = append(got, w...)
	}})
	d := testDomain("/srv/a")
	f.must(t, f.put(ctx, d))
	if len(got) > 0 {
		t.Errorf("warned of nothing: %v", got)
	}
	d.Warnings = []Warning{{Device: Device{Kind: DeviceDomain, ID: "machine"}, Code: WarnUnread, Text: "x"}}
	f.must(t, f.Replace(ctx, d))
	if !slices.Equal(got, d.Warnings) {
		t.Errorf("got %v, want %v", got, d.Warnings)
	}
}

// TestAccept has a kernel that as a whole is in complain mode: it is accepted for
// a machine at a time, and for no other.
func TestAccept(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	f.must(t, f.Create(ctx, numbered(1, raw("a", "/srv/a"))))
	f.driver.lax = true
	accept := loader.Accept{Complain: true}
	refused := func(what string, op func() error) {
		t.Helper()
		before := f.state(t)
		if err := op(); !errors.Is(err, loader.ErrMode) || errors.Is(err, ErrInconsistent) {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	one, two := numbered(1, raw("b", "/srv/b")), numbered(2, raw("a", "/srv/c"))
	change := func(uuid, path string) func() error {
		return func() error {
			return f.update(ctx, uuid, Change{Add: Devices{Disks: []Disk{raw("x", path)}}})
		}
	}
	reconcile := func(d *Domain) func() error {
		return func() error {
			_, err := f.Reconcile(ctx, []*Domain{d}, ReconcileOptions{Load: true, Replace: true})
			return err
		}
	}
	refused("create", func() error { return f.Create(ctx, two) })
	refused("create, something else accepted", func() error { return f.CreateWith(ctx, two, loader.Accept{Unconfined: true, Prompt: true}) })
	f.must(t, f.CreateWith(ctx, two, accept))
	// That was for the second machine.
	refused("replace", func() error { return f.Replace(ctx, one) })
	refused("load", func() error { return f.Load(ctx, one.UUID) })
	refused("update", change(one.UUID, "/srv/x"))
	refused("reconcile", reconcile(one))
	f.must(t, change(two.UUID, "/srv/x")(), reconcile(two)(), f.LoadWith(ctx, one.UUID, accept))
	f.must(t, change(one.UUID, "/srv/y")(), reconcile(one)())
	f.must(t, f.ReplaceWith(ctx, one, accept))
	// It ends with the machine's time in force, with a call that does not
	// accept it, and with the Manager.
	refused("load, no longer accepted", func() error { return f.Load(ctx, one.UUID) })
	f.must(t, f.Unload(ctx, two.UUID))
	refused("loaded again", func() error { return f.Load(ctx, two.UUID) })
	f.must(t, f.LoadWith(ctx, two.UUID, accept))
	f = f.again(t)
	refused("another Manager's update", change(two.UUID, "/srv/z"))
	f.must(t, f.LoadWith(ctx, two.UUID, accept), change(two.UUID, "/srv/z")())
}
