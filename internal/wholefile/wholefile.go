// SPDX-License-Identifier: Apache-2.0

// Package wholefile reads and writes files as a whole or not at all.
package wholefile

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Read reads up to limit bytes, and one more where there are more. Likely is how many
// there are as far as is known, and may be wrong: growing from nothing, as io.ReadAll
// does, takes several times the memory.
func Read(r io.Reader, likely, limit int64) ([]byte, error) {
	b := bytes.NewBuffer(make([]byte, 0, min(max(likely, 0), limit)+bytes.MinRead))
	_, err := b.ReadFrom(io.LimitReader(r, limit+1))
	return b.Bytes(), err
}

// Options say what a file has besides its content.
type Options struct {
	Mode fs.FileMode // its permissions, whatever the umask
	Time time.Time   // when it was changed; zero: the present
	// Prepare, if not nil, is called with the file before it gets its
	// permissions and its name, such as to give it an owner.
	Prepare func(*os.File) error
}

// Write writes a file in the place of one that may be there. Whoever opens the
// name finds the old file or the new one. After an error that of the old one is
// there, and nothing else.
func Write(name string, data []byte, o Options) (err error) {
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
	if err == nil && o.Prepare != nil {
		err = o.Prepare(f)
	}
	if err == nil {
		err = f.Chmod(o.Mode)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil && !o.Time.IsZero() {
		err = os.Chtimes(f.Name(), o.Time, o.Time)
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
