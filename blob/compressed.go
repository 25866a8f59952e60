// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
)

// MaxUnpacked is how many bytes compressed policy may have when it is unpacked,
// all frames together. It is a hundred times the largest profile that Debian
// ships.
const MaxUnpacked = 64 << 20

// zstdMagic begins a frame of compressed policy; plainMagic begins a plain
// stream.
const (
	zstdMagic  = "\x28\xb5\x2f\xfd"
	plainMagic = "\x04\x08\x00version\x00\x02"
	// userHeader is the length of the header that apparmor_parser from 5.0.2 on
	// puts before each frame for 7.3: version 1, the level, zeros. Kernels do
	// not interpret it.
	userHeader = 8
)

// compressed reports whether data is policy in zstd frames.
func compressed(data []byte) bool {
	return bytes.HasPrefix(data, []byte(zstdMagic)) || len(data) > userHeader && bytes.HasPrefix(data[userHeader:], []byte(zstdMagic))
}

// unpack joins what is in the frames of compressed policy, each with or without
// a header before it. A frame must say how long its content is, as kernels
// want it; nothing is unpacked before that is known to fit.
//
// The kernel takes one frame a write (security/apparmor/policy_unpack.c, Linux
// 7.3). apparmor_parser writes one for each profile with its hats, so what it
// wrote for a file with several profiles is only loaded if it is split, or
// joined as here.
func unpack(data []byte) ([]byte, *FormatError) {
	fail := func(at int, errno Errno, format string, args ...any) *FormatError {
		return &FormatError{Offset: at, Reason: fmt.Sprintf(format, args...), Errno: errno, Err: ErrCompressed}
	}
	type frame struct{ from, to, size int }
	var frames []frame
	total := 0
	for at := 0; at < len(data); {
		if !bytes.HasPrefix(data[at:], []byte(zstdMagic)) {
			at += userHeader
		}
		if at >= len(data) || !bytes.HasPrefix(data[at:], []byte(zstdMagic)) {
			return nil, fail(min(at, len(data)), EINVAL, "data after compressed policy is not a frame of zstd")
		}
		var h zstd.Header
		if err := h.Decode(data[at:]); err != nil || h.Skippable {
			return nil, fail(at, EINVAL, "the head of a frame of zstd is damaged")
		}
		if !h.HasFCS {
			return nil, fail(at, EINVAL, "a frame of zstd does not say how long its content is")
		}
		if h.FrameContentSize > MaxUnpacked || total+int(h.FrameContentSize) > MaxUnpacked {
			return nil, fail(at, 0, "compressed policy has more than %d bytes unpacked", MaxUnpacked)
		}
		n, blocks, ok := frameLength(data[at:], h.HeaderSize, h.HasCheckSum)
		if !ok {
			return nil, fail(at, EINVAL, "a frame of zstd is cut")
		}
		if h.FrameContentSize > uint64(blocks)*maxBlock {
			return nil, fail(at, EINVAL, "a frame of zstd says that its content is longer than it can be")
		}
		frames = append(frames, frame{at, at + n, int(h.FrameContentSize)})
		total += int(h.FrameContentSize)
		at += n
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxUnpacked),
		zstd.WithDecoderMaxWindow(MaxUnpacked), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fail(0, 0, "zstd: %v", err)
	}
	defer dec.Close()
	out := make([]byte, total)
	at := 0
	for _, f := range frames {
		// The room is exactly what the frame says.
		got, err := dec.DecodeAll(data[f.from:f.to], out[at:at:at+f.size])
		if err != nil || len(got) != f.size {
			return nil, fail(f.from, EINVAL, "a frame of zstd is damaged")
		}
		copy(out[at:], got) // where it is already, unless the decoder took other room
		at += f.size
	}
	return out, nil
}

// maxBlock is how many bytes a block of a frame may have unpacked (RFC 8878,
// 3.1.1.2.4).
const maxBlock = 128 << 10

// frameLength returns the length of the frame at the start of data, whose head
// has the given length, and the number of its blocks, which follow the head up
// to the one that says it is the last (RFC 8878, 3.1.1).
func frameLength(data []byte, head int, checksum bool) (n, blocks int, ok bool) {
	const blockHead, sum = 3, 4
	at := head
	for last := false; !last; blocks++ {
		if at+blockHead > len(data) {
			return 0, 0, false
		}
		h := uint32(data[at]) | uint32(data[at+1])<<8 | uint32(data[at+2])<<16
		last = h&1 != 0
		size := int(h >> 3)
		if h>>1&3 == 1 { // one byte, repeated
			size = 1
		}
		at += blockHead + size
	}
	if checksum {
		at += sum
	}
	return at, blocks, at <= len(data)
}

// AppendCompressed appends the policy in one zstd frame after the header of
// apparmor_parser, as kernels load it that have features.CompressedLoad, in one
// write. The level is one of zstd's, 1 to 22; the encoder has four, and takes
// the nearest. The same policy and level give the same bytes with the same
// version of the encoder.
//
// A kernel keeps and shows the plain stream in any case, whose digest is
// Digest. Compressing saves room in files; it saves nothing in the kernel.
func (p *Policy) AppendCompressed(b []byte, level int) ([]byte, error) {
	if level < 1 || level > 22 {
		return b, fmt.Errorf("%w: unknown level %d; zstd's are 1 to 22", errLevel, level)
	}
	if len(p.data) > MaxUnpacked {
		return b, &FormatError{Offset: -1, Reason: fmt.Sprintf("the policy has more than %d bytes", MaxUnpacked), Err: ErrTooLarge}
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)),
		zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return b, err
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(level)<<8|1)
	b = enc.EncodeAll(p.data, b)
	return b, enc.Close()
}

var errLevel = errors.New("policy is not compressed")
