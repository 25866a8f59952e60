// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// Permissions of the class io_uring.
const (
	permOverrideCreds uint32 = 0x08
	permSQPoll        uint32 = 0x10
)

// ioUring rules match the class byte, which kernels look up for sqpoll, and
// after it the label whose credentials are taken, which they look up for
// override_creds.
func emitIOUring(e *emitter, r *ast.IOUringRule) {
	if !e.enforced(features.IOUring, "io_uring rules") {
		return
	}
	e.mediate(blob.ClassIOUring, r.Priority)
	class := bytesNode(byte(blob.ClassIOUring))
	var perms uint32
	if r.Perms == 0 || r.Perms&ast.IOUringSQPoll != 0 {
		perms |= permSQPoll
	}
	if r.Perms == 0 || r.Perms&ast.IOUringOverrideCreds != 0 {
		perms |= permOverrideCreds
	}
	e.add(class, r.Quals(), perms)
	if perms&permOverrideCreds != 0 {
		e.add(cat(class, e.globOr(r.Label, text0())), r.Quals(), perms)
	}
}

func ioUringPatterns(r *ast.IOUringRule) []ast.Pattern { return []ast.Pattern{r.Label} }
