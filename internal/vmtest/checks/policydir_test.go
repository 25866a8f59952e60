// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policydir"
)

// TestPolicyDir brings a directory into the kernel: only what changed is loaded
// again, which the kernel's own count of changes shows, and a profile that no
// file defines goes when nothing runs under it.
func TestPolicyDir(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	dir := fresh(t, "/srv/policydir")
	write := func(name, rules string) {
		t.Helper()
		text := "abi <kernel>,\nprofile dir-" + name + " {" + base + rules + "}\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	apply := func() (map[string]policydir.State, error) {
		t.Helper()
		r, err := policydir.Apply(ctx, policydir.Options{
			Kernel: k, Prefix: "dir-", CacheDirs: []string{filepath.Join(dir, "cache")},
			Compile: compile.Options{Degrade: compile.Report},
			Parser:  parser.Config{Roots: []fs.FS{os.DirFS(dir)}},
		})
		if r == nil {
			t.Fatal(err)
		}
		states := map[string]policydir.State{}
		for _, f := range r.Files {
			states[f.Name] = f.State
		}
		for _, p := range r.Removed {
			states[p.Name] = "removed"
			if p.Err != nil {
				states[p.Name] = "stays"
			}
		}
		return states, err
	}
	want := func(changes uint64, states map[string]policydir.State) {
		t.Helper()
		before, err := k.Revision(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got, err := apply()
		if err != nil {
			t.Fatal(err)
		}
		after, err := k.Revision(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(states, got); diff != "" || after-before != changes {
			t.Errorf("%d changes of policy, want %d; %s", after-before, changes, diff)
		}
	}
	write("a", "/a r,\n")
	write("b", "/b r,\n")
	write("c", "/c r,\n")
	want(3, map[string]policydir.State{"a": "loaded", "b": "loaded", "c": "loaded"})
	want(0, map[string]policydir.State{"a": "unchanged", "b": "unchanged", "c": "unchanged"})
	digest, err := k.Digest(ctx, "dir-b")
	if err != nil {
		t.Fatal(err)
	}
	write("b", "/b w,\n")
	want(1, map[string]policydir.State{"a": "unchanged", "b": "loaded", "c": "unchanged"})
	if now, err := k.Digest(ctx, "dir-b"); err != nil || now == digest {
		t.Errorf("%v, then %v, %v", digest, now, err)
	}

	p := confine(t, k, "dir-c")
	if err := os.Remove(filepath.Join(dir, "c")); err != nil {
		t.Fatal(err)
	}
	states, err := apply()
	if !errors.Is(err, loader.ErrInUse) || states["dir-c"] != "stays" {
		t.Errorf("%v %v", states, err)
	}
	p.end(t)
	if states, err := apply(); err != nil || states["dir-c"] != "removed" {
		t.Errorf("%v %v", states, err)
	}
	wantLoaded(t, k, "dir-a (enforce)", "dir-b (enforce)")
	for _, name := range []string{"a", "b"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// Each is replaced by a profile that allows nothing before it is removed.
	want(4, map[string]policydir.State{"dir-a": "removed", "dir-b": "removed"})
	wantLoaded(t, k)
}
