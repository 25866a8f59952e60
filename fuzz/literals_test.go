// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/seeds"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
	"github.com/goarmor/apparmor/svirt"
)

// literal is a rule with one literal in it, and what it grants.
type literal struct {
	path bool // the literal is a path; else a label, a name or an address
	rule func(p ast.Pattern) ast.Rule
	ask  func(text string) query.Request
}

// literals has a rule of every class that is given a text.
var literals = []literal{
	{true, func(p ast.Pattern) ast.Rule {
		return &ast.FileRule{Path: p, Perms: ast.FileRead | ast.FileWrite | ast.FileLock}
	},
		func(s string) query.Request { return query.File{Path: s, Perms: query.Read | query.Write | query.Lock} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.FileRule{Path: p, Exec: ast.ExecInherit} },
		func(s string) query.Request { return query.Execute{Path: s} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.LinkRule{From: "/from", To: p} },
		func(s string) query.Request { return query.Link{Path: "/from", Target: s} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.LinkRule{From: p, To: "/to"} },
		func(s string) query.Request { return query.Link{Path: s, Target: "/to"} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.MountRule{Op: ast.OpUmount, Target: p} },
		func(s string) query.Request { return query.Umount{Target: s} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.PivotRootRule{OldRoot: p, NewRoot: "/new"} },
		func(s string) query.Request { return query.PivotRoot{NewRoot: "/new", PutOld: s} }},
	{true, func(p ast.Pattern) ast.Rule { return &ast.MqueueRule{Name: p} },
		func(s string) query.Request { return query.Mqueue{Name: s} }},
	{false, func(p ast.Pattern) ast.Rule { return &ast.SignalRule{Peer: p} },
		func(s string) query.Request { return query.Signal{Signal: "term", Perms: query.Send, Peer: s} }},
	{false, func(p ast.Pattern) ast.Rule { return &ast.PtraceRule{Peer: p} },
		func(s string) query.Request { return query.Ptrace{Perms: query.Trace, Peer: s} }},
	{false, func(p ast.Pattern) ast.Rule { return &ast.ChangeProfileRule{Target: p} },
		func(s string) query.Request { return query.ChangeProfile{Target: s} }},
	{false, func(p ast.Pattern) ast.Rule {
		return &ast.DBusRule{Perms: ast.DBusSend, Bus: "session", PeerName: p}
	}, func(s string) query.Request {
		return query.DBus{Op: query.DBusSend, Bus: "session", Name: s, Peer: "p", ObjectPath: "/o", Interface: "i", Member: "m"}
	}},
	{false, func(p ast.Pattern) ast.Rule {
		return &ast.UnixRule{Perms: ast.NetConnect, Peer: ast.UnixEnd{Label: p}}
	}, func(s string) query.Request {
		return query.Unix{Perms: query.Connect, Type: "stream", PeerAddr: "@a", Peer: s}
	}},
}

// FuzzLiterals holds for every text, however hostile: as a literal it grants
// what it says and nothing beside, whether a program gives the rule as a value
// or a file has it as text; and the same for the path of a machine's disk.
//
// The text and its neighbours are asked for: with a byte more, less and
// another, where the fuzzer says.
func FuzzLiterals(f *testing.F) {
	for i, word := range append([]string{
		"a", "a b", "*", "**", "?", "[a-c]", "{a,b}", "@{V}", "\\", "\\*", "\\x2f", "\\000", "\"", "'", "#", ",", "a,", "\n", "\t", "\xff",
		" ", "->", "a -> b", "..", "./a", "é", "\u202e", "^", "-", "!", "&", ":", "//", "\x7f", "\\n", "a\\", "$A", "@a", "include <x>",
	}, seeds.Words(f, 100)...) {
		f.Add(word, uint8(i), uint8(i), byte('*'))
	}
	kernel, _ := features.Kernel("ubuntu-26.04")
	f.Fuzz(func(t *testing.T, name string, class, at uint8, by byte) {
		watch(t)
		if len(name) > 512 {
			return
		}
		if int(class) >= 200 {
			machine(t, kernel, "/srv/"+name, int(at), by)
			return
		}
		l := literals[int(class)%len(literals)]
		text := "w" + name
		pattern, err := ast.Exact(text)
		if l.path {
			text = "/srv/" + name
			pattern, err = ast.Literal(text)
		} else if strings.ContainsAny(name, "&:") {
			return // of several profiles, or of a namespace
		}
		if err != nil {
			return
		}
		r := l.rule(pattern)
		set := &policy.Set{Profiles: []*policy.Profile{{Name: "t", ABI: kernel, Rules: []policy.Rule{{Rule: r}}}}}
		value, err := compileSet(t.Context(), set, kernel)
		if err != nil {
			if l.path {
				t.Fatalf("%#v: %v", r, err)
			}
			return // what cannot be such a name
		}
		line, err := render.Append(nil, r)
		if err != nil {
			t.Fatalf("%#v: %v", r, err)
		}
		written, err := compileText(t.Context(), "profile t {\n"+string(line)+"\n}\n", kernel)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if string(value.Bytes()) != string(written.Bytes()) {
			t.Fatalf("%s means something else than %#v", line, r)
		}
		exactly(t, written, text, int(at), by, l.ask)
	})
}

