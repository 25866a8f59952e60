// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
)

// TestProfiles lists names that a line of the kernel's text could not show, or
// that read like others there.
func TestProfiles(t *testing.T) {
	f := newFake(t)
	f.namespace("namespaces/ns/")
	f.namespace("namespaces/ns/namespaces/sub/")
	load := func(base, name string, mode blob.Mode) {
		q := &blob.Profile{Name: name, Mode: mode}
		f.loadFrom(base, q, encode(t, q), SHA256)
	}
	load("", "plain", blob.Enforce)
	load("", "plain//child", blob.Complain)
	load("", "a (enforce)", blob.Complain)
	load("", "a name (x)", blob.Unconfined)
	load("", "b (enforce)\nlibvirt-x", blob.Kill)
	load("namespaces/ns", "plain", blob.Enforce)
	load("namespaces/ns/namespaces/sub", "plain", blob.Enforce)
	load("namespaces/ns/namespaces/sub", "x (enforce)\n:ns:y", blob.Enforce)

	k := f.open(nil)
	want := []Profile{
		{Name: "a (enforce)", Mode: "complain"},
		{Name: "a name (x)", Mode: "unconfined"},
		{Name: "b (enforce)\nlibvirt-x", Mode: "kill"},
		{Name: "plain", Mode: "enforce"},
		{Name: "plain//child", Mode: "complain"},
		{Name: "plain", Namespace: "ns", Mode: "enforce"},
		{Name: "plain", Namespace: "ns//sub", Mode: "enforce"},
		{Name: "x (enforce)\n:ns:y", Namespace: "ns//sub", Mode: "enforce"},
	}
	got, err := k.Profiles(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	ns, err := k.Namespace(t.Context(), "ns", false)
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	got, err = ns.Profiles(t.Context())
	want = []Profile{
		{Name: "plain", Mode: "enforce"},
		{Name: "plain", Namespace: "sub", Mode: "enforce"},
		{Name: "x (enforce)\n:ns:y", Namespace: "sub", Mode: "enforce"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	for _, c := range []struct {
		k    *Kernel
		name string
		want Profile
		err  error
	}{
		{k, "plain//child", Profile{Name: "plain//child", Mode: "complain"}, nil},
		{k, "a (enforce)", Profile{Name: "a (enforce)", Mode: "complain"}, nil},
		{k, ":ns//sub:plain", Profile{Name: "plain", Namespace: "ns//sub", Mode: "enforce"}, nil},
		{ns, ":sub://plain", Profile{Name: "plain", Namespace: "sub", Mode: "enforce"}, nil},
		{k, "a", Profile{}, ErrNotExist},
		{k, "libvirt-x", Profile{}, ErrNotExist},
		{k, "child", Profile{}, ErrNotExist},
		{k, ":none:plain", Profile{}, ErrNotExist},
		{k, "", Profile{}, ErrName},
		{k, ":..:plain", Profile{}, ErrName},
	} {
		if got, err := c.k.Profile(t.Context(), c.name); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %+v, %v", c.name, got, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Profiles(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestProfilesUnreadable checks that what cannot be read is not left out.
func TestProfilesUnreadable(t *testing.T) {
	f := newFake(t)
	f.load(named(t, "a", "a//b"), SHA256)
	k := f.open(nil)
	path := filepath.Join(f.find("", "a//b"), "mode")
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o755)); err != nil {
		t.Fatal(err)
	}
	list, err := k.Profiles(t.Context())
	var own *Error
	if !errors.Is(err, syscall.EISDIR) || !errors.As(err, &own) || own.Op != OpList || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}

func TestDigest(t *testing.T) {
	set := named(t, "a", "a//b")
	for _, c := range []struct {
		algorithm Algorithm
		err       error
	}{
		{SHA256, nil},
		{SHA1, nil},
		{"", ErrNoDigest},
	} {
		t.Run(fmt.Sprintf("algorithm=%s", c.algorithm), func(t *testing.T) {
			f := newFake(t)
			f.load(set, c.algorithm)
			k := f.open(nil)
			for _, name := range set.Names() {
				d, err := k.Digest(t.Context(), name)
				if !errors.Is(err, c.err) {
					t.Fatalf("%s: %v", name, err)
				}
				if err == nil && (d.Algorithm != c.algorithm || !d.Of(set) || d.Of(named(t, "a"))) {
					t.Errorf("%s has %v", name, d)
				}
			}
			if _, err := k.Digest(t.Context(), "none"); !errors.Is(err, ErrNotExist) {
				t.Errorf("no such profile: %v", err)
			}
			for _, h := range []struct {
				p    *blob.Policy
				want bool
			}{
				{set, true},
				{named(t, "a"), false},
				{named(t, "a", "a//b", "c"), false},
				{named(t, "c"), false},
			} {
				got, err := k.Holds(t.Context(), h.p)
				if c.err != nil && h.p.Names()[0] == "a" {
					if got || !errors.Is(err, c.err) {
						t.Errorf("holds %q: %v, %v", h.p.Names(), got, err)
					}
				} else if got != h.want || err != nil {
					t.Errorf("holds %q: %v, %v", h.p.Names(), got, err)
				}
			}
			if _, err := k.Holds(t.Context(), nil); !errors.Is(err, errEmpty) {
				t.Errorf("holds nothing: %v", err)
			}
		})
	}
	t.Run("copy", func(t *testing.T) {
		f := newFake(t)
		f.load(set, "")
		for _, name := range set.Names() {
			if err := os.WriteFile(filepath.Join(f.find("", name), "raw_data"), set.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if same, err := f.open(nil).Holds(t.Context(), set); !same || err != nil {
			t.Errorf("%v, %v", same, err)
		}
	})
	t.Run("odd", func(t *testing.T) {
		f := newFake(t)
		f.load(set, SHA256)
		for _, sum := range []string{"", "abc", "G23e4567e89b12d3a456426614174000123e4567e89b12d3a456426614174000"} {
			if err := os.WriteFile(filepath.Join(f.find("", "a"), "raw_sha256"), []byte(sum+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if d, err := f.open(nil).Digest(t.Context(), "a"); !errors.Is(err, errAnswer) {
				t.Errorf("%q: %v, %v", sum, d, err)
			}
		}
	})
}

// TestConfines goes through what keeps a profile from confining although one of
// its name is loaded.
func TestConfines(t *testing.T) {
	set := encode(t, &blob.Profile{Name: "p"}, &blob.Profile{Name: "p//c"})
	mode := func(m blob.Mode) *blob.Policy {
		return encode(t, &blob.Profile{Name: "p"}, &blob.Profile{Name: "p//c", Mode: m})
	}
	kernel := func(m string) func(*fake) {
		return func(f *fake) { f.file("sys/module/apparmor/parameters/mode", m+"\n") }
	}
	for _, c := range []struct {
		name   string
		loaded *blob.Policy
		asked  *blob.Policy // nil: what is loaded
		change func(*fake)
		accept Accept
		want   error
	}{
		{name: "fine", loaded: set},
		{name: "kill", loaded: mode(blob.Kill)},
		{name: "kernel kills", loaded: set, change: kernel("kill")},
		{name: "not loaded", loaded: named(t, "q"), asked: set, want: ErrNotExist},
		{name: "child not loaded", loaded: named(t, "p"), asked: set, want: ErrContent},
		{name: "other content", loaded: set, asked: encode(t, &blob.Profile{Name: "p", Audit: true}, &blob.Profile{Name: "p//c"}), want: ErrContent},
		{name: "other content, all accepted", loaded: named(t, "p"), asked: encode(t, &blob.Profile{Name: "p", Audit: true}), accept: Accept{true, true, true, true}, want: ErrContent},
		{name: "complain", loaded: mode(blob.Complain), want: ErrMode},
		{name: "complain accepted", loaded: mode(blob.Complain), accept: Accept{Complain: true}},
		{name: "unconfined", loaded: mode(blob.Unconfined), accept: Accept{Complain: true, Prompt: true, Unverified: true}, want: ErrMode},
		{name: "unconfined accepted", loaded: mode(blob.Unconfined), accept: Accept{Unconfined: true}},
		{name: "kernel complains", loaded: set, change: kernel("complain"), want: ErrMode},
		{name: "kernel complains, accepted", loaded: set, change: kernel("complain"), accept: Accept{Complain: true}},
		{name: "kernel unconfined", loaded: set, change: kernel("unconfined"), accept: Accept{Complain: true}, want: ErrMode},
		{name: "kernel in no known mode", loaded: set, change: kernel("odd"), accept: Accept{true, true, true, true}, want: ErrMode},
		{name: "no mode of the kernel", loaded: set, change: func(f *fake) {
			f.remove("sys/module/apparmor/parameters/mode")
		}, want: ErrNotExist},
		{name: "nothing", loaded: set, asked: &blob.Policy{}, want: errEmpty},
	} {
		for _, algorithm := range []Algorithm{SHA256, SHA1} {
			t.Run(c.name+" "+string(algorithm), func(t *testing.T) {
				f := newFake(t)
				f.load(c.loaded, algorithm)
				if c.change != nil {
					c.change(f)
				}
				asked := c.asked
				if asked == nil {
					asked = c.loaded
				}
				k := f.open(nil)
				var print Fingerprint
				if asked.Len() > 0 {
					print = FingerprintOf(asked)
				}
				err := k.Confines(t.Context(), print, c.accept)
				var own *Error
				if !errors.Is(err, c.want) || err != nil && !errors.As(err, &own) {
					t.Errorf("error %v, want %v", err, c.want)
				}
			})
		}
	}
	t.Run("no digest", func(t *testing.T) {
		f := newFake(t)
		f.load(set, "")
		k := f.open(nil)
		if err := k.Confines(t.Context(), FingerprintOf(set), Accept{Complain: true}); !errors.Is(err, ErrNoDigest) {
			t.Errorf("error %v", err)
		}
		if err := k.Confines(t.Context(), FingerprintOf(set), Accept{Unverified: true}); err != nil {
			t.Error(err)
		}
		// What nobody vouches for is loaded again.
		if changed, err := k.Ensure(t.Context(), set); !changed || err != nil {
			t.Errorf("ensure: %v, %v", changed, err)
		}
	})
}
