// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"errors"
	"io"
	"os"
	"syscall"
)

// lock holds an exclusive lock on a file, which has no content, until what it
// returns is closed.
func lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(&os.PathError{Op: "flock", Path: name, Err: err}, f.Close())
	}
	return f, nil
}
