// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

const testUUID = "00000000-0000-4000-8000-0123456789ab"

// fakeDriver compiles as the real one does and loads into a map.
type fakeDriver struct {
	AppArmor
	mu      sync.Mutex
	loaded  map[string]string // name -> digest of what is in force
	used    map[string]bool
	sealed  map[string]bool          // by profile; loading ends it
	files   map[string][]loader.File // by profile
	started []string
	options []StartOptions           // of those
	retired []loader.RetireOptions   // of each Unload
	fail    map[string]error         // by method
	loading func(names string) error // called by Load, if there is one
	lax     bool                     // the kernel as a whole is in complain mode
}

func newFakeDriver(t testing.TB) *fakeDriver {
	t.Helper()
	set, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("the features of the kernel are unknown")
	}
	return &fakeDriver{AppArmor: AppArmor{Features: set, Degrade: 1}, loaded: map[string]string{}, used: map[string]bool{}, fail: map[string]error{}}
}

type fakeCompiled struct {
	names  string // of the profiles, with blanks between
	digest string
}

func (f *fakeDriver) Compile(ctx context.Context, src *Source) (Compiled, error) {
	if err := f.failing("compile"); err != nil {
		return nil, err
	}
	c, err := f.AppArmor.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	p := c.(interface{ Digest() [32]byte })
	names := src.Profile
	for _, c := range src.Companions {
		names += " " + c.Profile
	}
	return fakeCompiled{names, fmt.Sprintf("%x", p.Digest())}, nil
}

func (f *fakeDriver) failing(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fail[method]
}

func (f *fakeDriver) Load(_ context.Context, c Compiled, a loader.Accept) error {
	if err := f.failing("load"); err != nil {
		return err
	}
	if f.loading != nil {
		if err := f.loading(c.(fakeCompiled).names); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lax && !a.Complain {
		return loader.ErrMode
	}
	for name := range strings.FieldsSeq(c.(fakeCompiled).names) {
		f.loaded[name] = c.(fakeCompiled).digest
		delete(f.sealed, name)
	}
	return nil
}

func (f *fakeDriver) Mark(c Compiled) Mark { return c }

func (f *fakeDriver) InForce(_ context.Context, c Confinement) (bool, error) {
	if err := f.failing("inforce"); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for name := range strings.FieldsSeq(c.Mark.(fakeCompiled).names) {
		if f.loaded[name] != c.Mark.(fakeCompiled).digest {
			return false, nil
		}
	}
	return true, nil
}

func (f *fakeDriver) Unload(_ context.Context, profile string, o loader.RetireOptions) error {
	if err := f.failing("unload"); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.retired = append(f.retired, o)
	if f.used[profile] && !o.Kill {
		return ErrInUse
	}
	if _, ok := f.loaded[profile]; !ok {
		return fs.ErrNotExist
	}
	delete(f.loaded, profile)
	return nil
}

func (f *fakeDriver) List(context.Context) ([]Loaded, error) {
	if err := f.failing("list"); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := []Loaded{{"unrelated", "enforce"}}
	for _, name := range slices.Sorted(maps.Keys(f.loaded)) {
		out = append(out, Loaded{name, "enforce"})
	}
	return out, nil
}

func (f *fakeDriver) InUse(_ context.Context, profile string) (bool, error) {
	if err := f.failing("inuse"); err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.used[profile], nil
}

func (f *fakeDriver) Sealed(_ context.Context, profile string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sealed[profile], f.fail["sealed"]
}

func (f *fakeDriver) Files(_ context.Context, profile string, want func(loader.File) bool) ([]loader.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []loader.File
	for _, file := range f.files[profile] {
		if want(file) {
			out = append(out, file)
		}
	}
	return out, f.fail["files"]
}

func (f *fakeDriver) Start(_ context.Context, _ *exec.Cmd, c Confinement, o StartOptions) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.loaded[c.Profile] {
	case "":
		return ErrNotLoaded
	case c.Mark.(fakeCompiled).digest:
		f.started = append(f.started, c.Profile)
		f.options = append(f.options, o)
		return nil
	}
	return loader.ErrContent
}

func (f *fakeDriver) ChangeProfile(ctx context.Context, c Confinement, a loader.Accept) error {
	return f.Start(ctx, nil, c, StartOptions{Accept: a})
}

// faultyStore fails the n-th change of a file from now on.
type faultyStore struct {
	store
	mu    sync.Mutex
	after int // changes that still succeed; negative: all
}

