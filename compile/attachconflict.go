// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// Of several profiles that attach to a program a kernel takes the one whose
// attachment matches the longest literal part of the path, and none at all if
// two match equally long: the program then runs as if nothing attached to it
// (find_attach in security/apparmor/domain.c, read in 6.12).

// attachConflicts reports pairs of profiles between which a kernel cannot
// choose, at the later one of each. built are the profiles of the set in their
// order.
//
// For each pair it tries the shortest path to each pair of states in which
// both match. Attachments with extended attributes are left out, because the
// answer depends on the file. Work beyond maxAttachSteps is not done.
func attachConflicts(budget *automaton.Budget, set *policy.Set, built []*blob.Profile) (diag.List, error) {
	var found diag.List
	steps := maxAttachSteps
	var all []attachedTo
	for i, p := range set.Profiles {
		b := built[i]
		if p.Hat || len(p.Xattrs) > 0 || b.XMatch == nil || b.XMatch.DFA == nil {
			continue
		}
		a := attachedTo{profile: p, built: b}
		for _, pattern := range attachments(p) {
			a.prefixes = append(a.prefixes, literalPrefix(pattern))
		}
		for j := range all {
			first := &all[j]
			if !budget.Spend(8 + 4*len(first.prefixes)*len(a.prefixes)) {
				return nil, budget.Err()
			}
			if first.profile.Parent != p.Parent || !overlap(first.prefixes, a.prefixes) {
				continue
			}
			before := steps
			path, ok := equalMatch(first.built, b, &steps)
			if !budget.Spend((before - steps) * attachWork) {
				return nil, budget.Err()
			}
			if ok {
				found = append(found, &diag.Diagnostic{
					Code: diag.CodeAttachConflict, Profile: p.Name, Pos: p.Origin.Position(), Via: p.Origin.Chain(),
					Message: fmt.Sprintf("profiles %s and %s attach to %s equally well, so kernels take neither", first.profile.Name, p.Name, path),
					Hint:    "name the path without wildcards in one of them",
					Related: []ast.Position{first.profile.Origin.Position()},
				})
			}
		}
		all = append(all, a)
	}
	return found, nil
}

// attachedTo is a profile and the literal beginnings of its attachments.
type attachedTo struct {
	profile  *policy.Profile
	built    *blob.Profile
	prefixes []string
}

// maxAttachSteps is how many pairs of states are looked at in one set.
const maxAttachSteps = 1 << 14

// attachWork is the work of looking at a pair: at all bytes of both states.
const attachWork = 1024

// literalPrefix is the beginning of everything that matches a pattern.
func literalPrefix(p ast.Pattern) string {
	if i := strings.IndexAny(string(p), `*?[{\`); i >= 0 {
		return string(p[:i])
	}
	return string(p)
}

// overlap reports whether one path may begin with a string of each list.
func overlap(a, b []string) bool {
	for _, x := range a {
		for _, y := range b {
			if strings.HasPrefix(x, y) || strings.HasPrefix(y, x) {
				return true
			}
		}
	}
	return false
}

// equalMatch looks for a path that both profiles attach to equally well.
func equalMatch(a, b *blob.Profile, steps *int) (string, bool) {
	type pair struct{ a, b uint32 }
	type reached struct {
		pair
		from int // index of the pair before, and the byte from there
		by   byte
	}
	start := pair{xmatchStart(a), xmatchStart(b)}
	seen := map[pair]bool{start: true}
	queue := []reached{{pair: start, from: -1}}
	var rowA, rowB [256]uint32
	for i := 0; i < len(queue) && *steps > 0; i++ {
		*steps--
		at := queue[i]
		if attaches(a, at.a) && attaches(b, at.b) {
			var path []byte
			for j := i; queue[j].from >= 0; j = queue[j].from {
				path = append(path, queue[j].by)
			}
			for l, r := 0, len(path)-1; l < r; l, r = l+1, r-1 {
				path[l], path[r] = path[r], path[l]
			}
			if matchLength(a, string(path)) == matchLength(b, string(path)) {
				return string(path), true
			}
		}
		a.XMatch.DFA.Row(at.a, &rowA)
		b.XMatch.DFA.Row(at.b, &rowB)
		for k := range 255 {
			c := byte(1 + (k+'a'-1)%255) // any but NUL, those first that read well
			next := pair{rowA[c], rowB[c]}
			if next.a != blob.TrapState && next.b != blob.TrapState && !seen[next] {
				seen[next] = true
				queue = append(queue, reached{next, i, c})
			}
		}
	}
	return "", false
}

func xmatchStart(p *blob.Profile) uint32 {
	if s := p.XMatch.DFAStart; s != 0 {
		return s
	}
	return blob.StartState
}

func attaches(p *blob.Profile, state uint32) bool {
	return p.XMatchPerms(state).Allow&blob.PermExec != 0
}

// matchLength is what a kernel compares: the length of the path that the
// literal part of an attachment matches, or the length that the policy gives
// if that is more.
func matchLength(p *blob.Profile, path string) int {
	_, n := p.XMatch.DFA.LeftMatch(xmatchStart(p), path)
	return max(n, int(p.XMatchLen), 1)
}
