// SPDX-License-Identifier: Apache-2.0

package lang

import (
	"slices"
	"strings"
)

// Perms is the permissions of one class of rules: the names of the bits, the
// lowest first. A rule may also say r and w, alone or together, and read and
// write, where these words have a meaning.
type Perms struct {
	names       []string
	read, write uint // what read and write mean; 0: those words are unknown
}

// The permissions of the classes that name them. Package ast has the bits.
var (
	NetPerms = Perms{[]string{
		"create", "bind", "listen", "accept", "connect", "shutdown", "getattr", "setattr", "getopt", "setopt",
		"send", "receive",
	}, 1 << 11, 1 << 10}
	DBusPerms    = Perms{[]string{"send", "receive", "bind", "eavesdrop"}, 1 << 1, 1 << 0}
	SignalPerms  = Perms{[]string{"send", "receive"}, 1 << 1, 1 << 0}
	PtracePerms  = Perms{[]string{"trace", "read", "tracedby", "readby"}, 1 << 1, 1 << 0}
	MqueuePerms  = Perms{[]string{"create", "open", "delete", "read", "write", "getattr", "setattr"}, 1 << 3, 1 << 4}
	IOUringPerms = Perms{[]string{"sqpoll", "override_creds"}, 0, 0}
	UsernsPerms  = Perms{[]string{"create"}, 0, 0}
)

// Has reports whether a word is the name of a permission.
func (p *Perms) Has(word string) bool { return slices.Contains(p.names, word) }

// Nearest returns the name that was probably meant by a misspelled one.
func (p *Perms) Nearest(word string) (string, bool) { return Nearest(p.names, word) }

// Len returns the number of permissions.
func (p *Perms) Len() int { return len(p.names) }

// All returns the set of all permissions.
func (p *Perms) All() uint { return 1<<len(p.names) - 1 }

// Name returns the name of the i-th bit.
func (p *Perms) Name(i int) string { return p.names[i] }

// Parse returns the permissions that a word means.
func (p *Perms) Parse(word string) (set uint, ok bool) {
	for i, name := range p.names {
		if name == word {
			return 1 << i, true
		}
	}
	if p.read == 0 {
		return 0, false
	}
	switch word {
	case "":
		return 0, false
	case "read":
		return p.read, true
	case "write":
		return p.write, true
	}
	for i := 0; i < len(word); i++ {
		switch word[i] {
		case 'r':
			set |= p.read
		case 'w':
			set |= p.write
		default:
			return 0, false
		}
	}
	return set, true
}

// String returns the names of the permissions of a set, separated by blanks.
func (p *Perms) String(set uint) string {
	var b strings.Builder
	for i, name := range p.names {
		if set&(1<<i) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name)
	}
	return b.String()
}
