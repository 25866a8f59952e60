// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// The variables that make the test program another program, which a test then
// breaks or kills.
const (
	operationVariable = "SVIRT_TEST_OPERATION" // does one operation
	workerVariable    = "SVIRT_TEST_WORKER"    // is a manager with this prefix, and does what it is told
)

func init() {
	if os.Getenv(operationVariable) != "" {
		// What strace counts are the system calls of one thread.
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(operationVariable) != "":
		os.Exit(operate(os.Args[1], os.Getenv(operationVariable)))
	case os.Getenv(workerVariable) != "":
		os.Exit(serve(os.Args[1], os.Getenv(workerVariable)))
	default:
		os.Exit(m.Run())
	}
}

// diskKernel is a driver whose kernel is a directory, so that it outlives the
// process as the real one does: a file for each machine, with the loads and the
// unloads of its profile and of its companions'. Each is one write, as with the
// real one.
type diskKernel struct {
	AppArmor
	dir string
}

func newDiskKernel(dir string) (*diskKernel, error) {
	set, ok := features.Kernel("6.12")
	if !ok {
		return nil, errors.New("no such kernel")
	}
	return &diskKernel{AppArmor: AppArmor{Features: set, Degrade: 1, Logger: slog.New(slog.DiscardHandler)}, dir: dir}, nil
}

func digestOf(p *blob.Policy) string { return fmt.Sprintf("%x", p.Digest()) }

// record is a line for a load of profiles.
func record(names []string, digest string) string {
	return "+ " + digest + " " + strings.Join(names, " ") + "\n"
}

// inForce returns what a machine's file says: the digests of what its profiles
// were loaded from.
func inForce(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		// One that could be made and not written never came into force.
		switch f := strings.Fields(line); f[0] {
		case "+":
			for _, n := range f[2:] {
				out[n] = f[1]
			}
		case "-":
			delete(out, f[1])
		}
	}
	return out
}

// of returns the file of a profile's machine, and what it says.
func (k *diskKernel) of(profile string) (name string, loaded map[string]string, err error) {
	end := strings.LastIndexByte(profile, '-')
	for _, machine := range []string{profile, profile[:max(end, 0)]} {
		name = filepath.Join(k.dir, machine)
		text, err := os.ReadFile(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return name, inForce(string(text)), err
		}
	}
	return "", nil, fs.ErrNotExist
}

func (k *diskKernel) write(name, line string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(line)
	f.Close() //nolint:errcheck // what is written is in force
	return err
}

func (k *diskKernel) Load(_ context.Context, c Compiled, _ loader.Accept) error {
	p, ok := c.(*blob.Policy)
	if !ok {
		return errNoKernel
	}
	names := slices.DeleteFunc(p.Names(), func(n string) bool { return strings.Contains(n, "//") })
	slices.SortFunc(names, func(a, b string) int { return len(a) - len(b) })
	return k.write(filepath.Join(k.dir, names[0]), record(names, digestOf(p)))
}

func (k *diskKernel) Unload(_ context.Context, profile string, _ loader.RetireOptions) error {
	name, loaded, err := k.of(profile)
	if err != nil {
		return err
	}
	if _, ok := loaded[profile]; !ok {
		return fs.ErrNotExist
	}
	if len(loaded) == 1 {
		return os.Remove(name)
	}
	return k.write(name, "- "+profile+"\n")
}

func (k *diskKernel) Sealed(context.Context, string) (bool, error) { return false, nil }

