// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/treetest"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// rulesWith returns rules with a word in every place that takes one. The word
// of a path begins with a slash.
func rulesWith(w, path ast.Pattern) []ast.Rule {
	return []ast.Rule{
		&ast.FileRule{Path: path, Perms: ast.FileRead},
		&ast.FileRule{Path: path, Exec: ast.ExecProfile, Target: string(w)},
		&ast.FileRule{Path: path, Perms: ast.FileRead | ast.FileLink, Link: path},
		&ast.LinkRule{From: path, To: path},
		&ast.NetworkRule{Family: "inet", Local: ast.NetEnd{Interface: w}},
		&ast.UnixRule{Perms: ast.NetSend, Peer: ast.UnixEnd{Label: w}},
		&ast.DBusRule{Perms: ast.DBusSend, Bus: w, Path: w, Interface: w, Member: w, PeerName: w, PeerLabel: w},
		&ast.DBusRule{Perms: ast.DBusBind, Name: w},
		&ast.SignalRule{Peer: w},
		&ast.PtraceRule{Peer: w},
		&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{w}}}, Source: path, Target: path},
		&ast.MountRule{Conds: []ast.MountCond{{Values: []ast.Pattern{w, path}}}, Target: path},
		&ast.MountRule{Op: ast.OpUmount, Target: path},
		&ast.PivotRootRule{OldRoot: path, NewRoot: path, Target: string(w)},
		&ast.ChangeProfileRule{Safety: ast.Unsafe, Exec: path, Target: w},
		&ast.MqueueRule{Label: w, Name: path},
		&ast.IOUringRule{Label: w},
	}
}

// filesWith does the same for what is not a rule.
func filesWith(w, path ast.Pattern) []*ast.File {
	return []*ast.File{
		{Stmts: []ast.Stmt{
			&ast.Alias{From: path, To: path},
			&ast.VarAssign{Name: "V", Values: []ast.Pattern{w, path, "", w}},
			&ast.Profile{
				Name: path, Attachment: path,
				Xattrs: []ast.Xattr{{Name: "user.a", Value: w, HasValue: true}, {Name: "user.b"}},
				Flags:  []ast.Flag{{Name: "audit"}},
				Body: []ast.Stmt{
					&ast.Profile{Kind: ast.KindHat, Name: path},
					&ast.If{Cond: &ast.CompareExpr{Op: ast.CompareEqual, X: w, Y: path}},
				},
			},
			&ast.Profile{Kind: ast.KindPath, Name: path + "x"},
			&ast.Profile{Namespace: "ns", Name: path + "x"},
		}},
	}
}

// words generates decoded words: literal ones made of any bytes, and raw ones
// that are full of live glob bytes and kept escapes.
func words() gopter.Gen {
	bytes := gen.SliceOf(gen.OneGenOf(
		gen.UInt8Range(1, 255),
		gen.OneConstOf(byte('\\'), byte('*'), byte('{'), byte('}'), byte('['), byte(']'), byte('@'), byte(','),
			byte('"'), byte('\''), byte('\n'), byte('\t'), byte(' '), byte('x'), byte('0'), byte('n'), byte('!'), byte('#'),
			byte('('), byte(')'), byte('='), byte(':'), byte('-'), byte('>'), byte('&'), byte('<'), byte('$')),
	)).Map(func(b []byte) string { return string(b) })
	literal := bytes.Map(func(s string) ast.Pattern {
		p, _ := ast.Exact("w" + s)
		return p
	})
	raw := bytes.Map(func(s string) ast.Pattern {
		if p := ast.Decode("w" + s); p.CheckText() == nil {
			return p
		}
		return "w"
	})
	return gen.OneGenOf(literal, raw)
}

func TestWordsComeBack(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 500
	properties := gopter.NewProperties(parameters)
	properties.Property("every rule reads back as it was", prop.ForAll(func(w ast.Pattern) string {
		for _, r := range rulesWith(w, "/"+w) {
			text, err := render.Append(nil, r)
			if err != nil {
				return err.Error()
			}
			back, err := parser.ParseRule(string(text))
			if err != nil {
				return string(text) + ": " + err.Error()
			}
			if diff := treetest.Diff(r, back); diff != "" {
				return string(text) + ":\n" + diff
			}
		}
		return ""
	}, words()))
	properties.Property("every file reads back as it was", prop.ForAll(func(w ast.Pattern) string {
		for _, f := range filesWith(w, "/"+w) {
			text, err := render.Append(nil, f)
			if err != nil {
				return err.Error()
			}
			back, err := parser.Parse("", string(text))
			if err != nil {
				return string(text) + ": " + err.Error()
			}
			if diff := treetest.Diff(f, back); diff != "" {
				return string(text) + ":\n" + diff
			}
		}
		return ""
	}, words()))
	properties.TestingRun(t)
}
