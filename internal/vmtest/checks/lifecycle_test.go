// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// TestRemoveElsewhere removes profiles of other namespaces by name: what the
// caller loads in one is not found in another, unless it is named.
func TestRemoveElsewhere(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	outer := namespace(t, k, "outer")
	inner := namespace(t, outer, "inner")
	for _, n := range []*loader.Kernel{k, outer, inner} {
		load(t, n, encode(t, minimal("p"), minimal("p//c"), minimal("q")))
	}
	if err := k.Remove(ctx, ":outer:p//c"); err != nil {
		t.Error(err)
	}
	if err := k.Remove(ctx, ":outer//inner:p"); err != nil {
		t.Error(err)
	}
	if err := outer.Remove(ctx, ":inner://q"); err != nil {
		t.Error(err)
	}
	wantLoaded(t, k, "p (enforce)", "p//c (enforce)", "q (enforce)", ":outer:p (enforce)", ":outer:q (enforce)")
	wantError(t, k.Remove(ctx, ":outer:none"), loader.ErrNotExist)
	wantError(t, k.Remove(ctx, ":none:p"), loader.ErrNotExist)
	for _, name := range []string{":outer:", ":outer://", ":outer"} {
		wantError(t, k.Remove(ctx, name), loader.ErrName)
	}

	// What Qualify says is what Remove takes.
	if err := k.Remove(ctx, outer.Qualify("p")); err != nil {
		t.Error(err)
	}
	// Policy that names its namespace itself.
	if err := k.Load(ctx, encode(t, &blob.Profile{Namespace: "outer", Name: "in header"})); err != nil {
		t.Fatal(err)
	}
	wantError(t, k.Remove(ctx, "in header"), loader.ErrNotExist)
	if err := k.Remove(ctx, ":outer:in header"); err != nil {
		t.Error(err)
	}
	wantLoaded(t, outer, "q (enforce)")
}

// TestFreshRevision asks for the number of a policy that there is none of.
func TestFreshRevision(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	ns := namespace(t, k, "fresh")
	if n, err := ns.Revision(ctx); n != 0 || err != nil {
		t.Errorf("revision %d, %v", n, err)
	}
	if n, err := ns.WaitRevision(ctx, 1); n != 0 || err != nil {
		t.Errorf("revision %d, %v", n, err)
	}
	changed := make(chan uint64)
	go func() {
		n, err := ns.WaitRevision(ctx, 0)
		if err != nil {
			t.Error(err)
		}
		changed <- n
	}()
	load(t, ns, encode(t, minimal("first")))
	if n := <-changed; n == 0 {
		t.Error("the first change is not reported")
	}
}

// TestRawData compares what the kernel keeps of policy with what was loaded.
func TestRawData(t *testing.T) {
	k := kernel(t)
	ns := namespace(t, k, "raw")
	for _, c := range []struct {
		k   *loader.Kernel
		dir string
	}{{k, "policy"}, {ns, "policy/namespaces/raw"}} {
		set := encode(t, minimal("raw"), minimal("raw//child"), &blob.Profile{Name: "raw//hat", Hat: true}, minimal("second"))
		load(t, c.k, set)
		for _, pattern := range []string{"raw.*", "raw.*/profiles/child.*", "raw.*/profiles/hat.*", "second.*"} {
			files, err := filepath.Glob(filepath.Join("/sys/kernel/security/apparmor", c.dir, "profiles", pattern, "raw_data"))
			if err != nil || len(files) != 1 {
				t.Fatalf("%s: %q, %v", pattern, files, err)
			}
			data, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(data, set.Bytes()) {
				t.Errorf("%s is not what was loaded", files[0])
			}
		}
		if changed, err := c.k.Ensure(t.Context(), set); changed || err != nil {
			t.Errorf("Ensure: changed %v, %v", changed, err)
		}
		// The kernel takes the same again, and counts it.
		before, err := c.k.Revision(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.k.Replace(t.Context(), set); err != nil {
			t.Fatal(err)
		}
		if after, err := c.k.Revision(t.Context()); after <= before || err != nil {
			t.Errorf("revision %d after %d, %v", after, before, err)
		}
	}
}

// goroutines is how many are at work in tests of concurrency.
const goroutines = 16

// each runs f so many times at once.
func each(f func(i int)) {
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

// TestThreads puts many threads under labels of their own at once. No other
// thread is to come under one of them, and when they are done no thread is
// left that is.
func TestThreads(t *testing.T) {
	k := kernel(t)
	var profiles []*blob.Profile
	for i := range goroutines {
		// With mode complain everything goes on as before.
		profiles = append(profiles, &blob.Profile{Name: fmt.Sprintf("thread%d", i), Mode: blob.Complain})
	}
	load(t, k, encode(t, profiles...))
	var inside, done sync.WaitGroup
	inside.Add(goroutines)
	done.Add(goroutines)
	look := make(chan struct{})
	for i := range goroutines {
		go func() {
			defer done.Done()
			runtime.LockOSThread()
			own := fmt.Sprintf("thread%d (complain)", i)
			if err := k.ChangeProfile(fmt.Sprintf("thread%d", i)); err != nil {
				t.Error(err)
			}
			inside.Done()
			<-look
			for range 50 {
				wantSelf(t, k.Tasks, own)
				runtime.Gosched()
			}
			// For the next exec, which never comes.
			next := fmt.Sprintf("thread%d", (i+1)%goroutines)
			if err := k.ChangeOnExec(next); err != nil {
				t.Error(err)
			}
			if l, ok, err := k.OnExec(); !ok || err != nil || !l.Is(next) {
				t.Errorf("OnExec: %q, %v, %v", l, ok, err)
			}
		}()
	}
	inside.Wait()
	if n := labelled(t); n != goroutines {
		t.Errorf("%d threads are confined", n)
	}
	wantSelf(t, k.Tasks, loader.Unconfined)
	close(look)
	each(func(int) {
		for range 50 {
			wantSelf(t, k.Tasks, loader.Unconfined)
			if _, ok, err := k.OnExec(); ok || err != nil {
				t.Errorf("OnExec: %v, %v", ok, err)
			}
			runtime.Gosched()
		}
	})
	done.Wait()
	// A thread ends a little after its goroutine.
	for range 1000 {
		if labelled(t) == 0 {
			break
		}
		runtime.Gosched()
	}
	if n := labelled(t); n != 0 {
		t.Errorf("%d threads are confined, and should not be there", n)
	}
}

// labelled counts the confined threads of this process.
func labelled(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/attr/apparmor/current")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		if strings.TrimSpace(string(text)) != loader.Unconfined {
			n++
		}
	}
	return n
}

