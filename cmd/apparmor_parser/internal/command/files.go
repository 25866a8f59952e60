// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"io"
	"os"
)

// readBounded returns the content of a file that is not longer than an input
// may be.
func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f)
}

// readAll reads everything up to the greatest length of an input.
func readAll(from io.Reader) ([]byte, error) {
	// Growing from nothing, as io.ReadAll does, takes several times the memory.
	likely := int64(0)
	if f, ok := from.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			likely = min(info.Size(), maxInput)
		}
	}
	b := bytes.NewBuffer(make([]byte, 0, likely+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(from, maxInput+1))
	data := b.Bytes()
	if err == nil && len(data) > maxInput {
		return nil, errTooLong
	}
	return data, err
}
