// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func pack(t testing.TB, p *Policy, level int) []byte {
	t.Helper()
	data, err := p.AppendCompressed(nil, level)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestCompressed packs policy with every level and unpacks it.
func TestCompressed(t *testing.T) {
	long := &Profile{Name: "p", Policydb: tabled(chainDFA(strings.Repeat("\x02a", 500), 1, 0), Perm{Allow: 4, XIndex: XInherit})}
	p := encode(t, long)
	for level := 1; level <= 22; level++ {
		data := pack(t, p, level)
		if want := []byte{1, byte(level), 0, 0, 0, 0, 0, 0}; !bytes.HasPrefix(data, want) || !bytes.HasPrefix(data[userHeader:], []byte(zstdMagic)) {
			t.Errorf("level %d: it begins with % x", level, data[:12])
		}
		if len(data) >= p.Len() || !bytes.Equal(data, pack(t, p, level)) {
			t.Errorf("level %d: %d of %d bytes, or others the second time", level, len(data), p.Len())
		}
		for _, form := range [][]byte{data, data[userHeader:]} {
			q, err := Inspect(form)
			if err != nil {
				t.Errorf("level %d: %v", level, err)
			} else if !bytes.Equal(q.Bytes(), p.Bytes()) || q.Digest() != p.Digest() {
				t.Errorf("level %d: the unpacked bytes are not those that were packed", level)
			}
		}
	}
	for _, level := range []int{-1, 0, 23} {
		if data, err := p.AppendCompressed([]byte("x"), level); err == nil || string(data) != "x" {
			t.Errorf("level %d: %q, %v", level, data, err)
		}
	}
	if data, err := p.AppendCompressed([]byte("before"), 3); err != nil || !bytes.HasPrefix(data, []byte("before\x01\x03")) {
		t.Errorf("%.10q, %v", data, err)
	}
}

// TestLongBlock has a block whose length takes all three bytes of its head: random
// bytes, which are not made shorter.
func TestLongBlock(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	value := make([]byte, 100<<10)
	for i := range value {
		value[i] = byte(r.Uint32())
	}
	p := encode(t, &Profile{Name: "p", Data: []Data{{Key: "k", Value: value}}})
	q, err := Inspect(pack(t, p, 3))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(q.Bytes(), p.Bytes()) {
		t.Error("the unpacked bytes are not those that were packed")
	}
}

// TestFrames joins several frames, as apparmor_parser writes one for each
// profile of a file.
func TestFrames(t *testing.T) {
	a, b, c := encode(t, &Profile{Name: "a"}), encode(t, &Profile{Name: "b"}), encode(t, &Profile{Name: "c"})
	all := encode(t, &Profile{Name: "a"}, &Profile{Name: "b"}, &Profile{Name: "c"})
	data := slices.Concat(pack(t, a, 3), pack(t, b, 10)[userHeader:], pack(t, c, 1))
	p, err := Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(p.Bytes(), all.Bytes()) {
		t.Error("joined frames differ from the profiles encoded together")
	}
	// What is wrong in the stream is told as of any other.
	_, err = Inspect(append(pack(t, a, 3), pack(t, a, 3)...))
	if !errors.Is(err, ErrDuplicate) {
		t.Errorf("the same profile in two frames: %v", err)
	}
}

// TestDamagedFrames refuses what no kernel unpacks, and what is too large.
func TestDamagedFrames(t *testing.T) {
	p := encode(t, &Profile{Name: "p"})
	data := pack(t, p, 3)
	refuse := func(what string, data []byte) {
		t.Helper()
		var format *FormatError
		_, err := Inspect(data)
		if !errors.Is(err, ErrCompressed) || !errors.As(err, &format) || format.Offset < 0 || format.Offset > len(data) {
			t.Errorf("%s: %v, want ErrCompressed", what, err)
		}
	}
	for n := userHeader + len(zstdMagic); n < len(data); n++ {
		refuse("cut", data[:n])
		refuse("cut", data[userHeader:n])
	}
	for _, rest := range []string{"x", "12345678", "123456789", zstdMagic, "12345678" + zstdMagic} {
		refuse("with "+rest, append(slices.Clone(data), rest...))
	}
	// Of the bits of the head and the first block, each but those of the level.
	plain := 0
	for i := userHeader; i < userHeader+12; i++ {
		for bit := range 8 {
			broken := slices.Clone(data)
			broken[i] ^= 1 << bit
			if q, err := Inspect(broken); err == nil && bytes.Equal(q.Bytes(), p.Bytes()) {
				plain++
			}
		}
	}
	if plain > 8 {
		t.Errorf("%d of 96 single bits make no difference", plain)
	}

	enc, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(true), zstd.WithSingleSegment(true))
	if err != nil {
		t.Fatal(err)
	}
	sum := enc.EncodeAll(p.Bytes(), nil)
	if _, err := Inspect(sum); err != nil {
		t.Errorf("with a checksum: %v", err)
	}
	sum[len(sum)-1] ^= 1
	refuse("with a wrong checksum", sum)
	if _, err := Inspect(enc.EncodeAll(nil, nil)); err == nil {
		t.Error("an empty frame is taken for policy")
	}

	// A block of a byte that is repeated, and how much it is said to be.
	frame := func(size uint64, blocks ...uint32) []byte {
		b := append([]byte(zstdMagic), 0xe0) // 8 bytes of length, one segment
		b = binary.LittleEndian.AppendUint64(b, size)
		for i, n := range blocks {
			h := n<<3 | 1<<1
			if i == len(blocks)-1 {
				h |= 1
			}
			b = append(b, byte(h), byte(h>>8), byte(h>>16), 0)
		}
		return b
	}
	if _, err := Inspect(frame(100, 100)); errors.Is(err, ErrCompressed) {
		t.Errorf("a frame of zeros is not unpacked: %v", err)
	}
	refuse("longer than it says", frame(99, 100))
	refuse("shorter than it says", frame(101, 100))
	refuse("longer than it can be", frame(maxBlock+1, maxBlock))
	full := make([]uint32, MaxUnpacked/maxBlock)
	for i := range full {
		full[i] = maxBlock
	}
	if _, err := Inspect(frame(MaxUnpacked, full...)); errors.Is(err, ErrCompressed) {
		t.Errorf("at the limit: %v", err)
	}
	refuse("above the limit", frame(MaxUnpacked+1, append(full, 1)...))
	refuse("above the limit by far", frame(1<<63, full...))
	refuse("above the limit together", append(frame(MaxUnpacked, full...), frame(1, 1)...))
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0}, "skip"...)
	refuse("skippable after", append(slices.Clone(data), skippable...))
	noSize := append([]byte(zstdMagic), 0, 0x40, 1, 0, 0)
	refuse("without a length", noSize)
}
