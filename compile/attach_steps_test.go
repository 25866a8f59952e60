// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
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

// TestAttachSteps looks for a conflict with ever more steps, until there are
// enough of them.
func TestAttachSteps(t *testing.T) {
	kernel, _ := features.Kernel("6.12")
	out, err := Text(t.Context(), "p", "profile a /usr/bin/* { }\nprofile b /usr/{s,}bin/x { }\n", Source{
		Kernel: kernel, Default: kernel, Options: Options{Degrade: Report},
	})
	if err != nil {
		t.Fatal(err)
	}
	a, b := out.Policy.Profiles()[0], out.Policy.Profiles()[1]
	enough := -1
	for steps := range 64 {
		left := steps
		found := equalMatches(b, []*blob.Profile{a}, &left)
		switch {
		case len(found) == 0 && (left >= 0 || enough >= 0):
			t.Errorf("%d steps are not enough, and %d are left", steps, left)
		case len(found) > 0 && (found[0].path != "/usr/bin/x" || len(found) > 1):
			t.Errorf("%d steps: %v", steps, found)
		case len(found) > 0 && enough < 0:
			enough = steps
		}
	}
	if enough < len("/usr/bin/x") {
		t.Errorf("%d steps are enough", enough)
	}
}
