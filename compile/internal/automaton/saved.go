// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

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
	Most  Packed // where most classes lead, plus one; 0 if there is no such state
	Arcs  Packed // how many arcs each state has
	Class []byte // of each arc
	To    Packed // likewise
	Label []uint32
}

// Packed is numbers as they are in a file: little-endian, of 1, 2 or 4 bytes each.
// It is read where it is, without a copy of it in memory.
type Packed struct {
	Width uint8
	Data  []byte
}

// packNumbers writes numbers in as few bytes as the largest one takes.
func packNumbers(list []uint32) Packed {
	p := Packed{Width: 1}
	if all := slices.Max(append(list, 0)); all >= 1<<16 {
		p.Width = 4
	} else if all >= 1<<8 {
		p.Width = 2
	}
	for _, n := range list {
		b := binary.LittleEndian.AppendUint32(p.Data, n)
		p.Data = b[:len(p.Data)+int(p.Width)]
	}
	return p
}

// len returns how many numbers there are; -1: they are not of a width.
func (p *Packed) len() int {
	if p.Width != 1 && p.Width != 2 && p.Width != 4 || len(p.Data)%int(p.Width) != 0 {
		return -1
	}
	return len(p.Data) / int(p.Width)
}

// at returns a number.
func (p *Packed) at(i int) uint32 {
	switch p.Width {
	case 1:
		return uint32(p.Data[i])
	case 2:
		return uint32(binary.LittleEndian.Uint16(p.Data[2*i:]))
	}
	return binary.LittleEndian.Uint32(p.Data[4*i:])
}

// look returns the largest number, and whether a given one is there.
func (p *Packed) look(number uint32) (largest uint32, found bool) {
	switch p.Width {
	case 1:
		for _, b := range p.Data {
			largest = max(largest, uint32(b))
		}
		return largest, number < 1<<8 && bytes.IndexByte(p.Data, byte(number)) >= 0
	case 2:
		for data := p.Data; len(data) >= 2; data = data[2:] {
			n := uint32(binary.LittleEndian.Uint16(data))
			largest, found = max(largest, n), found || n == number
		}
	default:
		for data := p.Data; len(data) >= 4; data = data[4:] {
			n := binary.LittleEndian.Uint32(data)
			largest, found = max(largest, n), found || n == number
		}
	}
	return largest, found
}

// States returns the number of states.
func (s *SavedDFA) States() int { return len(s.Label) }

// Transitions returns how many are saved.
func (s *SavedDFA) Transitions() int { return len(s.Class) }

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
	if p := d.rows.packed; p != nil {
		s.Most, s.Arcs, s.Class, s.To = p.most, p.arcs, p.class, p.to
		return s
	}
	var most, arcs, to []uint32
	for i, r := range d.rows.of {
		most, arcs = append(most, r.most+1), append(arcs, r.arcs.n) // various becomes 0
		for _, a := range d.rows.arcsOf(uint32(i)) {
			s.Class, to = append(s.Class, byte(a.class)), append(to, a.to)
		}
	}
	s.Most, s.Arcs, s.To = packNumbers(most), packNumbers(arcs), packNumbers(to)
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
	n := s.States()
	if n <= int(Start) || s.Most.len() != n || s.Arcs.len() != n || s.To.len() != len(s.Class) {
		return nil, false
	}
	most, start := s.Most.look(Start + 1)
	to, arcToStart := s.To.look(Start)
	if uint64(most) > uint64(n) || uint64(to) >= uint64(n) && len(s.Class) > 0 || uint64(slices.Max(s.Label)) >= uint64(labels) {
		return nil, false
	}
	p := &packedRows{most: s.Most, arcs: s.Arcs, class: s.Class, to: s.To, toStart: start || arcToStart, from: make([]uint32, n+1)}
	rest := s.Class
	for i := range n {
		arcs := s.Arcs.at(i)
		if uint64(arcs) > uint64(len(rest)) || s.Most.at(i) == 0 && uint64(arcs) != uint64(c.n) {
			return nil, false
		}
		last := -1
		for _, class := range rest[:arcs] {
			if int(class) <= last {
				return nil, false
			}
			last = int(class)
		}
		if last >= c.n {
			return nil, false
		}
		rest = rest[arcs:]
		p.from[i+1] = uint32(len(s.Class) - len(rest))
	}
	d := &DFA{classes: c, label: s.Label}
	d.rows.packed = p
	return d, len(rest) == 0
}

// packedRows are rows as they are saved. A base that was opened for one instance
// looks at a small part of them.
type packedRows struct {
	most, arcs Packed
	class      []byte
	to         Packed
	from       []uint32 // where the arcs of each state begin, and those of the last end
	toStart    bool     // a state leads to the start
}

// own returns the classes of the arcs of a state, and the index of the first arc.
func (p *packedRows) own(s uint32) (class []byte, from int) {
	return p.class[p.from[s]:p.from[s+1]], int(p.from[s])
}

func (p *packedRows) arcsOf(s uint32) []arc {
	class, from := p.own(s)
	list := make([]arc, len(class))
	for i, k := range class {
		list[i] = arc{uint32(k), p.to.at(from + i)}
	}
	return list
}

func (p *packedRows) step(s uint32, k uint16) uint32 {
	class, from := p.own(s)
	most := p.most.at(int(s))
	if most == 0 {
		return p.to.at(from + int(k))
	}
	if i := bytes.IndexByte(class, byte(k)); i >= 0 {
		return p.to.at(from + i)
	}
	return most - 1
}

func (p *packedRows) fill(to []uint32, s uint32) {
	if most := p.most.at(int(s)); most != 0 {
		for c := range to {
			to[c] = most - 1
		}
	}
	class, from := p.own(s)
	for i, k := range class {
		to[k] = p.to.at(from + i)
	}
}
