// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// TestOwnName: as in apparmor_parser, the name of its own is what follows the
// last two slashes, be they the first.
func TestOwnName(t *testing.T) {
	parent := &policy.Profile{Name: "a//b"}
	for _, tt := range []struct {
		profile policy.Profile
		want    ast.Pattern
	}{
		{policy.Profile{Name: "/bin/x"}, "/bin/x"},
		{policy.Profile{Name: "//bin/x"}, "bin/x"},
		{policy.Profile{Name: "a//b"}, "b"},
		{policy.Profile{Name: "a//b//c"}, "c"},
		{policy.Profile{Name: "a//b///c", Parent: parent}, "/c"},
		{policy.Profile{Name: "a//b//c", Parent: parent}, "c"},
	} {
		if got := ownName(&tt.profile); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.profile.Name, got, tt.want)
		}
	}
}

// TestAttachSteps looks for a conflict with as many steps as it takes, and with
// one less.
func TestAttachSteps(t *testing.T) {
	kernel, _ := features.Kernel("6.12")
	out, err := Text(t.Context(), "p", "profile a /usr/bin/* { }\nprofile b /usr/{s,}bin/x { }\n", Source{
		Kernel: kernel, Default: kernel, Options: Options{Degrade: Report},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := out.Policy.Profiles()[0], out.Policy.Profiles()[1]
	left := maxAttachSteps
	if path, ok := equalMatch(a, b, &left); !ok || path != "/usr/bin/x" {
		t.Fatalf("conflict on %q, %t", path, ok)
	}
	enough := maxAttachSteps - left
	for steps, want := range map[int]bool{0: false, enough - 1: false, enough: true} {
		left := steps
		if path, ok := equalMatch(a, b, &left); ok != want || left != 0 {
			t.Errorf("%d of %d steps: conflict on %q, %t, %d are left", steps, enough, path, ok, left)
		}
	}
}
