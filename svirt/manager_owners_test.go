// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// numbered returns the i-th machine, with disks of its own name.
func numbered(i int, disks ...Disk) *Domain {
	d := &Domain{UUID: fmt.Sprintf("%08d%s", i, testUUID[8:]), Name: fmt.Sprint("vm", i), Type: "kvm"}
	d.Devices.Disks = disks
	return d
}

func raw(id, path string) Disk { return Disk{ID: id, Image: Image{Path: path, Format: "raw"}} }

// reasonsOf returns the reasons in an error.
func reasonsOf(err error) []Reason {
	var out []Reason
	var pe *PathError
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			out = append(out, reasonsOf(err)...)
		}
	} else if errors.As(err, &pe) {
		out = append(out, pe.Reason)
	}
	return out
}

func wantReasons(t *testing.T, what string, err error, want ...Reason) {
	t.Helper()
	if diff := cmp.Diff(want, reasonsOf(err)); diff != "" {
		t.Errorf("%s: %v: %s", what, err, diff)
	}
}

// TestCreateAndReplace checks that a machine is made once, and changed only if
// it is there.
func TestCreateAndReplace(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{Types: []string{"", "kvm", "lxc"}})
	victim := testDomain("/srv/victim.img")
	if err := f.Replace(ctx, victim); !errors.Is(err, ErrNotFound) {
		t.Errorf("replace of nothing: %v", err)
	}
	if err := f.Create(ctx, victim); err != nil {
		t.Fatal(err)
	}
	before := f.state(t)
	other := testDomain("/srv/tenant.img")
	other.Name = "tenant"
	if err := f.Create(ctx, other); !errors.Is(err, ErrExists) || !errors.Is(err, fs.ErrExist) {
		t.Errorf("create with the UUID of another: %v", err)
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Error(diff)
	}

	// One that has become a container has no rules any more.
	box := testDomain()
	box.Type = "lxc"
	if err := f.Create(ctx, box); !errors.Is(err, ErrExists) {
		t.Errorf("create of a container: %v", err)
	}
	if err := f.Replace(ctx, box); err != nil {
		t.Fatal(err)
	}
	if s := f.state(t); s[testFiles] != "" || s["loaded "+testProfile] == before["loaded "+testProfile] {
		t.Errorf("the old rules are there: %q", s[testFiles])
	}
	// Where that fails they come back.
	if err := errors.Join(f.Remove(ctx, testUUID), os.RemoveAll(filepath.Join(f.dir, "libvirt", testProfile)), f.Create(ctx, victim)); err != nil {
		t.Fatal(err)
	}
	before = f.state(t)
	f.driver.fail["load"] = errFault
	if err := f.Replace(ctx, box); !errors.Is(err, errFault) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Error(diff)
	}

	var ie *IdentityError
	for _, virtType := range []string{"xen", "qemu", "LXC", "../x"} {
		d := numbered(1)
		d.Type = virtType
		if err := f.Create(ctx, d); !errors.As(err, &ie) || ie.What != "type" {
			t.Errorf("type %q: %v", virtType, err)
		}
	}
}