func (k *diskKernel) List(context.Context) ([]Loaded, error) {
	f, err := os.Open(k.dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	out := []Loaded{}
	for _, e := range list {
		text, err := os.ReadFile(filepath.Join(k.dir, e.Name()))
		if err = gone(err); err != nil {
			return nil, err
		}
		for _, n := range slices.Sorted(maps.Keys(inForce(string(text)))) {
			out = append(out, Loaded{n, "enforce"})
		}
	}
	return out, nil
}

func (k *diskKernel) InUse(context.Context, string) (bool, error) { return false, nil }

func (k *diskKernel) Files(context.Context, string, func(loader.File) bool) ([]loader.File, error) {
	return nil, nil
}

func (k *diskKernel) Mark(c Compiled) Mark { return c }

func (k *diskKernel) InForce(_ context.Context, c Confinement) (bool, error) {
	_, loaded, err := k.of(c.Profile)
	return err == nil && loaded[c.Profile] == digestOf(c.Mark.(*blob.Policy)), gone(err)
}

// chained is the file system of the machines' images: top has a chain of
// backing files.
func chained() fstest.MapFS {
	return fstest.MapFS{
		"srv/top":   {Data: qcow2Header("base")},
		"srv/base":  {Data: qcow2Header("")},
		"srv/other": {Data: qcow2Header("")},
	}
}

// openProcess opens the Manager that operations are done with, over a directory with
// the two directories policy and kernel.
func openProcess(ctx context.Context, dir string, host fs.ReadLinkFS, shared bool, prefix string) (*Manager, error) {
	return openIn(ctx, filepath.Join(dir, "policy"), filepath.Join(dir, "kernel"), host, shared, prefix)
}

func openIn(ctx context.Context, policy, kernelDir string, host fs.ReadLinkFS, shared bool, prefix string) (*Manager, error) {
	kernel, err := newDiskKernel(kernelDir)
	if err != nil {
		return nil, err
	}
	derive := Options{FS: host}
	if host == HostFS() {
		// Wherever temporary directories are.
		derive.Roots.Images = []string{filepath.Join(filepath.Dir(policy), "srv")}
	}
	return New(ctx, ManagerOptions{Dir: policy, Driver: kernel, Shared: shared, Prefix: prefix, Derive: derive})
}

// operation is what a process is broken at.
type operation struct {
	before func(ctx context.Context, m *Manager) error // nil: nothing is there
	do     func(ctx context.Context, m *Manager) error
	shared bool
	// host says that it looks at images of the host, in the directory srv.
	host bool
	// halfway says that an error may leave some of it done, as documented of
	// Remove.
	halfway bool
	// apart says that the profiles of a machine and its companions go one by
	// one.
	apart bool
}

func withChain(i int, disks ...Disk) *Domain {
	return numbered(i, append([]Disk{{ID: "top", Image: Image{Path: "/srv/top", Format: "qcow2"}}}, disks...)...)
}

// images returns what an operation looks for images in.
func (o operation) images() fs.ReadLinkFS {
	if o.host {
		return HostFS()
	}
	return chained()
}

// operations are those of a Manager that change something. They are functions
// of the directory alone, and may be done again.
func operations(dir string) map[string]operation {
	create := func(ctx context.Context, m *Manager) error { return m.Create(ctx, withChain(1, raw("a", "/srv/a"))) }
	replace := func(ctx context.Context, m *Manager) error {
		return m.Replace(ctx, withChain(1, raw("b", "/srv/b")))
	}
	update := func(ctx context.Context, m *Manager) error {
		return m.update(ctx, numbered(1).UUID, Change{Remove: []Device{{DeviceDisk, "a"}}, Add: Devices{Disks: []Disk{raw("b", "/srv/b")}}})
	}
	unload := func(ctx context.Context, m *Manager) error { return m.Unload(ctx, numbered(1).UUID) }
	remove := func(ctx context.Context, m *Manager) error { return m.Remove(ctx, numbered(1).UUID) }
	edit := func(ctx context.Context, m *Manager) error {
		profile := m.names.profile(numbered(1).UUID)
		text, err := m.store.read(profile)
		return errors.Join(err, m.store.replace(profile, append(text, "# mine\n"...)))
	}
	both := func(f ...func(context.Context, *Manager) error) func(context.Context, *Manager) error {
		return func(ctx context.Context, m *Manager) error {
			for _, f := range f {
				if err := f(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}
	}
	// Of the machines that Reconcile finds one is missing, one has other
	// rules, one is not in force, one is not what its files say, and one is
	// not wanted.
	several := func(ctx context.Context, m *Manager) error {
		var errs []error
		for i := 2; i <= 5; i++ {
			errs = append(errs, m.Create(ctx, numbered(i, raw("a", fmt.Sprint("/srv/a", i)))))
		}
		files := m.names.profile(numbered(4).UUID) + ".files"
		text, err := m.store.read(files)
		return errors.Join(append(errs, err, m.Unload(ctx, numbered(3).UUID), m.store.replace(files, append(text, "  \"/srv/mine\" r, # disk mine\n"...)))...)
	}
	reconcile := func(ctx context.Context, m *Manager) error {
		wanted := []*Domain{withChain(1, raw("a", "/srv/a")), numbered(2, raw("b", "/srv/b2")), numbered(3, raw("a", "/srv/a3")), numbered(4, raw("a", "/srv/a4"), raw("mine", "/srv/mine"))}
		_, err := m.Reconcile(ctx, wanted, ReconcileOptions{Load: true, Replace: true, Remove: true})
		return err
	}
	image := Disk{ID: "image", Image: Image{Path: filepath.Join(dir, "srv", "top"), Format: "qcow2"}}
	hostCreate := func(ctx context.Context, m *Manager) error { return m.Create(ctx, numbered(1, image)) }
	hostUpdate := func(ctx context.Context, m *Manager) error {
		return m.update(ctx, numbered(1).UUID, Change{Add: Devices{Disks: []Disk{image}}})
	}
	// A machine with two companions, of which another takes the place of one.
	accompanied := func() *Domain {
		d := withChain(1)
		d.Devices.Filesystems = []Filesystem{{ID: "fs0", Driver: "virtiofs", Source: "/srv/share", Socket: "/srv/run/fs0.sock"}}
		d.Devices.TPMs = []TPM{{ID: "tpm0", Backend: "emulator", Path: "/srv/run/tpm.sock", State: "/srv/tpm"}}
		d.Companions = []Companion{
			{Kind: CompanionVirtiofsd, ID: "fs0", Serves: Device{DeviceFilesystem, "fs0"}},
			{Kind: CompanionSWTPM, Serves: Device{DeviceTPM, "tpm0"}},
		}
		return d
	}
	createAll := func(ctx context.Context, m *Manager) error { return m.Create(ctx, accompanied()) }
	updateAll := func(ctx context.Context, m *Manager) error {
		return m.update(ctx, numbered(1).UUID, Change{
			Remove: []Device{{DeviceFilesystem, "fs0"}}, RemoveCompanions: []string{"fs0"}, Add: Devices{Disks: []Disk{raw("b", "/srv/b")}},
			AddCompanions: []Companion{{Kind: CompanionBridgeHelper, ID: "bridge"}},
		})
	}
	reconcileAll := func(ctx context.Context, m *Manager) error {
		d := accompanied()
		d.Companions = append(d.Companions[1:], Companion{Kind: CompanionBridgeHelper, ID: "bridge"})
		_, err := m.Reconcile(ctx, []*Domain{d}, ReconcileOptions{Load: true, Replace: true, Remove: true})
		return err
	}
	return map[string]operation{
		"companions create":    {do: createAll},
		"companions update":    {before: createAll, do: updateAll},
		"companions unload":    {before: createAll, do: unload, halfway: true, apart: true},
		"companions remove":    {before: createAll, do: remove, halfway: true},
		"companions reconcile": {before: createAll, do: reconcileAll, halfway: true},
		"host create":          {do: hostCreate, host: true},
		"host update":          {before: create, do: hostUpdate, host: true},
		"create":               {do: create},
		"create, profile kept": {before: both(create, edit, remove), do: create},
		"replace":              {before: create, do: replace},
		"update":               {before: create, do: update},
		"update, not in force": {before: both(create, unload), do: update},
		"load":                 {before: both(create, unload), do: func(ctx context.Context, m *Manager) error { return m.Load(ctx, numbered(1).UUID) }},
		"unload":               {before: create, do: unload},
		"remove":               {before: create, do: remove, halfway: true},
		"remove, edited":       {before: both(create, edit), do: remove, halfway: true},
		"forget":               {before: create, do: func(ctx context.Context, m *Manager) error { return m.ForgetChains(ctx, numbered(1).UUID) }},
		"reconcile":            {before: several, do: reconcile, halfway: true},
		"shared create":        {do: create, shared: true},
		"shared update":        {before: create, do: update, shared: true},
		"shared remove":        {before: create, do: remove, shared: true, halfway: true},
	}
}

// outcome is how an operation ended.
type outcome struct {
	Error        string          `json:"error,omitempty"`
	Errnos       []syscall.Errno `json:"errnos,omitempty"`
	Inconsistent bool            `json:"inconsistent,omitempty"`
	Close        []syscall.Errno `json:"close,omitempty"` // those of closing the Manager afterwards
}

// The marks around an operation in the list of system calls.
const (
	beginMark = "/svirt-test-begin"
	endMark   = "/svirt-test-end"
)

func mark(path string) { unix.Faccessat(unix.AT_FDCWD, path, unix.F_OK, 0) } //nolint:errcheck // only strace sees it

// operate does one operation, from opening the Manager to closing it, and
// writes how it ended to the file 3.
func operate(dir, name string) int {
	op, ok := operations(dir)[name]
	if !ok {
		return 2
	}
	// One that cannot end leaves all in one thread.
	ctx := context.Background()
	mark(beginMark)
	m, err := openProcess(ctx, dir, op.images(), op.shared, "")
	var o outcome
	if err == nil {
		err = op.do(ctx, m)
		o.Close = errnosIn(m.Close())
	}
	mark(endMark)
	if err != nil {
		o.Error, o.Errnos, o.Inconsistent = err.Error(), errnosIn(err), errors.Is(err, ErrInconsistent)
	}
	text, err := json.Marshal(o)
	if err == nil {
		// No operation does this, so it is never made to fail.
		_, err = unix.Pwrite(3, text, 0)
	}
	if err != nil {
		return 2
	}
	return 0
}

// errnosIn returns the errors of system calls that an error has in it.
func errnosIn(err error) (out []syscall.Errno) {
	var visit func(error)
	visit = func(err error) {
		switch e := err.(type) { //nolint:errorlint // it walks the tree itself
		case syscall.Errno:
			if !slices.Contains(out, e) {
				out = append(out, e)
			}
		case interface{ Unwrap() error }:
			visit(e.Unwrap())
		case interface{ Unwrap() []error }:
			for _, e := range e.Unwrap() {
				visit(e)
			}
		}
	}
	visit(err)
	return out
}

// processState returns what is in the directory of an operation: files, and
// what is in force.
func processState(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for what, at := range map[string]string{"": filepath.Join(dir, "policy", "libvirt"), "loaded ": filepath.Join(dir, "kernel")} {
		list, err := os.ReadDir(at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range list {
			data, err := os.ReadFile(filepath.Join(at, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case what != "":
				for n, digest := range inForce(string(data)) {
					out[what+n] = digest
				}
			case e.Name() != lockFile:
				out[e.Name()] = string(data)
			}
		}
	}
	return out
}

// setState makes the directory of an operation have what processState has
// returned.
func setState(t testing.TB, dir string, state map[string]string) {
	t.Helper()
	files := map[string]string{}
	machine := ""
	// A companion's name comes after that of its machine, and begins with it.
	for _, n := range slices.Sorted(maps.Keys(state)) {
		text := state[n]
		if profile, ok := strings.CutPrefix(n, "loaded "); ok {
			if machine == "" || !strings.HasPrefix(profile, machine+"-") {
				machine = profile
			}
			files["kernel/"+machine] += record([]string{profile}, text)
		} else {
			files["policy/libvirt/"+n] = text
		}
	}
	for _, d := range []string{"policy", "kernel"} {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "kernel"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeTree(t, dir, files)
}

// hidden returns the files of a state that are not whole or not wanted.
func hidden(state map[string]string) []string {
	var out []string
	for n := range state {
		if strings.HasPrefix(n, ".") {
			out = append(out, n)
		}
	}
	return out
}

// visible returns a state without hidden files.
func visible(state map[string]string) map[string]string {
	out := maps.Clone(state)
	maps.DeleteFunc(out, func(n, _ string) bool { return strings.HasPrefix(n, ".") })
	return out
}
