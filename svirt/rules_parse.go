// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
)

// ErrForeign is matched by the error of ParseRules for text that Strict did not
// write, and by that of a Manager for a machine with such a `.files`, or whose
// profile is in force without any file of the Manager's.
var ErrForeign = errors.New("it is somebody else's")

// ParseRules reads back what AppendFile or AppendText of rules of the strict
// policy wrote, with the devices that the rules are for. The name is used in
// positions. An error is a diag.List, or matches ErrForeign.
func ParseRules(ctx context.Context, name string, text []byte) (*Rules, error) {
	file, err := parser.Config{Context: parser.ContextBody}.Parse(ctx, name, string(text))
	if err != nil {
		return nil, err
	}
	r := &Rules{method: Strict, identity: identity{number: -1}, list: []Rule{}}
	rest := file.Src
	if line, after, ok := strings.Cut(rest, "\n"); ok && strings.HasPrefix(line, headerStart) {
		rest = after
		if r.owner = strings.TrimSuffix(strings.TrimPrefix(line, headerStart), "."); r.owner == libvirtOwner {
			r.owner = ""
		}
	}
	if line, _, ok := strings.Cut(rest, "\n"); ok {
		if owner, ok := strings.CutPrefix(line, machinePrefix); ok {
			if r.identity, ok = parseIdentity(owner); !ok {
				return nil, fmt.Errorf("%s: the machine is not named as it should be: %w", name, ErrForeign)
			}
			if !r.parseNotes(rest[len(line)+1:]) {
				return nil, fmt.Errorf("%s: what is remembered of the machine cannot be read: %w", name, ErrForeign)
			}
		}
	}
	for _, s := range file.Stmts {
		foreign := func() error { return fmt.Errorf("%s: %w", file.Position(s.Pos()), ErrForeign) }
		owners, ok := parseOwners(comment(file.Src, s.End().Offset()))
		if !ok {
			return nil, foreign()
		}
		switch s := s.(type) {
		case *ast.Include:
			if s.Path != glAbstraction || s.Kind != ast.IncludeMagic || s.IfExists {
				return nil, foreign()
			}
			// Earlier releases included what is written out now.
			for _, o := range owners {
				r.list = appendGL(r.list, o.device)
			}
		case *ast.FileRule:
			plain := ast.FileRule{Span: s.Span, Qualifiers: ast.Qualifiers{Owner: ownerOf(s.Path)}, Path: s.Path, Perms: s.Perms, Exec: s.Exec, Link: linkTarget(s.Path, s.Perms)}
			if *s != plain || s.Perms == 0 || s.Exec != ast.ExecNone && s.Exec != ast.ExecInherit || !strings.HasPrefix(string(s.Path), "/") || s.Path.HasVariable() {
				return nil, foreign()
			}
			from := len(r.list)
			for _, o := range owners {
				if o.perms == 0 {
					o.perms, o.exec = s.Perms, s.Exec
				}
				// Programs are executed, and nothing else is.
				if !mayExec(o.device.Kind, o.exec) || o.exec > s.Exec {
					return nil, foreign()
				}
				r.list = append(r.list, Rule{Device: o.device, Path: s.Path, Perms: o.perms, Exec: o.exec})
			}
			if perms, exec := union(r.list[from:]); perms != s.Perms || exec != s.Exec {
				return nil, foreign()
			}
		default:
			return nil, foreign()
		}
	}
	r.list = sortRules(r.list)
	return r, nil
}

// The lines of what is remembered of a machine, after the one that names it.
// Earlier releases take them for comments.
const (
	notesLine   = "# notes: 1\n" // without it, a release wrote the file that remembers nothing
	chainPrefix = "# chain: "
	sharePrefix = "# shareable: "
	jailPrefix  = "# jail: "
)

// appendNotes writes what parseNotes reads.
func (r *Rules) appendNotes(dst []byte) []byte {
	dst = append(dst, notesLine...)
	if r.jail != "" {
		dst = append(strconv.AppendQuoteToASCII(append(dst, jailPrefix...), r.jail), '\n')
	}
	if len(r.chains)+len(r.shared) == 0 {
		return dst
	}
	for _, d := range sortedDevices(r.chains) {
		dst = appendOwner(append(dst, chainPrefix...), d)
		c := r.chains[d]
		for _, file := range append([]string{c.top}, c.files...) {
			dst = strconv.AppendQuoteToASCII(append(dst, ' '), file)
		}
		dst = append(dst, '\n')
	}
	for _, d := range sortedDevices(r.shared) {
		dst = append(appendOwner(append(dst, sharePrefix...), d), '\n')
	}
	return dst
}

func sortedDevices[V any](m map[Device]V) []Device {
	return slices.SortedFunc(maps.Keys(m), func(a, b Device) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.ID, b.ID))
	})
}

