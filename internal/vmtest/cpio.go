// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// Types in the mode of a cpio entry.
const (
	cpioDir  = 0o040000
	cpioReg  = 0o100000
	cpioChar = 0o020000
	cpioLink = 0o120000
)

// cpioEntry is one file of an initramfs.
type cpioEntry struct {
	name         string // relative to the root
	mode         uint32 // type and permissions
	data         []byte
	major, minor uint32 // of a device
}

// writeCpio writes an archive in the "newc" form that kernels unpack as
// initramfs. Directories that lead to an entry are added when they are not
// entries themselves; order is kept otherwise.
func writeCpio(w io.Writer, entries []cpioEntry) error {
	seen := map[string]bool{}
	for _, e := range entries {
		seen[e.name] = true
	}
	cw := &cpioWriter{w: w}
	for _, e := range entries {
		var up []cpioEntry
		for dir := path.Dir(e.name); dir != "." && dir != "/" && !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			up = append(up, cpioEntry{name: dir, mode: cpioDir | 0o755})
		}
		slices.Reverse(up)
		for _, d := range up {
			cw.entry(d)
		}
		cw.entry(e)
	}
	cw.entry(cpioEntry{name: "TRAILER!!!"})
	return cw.err
}

type cpioWriter struct {
	w   io.Writer
	ino uint32
	err error
}

func (c *cpioWriter) entry(e cpioEntry) {
	c.ino++
	nlink := uint32(1)
	if e.mode&cpioDir != 0 {
		nlink = 2
	}
	var h strings.Builder
	h.WriteString("070701")
	for _, v := range []uint32{
		c.ino, e.mode, 0, 0, nlink, 0, uint32(len(e.data)),
		0, 0, e.major, e.minor, uint32(len(e.name) + 1), 0,
	} {
		fmt.Fprintf(&h, "%08X", v)
	}
	h.WriteString(e.name)
	h.WriteByte(0)
	c.padded([]byte(h.String()))
	c.padded(e.data)
}

// padded writes b and zeros up to a multiple of four. The archive is always
// at such a multiple in between.
func (c *cpioWriter) padded(b []byte) {
	if c.err != nil {
		return
	}
	if _, c.err = c.w.Write(b); c.err == nil {
		_, c.err = c.w.Write(make([]byte, -len(b)&3))
	}
}
