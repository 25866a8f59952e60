// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The layout of the DFA blob: a header, then tables, all big endian.
const (
	dfaMagic       = 0x1b5e783d
	dfaHeaderSize  = 24 // with the version text "notflex"
	dfaHeaderFixed = 14 // magic, header size, total size, flags
	tableHeader    = 12 // id, element size, 4 unused bytes, count
)

type tableID uint16

const (
	tableAccept  tableID = 1
	tableBase    tableID = 2
	tableCheck   tableID = 3
	tableDefault tableID = 4
	tableEC      tableID = 5
	tableAccept2 tableID = 7
	tableNext    tableID = 8
)

func (t tableID) String() string {
	switch t {
	case tableAccept:
		return "ACCEPT"
	case tableBase:
		return "BASE"
	case tableCheck:
		return "CHK"
	case tableDefault:
		return "DEF"
	case tableEC:
		return "EC"
	case tableAccept2:
		return "ACCEPT2"
	case tableNext:
		return "NXT"
	}
	return fmt.Sprintf("id %d", uint16(t))
}

// tableError is what is wrong with a DFA, at an offset inside its blob.
type tableError struct {
	off    int
	reason string
}

func tableErrorf(off int, format string, args ...any) *tableError {
	return &tableError{off, fmt.Sprintf(format, args...)}
}

// pad8 rounds up to a multiple of eight.
func pad8(n int) int { return (n + 7) &^ 7 }

// rawTables are the contents of tables as they are in a stream.
type rawTables [tableNext + 1][]byte

// decodeDFA reads the contents of an aadfa blob, and returns them as they are,
// too. What it returns is not verified beyond the layout.
func decodeDFA(blob []byte) (_ *DFA, raw rawTables, _ *tableError) {
	pos := len(blob) % 8 // the producer's padding; a DFA is a multiple of 8 long
	head := blob[pos:]
	if len(head) < 16 {
		return nil, raw, tableErrorf(0, "blob of %d bytes has no room for the DFA header", len(blob))
	}
	be := binary.BigEndian
	if m := be.Uint32(head); m != dfaMagic {
		return nil, raw, tableErrorf(pos, "DFA magic is %08x, not %08x", m, uint32(dfaMagic))
	}
	size := be.Uint32(head[4:])
	if size < dfaHeaderFixed || uint64(size) > uint64(len(head)) {
		return nil, raw, tableErrorf(pos+4, "DFA header size %d is not within the blob", size)
	}
	d := &DFA{Flags: be.Uint16(head[12:])}
	if d.Flags&^(FlagDiff|FlagOOB) != 0 {
		return nil, raw, tableErrorf(pos+12, "unknown DFA header flags %#x", d.Flags)
	}
	var seen, wide [tableNext + 1]bool
	for pos += int(size); pos < len(blob); {
		id, elem, n, next, err := readTableHeader(blob, pos)
		if err != nil {
			return nil, raw, err
		}
		if seen[id] {
			return nil, raw, tableErrorf(pos, "table %v appears twice", id)
		}
		seen[id] = true
		wide[id] = elem == 4
		data := blob[pos+tableHeader:][:n*elem]
		raw[id] = data
		switch id {
		case tableEC:
			d.EC = slices.Clone(data)
		case tableAccept:
			d.Accept = readUint32s(data)
		case tableAccept2:
			d.Accept2 = readUint32s(data)
		case tableBase:
			d.Base = readUint32s(data)
		case tableDefault:
			d.Default = readTable(data, elem)
		case tableNext:
			d.Next = readTable(data, elem)
		case tableCheck:
			d.Check = readTable(data, elem)
		}
		pos = next
	}
	// Some may be narrow, which is legal to kernels that know wide tables; the
	// whole is wide here.
	d.Wide = wide[tableDefault] || wide[tableNext] || wide[tableCheck]
	return d, raw, nil
}

// readTableHeader checks the head of the table at pos: a known id, its element
// size, and data that lie within the blob, padding included.
func readTableHeader(blob []byte, pos int) (id tableID, elem, n, next int, err *tableError) {
	if len(blob)-pos < tableHeader {
		return 0, 0, 0, 0, tableErrorf(pos, "%d bytes are left, which is less than the head of a table", len(blob)-pos)
	}
	be := binary.BigEndian
	id = tableID(be.Uint16(blob[pos:]))
	elem = int(be.Uint16(blob[pos+2:]))
	count := be.Uint32(blob[pos+8:])
	var ok bool
	switch id {
	case tableAccept, tableAccept2, tableBase:
		ok = elem == 4
	case tableDefault, tableNext, tableCheck:
		ok = elem == 2 || elem == 4
	case tableEC:
		ok = elem == 1
	default:
		return 0, 0, 0, 0, tableErrorf(pos, "unknown table with id %d", uint16(id))
	}
	if !ok {
		return 0, 0, 0, 0, tableErrorf(pos+2, "table %v has elements of size %d", id, elem)
	}
	if count == 0 {
		return 0, 0, 0, 0, tableErrorf(pos+8, "table %v is empty", id)
	}
	if uint64(count)*uint64(elem)+tableHeader+7 > uint64(len(blob)-pos)+7 ||
		pad8(tableHeader+int(count)*elem) > len(blob)-pos {
		return 0, 0, 0, 0, tableErrorf(pos+8, "table %v of %d elements runs past the end of the blob", id, count)
	}
	return id, elem, int(count), pos + pad8(tableHeader+int(count)*elem), nil
}

