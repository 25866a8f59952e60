// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"
	"slices"
	"strings"
)

// labelSep separates the components of a compound label.
const labelSep = "//&"

// eachLabel asks about a label as a whole and, if it is compound, asks each of
// its components for the rest: all of them must grant it. The components are
// taken in the order of the text; kernels show labels in the order in which
// they look them up.
func eachLabel(label string, want Perms, ask func(label string, want Perms) Decision) Decision {
	if !strings.Contains(label, labelSep) {
		return ask(label, want)
	}
	parts := strings.Split(label, labelSep)
	d := ask(label, want)
	if d.Allowed() {
		return d
	}
	rest := d.Deny
	byPart := ask(parts[0], rest)
	for _, part := range parts[1:] {
		byPart = byPart.and(ask(part, rest))
	}
	if rest == want {
		return byPart
	}
	return d.only(d.Allow).and(byPart)
}

// compound returns the label of all these components as kernels write it, each
// once: outer namespaces before inner ones, then by name.
func compound(labels ...string) string {
	parts := strings.Split(strings.Join(labels, labelSep), labelSep)
	namespace := func(part string) (level int, name string) {
		ns, _, ok := strings.Cut(strings.TrimPrefix(part, ":"), ":")
		if part == "" || part[0] != ':' || !ok {
			return 0, ""
		}
		return 1 + strings.Count(ns, "//"), ns
	}
	slices.SortStableFunc(parts, func(a, b string) int {
		levelA, nsA := namespace(a)
		levelB, nsB := namespace(b)
		return cmp.Or(cmp.Compare(levelA, levelB), cmp.Compare(nsA, nsB), cmp.Compare(a, b))
	})
	return strings.Join(slices.Compact(parts), labelSep)
}

// label is one or more components with separators, see labelSep.
func label(want Perms) piece {
	return func(n *nfa, from int) int {
		const slash, amp = '/', '&'
		first, inside, one, two, next := from, n.add(), n.add(), n.add(), n.add()
		is := func(c byte) func(byte) bool { return func(b byte) bool { return b == c } }
		not := func(cs ...byte) func(byte) bool { return func(b byte) bool { return !slices.Contains(cs, b) } }
		for _, s := range [...]int{first, inside, next} {
			(*n)[s].edges = append((*n)[s].edges, nfaEdge{is(slash), one}, nfaEdge{not(0, slash), inside})
		}
		(*n)[one].edges = []nfaEdge{{is(slash), two}, {not(0, slash), inside}}
		(*n)[two].edges = []nfaEdge{{is(slash), two}, {is(amp), next}, {not(0, slash, amp), inside}}
		for _, s := range [...]int{first, inside, one, two, next} {
			(*n)[s].label = true
		}
		(*n)[one].pending, (*n)[two].pending = 1, 2
		(*n)[next].gate, (*n)[next].split = true, true
		to := n.add()
		for _, s := range [...]int{inside, one, two} {
			(*n)[s].ends |= want
			(*n)[s].empty = append((*n)[s].empty, to)
		}
		return to
	}
}
