// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"encoding/binary"
	"math"
)

// writer appends items. It remembers the first item that did not fit, so that
// calls need no checks of their own.
type writer struct {
	buf []byte
	// origin is where the profile's own serialisation begins; DFAs are
	// aligned relative to it.
	origin int
	err    string
}

func (w *writer) fail(reason string) {
	if w.err == "" {
		w.err = reason
	}
}

func (w *writer) label(name string) {
	if name == "" {
		return
	}
	w.buf = append(w.buf, byte(tagName))
	w.counted(name)
}

// counted appends a 16-bit length, the text and a NUL, both counted.
func (w *writer) counted(s string) {
	if len(s)+1 > math.MaxUint16 {
		w.fail("a string is longer than 65534 bytes")
		s = ""
	}
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(len(s)+1))
	w.buf = append(w.buf, s...)
	w.buf = append(w.buf, 0)
}

func (w *writer) tag(name string, t tag) {
	w.label(name)
	w.buf = append(w.buf, byte(t))
}

func (w *writer) u8(v uint8) { w.buf = append(w.buf, byte(tagU8), v) }

func (w *writer) u16(v uint16) {
	w.buf = append(w.buf, byte(tagU16))
	w.buf = binary.LittleEndian.AppendUint16(w.buf, v)
}

func (w *writer) u32(name string, v uint32) {
	w.tag(name, tagU32)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, v)
}

func (w *writer) u32s(vs ...uint32) {
	for _, v := range vs {
		w.u32("", v)
	}
}

func (w *writer) u64(v uint64) {
	w.buf = append(w.buf, byte(tagU64))
	w.buf = binary.LittleEndian.AppendUint64(w.buf, v)
}

func (w *writer) str(name, s string) {
	w.tag(name, tagString)
	w.counted(s)
}

// optional writes a string member that is absent when empty.
func (w *writer) optional(name, s string) {
	if s != "" {
		w.str(name, s)
	}
}

func (w *writer) array(n int) {
	if n > math.MaxUint16 {
		w.fail("an array has more than 65535 items")
	}
	w.buf = append(w.buf, byte(tagArray))
	w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(n))
}

func (w *writer) blobHead(name string, n int) {
	if uint64(n) > math.MaxUint32 {
		w.fail("a blob is longer than 4 GiB")
	}
	w.tag(name, tagBlob)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(n))
}

func (w *writer) blob(name string, b []byte) {
	w.blobHead(name, len(b))
	w.buf = append(w.buf, b...)
}
