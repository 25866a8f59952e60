// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestMissingVariable: a variable without a value is one mistake, however many
// rules have it. A variable of the profile is one for each profile.
func TestMissingVariable(t *testing.T) {
	unit, err := parser.Config{}.ParseTree(t.Context(), "f", `@{C}=@{A}
profile p {
  @{A}/a r,
  @{A}/b r,
  @{B}/c r,
  @{C}/d r,
  @{attach_path} r,
  @{attach_path} w,
}
profile q @{A}/q {
  @{B}/e@{A} r,
  @{attach_path} r,
}
`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = policy.Resolve(t.Context(), unit, policy.Options{})
	var list diag.List
	if !errors.As(err, &list) {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		if d.Code != diag.CodeUndefined {
			t.Errorf("%v", d)
		}
		got = append(got, d.Text)
	}
	slices.Sort(got)
	if want := []string{"@{A}", "@{B}", "@{attach_path}", "@{attach_path}"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
