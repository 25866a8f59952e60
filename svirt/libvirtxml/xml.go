// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

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
)

// node is an element without a namespace. Elements of other namespaces, such
// as qemu:commandline, are left out with everything in them.
type node struct {
	name     string
	attrs    []xml.Attr
	elements []*node
	text     string
}

// tooLarge is the error for a limit that is exceeded.
func tooLarge(what string, limit, got int) *Error {
	err := &diag.LimitError{What: what, Limit: int64(limit), Got: int64(got)}
	return &Error{Kind: TooLarge, Message: err.Error(), Err: err}
}

// repeated returns the name of an attribute that is there twice.
func repeated(attrs []xml.Attr) (string, bool) {
	const few = 16
	if len(attrs) > few {
		seen := make(map[xml.Name]bool, len(attrs))
		for _, a := range attrs {
			if seen[a.Name] {
				return a.Name.Local, true
			}
			seen[a.Name] = true
		}
		return "", false
	}
	for i, a := range attrs {
		for _, b := range attrs[:i] {
			if a.Name == b.Name {
				return a.Name.Local, true
			}
		}
	}
	return "", false
}

// parse reads a document into a tree.
func (v Version) parse(data []byte) (*node, error) {
	if len(data) > MaxSize {
		return nil, tooLarge("bytes of the document", MaxSize, len(data))
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // the mark of UTF-8
	if v != Any {
		// To libvirt a document ends at the first NUL.
		data, _, _ = bytes.Cut(data, []byte{0})
	}
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = v.charset
	var (
		root    *node
		open    []*node
		foreign int // depth inside an element of another namespace
		nodes   int
		text    [][]byte // of the open elements
	)
	fail := func(format string, args ...any) (*node, error) {
		line, _ := dec.InputPos()
		return nil, &Error{Kind: Malformed, Line: line, Message: fmt.Sprintf(format, args...)}
	}
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			line, _ := dec.InputPos()
			var syntax *xml.SyntaxError
			if errors.As(err, &syntax) {
				return nil, &Error{Kind: Malformed, Line: syntax.Line, Message: syntax.Msg}
			}
			return nil, &Error{Kind: Malformed, Line: line, Message: err.Error(), Err: err}
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if len(open)+foreign >= MaxDepth {
				return nil, tooLarge("nesting of elements", MaxDepth, MaxDepth+1)
			}
			if nodes++; nodes > MaxNodes {
				return nil, tooLarge("elements of the document", MaxNodes, nodes)
			}
			if foreign > 0 || t.Name.Space != "" {
				foreign++
				continue
			}
			if name, ok := repeated(t.Attr); ok {
				return fail("attribute %s of <%s> is there twice", name, t.Name.Local)
			}
			n := &node{name: t.Name.Local, attrs: t.Attr}
			if len(open) > 0 {
				up := open[len(open)-1]
				up.elements = append(up.elements, n)
			} else if root != nil {
				return fail("there is more than one root element")
			} else {
				root = n
			}
			open = append(open, n)
			if len(text) < len(open) {
				text = append(text, nil)
			}
		case xml.EndElement:
			if foreign > 0 {
				foreign--
				continue
			}
			last := len(open) - 1
			open[last].text = string(text[last])
			text[last] = text[last][:0]
			open = open[:last]
		case xml.CharData:
			if foreign == 0 && len(open) > 0 {
				top := len(open) - 1
				text[top] = append(text[top], t...)
			} else if len(open) == 0 && len(bytes.TrimSpace(t)) > 0 {
				return fail("there is text outside of the root element")
			}
		}
	}
	if root == nil {
		return fail("there is no element")
	}
	return root, nil
}

// charset converts the encodings that a declaration may name besides UTF-8,
// which the decoder knows itself.
func (v Version) charset(label string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(label) {
	case "us-ascii", "ascii":
		return in, nil
	case "utf-16":
		if v == Libvirt90 {
			return in, nil // its libxml2 goes by what the bytes look like
		}
	case "iso-8859-1", "latin1":
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		out := make([]rune, len(data))
		for i, b := range data {
			out[i] = rune(b)
		}
		return strings.NewReader(string(out)), nil
	}
	return nil, fmt.Errorf("the encoding %q is not supported", label)
}

// child returns the first child of the name. It works on a nil node.
func (n *node) child(name string) *node {
	if n == nil {
		return nil
	}
	for _, c := range n.elements {
		if c.name == name {
			return c
		}
	}
	return nil
}

// all calls f for every child of the name.
func (n *node) all(name string, f func(*node)) {
	if n == nil {
		return
	}
	for _, c := range n.elements {
		if c.name == name {
			f(c)
		}
	}
}

// at follows children by name.
func (n *node) at(names ...string) *node {
	for _, name := range names {
		n = n.child(name)
	}
	return n
}

// attr returns an attribute without a namespace, or the empty string.
func (n *node) attr(name string) string {
	s, _ := n.lookup(name)
	return s
}

func (n *node) lookup(name string) (string, bool) {
	if n == nil {
		return "", false
	}
	for _, a := range n.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// content returns the text directly in the element.
func (n *node) content() string {
	if n == nil {
		return ""
	}
	return n.text
}
