// SPDX-License-Identifier: Apache-2.0

package diag

import "fmt"

// Position is a place in a file, made readable. Package ast computes it from
// offsets.
type Position struct {
	File   string // as given to the parser; empty for text without a name
	Offset int    // in bytes, from 0
	Line   int    // from 1; 0 when unknown
	Column int    // in bytes, from 1
}

// IsValid reports whether the position has a line.
func (p Position) IsValid() bool { return p.Line > 0 }

// String returns file:line:col, leaving out what is unknown.
func (p Position) String() string {
	name := p.File
	if name == "" {
		name = "<policy>"
	}
	if !p.IsValid() {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, p.Line, p.Column)
}
