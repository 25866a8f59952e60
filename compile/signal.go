// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/linux"
)

// signal rules match the class, the signal and the peer's label. Those for
// any signal also match the form that begins with the class of labels, which
// kernels do not ask for yet.
func emitSignal(e *emitter, r *ast.SignalRule) {
	if !e.enforced(features.Signal, "signal rules") {
		return
	}
	var perms uint32
	if r.Perms == 0 || r.Perms&ast.SignalSend != 0 {
		perms |= blob.PermSend
	}
	if r.Perms == 0 || r.Perms&ast.SignalReceive != 0 {
		perms |= blob.PermReceive
	}
	peer := text1()
	if r.Peer != "" {
		peer = e.glob(r.Peer)
	}
	class := byte(blob.ClassSignal)
	var head node
	if len(r.Signals) == 0 {
		head = alt(bytesNode(byte(blob.ClassLabel), class), cat(bytesNode(class), anyByte()))
	} else {
		var set []byte
		for _, name := range r.Signals {
			n, ok := linux.SignalNumber(name)
			if !ok {
				e.invalid(unknown(diag.CodeSignal, name))
				return
			}
			set = append(set, n)
		}
		head = cat(bytesNode(class), oneOf(set...))
	}
	e.add(cat(head, peer), r.Quals(), perms)
}

func signalPatterns(r *ast.SignalRule) []ast.Pattern { return []ast.Pattern{r.Peer} }