// TestConcurrency loads, replaces, removes and uses profiles from many
// goroutines.
func TestConcurrency(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	helper := reference(t, "helper")
	load(t, k, helper)
	before, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 5
	t.Run("each its own profile", func(t *testing.T) {
		each(func(i int) {
			name := fmt.Sprintf("own%d", i)
			p := encode(t, minimal(name), minimal(name+"//c"))
			for range rounds {
				if err := errors.Join(k.Load(ctx, p), k.Replace(ctx, p), k.Remove(ctx, name)); err != nil {
					t.Error(err)
				}
			}
		})
		wantLoaded(t, k, "helper (enforce)")
		if after, err := k.Revision(ctx); err != nil || after != before+goroutines*rounds*3 {
			t.Errorf("revision %d after %d, %v", after, before, err)
		}
	})
	t.Run("one profile for all", func(t *testing.T) {
		p := encode(t, minimal("shared"))
		var written [goroutines]bool
		each(func(i int) {
			var err error
			if written[i], err = k.Ensure(ctx, p); err != nil {
				t.Error(err)
			}
		})
		n := 0
		for _, w := range written {
			if w {
				n++
			}
		}
		if n != 1 {
			t.Errorf("it was written %d times", n)
		}
		var missed sync.Map
		each(func(i int) {
			if err := k.Remove(ctx, "shared"); isNotExist(err) {
				missed.Store(i, true)
			} else if err != nil {
				t.Error(err)
			}
		})
		n = 0
		missed.Range(func(any, any) bool { n++; return true })
		if n != goroutines-1 {
			t.Errorf("%d goroutines found nothing to remove", n)
		}
	})
	t.Run("namespaces", func(t *testing.T) {
		each(func(i int) {
			name := fmt.Sprintf("ns%d", i)
			for range rounds {
				ns, err := k.Namespace(ctx, name, true)
				if err != nil {
					t.Error(err)
					return
				}
				err = ns.Load(ctx, encode(t, minimal("p")))
				if err := errors.Join(err, ns.Close(), k.RemoveNamespace(ctx, name)); err != nil {
					t.Error(err)
				}
			}
		})
		wantLoaded(t, k, "helper (enforce)")
	})
	t.Run("start", func(t *testing.T) {
		each(func(i int) {
			// Replacing the profile meanwhile does no harm.
			if i >= 4 {
				for range rounds {
					if err := k.Replace(ctx, helper); err != nil {
						t.Error(err)
					}
				}
				return
			}
			want := Report{Label: "helper (enforce)", Secret: "permission denied"}
			start := func(cmd *exec.Cmd) error { return k.Start(ctx, cmd, "helper") }
			wantReport(t, guest.Command(t, "report"), start, want)
		})
	})
}
