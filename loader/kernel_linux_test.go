// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/testenv"
)

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fake, *Options, *system)
		want   error
	}{
		"fine":         {func(*fake, *Options, *system) {}, nil},
		"switched off": {func(f *fake, _ *Options, _ *system) { f.file("sys/module/apparmor/parameters/enabled", "N\n") }, ErrDisabled},
		"not built in": {func(f *fake, _ *Options, _ *system) { f.remove("sys/module") }, ErrDisabled},
		"no sysfs":     {func(_ *fake, o *Options, _ *system) { o.SysFS = "/nothing" }, ErrNotExist},
		"no procfs":    {func(_ *fake, o *Options, _ *system) { o.ProcFS = "/nothing" }, ErrNotExist},
		"no securityfs": {func(f *fake, _ *Options, _ *system) {
			f.remove("sys/kernel/security")
		}, ErrNotExist},
		"other file systems": {func(_ *fake, _ *Options, s *system) { s.check = checkMagic }, ErrFileSystem},
		"other securityfs": {func(_ *fake, _ *Options, s *system) {
			s.check = func(_ int, magic int64) error { return onlyFor(magic == unix.SECURITYFS_MAGIC) }
		}, ErrFileSystem},
		"other policy directory": {func(_ *fake, _ *Options, s *system) {
			s.check = func(_ int, magic int64) error { return onlyFor(magic == unix.AAFS_MAGIC) }
		}, ErrFileSystem},
		"other procfs": {func(_ *fake, _ *Options, s *system) {
			s.check = func(_ int, magic int64) error { return onlyFor(magic == unix.PROC_SUPER_MAGIC) }
		}, ErrFileSystem},
		"a link for the directory": {func(f *fake, _ *Options, _ *system) {
			dir := filepath.Join(f.dir, "sys/kernel/security/apparmor")
			if err := errors.Join(os.Rename(dir, f.dir+"/moved"), os.Symlink(f.dir+"/moved", dir)); err != nil {
				t.Fatal(err)
			}
		}, syscall.EXDEV},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			o, s := f.options(), f.system()
			c.change(f, &o, &s)
			before := testenv.OpenFiles(t)
			k, err := open(o, s)
			if c.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				if err := k.Close(); err != nil {
					t.Error(err)
				}
			} else {
				var own *Error
				if !errors.Is(err, c.want) || !errors.As(err, &own) || own.Op != OpOpen {
					t.Errorf("error %v, want %v", err, c.want)
				}
				if k != nil {
					t.Error("a kernel is returned with an error")
				}
			}
			if after := testenv.OpenFiles(t); after != before {
				t.Errorf("%d open files, %d before", after, before)
			}
		})
	}
}

func onlyFor(fail bool) error {
	if fail {
		return ErrFileSystem
	}
	return nil
}

