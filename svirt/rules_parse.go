// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
)

// ErrForeign is matched by the error of ParseRules for text that the strict
// policy did not write, and of a Manager for a machine with such a `.files`.
var ErrForeign = errors.New("the rules were not written by the method Strict")

// ParseRules reads back what AppendFile or AppendText of rules of the strict
// policy wrote, with the devices that the rules are for. The name is used in
// positions. An error is a diag.List, or matches ErrForeign.
func ParseRules(ctx context.Context, name string, text []byte) (*Rules, error) {
	file, err := parser.Config{Context: parser.ContextBody}.Parse(ctx, name, string(text))
	if err != nil {
		return nil, err
	}
	r := &Rules{method: Strict, identity: identity{number: -1}, list: []Rule{}}
	rest, _ := strings.CutPrefix(file.Src, filesHeader)
	if line, _, ok := strings.Cut(rest, "\n"); ok {
		if owner, ok := strings.CutPrefix(line, machinePrefix); ok {
			if r.identity, ok = parseIdentity(owner); !ok {
				return nil, fmt.Errorf("%s: the machine is not named as it should be: %w", name, ErrForeign)
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
			for _, o := range owners {
				r.gl = append(r.gl, o.device)
			}
		case *ast.FileRule:
			plain := ast.FileRule{Span: s.Span, Path: s.Path, Perms: s.Perms, Exec: s.Exec, Link: linkTarget(s.Path, s.Perms)}
			if *s != plain || s.Perms == 0 || s.Exec != ast.ExecNone && s.Exec != ast.ExecInherit || !strings.HasPrefix(string(s.Path), "/") || s.Path.HasVariable() {
				return nil, foreign()
			}
			from := len(r.list)
			for _, o := range owners {
				if o.perms == 0 {
					o.perms, o.exec = s.Perms, s.Exec
				}
				// Programs are executed, and nothing else is.
				if program := o.device.Kind == DeviceProgram; program != (o.exec == ast.ExecInherit) || o.exec > s.Exec {
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

// comment returns the comment behind a statement on its line.
func comment(src string, end int) string {
	line, _, _ := strings.Cut(src[end:], "\n")
	_, text, _ := strings.Cut(line, "#")
	return strings.TrimSpace(text)
}

type owner struct {
	device Device
	perms  ast.FilePerm // zero: what the rule has
	exec   ast.Exec
}

// parseOwners reads `disk vda, disk "v d b" rk`.
func parseOwners(s string) (owners []owner, ok bool) {
	for {
		var o owner
		kind, rest, ok := strings.Cut(s, " ")
		if !ok || kind == "" {
			return nil, false
		}
		o.device.Kind = DeviceKind(kind)
		if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
			if o.device.ID, err = strconv.Unquote(quoted); err != nil {
				return nil, false
			}
			rest = rest[len(quoted):]
		} else {
			n := 0
			for n < len(rest) && isWord(rest[n:n+1]) {
				n++
			}
			if n == 0 {
				return nil, false
			}
			o.device.ID, rest = rest[:n], rest[n:]
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
