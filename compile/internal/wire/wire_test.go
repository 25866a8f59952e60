// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	On   bool
	Name string
}

type sample struct {
	A     int8
	B     uint64
	C     []byte
	D     []uint32
	E     [3]uint16
	F     []inner
	G     [][]uint32
	H     int64
	Inner inner
}

func samples() []sample {
	return []sample{
		{},
		{
			A: -128, B: math.MaxUint64, C: []byte("x\x00y"), D: []uint32{0, 127, 128, math.MaxUint32}, E: [3]uint16{1, 2, 65535},
			F: []inner{{true, "a"}, {false, "\xff"}}, G: [][]uint32{nil, {1}, {2, 255}, {0, 256}, {65535}, {1, 65536}}, H: math.MinInt64, Inner: inner{true, "z"},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	for i, want := range samples() {
		b, err := Append([]byte("before"), want)
		if err != nil {
			t.Fatal(err)
		}
		var got sample
		if err := Read(b[len("before"):], &got); err != nil {
			t.Fatal(i, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("sample %d: %s", i, d)
		}
		for n := range len(b) - len("before") {
			if err := Read(b[len("before"):len("before")+n], &sample{}); !errors.Is(err, ErrShort) {
				t.Errorf("the first %d bytes of sample %d: %v", n, i, err)
			}
		}
		if err := Read(append(b[len("before"):], 0), &sample{}); !errors.Is(err, ErrLong) {
			t.Errorf("a byte more: %v", err)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		to   any
		data string
		want error
	}{
		{new(uint8), "\x80\x02", ErrRange},
		{new(int8), "\x80\x02", ErrRange},
		{new(bool), "\x02", ErrRange},
		{new(uint64), "\x80\x00", ErrRange},       // longer than it has to be
		{new([]uint32), "\x01\x00\x00", ErrRange}, // elements of no bytes
		{new([]uint32), "\x01\x03\x00\x00\x01", ErrRange},
		{new([]uint32), "\x01\x02\xff\x00", ErrRange}, // longer than they have to be
		{new([]uint32), "\x02\x04\xff\xff\x00\x00\x01\x00\x00\x00", ErrRange},
		{new([]uint32), "\x02\x02\x00\x01\x02", ErrShort},
		{new([]uint32), "\x01", ErrShort},
		{new([]uint32), "\xff\xff\xff\xff\x7f\x00", ErrShort},
		{new([]inner), "\xff\xff\xff\xff\x7f\x00", ErrShort},
		{new(string), "\x05abc", ErrShort},
	} {
		if err := Read([]byte(c.data), c.to); !errors.Is(err, c.want) {
			t.Errorf("%T from %q: %v, want %v", c.to, c.data, err, c.want)
		}
	}
	for _, v := range []any{map[int]int{}, 1.5, struct{ P *int }{}} {
		if _, err := Append(nil, v); err == nil {
			t.Errorf("%T was written", v)
		}
	}
	if err := Read([]byte{1, 0}, new([]struct{})); err == nil {
		t.Error("elements without bytes were read")
	}
}
