// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"io/fs"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// Abstraction is a file of policy that profiles include, such as
// abstractions/libvirt-qemu: what it holds holds in each of them. It is
// read from text or made of values, is never changed, and may be shared.
type Abstraction struct {
	document
}

// NewAbstraction makes an abstraction of includes, rules and the like. The
// name is a path in the tree of policy. The error is a *FileError.
func NewAbstraction(name string, body ...ast.Stmt) (*Abstraction, error) {
	text, err := render.Append(nil, &ast.File{Stmts: body})
	if err != nil {
		return nil, &FileError{File: name, Err: err}
	}
	return ParseAbstraction(context.Background(), name, string(text))
}

// ParseAbstraction reads an abstraction from text. The error is a *FileError.
func ParseAbstraction(ctx context.Context, name, text string) (*Abstraction, error) {
	d, err := parseDocument(ctx, name, text, parser.ContextBody)
	if err != nil {
		return nil, err
	}
	return &Abstraction{d}, nil
}

// ReadAbstraction reads an abstraction from the first of the roots that has
// it. The error is a *FileError.
func ReadAbstraction(ctx context.Context, roots []fs.FS, name string) (*Abstraction, error) {
	text, err := readPolicy(roots, name)
	if err != nil {
		return nil, err
	}
	return ParseAbstraction(ctx, name, text)
}

func (a *Abstraction) body() []ast.Stmt {
	if a.file == nil {
		return nil
	}
	return a.file.Stmts
}

// Includes returns the includes of the abstraction, without those in blocks.
// They must not be changed.
func (a *Abstraction) Includes() []*ast.Include { return includesOf(a.body()) }

// Rules returns the rules that are written in the abstraction itself, without
// those in blocks and of what it includes. They must not be changed.
func (a *Abstraction) Rules() []ast.Rule { return rulesOf(a.body()) }

// With returns the abstraction with statements, such as includes and rules, at
// its end. All else stays as it is written. The error is a *FileError.
func (a *Abstraction) With(list ...ast.Stmt) (*Abstraction, error) {
	text, err := a.appended(a.file, list)
	if err != nil {
		return nil, err
	}
	return ParseAbstraction(context.Background(), a.name, text)
}

// Without returns the abstraction without the statements that say the same as
// the given ones, however they are spelled. A missing one is an error that
// matches ErrNotFound. All else stays as it is written. The error is a
// *FileError.
func (a *Abstraction) Without(list ...ast.Stmt) (*Abstraction, error) {
	text, err := a.removed(a.body(), list)
	if err != nil {
		return nil, err
	}
	return ParseAbstraction(context.Background(), a.name, text)
}
