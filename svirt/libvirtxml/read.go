// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/diag"
)

// The limits of a document.
const (
	// MaxSize is the size of the largest document, in bytes.
	MaxSize = 10 << 20
	// MaxDepth is how deep elements may be nested.
	MaxDepth = 256
	// MaxNodes is how many elements a document may have.
	MaxNodes = 1 << 20
	// MaxAttributes is how many attributes an element may have.
	MaxAttributes = 256
	// MaxSiblings is how many elements of one name, such as disks, may be next
	// to each other, of those that are read.
	MaxSiblings = 4096
	// MaxToken is the length of the longest tag with its attributes, text
	// between tags, or comment, in bytes. The decoder reads each as a whole, and
	// needs more time for a byte of a long one.
	MaxToken = 1 << 20
)

// tooLarge is the error for a limit that is exceeded.
func tooLarge(what string, limit int) *Error {
	err := &diag.LimitError{What: what, Limit: int64(limit), Got: int64(limit) + 1}
	return &Error{Kind: TooLarge, Message: err.Error(), Err: err}
}

// document is a domain as the library has it, with what the library has no
// field for.
type document struct {
	domain libvirt.Domain
	// volumes are where libvirtd found the volumes of disks, by the place of
	// the disk among the disks.
	volumes map[int]volume
	// left is what has a path and is not read.
	left []leftover
}

// volume is an image that was found by way of a storage pool.
type volume struct{ kind, path string }

// leftover is something with a path that is not read.
type leftover struct {
	list string // the element in <devices> that it is in, if it is in one
	i    int    // its place among those of the name
	what string // its own place, as domain/devices/disk/@x
	path string
}

// read decodes a document. The library gets a document that has passed the
// limits and holds only elements that are read.
func read(data []byte) (*document, error) {
	if len(data) > MaxSize {
		return nil, tooLarge("bytes of the document", MaxSize)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // the mark of UTF-8
	r := &reader{bytes: byteReader{in: bytes.NewReader(data)}}
	r.in = xml.NewDecoder(&r.bytes)
	r.in.CharsetReader = r.charset
	err := xml.NewTokenDecoder(r).Decode(&r.document.domain)
	if r.err == nil && err == nil {
		// The rest of the document must be well-formed, too.
		for err == nil {
			_, err = r.Token()
		}
		if errors.Is(err, io.EOF) {
			return &r.document, nil
		}
	}
	switch {
	case r.err != nil && !errors.Is(r.err, io.EOF):
		return nil, r.err
	case !r.rooted:
		return nil, r.fail(Malformed, "there is no element")
	default:
		return nil, r.fail(Invalid, "%s", err)
	}
}

// reader hands the tokens of a document on, of those elements that are read.
type reader struct {
	in       *xml.Decoder
	bytes    byteReader // what it reads
	document document
	err      error
	rooted   bool
	nodes    int
	open     []level // elements that are read
	counts   []int   // of the elements in those, by their shape
	deaf     int     // depth in elements that need nothing
	lost     []string
}

// level is an open element that is read.
type level struct {
	shape *shape
	space string // the namespace of what is in it
	i     int    // its place among those of the name
}

func (r *reader) fail(kind ErrorKind, format string, args ...any) *Error {
	line, _ := r.in.InputPos()
	return &Error{Kind: kind, Line: line, Element: r.path(), Message: fmt.Sprintf(format, args...)}
}

// path is the path of the open element.
func (r *reader) path() string {
	var b strings.Builder
	for i := range r.open {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(r.open[i].shape.name)
	}
	for _, name := range r.lost {
		b.WriteByte('/')
		b.WriteString(name)
	}
	return b.String()
}

// Token implements xml.TokenReader.
func (r *reader) Token() (xml.Token, error) {
	for r.err == nil {
		r.bytes.end = r.in.InputOffset() + MaxToken
		tok, err := r.in.Token()
		if err != nil {
			r.err = r.syntax(err)
			break
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if r.err = r.limits(&t); r.err != nil {
				break
			}
			if r.start(&t) {
				return t, nil
			}
		case xml.EndElement:
			switch {
			case r.deaf > 0:
				r.deaf--
			case len(r.lost) > 0:
				r.lost = r.lost[:len(r.lost)-1]
			default:
				last := len(r.open) - 1
				r.counts = r.counts[:len(r.counts)-len(r.open[last].shape.in)]
				r.open = r.open[:last]
				return t, nil
			}
		case xml.CharData:
			switch {
			case r.deaf > 0:
			case len(r.open) == 0 && len(bytes.TrimSpace(t)) > 0:
				r.err = r.fail(Malformed, "there is text outside of the root element")
			case len(r.lost) == 0 && len(r.open) > 0 && r.open[len(r.open)-1].shape.text:
				return t, nil
			case len(r.open) > 0:
				if text := bytes.TrimSpace(t); len(text) > 0 && text[0] == '/' {
					r.leave(r.path(), string(text))
				}
			}
		case xml.Directive:
			// A document type can say of names what they do not look like.
			r.err = r.fail(Malformed, "it has a document type")
		}
	}
	return nil, r.err
}

// syntax makes an Error of one of the decoder's.
func (r *reader) syntax(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	var limit *Error
	if errors.As(err, &limit) {
		return limit
	}
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		return &Error{Kind: Malformed, Line: syntax.Line, Message: syntax.Msg}
	}
	e := r.fail(Malformed, "%s", err)
	e.Err = err
	return e
}

