// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package command

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
)

const noFollow = 0

// openFile opens a file for reading.
func openFile(name string) (*os.File, error) { return os.Open(name) }

// lock does nothing: there is no AppArmor to load anything into.
func (s store) lock(context.Context, string) (func(), error) { return func() {}, nil }

// readOwn returns nothing: who owns a file is not known.
func (s store) readOwn(string) ([]byte, bool) { return nil, false }

// nothing reports whether there is nothing at a path.
func nothing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// has reports whether there is a file at a path with this content.
func (*comparer) has(path string, text []byte) bool {
	data, err := os.ReadFile(path)
	return err == nil && bytes.Equal(data, text)
}
