// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"io/fs"

	"github.com/goarmor/apparmor/ast"
)

// Policy is the way in which rules are derived.
type Method uint8

// The methods.
const (
	// Strict writes every path as a literal, refuses what no machine should
	// have and grants a device what it needs and no more.
	Strict Method = iota
	// Compat90 and Compat128 reproduce virt-aa-helper of libvirt 9.0 and
	// 12.8, byte for byte, with all that they let through.
	Compat90
	Compat128
)

// String returns the name of the method.
func (m Method) String() string {
	switch m {
	case Strict:
		return "strict"
	case Compat90:
		return "compat-9.0"
	case Compat128:
		return "compat-12.8"
	}
	return "unknown"
}

// Options say how rules are derived. The zero value is Strict
// without a file system.
type Options struct {
	Method Method
	// FS is the file system of the host, by names without a leading slash;
	// HostFS is the machine's own. Symbolic links are followed in it, images
	// are probed and host devices looked up. Without one every path is taken
	// as it is, and what has to be looked up is refused.
	FS fs.ReadLinkFS
	// NoProbe leaves images closed: only what the description says of a chain
	// is granted.
	NoProbe bool
	// EscapeSpecial makes Strict take paths that have control
	// bytes or bytes that are special in policy. They are escaped, so that
	// the rule still matches that path and no other.
	EscapeSpecial bool
	// Backing, if it is not empty, lists directories. A backing or data file
	// that only an image names, not the description, must be below one of
	// them. It bounds what a machine can gain by rewriting its own images.
	Backing []string
}

func (o *Options) fs() fs.ReadLinkFS {
	if o.FS == nil {
		return emptyFS{}
	}
	return o.FS
}

// emptyFS has nothing in it.
type emptyFS struct{}

func (emptyFS) Open(n string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: n, Err: fs.ErrNotExist}
}

func (emptyFS) ReadLink(n string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: n, Err: fs.ErrNotExist}
}

func (emptyFS) Lstat(n string) (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "lstat", Path: n, Err: fs.ErrNotExist}
}

// Derive returns the rules of a machine. It is a pure function of its
// arguments and of what is in the file system, and safe for concurrent use.
//
// Under Strict every device that is refused is reported: the error
// joins a *PathError for each, and an *IdentityError for a bad name or UUID.
// Under Compat the first one ends the derivation, as in the reference. No
// rules come with an error.
func Derive(d *Domain, o Options) (*Rules, error) {
	switch o.Method {
	case Compat90, Compat128:
		return deriveCompat(d, &o)
	}
	return deriveStrict(d, &o)
}

// Rules are the rules of one machine, as derived. They are not changed once
// they are made and may be shared.
type Rules struct {
	method   Method
	identity identity // of strict rules
	list     []Rule
	gl       []Device // those that need the method Strict's abstraction for GL
	text     []byte   // of compat rules, which are text first
}

// Method returns the method that the rules were derived under.
func (r *Rules) Method() Method { return r.method }

// List returns the rules; they must not be changed. Under Strict
// they are sorted by path, then device, and a path that several devices need
// is there once for each of them. Under Compat they are in the order of the
// text, which may have things that are no rules (see Text).
func (r *Rules) List() []Rule { return r.list }

// addVerbatim adds a line of the reference's, its path not escaped.
func (r *Rules) addVerbatim(d Device, path, perms string, deny bool) {
	if deny {
		r.text = append(r.text, "  # don't audit writes to readonly files\n  deny \""...)
	} else {
		r.text = append(r.text, "  \""...)
	}
	r.text = append(r.text, path...)
	r.text = append(r.text, "\" "...)
	r.text = append(r.text, perms...)
	r.text = append(r.text, ",\n"...)
	p, _ := parsePerms(perms)
	r.list = append(r.list, Rule{Device: d, Path: ast.Decode(path), Perms: p, Deny: deny})
}

func (r *Rules) addComment(text string) {
	r.text = append(r.text, "  # "...)
	r.text = append(r.text, text...)
	r.text = append(r.text, '\n')
}
