// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

var background = context.Background() // for cleanup, when a test's context is over

func isNotExist(err error) bool { return errors.Is(err, loader.ErrNotExist) }

// loaded returns the profiles of the kernel as text.
func loaded(t *testing.T, k *loader.Kernel) []string {
	t.Helper()
	list, err := k.Profiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range list {
		s := p.Name + " (" + string(p.Mode) + ")"
		if p.Namespace != "" {
			s = ":" + p.Namespace + ":" + s
		}
		out = append(out, s)
	}
	return out
}

func wantLoaded(t *testing.T, k *loader.Kernel, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, loaded(t, k)); diff != "" {
		t.Errorf("loaded profiles (-want +got):\n%s", diff)
	}
}

func wantError(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// TestFeatures compares the loader's view of the features with what the
// guest's init saw.
func TestFeatures(t *testing.T) {
	got, err := kernel(t).Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want, err := features.Parse(guest.File(t, "features"))
	if err != nil {
		t.Fatal(err)
	}
	if want.Empty() || !got.Equal(want) {
		t.Errorf("-init +loader:\n%s", cmp.Diff(want.String(), got.String()))
	}
}

func TestLoadReplaceRemove(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	wantLoaded(t, k)
	one := encode(t, minimal("one"))
	if err := k.Load(ctx, one); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, "one (enforce)")

	err := k.Load(ctx, one)
	wantError(t, err, loader.ErrExist)
	wantError(t, err, syscall.EEXIST)
	var own *loader.Error
	if !errors.As(err, &own) || own.Op != loader.OpLoad || own.Name != "one" {
		t.Errorf("error %#v", err)
	}
	// The failure must not get in the way of what comes next.
	if err := k.Load(ctx, encode(t, minimal("two"))); err != nil {
		t.Fatal(err)
	}

	complain := encode(t, &blob.Profile{Name: "one", Mode: blob.Complain}, minimal("three"))
	if err := k.Replace(ctx, complain); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, "one (complain)", "three (enforce)", "two (enforce)")

	wantError(t, k.Remove(ctx, "four"), loader.ErrNotExist)
	for _, name := range []string{"one", "two", "three"} {
		if err := k.Remove(ctx, name); err != nil {
			t.Error(err)
		}
	}
	wantLoaded(t, k)
	wantError(t, k.Remove(ctx, "one"), loader.ErrNotExist)
}