// limits counts an element.
func (r *reader) limits(t *xml.StartElement) error {
	if r.nodes++; r.nodes > MaxNodes {
		return tooLarge("elements of the document", MaxNodes)
	}
	if len(r.open)+len(r.lost)+r.deaf >= MaxDepth {
		return tooLarge("nesting of elements", MaxDepth)
	}
	if len(t.Attr) > MaxAttributes {
		return tooLarge("attributes of an element", MaxAttributes)
	}
	for i, a := range t.Attr {
		for _, b := range t.Attr[:i] {
			if a.Name == b.Name {
				return r.fail(Malformed, "attribute %s of <%s> is there twice", a.Name.Local, t.Name.Local)
			}
		}
	}
	return nil
}

// start takes an element in, and reports whether it is read.
func (r *reader) start(t *xml.StartElement) bool {
	if r.deaf > 0 {
		r.deaf++
		return false
	}
	name := t.Name.Local
	if len(r.open) == 0 {
		switch {
		case r.rooted:
			r.err = r.fail(Malformed, "there is more than one root element")
		case name != domainShape.name || t.Name.Space != "":
			r.rooted = true
			r.err = &Error{Kind: Invalid, Element: name, Message: "the root element is not <domain>"}
		}
		if r.err != nil {
			return false
		}
		r.rooted = true
		r.push(&domainShape, "", 0)
		r.attributes(&domainShape, t)
		return true
	}
	if len(r.lost) > 0 {
		r.lose(t)
		return false
	}
	top := r.open[len(r.open)-1]
	in, space := top.shape, top.space
	if t.Name.Space != space {
		if len(r.open) > 1 {
			r.lose(t)
			return false
		}
		if t.Name.Space != qemuSpace {
			// Others may put there what they like.
			r.deaf = 1
			return false
		}
		in, space = &qemuShapes, qemuSpace
	}
	at := in.element(name)
	if at < 0 {
		switch {
		case in.ignored(name):
			r.deaf = 1
		case in.name == devicesShape.name:
			// A kind of device that is not known is reported, whatever it has.
			r.leave(r.path()+"/"+name, "")
			fallthrough
		default:
			r.lose(t)
		}
		return false
	}
	s, n := &in.in[at], 0
	if in == top.shape {
		count := &r.counts[len(r.counts)-len(in.in)+at]
		n = *count
		*count++
	}
	switch {
	case n > 0 && !s.many:
		r.lose(t)
		return false
	case n >= MaxSiblings:
		r.err = tooLarge("elements "+name+" next to each other", MaxSiblings)
		return false
	case s.again:
		for i := len(r.open) - 1; i >= 0; i-- {
			if r.open[i].shape.name == name {
				s = r.open[i].shape
				break
			}
		}
	}
	if name == backingShape.name {
		switch typ := value(t.Attr, "type"); {
		case typ == "":
			s = &endShape // of the chain, whatever is in it
		case !slices.Contains(backingTypes, typ):
			// The library has no field for it.
			r.leave(r.path()+"/"+name+" of type "+typ, "")
			s = &endShape
		}
	}
	r.push(s, space, n)
	r.attributes(s, t)
	return r.err == nil
}

// backingTypes are the types of images below others that the library knows.
var backingTypes = []string{"file", "block", "dir", "network", "volume", "vhostuser", "vhostvdpa", "ctl"}

// endShape is that of a <backingStore> that ends a chain.
var endShape = shape{name: "backingStore"}

