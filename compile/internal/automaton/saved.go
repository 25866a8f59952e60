// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"errors"

	"github.com/goarmor/apparmor/blob"
)

// SavedBase is a Base as plain values, without its tables, to be written to a
// file. OpenBase makes a Base of it again.
type SavedBase struct {
	Classes []uint32   // of the bytes
	Sets    [][]uint32 // the accept values of each label of Fine
	Fine    SavedDFA
	Least   SavedDFA
	Of      []uint32 // by state of Fine: the state of Least
}

// SavedDFA is the states of an automaton.
type SavedDFA struct {
	Most  []uint32 // where most classes lead, plus one; 0 if there is no such state
	Arcs  []uint32 // how many arcs each state has
	Class []uint32 // of each arc
	To    []uint32 // likewise
	Label []uint32
}

// Save returns the values of b.
func (b *Base) Save() SavedBase {
	s := SavedBase{Fine: b.fine.save(), Least: b.least.save(), Of: b.of}
	for _, c := range b.fine.classes.of {
		s.Classes = append(s.Classes, uint32(c))
	}
	for _, set := range b.fine.sets {
		list := make([]uint32, 0, len(set))
		for _, a := range set {
			list = append(list, uint32(a))
		}
		s.Sets = append(s.Sets, list)
	}
	return s
}

func (d *DFA) save() SavedDFA {
	s := SavedDFA{Label: d.label}
	for _, r := range d.rows.of {
		s.Most = append(s.Most, r.most+1) // various becomes 0
		s.Arcs = append(s.Arcs, r.arcs.n)
	}
	for i := range d.rows.of {
		for _, a := range d.rows.arcsOf(uint32(i)) {
			s.Class, s.To = append(s.Class, a.class), append(s.To, a.to)
		}
	}
	return s
}

// ErrSaved is returned for a saved base that does not hold together.
var ErrSaved = errors.New("automaton: the saved base does not hold together")

// OpenBase makes a base of what Save returned and the tables that it had. Accept
// values are below a given number. It is ErrSaved if the values are not those of
// an automaton; whether it is that of the tables is not looked at.
func OpenBase(s *SavedBase, tables *blob.DFA, accepts int) (*Base, error) {
	c := &classes{oob: noClass}
	if len(s.Classes) != 256 {
		return nil, ErrSaved
	}
	for b, k := range s.Classes {
		// They are numbered in the order of their first bytes.
		if int(k) > c.n || k > 255 {
			return nil, ErrSaved
		}
		c.of[b], c.n = uint16(k), max(c.n, int(k)+1)
	}
	fine, ok := s.Fine.open(c, len(s.Sets))
	least, alike := s.Least.open(c, len(s.Least.Label))
	if !ok || !alike || len(s.Of) != fine.States() || s.Of[Dead] >= uint32(least.States()) || s.Of[Start] != Start {
		return nil, ErrSaved
	}
	for _, m := range s.Of {
		if int(m) >= least.States() {
			return nil, ErrSaved
		}
	}
	for _, set := range s.Sets {
		list := make([]Accept, 0, len(set))
		for _, a := range set {
			if int(a) >= accepts {
				return nil, ErrSaved
			}
			list = append(list, Accept(a))
		}
		fine.sets = append(fine.sets, list)
	}
	b, err := newBase(fine, least, tables)
	if err != nil {
		return nil, err
	}
	b.of = s.Of
	return b, nil
}

// open makes an automaton, whose labels are below a given number.
func (s *SavedDFA) open(c *classes, labels int) (*DFA, bool) {
	n := len(s.Label)
	if n <= int(Start) || len(s.Most) != n || len(s.Arcs) != n || len(s.Class) != len(s.To) {
		return nil, false
	}
	d := &DFA{classes: c, label: s.Label}
	d.rows.of = make([]row, 0, n)
	d.rows.arcs = make([]arc, 0, len(s.To))
	class, to := s.Class, s.To
	for i := range n {
		arcs := s.Arcs[i]
		if int(s.Label[i]) >= labels || uint64(s.Most[i]) > uint64(n) || int(arcs) > len(to) || s.Most[i] == 0 && int(arcs) != c.n {
			return nil, false
		}
		from := len(d.rows.arcs)
		for j := range arcs {
			if int(to[j]) >= n || int(class[j]) >= c.n || j > 0 && class[j] <= class[j-1] {
				return nil, false
			}
			d.rows.arcs = append(d.rows.arcs, arc{class[j], to[j]})
		}
		class, to = class[arcs:], to[arcs:]
		d.rows.close(s.Most[i]-1, from)
	}
	return d, len(to) == 0
}