var errFault = errors.New("the disk is full")

func (s *faultyStore) step() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after == 0 {
		s.after = -1 // what undoes it succeeds
		return errFault
	}
	if s.after > 0 {
		s.after--
	}
	return nil
}

func (s *faultyStore) replace(name string, data []byte) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.store.replace(name, data)
}

func (s *faultyStore) create(name string, data []byte) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.store.create(name, data)
}

func (s *faultyStore) remove(name string) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.store.remove(name)
}

// fixture is a Manager over a directory of its own.
type fixture struct {
	*Manager
	driver *fakeDriver
	faults *faultyStore
	dir    string
}

func newFixture(t testing.TB, o ManagerOptions) *fixture {
	t.Helper()
	f := &fixture{driver: newFakeDriver(t), dir: t.TempDir()}
	if o.Dir == "" {
		o.Dir = f.dir
	}
	f.dir = o.Dir
	o.Driver = f.driver
	if o.Derive.FS == nil {
		o.Derive.FS = emptyFS{}
	}
	m, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	f.faults = &faultyStore{store: m.store, after: -1}
	m.store = f.faults
	f.Manager = m
	return f
}

// closed closes the Manager of a fixture, so that another may have its
// directory.
func closed(t testing.TB, f *fixture) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// update is Update without what it returns.
func (m *Manager) update(ctx context.Context, uuid string, c Change) error {
	_, err := m.Update(ctx, uuid, c)
	return err
}

// put creates a machine, or replaces it if it is there.
func (f *fixture) put(ctx context.Context, d *Domain) error {
	err := f.Create(ctx, d)
	if errors.Is(err, ErrExists) {
		return f.Replace(ctx, d)
	}
	return err
}

