// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/rand/v2"
	"slices"
)

// input is a string of bytes and out-of-band symbols.
type input []int

const oobInput = 256

func bytesOf(s string) input {
	in := make(input, len(s))
	for i := range len(s) {
		in[i] = int(s[i])
	}
	return in
}

// ends returns where matches of n that begin at i can end, straight from the
// definition of the expressions.
func ends(n Node, in input, i int) map[int]bool {
	out := map[int]bool{}
	if n.x == nil {
		out[i] = true
		return out
	}
	switch n.x.op {
	case opLiteral:
		for j := range len(n.x.lit) {
			if i+j >= len(in) || in[i+j] != int(n.x.lit[j]) {
				return out
			}
		}
		out[i+len(n.x.lit)] = true
	case opSet:
		if i < len(in) && in[i] != oobInput && n.x.set.Has(byte(in[i])) {
			out[i+1] = true
		}
	case opOOB:
		if i < len(in) && in[i] == oobInput {
			out[i+1] = true
		}
	case opCat:
		out[i] = true
		for _, s := range n.x.subs {
			next := map[int]bool{}
			for j := range out {
				for k := range ends(s, in, j) {
					next[k] = true
				}
			}
			out = next
		}
	case opAlt:
		for _, s := range n.x.subs {
			for k := range ends(s, in, i) {
				out[k] = true
			}
		}
	case opOpt, opStar, opPlus:
		if n.x.op != opPlus {
			out[i] = true
		}
		todo := []int{i}
		seen := map[int]bool{i: true}
		for len(todo) > 0 {
			j := todo[0]
			todo = todo[1:]
			for k := range ends(n.x.subs[0], in, j) {
				out[k] = true
				if n.x.op != opOpt && !seen[k] {
					seen[k] = true
					todo = append(todo, k)
				}
			}
		}
	}
	return out
}

// naive returns the accept values of an input, sorted.
func naive(rules []rule, in input) []Accept {
	var set []Accept
	for _, r := range rules {
		if ends(r.node, in, 0)[len(in)] {
			set = append(set, r.accept)
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

func (d *DFA) walk(s uint32, in input) uint32 {
	for _, c := range in {
		if c == oobInput {
			s = d.StepOOB(s)
		} else {
			s = d.Step(s, byte(c))
		}
	}
	return s
}

// alphabet is what random expressions and inputs are made of.
const alphabet = "/ab\x00\xff"

func randomSet(r *rand.Rand) Set {
	switch r.IntN(5) {
	case 0:
		return SetOf('/', 0).Not()
	case 1:
		return SetOf(0).Not()
	case 2:
		return Set{}.Not()
	}
	var s Set
	for i := range len(alphabet) {
		if r.IntN(2) == 0 {
			s.Add(alphabet[i])
		}
	}
	return s
}

// randomNode makes an expression of about the given size.
func randomNode(r *rand.Rand, size int, oob bool) Node {
	if size <= 1 {
		switch r.IntN(8) {
		case 0:
			return Empty()
		case 1, 2:
			return In(randomSet(r))
		case 3:
			if oob {
				return OOB()
			}
		}
		b := make([]byte, 1+r.IntN(3))
		for i := range b {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return Bytes(b...)
	}
	left := 1 + r.IntN(size-1)
	sub := func(n int) Node { return randomNode(r, n, oob) }
	switch r.IntN(9) {
	case 0:
		return Star(sub(size - 1))
	case 1:
		return Plus(sub(size - 1))
	case 2:
		return Opt(sub(size - 1))
	case 3, 4:
		return Alt(sub(left), sub(size-left))
	case 5:
		return Cat(sub(left), Star(In(randomSet(r))))
	}
	return Cat(sub(left), sub(size-left))
}

func randomRules(r *rand.Rand, oob bool) []rule {
	rules := make([]rule, 1+r.IntN(6))
	for i := range rules {
		rules[i] = rule{randomNode(r, 1+r.IntN(8), oob), Accept(r.IntN(5))}
	}
	return rules
}

func randomInput(r *rand.Rand, oob bool) input {
	in := make(input, r.IntN(9))
	for i := range in {
		in[i] = int(alphabet[r.IntN(len(alphabet))])
		if oob && r.IntN(6) == 0 {
			in[i] = oobInput
		}
	}
	return in
}