func readTable(b []byte, elem int) []uint32 {
	if elem == 4 {
		return readUint32s(b)
	}
	t := make([]uint32, len(b)/2)
	four := t
	for ; len(b) >= 8 && len(four) >= 4; b, four = b[8:], four[4:] {
		v := binary.BigEndian.Uint64(b)
		four[0], four[1], four[2], four[3] = uint32(v>>48), uint32(v>>32)&0xffff, uint32(v>>16)&0xffff, uint32(v)&0xffff
	}
	for i := range four {
		four[i] = uint32(binary.BigEndian.Uint16(b[2*i:]))
	}
	return t
}

func readUint32s(b []byte) []uint32 {
	t := make([]uint32, len(b)/4)
	two := t
	for ; len(b) >= 8 && len(two) >= 2; b, two = b[8:], two[2:] {
		v := binary.BigEndian.Uint64(b)
		two[0], two[1] = uint32(v>>32), uint32(v)
	}
	for i := range two {
		two[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return t
}

// encodedLen returns the length of the DFA on the wire, without the padding
// before it.
func (d *DFA) encodedLen() int {
	elem := 2
	if d.Wide {
		elem = 4
	}
	n := dfaHeaderSize
	for _, t := range [][]uint32{d.Accept, d.Accept2, d.Base} {
		if t != nil {
			n += pad8(tableHeader + 4*len(t))
		}
	}
	if d.EC != nil {
		n += pad8(tableHeader + len(d.EC))
	}
	for _, t := range [][]uint32{d.Default, d.Next, d.Check} {
		n += pad8(tableHeader + elem*len(t))
	}
	return n
}

// dfa writes the aadfa member: so many zero bytes that the DFA is aligned to
// eight bytes relative to the start of the profile's serialisation, then the
// header and the tables in the parser's order.
func (w *writer) dfa(d *DFA) {
	w.dfaHead(d.Flags, d.encodedLen())
	w.table(tableAccept, d.Accept, true)
	if d.Accept2 != nil {
		w.table(tableAccept2, d.Accept2, true)
	}
	if d.EC != nil {
		w.tableHeader(tableEC, 1, len(d.EC))
		w.buf = append(w.buf, d.EC...)
		w.zeros(-(tableHeader + len(d.EC)) & 7)
	}
	w.table(tableBase, d.Base, true)
	w.table(tableDefault, d.Default, d.Wide)
	w.table(tableNext, d.Next, d.Wide)
	w.table(tableCheck, d.Check, d.Wide)
}

// dfaHead writes the head of the member and of an automaton of that many bytes.
func (w *writer) dfaHead(flags uint16, size int) {
	const before = 1 + 2 + len("aadfa\x00") + 1 + 4
	pad := -(len(w.buf) - w.origin + before) & 7
	w.blobHead("aadfa", pad+size)
	w.buf = slices.Grow(w.buf, pad+size)
	w.zeros(pad)
	be := binary.BigEndian
	w.buf = be.AppendUint32(w.buf, dfaMagic)
	w.buf = be.AppendUint32(w.buf, dfaHeaderSize)
	w.buf = be.AppendUint32(w.buf, uint32(size))
	w.buf = be.AppendUint16(w.buf, flags)
	w.buf = append(w.buf, "notflex\x00\x00\x00"...)
}

func (w *writer) tableHeader(id tableID, elem, n int) {
	be := binary.BigEndian
	w.buf = be.AppendUint16(w.buf, uint16(id))
	w.buf = be.AppendUint16(w.buf, uint16(elem))
	w.buf = be.AppendUint32(w.buf, 0)
	w.buf = be.AppendUint32(w.buf, uint32(n))
}

func (w *writer) table(id tableID, t []uint32, wide bool) {
	elem := 2
	if wide {
		elem = 4
	}
	w.tableHeader(id, elem, len(t))
	at := len(w.buf)
	w.zeros(elem*len(t) + -(tableHeader+elem*len(t))&7)
	out := w.buf[at:]
	if wide {
		for i, v := range t {
			binary.BigEndian.PutUint32(out[4*i:], v)
		}
		return
	}
	var all uint32
	for i, v := range t {
		all |= v
		binary.BigEndian.PutUint16(out[2*i:], uint16(v))
	}
	if all > 0xffff {
		w.fail(fmt.Sprintf("table %v has an entry above 65535 and is not Wide", id))
	}
}

var zeroPage [512]byte

func (w *writer) zeros(n int) {
	for n > 0 {
		k := min(n, len(zeroPage))
		w.buf = append(w.buf, zeroPage[:k]...)
		n -= k
	}
}
