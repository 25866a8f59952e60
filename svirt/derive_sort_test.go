// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
)

// plainSort says what sortRules does, without haste.
func plainSort(list []Rule) []Rule {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b Rule) int { return compareRules(&a, &b) })
	var out []Rule
	for _, r := range list {
		if n := len(out); n > 0 && out[n-1].Path == r.Path && out[n-1].Device == r.Device {
			out[n-1].Perms = merged(out[n-1].Perms, r.Perms)
			out[n-1].Exec = max(out[n-1].Exec, r.Exec)
			continue
		}
		out = append(out, r)
	}
	return out
}

// TestSortRules sorts rules whose paths are alike in many ways.
func TestSortRules(t *testing.T) {
	rnd := rand.New(rand.NewSource(1))
	parts := []string{"", "a", "b", "aa", "\x7f", "\xff", "abcdef", "abcdefg", "abcdefgh", "abcdefghi", "abcdeg"}
	for range 3000 {
		list := make([]Rule, rnd.Intn(20))
		for i := range list {
			list[i] = Rule{
				Path:   ast.Pattern("/srv/" + parts[rnd.Intn(len(parts))] + parts[rnd.Intn(len(parts))]),
				Device: Device{DeviceDisk, parts[rnd.Intn(3)]},
				Perms:  ast.FilePerm(1 << rnd.Intn(6)),
				Exec:   ast.Exec(rnd.Intn(3)),
			}
		}
		want := plainSort(list)
		if got := sortRules(slices.Clone(list)); len(got)+len(want) > 0 && !slices.Equal(got, want) {
			t.Fatalf("of %v: %s", list, cmp.Diff(want, got))
		}
	}
	// More rules than there are indexes.
	list := make([]Rule, maxIndex+1)
	for i, n := range rnd.Perm(len(list)) {
		list[i] = Rule{Path: ast.Pattern(fmt.Sprintf("/srv/%d", n/2)), Perms: ast.FileRead}
	}
	want := plainSort(list)
	if got := sortRules(list); !slices.Equal(got, want) {
		t.Error("a long list is not sorted")
	}
}
