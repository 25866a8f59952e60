// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import "encoding/binary"

// wire is a stream in the making, written without the help of package blob,
// which is judged by it.
type wire []byte

func (w *wire) raw(b ...byte) { *w = append(*w, b...) }
func (w *wire) u16(v int)     { *w = binary.LittleEndian.AppendUint16(*w, uint16(v)) }

// tag writes a tag after a name, if there is one.
func (w *wire) tag(name string, tag byte) {
	if name != "" {
		w.raw(4)
		w.u16(len(name) + 1)
		w.raw(append([]byte(name), 0)...)
	}
	w.raw(tag)
}

func (w *wire) u32(name string, values ...uint32) {
	for _, v := range values {
		w.tag(name, 2)
		*w = binary.LittleEndian.AppendUint32(*w, v)
	}
}

func (w *wire) u64(v uint64) {
	w.tag("", 3)
	*w = binary.LittleEndian.AppendUint64(*w, v)
}

func (w *wire) str(name, s string) {
	w.tag(name, 5)
	w.u16(len(s) + 1)
	w.raw(append([]byte(s), 0)...)
}

func (w *wire) blob(name string, b []byte) {
	w.tag(name, 6)
	*w = binary.LittleEndian.AppendUint32(*w, uint32(len(b)))
	w.raw(b...)
}

func (w *wire) structure(name string, f func()) {
	w.tag(name, 7)
	f()
	w.tag("", 8)
}

func (w *wire) array(n int, f func()) {
	w.tag("", 11)
	w.u16(n)
	f()
	w.tag("", 12)
}

// table is one table of an automaton.
type table struct {
	id, size int
	data     []uint32
}

// The tables that an automaton has.
const (
	tableAccept = iota
	tableAccept2
	tableBase
	tableDefault
	tableNext
	tableCheck
)

// automaton is what a blob holds.
type automaton struct {
	magic, headerSize uint32
	flags             uint16
	tables            []table
	trailing          []byte
}

// onePath is an automaton that grants reading /x: states 2 and 3 are after
// the slash and the x.
func onePath() *automaton {
	const states, slots = 4, 512
	a := &automaton{magic: 0x1b5e783d, headerSize: 24}
	a.tables = []table{
		tableAccept:  {1, 4, make([]uint32, states)},
		tableAccept2: {7, 4, make([]uint32, states)},
		tableBase:    {2, 4, make([]uint32, states)},
		tableDefault: {4, 2, make([]uint32, states)},
		tableNext:    {8, 2, make([]uint32, slots)},
		tableCheck:   {3, 2, make([]uint32, slots)},
	}
	a.tables[tableAccept].data[3] = 0x00010004
	a.tables[tableNext].data['/'], a.tables[tableCheck].data['/'] = 2, 1
	a.tables[tableNext].data['x'], a.tables[tableCheck].data['x'] = 3, 2
	return a
}

func (a *automaton) bytes() []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, a.magic)
	b = be.AppendUint32(b, a.headerSize)
	b = be.AppendUint32(b, 0) // the size, which nobody looks at
	b = be.AppendUint16(b, a.flags)
	b = append(b, "notflex\x00\x00\x00"...)
	for _, t := range a.tables {
		b = be.AppendUint16(b, uint16(t.id))
		b = be.AppendUint16(b, uint16(t.size))
		b = be.AppendUint32(b, 0)
		b = be.AppendUint32(b, uint32(len(t.data)))
		for _, v := range t.data {
			switch t.size {
			case 1:
				b = append(b, byte(v))
			case 2:
				b = be.AppendUint16(b, uint16(v))
			default:
				b = be.AppendUint32(b, v)
			}
		}
		b = append(b, make([]byte, -len(b)&7)...)
	}
	return append(b, a.trailing...)
}

// profileParts is a profile, member by member. What is empty is left out,
// except flags and capabilities.
type profileParts struct {
	header     func(*wire) // in place of the version
	name       string
	early      func(*wire) // between name and flags
	flags      func(*wire)
	middle     func(*wire) // between flags and capabilities
	caps       func(*wire)
	late       func(*wire) // between capabilities and the policydb
	policydb   func(*wire)
	file       func(*wire)
	data       func(*wire)
	unclosed   bool
	afterwards []byte
}

func (p profileParts) bytes() []byte {
	var w wire
	part := func(f, standard func(*wire)) {
		switch {
		case f != nil:
			f(&w)
		case standard != nil:
			standard(&w)
		}
	}
	part(p.header, func(w *wire) { w.u32("version", 0x00202007) })
	w.tag("profile", 7)
	w.str("", p.name)
	part(p.early, nil)
	part(p.flags, func(w *wire) { w.structure("flags", func() { w.u32("", 0, 0, 0) }) })
	part(p.middle, nil)
	part(p.caps, func(w *wire) {
		w.u32("", 0, 0, 0, 0)
		w.structure("caps64", func() { w.u32("", 0, 0, 0, 0) })
	})
	part(p.late, nil)
	part(p.policydb, nil)
	part(p.file, nil)
	part(p.data, nil)
	if !p.unclosed {
		w.tag("", 8)
	}
	return append(w, p.afterwards...)
}
