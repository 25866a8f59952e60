// SPDX-License-Identifier: Apache-2.0

// Package wire writes values as bytes and reads them back: structs of exported
// fields, slices, arrays, strings, booleans and integers. Numbers are varints, but
// for slices of uint32: after their length is how many bytes each element takes, 1,
// 2 or 4 as the largest one needs, and they are little-endian. Nothing says what a
// field is called, so both sides need the same types.
//
// Whatever is read takes memory in proportion to its bytes: every element of a
// slice is at least one byte, and the length of a slice is refused where there are
// not as many bytes.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
)

// ErrShort is returned for bytes that end before the value does, ErrLong for
// those that go on after it, and ErrRange for a number that its type cannot hold
// or that is written longer than it has to be.
var (
	ErrShort = errors.New("wire: the value is cut off")
	ErrLong  = errors.New("wire: there is more after the value")
	ErrRange = errors.New("wire: number out of range")
)

// Append appends a value. It fails for types that the package does not know.
func Append(b []byte, v any) ([]byte, error) {
	w := writer{b: b}
	w.value(reflect.ValueOf(v))
	return w.b, w.err
}

type writer struct {
	b   []byte
	err error
}

func (w *writer) uint(v uint64) { w.b = binary.AppendUvarint(w.b, v) }

func (w *writer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		n := uint64(0)
		if v.Bool() {
			n = 1
		}
		w.uint(n)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		n := v.Int()
		w.uint(uint64(n)<<1 ^ uint64(n>>63))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		w.uint(v.Uint())
	case reflect.String:
		w.uint(uint64(v.Len()))
		w.b = append(w.b, v.String()...)
	case reflect.Slice:
		w.uint(uint64(v.Len()))
		switch list := v.Interface().(type) {
		case []byte:
			w.b = append(w.b, list...)
			return
		case []uint32:
			w.words(list)
			return
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i))
		}
	default:
		w.err = fmt.Errorf("wire: cannot write a %v", v.Type())
	}
}

// width returns how many bytes each element of a list takes.
func width(list []uint32) int {
	all := uint32(0)
	for _, n := range list {
		all |= n
	}
	switch {
	case all < 1<<8:
		return 1
	case all < 1<<16:
		return 2
	}
	return 4
}

func (w *writer) words(list []uint32) {
	if len(list) == 0 {
		return
	}
	bytes := width(list)
	w.b = append(w.b, byte(bytes))
	for _, n := range list {
		switch bytes {
		case 1:
			w.b = append(w.b, byte(n))
		case 2:
			w.b = binary.LittleEndian.AppendUint16(w.b, uint16(n))
		default:
			w.b = binary.LittleEndian.AppendUint32(w.b, n)
		}
	}
}

// Read reads the value that to points to from all of b. Slices of bytes share
// its memory. On an error the value is not whole.
func Read(b []byte, to any) error {
	r := reader{b: b}
	r.value(reflect.ValueOf(to).Elem())
	if r.err == nil && len(r.b) > 0 {
		return ErrLong
	}
	return r.err
}

type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		r.fail(ErrShort)
		return 0
	case n < 0, n > 1 && r.b[n-1] == 0:
		r.fail(ErrRange)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// len reads a length, of elements of at least one byte.
func (r *reader) len() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail(ErrShort)
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.len()
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) value(v reflect.Value) {
	if r.err != nil {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		n := r.uint()
		if n > 1 {
			r.fail(ErrRange)
		}
		v.SetBool(n == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int:
		n := r.uint()
		i := int64(n>>1) ^ -int64(n&1)
		if v.OverflowInt(i) {
			r.fail(ErrRange)
			return
		}
		v.SetInt(i)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint:
		n := r.uint()
		if v.OverflowUint(n) {
			r.fail(ErrRange)
			return
		}
		v.SetUint(n)
	case reflect.String:
		v.SetString(string(r.bytes()))
	case reflect.Slice:
		r.slice(v)
	case reflect.Array:
		for i := range v.Len() {
			r.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.value(v.Field(i))
		}
	default:
		r.fail(fmt.Errorf("wire: cannot read a %v", v.Type()))
	}
}

// slice reads a slice. One without elements is nil.
func (r *reader) slice(v reflect.Value) {
	switch p := v.Addr().Interface().(type) {
	case *[]byte:
		if b := r.bytes(); len(b) > 0 {
			*p = b
		}
		return
	case *[]uint32:
		*p = r.words()
		return
	}
	n := r.len()
	if n == 0 {
		return
	}
	if v.Type().Elem().Size() == 0 {
		r.fail(fmt.Errorf("wire: cannot read a %v", v.Type()))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		r.value(v.Index(i))
	}
}

// words reads a slice of uint32.
func (r *reader) words() []uint32 {
	n := r.len()
	if n == 0 {
		return nil
	}
	bytes := int(r.b[0])
	from := r.b[1:]
	switch {
	case bytes != 1 && bytes != 2 && bytes != 4:
		r.fail(ErrRange)
		return nil
	case n > len(from)/bytes:
		r.fail(ErrShort)
		return nil
	}
	r.b = from[n*bytes:]
	from = from[:n*bytes]
	list := make([]uint32, n)
	switch bytes {
	case 1:
		for i, b := range from {
			list[i] = uint32(b)
		}
	case 2:
		for i := range list {
			list[i] = uint32(binary.LittleEndian.Uint16(from[2*i:]))
		}
	default:
		for i := range list {
			list[i] = binary.LittleEndian.Uint32(from[4*i:])
		}
	}
	if width(list) != bytes {
		r.fail(ErrRange)
		return nil
	}
	return list
}