// TestOwners gives machines what others have.
func TestOwners(t *testing.T) {
	ctx := context.Background()
	five := 5
	long := "production-database-"
	withNumber := func(d *Domain, name string) *Domain { d.ID, d.Name = &five, name; return d }
	shareable := func(d Disk) Disk { d.Shareable = true; return d }
	readOnly := func(d Disk) Disk { d.ReadOnly = true; return d }
	with := func(d *Domain, change func(*Domain)) *Domain { change(d); return d }
	for _, test := range []struct {
		name     string
		is, adds *Domain
		identity string
		reasons  []Reason
	}{
		{"nothing in common", numbered(1, raw("a", "/srv/1")), numbered(2, raw("a", "/srv/2")), "", nil},
		{"a name", numbered(1), with(numbered(2), func(d *Domain) { d.Name = "vm1" }), "name", nil},
		{"a number and the start of a name", withNumber(numbered(1), long+"1"), withNumber(numbered(2), long+"2"), "number", nil},
		{"a number", withNumber(numbered(1), "one"), withNumber(numbered(2), "two"), "", nil},
		{"an image", numbered(1, raw("a", "/srv/1")), numbered(2, raw("b", "/srv/1")), "", []Reason{ReasonShared}},
		{"an image to read", numbered(1, raw("a", "/srv/1")), numbered(2, readOnly(raw("b", "/srv/1"))), "", []Reason{ReasonShared}},
		{"an image that the other reads", numbered(1, readOnly(raw("a", "/srv/1"))), numbered(2, raw("b", "/srv/1")), "", []Reason{ReasonShared}},
		{"an image that both read", numbered(1, readOnly(raw("a", "/srv/1"))), numbered(2, readOnly(raw("b", "/srv/1"))), "", nil},
		{"an image that both share", numbered(1, shareable(raw("a", "/srv/1"))), numbered(2, shareable(raw("b", "/srv/1"))), "", nil},
		{"an image that one shares", numbered(1, raw("a", "/srv/1")), numbered(2, shareable(raw("b", "/srv/1"))), "", []Reason{ReasonShared}},
		{"an image as a backing file", numbered(1, raw("a", "/srv/1")), numbered(2, Disk{ID: "b", Image: Image{Path: "/srv/2", Backing: &Image{Path: "/srv/1"}}}), "", []Reason{ReasonShared}},
		{"a data file", numbered(1, Disk{ID: "a", Image: Image{Path: "/srv/1", Data: &Image{Path: "/srv/d"}}}), numbered(2, readOnly(raw("b", "/srv/d"))), "", []Reason{ReasonShared}},
		{"a block device", numbered(1, Disk{ID: "a", Image: Image{Type: ImageBlock, Path: "/dev/vg/1"}}), numbered(2, Disk{ID: "b", Image: Image{Type: ImageBlock, Path: "/dev/vg/1"}}), "", []Reason{ReasonShared}},
		{"variables", with(numbered(1), func(d *Domain) { d.Boot.NVRAM = &Image{Path: "/srv/vars"} }), with(numbered(2), func(d *Domain) { d.Boot.NVRAM = &Image{Path: "/srv/vars"} }), "", []Reason{ReasonShared}},
		{"firmware", with(numbered(1), func(d *Domain) { d.Boot.Kernel = "/srv/k" }), with(numbered(2), func(d *Domain) { d.Boot.Kernel = "/srv/k" }), "", nil},
		{"a log", with(numbered(1), func(d *Domain) { d.Devices.Serials = []Chardev{{ID: "s", Type: ChardevFile, Path: "/srv/log"}} }),
			with(numbered(2), func(d *Domain) { d.Devices.Serials = []Chardev{{ID: "s", Type: ChardevFile, Path: "/srv/log"}} }), "", []Reason{ReasonShared}},
		{"a directory with an image", numbered(1, raw("a", "/srv/vm/1")), with(numbered(2), func(d *Domain) { d.Devices.Filesystems = []Filesystem{{ID: "f", Source: "/srv/vm", ReadOnly: true}} }), "", []Reason{ReasonShared}},
		{"an image in a directory", with(numbered(1), func(d *Domain) { d.Devices.Filesystems = []Filesystem{{ID: "f", Source: "/srv/vm"}} }), numbered(2, readOnly(raw("a", "/srv/vm/1"))), "", []Reason{ReasonShared}},
		{"a directory", with(numbered(1), func(d *Domain) { d.Devices.Filesystems = []Filesystem{{ID: "f", Source: "/srv/vm"}} }),
			with(numbered(2), func(d *Domain) { d.Devices.Filesystems = []Filesystem{{ID: "f", Source: "/srv/vm"}} }), "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := ManagerOptions{Derive: Options{FS: fstest.MapFS{"dev/vg/1": {Mode: fs.ModeDevice}}}}
			f := newFixture(t, o)
			if err := f.Create(ctx, test.is); err != nil {
				t.Fatal(err)
			}
			check := func(what string, err error) {
				t.Helper()
				var ie *IdentityError
				switch {
				case test.identity == "" && len(test.reasons) == 0:
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
				case test.identity != "":
					if !errors.As(err, &ie) || ie.What != test.identity || !strings.Contains(ie.Reason, test.is.UUID) {
						t.Errorf("%s: %v", what, err)
					}
				default:
					wantReasons(t, what, err, test.reasons...)
				}
			}
			before := f.state(t)
			err := f.Create(ctx, test.adds)
			check("create", err)
			if err == nil {
				return
			}
			if diff := cmp.Diff(before, f.state(t)); diff != "" {
				t.Error(diff)
			}
			// A Manager that comes later knows it, too.
			closed(t, f)
			o.Dir = f.dir
			f = newFixture(t, o)
			check("create by another Manager", f.Create(ctx, test.adds))
			// What is given back is free.
			if err := errors.Join(f.Remove(ctx, test.is.UUID), f.Create(ctx, test.adds)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestOwnersUpdate adds devices that others have, and keeps those that a
// machine had before anybody asked.
func TestOwnersUpdate(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	one, two := numbered(1, raw("a", "/srv/1")), numbered(2, raw("a", "/srv/2"))
	if err := errors.Join(f.Create(ctx, one), f.Create(ctx, two)); err != nil {
		t.Fatal(err)
	}
	add := func(d *Domain, disks ...Disk) error {
		return f.update(ctx, d.UUID, Change{Add: Devices{Disks: disks}})
	}
	wantReasons(t, "add", add(two, raw("b", "/srv/1")), ReasonShared)
	if err := f.update(ctx, one.UUID, Change{Remove: []Device{{DeviceDisk, "a"}}}); err != nil {
		t.Fatal(err)
	}
	if err := add(two, raw("b", "/srv/1")); err != nil {
		t.Errorf("images that were given back: %v", err)
	}

	// Two machines of an earlier release with one image.
	files := func(d *Domain) string { return filepath.Join(f.dir, "libvirt", "libvirt-"+d.UUID+".files") }
	closed(t, f)
	for _, d := range []*Domain{one, two} {
		text := filesHeader + "# machine: \"both\" \"kvm\" -1\n  \"/srv/both\" rwk, # disk a\n"
		if err := os.WriteFile(files(d), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f = newFixture(t, ManagerOptions{Dir: f.dir})
	if err := add(one, raw("b", "/srv/new")); err != nil {
		t.Errorf("another device: %v", err)
	}
	wantReasons(t, "the other's new one", add(two, raw("c", "/srv/new")), ReasonShared)

	var pe *PathError
	if err := f.update(ctx, one.UUID, Change{Remove: []Device{{"dsik", "a"}}}); !errors.As(err, &pe) || pe.Reason != ReasonUnsupported {
		t.Errorf("a misspelled kind: %v", err)
	}
}

// qcow2Header makes the start of an image of version 2 with a backing file in
// qcow2 format.
func qcow2Header(backing string) []byte {
	b := make([]byte, 512)
	copy(b, "QFI\xfb\x00\x00\x00\x02")
	if backing != "" {
		b[15], b[19] = 96, byte(len(backing))
		copy(b[72:], "\xe2\x79\x2a\xca\x00\x00\x00\x05qcow2")
		copy(b[96:], backing)
	}
	return b
}

// TestChains has a guest rewrite the header of its own image.
func TestChains(t *testing.T) {
	ctx := context.Background()
	host := fstest.MapFS{
		"srv/top":   {Data: qcow2Header("mid")},
		"srv/mid":   {Data: qcow2Header("base")},
		"srv/base":  {Data: qcow2Header("")},
		"srv/other": {Data: qcow2Header("")},
		"dev/sdx":   {Mode: fs.ModeDevice},
	}
	o := ManagerOptions{Derive: Options{FS: host}}
	f := newFixture(t, o)
	d := numbered(1, Disk{ID: "a", Image: Image{Path: "/srv/top", Format: "qcow2"}})
	other := numbered(2, Disk{ID: "a", Image: Image{Path: "/srv/other", Format: "qcow2"}})
	if err := errors.Join(f.Create(ctx, d), f.Create(ctx, other)); err != nil {
		t.Fatal(err)
	}
	rules := func() string {
		t.Helper()
		return f.state(t)["libvirt-"+d.UUID+".files"]
	}
	const chain = "# chain: disk a \"/srv/top\" \"/srv/mid\" \"/srv/base\"\n"
	if text := rules(); !strings.Contains(text, chain) || !strings.Contains(text, `"/srv/base" rk, # disk a`) {
		t.Fatalf("the rules are\n%s", text)
	}
	rewrite := func(file, backing string) { host["srv/"+file].Data = qcow2Header(backing) }
	add := func() error { return f.update(ctx, d.UUID, Change{Add: d.Devices}) }
	refused := func(what string, want Reason) {
		t.Helper()
		before := f.state(t)
		wantReasons(t, what+", replaced", f.Replace(ctx, d), want)
		wantReasons(t, what+", added", add(), want)
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if err := errors.Join(f.Replace(ctx, d), add()); err != nil || !strings.Contains(rules(), chain) {
		t.Errorf("as it was: %v\n%s", err, rules())
	}
	rewrite("top", "other")
	refused("another file", ReasonChain)
	rewrite("top", "/dev/sdx")
	refused("a block device", ReasonBacking)

	// The memory outlives the Manager, and the profile's time in force.
	rewrite("top", "other")
	if err := f.Unload(ctx, d.UUID); err != nil {
		t.Fatal(err)
	}
	closed(t, f)
	o.Dir = f.dir
	f = newFixture(t, o)
	refused("another file, by another Manager", ReasonChain)

	// A part of the chain is less than all of it.
	rewrite("top", "base")
	if err := f.Replace(ctx, d); err != nil || !strings.Contains(rules(), "# chain: disk a \"/srv/top\" \"/srv/base\"\n") {
		t.Errorf("a shorter chain: %v\n%s", err, rules())
	}
	rewrite("top", "mid")
	refused("the chain that was left", ReasonChain)
	// Whoever has made a snapshot says so.
	if err := f.ForgetChains(ctx, d.UUID, Device{DeviceDisk, "b"}); err != nil {
		t.Fatal(err)
	}
	refused("another disk was forgotten", ReasonChain)
	if err := errors.Join(f.ForgetChains(ctx, d.UUID), f.Replace(ctx, d)); err != nil || !strings.Contains(rules(), chain) {
		t.Errorf("forgotten: %v\n%s", err, rules())
	}
	// Another machine's image is nobody's backing file, remembered or not.
	rewrite("top", "other")
	if err := f.ForgetChains(ctx, d.UUID); err != nil {
		t.Fatal(err)
	}
	refused("another machine's image", ReasonShared)
	if err := f.ForgetChains(ctx, testUUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("no such machine: %v", err)
	}

	// Rules of an earlier release remember what was granted.
	rewrite("top", "mid")
	old := filesHeader + "# machine: \"vm1\" \"kvm\" -1\n  \"/srv/base\" rk, # disk a\n  \"/srv/mid\" rk, # disk a\n  \"/srv/top\" rwk, # disk a\n"
	if err := f.store.replace("libvirt-"+d.UUID+".files", []byte(old)); err != nil {
		t.Fatal(err)
	}
	if err := f.Replace(ctx, d); err != nil || !strings.Contains(rules(), chain) {
		t.Errorf("taken over: %v\n%s", err, rules())
	}
	if err := f.store.replace("libvirt-"+d.UUID+".files", []byte(old)); err != nil {
		t.Fatal(err)
	}
	host["srv/free"] = &fstest.MapFile{Data: qcow2Header("")}
	rewrite("top", "free")
	refused("taken over, another file", ReasonChain)

	// A tenant's image names nothing.
	o.Dir, o.Derive.Origin, o.Derive.Roots.Images = "", FromTenant, []string{"/srv"}
	f = newFixture(t, o)
	wantReasons(t, "a tenant's", f.Create(ctx, d), ReasonBacking)
}

// TestOwnDirectory gives machines what is the Manager's.
func TestOwnDirectory(t *testing.T) {
	ctx := context.Background()
	state := t.TempDir()
	dir := filepath.Join(state, "policy")
	f := newFixture(t, ManagerOptions{Dir: dir, Derive: Options{FS: HostFS(), Roots: Roots{Shares: []string{"/"}, Images: []string{"/"}}}})
	if err := os.Symlink(dir, filepath.Join(state, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Reason{
		state: ReasonContains, dir: ReasonPrivate, filepath.Join(dir, "libvirt"): ReasonPrivate, filepath.Join(state, "link"): ReasonPrivate,
		filepath.Dir(state): ReasonContains,
	} {
		d := numbered(1)
		d.Devices.Filesystems = []Filesystem{{ID: "f", Source: path}}
		wantReasons(t, "share of "+path, f.Create(ctx, d), want)
	}
	for _, path := range []string{filepath.Join(dir, "libvirt", "libvirt-"+testUUID), filepath.Join(state, "link", "x"), "/var/cache/apparmor/x"} {
		wantReasons(t, "disk "+path, f.Create(ctx, numbered(1, raw("a", path))), ReasonPrivate)
	}
	if err := f.Create(ctx, numbered(1, raw("a", filepath.Join(state, "a.img")))); err != nil {
		t.Errorf("beside it: %v", err)
	}
}

// TestHungFileSystem has the file system of one machine's image not answer.
func TestHungFileSystem(t *testing.T) {
	ctx := context.Background()
	until := make(chan struct{})
	f := newFixture(t, ManagerOptions{Derive: Options{FS: hung{fstest.MapFS{"srv/x": {}}, until}}})
	ok, stuck := numbered(1, raw("a", "/srv/a")), numbered(2, raw("a", "/srv/b"))
	if err := errors.Join(f.Create(ctx, ok), f.Create(ctx, stuck)); err != nil {
		t.Fatal(err)
	}
	before := f.state(t)
	hang := Change{Add: Devices{Disks: []Disk{raw("b", "/srv/hung/b")}}}
	for range 3 {
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		if err := f.update(short, stuck.UUID, hang); !errors.Is(err, ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Error(diff)
	}
	if _, err := f.Status(ctx, stuck.UUID); err != nil {
		t.Errorf("its state: %v", err)
	}
	if err := f.Replace(ctx, ok); err != nil {
		t.Errorf("another machine: %v", err)
	}
	if err := errors.Join(f.Unload(ctx, stuck.UUID), f.Remove(ctx, stuck.UUID)); err != nil {
		t.Errorf("its end: %v", err)
	}
	close(until)
	if err := errors.Join(f.Create(ctx, stuck), f.update(ctx, stuck.UUID, hang)); err != nil {
		t.Errorf("once it answers: %v", err)
	}
}

type hung struct {
	fs.ReadLinkFS
	until chan struct{}
}

func (h hung) Lstat(n string) (fs.FileInfo, error) {
	if strings.HasPrefix(n, "srv/hung") {
		<-h.until
	}
	return h.ReadLinkFS.Lstat(n)
}
