// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"encoding/binary"
	"fmt"
	"slices"
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
// For each pair it tries the shortest path to each set of states in which both
// match. Attachments with extended attributes are left out, because the
// answer depends on the file. Work beyond maxAttachSteps is not done.
func attachConflicts(budget *automaton.Budget, set *policy.Set, built []*blob.Profile) (diag.List, error) {
	var found diag.List
	steps := maxAttachSteps
	var all []attachedTo
	for i, p := range set.Profiles {
		b := built[i]
		if p.Hat || !chosen(b) {
			continue
		}
		a := attachedTo{profile: p, built: b}
		for _, pattern := range attachments(p) {
			a.prefixes = append(a.prefixes, literalPrefix(pattern))
		}
		var rivals []*blob.Profile
		var of []*policy.Profile
		for j := range all {
			first := &all[j]
			if !budget.Spend(8 + 4*len(first.prefixes)*len(a.prefixes)) {
				return nil, budget.Err()
			}
			if first.profile.Parent == p.Parent && overlap(first.prefixes, a.prefixes) {
				rivals, of = append(rivals, first.built), append(of, first.profile)
			}
		}
		all = append(all, a)
		if len(rivals) == 0 || steps <= 0 {
			continue
		}
		before := steps
		matches := equalMatches(b, rivals, &steps)
		if !budget.Spend((before - max(steps, 0)) * attachWork) {
			return nil, budget.Err()
		}
		for _, m := range matches {
			first := of[m.other]
			found = append(found, attachConflict(
				&attached{name: first.Name, pos: first.Origin.Position()},
				&attached{name: p.Name, pos: p.Origin.Position(), via: p.Origin.Chain()}, m.path))
		}
	}
	return found, nil
}

// chosen reports whether kernels look for the profile by its automaton, and by
// nothing else of the file.
func chosen(p *blob.Profile) bool {
	return len(p.Xattrs) == 0 && p.XMatch != nil && p.XMatch.DFA != nil
}

// attached is a profile and where it is written.
type attached struct {
	name string
	pos  ast.Position
	via  []ast.Position
}

// attachConflict is the error for two profiles between which kernels cannot choose.
func attachConflict(first, second *attached, path string) *diag.Diagnostic {
	return &diag.Diagnostic{
		Code: diag.CodeAttachConflict, Profile: second.name, Pos: second.pos, Via: second.via,
		Message: fmt.Sprintf("profiles %s and %s attach to %s equally well, so kernels take neither", first.name, second.name, path),
		Hint:    "name the path without wildcards in one of them",
		Related: []ast.Position{first.pos},
	}
}

// attachedTo is a profile and the literal beginnings of its attachments.
type attachedTo struct {
	profile  *policy.Profile
	built    *blob.Profile
	prefixes []string
}

// maxAttachSteps is how many pairs of states are looked at in one set.
const maxAttachSteps = 1 << 14

// attachWork is the work of looking at a pair: at all bytes of one state, and the
// other after those that lead on.
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

// equalMatch is a path that a profile and another one, of that index, attach to
// equally well.
type equalMatch struct {
	other int
	path  string
}

// equalMatches looks for paths that a profile attaches to as well as others do:
// for each of the others at most one, and one of the shortest. It follows the
// profile's automaton, with those of the others that live as far. A set of states
// takes as many steps as others live; without steps it ends.
func equalMatches(p *blob.Profile, others []*blob.Profile, steps *int) (found []equalMatch) {
	type live struct{ other, state uint32 }
	type reached struct {
		state uint32
		live  []live
		from  int // index of the place before, and the byte from there
		by    byte
	}
	first := reached{state: xmatchStart(p), from: -1}
	for i, o := range others {
		first.live = append(first.live, live{uint32(i), xmatchStart(o)})
	}
	done := make([]bool, len(others))
	seen := map[string]bool{}
	queue := []reached{first}
	var row [256]uint32
	var next []live
	var key []byte
	for i := 0; i < len(queue) && len(found) < len(others); i++ {
		at := queue[i]
		if attaches(p, at.state) {
			path := ""
			for _, l := range at.live {
				o := others[l.other]
				if done[l.other] || !attaches(o, l.state) {
					continue
				}
				if path == "" {
					var back []byte
					for j := i; queue[j].from >= 0; j = queue[j].from {
						back = append(back, queue[j].by)
					}
					slices.Reverse(back)
					path = string(back)
				}
				if matchLength(p, path) == matchLength(o, path) {
					done[l.other] = true
					found = append(found, equalMatch{int(l.other), path})
				}
			}
		}
		p.XMatch.DFA.Row(at.state, &row)
		for k := range 255 {
			c := byte(1 + (k+'a'-1)%255) // any but NUL, those first that read well
			if row[c] == blob.TrapState {
				continue
			}
			next = next[:0]
			key = binary.LittleEndian.AppendUint32(key[:0], row[c])
			for _, l := range at.live {
				if done[l.other] {
					continue
				}
				if s := others[l.other].XMatch.DFA.Step(l.state, c); s != blob.TrapState {
					next = append(next, live{l.other, s})
					key = binary.LittleEndian.AppendUint32(key, l.other)
					key = binary.LittleEndian.AppendUint32(key, s)
				}
			}
			if len(next) == 0 || seen[string(key)] {
				continue
			}
			if *steps -= len(next); *steps < 0 {
				return found
			}
			seen[string(key)] = true
			queue = append(queue, reached{row[c], slices.Clone(next), i, c})
		}
	}
	return found
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
