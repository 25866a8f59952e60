// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// includeLoop looks for a file that includes itself, directly or through
// others, and returns a diagnostic for it, or nil. The language skips such an
// include, so it would have no effect; in the policy of a machine it is an
// error, because it cannot be what its author meant.
func includeLoop(unit *ast.Unit) *diag.Diagnostic {
	l := loopFinder{unit: unit, done: map[*ast.File]bool{}}
	return l.visit(unit.Main)
}

type loopFinder struct {
	unit *ast.Unit
	path []step
	done map[*ast.File]bool
}

// step is a file on the path, and the include that leads to the next one.
type step struct {
	file    *ast.File
	include *ast.Include
}

func (s step) position() ast.Position { return s.file.Position(s.include.Pos()) }

func (l *loopFinder) visit(f *ast.File) *diag.Diagnostic {
	if l.done[f] {
		return nil
	}
	depth := len(l.path)
	l.path = append(l.path, step{file: f})
	for n := range ast.All(f) {
		include, ok := n.(*ast.Include)
		if !ok {
			continue
		}
		l.path[depth].include = include
		for _, to := range l.unit.Included[include] {
			if l.entered(to.Name) {
				return l.found(to.Name)
			}
			if d := l.visit(to); d != nil {
				return d
			}
		}
	}
	l.path = l.path[:depth]
	l.done[f] = true
	return nil
}

// entered reports whether a file of the name is on the path. One file may have
// two trees, for the two contexts in which it can appear.
func (l *loopFinder) entered(name string) bool {
	for _, s := range l.path {
		if s.file.Name == name {
			return true
		}
	}
	return false
}

func (l *loopFinder) found(name string) *diag.Diagnostic {
	last := len(l.path) - 1
	d := &diag.Diagnostic{
		Code:    diag.CodeIncludeLoop,
		Pos:     l.path[last].position(),
		Message: "the include leads back to " + name,
		Text:    l.path[last].include.Path,
		Hint:    "a file cannot include itself, nor a file that includes it",
	}
	for i := last - 1; i >= 0; i-- {
		d.Via = append(d.Via, l.path[i].position())
	}
	return d
}
