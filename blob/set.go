// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"fmt"
	"strings"
)

// set applies what a kernel requires of all profiles of a stream together.
type set struct {
	needs []string // parents that must be there already

	names     map[string]bool // without namespace
	needed    map[string]bool
	namespace string // the one that all profiles belong to
	unscoped  bool   // profiles came before any namespace was named
}

// newSet returns an empty set for profiles whose header names a namespace, or
// for those of headers without one.
func newSet(namespace string) *set {
	return &set{names: map[string]bool{}, needed: map[string]bool{}, namespace: namespace}
}

func (s *set) add(p *Profile) *FormatError {
	fail := func(kind error, errno Errno, reason, hint string) *FormatError {
		return &FormatError{Profile: p.Name, Member: "name", Reason: reason, Hint: hint, Errno: errno, Err: kind}
	}
	own, name := splitName(p.Name)
	switch {
	case own != "" && s.namespace == "" && s.unscoped,
		own != "" && s.namespace != "" && own != s.namespace:
		return fail(ErrNamespace, EACCES, "policy load has mixed namespaces", "write one set per namespace")
	case own != "" && s.namespace == "":
		s.namespace = own
	case s.namespace == "":
		s.unscoped = true
	}
	if strings.Contains(s.namespace, "//") {
		return fail(ErrNamespace, EACCES, fmt.Sprintf("namespace %q is nested", s.namespace), "load it through the outer namespace's own directory")
	}
	if s.names[name] {
		// Kernels insert both, or crash if the name exists already.
		return fail(ErrDuplicate, 0, "the set already has a profile of this name", "leave one out, or write two sets")
	}
	if s.needed[name] {
		return fail(ErrParent, ENOENT, "the parent comes after its child", "write parents first")
	}
	if parent := ParentName(name); parent != "" && !s.names[parent] && !s.needed[parent] {
		s.needed[parent] = true
		s.needs = append(s.needs, parent)
	}
	s.names[name] = true
	return nil
}

// ParentName returns what comes before the last separator "//" of a profile's
// full name, which is the profile that it is a hat or child of; "" for a
// profile at the top. Kernels look for separators from the front: the child
// "/bin/c" of p is "p///bin/c".
func ParentName(name string) string {
	parent := ""
	for from := 0; ; {
		i := strings.Index(name[from:], "//")
		if i < 0 {
			return parent
		}
		parent = name[:from+i]
		from += i + 2
	}
}

// splitName splits a name as kernels do: `:ns:name` and `:ns://name` carry a
// namespace. Blanks before either part do not count.
func splitName(full string) (namespace, name string) {
	name = strings.TrimLeft(full, " \t\n\v\f\r")
	if !strings.HasPrefix(name, ":") {
		return "", name
	}
	namespace, name, _ = strings.Cut(name[1:], ":")
	name = strings.TrimPrefix(name, "//")
	return namespace, strings.TrimLeft(name, " \t\n\v\f\r")
}

// maxFileName is the longest name of a file. A profile is a directory in
// securityfs: its name in file-system safe form, a dot and a number.
const maxFileName = 255

// checkName returns what is wrong with a profile's name and the error number
// of a kernel's refusal.
func checkName(full string) (reason string, errno Errno) {
	namespace, name := splitName(full)
	switch {
	case full == "" || name == "":
		return "the name is empty", EPROTO
	case namespace == "" && strings.HasPrefix(strings.TrimLeft(full, " \t\n\v\f\r"), ":"):
		return "the namespace in the name is empty", EPROTO
	}
	if n := safeLen(name) + len(".0"); n > maxFileName {
		return fmt.Sprintf("the name is too long: its file-system safe form takes %d of %d bytes", n, maxFileName), ENAMETOOLONG
	}
	return "", 0
}

// safeLen returns the length of the last component of a profile's name as a
// file name: leading slashes and what is not a letter, a digit, a blank, a
// slash or one of "._-" is left out.
func safeLen(name string) int {
	if parent := ParentName(name); parent != "" {
		name = name[len(parent)+2:]
	}
	n := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			isSpace(c), strings.IndexByte("/._-", c) >= 0, c >= 0x80:
			n++
		}
	}
	return n
}
