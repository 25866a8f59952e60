// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"encoding/binary"
	"io"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"
)

// imageFile is a file system with one image at /i, which is read in chunks of
// chosen sizes, and counts what is read.
type imageFile struct {
	data   []byte
	chunks []byte // sizes, over and over; none: as much as is asked for
	read   int
	reads  int
}

func (f *imageFile) Open(string) (fs.File, error)          { return &openImage{image: f}, nil }
func (f *imageFile) ReadLink(string) (string, error)       { return "", fs.ErrInvalid }
func (f *imageFile) Lstat(string) (fs.FileInfo, error)     { return imageInfo{}, nil }
func (f *imageFile) ReadDir(string) ([]fs.DirEntry, error) { return nil, fs.ErrInvalid }
func (f *openImage) Stat() (fs.FileInfo, error)            { return imageInfo{}, nil }
func (f *openImage) Close() error                          { return nil }

type openImage struct {
	image *imageFile
	at    int
}

func (f *openImage) Read(b []byte) (int, error) {
	i := f.image
	if f.at >= len(i.data) {
		return 0, io.EOF
	}
	if n := len(i.chunks); n > 0 {
		b = b[:min(len(b), 1+int(i.chunks[i.reads%n]))]
	}
	i.reads++
	n := copy(b, i.data[f.at:])
	f.at += n
	i.read = max(i.read, f.at)
	return n, nil
}

type imageInfo struct{}

func (imageInfo) Name() string       { return "i" }
func (imageInfo) Size() int64        { return 0 }
func (imageInfo) Mode() fs.FileMode  { return 0o600 }
func (imageInfo) ModTime() time.Time { return time.Time{} }
func (imageInfo) IsDir() bool        { return false }
func (imageInfo) Sys() any           { return nil }

// probeImage probes an image through the file system.
func probeImage(t *testing.T, i *imageFile) header {
	t.Helper()
	l, err := newLookup(i)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	h, err := l.probe("/i")
	if err != nil {
		t.Fatal(err)
	}
	if i.read > headerSize {
		t.Fatalf("%d bytes were read", i.read)
	}
	return h
}

// FuzzImageHeader holds for any start of an image: it is read within its bound,
// says the same however it comes in and whatever follows the bound, and says
// what a second reader finds, which was written from the formats' descriptions
// and not from this package: names in valid headers only.
func FuzzImageHeader(f *testing.F) {
	for _, s := range imageSeeds() {
		f.Add(s, []byte{0}, uint16(0))
		f.Add(s, []byte{3, 200}, uint16(700))
	}
	f.Fuzz(func(t *testing.T, data, chunks []byte, gap uint16) {
		// A gap of zeros lets few bytes reach far into the file.
		if at := len(data) / 2; gap > 0 && at > 0 {
			data = append(append(bytes.Clone(data[:at]), make([]byte, gap)...), data[at:]...)
		}
		h := probeImage(t, &imageFile{data: data})
		if again := probeImage(t, &imageFile{data: data, chunks: chunks}); again != h {
			t.Fatalf("in chunks %+v, at once %+v", again, h)
		}
		if want := readHeader(data); h != want {
			t.Fatalf("%+v, the second reader says %+v", h, want)
		}
		if h.format == "" && h != (header{}) {
			t.Fatalf("%+v of no known format", h)
		}
		for _, name := range []string{h.backing, h.data} {
			if len(name) > maxBackingName || strings.Contains(name, "\x00") && h.data != name || !bytes.Contains(data, []byte(name)) {
				t.Fatalf("the name %q is not in the image", name)
			}
			parseBackingName(name)
		}
		// What follows the bound is another's business.
		full := append(bytes.Clone(data), make([]byte, max(0, headerSize-len(data)))...)
		h = probeImage(t, &imageFile{data: full})
		if again := probeImage(t, &imageFile{data: append(full, data...)}); again != h {
			t.Fatalf("of a longer file %+v, else %+v", again, h)
		}
	})
}

// TestImageHeader reads the seeds: each format's names are found, so that the
// fuzz target compares more than refusals.
func TestImageHeader(t *testing.T) {
	formats, names := map[string]bool{}, 0
	for _, s := range imageSeeds() {
		h := probeImage(t, &imageFile{data: s, chunks: []byte{6}})
		if want := readHeader(s); h != want {
			t.Errorf("%.40q: %+v, the second reader says %+v", s, h, want)
		}
		formats[h.format] = true
		if h.backing == "base" {
			names++
		}
		if h.data == "data" {
			names++
		}
	}
	for _, format := range []string{"", "qcow", "qcow2", "qed", "vmdk"} {
		if !formats[format] {
			t.Errorf("no image of the format %q", format)
		}
	}
	if names < 6 {
		t.Errorf("%d names were found", names)
	}
}