func (r *reader) push(s *shape, space string, i int) {
	r.open = append(r.open, level{s, space, i})
	for range s.in {
		r.counts = append(r.counts, 0)
	}
}

func has(attrs []xml.Attr, name string) bool {
	return slices.ContainsFunc(attrs, func(a xml.Attr) bool { return a.Name.Local == name && a.Name.Space == "" })
}

func value(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// lose passes over an element, and takes note of what looks like a path.
func (r *reader) lose(t *xml.StartElement) {
	r.lost = append(r.lost, t.Name.Local)
	for _, a := range t.Attr {
		if strings.HasPrefix(a.Value, "/") && a.Name.Space != "xmlns" && a.Name.Local != "xmlns" {
			r.leave(r.path()+"/@"+a.Name.Local, a.Value)
		}
	}
}

// leave takes note of something that is not read.
func (r *reader) leave(what, path string) {
	l := leftover{what: what, path: path}
	if len(r.open) > 2 && r.open[1].shape.name == "devices" {
		l.list, l.i = r.open[2].shape.name, r.open[2].i
	}
	if len(r.document.left) < MaxSiblings {
		r.document.left = append(r.document.left, l)
	}
}

// attributes leaves to an element those attributes that are read.
func (r *reader) attributes(s *shape, t *xml.StartElement) {
	if s.name == "source" && has(t.Attr, "actualType") && len(r.open) == 4 && r.open[2].shape.name == "disk" {
		r.volume(t.Attr)
	}
	kept := t.Attr[:0]
	number := func(a *xml.Attr) {
		// libvirt takes any base, the library one or the other.
		if n, err := strconv.ParseUint(strings.TrimSpace(a.Value), 0, 64); err == nil {
			a.Value = strconv.FormatUint(n, 10)
		}
	}
	for _, a := range t.Attr {
		switch {
		case a.Name.Space != "" || a.Name.Local == "xmlns":
		case slices.Contains(s.attrs, a.Name.Local):
			switch {
			case s == &domainShape && a.Name.Local == "id":
				// A value that is not a number is left out, as by libvirt.
				n, err := strconv.ParseInt(strings.TrimSpace(a.Value), 10, 32)
				if err != nil {
					continue
				}
				a.Value = strconv.FormatInt(n, 10)
			case s.numbers && a.Name.Local != "type" && a.Name.Local != "port" && a.Name.Local != "uuid":
				number(&a)
			}
			kept = append(kept, a)
		case strings.HasPrefix(a.Value, "/") && !s.ignored(a.Name.Local):
			r.leave(r.path()+"/@"+a.Name.Local, a.Value)
		}
	}
	t.Attr = kept
	if s.name == "hostdev" && !has(kept, "mode") {
		t.Attr = append(t.Attr, xml.Attr{Name: xml.Name{Local: "mode"}, Value: "subsystem"})
	}
}

// volume takes note of where a volume was found.
func (r *reader) volume(attrs []xml.Attr) {
	v := volume{kind: value(attrs, "actualType")}
	switch v.kind {
	case "file":
		v.path = value(attrs, "file")
	case "block":
		v.path = value(attrs, "dev")
	case "dir":
		v.path = value(attrs, "dir")
	}
	if r.document.volumes == nil {
		r.document.volumes = map[int]volume{}
	}
	r.document.volumes[r.open[2].i] = v
}

// byteReader gives the decoder the bytes of a document, up to some place. The
// decoder would read ahead of any other kind of reader.
type byteReader struct {
	in interface {
		io.Reader
		io.ByteReader
	}
	at, end int64
}

// ReadByte implements io.ByteReader.
func (r *byteReader) ReadByte() (byte, error) {
	b, err := r.in.ReadByte()
	if err == nil {
		if r.at++; r.at > r.end {
			return 0, tooLarge("bytes of a tag, text or comment", MaxToken)
		}
	}
	return b, err
}

// Read implements io.Reader, for those who convert all that follows.
func (r *byteReader) Read(p []byte) (int, error) { return r.in.Read(p) }

// charset converts the encodings that a declaration may name besides UTF-8,
// which the decoder knows itself.
func (r *reader) charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return in, nil
	case "iso-8859-1", "latin1":
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out := make([]rune, len(data))
		for i, b := range data {
			out[i] = rune(b)
		}
		r.bytes.in = strings.NewReader(string(out))
		return &r.bytes, nil
	}
	return nil, fmt.Errorf("the encoding %q is not supported", label)
}