func TestEnsure(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	policies := []*blob.Policy{
		encode(t, minimal("one")),
		encode(t, minimal("/usr/bin/a file (with) everything: \"*?[]{}^,\\ü")),
		encode(t, minimal("p"), minimal("p//c"), &blob.Profile{Name: "p//c//h", Hat: true}),
		reference(t, "names"),
	}
	for _, p := range policies {
		t.Run(p.Names()[0], func(t *testing.T) {
			load := func(want bool) {
				t.Helper()
				if changed, err := k.Ensure(ctx, p); changed != want || err != nil {
					t.Errorf("Ensure: changed %v, %v; want %v", changed, err, want)
				}
			}
			before, err := k.Revision(ctx)
			if err != nil {
				t.Fatal(err)
			}
			load(true)
			load(false)
			after, err := k.Revision(ctx)
			if err != nil || after != before+1 {
				t.Errorf("revision %d after %d, %v", after, before, err)
			}
			last := p.Names()[len(p.Names())-1]
			if err := k.Remove(ctx, last); err != nil {
				t.Fatal(err)
			}
			load(true)
			load(false)
			other := *p.Profiles()[0]
			other.Audit = !other.Audit
			if err := k.Replace(ctx, encode(t, &other)); err != nil {
				t.Fatal(err)
			}
			load(true)
			for _, name := range p.Names() {
				if blob.ParentName(name) == "" {
					if err := k.Remove(ctx, name); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wantLoaded(t, k)
}

func TestReferencePolicy(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "names"))
	wantLoaded(t, k,
		"/usr/bin/path/*/{a,b} (enforce)",
		"blanks (and) parentheses (complain)",
		"ends in (enforce) (enforce)",
		"killed (kill)",
		"parent (enforce)",
		"parent//child (enforce)",
		"parent//hat (enforce)",
		"plain (enforce)",
	)
}

// TestParents checks that a set that lacks a parent is refused before it
// reaches the kernel, which would block the namespace on most.
func TestParents(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	before, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	child := encode(t, minimal("p//c"))
	for name, f := range map[string]func(context.Context, *blob.Policy) error{
		"load": k.Load, "replace": k.Replace,
		"ensure": func(ctx context.Context, p *blob.Policy) error { _, err := k.Ensure(ctx, p); return err },
	} {
		if err := f(ctx, child); !errors.Is(err, loader.ErrParent) {
			t.Errorf("%s: %v", name, err)
		}
	}
	long := encode(t, minimal(strings.Repeat("n", 252)))
	wantError(t, k.Load(ctx, long), blob.ErrKernel)
	if after, err := k.Revision(ctx); err != nil || after != before {
		t.Errorf("revision %d after %d, %v", after, before, err)
	}

	load(t, k, encode(t, minimal("p")))
	if err := k.Load(ctx, child); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, "p (enforce)", "p//c (enforce)")
	// Replacing the parent leaves the child alone; removing it does not.
	load(t, k, encode(t, &blob.Profile{Name: "p", Audit: true}))
	wantLoaded(t, k, "p (enforce)", "p//c (enforce)")
	if err := k.Remove(ctx, "p"); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k)
}

// TestPoisoning provokes what TestParents avoids, in a namespace of its own.
// Which kernels it happens on depends on their stable updates; 7.2.13 is one,
// 6.1.192, 6.12.117 and 7.3.4 are not.
func TestPoisoning(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	ns := namespace(t, k, "poisoned")
	if err := ns.Load(ctx, encode(t, minimal("first"))); err != nil {
		t.Fatal(err)
	}
	const replace = "/sys/kernel/security/apparmor/policy/namespaces/poisoned/.replace"
	if errno := rawWrite(t, replace, encode(t, minimal("no//parent")).Bytes()); errno != unix.ENOENT {
		t.Errorf("missing parent: %v", errno)
	}
	good := encode(t, minimal("good"))
	switch err := ns.Replace(ctx, good); {
	case err == nil:
		t.Log("this kernel does not keep the name of a refused profile")
	case !errors.Is(err, loader.ErrExist):
		t.Error(err)
	case !strings.Contains(err.Error(), "any profile in it is removed"):
		t.Errorf("no hint in %v", err)
	default:
		// The hint is right.
		if err := ns.Remove(ctx, "first"); err != nil {
			t.Fatal(err)
		}
		if err := ns.Replace(ctx, good); err != nil {
			t.Error(err)
		}
	}
}

// TestNames checks names that kernels take and that would mislead people.
func TestNames(t *testing.T) {
	k := kernel(t)
	for _, name := range []string{"unconfined", ":ns:unconfined", "a\nb", " a", "a ", "a//&b", "&a"} {
		p, err := blob.Encode([]*blob.Profile{minimal(name)})
		if err != nil {
			continue // package blob refuses it
		}
		if err := k.Load(t.Context(), p); !errors.Is(err, loader.ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	wantLoaded(t, k)
}

func rawWrite(t *testing.T, file string, data []byte) unix.Errno {
	t.Helper()
	fd, err := unix.Open(file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	errno := unix.Errno(0)
	if _, err := unix.Write(fd, data); err != nil && !errors.As(err, &errno) {
		t.Fatal(err)
	}
	return errno
}

// TestErrno checks the error numbers of kernels, and that package blob refuses
// every such stream before a kernel sees it.
func TestErrno(t *testing.T) {
	k := kernel(t)
	load(t, k, encode(t, minimal("errno")))
	good := encode(t, minimal("errno")).Bytes()
	// replace changes one occurrence of bytes in the stream.
	replace := func(old, with string) []byte {
		t.Helper()
		if strings.Count(string(good), old) != 1 {
			t.Fatalf("%q is %d times in the stream", old, strings.Count(string(good), old))
		}
		return []byte(strings.Replace(string(good), old, with, 1))
	}
	join := func(names ...string) []byte {
		var out []byte
		for _, name := range names {
			out = append(out, encode(t, minimal(name)).Bytes()...)
		}
		return out
	}
	const header = "version\x00\x02\x07\x20\x20\x00"
	const flags = "flags\x00\x07\x02\x00\x00\x00\x00\x02\x00"
	empty, zstd := unix.EINVAL, unix.EPROTONOSUPPORT
	if !guest.Since(6, 12) {
		empty = 0
	}
	if newCompiler(t).kernel.Supports("policy/compressed_load") {
		zstd = unix.EINVAL
	}
	for _, c := range []struct {
		name, file string
		data       []byte
		want       unix.Errno
	}{
		{"nothing", ".replace", nil, empty},
		{"no header", ".replace", []byte(good[len("\x04\x08\x00"+header):]), unix.EPROTONOSUPPORT},
		{"kernel ABI 4", ".replace", replace(header, "version\x00\x02\x04\x20\x20\x00"), unix.EPROTONOSUPPORT},
		{"kernel ABI 10", ".replace", replace(header, "version\x00\x02\x0a\x20\x20\x00"), unix.EPROTONOSUPPORT},
		{"cut short", ".replace", good[:len(good)-1], unix.EPROTO},
		{"trailing", ".replace", []byte(string(good) + "\x00"), unix.EPROTO},
		{"mode 9", ".replace", replace(flags, "flags\x00\x07\x02\x00\x00\x00\x00\x02\x09"), unix.EPROTO},
		{"empty name", ".replace", replace("\x05\x06\x00errno\x00", "\x05\x01\x00\x00"), unix.EPROTO},
		{"compressed", ".replace", []byte("\x28\xb5\x2f\xfd" + string(good)), zstd},
		{"mixed namespaces", ".replace", join(":a:x", ":b:y"), unix.EACCES},
		{"exists", ".load", good, unix.EEXIST},
		{"unknown", ".remove", []byte("unknown"), unix.ENOENT},
		{"newline", ".remove", []byte("errno\n"), unix.ENOENT},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := rawWrite(t, "/sys/kernel/security/apparmor/policy/"+c.file, c.data)
			if err != c.want {
				t.Errorf("the kernel says %v, want %v", err, c.want)
			}
			if c.file == ".replace" {
				if _, err := blob.Inspect(c.data); err == nil {
					t.Error("package blob accepts the data")
				}
			}
		})
	}
	twice := append(good[:len(good):len(good)], good...)
	if _, err := blob.Inspect(twice); !errors.Is(err, blob.ErrDuplicate) {
		t.Errorf("two profiles of one name, which crashes kernels: %v", err)
	}
	wantLoaded(t, k, "errno (enforce)")
}

func TestAdmin(t *testing.T) {
	k := kernel(t)
	onThread(func() {
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&hdr, &data[0]); err != nil {
			t.Error(err)
			return
		}
		const bit = 1 << (unix.CAP_MAC_ADMIN % 32)
		data[1].Effective &^= bit
		data[1].Permitted &^= bit
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			t.Error(err)
			return
		}
		err := k.Load(t.Context(), encode(t, minimal("one")))
		wantError(t, err, loader.ErrPermission)
		if err != nil && !strings.Contains(err.Error(), "CAP_MAC_ADMIN") {
			t.Errorf("no hint in %v", err)
		}
		wantError(t, k.Remove(t.Context(), "one"), loader.ErrPermission)
		_, err = k.Namespace(t.Context(), "one", true)
		wantError(t, err, loader.ErrPermission)
	})
}

func TestOpenElsewhere(t *testing.T) {
	for name, o := range map[string]loader.Options{
		"a copy of /proc": {ProcFS: "/tmp"},
		"another sysfs":   {SysFS: "/tmp"},
		"missing sysfs":   {SysFS: "/nothing"},
	} {
		k, err := loader.Open(o)
		if err == nil {
			closeNow(t, k)
			t.Errorf("%s: no error", name)
			continue
		}
		if name == "missing sysfs" {
			wantError(t, err, os.ErrNotExist)
		} else {
			wantError(t, err, loader.ErrFileSystem)
		}
	}
}
