// SPDX-License-Identifier: Apache-2.0

package command

import (
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
	data, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err == nil && len(data) > maxInput {
		return nil, errTooLong
	}
	return data, err
}
