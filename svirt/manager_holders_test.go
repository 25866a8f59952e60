// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/loader"
)

// lines returns rules as text.
func lines(rules []Rule) []string {
	var out []string
	for _, r := range rules {
		out = append(out, string(appendAccess(fmt.Appendf(nil, "%s %s ", r.Device, r.Path), r.Perms, r.Exec)))
	}
	return out
}

// TestUpdateChanged checks what Update says that it has changed, and who holds
// what was removed.
func TestUpdateChanged(t *testing.T) {
	ctx := t.Context()
	open := func(pid int, path string, access string) loader.File {
		return loader.File{PID: pid, Path: path, Read: access != "w", Write: access != "r"}
	}
	disk := func(id, path string, readOnly bool) Devices {
		d := raw(id, path)
		d.ReadOnly = readOnly
		return Devices{Disks: []Disk{d}}
	}
	for _, c := range []struct {
		name           string
		files          []loader.File
		change         Change
		added, removed []string
		holders        []Holder
	}{
		{"nothing", []loader.File{open(7, "/srv/a", "rw")}, Change{Remove: []Device{{DeviceDisk, "none"}}}, nil, nil, nil},
		{"the same again", []loader.File{open(7, "/srv/a", "rw")}, Change{Add: disk("vda", "/srv/a", false)}, nil, nil, nil},
		{"added", []loader.File{open(7, "/srv/a", "rw")}, Change{Add: disk("new", "/srv/new", false)}, []string{"disk new /srv/new rwk"}, nil, nil},
		{"removed", []loader.File{open(9, "/srv/a", "r"), open(7, "/srv/a", "rw"), open(7, "/srv/ab", "rw"), open(7, "/srv/b", "rw"), open(7, "socket:[3]", "rw")},
			Change{Remove: []Device{{DeviceDisk, "vda"}}}, nil, []string{"disk vda /srv/a rwk"},
			[]Holder{{7, "/srv/a", Device{DeviceDisk, "vda"}, true, true}, {9, "/srv/a", Device{DeviceDisk, "vda"}, true, false}}},
		{"closed", []loader.File{open(7, "/srv/b", "rw")}, Change{Remove: []Device{{DeviceDisk, "vda"}}}, nil, []string{"disk vda /srv/a rwk"}, nil},
		{"removed from the directory, too", []loader.File{open(7, "/srv/a (deleted)", "rw")}, Change{Remove: []Device{{DeviceDisk, "vda"}}},
			nil, []string{"disk vda /srv/a rwk"}, []Holder{{7, "/srv/a (deleted)", Device{DeviceDisk, "vda"}, true, true}}},
		{"no longer writable", []loader.File{open(7, "/srv/a", "rw"), open(8, "/srv/a", "r"), open(9, "/srv/a", "w")}, Change{Add: disk("vda", "/srv/a", true)},
			[]string{"disk vda /srv/a rk"}, []string{"disk vda /srv/a rwk"},
			[]Holder{{7, "/srv/a", Device{DeviceDisk, "vda"}, false, true}, {9, "/srv/a", Device{DeviceDisk, "vda"}, false, true}}},
		{"another device has it", []loader.File{open(7, "/srv/both", "rw")}, Change{Remove: []Device{{DeviceDisk, "one"}}}, nil, []string{"disk one /srv/both rwk"}, nil},
		{"another device may read it", []loader.File{open(7, "/srv/half", "rw")}, Change{Remove: []Device{{DeviceDisk, "rw"}}},
			nil, []string{"disk rw /srv/half rwk"}, []Holder{{7, "/srv/half", Device{DeviceDisk, "rw"}, false, true}}},
		{"a share", []loader.File{open(7, "/srv/share", "r"), open(7, "/srv/share/d/f", "rw"), open(7, "/srv/shared", "rw")},
			Change{Remove: []Device{{DeviceFilesystem, "s"}}}, nil, []string{"filesystem s /srv/share/ r", "filesystem s /srv/share/** rwl"},
			[]Holder{{7, "/srv/share", Device{DeviceFilesystem, "s"}, true, false}, {7, "/srv/share/d/f", Device{DeviceFilesystem, "s"}, true, true}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t, ManagerOptions{})
			d := testDomain("/srv/a")
			half := raw("ro", "/srv/half")
			half.ReadOnly = true
			d.Devices.Disks = append(d.Devices.Disks, raw("one", "/srv/both"), raw("two", "/srv/both"), raw("rw", "/srv/half"), half)
			d.Devices.Filesystems = []Filesystem{{ID: "s", Source: "/srv/share"}}
			f.must(t, f.Create(ctx, d))
			f.driver.files = map[string][]loader.File{testProfile: c.files}
			got, err := f.Update(ctx, testUUID, c.change)
			f.must(t, err, got.HoldersErr)
			for _, diff := range []string{cmp.Diff(c.added, lines(got.Added)), cmp.Diff(c.removed, lines(got.Removed)), cmp.Diff(c.holders, got.Holders)} {
				if diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
			again, err := f.Holders(ctx, testUUID, got.Removed)
			if diff := cmp.Diff(c.holders, again); diff != "" || err != nil {
				t.Errorf("again: %v (-want +got):\n%s", err, diff)
			}
			f.driver.files = nil
			if again, err = f.Holders(ctx, testUUID, got.Removed); len(again) > 0 || err != nil {
				t.Errorf("once all is closed: %v, %v", again, err)
			}
			// Who got it back is not a holder.
			f.driver.files = map[string][]loader.File{testProfile: c.files}
			f.must(t, f.Replace(ctx, d))
			if again, err = f.Holders(ctx, testUUID, got.Removed); len(again) > 0 || err != nil {
				t.Errorf("once it is granted again: %v, %v", again, err)
			}
		})
	}
}

