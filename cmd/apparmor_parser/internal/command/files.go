// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
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

// newFile is what a file that is written has besides its content.
type newFile struct {
	mode fs.FileMode
	like fs.FileInfo // whose owner it gets, if not nil
}

// writeFileAtomic writes a file as a whole or not at all.
func writeFileAtomic(name string, data []byte, as newFile) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err == nil && as.like != nil {
		err = copyOwner(f, as.like)
	}
	if err == nil {
		err = f.Chmod(as.mode)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
