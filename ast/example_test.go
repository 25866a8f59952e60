// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/ast"
)

// Whatever is in a path, the pattern matches it and nothing else.
func ExampleLiteral() {
	disk, err := ast.Literal("/srv/[vm 1]/a*b.img")
	fmt.Println(disk, err)

	_, err = ast.Literal("/srv//disk.img")
	var pe *ast.PatternError
	fmt.Println(errors.As(err, &pe) && pe.Problem == ast.PatternSlashes, pe.Offset)
	// Output:
	// /srv/\[vm 1\]/a\*b.img <nil>
	// true 5
}

// A rule is a struct literal; New tells of what could not be written.
func ExampleNew() {
	peer, err := ast.Exact("vm {7}")
	if err != nil {
		panic(err)
	}
	rule, err := ast.New(&ast.SignalRule{Perms: ast.SignalReceive, Signals: []string{"term", "kill"}, Peer: peer})
	fmt.Println(rule.Perms, err)

	_, err = ast.New(&ast.SignalRule{Signals: []string{"queit"}})
	fmt.Println(err)
	_, err = ast.New(&ast.NetworkRule{Family: "unix", Protocol: "tcp"})
	fmt.Println(err)
	_, err = ast.New(&ast.Profile{Name: "a", Body: []ast.Stmt{&ast.FileRule{Path: "/x", Exec: ast.ExecDeny}}})
	fmt.Println(err)
	// Output:
	// receive <nil>
	// SignalRule.Signals: unknown signal "queit"; did you mean "quit"?
	// NetworkRule.Protocol: the family unix has no protocol tcp
	// FileRule.Exec: x alone is allowed only in deny rules; write ix, px, cx or ux
}

// A name is for the head of the profile, Exact of it for the rules of others.
func ExampleName() {
	name, err := ast.Name("guest*1")
	fmt.Println(name, err)
	peer, err := ast.Exact("guest*1")
	fmt.Println(peer, err)
	_, err = ast.Name("guest[1")
	fmt.Println(err)
	// Output:
	// guest*1 <nil>
	// guest\*1 <nil>
	// not a pattern: it has a malformed character class ("guest[1", byte 5)
}
