// SPDX-License-Identifier: Apache-2.0

package ast

// New returns a node that was made by hand if it can be written as policy that
// means the same; see Check. A struct literal names what it sets, so New is
// the constructor of every type of node:
//
//	rule, err := ast.New(&ast.FileRule{Path: path, Perms: ast.FileRead | ast.FileLock})
//
// Text from elsewhere becomes part of a node by Literal, Exact and Name, or by
// Glob where it is meant as a pattern. What package render writes for a node
// is always one statement that reads back as the same node, whatever is in its
// fields, so New is not needed for safety: it reports a mistake where it is
// made.
//
// The error is a *CheckError; the node is then the zero N.
func New[N Node](n N) (N, error) {
	if err := Check(n); err != nil {
		var none N
		return none, err
	}
	return n, nil
}
