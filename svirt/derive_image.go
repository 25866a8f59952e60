// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"strings"
)

// headerSize is how much of an image is read to find what lies under it. The
// names are in the first cluster, and every tool writes them at its start.
const headerSize = 64 << 10

// maxBackingName is the longest name of a backing file, as QEMU has it.
const maxBackingName = 1023

// header is what the start of an image says about other files.
type header struct {
	format  string // as the magic bytes have it; empty for raw and unknown
	backing string // name of the backing file as written; empty: none
	// backingFormat is the recorded format of the backing file; empty: none
	// is recorded.
	backingFormat string
	data          string // name of the external data file; empty: none
}

var errNotRegular = errors.New("neither a regular file nor a block device")

// probe reads the header of the image at path, which must be a real path.
func (l *lookup) probe(path string) (header, error) {
	f, err := l.tree.open(path)
	if err != nil {
		return header{}, err
	}
	defer f.Close()
	if l.header == nil {
		l.header = make([]byte, headerSize)
	}
	n, err := io.ReadFull(f, l.header)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return header{}, err
	}
	return parseHeader(l.header[:n]), nil
}

// probes reports whether an image of the format can name other files.
func probes(format string) bool {
	switch format {
	case "qcow", "qcow2", "qed", "vmdk":
		return true
	}
	return false
}

// parseHeader looks for the names in the start of an image.
// Bytes that make no sense are not a name.
func parseHeader(b []byte) header {
	be, le := binary.BigEndian, binary.LittleEndian
	switch {
	case len(b) >= 20 && string(b[:4]) == "QFI\xfb":
		switch version := be.Uint32(b[4:]); version {
		case 1:
			return header{format: "qcow", backing: cut(b, be.Uint64(b[8:]), be.Uint32(b[16:]))}
		case 2, 3:
			return parseQCOW2(b, version)
		}
	case len(b) >= 64 && string(b[:4]) == "QED\x00":
		const hasBacking, backingIsRaw = 1, 4
		h := header{format: "qed"}
		if features := le.Uint64(b[16:]); features&hasBacking != 0 {
			h.backing = cut(b, uint64(le.Uint32(b[56:])), le.Uint32(b[60:]))
			if features&backingIsRaw != 0 {
				h.backingFormat = "raw"
			}
		}
		return h
	case len(b) >= 4 && string(b[:4]) == "KDMV":
		return header{format: "vmdk", backing: vmdkParent(b), backingFormat: "vmdk"}
	}
	return header{}
}

// cut returns the name of the given place, or nothing when it is not there.
func cut(b []byte, offset uint64, size uint32) string {
	if offset == 0 || size == 0 || size > maxBackingName || offset > uint64(len(b)) || uint64(size) > uint64(len(b))-offset {
		return ""
	}
	s := b[offset : offset+uint64(size)]
	if i := bytes.IndexByte(s, 0); i >= 0 {
		s = s[:i]
	}
	return string(s)
}

// parseQCOW2 reads a header of the qcow2 format, version 2 or 3: the backing
// file's place at offset 8, and from the end of the fixed part the extensions,
// each a type, a length and data padded to eight bytes.
func parseQCOW2(b []byte, version uint32) header {
	const (
		extEnd           = 0
		extBackingFormat = 0xe2792aca
		extDataFile      = 0x44415441
		externalData     = 1 << 2 // incompatible feature bit
	)
	be := binary.BigEndian
	offset := be.Uint64(b[8:])
	h := header{format: "qcow2", backing: cut(b, offset, be.Uint32(b[16:]))}
	at, data := uint64(72), false
	if version == 3 {
		if len(b) < 104 {
			return h
		}
		at = uint64(be.Uint32(b[100:]))
		data = be.Uint64(b[72:])&externalData != 0
	}
	end := uint64(len(b))
	if offset != 0 && offset < end {
		end = offset
	}
	for at+8 <= end {
		kind, size := be.Uint32(b[at:]), uint64(be.Uint32(b[at+4:]))
		at += 8
		if kind == extEnd || size > end-at {
			break
		}
		switch value := b[at : at+size]; kind {
		case extBackingFormat:
			h.backingFormat = string(bytes.TrimRight(value, "\x00"))
		case extDataFile:
			if data && size <= maxBackingName {
				h.data = string(bytes.TrimRight(value, "\x00"))
			}
		}
		at += (size + 7) &^ 7
	}
	return h
}