// machine derives the rules of a machine with a disk of that path.
func machine(t *testing.T, kernel *features.Set, path string, at int, by byte) {
	d := &svirt.Domain{UUID: "6d8c1494-16d5-5675-9439-85dd7dfec85d", Name: "vm", Type: "kvm", Devices: svirt.Devices{
		Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: path, Format: "raw"}}},
	}}
	rules, err := svirt.Derive(t.Context(), d, svirt.Options{EscapeSpecial: true})
	if err != nil {
		var refused *svirt.PathError
		if !errors.As(err, &refused) {
			t.Fatal(err)
		}
		return
	}
	written, err := compileText(t.Context(), "profile t {\n"+string(rules.AppendFile(nil))+"}\n", kernel)
	if err != nil {
		t.Fatalf("%s: %v", rules.AppendFile(nil), err)
	}
	file, err := rules.File(t.Context(), "files")
	if err != nil {
		t.Fatal(err)
	}
	unit := &ast.Unit{Main: &ast.File{Name: "t", Stmts: []ast.Stmt{&ast.Profile{Kind: ast.KindProfile, Name: "t", Body: file.Stmts}}}}
	set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Default: kernel})
	if err != nil {
		t.Fatal(err)
	}
	value, err := compileSet(t.Context(), set, kernel)
	if err != nil {
		t.Fatal(err)
	}
	if string(value.Bytes()) != string(written.Bytes()) {
		t.Fatalf("the text of the rules means something else than they:\n%s", rules.AppendFile(nil))
	}
	exactly(t, written, path, at, by, literals[0].ask)
}

// exactly checks that profile t allows what is asked of a text, and not of its
// neighbours.
func exactly(t *testing.T, p *blob.Policy, text string, at int, by byte, ask func(string) query.Request) {
	profile, ok := query.Open(p).Profile("t")
	if !ok {
		t.Fatal("the policy does not define profile t")
	}
	if d, err := profile.Ask(ask(text)); err != nil || !d.Allowed() {
		t.Fatalf("%q: %v, %v", text, d, err)
	}
	at %= len(text)
	for _, n := range []string{
		text + string(by), text + "x", text + "/", text + "\n", text[:len(text)-1],
		text[:at] + string([]byte{by}) + text[at+1:], text[:at] + string([]byte{by}) + text[at:], text[:at] + text[at+1:],
		strings.ToUpper(text), strings.ToLower(text), text[:at] + "*" + text[at:],
	} {
		if n == text {
			continue
		}
		if d, err := profile.Ask(ask(n)); err == nil && d.Allowed() {
			t.Fatalf("a rule for %q also grants %q: %v", text, n, d)
		}
	}
}

func compileSet(ctx context.Context, set *policy.Set, kernel *features.Set) (*blob.Policy, error) {
	out, err := compile.Compile(ctx, set, compile.Options{Kernel: kernel, Limits: compileLimits})
	if err != nil {
		return nil, err
	}
	return out.Policy, nil
}

func compileText(ctx context.Context, text string, kernel *features.Set) (*blob.Policy, error) {
	out, err := compile.Text(ctx, "t", text, compile.Source{Kernel: kernel, Default: kernel, Options: compile.Options{Limits: compileLimits}})
	if err != nil {
		return nil, err
	}
	if n := len(out.Policy.Names()); n != 1 {
		return nil, fmt.Errorf("%d profiles", n)
	}
	return out.Policy, nil
}

// TestLiterals checks that each class of rules and the machine are really
// asked: a rule with a glob in the place of the literal is noticed.
func TestLiterals(t *testing.T) {
	kernel, _ := features.Kernel("ubuntu-26.04")
	for i, l := range literals {
		pattern, text := ast.Pattern("w"), "w"
		if l.path {
			pattern, text = "/srv/w", "/srv/w"
		}
		for _, c := range []struct {
			pattern ast.Pattern
			text    string
			want    bool
		}{{pattern, text, true}, {pattern, text + "x", false}, {pattern + "*", text + "x", true}} {
			set := &policy.Set{Profiles: []*policy.Profile{{Name: "t", ABI: kernel, Rules: []policy.Rule{{Rule: l.rule(c.pattern)}}}}}
			p, err := compileSet(t.Context(), set, kernel)
			if err != nil {
				t.Fatalf("%d: %v", i, err)
			}
			profile, _ := query.Open(p).Profile("t")
			if d, err := profile.Ask(l.ask(c.text)); err != nil || d.Allowed() != c.want {
				t.Errorf("%d: %s grants %v: %v, %v", i, c.pattern, l.ask(c.text), d, err)
			}
		}
	}
}
