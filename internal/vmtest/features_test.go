// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/vmtest"
)

// TestFeatureSets says in what the features of today's kernels differ from the
// sets that are built in for their versions. That they do is not a failure: the
// archive moves on.
func TestFeatureSets(t *testing.T) {
	var roles []string
	all := debian.Roles()
	if debian.UbuntuMirror() != "" {
		all = append(all, debian.UbuntuRoles()...)
	}
	for _, r := range all {
		roles = append(roles, r.Name)
	}
	vmtest.Each(t, roles, func(t *testing.T, k vmtest.Kernel) {
		shown, err := features.Parse([]byte(k.Features))
		if err != nil {
			t.Fatal(err)
		}
		if !shown.Supports("file/mask/read") || !shown.Supports("policy/versions/v8") {
			t.Errorf("these are not features:\n%s", k.Features)
		}
		name := vmtest.BuiltIn(features.Kernels(), k)
		set, ok := features.Kernel(name)
		if !ok {
			t.Fatalf("no set is built in for kernels as old as %s", k.Release)
		}
		if list := moved(set, shown); len(list) == 0 {
			t.Logf("as built in for %s", name)
		} else {
			t.Logf("%d entries moved against the set built in for %s; if they are to stay, features/kernel.go takes them:", len(list), name)
			for _, line := range list {
				t.Log(line)
			}
		}
	})
}

// moved lists the entries in which two sets differ: + is only in the later
// one, - only in the earlier one.
func moved(earlier, later *features.Set) []string {
	a, b := map[string]string{}, map[string]string{}
	leaves(earlier, "", a)
	leaves(later, "", b)
	paths := slices.Collect(maps.Keys(a))
	paths = slices.AppendSeq(paths, maps.Keys(b))
	slices.Sort(paths)
	var out []string
	for _, path := range slices.Compact(paths) {
		x, inA := a[path]
		y, inB := b[path]
		switch {
		case !inA:
			out = append(out, fmt.Sprintf("+ %s: %s", path, y))
		case !inB:
			out = append(out, fmt.Sprintf("- %s: %s", path, x))
		case x != y:
			out = append(out, fmt.Sprintf("~ %s: %s -> %s", path, x, y))
		}
	}
	return out
}

// leaves adds the entries below path that hold words, or nothing.
func leaves(s *features.Set, path string, out map[string]string) {
	names := s.Names(path)
	if value, ok := s.Value(path); ok && path != "" && (value != "" || len(names) == 0) {
		out[path] = value
	}
	for _, name := range names {
		if path != "" {
			name = path + "/" + name
		}
		leaves(s, name, out)
	}
}

func TestMoved(t *testing.T) {
	parse := func(text string) *features.Set {
		s, err := features.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	got := moved(parse("a {b {x y}} c {yes} d {e {1} f {}}"), parse("a {b {x y z}} d {e {1} g {2} f {}} h {}"))
	want := []string{"~ a/b: x y -> x y z", "- c: yes", "+ d/g: 2", "+ h: "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
