// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io"
	"os"

	"github.com/goarmor/apparmor/internal/wholefile"
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
	likely := int64(0)
	if f, ok := from.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			likely = info.Size()
		}
	}
	data, err := wholefile.Read(from, likely, maxInput)
	if err == nil && len(data) > maxInput {
		return nil, errTooLong
	}
	return data, err
}
