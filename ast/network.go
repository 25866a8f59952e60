// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/linux"
)

// NetPerm is a set of network permissions; zero means all.
type NetPerm uint16

// The network permissions; unix rules use them too.
const (
	NetCreate NetPerm = 1 << iota
	NetBind
	NetListen
	NetAccept
	NetConnect
	NetShutdown
	NetGetattr
	NetSetattr
	NetGetopt
	NetSetopt
	NetSend
	NetReceive
)

// netPeerless are the permissions on a socket of one's own, for which no peer
// can be named.
const netPeerless = NetCreate | NetBind | NetListen | NetShutdown | NetGetattr | NetSetattr | NetGetopt | NetSetopt

// String returns the names of the permissions, separated by blanks.
func (p NetPerm) String() string { return lang.NetPerms.String(uint(p)) }

// NetEnd is one end of a network rule.
type NetEnd struct {
	IP        string  // v4, v6 or "none"; empty: any
	Port      string  // "N" or "N-M"; empty: any
	Interface Pattern // of the machine, such as eth0; not of a peer; empty: any
	Label     Pattern // empty: any
}

// NetworkRule is `network [perms] [family] [type|protocol] [conds] [peer=( )],`.
type NetworkRule struct {
	Span
	Qualifiers
	Perms    NetPerm // zero: all
	Family   string  // inet, inet6, unix, ...; empty: any
	Type     string  // stream, dgram, seqpacket, rdm, raw, packet; empty: any
	Protocol string  // tcp, udp, icmp; empty: any
	Local    NetEnd  // the socket's own end
	Peer     NetEnd  // the other end
}

func (*NetworkRule) stmt() {}

// Class implements Rule.
func (*NetworkRule) Class() Class { return ClassNetwork }

func (r *NetworkRule) clone() Rule { c := *r; return &c }

func (r *NetworkRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, 0),
		c.perms(uint(r.Perms), lang.NetPerms.All()),
		c.optional(diag.CodeNetwork, "Family", r.Family, Families(), "address family"),
		c.optional(diag.CodeNetwork, "Type", r.Type, NetTypes(), "socket type"),
		c.optional(diag.CodeNetwork, "Protocol", r.Protocol, NetProtocols(), "network protocol"),
		c.netEnd("Local", &r.Local),
		c.netEnd("Peer", &r.Peer),
		c.absent("Peer.Interface", r.Peer.Interface, "interface is not allowed in peer=( )", ""),
	); err != nil {
		return err
	}
	inet := r.Family == "" || r.Family == "inet" || r.Family == "inet6"
	switch {
	case r.Type != "" && r.Protocol != "":
		return c.fail(diag.CodeNetwork, "Protocol", r.Protocol, "a network rule takes a socket type or a protocol, not both")
	case r.Family == "" && Families().Has(r.Type):
		return c.fail(diag.CodeNetwork, "Type", r.Type, "the socket type would be read as an address family")
	case r.Protocol != "" && !inet, r.Protocol == "icmp" && r.Family == "inet6":
		return c.fail(diag.CodeNetwork, "Protocol", r.Protocol, "the family "+r.Family+" has no protocol "+r.Protocol)
	case !inet && r.Local != NetEnd{}:
		return c.noNetConditions("Local", r.Family)
	case !inet && r.Peer != NetEnd{}:
		return c.noNetConditions("Peer", r.Family)
	case r.Perms&netPeerless != 0 && (r.Peer.IP != "" || r.Peer.Port != ""):
		return c.fail(diag.CodeRule, "Perms", "", (r.Perms&netPeerless).String()+" cannot be used with the address of a peer")
	}
	return nil
}

func (c checker) noNetConditions(field, family string) *CheckError {
	return c.fail(diag.CodeCondition, field, "", "the family "+family+" has no conditions; only inet and inet6 do")
}

func (c checker) netEnd(end string, e *NetEnd) *CheckError {
	field := func(name string) string { return end + "." + name }
	if e.IP != "" && e.IP != "none" {
		if _, ok := lang.ParseIP(e.IP); !ok {
			err := c.fail(diag.CodeAddress, field("IP"), e.IP, "the address must be an IP address or none")
			if strings.Contains(e.IP, "/") {
				err.Hint = "a rule takes one address, not a network"
			}
			return err
		}
	}
	if e.Port != "" {
		from, to, ok := lang.ParsePorts(e.Port)
		if !ok {
			err := c.fail(diag.CodeAddress, field("Port"), e.Port, "the port must be a number from 0 to 65535 or a range of them")
			if low, high, ok := strings.Cut(e.Port, "-"); ok {
				if _, _, ok := lang.ParsePorts(high + "-" + low); ok {
					err.Hint = "the lower port must come first"
				}
			}
			return err
		}
		if one := strconv.Itoa(int(from)); c.text && e.Port != one && e.Port != one+"-"+strconv.Itoa(int(to)) {
			return c.fail(diag.CodeAddress, field("Port"), e.Port, "the port has leading zeros")
		}
	}
	if err := first(c.pattern("Interface", e.Interface), c.pattern("Label", e.Label)); err != nil {
		err.Field = field(err.Field)
		return err
	}
	return nil
}

// Families returns the address families of network rules, unspec first, in
// the order of their numbers.
func Families() Vocabulary { return Vocabulary{words: linux.Families} }

// NetTypes returns the socket types of network rules.
func NetTypes() Vocabulary { return Vocabulary{words: netTypes} }

// NetProtocols returns the protocols of network rules.
func NetProtocols() Vocabulary { return Vocabulary{words: netProtocols} }

var (
	netTypes     = []string{"stream", "dgram", "seqpacket", "rdm", "raw", "packet"}
	netProtocols = []string{"tcp", "udp", "icmp"}
)
