// SPDX-License-Identifier: Apache-2.0

package wholefile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goarmor/apparmor/internal/wholefile"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	want := func(content string, mode os.FileMode) {
		t.Helper()
		data, err := os.ReadFile(name)
		if err != nil || string(data) != content {
			t.Errorf("%q, %v", data, err)
		}
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != mode || !info.ModTime().Equal(then) {
			t.Errorf("%v, %v", info.Mode(), info.ModTime())
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Errorf("there are %v, %v", list, err)
		}
	}
	if err := wholefile.Write(name, []byte("one"), wholefile.Options{Mode: 0o604, Time: then}); err != nil {
		t.Fatal(err)
	}
	want("one", 0o604)

	// An error leaves the old file, whatever fails.
	bad := errors.New("bad")
	if err := wholefile.Write(name, []byte("two"), wholefile.Options{Prepare: func(*os.File) error { return bad }}); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if err := wholefile.Write(name, []byte("two"), wholefile.Options{Prepare: func(f *os.File) error { return f.Close() }}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v", err)
	}
	want("one", 0o604)
	if err := wholefile.Write(filepath.Join(dir, "none", "file"), nil, wholefile.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}

	prepared := ""
	o := wholefile.Options{Mode: 0o640, Time: then, Prepare: func(f *os.File) error {
		data, err := os.ReadFile(f.Name())
		prepared = string(data)
		return err
	}}
	if err := wholefile.Write(name, []byte("two"), o); err != nil || prepared != "two" {
		t.Errorf("%q, %v", prepared, err)
	}
	want("two", 0o640)
}

// TestRead reads what is longer and shorter than it is said to be, and than it may be.
func TestRead(t *testing.T) {
	text := strings.Repeat("0123456789", 100)
	for _, limit := range []int64{0, 10, int64(len(text)) - 1, int64(len(text)), 2000, 1 << 40} {
		for _, likely := range []int64{-1, 0, 5, int64(len(text)), 5000} {
			data, err := wholefile.Read(iotest.OneByteReader(strings.NewReader(text)), likely, limit)
			if want := text[:min(int64(len(text)), limit+1)]; err != nil || string(data) != want {
				t.Errorf("likely %d, limit %d: %d bytes and %v, want %d", likely, limit, len(data), err, len(want))
			}
		}
	}
	if _, err := wholefile.Read(iotest.ErrReader(io.ErrUnexpectedEOF), 1, 1); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a reader that fails: %v", err)
	}
}