// state returns every file and what is in force.
func (f *fixture) state(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	entries, err := os.ReadDir(filepath.Join(f.dir, "libvirt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(f.dir, "libvirt", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(data)
	}
	f.driver.mu.Lock()
	defer f.driver.mu.Unlock()
	for name, digest := range f.driver.loaded {
		out["loaded "+name] = digest
	}
	return out
}

func testDomain(paths ...string) *Domain {
	d := &Domain{UUID: testUUID, Name: "vm", Type: "kvm"}
	for i, p := range paths {
		d.Devices.Disks = append(d.Devices.Disks, Disk{ID: fmt.Sprintf("vd%c", 'a'+i), Image: Image{Path: p}})
	}
	return d
}

const (
	testProfile = "libvirt-" + testUUID
	testFiles   = testProfile + ".files"
)

func TestManagerLife(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	if _, err := f.Status(ctx, testUUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("status before: %v", err)
	}
	if err := f.Load(ctx, testUUID); !errors.Is(err, ErrNotFound) {
		t.Errorf("load before: %v", err)
	}
	if err := f.update(ctx, testUUID, Change{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("update before: %v", err)
	}
	if err := f.put(ctx, testDomain("/srv/a", "/srv/b")); err != nil {
		t.Fatal(err)
	}
	s := f.state(t)
	if !strings.Contains(s[testProfile], "\nprofile "+testProfile+" ") || !strings.Contains(s[testProfile], "<libvirt/"+testFiles+">") {
		t.Errorf("the profile is\n%s", s[testProfile])
	}
	wantFiles := filesHeader + `# machine: "vm" "kvm" -1
# notes: 1
  "/run/libvirt/qemu/qemu.tunnelmigrate.dest.vm" rw, # domain machine
  "/run/libvirt/qemu/vm.pid" rwk, # domain machine
  "/srv/a" rwk, # disk vda
  "/srv/b" rwk, # disk vdb
  "/var/log/libvirt/qemu/vm.log" w, # domain machine
`
	if diff := cmp.Diff(wantFiles, s[testFiles]); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{testProfile, testFiles} {
		info, err := os.Lstat(filepath.Join(f.dir, "libvirt", name))
		if err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	first := s["loaded "+testProfile]
	if first == "" {
		t.Fatal("the profile is not loaded")
	}
	want := Status{UUID: testUUID, Profile: testProfile, Driver: "apparmor", HasProfile: true, HasFiles: true, Loaded: true, Mode: "enforce"}
	if got, err := f.Status(ctx, testUUID); err != nil || !cmp.Equal(got, want) {
		t.Errorf("status: %+v, %v", got, err)
	}
	if got, err := f.List(ctx); err != nil || !cmp.Equal(got, []Status{want}) {
		t.Errorf("list: %+v, %v", got, err)
	}
	if err := f.Start(ctx, testUUID, exec.Command("true")); err != nil || !slices.Equal(f.driver.started, []string{testProfile}) {
		t.Errorf("start: %v, %v", f.driver.started, err)
	}
	if err := f.ChangeProfile(ctx, testUUID); err != nil || len(f.driver.started) != 2 {
		t.Errorf("change profile: %v", err)
	}

	// The machine's rules change, the profile does not.
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	if s := f.state(t); strings.Contains(s[testFiles], "/srv/b") || s["loaded "+testProfile] == first {
		t.Error("the old rules are still there")
	}

	// A machine in use stays confined.
	f.driver.used[testProfile] = true
	for name, op := range map[string]func(context.Context, string) error{"unload": f.Unload, "remove": f.Remove} {
		before := f.state(t)
		if err := op(ctx, testUUID); !errors.Is(err, ErrInUse) {
			t.Errorf("%s in use: %v", name, err)
		}
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s in use: %s", name, diff)
		}
	}
	f.driver.used = map[string]bool{}

	if err := f.Unload(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if err := f.Unload(ctx, testUUID); err != nil {
		t.Errorf("unload twice: %v", err)
	}
	if got, err := f.Status(ctx, testUUID); err != nil || got.Loaded || !got.HasFiles {
		t.Errorf("status: %+v, %v", got, err)
	}
	if err := f.Load(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if f.driver.loaded[testProfile] == "" {
		t.Error("the profile is not loaded again")
	}
	if err := f.Remove(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if s := f.state(t); len(s) != 0 {
		t.Errorf("left: %v", s)
	}
	if err := f.Remove(ctx, testUUID); err != nil {
		t.Errorf("remove twice: %v", err)
	}
	if got, err := f.List(ctx); err != nil || len(got) != 0 {
		t.Errorf("list: %+v, %v", got, err)
	}
	if n := len(f.machines); n != 0 {
		t.Errorf("%d machines are remembered", n)
	}
}

// TestManagerLoadIsCreate checks that the text on disk means what was loaded
// from values.
func TestManagerLoadIsCreate(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	d := testDomain("/srv/a b", "/srv/c,d")
	d.Devices.Graphics = []Graphics{{Type: "spice", RenderNode: "/dev/dri/renderD128", GL: true}}
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	created := f.driver.loaded[testProfile]
	if err := f.Load(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if f.driver.loaded[testProfile] != created {
		t.Error("the profile on disk compiles to something else")
	}
}

func TestManagerUpdate(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	if err := f.put(ctx, testDomain("/srv/a", "/srv/shared")); err != nil {
		t.Fatal(err)
	}
	rules := func() string {
		t.Helper()
		var b strings.Builder
		for line := range strings.Lines(f.state(t)[testFiles]) {
			if strings.Contains(line, "/srv/") || strings.Contains(line, "drirc\"") {
				b.WriteString(line)
			}
		}
		return b.String()
	}
	steps := []struct {
		name   string
		change Change
		want   string
	}{
		{"plug in", Change{Add: Devices{
			Disks:    []Disk{{ID: "vdc", Image: Image{Path: "/srv/c"}, ReadOnly: true}, {ID: "vdd", Image: Image{Path: "/srv/shared"}, ReadOnly: true}},
			Graphics: []Graphics{{ID: "g", Type: "spice", GL: true}},
		}}, `  "/etc/drirc" r, # graphics g
  "/srv/a" rwk, # disk vda
  "/srv/c" rk, # disk vdc
  "/srv/shared" rwk, # disk vdb, disk vdd rk
`},
		{"make writable", Change{Add: Devices{Disks: []Disk{{ID: "vdc", Image: Image{Path: "/srv/c"}}}}}, `  "/etc/drirc" r, # graphics g
  "/srv/a" rwk, # disk vda
  "/srv/c" rwk, # disk vdc
  "/srv/shared" rwk, # disk vdb, disk vdd rk
`},
		{"unplug one of two users", Change{Remove: []Device{{DeviceDisk, "vdb"}, {DeviceGraphics, "g"}}}, `  "/srv/a" rwk, # disk vda
  "/srv/c" rwk, # disk vdc
  "/srv/shared" rk, # disk vdd
`},
		{"batch", Change{
			Remove: []Device{{DeviceDisk, "vdc"}, {DeviceDisk, "vdd"}, {DeviceDisk, "not there"}},
			Add:    Devices{Extra: []PathGrant{{ID: "commit", Path: "/srv/base", Perms: "rwk"}}},
		}, `  "/srv/a" rwk, # disk vda
  "/srv/base" rwk, # extra commit
`},
	}
	for _, s := range steps {
		before := f.driver.loaded[testProfile]
		if err := f.update(ctx, testUUID, s.change); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if diff := cmp.Diff(s.want, rules()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
		if f.driver.loaded[testProfile] == before {
			t.Errorf("%s: the profile in force did not change", s.name)
		}
	}

	// A Manager that did not create the machine goes on with it.
	closed(t, f)
	other := newFixture(t, ManagerOptions{Dir: f.dir})
	if err := other.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{{ID: "vde", Image: Image{Path: "/srv/e"}}}}}); err != nil {
		t.Fatal(err)
	}
	if want := "  \"/srv/a\" rwk, # disk vda\n  \"/srv/base\" rwk, # extra commit\n  \"/srv/e\" rwk, # disk vde\n"; rules() != want {
		t.Errorf("got\n%s", rules())
	}
	if len(other.driver.loaded) != 0 {
		t.Error("a profile that is not in force was loaded")
	}
	f = other

	before := f.state(t)
	for name, c := range map[string]Change{
		"no ID":       {Add: Devices{Disks: []Disk{{Image: Image{Path: "/srv/x"}}}}},
		"same ID":     {Add: Devices{Disks: []Disk{{ID: "x", Image: Image{Path: "/srv/x"}}, {ID: "x", Image: Image{Path: "/srv/y"}}}}},
		"refused":     {Remove: []Device{{DeviceDisk, "vda"}}, Add: Devices{Disks: []Disk{{ID: "x", Image: Image{Path: "/etc/shadow"}}}}},
		"host device": {Add: Devices{HostDevices: []HostDevice{{ID: "x", Kind: HostPCI}}}},
	} {
		var pe *PathError
		if err := f.update(ctx, testUUID, c); !errors.As(err, &pe) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestManagerFaults fails every step of every operation in turn. Nothing may
// be left half done.
func TestManagerFaults(t *testing.T) {
	ctx := context.Background()
	errDriver := errors.New("the kernel says no")
	ops := map[string]func(f *fixture) error{
		"create anew":                  func(f *fixture) error { return f.put(ctx, testDomain("/srv/new")) },
		"create again":                 func(f *fixture) error { return f.put(ctx, testDomain("/srv/new")) },
		"create over an empty profile": func(f *fixture) error { return f.put(ctx, testDomain("/srv/new")) },
		"update": func(f *fixture) error {
			return f.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{{ID: "x", Image: Image{Path: "/srv/x"}}}}})
		},
		"load":           func(f *fixture) error { return f.Load(ctx, testUUID) },
		"unload":         func(f *fixture) error { return f.Unload(ctx, testUUID) },
		"compile broken": func(f *fixture) error { return f.put(ctx, testDomain("/etc/passwd")) },
	}
	prepare := func(t *testing.T, name string) (*fixture, map[string]string) {
		f := newFixture(t, ManagerOptions{})
		if name != "create anew" {
			if err := f.put(ctx, testDomain("/srv/a")); err != nil {
				t.Fatal(err)
			}
		}
		if name == "create over an empty profile" {
			path := filepath.Join(f.dir, "libvirt", testProfile)
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if name == "load" {
			if err := f.Unload(ctx, testUUID); err != nil {
				t.Fatal(err)
			}
		}
		return f, f.state(t)
	}
	for name, op := range ops {
		t.Run(name, func(t *testing.T) {
			for _, method := range []string{"compile", "load", "unload", "list", "inuse"} {
				f, before := prepare(t, name)
				f.driver.fail[method] = errDriver
				err := op(f)
				if err == nil {
					continue // the operation does not use the method
				}
				if name != "compile broken" && !errors.Is(err, errDriver) {
					t.Errorf("%s: %v", method, err)
				}
				if diff := cmp.Diff(before, f.state(t)); diff != "" {
					t.Errorf("%s: %s", method, diff)
				}
			}
			for n := range 10 {
				f, before := prepare(t, name)
				f.faults.after = n
				err := op(f)
				if err == nil {
					break
				}
				if name != "compile broken" && !errors.Is(err, errFault) {
					t.Errorf("change %d: %v", n, err)
				}
				if diff := cmp.Diff(before, f.state(t)); diff != "" {
					t.Errorf("change %d: %s", n, diff)
				}
			}
		})
	}
}

// TestManagerInconsistent checks that what cannot be undone is said.
func TestManagerInconsistent(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	f.driver.fail["load"] = errors.New("the kernel says no")
	f.faults.after = 1 // writing succeeds, undoing does not
	if err := f.put(ctx, testDomain("/srv/b")); !errors.Is(err, ErrInconsistent) {
		t.Errorf("got %v", err)
	}
}

func TestManagerEdited(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	d := testDomain("/srv/a")
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, "libvirt", testProfile)
	edit := func(from, to string) string {
		t.Helper()
		text := strings.Replace(f.state(t)[testProfile], from, to, 1)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return text
	}
	edited := edit("{\n", "{\n  /opt/tool r,\n")
	before := f.driver.loaded[testProfile]
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	if s := f.state(t); s[testProfile] != edited || s["loaded "+testProfile] == before {
		t.Error("the edited profile was not kept or not loaded")
	}
	if s, err := f.Status(ctx, testUUID); err != nil || !s.Edited {
		t.Errorf("status: %+v, %v", s, err)
	}

	// An edit may not reach for other profiles, or lose the machine's rules.
	for name, change := range map[string][2]string{
		"another profile": {"profile libvirt-", "profile other { /** rw, }\nprofile libvirt-"},
		"another name":    {testProfile + " ", "libvirt-" + strings.Repeat("0", 8) + testUUID[8:] + "x "},
		"no rules":        {"include if exists", "#"},
		"broken":          {"{\n", "{\n  /opt/tool\n"},
	} {
		edit(change[0], change[1])
		before := f.state(t)
		if err := f.put(ctx, testDomain("/srv/b")); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	if err := f.Remove(ctx, testUUID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{testProfile: edited}, f.state(t)); diff != "" {
		t.Error(diff)
	}
}

// TestManagerOddFiles puts things in the places of a machine's files.
func TestManagerOddFiles(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	dir := filepath.Join(f.dir, "libvirt")
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{testProfile, testFiles} {
		if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if err := f.put(ctx, testDomain("/srv/a")); err == nil {
			t.Errorf("%s: a symbolic link was taken for the file", name)
		}
		if data, err := os.ReadFile(victim); err != nil || string(data) != "precious" {
			t.Errorf("%s: the target of the link is %q, %v", name, data, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// An empty profile, as a crash of older software leaves it, is not a profile.
	if err := os.WriteFile(filepath.Join(dir, testProfile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	// Rules that others wrote are replaced as a whole, but not changed.
	if err := os.WriteFile(filepath.Join(dir, testFiles), []byte("  \"/x\" rw,\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.update(ctx, testUUID, Change{}); !errors.Is(err, ErrForeign) {
		t.Errorf("update of somebody's rules: %v", err)
	}
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"README", "libvirt-x", "TEMPLATE.qemu", ".libvirt-" + testUUID, testProfile + ".files~"} {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := f.List(ctx); err != nil || len(got) != 1 {
		t.Errorf("list: %+v, %v", got, err)
	}
}

func TestManagerRefusesNames(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	for _, uuid := range []string{"", "../" + testUUID[3:], strings.ToUpper(testUUID), testUUID + "/x", "TEMPLATE.qemu"} {
		d := testDomain("/srv/a")
		d.UUID = uuid
		_, status := f.Status(ctx, uuid)
		for op, err := range map[string]error{
			"create": f.put(ctx, d), "update": f.update(ctx, uuid, Change{}), "load": f.Load(ctx, uuid), "unload": f.Unload(ctx, uuid),
			"remove": f.Remove(ctx, uuid), "start": f.Start(ctx, uuid, exec.Command("true")), "change profile": f.ChangeProfile(ctx, uuid), "status": status,
		} {
			var ie *IdentityError
			if !errors.As(err, &ie) {
				t.Errorf("%s %q: %v", op, uuid, err)
			}
		}
	}
	d := testDomain("/srv/a")
	d.Type = "../x"
	if err := f.put(ctx, d); err == nil {
		t.Error("a type with a path was accepted")
	}
	d.Type = "xen"
	var ie *IdentityError
	if err := f.put(ctx, d); !errors.As(err, &ie) || ie.What != "type" {
		t.Errorf("a type that was not asked for: %v", err)
	}
	f = newFixture(t, ManagerOptions{Types: []string{"xen"}})
	var te *FileError
	if err := f.put(ctx, d); !errors.As(err, &te) || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a type without a template: %v", err)
	}
	if s := f.state(t); len(s) != 0 {
		t.Errorf("left: %v", s)
	}
}

// TestManagerTemplates checks where templates come from.
func TestManagerTemplates(t *testing.T) {
	ctx := context.Background()
	host := func(t *testing.T) string {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"libvirt/TEMPLATE.qemu":     "profile LIBVIRT_TEMPLATE {\n  include <abstractions/site>\n}\n",
			"abstractions/site":         "/site r,\n",
			"abstractions/libvirt-qemu": "/hosts r,\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for _, test := range []struct {
		templates Templates
		site      bool
	}{{TemplatesDefault, false}, {TemplatesHost, true}, {TemplatesOwn, false}, {TemplatesHostOnly, true}} {
		f := newFixture(t, ManagerOptions{Dir: host(t), Templates: test.templates})
		if err := f.put(ctx, testDomain("/srv/a")); err != nil {
			t.Fatal(err)
		}
		created := f.driver.loaded[testProfile]
		if err := f.Load(ctx, testUUID); err != nil || f.driver.loaded[testProfile] != created {
			t.Errorf("templates %d: the policy loaded from disk is another: %v", test.templates, err)
		}
		if got := strings.Contains(f.state(t)[testProfile], "abstractions/site"); got != test.site {
			t.Errorf("templates %d: the host's is used: %v", test.templates, got)
		}
	}
	empty := newFixture(t, ManagerOptions{Templates: TemplatesHostOnly})
	if err := empty.Create(ctx, testDomain("/srv/a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without the host's template: %v", err)
	}
}

// TestManagerParts makes machines of a monitor that has a template of its own,
// which is a value.
func TestManagerParts(t *testing.T) {
	ctx := context.Background()
	template, err := NewTemplate("libvirt/TEMPLATE.firecracker", nil,
		&ast.Include{Path: "abstractions/libvirt-vmm"},
		&ast.Include{Path: "abstractions/firecracker"},
		&ast.FileRule{Path: "/usr/bin/firecracker", Perms: ast.FileRead | ast.FileMmap, Exec: ast.ExecInherit},
	)
	if err != nil {
		t.Fatal(err)
	}
	abstraction, err := NewAbstraction("abstractions/firecracker", &ast.FileRule{Path: "/dev/vhost-vsock", Perms: ast.FileRead | ast.FileWrite})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, ManagerOptions{Types: []string{"firecracker"}, Parts: []Part{template, abstraction}})
	d := testDomain("/srv/a")
	d.Type = "firecracker"
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	s := f.state(t)
	p, err := ParseMachineProfile(ctx, testUUID, s[testProfile])
	if err != nil || !template.Made(p, true) {
		t.Errorf("the profile is not the template's: %v\n%s", err, s[testProfile])
	}
	if status, err := f.Status(ctx, testUUID); err != nil || status.Edited {
		t.Errorf("status: %+v, %v", status, err)
	}
	if err := f.Load(ctx, testUUID); err != nil || f.driver.loaded[testProfile] != s["loaded "+testProfile] {
		t.Errorf("the policy loaded from disk is another: %v", err)
	}

	// A program of the machine's own, plugged in and out again.
	if err := f.update(ctx, testUUID, Change{Add: Devices{Programs: []Program{{ID: "helper", Path: "/usr/libexec/helper"}}}}); err != nil {
		t.Fatal(err)
	}
	if files := f.state(t)[testFiles]; !strings.Contains(files, "\"/usr/libexec/helper\" mrix, # program helper\n") {
		t.Errorf("got\n%s", files)
	}
	if err := f.Load(ctx, testUUID); err != nil {
		t.Error(err)
	}
	before := f.state(t)
	var pe *PathError
	if err := f.update(ctx, testUUID, Change{Add: Devices{Extra: []PathGrant{{ID: "x", Path: "/usr/libexec/helper", Perms: "w"}}}}); !errors.As(err, &pe) {
		t.Errorf("a program was made writable by where it is: %v", err)
	}
	if err := f.update(ctx, testUUID, Change{Add: Devices{Programs: []Program{{ID: "disk", Path: "/srv/a"}}}}); !errors.As(err, &pe) || pe.Reason != ReasonWritable {
		t.Errorf("a disk that is written was made a program: %v", err)
	}
	if diff := cmp.Diff(before, f.state(t)); diff != "" {
		t.Error(diff)
	}
	if err := f.update(ctx, testUUID, Change{Remove: []Device{{DeviceProgram, "helper"}}}); err != nil {
		t.Fatal(err)
	}
	if after := f.state(t); after[testFiles] != s[testFiles] || after["loaded "+testProfile] != s["loaded "+testProfile] {
		t.Error("removing the program does not restore the machine")
	}
	if err := f.Remove(ctx, testUUID); err != nil || len(f.state(t)) != 0 {
		t.Errorf("remove: %v, left %v", err, f.state(t))
	}
}

// TestManagerContainer checks that a container has no rules of its own.
func TestManagerContainer(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{Types: []string{"lxc"}})
	d := testDomain()
	d.Type = "lxc"
	d.Devices.Filesystems = []Filesystem{{Source: "/"}} // its own root
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	s := f.state(t)
	if _, ok := s[testFiles]; ok || strings.Contains(s[testProfile], ".files") || s["loaded "+testProfile] == "" {
		t.Errorf("got %v", s)
	}
	if err := f.update(ctx, testUUID, Change{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("update: %v", err)
	}
	if err := f.Remove(ctx, testUUID); err != nil || len(f.state(t)) != 0 {
		t.Errorf("remove: %v, left %v", err, f.state(t))
	}
}

// TestManagerCompat keeps a machine under the reference's policy.
func TestManagerCompat(t *testing.T) {
	ctx := context.Background()
	o := ManagerOptions{Derive: Options{Method: Compat128}}
	f := newFixture(t, o)
	d := testDomain("/srv/b*", "/srv/a")
	if err := f.put(ctx, d); err != nil {
		t.Fatal(err)
	}
	d.Devices.Disks[0].Image.Path = "/srv/changed" // the Manager has its own
	if err := f.update(ctx, testUUID, Change{
		Remove: []Device{{DeviceDisk, "vdb"}},
		Add:    Devices{Disks: []Disk{{ID: "vdc", Image: Image{Path: "/srv/c"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	want := filesHeader + `  "/var/log/libvirt/**/vm.log" w,
  "/var/lib/libvirt/qemu/domain-vm/monitor.sock" rw,
  "/var/lib/libvirt/qemu/domain--1-vm/*" rw,
  "/run/libvirt/**/vm.pid" rwk,
  "/run/libvirt/**/*.tunnelmigrate.dest.vm" rw,
  "/srv/b*" rwk,
  "/srv/c" rwk,
`
	if diff := cmp.Diff(want, f.state(t)[testFiles]); diff != "" {
		t.Error(diff)
	}
	o.Dir = f.dir
	closed(t, f)
	other := newFixture(t, o)
	if err := other.update(ctx, testUUID, Change{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("update by another Manager: %v", err)
	}
}

// TestManagerConcurrent does everything at once to a few machines.
func TestManagerConcurrent(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{})
	uuids := make([]string, 3)
	for i := range uuids {
		uuids[i] = fmt.Sprintf("%08d%s", i, testUUID[8:])
	}
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := range 6 {
				d := testDomain(fmt.Sprintf("/srv/%d-%d", worker, i))
				d.UUID = uuids[(worker+i)%len(uuids)]
				d.Name = d.UUID
				d.Devices.Disks[0].Image.Path += d.UUID
				var err error
				switch (worker + i) % 5 {
				case 0, 1:
					err = f.put(ctx, d)
				case 2:
					err = f.update(ctx, d.UUID, Change{Add: Devices{Disks: []Disk{{ID: fmt.Sprint("w", worker), Image: Image{Path: "/srv/x" + d.UUID}}}}})
				case 3:
					_, err = f.List(ctx)
				case 4:
					err = f.Remove(ctx, d.UUID)
				}
				if err != nil && !errors.Is(err, ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, uuid := range uuids {
		if err := f.put(ctx, &Domain{UUID: uuid, Name: uuid}); err != nil {
			t.Error(err)
		}
	}
	list, err := f.List(ctx)
	if err != nil || len(list) != len(uuids) {
		t.Errorf("got %v, %v", list, err)
	}
	for _, s := range list {
		if !s.HasProfile || !s.HasFiles || !s.Loaded {
			t.Errorf("got %+v", s)
		}
	}
	if s := f.state(t); len(s) != 3*len(uuids) {
		t.Errorf("files are left over: %v", slices.Sorted(maps.Keys(s)))
	}
}

// TestTemplateConcurrent reads a template for the first time from many goroutines at
// once, for the race detector.
func TestTemplateConcurrent(t *testing.T) {
	name, err := TemplateFor("kvm")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, ManagerOptions{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if got, err := f.template(t.Context(), name); err != nil || got == nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	all.Wait()
}

// TestManagerContext checks that waiting for a machine ends with the context.
func TestManagerContext(t *testing.T) {
	f := newFixture(t, ManagerOptions{})
	_, unlock, err := f.lock(context.Background(), testUUID)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.put(ctx, testDomain("/srv/a")) }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock()
	if err := f.put(ctx, testDomain("/srv/a")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if s := f.state(t); len(s) != 0 {
		t.Errorf("left: %v", s)
	}
	if err := f.put(context.Background(), testDomain("/srv/a")); err != nil {
		t.Error(err)
	}
}

// TestManagerNone checks the driver that does nothing.
func TestManagerNone(t *testing.T) {
	ctx := context.Background()
	m, err := New(ctx, ManagerOptions{Dir: t.TempDir(), Driver: None{}, Derive: Options{FS: emptyFS{}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Create(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	s, err := m.Status(ctx, testUUID)
	if err != nil || s.Loaded || s.Driver != "none" {
		t.Errorf("status: %+v, %v", s, err)
	}
	if err := m.ChangeProfile(ctx, testUUID); !errors.Is(err, ErrUnconfined) {
		t.Errorf("change profile: %v", err)
	}
	if err := m.Remove(ctx, testUUID); err != nil {
		t.Error(err)
	}
}

// TestInstall checks that the policy on disk is the one that is built in, and
// that what is there stays.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	theirs := filepath.Join(dir, "abstractions", "base")
	if err := os.MkdirAll(filepath.Dir(theirs), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Install(dir); err != nil {
			t.Fatal(err)
		}
	}
	err := fs.WalkDir(PolicyFS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		want, err := fs.ReadFile(PolicyFS(), name)
		if err != nil {
			return err
		}
		if name == "abstractions/base" {
			want = []byte("theirs")
		}
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s: %v, or not what it should be", name, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestTemplateIsParsedOnce checks that a template is parsed again only when it
// has changed, and that the driver gets the tree of the profile, not its text.
func TestTemplateIsParsedOnce(t *testing.T) {
	ctx := context.Background()
	f := newFixture(t, ManagerOptions{Templates: TemplatesHost})
	first, err := f.template(ctx, "libvirt/TEMPLATE.qemu")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.template(ctx, "libvirt/TEMPLATE.qemu"); err != nil || again != first {
		t.Errorf("the template was parsed twice: %v", err)
	}
	if err := os.WriteFile(filepath.Join(f.dir, "libvirt/TEMPLATE.qemu"), []byte(first.Text()+"# changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	changed, err := f.template(ctx, "libvirt/TEMPLATE.qemu")
	if err != nil || !strings.HasSuffix(changed.Text(), "# changed\n") {
		t.Errorf("the change was not seen: %v", err)
	}
	if err := f.put(ctx, testDomain("/srv/a")); err != nil {
		t.Fatal(err)
	}
	if text := f.state(t)[testProfile]; !strings.HasSuffix(text, "# changed\n") {
		t.Errorf("the profile is\n%s", text)
	}
}

// TestBegin gives up waiting for a place with the context.
func TestBegin(t *testing.T) {
	m := &Manager{places: make(chan struct{}, 1)}
	end, err := m.begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.begin(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	end()
	if _, err := m.begin(t.Context()); err != nil {
		t.Errorf("the place was not given back: %v", err)
	}
}

func BenchmarkCreate(b *testing.B) {
	ctx := context.Background()
	f := newFixture(b, ManagerOptions{})
	d := testDomain("/srv/a")
	b.ReportAllocs()
	for b.Loop() {
		if err := f.put(ctx, d); err != nil {
			b.Fatal(err)
		}
	}
}
