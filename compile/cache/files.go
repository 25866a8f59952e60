// SPDX-License-Identifier: Apache-2.0

package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/wholefile"
)

// maxKey is more than a key file holds.
const maxKey = 1 << 10

// readOwn returns the content of a file of the cache, if nobody else may have
// written it.
func readOwn(name string, limit int64) ([]byte, error) {
	f, err := openOwn(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	case !own(info):
		return nil, &fs.PathError{Op: "read", Path: name, Err: ErrForeign}
	}
	data, err := wholefile.Read(f, info.Size(), limit)
	if err == nil && int64(len(data)) > limit {
		err = &fs.PathError{Op: "read", Path: name, Err: &diag.LimitError{What: "bytes of a file of the cache", Limit: limit, Got: limit + 1}}
	}
	return data, err
}

// realKeys checks the directory of keys of dir and the one that it is in.
func realKeys(dir string) error {
	keys := filepath.Dir(keyFile(dir, ""))
	for _, d := range []string{filepath.Dir(keys), keys} {
		if err := realDirectory(d); err != nil {
			return fmt.Errorf("%s: %w", d, err)
		}
	}
	return nil
}

// errNoDirectory matches fs.ErrNotExist and does not say the path twice.
var errNoDirectory error = noDirectory{}

type noDirectory struct{}

func (noDirectory) Error() string        { return "there is no such directory" }
func (noDirectory) Is(target error) bool { return target == fs.ErrNotExist }

// realDirectory refuses a link in place of a directory of features, because
// content of it might be removed.
func realDirectory(dir string) error {
	switch info, err := os.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return errNoDirectory
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return ErrLink
	case !info.IsDir():
		return &fs.PathError{Op: "open", Path: dir, Err: errors.New("not a directory")}
	case !own(info):
		return ErrForeign
	}
	return nil
}

// emptyDir removes the files of a directory. Directories in it are not the
// cache's and stay. Other processes may be doing the same.
func emptyDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return gone(err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			if err := gone(os.Remove(filepath.Join(dir, e.Name()))); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone is nil for the error of what is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
