// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// UnixEnd is one end of a unix rule. An address is `@name` for an abstract
// one, `none` for an unnamed one, `auto` for autobind.
type UnixEnd struct {
	Addr  Pattern // empty: any
	Label Pattern // of a peer only; empty: any
}

// UnixRule is `unix [perms] [type=] [addr=] [peer=( )],`.
type UnixRule struct {
	Span
	Qualifiers
	Perms NetPerm // zero: all
	Type  string  // see UnixTypes; empty: any
	Local UnixEnd // the socket's own end
	Peer  UnixEnd // the other end
}

func (*UnixRule) stmt() {}

// Class implements Rule.
func (*UnixRule) Class() Class { return ClassUnix }

func (r *UnixRule) clone() Rule { c := *r; return &c }

func (r *UnixRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.perms(uint(r.Perms), lang.NetPerms.All()),
		c.optional(diag.CodeNetwork, "Type", r.Type, UnixTypes(), "socket type"),
		c.unixAddr("Local.Addr", r.Local.Addr),
		c.absent("Local.Label", r.Local.Label, "label is allowed only in peer=( )", "write peer=(label=...)"),
		c.unixAddr("Peer.Addr", r.Peer.Addr),
		c.pattern("Peer.Label", r.Peer.Label),
	); err != nil {
		return err
	}
	if r.Perms&netPeerless != 0 && r.Peer != (UnixEnd{}) {
		return c.fail(diag.CodeRule, "Perms", "", (r.Perms&netPeerless).String()+" cannot be used with conditions on a peer")
	}
	return nil
}

func (c checker) unixAddr(field string, a Pattern) *CheckError {
	if a == "" || a == "none" || a == "auto" || a[0] == '@' || c.expanded && a[0] == '{' {
		return c.pattern(field, a)
	}
	err := c.fail(diag.CodeAddress, field, string(a), "the address of a unix socket must be none or auto, or begin with @")
	if a[0] == '/' {
		err.Hint = "sockets in the file system need file rules"
	}
	return err
}

// UnixTypes returns the socket types of unix rules.
func UnixTypes() Vocabulary { return Vocabulary{words: unixTypes} }

var unixTypes = []string{"stream", "dgram", "seqpacket", "rdm", "raw", "packet", "dccp", "none"}
