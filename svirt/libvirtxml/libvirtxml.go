// SPDX-License-Identifier: Apache-2.0

// Package libvirtxml reads libvirt's domain XML into package svirt's values.
//
// Only what matters for confinement is read, and only that is checked: an
// element that corresponds to nothing on the host may say what it likes. The input
// may be hostile; size, depth and number of elements are bounded.
package libvirtxml

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/svirt"
)

// ErrorKind is the kind of an Error.
type ErrorKind string

// The kinds of errors.
const (
	Malformed ErrorKind = "malformed" // no well-formed XML
	TooLarge  ErrorKind = "too-large" // a limit was exceeded; Err is a *diag.LimitError
	Missing   ErrorKind = "missing"   // something that a domain must have is not there
	Invalid   ErrorKind = "invalid"   // something has a value that it cannot have
)

// Error says what is wrong with a document.
type Error struct {
	Kind    ErrorKind
	Line    int    // from 1; 0 when unknown
	Element string // path of the element, as domain/devices/disk; may be empty
	Message string
	Err     error // the cause, if there is one
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

// Parse reads one domain. The number that it may say of itself is left out:
// it is libvirtd's to give, and the runtime directory of the machine that has
// it goes by it. The error is an *Error, or an *svirt.IdentityError for a name
// or UUID that cannot be used.
func Parse(data []byte) (*svirt.Domain, error) { return Any.Parse(data) }

// ParseLive is Parse with the number, for a document that is libvirtd's own
// word on a running machine, such as what `virsh dumpxml` prints and what
// virt-aa-helper gets. It must not have passed through the hands of anybody who
// is not trusted with all machines.
func ParseLive(data []byte) (*svirt.Domain, error) { return Any.ParseLive(data) }

// Parse reads one domain and refuses what the version refuses. The number and
// errors are as with the function Parse.
func (v Version) Parse(data []byte) (*svirt.Domain, error) { return v.read(data, false) }

// ParseLive is the function ParseLive, and refuses what the version refuses.
func (v Version) ParseLive(data []byte) (*svirt.Domain, error) { return v.read(data, true) }

func (v Version) read(data []byte, live bool) (*svirt.Domain, error) {
	root, err := v.parse(data)
	if err != nil {
		return nil, err
	}
	c := converter{root: root, live: live}
	d, err := c.domain()
	if err != nil {
		return nil, err
	}
	if err := v.check(root); err != nil {
		return nil, err
	}
	return d, nil
}

// converter turns the tree of one document into a Domain.
type converter struct {
	root  *node
	live  bool // the number counts
	d     *svirt.Domain
	hvm   bool
	slots []slot // of the disks so far
}

func missing(element, what string) error {
	return &Error{Kind: Missing, Element: element, Message: what}
}

func invalid(element, format string, args ...any) error {
	return &Error{Kind: Invalid, Element: element, Message: fmt.Sprintf(format, args...)}
}

func (c *converter) domain() (*svirt.Domain, error) {
	root := c.root
	if root.name != "domain" {
		return nil, invalid(root.name, "the root element is not <domain>")
	}
	c.d = &svirt.Domain{Type: root.attr("type"), Name: root.child("name").content()}
	if c.d.Type == "" {
		return nil, missing("domain", "there is no type")
	}
	if root.child("uuid") == nil {
		return nil, missing("domain/uuid", "there is no UUID")
	}
	uuid, ok := canonicalUUID(root.child("uuid").content())
	if !ok {
		return nil, &svirt.IdentityError{What: "uuid", Value: root.child("uuid").content(), Reason: "it is not a UUID"}
	}
	c.d.UUID = uuid
	if c.d.Name == "" {
		return nil, missing("domain/name", "there is no name")
	}
	ostype := root.at("os", "type").content()
	if ostype == "" {
		return nil, missing("domain/os/type", "there is no OS type")
	}
	switch ostype {
	case "hvm", "xen", "linux", "exe", "uml", "xenpvh":
	default:
		return nil, invalid("domain/os/type", "there is no OS type %q", ostype)
	}
	c.hvm = ostype == "hvm"
	if s, ok := root.lookup("id"); ok && c.live {
		id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
		if err == nil && id >= 0 {
			n := int(id)
			c.d.ID = &n
		}
	}
	c.d.LaunchSecurity = root.child("launchSecurity").attr("type")
	c.boot(root.child("os"))
	root.all("sysinfo", func(n *node) {
		if n.attr("type") != "fwcfg" {
			return
		}
		n.all("entry", func(n *node) {
			if file := n.attr("file"); file != "" {
				c.d.Boot.FWCfg = append(c.d.Boot.FWCfg, file)
			}
		})
	})
	return c.d, c.devices(root.child("devices"))
}

// canonicalUUID takes a UUID as libvirt does: digits in either case, dashes
// where one likes, blanks around it.
func canonicalUUID(s string) (string, bool) {
	s = strings.ToLower(strings.Trim(s, " \t\n\v\f\r"))
	digits := make([]byte, 0, 32)
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '-':
			// A dash parts bytes, not their halves, and two do not follow each other.
			if len(digits)%2 != 0 || i+1 == len(s) {
				return "", false
			}
		case '0' <= b && b <= '9', 'a' <= b && b <= 'f':
			if len(digits) == 32 {
				return "", false
			}
			digits = append(digits, b)
		default:
			return "", false
		}
	}
	if len(digits) != 32 {
		return "", false
	}
	d := string(digits)
	return d[:8] + "-" + d[8:12] + "-" + d[12:16] + "-" + d[16:20] + "-" + d[20:], true
}

