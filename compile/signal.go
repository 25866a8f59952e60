// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// Signals as policy numbers them: those of Linux on x86 in their order, then
// 35 for the signal 0 that only asks whether the process exists, and from 80
// on the real-time ones.
var signalNumbers = map[string]byte{
	"hup": 1, "int": 2, "quit": 3, "ill": 4, "trap": 5, "abrt": 6, "bus": 7, "fpe": 8, "kill": 9, "usr1": 10,
	"segv": 11, "usr2": 12, "pipe": 13, "alrm": 14, "term": 15, "stkflt": 16, "chld": 17, "cont": 18, "stop": 19,
	"stp": 20, "tstp": 20, "ttin": 21, "ttou": 22, "urg": 23, "xcpu": 24, "xfsz": 25, "vtalrm": 26, "prof": 27,
	"winch": 28, "io": 29, "poll": 29, "pwr": 30, "sys": 31, "emt": 32, "exists": 35,
}

// signalRealTime is the number of rtmin+0.
const signalRealTime = 0x80

func signalNumber(name string) (byte, bool) {
	if n, ok := signalNumbers[name]; ok {
		return n, true
	}
	n, ok := ast.RealTimeSignal(name)
	return byte(signalRealTime + n), ok
}

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
			n, ok := signalNumber(name)
			if !ok {
				e.fail(&diag.Diagnostic{Code: CodeUnknownSignal, Message: "unknown signal", Text: name})
				continue
			}
			set = append(set, n)
		}
		head = cat(bytesNode(class), oneOf(set...))
	}
	e.add(cat(head, peer), r.Quals(), perms)
}

func signalPatterns(r *ast.SignalRule) []ast.Pattern { return []ast.Pattern{r.Peer} }
