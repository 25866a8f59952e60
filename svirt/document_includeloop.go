// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// CodeIncludeLoop is the code of the diagnostic for a file that includes
// itself, at once or by way of others.
const CodeIncludeLoop diag.Code = "include-loop"

// includeLoop looks for a file that includes itself and returns what is to be
// said of it, or nil. The language skips such an include, so it would have no
// effect; in the policy of a machine it is refused all the same, because what
// was written there is not what was meant.
func includeLoop(unit *ast.Unit) *diag.Diagnostic {
	l := loopFinder{unit: unit, done: map[*ast.File]bool{}}
	return l.visit(unit.Main)
}

type loopFinder struct {
	unit *ast.Unit
	path []step
	done map[*ast.File]bool
}

// step is a file on the way, and where it goes on.
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

// entered reports whether a file of the name is on the way. One file may have
// two trees, for the two places that it can be in.
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
		Code:    CodeIncludeLoop,
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