func TestWrites(t *testing.T) {
	p := named(t, "one", "two")
	data := string(p.Bytes())
	for name, c := range map[string]struct {
		do   func(context.Context, *Kernel) error
		want string
	}{
		"load":    {func(ctx context.Context, k *Kernel) error { return k.Load(ctx, p) }, policyDir + ".load: " + data},
		"replace": {func(ctx context.Context, k *Kernel) error { return k.Replace(ctx, p) }, policyDir + ".replace: " + data},
		"ensure": {func(ctx context.Context, k *Kernel) error {
			changed, err := k.Ensure(ctx, p)
			if !changed {
				return errors.Join(err, errors.New("nothing changed"))
			}
			return err
		}, policyDir + ".replace: " + data},
		"remove":       {func(ctx context.Context, k *Kernel) error { return k.Remove(ctx, "one//two (x)") }, policyDir + ".remove: one//two (x)"},
		"remove below": {func(ctx context.Context, k *Kernel) error { return k.Remove(ctx, ":a//b://one//two") }, policyDir + ".remove: :a//b:one//two"},
	} {
		t.Run(name, func(t *testing.T) {
			for what, count := range map[string]func(int) int{
				"all":  nil,
				"less": func(n int) int { return n - 1 },       // of a compressed policy
				"more": func(n int) int { return 3*n + 12345 }, // the uncompressed size
				"none": func(int) int { return 0 },
			} {
				f := newFake(t)
				f.count = count
				if err := c.do(t.Context(), f.open(nil)); err != nil {
					t.Errorf("%s written: %v", what, err)
				}
				if diff := cmp.Diff([]string{c.want}, f.writes); diff != "" {
					t.Errorf("%s written (-want +got):\n%s", what, diff)
				}
			}
			f := newFake(t)
			k := f.open(nil)
			f.err = syscall.EPROTO
			if err := c.do(t.Context(), k); !errors.Is(err, ErrProtocol) || !errors.Is(err, syscall.EPROTO) {
				t.Errorf("error %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			f.err = nil
			if err := c.do(ctx, k); !errors.Is(err, context.Canceled) || len(f.writes) > 0 {
				t.Errorf("cancelled: %v, %q", err, f.writes)
			}
		})
	}
}

// TestRefused lists what must not reach the kernel.
func TestRefused(t *testing.T) {
	f := newFake(t)
	f.namespace("namespaces/ns/")
	f.load(named(t, "loaded"), SHA256)
	inner := named(t, "inner")
	f.loadFrom("namespaces/ns", inner.Profiles()[0], inner, SHA256)
	var asked []string
	k := f.open(func(o *Options) {
		o.OnlyNames = func(name string) bool {
			asked = append(asked, name)
			return !strings.Contains(name, "refused")
		}
	})
	ns, err := k.Namespace(t.Context(), "ns", false)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	put := func(k *Kernel, p *blob.Policy) func() error {
		return func() error {
			ensured, err := k.Ensure(t.Context(), p)
			if ensured {
				t.Error("Ensure says that something changed")
			}
			for _, e := range []error{k.Replace(t.Context(), p), k.Load(t.Context(), p)} {
				if fmt.Sprint(errors.Unwrap(e)) != fmt.Sprint(errors.Unwrap(err)) {
					t.Errorf("%v against %v", e, err)
				}
			}
			return err
		}
	}
	for _, c := range []struct {
		name string
		do   func() error
		want error
	}{
		{"nil policy", put(k, nil), errEmpty},
		{"empty policy", put(k, &blob.Policy{}), errEmpty},
		{"missing parent", put(k, named(t, "a//b")), ErrParent},
		{"parent elsewhere", put(k, named(t, "inner//b")), ErrParent},
		{"parent not in namespace", put(ns, named(t, "loaded//b")), ErrParent},
		{"parent not in the policy's namespace", put(k, named(t, ":ns:loaded//b")), ErrParent},
		{"grandparent only", put(k, named(t, "loaded//b//c")), ErrParent},
		{"member of newer kernels", put(k, encode(t, &blob.Profile{Name: "a", Kill: 9})), blob.ErrKernel},
		{"long name", put(k, named(t, strings.Repeat("n", 250))), blob.ErrKernel},
		{"name of two lines", put(k, named(t, "a (enforce)\nb")), ErrName},
		{"name of no profile", put(k, named(t, "unconfined")), ErrName},
		{"name of a stack", put(k, named(t, "loaded", "loaded//&b")), ErrName},
		{"rename of two lines", put(k, encode(t, &blob.Profile{Name: "a", Rename: "b\nc"})), ErrName},
		{"name", put(k, named(t, "good", "refused")), ErrNotAllowed},
		{"name in namespace", put(ns, named(t, "refused")), ErrNotAllowed},
		{"renamed", put(k, encode(t, &blob.Profile{Name: "a", Rename: "refused"})), ErrNotAllowed},
		{"remove", func() error { return k.Remove(t.Context(), "refused") }, ErrNotAllowed},
		{"remove nothing", func() error { return k.Remove(t.Context(), "") }, ErrName},
		{"remove a line", func() error { return k.Remove(t.Context(), "a\n") }, ErrName},
		{"remove a namespace", func() error { return k.Remove(t.Context(), ":ns:") }, ErrName},
		{"remove a namespace by another spelling", func() error { return k.Remove(t.Context(), ":ns://") }, ErrName},
		{"remove a namespace and nothing", func() error { return k.Remove(t.Context(), ":ns: ") }, ErrName},
		{"remove a namespace below", func() error { return k.Remove(t.Context(), ":ns::other:") }, ErrName},
		{"remove a namespace without colon", func() error { return k.Remove(t.Context(), ":ns") }, ErrName},
		{"remove above", func() error { return k.Remove(t.Context(), ":..:p") }, ErrName},
		{"remove in a namespace", func() error { return k.Remove(t.Context(), ":ns:refused") }, ErrNotAllowed},
		{"remove namespace", func() error { return k.RemoveNamespace(t.Context(), "refused") }, ErrNotAllowed},
		{"remove namespace above", func() error { return k.RemoveNamespace(t.Context(), "..") }, ErrName},
		{"namespace above", func() error { _, err := ns.Namespace(t.Context(), "..", true); return err }, ErrName},
		{"namespace of two", func() error { _, err := k.Namespace(t.Context(), "a/b", true); return err }, ErrName},
		{"no namespace", func() error { _, err := k.Namespace(t.Context(), "none", false); return err }, ErrNotExist},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.do()
			var own *Error
			if !errors.Is(err, c.want) || !errors.As(err, &own) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
	if len(f.writes) > 0 {
		t.Errorf("written: %q", f.writes)
	}

	asked = nil
	for _, err := range []error{
		k.Replace(t.Context(), named(t, "loaded//b", "loaded//b//c", "d")),
		k.Replace(t.Context(), named(t, ":ns:inner//b")),
		k.Replace(t.Context(), encode(t, &blob.Profile{Namespace: "ns", Name: "inner//c", Rename: "old"})),
		ns.Replace(t.Context(), named(t, "inner//b")),
		ns.Remove(t.Context(), "inner"),
		k.Remove(t.Context(), "loaded"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{
		"loaded//b", "loaded//b//c", "d", ":ns:inner//b", ":ns:inner//c", ":ns:old", ":ns:inner//b", ":ns:inner", "loaded",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("OnlyNames was asked for (-want +got):\n%s", diff)
	}
	if len(f.writes) != 6 {
		t.Errorf("written: %q", f.writes)
	}
}

// TestLinks checks that files are the kernel's own, not what links lead to.
func TestLinks(t *testing.T) {
	f := newFake(t)
	k := f.open(nil)
	for _, name := range []string{".load", ".remove"} {
		path := filepath.Join(f.dir, policyDir, name)
		if err := errors.Join(os.Remove(path), os.Symlink("/dev/null", path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Load(t.Context(), named(t, "a")); err == nil {
		t.Error("loaded into a link")
	}
	if err := k.Remove(t.Context(), "a"); err == nil {
		t.Error("removed from a link")
	}
	path := filepath.Join(f.dir, policyDir, "profiles")
	if err := errors.Join(os.Remove(path), os.Symlink(t.TempDir(), path)); err != nil {
		t.Fatal(err)
	}
	if list, err := k.Profiles(t.Context()); !errors.Is(err, syscall.EXDEV) {
		t.Errorf("listed the target of a link: %v, %v", list, err)
	}
	if len(f.writes) > 0 {
		t.Errorf("written: %q", f.writes)
	}
}

func TestEnsure(t *testing.T) {
	for _, sha256 := range []bool{true, false} {
		t.Run(fmt.Sprintf("sha256=%v", sha256), func(t *testing.T) {
			f := newFake(t)
			k := f.open(nil)
			p := named(t, "/usr/bin/some thing", "/usr/bin/some thing//child")
			ensure := func(p *blob.Policy, want bool) {
				t.Helper()
				if changed, err := k.Ensure(t.Context(), p); changed != want || err != nil {
					t.Errorf("changed %v, %v", changed, err)
				}
			}
			ensure(p, true)
			f.profile("profiles/usr.bin.some_thing.12", "/usr/bin/some thing", p, sha256)
			f.profile("profiles/usr.bin.other.13", "/usr/bin/other", p, sha256)
			ensure(p, true) // the child is missing
			f.profile("profiles/usr.bin.some_thing.12/profiles/child.14", "child", p, sha256)
			ensure(p, false)
			ensure(encode(t, &blob.Profile{Name: "/usr/bin/some thing", Audit: true}), true)
			// The same bytes under a similar name are not a match.
			ensure(named(t, "/usr/bin/something"), true)
			if n := len(f.writes); n != 4 {
				t.Errorf("%d writes", n)
			}
		})
	}
}

func TestFeatures(t *testing.T) {
	got, err := newFake(t).open(nil).Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "policy {versions {v8 {yes\n}\n}\n}\n"; got.String() != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNamespaces(t *testing.T) {
	f := newFake(t)
	k := f.open(nil)
	ns, err := k.Namespace(t.Context(), "new", true)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	f.namespace("namespaces/new/")
	f.namespace("namespaces/also/")
	inner, err := ns.Namespace(t.Context(), "inner", true)
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	if got := inner.Qualify("a"); got != ":new//inner:a" {
		t.Errorf("a profile of the namespace is %q", got)
	}
	// What was opened does not depend on what it came from.
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ns.Replace(t.Context(), named(t, "a")); err != nil {
		t.Error(err)
	}
	if want := policyDir + "namespaces/new/.replace: "; len(f.writes) != 1 || !strings.HasPrefix(f.writes[0], want) {
		t.Errorf("written: %q", f.writes)
	}
	if _, err := k.Namespaces(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	k = f.open(nil)
	names, err := k.Namespaces(t.Context())
	if diff := cmp.Diff([]string{"also", "new"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestRevision(t *testing.T) {
	f := newFake(t)
	f.file(policyDir+"revision", "42\n")
	k := f.open(nil)
	if n, err := k.Revision(t.Context()); n != 42 || err != nil {
		t.Errorf("revision %d, %v", n, err)
	}
	if n, err := k.WaitRevision(t.Context(), 41); n != 42 || err != nil {
		t.Errorf("revision %d, %v", n, err)
	}
	// Waiting must end with the context, and reads of this file cannot.
	if n, err := k.WaitRevision(t.Context(), 42); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("revision %d, %v", n, err)
	}
	f.file(policyDir+"revision", "x\n")
	if n, err := k.Revision(t.Context()); err == nil {
		t.Errorf("revision %d", n)
	}
}

// TestWaitRevision has a pipe for the file, which blocks as the file does.
func TestWaitRevision(t *testing.T) {
	f := newFake(t)
	path := filepath.Join(f.dir, policyDir, "revision")
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o600)); err != nil {
		t.Fatal(err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	k := f.open(nil)
	say := func(n int) {
		if _, err := fmt.Fprintln(pipe, n); err != nil {
			t.Error(err)
		}
	}
	say(7)
	type result struct {
		n   uint64
		err error
	}
	done := make(chan result)
	wait := func(ctx context.Context) {
		n, err := k.WaitRevision(ctx, 7)
		done <- result{n, err}
	}
	go wait(t.Context())
	for {
		// The 7 is gone when the reader has it.
		n, err := unix.IoctlGetInt(int(pipe.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		runtime.Gosched()
	}
	say(8)
	if r := <-done; r.n != 8 || r.err != nil {
		t.Errorf("revision %d, %v", r.n, r.err)
	}
	say(7) // else there is nothing to wait after
	ctx, cancel := context.WithCancel(t.Context())
	go wait(ctx)
	cancel()
	if r := <-done; !errors.Is(r.err, context.Canceled) {
		t.Errorf("cancelled: %d, %v", r.n, r.err)
	}
}

func TestQuery(t *testing.T) {
	f := newFake(t)
	k := f.open(nil)
	f.namespace("namespaces/ns/")
	ns, err := k.Namespace(t.Context(), "ns", false)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	// The answer is read after what was written, so that it can be prepared.
	const answer = "allow 0x00000044\ndeny 0x00000000\naudit 0x00000001\nquiet 0x80000002\n"
	for _, c := range []struct {
		k     *Kernel
		label string
		want  string
	}{
		{k, "a//b", "label\x00a//b\x00\x02/x"},
		{ns, "a//&b", "label\x00:ns:a//&:ns:b\x00\x02/x"},
		{ns, "a//&:other:b", "label\x00:ns:a//&:other:b\x00\x02/x"},
	} {
		f.file("sys/kernel/security/apparmor/.access", strings.Repeat("-", len(c.want))+answer)
		f.writes = nil
		got, err := c.k.Query(t.Context(), c.label, blob.ClassFile, []byte("/x"))
		if want := (Permissions{Allow: 0x44, Audit: 1, Quiet: 0x80000002}); got != want || err != nil {
			t.Errorf("%+v, %v", got, err)
		}
		if want := []string{"sys/kernel/security/apparmor/.access: " + c.want}; !slices.Equal(f.writes, want) {
			t.Errorf("written: %q, want %q", f.writes, want)
		}
		ok, err := c.k.Allowed(t.Context(), c.label, blob.ClassFile, []byte("/x"), blob.PermRead|blob.PermOpen)
		if err != nil {
			t.Error(err)
		}
		if !ok {
			t.Errorf("%s: not allowed", c.label)
		}
		f.file("sys/kernel/security/apparmor/.access", strings.Repeat("-", len(c.want))+answer)
		if ok, err := c.k.Allowed(t.Context(), c.label, blob.ClassFile, []byte("/x"), blob.PermRead|blob.PermWrite); ok || err != nil {
			t.Errorf("%s: allowed %v, %v", c.label, ok, err)
		}
	}
	for _, label := range []string{"", "a\x00b"} {
		if _, err := k.Query(t.Context(), label, blob.ClassFile, nil); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", label, err)
		}
	}
	if _, err := k.Query(t.Context(), "a", blob.ClassFile, make([]byte, maxQuery)); err == nil {
		t.Error("a query over the limit: no error")
	}
	for _, bad := range []string{"", "allow 0x1", "allow 0x1\ndeny 0x2\naudit 0x3\n", "allow x deny y audit z quiet q"} {
		if p, err := parsePermissions(bad); !errors.Is(err, errAnswer) || p != (Permissions{}) {
			t.Errorf("%q: %+v, %v", bad, p, err)
		}
	}
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	f := newFake(t)
	f.namespace("namespaces/ns/")
	k := f.open(nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := named(t, fmt.Sprintf("p%d", i))
			for range 20 {
				_, err1 := k.Ensure(t.Context(), p)
				_, err2 := k.Profiles(t.Context())
				ns, err3 := k.Namespace(t.Context(), "ns", true)
				if err := errors.Join(err1, err2, err3); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
				err4 := ns.Replace(t.Context(), p)
				_, err5 := ns.Features(t.Context())
				if err := errors.Join(err4, err5, ns.Close()); err != nil {
					t.Error(err)
				}
			}
			if i == 0 {
				if err := k.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// TestOneStep loads from many goroutines at once: nothing is checked while
// something is written.
func TestOneStep(t *testing.T) {
	f := newFake(t)
	var writing atomic.Int32
	sys := f.system()
	sys.write = func(_ int, data []byte) (int, error) {
		if n := writing.Add(1); n != 1 {
			t.Errorf("%d writes at once", n)
		}
		for range 100 {
			runtime.Gosched()
		}
		writing.Add(-1)
		return len(data), nil
	}
	o := f.options()
	o.OnlyNames = func(string) bool {
		for range 10 {
			if writing.Load() != 0 {
				t.Error("a check ran during a write")
			}
			runtime.Gosched()
		}
		return true
	}
	k, err := open(o, sys)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			p := named(t, fmt.Sprintf("p%d", i))
			for range 5 {
				_, err := k.Ensure(t.Context(), p)
				if err := errors.Join(err, k.Load(t.Context(), p), k.Replace(t.Context(), p)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestNothingDuringCheck begins operations while a load is being checked: none of
// them writes or removes anything before the load has.
func TestNothingDuringCheck(t *testing.T) {
	for name, op := range map[string]func(*Kernel) error{
		"replace":          func(k *Kernel) error { return k.Replace(t.Context(), named(t, "q")) },
		"remove":           func(k *Kernel) error { return k.Remove(t.Context(), "q") },
		"seal":             func(k *Kernel) error { return k.Seal(t.Context(), "q") },
		"remove namespace": func(k *Kernel) error { return k.RemoveNamespace(t.Context(), "gone") },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.load(named(t, "q"), SHA256)
			gone := filepath.Join(f.dir, policyDir, "namespaces/gone")
			if err := os.Mkdir(gone, 0o755); err != nil {
				t.Fatal(err)
			}
			var k *Kernel
			done := make(chan error, 1)
			k = f.open(func(o *Options) {
				o.OnlyNames = func(name string) bool {
					if name != "p" {
						return true
					}
					go func() { done <- op(k) }()
					for range 50 {
						time.Sleep(time.Millisecond)
						f.mu.Lock()
						writes := len(f.writes)
						f.mu.Unlock()
						if _, err := os.Stat(gone); writes != 0 || err != nil {
							t.Errorf("during the check: %d writes, %v", writes, err)
							break
						}
					}
					return true
				}
			})
			if err := errors.Join(k.Load(t.Context(), named(t, "p")), <-done); err != nil {
				t.Error(err)
			}
			if len(f.writes) == 0 || !strings.HasPrefix(f.writes[0], policyDir+".load: ") {
				t.Errorf("written: %q", f.steps())
			}
		})
	}
}

// TestMounts checks that what is mounted over a file of the kernel's is not
// taken for it: /proc is mounted over a directory of the root.
func TestMounts(t *testing.T) {
	root, err := openDir("/")
	if err != nil {
		t.Fatal(err)
	}
	defer root.close()
	for name, f := range map[string]func() error{
		"open":     func() error { _, err := root.open("proc/version", unix.O_RDONLY); return err },
		"read":     func() error { _, err := root.read("proc/version"); return err },
		"readOnce": func() error { _, err := root.readOnce("proc/version"); return err },
		"names":    func() error { _, err := root.names("proc"); return err },
		"at once":  func() error { _, err := root.namesAtOnce("proc"); return err },
		"sub":      func() error { _, err := root.sub("proc"); return err },
	} {
		if err := f(); !errors.Is(err, unix.EXDEV) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestEnsureMode has kernels that as a whole do not enforce.
func TestEnsureMode(t *testing.T) {
	for _, c := range []struct {
		mode   string
		accept Accept
		want   error
	}{
		{mode: "enforce"},
		{mode: "kill"},
		{mode: "complain", want: ErrMode},
		{mode: "complain", accept: Accept{Complain: true}},
		{mode: "complain", accept: Accept{Unconfined: true, Prompt: true, Unverified: true}, want: ErrMode},
		{mode: "unconfined", accept: Accept{Complain: true}, want: ErrMode},
		{mode: "unconfined", accept: Accept{Unconfined: true}},
		{mode: "something new", accept: Accept{Complain: true, Unconfined: true, Prompt: true}, want: ErrMode},
	} {
		for _, loaded := range []bool{false, true} {
			f := newFake(t)
			f.kernel(SHA256)
			k, p := f.open(nil), named(t, "p")
			if loaded {
				f.load(p, SHA256)
			}
			f.file("sys/module/apparmor/parameters/mode", c.mode+"\n")
			changed, err := k.EnsureWith(t.Context(), p, c.accept)
			if !errors.Is(err, c.want) || changed != (err == nil && !loaded) || len(f.writes) > 0 != changed {
				t.Errorf("%s, %+v, loaded %v: %v, %v, writes %q", c.mode, c.accept, loaded, changed, err, f.writes)
			}
			if own := new(Error); err != nil && (!errors.As(err, &own) || own.Op != OpEnsure) {
				t.Errorf("%v", err)
			}
			if c.accept == (Accept{}) {
				if _, err := k.Ensure(t.Context(), p); !errors.Is(err, c.want) {
					t.Errorf("%s: Ensure: %v", c.mode, err)
				}
			}
		}
	}
}