// vmdkParent finds the parent in the text descriptor of a sparse VMDK image.
func vmdkParent(b []byte) string {
	const start, length = 0x200, 20 * 0x200
	if len(b) <= start {
		return ""
	}
	text := b[start:min(len(b), start+length)]
	if i := bytes.IndexByte(text, 0); i >= 0 {
		text = text[:i]
	}
	const none, hint = "parentCID=ffffffff", `parentFileNameHint="`
	if bytes.Contains(text, []byte(none)) {
		return ""
	}
	_, rest, ok := bytes.Cut(text, []byte(hint))
	if !ok {
		return ""
	}
	parent, _, ok := bytes.Cut(rest, []byte{'"'})
	if !ok || len(parent) > maxBackingName {
		return ""
	}
	return string(parent)
}

// backingName is a backing file's name, taken apart.
type backingName struct {
	path   string // of a local file; empty for anything else
	socket string // of an image at a unix socket
	json   bool   // it was given in the json: form
	more   bool   // the json: form names more than one file
	format string // of the json: form, when a driver says so
}

// parseBackingName takes apart the name that an image has for its backing
// file: a path, a URI, or QEMU's json: form. Only what is a local path
// matters.
func parseBackingName(s string) backingName {
	if rest, ok := strings.CutPrefix(s, "json:"); ok {
		return parseBackingJSON(rest)
	}
	if i := strings.IndexAny(s, ":/"); i >= 0 && s[i] == ':' {
		b := backingName{socket: nbdSocket(s)}
		// A protocol, as in nbd:, rbd:, https://. A path with a colon in its
		// first component must be written with ./ for QEMU, too.
		return b
	}
	return backingName{path: s}
}

// parseBackingJSON reads {"driver": ..., "filename": ...}, possibly nested
// under "file", and the flat form with keys such as "file.filename".
func parseBackingJSON(text string) backingName {
	var top map[string]any
	if err := json.Unmarshal([]byte(text), &top); err != nil {
		return backingName{}
	}
	b := backingName{json: true}
	for key := range top {
		if name, _, _ := strings.Cut(key, "."); name == "backing" || name == "data-file" {
			b.more = top[key] != nil && top[key] != ""
		}
	}
	prefix := ""
	for depth := 0; depth < 4; depth++ {
		get := func(key string) string {
			s, _ := top[prefix+key].(string)
			return s
		}
		driver, filename := get("driver"), get("filename")
		if driver == "nbd" {
			b.socket = get("server.path")
			if server, ok := top[prefix+"server"].(map[string]any); ok {
				b.socket, _ = server["path"].(string)
			}
			if b.socket == "" {
				b.socket = get("path")
			}
			return b
		}
		switch driver {
		case "file", "host_device", "host_cdrom", "":
			if filename != "" {
				b.path = filename
				return b
			}
		}
		if driver != "" && driver != "file" {
			b.format = driver
		}
		if next, ok := top[prefix+"file"].(map[string]any); ok {
			top, prefix = next, ""
		} else {
			prefix += "file."
		}
	}
	return backingName{json: true, more: b.more}
}

// nbdSocket returns the unix socket in the name of an NBD image: that of
// nbd+unix:///EXPORT?socket=PATH and of nbd:unix:PATH:exportname=EXPORT.
func nbdSocket(s string) string {
	if rest, ok := strings.CutPrefix(s, "nbd:unix:"); ok {
		path, _, _ := strings.Cut(rest, ":exportname=")
		return path
	}
	if !strings.HasPrefix(s, "nbd+unix:") {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Query().Get("socket")
}
