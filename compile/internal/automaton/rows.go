// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"iter"
	"slices"
)

// rows are the transitions of states. Most states lead nowhere, or all to one
// state, on most classes, so a row is where most classes lead, and the
// exceptions.
type rows struct {
	of   []row
	arcs []arc
	// packed has them instead, if they were opened from a file.
	packed *packedRows
}

// row holds the transitions of one state: where more than half of the classes
// lead, and the others in their order; or, if most is various, all of them.
type row struct {
	most uint32
	arcs span
}

type arc struct {
	class uint32
	to    uint32
}

// various says that there is no state to which more than half of the classes lead.
const various = ^uint32(0)

// add appends the row of a state.
func (r *rows) add(to []uint32) {
	from := len(r.arcs)
	most, ok := majority(to)
	if !ok {
		most = various
	}
	for c, t := range to {
		if !ok || t != most {
			r.arcs = append(r.arcs, arc{uint32(c), t})
		}
	}
	r.close(most, from)
}

// close adds the row whose arcs have been appended.
func (r *rows) close(most uint32, from int) {
	r.of = append(r.of, row{most, span{uint32(from), uint32(len(r.arcs) - from)}})
}

// arcsOf returns the transitions of a state that are not the default, or all.
func (r *rows) arcsOf(s uint32) []arc {
	if r.packed != nil {
		return r.packed.arcsOf(s)
	}
	return r.of[s].listed(r.arcs)
}

// listed returns those of all transitions that the row has.
func (w *row) listed(all []arc) []arc { return all[w.arcs.from : w.arcs.from+w.arcs.n] }

// step returns where a state leads on a class.
func (r *rows) step(s uint32, class uint16) uint32 {
	if r.packed != nil {
		return r.packed.step(s, class)
	}
	arcs := r.arcsOf(s)
	if r.of[s].most == various {
		return arcs[class].to
	}
	lo, hi := 0, len(arcs)
	for lo < hi {
		mid := (lo + hi) / 2
		if arcs[mid].class < uint32(class) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(arcs) && arcs[lo].class == uint32(class) {
		return arcs[lo].to
	}
	return r.of[s].most
}

// fill writes where a state leads on each class.
func (r *rows) fill(to []uint32, s uint32) {
	if r.packed != nil {
		r.packed.fill(to, s)
		return
	}
	if most := r.of[s].most; most != various {
		for c := range to {
			to[c] = most
		}
	}
	for _, a := range r.arcsOf(s) {
		to[a.class] = a.to
	}
}

// pairs yields the classes on which one of two rows has an exception, and where both
// states lead on them. On all other classes each leads to its most; a row of various
// has none of these.
func (r *rows) pairs(s, t uint32) iter.Seq2[uint32, [2]uint32] {
	return func(yield func(class uint32, to [2]uint32) bool) {
		a, b := r.arcsOf(s), r.arcsOf(t)
		for len(a) > 0 || len(b) > 0 {
			to := [2]uint32{r.of[s].most, r.of[t].most}
			var class uint32
			switch {
			case len(b) == 0 || len(a) > 0 && a[0].class < b[0].class:
				class, to[0], a = a[0].class, a[0].to, a[1:]
			case len(a) == 0 || b[0].class < a[0].class:
				class, to[1], b = b[0].class, b[0].to, b[1:]
			default:
				class, to, a, b = a[0].class, [2]uint32{a[0].to, b[0].to}, a[1:], b[1:]
			}
			if !yield(class, to) {
				return
			}
		}
	}
}

// toStart reports whether any state leads to the start.
func (r *rows) toStart() bool {
	if r.packed != nil {
		return r.packed.toStart
	}
	return slices.ContainsFunc(r.of, func(w row) bool { return w.most == Start }) ||
		slices.ContainsFunc(r.arcs, func(a arc) bool { return a.to == Start })
}

// majority returns the value of more than half of a list, if there is one.
func majority[T comparable](list []T) (most T, ok bool) {
	votes := 0
	for _, v := range list {
		switch {
		case votes == 0:
			most, votes = v, 1
		case v == most:
			votes++
		default:
			votes--
		}
	}
	n := 0
	for _, v := range list {
		if v == most {
			n++
		}
	}
	return most, 2*n > len(list)
}
