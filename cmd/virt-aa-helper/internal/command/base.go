// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// What machines have in common is compiled once and kept in a file beside their
// profiles, where the profile of libvirtd lets nobody but the helper write. It is
// taken only while every file and directory that was read for it is as it was: they
// are read again and compared with a copy, which takes a fraction of the time that
// parsing and compiling them does. Times of files are not looked at, since an edit
// may leave them as they were.
//
// A file of a base is baseMagic, a sum of all that follows, the length of what was
// read, that, as reader.record writes it, and the base; without one it says that
// there can be none.

const (
	baseMagic  = "goarmor helper 2"
	basePrefix = "virt-aa-helper-"
	baseSuffix = ".base"
	// maxBases is how many are kept: of virtual machines and containers, for two
	// kernels.
	maxBases = 4
)

// machineText is what the policy of one machine is made of, besides what it
// includes.
type machineText struct {
	profile string
	file    string // the path of the profile
	text    string
	rules   *ast.File // the machine's own; nil for none
}

// baseName returns the name of the file for machines like this one, and false if
// none can be kept.
func (m *machineText) baseName(kernel *features.Set) (string, bool) {
	h := sha256.New()
	id := kernel.ID()
	h.Write(id[:])
	// Another program may compile differently. Not every build knows its version,
	// and reading all of the program takes as long as what is saved.
	path, err := os.Executable()
	if err != nil {
		return "", false
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
	if m.rules != nil {
		io.WriteString(h, "\nwith rules\n")
	}
	io.WriteString(h, strings.ReplaceAll(m.text, m.profile, ""))
	return basePrefix + hex.EncodeToString(h.Sum(nil)[:16]) + baseSuffix, true
}

// compileFromBase compiles the policy of a machine from what is kept, and keeps
// it if there is nothing. An error that matches svirt.ErrNoBase says that it must be
// compiled as a whole.
func (l *ownLoader) compileFromBase(ctx context.Context, kernel *features.Set, m *machineText) (*compile.Output, error) {
	o := compileOptions(kernel)
	name, ok := m.baseName(kernel)
	if !ok {
		return nil, svirt.ErrNoBase
	}
	dir := store{filepath.Join(l.base, "libvirt")}
	if data, ok := dir.readOwn(name); ok {
		switch b, err := openBase(ctx, data, l.base, o); {
		case err == nil:
			return b.Compile(ctx, m.profile, m.rules, kernel)
		case errors.Is(err, svirt.ErrNoBase) || ctx.Err() != nil:
			return nil, err
		}
	}
	file, err := parser.Config{}.Parse(ctx, m.file, m.text)
	if err != nil {
		return nil, errors.Join(svirt.ErrNoBase, err) // which says where
	}
	read := &reader{from: os.DirFS(l.base), seen: map[string]*answer{}}
	b, err := svirt.NewMachineBase(ctx, &svirt.Source{Profile: m.profile, File: file, Rules: m.rules, Roots: []fs.FS{read}}, o)
	if err != nil && !errors.Is(err, svirt.ErrNoBase) {
		return nil, err
	}
	// That there can be none is kept, too.
	if data, ok := read.save(b); ok {
		// If it cannot be kept it is made again the next time.
		_ = dir.keepBase(ctx, name, data)
	}
	if b == nil {
		return nil, err
	}
	return b.Compile(ctx, m.profile, m.rules, kernel)
}

// errStale says that what was kept cannot be taken.
var errStale = errors.New("what was kept is damaged, or something that it was made of has changed")

// openBase opens what was kept of files in a directory. The error matches
// svirt.ErrNoBase if it says that there is none.
func openBase(ctx context.Context, data []byte, dir string, o compile.Options) (*svirt.MachineBase, error) {
	rest, ok := bytes.CutPrefix(data, []byte(baseMagic))
	if !ok || len(rest) < crc32.Size {
		return nil, errStale
	}
	all, rest := binary.LittleEndian.Uint32(rest), rest[crc32.Size:]
	if all != damageSum(rest) {
		return nil, errStale
	}
	record, rest, ok := cutPart(rest)
	if !ok || !unchanged(dir, record) {
		return nil, errStale
	}
	if len(rest) == 0 {
		return nil, svirt.ErrNoBase
	}
	return svirt.OpenMachineBase(ctx, rest, o)
}

// appendPart appends a text and its length before it, and cutPart takes it off.
func appendPart(b, text []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(text))), text...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n, rest := binary.LittleEndian.Uint32(b), b[4:]
	if uint64(n) > uint64(len(rest)) {
		return nil, nil, false
	}
	return rest[:n], rest[n:], true
}

// What a record says of a path.
const (
	kindNothing   = '-'
	kindDirectory = 'd'
	kindFile      = 'f'
)

// unchanged reports whether all that a record tells of files in a directory is
// still so.
func unchanged(dir string, record []byte) bool {
	var c comparer
	for len(record) > 0 {
		kind := record[0]
		name, rest, ok1 := cutPart(record[1:])
		text, rest, ok2 := cutPart(rest)
		if !ok1 || !ok2 || !fs.ValidPath(string(name)) {
			return false
		}
		record = rest
		path := dir + string(filepath.Separator) + filepath.FromSlash(string(name))
		switch kind {
		case kindNothing:
			ok1 = nothing(path)
		case kindDirectory:
			list, err := os.ReadDir(path)
			ok1 = err == nil && bytes.Equal(appendEntries(nil, list), text)
		case kindFile:
			ok1 = c.has(path, text)
		default:
			ok1 = false
		}
		if !ok1 {
			return false
		}
	}
	return true
}

