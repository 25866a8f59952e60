// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"encoding/binary"
	"errors"
	"math"
	"testing"
)

// TestLSMText has answers of the system call whose text is as long as the buffer,
// and longer.
func TestLSMText(t *testing.T) {
	answer := func(n uint64, text string) []byte {
		buf := make([]byte, lsmHeader, lsmHeader+len(text))
		binary.NativeEndian.PutUint64(buf[24:], n)
		return append(buf, text...)
	}
	for n, want := range map[uint64]string{0: "", 3: "a (", 11: "a (enforce)"} {
		if got, err := lsmText(answer(n, "a (enforce)")); got != want || err != nil {
			t.Errorf("%d bytes: %q, %v", n, got, err)
		}
	}
	for _, n := range []uint64{12, math.MaxUint32 + 1, math.MaxUint64} {
		if got, err := lsmText(answer(n, "a (enforce)")); got != "" || !errors.Is(err, errAnswer) {
			t.Errorf("%d bytes: %q, %v", n, got, err)
		}
	}
}
