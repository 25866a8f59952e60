// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// compiled takes text to a compiled policy for a kernel that mediates much.
func compiled(text string) (*query.Policy, error) {
	kernel, ok := features.Kernel("7.3")
	if !ok {
		return nil, errors.New("the features are unknown")
	}
	out, err := compile.Text(context.Background(), "literal", text, compile.Source{
		Kernel: kernel, Default: kernel, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil {
		return nil, err
	}
	return query.Open(out.Policy), nil
}

// place is where a word is matched, as a request in which all words but one are
// as the rules have them.
type place struct {
	name string
	ask  func(is, other string) query.Request
}

var places = []place{
	{"file", func(_, w string) query.Request { return query.File{Path: w, Perms: query.Read} }},
	{"link", func(is, w string) query.Request { return query.Link{Path: w, Target: is} }},
	{"target of a link", func(is, w string) query.Request { return query.Link{Path: is, Target: w} }},
	{"peer of signal", func(_, w string) query.Request {
		return query.Signal{Signal: "term", Perms: query.Send, Peer: w}
	}},
	{"peer of ptrace", func(_, w string) query.Request { return query.Ptrace{Perms: query.Trace, Peer: w} }},
	{"peer address of unix", func(is, w string) query.Request {
		return query.Unix{Type: "stream", Perms: query.Connect, Addr: query.UnixUnnamed, PeerAddr: "@" + w, Peer: is}
	}},
	{"peer of unix", func(is, w string) query.Request {
		return query.Unix{Type: "stream", Perms: query.Connect, Addr: query.UnixUnnamed, PeerAddr: "@" + is, Peer: w}
	}},
	{"address of unix", func(_, w string) query.Request {
		return query.Unix{Type: "dgram", Perms: query.Bind, Addr: "@" + w}
	}},
	{"bus", func(is, w string) query.Request { return message(w, is, is, is, is, is) }},
	{"name on a bus", func(is, w string) query.Request { return message(is, w, is, is, is, is) }},
	{"object path", func(is, w string) query.Request { return message(is, is, w, is, is, is) }},
	{"interface", func(is, w string) query.Request { return message(is, is, is, w, is, is) }},
	{"member", func(is, w string) query.Request { return message(is, is, is, is, w, is) }},
	{"peer on a bus", func(is, w string) query.Request { return message(is, is, is, is, is, w) }},
	{"mount source", func(is, w string) query.Request { return query.Mount{Source: w, Target: is, FSType: is} }},
	{"mount point", func(is, w string) query.Request { return query.Mount{Source: is, Target: w, FSType: is} }},
	{"file system", func(is, w string) query.Request { return query.Mount{Source: is, Target: is, FSType: w} }},
	{"umount", func(_, w string) query.Request { return query.Umount{Target: w} }},
	{"new root", func(is, w string) query.Request { return query.PivotRoot{NewRoot: w, PutOld: is} }},
	{"old root", func(is, w string) query.Request { return query.PivotRoot{NewRoot: is, PutOld: w} }},
	{"change_profile", func(_, w string) query.Request { return query.ChangeProfile{Target: w} }},
}

func message(bus, name, path, iface, member, peer string) query.Request {
	return query.DBus{Op: query.DBusSend, Bus: bus, Name: name, Peer: peer, ObjectPath: path, Interface: iface, Member: member}
}

// rulesOn are rules that allow what places asks for with a word.
func rulesOn(w ast.Pattern) []ast.Stmt {
	return []ast.Stmt{
		&ast.FileRule{Path: w, Perms: ast.FileRead},
		&ast.LinkRule{From: w, To: w},
		&ast.SignalRule{Perms: ast.SignalSend, Peer: w},
		&ast.PtraceRule{Perms: ast.PtraceTrace, Peer: w},
		&ast.UnixRule{Perms: ast.NetConnect, Type: "stream", Peer: ast.UnixEnd{Addr: "@" + w, Label: w}},
		&ast.UnixRule{Perms: ast.NetBind, Type: "dgram", Local: ast.UnixEnd{Addr: "@" + w}},
		&ast.DBusRule{Perms: ast.DBusSend, Bus: w, Path: w, Interface: w, Member: w, PeerName: w, PeerLabel: w},
		&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{w}}}, Source: w, Target: w},
		&ast.MountRule{Op: ast.OpUmount, Target: w},
		&ast.PivotRootRule{NewRoot: w, OldRoot: w},
		&ast.ChangeProfileRule{Target: w},
	}
}

