// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/internal/wholefile"
)

// answers are what a program said, in files by what it was asked.
type answers struct {
	dir   string
	fixed string // below it no file ever changes
}

// Answer is how a run ended.
type Answer struct {
	Stdout []byte
	Stderr string
	Exit   int    // exit status; -1 when the program was killed
	Failed string // what went wrong; empty: nothing
}

func (a Answer) result() ([]byte, error) {
	if a.Failed == "" {
		return a.Stdout, nil
	}
	return nil, &Error{Args: []string{"apparmor_parser"}, Exit: a.Exit, Stderr: a.Stderr, Err: errors.New(a.Failed)}
}

// key names everything that an answer depends on.
func (c answers) key(j Job, flags []string) (string, error) {
	h := sha256.New()
	put := func(words ...string) {
		for _, w := range words {
			io.WriteString(h, w)
			h.Write([]byte{0})
		}
	}
	put(flags...)
	put("args")
	put(j.Args...)
	put("text", j.Text, "features")
	if j.Features != "" {
		data, err := os.ReadFile(j.Features)
		if err != nil {
			return "", err
		}
		put(string(data))
	}
	// Messages have the names of these.
	for _, name := range append([]string{j.File, j.Base, j.Dir}, j.Include...) {
		put("tree", name)
		if name == "" {
			continue
		}
		sum, err := c.tree(name)
		if err != nil {
			return "", err
		}
		put(sum)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// trees remembers the sums of trees that never change, by path.
var trees sync.Map

// tree returns a sum over the names and contents of a file, or of what is
// below a directory.
func (c answers) tree(name string) (string, error) {
	constant := strings.HasPrefix(name, c.fixed+string(filepath.Separator))
	if constant {
		if sum, ok := trees.Load(name); ok {
			return sum.(string), nil
		}
	}
	h := sha256.New()
	if err := sumTree(h, name); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if constant {
		trees.Store(name, sum)
	}
	return sum, nil
}

func sumTree(h hash.Hash, root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			io.WriteString(h, "nothing") // also an answer
			return nil
		}
		if err != nil {
			return err
		}
		io.WriteString(h, path+"\x00")
		data := []byte(nil)
		switch {
		case d.Type()&fs.ModeSymlink != 0:
			var target string
			target, err = os.Readlink(path)
			data = []byte(target)
		case d.Type().IsRegular():
			data, err = os.ReadFile(path)
		}
		if err != nil {
			return err
		}
		sum := sha256.Sum256(data)
		h.Write(sum[:])
		return nil
	})
}

func (c answers) file(key string) string { return filepath.Join(c.dir, key[:2], key[2:]) }

func (c answers) get(key string) (Answer, bool) {
	var a Answer
	f, err := os.Open(c.file(key))
	if err != nil {
		return a, false
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return a, false
	}
	return a, gob.NewDecoder(zr).Decode(&a) == nil
}

// put keeps an answer. One that cannot be kept is asked for again.
func (c answers) put(key string, a Answer) {
	var b bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if errors.Join(gob.NewEncoder(zw).Encode(a), zw.Close()) == nil {
		keep(c.file(key), b.Bytes())
	}
}

// keep writes a file of the cache. One that cannot be written is made again.
func keep(name string, data []byte) {
	if os.MkdirAll(filepath.Dir(name), 0o755) != nil {
		return
	}
	_ = wholefile.Write(name, data, wholefile.Options{Mode: 0o600})
}
