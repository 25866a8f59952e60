// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// tag introduces every item of the stream.
type tag byte

const (
	tagU8 tag = iota
	tagU16
	tagU32
	tagU64
	tagName
	tagString
	tagBlob
	tagStruct
	tagStructEnd
	tagList
	tagListEnd
	tagArray
	tagArrayEnd
	tagOffset
)

func (t tag) String() string {
	names := [...]string{"U8", "U16", "U32", "U64", "NAME", "STRING", "BLOB", "STRUCT",
		"STRUCTEND", "LIST", "LISTEND", "ARRAY", "ARRAYEND", "OFFSET"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("tag %d", byte(t))
}

// reader reads items as the kernel does. A look-up with a name succeeds only
// if that name and the right tag come next; one without a name skips a name. A
// look-up that fails does not move the position.
type reader struct {
	data []byte
	pos  int
}

// chunk takes n bytes, or nil when there are fewer.
func (r *reader) chunk(n int) []byte {
	if n > len(r.data)-r.pos {
		return nil
	}
	c := r.data[r.pos : r.pos+n]
	r.pos += n
	return c
}

// enter skips the label, if any, and the tag of the next item.
func (r *reader) enter(name string, want tag) bool {
	start := r.pos
	if r.pos < len(r.data) && tag(r.data[r.pos]) == tagName {
		r.pos++
		label, ok := r.counted()
		if !ok || name != "" && !isCString(label, name) {
			r.pos = start
			return false
		}
	} else if name != "" {
		return false
	}
	if r.pos >= len(r.data) || tag(r.data[r.pos]) != want {
		r.pos = start
		return false
	}
	r.pos++
	return true
}

// isCString reports whether b is NUL terminated and equal to s up to its
// first NUL.
func isCString(b []byte, s string) bool {
	return len(b) > 0 && b[len(b)-1] == 0 && string(b[:bytes.IndexByte(b, 0)]) == s
}

// counted takes a 16-bit length and that many bytes.
func (r *reader) counted() ([]byte, bool) {
	n := r.chunk(2)
	if n == nil {
		return nil, false
	}
	b := r.chunk(int(binary.LittleEndian.Uint16(n)))
	return b, b != nil
}

func (r *reader) fixed(name string, t tag, size int) []byte {
	start := r.pos
	if !r.enter(name, t) {
		return nil
	}
	b := r.chunk(size)
	if b == nil {
		r.pos = start
	}
	return b
}

func (r *reader) u8() (uint8, bool) {
	if b := r.fixed("", tagU8, 1); b != nil {
		return b[0], true
	}
	return 0, false
}

func (r *reader) u16() (uint16, bool) {
	if b := r.fixed("", tagU16, 2); b != nil {
		return binary.LittleEndian.Uint16(b), true
	}
	return 0, false
}

func (r *reader) u32(name string) (uint32, bool) {
	if b := r.fixed(name, tagU32, 4); b != nil {
		return binary.LittleEndian.Uint32(b), true
	}
	return 0, false
}

func (r *reader) u64() (uint64, bool) {
	if b := r.fixed("", tagU64, 8); b != nil {
		return binary.LittleEndian.Uint64(b), true
	}
	return 0, false
}

// bytes reads a string with any NULs inside it, without the final one.
func (r *reader) bytes(name string) ([]byte, bool) {
	start := r.pos
	if !r.enter(name, tagString) {
		return nil, false
	}
	b, ok := r.counted()
	if !ok || len(b) == 0 || b[len(b)-1] != 0 {
		r.pos = start
		return nil, false
	}
	return b[:len(b)-1], true
}

func (r *reader) blob(name string) ([]byte, bool) {
	start := r.pos
	if r.enter(name, tagBlob) {
		if n := r.chunk(4); n != nil {
			if size := binary.LittleEndian.Uint32(n); uint64(size) <= uint64(len(r.data)-r.pos) {
				return r.chunk(int(size)), true
			}
		}
	}
	r.pos = start
	return nil, false
}

// array reads the head of an array: the count of its logical items.
func (r *reader) array() (int, bool) { return r.namedArray("") }

func (r *reader) namedArray(name string) (int, bool) {
	if b := r.fixed(name, tagArray, 2); b != nil {
		return int(binary.LittleEndian.Uint16(b)), true
	}
	return 0, false
}

// found describes the next item for a message.
func (r *reader) found() string {
	q := *r
	if q.pos >= len(q.data) {
		return "the end of the data"
	}
	label := ""
	if tag(q.data[q.pos]) == tagName {
		q.pos++
		b, ok := q.counted()
		if !ok || q.pos >= len(q.data) {
			return "a cut off NAME"
		}
		label = fmt.Sprintf("NAME %.40q ", bytes.TrimSuffix(b, []byte{0}))
	}
	return label + tag(q.data[q.pos]).String()
}