// template is the text of rulesOn with W for the word and A for the address of a socket,
// and with the word in the value of a variable and in an attachment.
const template = `
@{V} = W
@{X} = W /other
profile t {
  W r,
  link W -> W,
  signal send peer=W,
  ptrace trace peer=W,
  unix connect type=stream peer=(addr=A label=W),
  unix bind type=dgram addr=A,
  dbus send bus=W path=W interface=W member=W peer=(name=W label=W),
  mount fstype=W W -> W,
  umount W,
  pivot_root oldroot=W W,
  change_profile -> W,
}
profile variable {
  @{V} r,
  signal send peer=@{V},
}
profile two {
  @{X} r,
  signal send peer=@{X},
}
profile attached W {
}
`

// spelled are ways to write a literal word by hand.
var spelled = []func(text string, p ast.Pattern) string{
	func(_ string, p ast.Pattern) string { return `"` + strings.ReplaceAll(string(p), `"`, `\"`) + `"` },
	func(text string, _ ast.Pattern) string { return escape(text, `\x%02x`) },
	func(text string, _ ast.Pattern) string { return escape(text, `\%03o`) },
	func(text string, _ ast.Pattern) string { return `"` + escape(text, `\d%03d`) + `"` },
}

func escape(text, format string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		switch {
		case i == 0, 'a' <= c && c <= 'z', c == '/':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}

// paths generates paths of bytes that mean something to policy, and others.
func paths() gopter.Gen {
	pieces := []string{"*", "**", "?", "[", "]", "[a]", "[^a]", "{", "}", "{a,b}", "{,", "^", ",", ", ", "\\", "\\\\", "\\*", "\\x41", "\\000", "\\n", "@", "@{", "@{V}",
		"\"", "'", " ", "  ", "\t", "\n", "\r\n", "#", "#include <x>", "/", "/.", "-", "->", "(", ")", "=", ":", "!", "&", "|", "+", "$", "~", ".",
		"\x01", "\x7f", "\x80", "\xff", "\xc3\xa9", "a", "b", "x41", "000", ",\n}\nprofile p { file,"}
	return func(p *gopter.GenParameters) *gopter.GenResult {
		s := "/w"
		for range p.Rng.Intn(7) {
			if p.Rng.Intn(4) == 0 {
				s += string([]byte{byte(1 + p.Rng.Intn(255))})
			} else {
				s += pieces[p.Rng.Intn(len(pieces))]
			}
		}
		for strings.Contains(s, "//") {
			s = strings.ReplaceAll(s, "//", "/")
		}
		return gopter.NewGenResult(s, gopter.NoShrinker)
	}
}

// mutations are strings near another one.
func mutations(rng *rand.Rand, s string) []string {
	i := 1 + rng.Intn(len(s)-1)
	c := string([]byte{byte(1 + rng.Intn(255))})
	list := []string{
		s[:i] + s[i+1:], s[:i] + c + s[i:], s[:i] + c + s[i+1:], s[:i], s + c, s + "/", s + "a", s + "\\",
		s[:i] + "\\" + s[i:], strings.ReplaceAll(s, "\\", ""), strings.ReplaceAll(s, "*", "a"), strings.ReplaceAll(s, "?", "a"),
		strings.ReplaceAll(s, "@{V}", "v"), strings.TrimSuffix(s, "\\"), strings.TrimRight(s, " ,\n"), strings.ReplaceAll(s, "{a,b}", "a"),
	}
	var others []string
	for _, m := range list {
		if m != s && m != "" {
			others = append(others, m)
		}
	}
	return others
}

// answers checks that a profile allows what has a word in it and nothing that
// has another.
func answers(p *query.Profile, word string, others []string, places []place) error {
	for _, pl := range places {
		if r := pl.ask(word, word); !p.Allows(r) {
			return fmt.Errorf("%s: %q is not allowed", pl.name, r)
		}
		for _, other := range others {
			if r := pl.ask(word, other); p.Allows(r) {
				return fmt.Errorf("%s: %q is allowed", pl.name, r)
			}
		}
	}
	return nil
}

// matchesOnly checks that the profiles of template, however they were written,
// match a path and none of the others.
func matchesOnly(text, path string, others []string) error {
	p, err := compiled(text)
	if err != nil {
		return err
	}
	byVariable := []place{places[0], places[3]} // a path and a label
	for name, where := range map[string][]place{"t": places, "variable": byVariable, "two": byVariable} {
		profile, ok := p.Profile(name)
		if !ok {
			return fmt.Errorf("there is no profile %s", name)
		}
		if err := answers(profile, path, others, where); err != nil {
			return fmt.Errorf("profile %s: %w", name, err)
		}
	}
	switch got, err := p.Attachment(path); {
	case err != nil:
		return fmt.Errorf("%q: %w", path, err)
	case got == nil || got.Name != "attached":
		return fmt.Errorf("%q does not attach", path)
	}
	for _, other := range others {
		switch got, err := p.Attachment(other); {
		case err != nil:
			return fmt.Errorf("%q: %w", other, err)
		case got != nil:
			return fmt.Errorf("%q attaches", other)
		}
	}
	return nil
}

// TestLiterals holds for every path: as a literal it matches itself and nothing
// else, wherever it is and however it is spelled.
func TestLiterals(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 150
	if testing.Short() {
		parameters.MinSuccessfulTests = 30
	}
	rng := rand.New(rand.NewSource(1))
	properties := gopter.NewProperties(parameters)
	properties.Property("a literal matches itself alone", prop.ForAll(func(path string) string {
		w, err := ast.Literal(path)
		if err != nil {
			return err.Error()
		}
		tree := &ast.File{Stmts: []ast.Stmt{
			&ast.VarAssign{Name: "V", Values: []ast.Pattern{w}},
			&ast.VarAssign{Name: "X", Values: []ast.Pattern{w, "/other"}},
			&ast.Profile{Name: "t", Body: rulesOn(w)},
			&ast.Profile{Name: "variable", Body: []ast.Stmt{
				&ast.FileRule{Path: "@{V}", Perms: ast.FileRead}, &ast.SignalRule{Perms: ast.SignalSend, Peer: "@{V}"}}},
			&ast.Profile{Name: "two", Body: []ast.Stmt{
				&ast.FileRule{Path: "@{X}", Perms: ast.FileRead}, &ast.SignalRule{Perms: ast.SignalSend, Peer: "@{X}"}}},
			&ast.Profile{Name: "attached", Attachment: w},
		}}
		rendered, err := render.Append(nil, tree)
		if err != nil {
			return err.Error()
		}
		texts := []string{string(rendered)}
		for _, spell := range spelled {
			addr, err := ast.Exact("@" + path)
			if err != nil {
				return err.Error()
			}
			texts = append(texts, strings.NewReplacer("W", spell(path, w), "A", spell("@"+path, addr)).Replace(template))
		}
		others := mutations(rng, path)
		for _, text := range texts {
			if err := matchesOnly(text, path, others); err != nil {
				return fmt.Sprintf("%v\n%s", err, text)
			}
		}
		return ""
	}, paths()))
	properties.TestingRun(t)
}

// TestNames holds for every name that ast.Name takes: the kernel is given just
// that, as the name of a profile and as the target of an exec mode.
func TestNames(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 300
	taken := 0
	properties := gopter.NewProperties(parameters)
	properties.Property("a name is kept as it is", prop.ForAll(func(path string) string {
		for _, text := range []string{path, path[1:], "a//" + path[1:]} {
			name, err := ast.Name(text)
			if err != nil {
				continue
			}
			taken++
			policy, err := render.Append(nil, &ast.File{Stmts: []ast.Stmt{
				&ast.Profile{Name: name, Attachment: "/attached", Body: []ast.Stmt{
					&ast.FileRule{Path: "/x", Exec: ast.ExecProfile, Target: string(name)},
				}},
			}})
			if err != nil {
				return err.Error()
			}
			p, err := compiled(string(policy))
			if err != nil {
				return fmt.Sprintf("%v\n%s", err, policy)
			}
			profile, ok := p.Profile(text)
			if !ok {
				return fmt.Sprintf("there is no profile %q\n%s", text, policy)
			}
			d, err := profile.Ask(query.File{Path: "/x", Perms: query.Exec})
			if err != nil || d.Exec.Target != text {
				return fmt.Sprintf("executes as %q, %v\n%s", d.Exec.Target, err, policy)
			}
		}
		return ""
	}, paths()))
	properties.TestingRun(t)
	if taken < 200 {
		t.Errorf("only %d names were taken", taken)
	}
}