// parseNotes reads the lines at the start of a text.
func (r *Rules) parseNotes(text string) bool {
	text, r.noted = strings.CutPrefix(text, notesLine)
	for r.noted {
		line, rest, ok := strings.Cut(text, "\n")
		if !ok {
			return true
		}
		if s, ok := strings.CutPrefix(line, chainPrefix); ok {
			d, s, ok := parseDevice(s)
			var files []string
			for ok && s != "" {
				quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(s, " "))
				if err != nil || s[0] != ' ' {
					return false
				}
				file, err := strconv.Unquote(quoted)
				if err != nil {
					return false
				}
				files = append(files, file)
				s = s[1+len(quoted):]
			}
			if !ok || len(files) < 2 {
				return false
			}
			r.chains = joined(r.chains, map[Device]chain{d: {files[0], files[1:]}})
		} else if s, ok := strings.CutPrefix(line, jailPrefix); ok {
			jail, err := strconv.Unquote(s)
			if err != nil || s[0] != '"' {
				return false
			}
			r.jail = jail
		} else if s, ok := strings.CutPrefix(line, sharePrefix); ok {
			d, s, ok := parseDevice(s)
			if !ok || s != "" {
				return false
			}
			r.shared = joined(r.shared, map[Device]bool{d: true})
		} else {
			return true
		}
		text = rest
	}
	return true
}

// remembered returns the chains that were found before. Of a file that an
// earlier release wrote, whatever a disk has counts as found.
func (r *Rules) remembered() map[Device]chain {
	if r.noted {
		return r.chains
	}
	chains := map[Device]chain{}
	for i := range r.list {
		if d := r.list[i].Device; d.Kind == DeviceDisk {
			path, _ := r.list[i].Path.Unescape()
			chains[d] = chain{files: append(chains[d].files, path)}
		}
	}
	return chains
}

// comment returns the comment after a statement on its line.
func comment(src string, end int) string {
	line, _, _ := strings.Cut(src[end:], "\n")
	_, text, _ := strings.Cut(line, "#")
	return strings.TrimSpace(text)
}

// mayExec reports whether rules of a kind of device have the exec mode. Beside a
// VMM's own program are files that are read.
func mayExec(kind DeviceKind, exec ast.Exec) bool {
	switch kind {
	case DeviceProgram:
		return exec == ast.ExecInherit
	case DeviceEmulator, DeviceJail:
		return true
	}
	return exec == ast.ExecNone
}

type owner struct {
	device Device
	perms  ast.FilePerm // zero: what the rule has
	exec   ast.Exec
}

// parseDevice reads a device as appendOwner writes it, and returns the rest.
func parseDevice(s string) (d Device, rest string, ok bool) {
	kind, rest, ok := strings.Cut(s, " ")
	if !ok || kind == "" {
		return d, "", false
	}
	d.Kind = DeviceKind(kind)
	if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
		if d.ID, err = strconv.Unquote(quoted); err != nil {
			return d, "", false
		}
		return d, rest[len(quoted):], true
	}
	n := 0
	for n < len(rest) && isWord(rest[n:n+1]) {
		n++
	}
	d.ID = rest[:n]
	return d, rest[n:], n > 0
}

// parseOwners reads `disk vda, disk "v d b" rk`.
func parseOwners(s string) (owners []owner, ok bool) {
	for {
		var o owner
		var rest string
		var ok bool
		if o.device, rest, ok = parseDevice(s); !ok {
			return nil, false
		}
		if perms, ok := strings.CutPrefix(rest, " "); ok {
			perms, _, _ = strings.Cut(perms, ",")
			rest = rest[1+len(perms):]
			perms, exec := strings.CutSuffix(perms, execLetters)
			if exec {
				o.exec = ast.ExecInherit
			}
			if o.perms, ok = parsePerms(perms); !ok {
				return nil, false
			}
		}
		owners = append(owners, o)
		if rest == "" {
			return owners, true
		}
		if s, ok = strings.CutPrefix(rest, ", "); !ok {
			return nil, false
		}
	}
}

// identity is what derivation has to know of a machine besides its devices.
type identity struct {
	name     string
	virtType string
	number   int // negative: none
}

const machinePrefix = "# machine: "

// appendIdentity writes the line that parseIdentity reads.
func appendIdentity(dst []byte, id identity) []byte {
	dst = append(dst, machinePrefix...)
	dst = strconv.AppendQuoteToASCII(dst, id.name)
	dst = append(dst, ' ')
	dst = strconv.AppendQuoteToASCII(dst, id.virtType)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(id.number), 10)
	return append(dst, '\n')
}

func parseIdentity(s string) (id identity, ok bool) {
	var err error
	for _, field := range []*string{&id.name, &id.virtType} {
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return id, false
		}
		if *field, err = strconv.Unquote(quoted); err != nil {
			return id, false
		}
		if s, ok = strings.CutPrefix(s[len(quoted):], " "); !ok {
			return id, false
		}
	}
	id.number, err = strconv.Atoi(s)
	return id, err == nil
}

func identityOf(d *Domain) identity {
	id := identity{name: d.Name, virtType: d.Type, number: -1}
	if d.ID != nil {
		id.number = *d.ID
	}
	return id
}

// domain returns a machine with the identity and the given devices.
func (id identity) domain(uuid string, devices Devices) *Domain {
	d := &Domain{UUID: uuid, Name: id.name, Type: id.virtType, Devices: devices}
	if id.number >= 0 {
		d.ID = &id.number
	}
	return d
}
