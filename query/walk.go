// SPDX-License-Identifier: Apache-2.0

package query

import (
	"cmp"

	"github.com/goarmor/apparmor/blob"
)

// granted is what two profiles grant at one place, or what passed the gates
// before it: to others, and to the owner of a file.
type granted struct{ a, b [2]blob.Effective }

// owners are the indices of granted.
var owners = [...]bool{false, true}

// walk compares the strings of one kind.
type walk struct {
	*comparison
	kind    *kind
	product product
	gates   []granted // what passed them, by place.passed
	index   map[granted]uint32
	settled map[settled]bool
	count   map[Perms]int // differences that were found in the permissions that are asked for
	before  string        // what the automata are walked with before the strings
	prefix  string        // of the strings, before those of the product
	// reachA and reachB are the states from which labels lead to anything,
	// once that is asked for.
	reachA, reachB []bool
}

// settled is a pair of answers that has been dealt with.
type settled struct {
	x, y [2]answer
}

func (c *comparison) kind(k *kind) error {
	w := walk{comparison: c, kind: k, count: map[Perms]int{}, settled: map[settled]bool{}, index: map[granted]uint32{}}
	a, b := k.side(c.a), k.side(c.b)
	if a.dfa == nil && b.dfa == nil {
		return nil // both mediate nothing, or both have nothing about files
	}
	w.before = cmp.Or(a.before, b.before)
	none := granted{[2]blob.Effective{noGate, noGate}, [2]blob.Effective{noGate, noGate}}
	w.gates, w.index[none] = append(w.gates, none), 0
	if k.prefixes == nil {
		return w.run(a, b)
	}
	done := map[[2]uint32]bool{}
	for _, w.prefix = range k.prefixes() {
		a, b := a.after(w.prefix), b.after(w.prefix)
		if starts := [2]uint32{a.start, b.start}; done[starts] {
			continue
		} else {
			done[starts] = true
		}
		if err := w.run(a, b); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) run(a, b side) error {
	w.product = product{ctx: w.ctx, a: a, b: b, through: w.through, within: w.within != 0}
	if w.kind.grammar != nil {
		w.product.grammar = w.kind.grammar()
	} else {
		wanted := func(perms Perms) bool {
			if w.within != 0 {
				return b.grants(perms & w.within)
			}
			return a.grants(perms) || b.grants(perms)
		}
		w.product.grammar = fileGrammar(wanted(askedOfLabels), wanted(askedOfLinks))
	}
	w.product.class, w.product.order = w.bytes(a.dfa, b.dfa)
	return w.product.run(w.visit)
}

// bytes is blob.ByteClasses for the automata of a walk.
func (c *comparison) bytes(a, b *blob.DFA) (class, order [256]byte) {
	key := [2]*blob.DFA{a, b}
	if known, ok := c.classes[key]; ok {
		return known[0], known[1]
	}
	var automata []*blob.DFA
	for _, d := range key {
		if d != nil {
			automata = append(automata, d)
		}
	}
	class, order = blob.ByteClasses(automata...)
	if c.classes == nil {
		c.classes = map[[2]*blob.DFA][2][256]byte{}
	}
	c.classes[key] = [2][256]byte{class, order}
	return class, order
}

// after returns the side after the beginning of its strings.
func (s side) after(prefix string) side {
	if s.dfa != nil {
		s.start = s.dfa.MatchString(s.start, prefix)
	}
	return s
}

// at is what is granted in the two states of a place.
func (w *walk) at(a, b uint32) granted {
	var g granted
	for i, owner := range owners {
		if i > 0 && w.kind.class != blob.ClassFile {
			g.a[i], g.b[i] = g.a[0], g.b[0]
			break
		}
		g.a[i], g.b[i] = w.product.a.perms(a, owner), w.product.b.perms(b, owner)
	}
	return g
}

// through implements product.through.
func (w *walk) through(p *product, from, to place) (place, bool) {
	if p.grammar[to.row].split {
		return w.split(p, from, to)
	}
	g, on := w.at(from.a, from.b), false
	if w.kind.class == blob.ClassFile {
		if g, on = firstOfPair(g); on {
			to.c, to.d = p.a.start, p.b.start
		}
	} else {
		before := w.gates[from.passed]
		var onA, onB bool
		g.a[0], onA = w.kind.through(before.a[0], g.a[0])
		g.b[0], onB = w.kind.through(before.b[0], g.b[0])
		g.a[1], g.b[1] = g.a[0], g.b[0]
		on = onA || onB
	}
	if on {
		to.passed = w.pass(g)
	}
	return to, on
}

// split ends a component of a label. Every component must be granted what the
// label as a whole is not.
func (w *walk) split(p *product, from, to place) (place, bool) {
	g := w.at(from.c, from.d)
	if from.passed != 0 {
		before := w.gates[from.passed]
		for i := range owners {
			g.a[i], g.b[i] = all(before.a[i], g.a[i]), all(before.b[i], g.b[i])
		}
	}
	want := uint32(w.product.grammar[from.row].ends)
	on := false
	for _, side := range [...]*[2]blob.Effective{&g.a, &g.b} {
		for i := range side {
			e := &side[i]
			*e = blob.Effective{Allow: e.Allow &^ e.Deny & want, Audit: e.Audit & want, Quiet: e.Quiet & want, Prompt: e.Prompt & want}
			on = on || *e != blob.Effective{}
		}
	}
	to.c, to.d, to.passed = p.a.start, p.b.start, w.pass(g)
	return to, on || w.reach(&w.reachA, &p.a, to.a, want) || w.reach(&w.reachB, &p.b, to.b, want)
}

// reach reports whether any string that leads on from a state is granted or
// refused in a way of its own.
func (w *walk) reach(states *[]bool, s *side, state, want uint32) bool {
	if s.dfa == nil {
		return true
	}
	if *states == nil {
		*states = s.reaching(Perms(want))
	}
	return (*states)[state]
}

// pass numbers what passes a gate.
func (w *walk) pass(g granted) uint32 {
	i, ok := w.index[g]
	if !ok {
		i = uint32(len(w.gates))
		w.gates, w.index[g] = append(w.gates, g), i
	}
	return i
}

// visit implements the function of product.run.
func (w *walk) visit(node int) {
	at := w.product.nodes[node].place
	want := w.product.grammar[at.row].ends
	if want == 0 {
		return
	}
	g := w.at(at.a, at.b)
	if w.product.grammar[at.row].label && at.passed != 0 {
		before, last := w.gates[at.passed], w.lastOf(at)
		for i := range owners {
			g.a[i] = orParts(g.a[i], all(before.a[i], last.a[i]))
			g.b[i] = orParts(g.b[i], all(before.b[i], last.b[i]))
		}
		w.compare(node, g, want)
	} else if at.passed == 0 || w.kind.class != blob.ClassFile {
		before := w.gates[at.passed]
		if w.kind.combine != nil {
			for i := range owners {
				g.a[i], g.b[i] = w.kind.combine(before.a[i], g.a[i]), w.kind.combine(before.b[i], g.b[i])
			}
		}
		w.compare(node, g, want)
	} else {
		first, second := w.gates[at.passed], w.at(at.c, at.d)
		if want&askedOfLinks != 0 {
			w.compare(node, pairs(first, g, second, linkOf), askedOfLinks)
		}
		if want&askedOnExec != 0 {
			w.compare(node, pairs(first, g, second, onexecOf), askedOnExec)
		}
	}
}

// pairs decides a pair of names: by the first name, the pair and the second
// name.
func pairs(first, pair, second granted, decide func(first, pair, second blob.Effective) blob.Effective) granted {
	var g granted
	for i := range owners {
		g.a[i] = decide(first.a[i], pair.a[i], second.a[i])
		g.b[i] = decide(first.b[i], pair.b[i], second.b[i])
	}
	return g
}

// all is what all of these grant.
func all(es ...blob.Effective) blob.Effective {
	r := blob.Effective{Allow: ^uint32(0)}
	for _, e := range es {
		allow := e.Allow &^ e.Deny
		r.Allow &= allow
		r.Audit |= e.Audit & allow
		r.Quiet |= e.Quiet &^ allow
		r.Prompt |= e.Prompt &^ allow
	}
	return r
}

// orParts is what is granted to a label as a whole or else to its components.
func orParts(whole, parts blob.Effective) blob.Effective {
	granted := whole.Allow &^ whole.Deny
	parts.Audit = whole.Audit&granted | parts.Audit&^granted
	parts.Allow |= granted
	return parts
}

// lastOf is what is granted to the last component of a label: slashes at its
// end belong to it.
func (w *walk) lastOf(at place) granted {
	for range w.product.grammar[at.row].pending {
		at.c, at.d = w.product.a.step(at.c, '/'), w.product.b.step(at.d, '/')
	}
	return w.at(at.c, at.d)
}

// compare reports a difference in what is wanted, if there is one that is new
// and that requests can see.
func (w *walk) compare(node int, g granted, want Perms) {
	if w.count[want] >= maxFound {
		return
	}
	var s settled
	var bits [2]Perms
	for i := range owners {
		s.x[i], s.y[i] = decide(want, g.a[i]).answer(), decide(want, g.b[i]).answer()
		bits[i] = w.differ(s.x[i], s.y[i])
	}
	if bits == [2]Perms{} || w.settled[s] {
		return
	}
	in := append([]byte(w.prefix), w.product.input(node)...)
	d := blob.Difference{Part: blob.PartPolicydb, Input: blob.BytesInput(w.before + string(in))}
	found := false
	if w.kind.class == blob.ClassFile {
		d.Part = blob.PartFile
	}
	if s.x[0] == s.x[1] && s.y[0] == s.y[1] {
		d.A, d.B = g.a[0], g.b[0]
		found = w.report(d, in, bits[0])
	} else {
		for i := range owners {
			i = 1 - i // the owner first
			if bits[i] == 0 {
				continue
			}
			d.A, d.B, d.Who = g.a[i], g.b[i], blob.Other
			if owners[i] {
				d.Who = blob.Owner
			}
			found = w.report(d, in, bits[i]) || found
		}
	}
	if found {
		w.settled[s] = true
		w.count[want]++
	}
}

// report adds a difference with a request for all the permissions or else for
// one of them.
func (w *walk) report(d blob.Difference, in []byte, differ Perms) bool {
	owner := d.Who == blob.Owner
	if w.add(d, w.kind.requests(in, differ, owner)...) {
		return true
	}
	for rest := differ; rest&(rest-1) != 0; rest &= rest - 1 {
		if w.add(d, w.kind.requests(in, rest&-rest, owner)...) {
			return true
		}
	}
	return false
}