// TestUpdateHoldersUnknown has processes that cannot be looked at: the update is
// made, and says so.
func TestUpdateHoldersUnknown(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	f.must(t, f.Create(ctx, testDomain("/srv/a", "/srv/b")))
	before := f.driver.loaded[testProfile]
	f.driver.fail["files"] = syscall.EACCES
	f.driver.files = map[string][]loader.File{testProfile: {{PID: 7, Path: "/srv/a", Read: true}}}
	got, err := f.Update(ctx, testUUID, Change{Remove: []Device{{DeviceDisk, "vda"}}})
	if err != nil || !errors.Is(got.HoldersErr, syscall.EACCES) || len(got.Holders) != 1 || f.driver.loaded[testProfile] == before {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := f.Holders(ctx, testUUID, got.Removed); !errors.Is(err, syscall.EACCES) {
		t.Errorf("holders: %v", err)
	}
	// What is not in force holds nothing.
	delete(f.driver.loaded, testProfile)
	if got, err = f.Update(ctx, testUUID, Change{Remove: []Device{{DeviceDisk, "vdb"}}}); err != nil || got.HoldersErr != nil || len(got.Removed) != 1 {
		t.Errorf("not in force: %+v, %v", got, err)
	}
	if _, err := f.Holders(ctx, "00000000-0000-4000-8000-000000000000", got.Removed); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such machine: %v", err)
	}
}

// TestUpdateChangedCompat has rules with patterns.
func TestUpdateChangedCompat(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{Derive: Options{Method: Compat128}})
	f.must(t, f.Create(ctx, testDomain("/srv/b*", "/srv/a")))
	f.driver.files = map[string][]loader.File{testProfile: {{PID: 7, Path: "/srv/bc", Read: true}, {PID: 7, Path: "/srv/a", Read: true}}}
	got, err := f.Update(ctx, testUUID, Change{Remove: []Device{{DeviceDisk, "vda"}}})
	want := []Holder{{PID: 7, Path: "/srv/bc", Device: Device{DeviceDisk, "vda"}, Read: true}}
	if diff := cmp.Diff(want, got.Holders); diff != "" || err != nil || len(got.Removed) != 1 || len(got.Added) != 0 {
		t.Errorf("%+v, %v\n%s", got, err, diff)
	}
	if again, err := f.Holders(ctx, testUUID, got.Removed); err != nil || cmp.Diff(want, again) != "" {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestMayMatch(t *testing.T) {
	for _, c := range []struct {
		pattern    ast.Pattern
		path       string
		may, whole bool
	}{
		{"/srv/a", "/srv/a", true, true},
		{"/srv/a", "/srv/ab", false, false},
		{`/srv/a\*`, "/srv/a*", true, true},
		{`/srv/a\*`, "/srv/ab", false, false},
		{"/srv/a/", "/srv/a", true, true},
		{"/srv/a/**", "/srv/a", true, false},
		{"/srv/a/**", "/srv/a/b/c", true, true},
		{"/srv/a/**", "/srv/ab", false, false},
		{`/srv/\*/**`, "/srv/*/b", true, true},
		{`/srv/\*/**`, "/srv/x/b", false, false},
		{"/srv/[ab]", "/srv/a", true, false},
		{"/srv/{a,b}/**", "/srv/a/c", true, false},
		{"/srv/?", "/srx/a", false, false},
		{"/**", "/srv", true, false},
	} {
		if may, whole := mayMatch(c.pattern, c.path), matchesWhole(c.pattern, c.path); may != c.may || whole != c.whole {
			t.Errorf("%s and %s: %v, %v", c.pattern, c.path, may, whole)
		}
	}
}

// TestUpdateRemoving changes a machine that a Remove has left sealed.
func TestUpdateRemoving(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	f.must(t, f.Create(ctx, testDomain("/srv/a", "/srv/b")))
	f.driver.sealed = map[string]bool{testProfile: true}
	before := f.state(t)
	change := Change{Remove: []Device{{DeviceDisk, "vda"}}}
	if got, err := f.Update(ctx, testUUID, change); !errors.Is(err, ErrRemoving) || cmp.Diff(Changed{}, got) != "" {
		t.Errorf("sealed: %+v, %v", got, err)
	}
	f.driver.fail["sealed"] = syscall.EIO
	if _, err := f.Update(ctx, testUUID, change); !errors.Is(err, syscall.EIO) {
		t.Errorf("not known: %v", err)
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Error(diff)
	}
	delete(f.driver.fail, "sealed")
	f.must(t, f.Load(ctx, testUUID))
	if got, err := f.Update(ctx, testUUID, change); err != nil || len(got.Removed) != 1 {
		t.Errorf("put back: %+v, %v", got, err)
	}
}

// TestHeldGL: a library that GL maps is not held by a display that is gone, but
// its node is.
func TestHeldGL(t *testing.T) {
	d := Device{DeviceGraphics, "g"}
	removed := appendGL([]Rule{{Device: d, Path: "/dev/dri/renderD128", Perms: permRW}}, d)
	for path, want := range map[string]bool{
		"/usr/bin/qemu-system-x86_64": false, "/usr/lib/x86_64-linux-gnu/libc.so.6": false, "/usr/lib/x86_64-linux-gnu/dri/iris_dri.so": false,
		"/dev/dri/renderD128": true, "/dev/nvidiactl": true,
	} {
		if h, got := heldBy(loader.File{PID: 7, Path: path, Read: true, Write: true}, removed, nil); got != want {
			t.Errorf("%s: %v, %+v", path, got, h)
		}
	}
}
