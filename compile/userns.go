// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

const permUsernsCreate uint32 = 0x08

// userns rules are the class byte alone. Each rule adds a copy of the string
// that makes the class mediated, at its own priority.
func emitUserns(e *emitter, r *ast.UsernsRule) {
	if !e.enforced(features.Userns, "userns rules") {
		return
	}
	e.mediate(blob.ClassNamespaces, r.Priority)
	e.add(bytesNode(byte(blob.ClassNamespaces)), r.Quals(), permUsernsCreate)
}