// imageSeeds are starts of images of each format, with names and without.
func imageSeeds() [][]byte {
	pack := func(order binary.ByteOrder, fields ...any) []byte {
		var b bytes.Buffer
		for _, f := range fields {
			if s, ok := f.(string); ok {
				b.WriteString(s)
				continue
			}
			if err := binary.Write(&b, order, f); err != nil {
				panic(err) // of a field without a size
			}
		}
		return b.Bytes()
	}
	be, le := binary.BigEndian, binary.LittleEndian
	v3 := func(features uint64, extensions string) []byte {
		at := uint64(104 + len(extensions))
		return pack(be, "QFI\xfb", uint32(3), at, uint32(4), uint32(16), uint64(1<<20), make([]byte, 40), features, make([]byte, 20), uint32(104), extensions, "base")
	}
	extension := func(kind uint32, s string) string {
		return string(pack(be, kind, uint32(len(s)), s, make([]byte, -len(s)&7)))
	}
	end := string(make([]byte, 8))
	return [][]byte{
		nil,
		make([]byte, 512),
		[]byte("<<< Oracle VM VirtualBox Disk Image >>>\n"), // vdi
		[]byte("conectix"), // vpc
		[]byte("# Disk DescriptorFile\nparentFileNameHint=\"base\"\n"),
		pack(be, "QFI\xfb", uint32(1), uint64(24), uint32(4), uint32(4), "base"),
		pack(be, "QFI\xfb", uint32(2), uint64(72), uint32(4), make([]byte, 52), "base"),
		v3(0, extension(0xe2792aca, "raw")+end),
		v3(4, extension(0x44415441, "data")+extension(0xe2792aca, "qcow2")+end),
		v3(0, extension(0x44415441, "data")+end),
		v3(4, extension(0xe2792aca, "8 bytes.")), // up to the name
		v3(4, extension(0x44415441, "8 bytes.")),
		v3(4, extension(0x6803f857, "\x00\x00names of features")+extension(0x44415441, "data")),
		pack(le, "QED\x00", make([]byte, 12), uint64(1|4), make([]byte, 32), uint32(64), uint32(4), "base"),
		pack(le, "QED\x00", make([]byte, 12), uint64(0), make([]byte, 32), uint32(64), uint32(4), "base"),
		pack(le, "KDMV", make([]byte, 508), "parentCID=12345678\nparentFileNameHint=\"base\"\n\x00"),
		pack(le, "KDMV", make([]byte, 508), "parentCID=ffffffff\nparentFileNameHint=\"base\"\n\x00"),
	}
}

// readHeader is the second reader. It reads as a program does that is given the
// file: fields one after the other, until there are no more.
func readHeader(data []byte) header {
	r := bytes.NewReader(data[:min(len(data), 1<<16)])
	switch start := string(data[:min(len(data), 4)]); start {
	case "QFI\xfb":
		return readQcow(r)
	case "QED\x00":
		var fixed struct {
			Magic, Cluster, Table, Header   uint32
			Features, Compatible, Autoclear uint64
			L1, Size                        uint64
			BackingOffset, BackingSize      uint32
		}
		if binary.Read(r, binary.LittleEndian, &fixed) != nil {
			return header{}
		}
		h := header{format: "qed"}
		if fixed.Features%2 == 1 {
			h.backing = readName(r, int64(fixed.BackingOffset), int64(fixed.BackingSize))
			if fixed.Features/4%2 == 1 {
				h.backingFormat = "raw"
			}
		}
		return h
	case "KDMV":
		return header{format: "vmdk", backing: readDescriptor(r), backingFormat: "vmdk"}
	}
	return header{}
}

// readName reads a name of the given place and size, up to a NUL.
func readName(r *bytes.Reader, offset, size int64) string {
	if offset <= 0 || size < 1 || size > 1023 {
		return ""
	}
	name, err := io.ReadAll(io.NewSectionReader(r, offset, size))
	if err != nil || int64(len(name)) != size {
		return ""
	}
	before, _, _ := strings.Cut(string(name), "\x00")
	return before
}

func readQcow(r *bytes.Reader) header {
	var fixed struct {
		Magic, Version uint32
		BackingOffset  int64
		BackingSize    uint32
	}
	if binary.Read(r, binary.BigEndian, &fixed) != nil {
		return header{}
	}
	name := readName(r, fixed.BackingOffset, int64(fixed.BackingSize))
	if fixed.Version == 1 {
		return header{format: "qcow", backing: name}
	}
	if fixed.Version != 2 && fixed.Version != 3 {
		return header{}
	}
	h := header{format: "qcow2", backing: name}
	var rest struct {
		_                                   [52]byte // to byte 72
		Incompatible, Compatible, Autoclear uint64
		RefcountOrder, Length               uint32
	}
	from, external := int64(72), false
	if fixed.Version == 3 {
		if binary.Read(r, binary.BigEndian, &rest) != nil {
			return h
		}
		from, external = int64(rest.Length), rest.Incompatible>>2&1 == 1
	}
	past := r.Size()
	if 0 < fixed.BackingOffset && fixed.BackingOffset < past {
		past = fixed.BackingOffset
	}
	for past-from >= 8 {
		extensions := io.NewSectionReader(r, from, past-from)
		var e struct{ Kind, Size uint32 }
		if binary.Read(extensions, binary.BigEndian, &e) != nil || e.Kind == 0 {
			break
		}
		value := make([]byte, min(int64(e.Size), past-from))
		if _, err := io.ReadFull(extensions, value); err != nil || len(value) != int(e.Size) {
			break
		}
		text := strings.TrimRight(string(value), "\x00")
		switch e.Kind {
		case 0xe2792aca:
			h.backingFormat = text
		case 'D'<<24 | 'A'<<16 | 'T'<<8 | 'A':
			if external && e.Size <= 1023 {
				h.data = text
			}
		}
		from += 8 + (int64(e.Size)+7)/8*8
	}
	return h
}

var (
	parentHint = regexp.MustCompile(`parentFileNameHint="([^"]*)"`)
	noParent   = regexp.MustCompile(`parentCID=f{8}`)
)

// readDescriptor finds the parent in the text that begins at byte 512.
func readDescriptor(r *bytes.Reader) string {
	text, _ := io.ReadAll(io.NewSectionReader(r, 512, 20*512))
	text, _, _ = bytes.Cut(text, []byte{0})
	hint := parentHint.FindSubmatch(text)
	if hint == nil || noParent.Match(text) || len(hint[1]) > 1023 {
		return ""
	}
	return string(hint[1])
}