func (c *converter) boot(os *node) {
	b := &c.d.Boot
	b.Kernel = os.child("kernel").content()
	b.Initrd = os.child("initrd").content()
	b.Shim = os.child("shim").content()
	b.DTB = os.child("dtb").content()
	os.child("acpi").all("table", func(n *node) {
		if path := n.content(); path != "" {
			b.ACPI = append(b.ACPI, path)
		}
	})
	if n := os.child("loader"); n.content() != "" {
		// A ROM cannot be written unless the document says otherwise.
		readonly := n.attr("readonly")
		if readonly == "" && n.attr("type") == "rom" {
			readonly = "yes"
		}
		b.Loader = &svirt.Loader{Path: n.content(), ReadOnly: readonly == "yes"}
	}
	if n := os.child("nvram"); n != nil {
		if kind, ok := n.lookup("type"); ok {
			b.NVRAM = source(n.child("source"), kind)
		} else if n.content() != "" {
			b.NVRAM = &svirt.Image{Type: svirt.ImageFile, Path: n.content()}
		}
	}
	b.VarStore = os.child("varstore").attr("path")
}

func (c *converter) devices(n *node) error {
	d := &c.d.Devices
	n.all("disk", c.disk)
	c.chardevs(n)
	n.all("graphics", c.graphics)
	n.all("interface", c.net)
	n.all("hostdev", c.hostDevice)
	n.all("filesystem", c.filesystem)
	n.all("input", func(n *node) {
		if t := n.attr("type"); t == "passthrough" || t == "evdev" {
			s := n.child("source")
			path := s.attr("evdev")
			if t == "evdev" {
				path = s.attr("dev")
			}
			d.Inputs = append(d.Inputs, svirt.Input{ID: alias(n), Path: path})
		}
	})
	n.all("memory", func(n *node) {
		m := svirt.Memory{ID: alias(n), Model: n.attr("model"), Path: n.at("source", "path").content()}
		d.Memory = append(d.Memory, m)
	})
	n.all("shmem", func(n *node) {
		d.Shmem = append(d.Shmem, svirt.Shmem{
			ID: alias(n), Name: n.attr("name"), Model: n.child("model").attr("type"), Server: n.child("server").attr("path"),
		})
	})
	n.all("tpm", func(n *node) {
		b := n.child("backend")
		t := svirt.TPM{ID: alias(n), Backend: b.attr("type"), Version: b.attr("version")}
		switch t.Backend {
		case "passthrough":
			t.Path = b.child("device").attr("path")
		case "external":
			t.Path = b.child("source").attr("path")
		}
		d.TPMs = append(d.TPMs, t)
	})
	n.all("smartcard", func(n *node) {
		d.Smartcards = append(d.Smartcards, svirt.Smartcard{
			ID: alias(n), Mode: n.attr("mode"), Database: n.child("database").content(),
		})
	})
	for _, name := range []string{"redirdev", "smartcard"} {
		n.all(name, func(n *node) {
			if n.attr("type") != "" {
				d.Chardevs = append(d.Chardevs, chardev(n))
			}
		})
	}
	n.all("rng", func(n *node) {
		b := n.child("backend")
		ch := chardev(b)
		ch.ID = alias(n)
		switch b.attr("model") {
		case "egd":
		case "random":
			ch.Type, ch.Path = svirt.ChardevDev, b.content()
		default:
			return
		}
		d.Chardevs = append(d.Chardevs, ch)
	})
	n.all("pstore", func(n *node) {
		d.PStores = append(d.PStores, svirt.PStore{ID: alias(n), Path: n.child("path").content()})
	})
	return nil
}

// alias returns the name that libvirt or the user gave a device.
func alias(n *node) string { return n.child("alias").attr("name") }