// comparer compares files, all in the same memory.
type comparer struct{ buf []byte }

// room returns memory for a text and one byte more.
func (c *comparer) room(text []byte) []byte {
	if len(c.buf) <= len(text) {
		c.buf = make([]byte, max(2*len(text), 8<<10))
	}
	return c.buf[:len(text)+1]
}

func appendEntries(b []byte, list []fs.DirEntry) []byte {
	for _, e := range list {
		b = appendPart(b, []byte(e.Name()))
		b = binary.LittleEndian.AppendUint32(b, uint32(e.Type()))
	}
	return b
}

// save returns the file of a base; nil: there can be none.
func (r *reader) save(b *svirt.MachineBase) ([]byte, bool) {
	record, ok := r.record()
	if !ok {
		return nil, false
	}
	data := append(make([]byte, 0, 512<<10), baseMagic...)
	data = append(data, make([]byte, crc32.Size)...)
	data = appendPart(data, record)
	if b != nil {
		var err error
		if data, err = b.AppendBinary(data); err != nil || len(data) > maxInput {
			return nil, false
		}
	}
	binary.LittleEndian.PutUint32(data[len(baseMagic):], damageSum(data[len(baseMagic)+crc32.Size:]))
	return data, true
}

// damageSum finds damage, and is cheap. Who may write the file may write what it
// likes.
func damageSum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

// keepBase writes the file of a base, and removes the oldest ones.
func (s store) keepBase(ctx context.Context, name string, data []byte) error {
	unlock, err := s.lock(ctx, strings.TrimSuffix(basePrefix, "-"))
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.write(name, data); err != nil {
		return err
	}
	list, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	var bases []fs.FileInfo
	for _, e := range list {
		if strings.HasPrefix(e.Name(), basePrefix) && strings.HasSuffix(e.Name(), baseSuffix) && e.Name() != name {
			if info, err := e.Info(); err == nil {
				bases = append(bases, info)
			}
		}
	}
	slices.SortFunc(bases, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for i, info := range bases {
		if i >= maxBases-1 {
			err = errors.Join(err, s.remove(info.Name()))
		}
	}
	return err
}

// reader is a file system that remembers what it answered, and gives the same
// answer again.
type reader struct {
	from fs.FS
	seen map[string]*answer
}

// answer is what is at a path: a file with its content, a directory with what
// is in it, or nothing. An error other than that there is nothing is never kept.
type answer struct {
	info fs.FileInfo
	data []byte
	list []fs.DirEntry
	err  error
}

func (r *reader) look(name string) *answer {
	if a := r.seen[name]; a != nil {
		return a
	}
	a := &answer{}
	r.seen[name] = a
	if a.info, a.err = fs.Stat(r.from, name); a.err != nil {
		return a
	}
	switch {
	case a.info.IsDir():
		a.list, a.err = fs.ReadDir(r.from, name)
	case a.info.Mode().IsRegular():
		a.data, a.err = readFrom(r.from, name)
	default:
		a.err = &fs.PathError{Op: "read", Path: name, Err: errors.New("not a regular file")}
	}
	return a
}

func readFrom(from fs.FS, name string) ([]byte, error) {
	f, err := from.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return readLimited(f, info.Size(), name)
}

// record returns all answers, by name: of each the kind, the name and the content,
// which of a directory is the names and types of what is in it.
func (r *reader) record() ([]byte, bool) {
	var record []byte
	for _, name := range slices.Sorted(maps.Keys(r.seen)) {
		kind, text := byte(kindFile), []byte(nil)
		switch a := r.seen[name]; {
		case errors.Is(a.err, fs.ErrNotExist):
			kind = kindNothing
		case a.err != nil:
			return nil, false
		case a.info.IsDir():
			kind, text = kindDirectory, appendEntries(nil, a.list)
		default:
			text = a.data
		}
		record = appendPart(append(record, kind), []byte(name))
		record = appendPart(record, text)
	}
	return record, true
}

// Stat implements fs.StatFS.
func (r *reader) Stat(name string) (fs.FileInfo, error) {
	a := r.look(name)
	return a.info, a.err
}

// Open implements fs.FS.
func (r *reader) Open(name string) (fs.File, error) {
	a := r.look(name)
	if a.err != nil {
		return nil, a.err
	}
	return &readFile{a, bytes.NewReader(a.data), 0}, nil
}

// readFile is an open file of a reader.
type readFile struct {
	*answer
	*bytes.Reader
	next int // of the entries of a directory
}

// Stat implements fs.File.
func (f *readFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// Close implements fs.File.
func (f *readFile) Close() error { return nil }

// ReadDir implements fs.ReadDirFile.
func (f *readFile) ReadDir(n int) ([]fs.DirEntry, error) {
	rest := f.list[f.next:]
	if n > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(n, len(rest))]
	}
	f.next += len(rest)
	return slices.Clone(rest), nil
}
