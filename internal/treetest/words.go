// SPDX-License-Identifier: Apache-2.0

package treetest

import "github.com/goarmor/apparmor/ast"

// RulesWith returns rules with a word in every place that takes one. The word
// of a path begins with a slash.
func RulesWith(w, path ast.Pattern) []ast.Rule {
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

// FilesWith does the same for what is not a rule.
func FilesWith(w, path ast.Pattern) []*ast.File {
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
