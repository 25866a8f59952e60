// SPDX-License-Identifier: Apache-2.0

// Package libvirtxml makes machines of package svirt of libvirt's domain XML.
//
// FromDomain converts the Go form of such a document, which is that of the
// module libvirt.org/go/libvirtxml. That package has the same name, so a program
// that imports both gives one of them another:
//
//	import (
//		"libvirt.org/go/libvirtxml"
//
//		svirtxml "github.com/goarmor/apparmor/svirt/libvirtxml"
//	)
//
// Parse reads the XML itself. The text may be hostile: its size, its depth, the
// length of its tags and the number of its elements are bounded before anything
// is made of them.
//
// Only what matters for confinement is read, and only that is checked: an
// element that corresponds to nothing on the host may have any content. An
// element with a path that is not read becomes a warning of the machine (see
// svirt.Domain.Warnings).
package libvirtxml

import (
	"fmt"
	"strings"

	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
)

// ErrorKind is the kind of an Error.
type ErrorKind string

// The kinds of errors.
const (
	Malformed ErrorKind = "malformed" // not well-formed XML, or with a document type
	TooLarge  ErrorKind = "too-large" // a limit was exceeded; Err is a *diag.LimitError
	Missing   ErrorKind = "missing"   // a domain lacks something that it must have
	Invalid   ErrorKind = "invalid"   // something has a value that it cannot have
)

// Error says what is wrong with a document.
type Error struct {
	Kind    ErrorKind // what kind of mistake it is
	Line    int       // from 1; 0 when unknown
	Element string    // path of the element, as domain/devices/disk; may be empty
	Message string    // what is wrong, one line
	Err     error     // the cause, if there is one
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("domain XML: ")
	if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Element != "" {
		fmt.Fprintf(&b, "%s: ", e.Element)
	}
	b.WriteString(e.Message)
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Parse reads one domain. It leaves out the number that the document may have:
// only libvirtd gives numbers, and a machine's runtime directory is named by its
// number. The error is an *Error, or an *svirt.IdentityError for a name
// or UUID that cannot be used.
//
// If an element may be there only once, the first one counts, as in libvirt.
// Elements of other namespaces than QEMU's are ignored.
func Parse(data []byte) (*svirt.Domain, error) { return parse(data, false) }

// ParseLive is Parse with the number, for a document that is libvirtd's own
// word on a running machine, such as the output of `virsh dumpxml` and the input
// of virt-aa-helper. It must only have passed through the hands of those who are
// trusted with all machines.
func ParseLive(data []byte) (*svirt.Domain, error) { return parse(data, true) }

func parse(data []byte, live bool) (*svirt.Domain, error) {
	doc, err := read(data)
	if err != nil {
		return nil, err
	}
	c := converter{from: &doc.domain, live: live, volumes: doc.volumes, left: doc.left}
	return c.domain()
}

// FromDomain converts a domain. Its number is left out, as by Parse, and errors
// are those of Parse. The domain is not changed and nothing of it is kept.
//
// The library has no field for where libvirtd found the volume of a disk, and
// drops what it does not know; Parse keeps both. A disk that is a volume
// becomes a warning here, since its file is unknown.
func FromDomain(d *libvirt.Domain) (*svirt.Domain, error) {
	c := converter{from: d}
	return c.domain()
}

// FromLiveDomain is FromDomain with the number; see ParseLive.
func FromLiveDomain(d *libvirt.Domain) (*svirt.Domain, error) {
	c := converter{from: d, live: true}
	return c.domain()
}

func missing(element, what string) error {
	return &Error{Kind: Missing, Element: element, Message: what}
}

func invalid(element, format string, args ...any) error {
	return &Error{Kind: Invalid, Element: element, Message: fmt.Sprintf(format, args...)}
}
