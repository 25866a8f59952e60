// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"cmp"
	"slices"
)

// Cost is how many states an owner's expressions are the cause of.
type Cost struct {
	Owner  int32
	States int
}

// CostError is a limit that was exceeded, and what caused it.
type CostError struct {
	Err    error
	Costs  []Cost // the greatest first
	States int    // that there were
}

// Error implements error.
func (e *CostError) Error() string { return e.Err.Error() }

// Unwrap returns the limit.
func (e *CostError) Unwrap() error { return e.Err }

// Sizes of the sample of states that costs are found in. Growth without bounds
// shows in the states that came last.
const (
	maxSample        = 1 << 17 // states
	maxSampleMembers = 1 << 22
	maxCandidates    = 6 // owners that are looked at closely
)

// costs returns which owners' expressions are the cause of how many of the
// states, the greatest first.
//
// A state is a set of places in expressions. An owner is the cause of the states
// that would be one if the places that its expressions go through did not
// count: as many states less there would be, or a few more, if it had no
// expressions. So an expression that is found everywhere costs nothing if it
// never tells states apart, and of two that multiply each other's states each
// costs the product.
func (b *subset) costs(owners []int32) []Cost {
	n := b.n
	if len(n.of) != len(n.trie.nodes) || len(n.closure) != len(n.states) {
		return nil // it was stopped before
	}
	sample := b.sets[min(1, len(b.sets)):]
	members := 0
	for i := len(sample) - 1; i >= 0; i-- {
		if members += int(sample[i].n); members > maxSampleMembers || len(sample)-i > maxSample {
			sample = sample[i+1:]
			break
		}
	}
	if len(sample) == 0 {
		return nil
	}
	found := make([]int, len(n.states)) // in how many states a place is
	for _, s := range sample {
		for _, q := range b.members[s.from : s.from+s.n] {
			found[q]++
		}
	}
	type candidate struct {
		owner int32
		score int
	}
	w := walker{n: n, mark: make([]uint32, len(n.states))}
	scores := map[int32]int{}
	for i, owner := range owners {
		score := 0
		for _, q := range w.places(i) {
			score += found[q]
		}
		if score > 0 {
			scores[owner] += score
		}
	}
	var list []candidate
	for o, score := range scores {
		list = append(list, candidate{o, score})
	}
	slices.SortFunc(list, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.owner, b.owner)) })
	list = list[:min(len(list), maxCandidates)]

	var costs []Cost
	own := make([]bool, len(n.states))
	hashes := make([]uint64, 0, len(sample))
	for _, c := range list {
		clear(own)
		for i, owner := range owners {
			if owner == c.owner {
				for _, q := range w.places(i) {
					own[q] = true
				}
			}
		}
		hashes = hashes[:0]
		for _, s := range sample {
			h := uint64(0)
			for _, q := range b.members[s.from : s.from+s.n] {
				if !own[q] {
					h = mix(h, uint64(q)+1)
				}
			}
			hashes = append(hashes, h)
		}
		slices.Sort(hashes)
		if less := len(sample) - len(slices.Compact(hashes)); less > 0 {
			costs = append(costs, Cost{c.owner, int(int64(less) * int64(len(b.sets)) / int64(len(sample)))})
		}
	}
	slices.SortStableFunc(costs, func(a, b Cost) int { return cmp.Compare(b.States, a.States) })
	return costs
}

// walker finds the places of an expression in the automaton.
type walker struct {
	n     *nfa
	mark  []uint32
	gen   uint32
	list  []uint32
	stack []uint32
}

// places returns the states of the nfa that the i-th rule goes through, but for
// those that accept. The list is valid until the next call.
func (w *walker) places(i int) []uint32 {
	w.gen++
	w.list = w.list[:0]
	t := &w.n.trie
	rest := tail{seq: int32(i)}
	for at := uint32(0); ; {
		w.add(w.n.of[at])
		key, ok := t.next(&rest)
		if !ok {
			return w.list
		}
		c := t.find(at, key)
		if t.nodes[c].tail != 0 {
			w.from(w.n.of[c], deadState)
		}
		if key >= literalKeys {
			w.from(w.n.memo[step{nodeID(key - literalKeys), w.n.of[c]}], w.n.of[c])
		}
		if t.nodes[c].tail != 0 {
			return w.list
		}
		at = c
	}
}

// add adds a state and reports whether it is new.
func (w *walker) add(s uint32) bool {
	if w.mark[s] == w.gen || w.n.states[s].final != 0 {
		return false
	}
	w.mark[s] = w.gen
	w.list = append(w.list, s)
	return true
}

// from adds what is reached from a state before another one.
func (w *walker) from(s, to uint32) {
	w.add(s)
	w.stack = append(w.stack[:0], s)
	for len(w.stack) > 0 {
		st := &w.n.states[w.stack[len(w.stack)-1]]
		w.stack = w.stack[:len(w.stack)-1]
		for _, e := range w.n.edges[st.edge : st.edge+st.edgeN] {
			if e.to != to && w.add(e.to) {
				w.stack = append(w.stack, e.to)
			}
		}
		for _, e := range w.n.eps[st.eps : st.eps+st.epsN] {
			if e != to && w.add(e) {
				w.stack = append(w.stack, e)
			}
		}
	}
}
