// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// NetPeerless are the permissions on a socket of one's own, for which no peer
// can be named: create, bind, listen, shutdown, getattr, setattr, getopt and
// setopt.
const NetPeerless = NetCreate | NetBind | NetListen | NetShutdown | NetGetattr | NetSetattr | NetGetopt | NetSetopt

func (c checker) network(r *NetworkRule) *CheckError {
	if err := first(
		c.inRange("Perms", int(r.Perms), int(NetReceive)<<1-1),
		c.optional("Family", r.Family, Families(), "address family"),
		c.optional("Type", r.Type, NetTypes(), "socket type"),
		c.optional("Protocol", r.Protocol, NetProtocols(), "protocol"),
		c.netEnd("Local", &r.Local),
		c.netEnd("Peer", &r.Peer),
		c.unused("Peer.Interface", r.Peer.Interface),
	); err != nil {
		return err
	}
	inet := r.Family == "" || r.Family == "inet" || r.Family == "inet6"
	switch {
	case r.Type != "" && r.Protocol != "":
		return c.fail("Protocol", r.Protocol, errors.New("cannot stand with Type"))
	case r.Family == "" && Families().Has(r.Type):
		return c.fail("Type", r.Type, errors.New("would read as an address family"))
	case r.Protocol != "" && !inet, r.Protocol == "icmp" && r.Family == "inet6":
		return c.fail("Protocol", r.Protocol, errors.New("is none of the address family"))
	case !inet && r.Local != NetEnd{}:
		return c.fail("Local", "", errors.New("only inet and inet6 have conditions"))
	case !inet && r.Peer != NetEnd{}:
		return c.fail("Peer", "", errors.New("only inet and inet6 have conditions"))
	case r.Perms&NetPeerless != 0 && (r.Peer.IP != "" || r.Peer.Port != ""):
		return c.fail("Perms", (r.Perms & NetPeerless).String(), errors.New("cannot stand with the address of a peer"))
	}
	return nil
}

func (c checker) netEnd(field string, e *NetEnd) *CheckError {
	if e.IP != "" && e.IP != "none" {
		if _, ok := ParseIP(e.IP); !ok {
			return c.fail(field+".IP", e.IP, errors.New("is neither an IP address nor none"))
		}
	}
	if e.Port != "" && !isPortRange(e.Port) {
		return c.fail(field+".Port", e.Port, errors.New("is neither a port nor a range of ports, without a sign or leading zeros"))
	}
	err := first(c.pattern("Interface", e.Interface), c.pattern("Label", e.Label))
	if err != nil {
		err.Field = field + "." + err.Field
	}
	return err
}

// ParseIP reads the address of a network rule: one without a zone.
func ParseIP(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	return a, err == nil && a.Zone() == ""
}

// ParsePorts reads the ports of a network rule, N or N-M with N <= M. They have
// no sign.
func ParsePorts(s string) (from, to uint16, ok bool) {
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, err := strconv.ParseUint(low, 10, 16)
	b, err2 := strconv.ParseUint(high, 10, 16)
	return uint16(a), uint16(b), err == nil && err2 == nil && a <= b
}

// isPortRange reports whether s is N or N-M in its canonical form.
func isPortRange(s string) bool {
	from, to, ok := ParsePorts(s)
	one := strconv.Itoa(int(from))
	return ok && (s == one || s == one+"-"+strconv.Itoa(int(to)))
}

func (c checker) unix(r *UnixRule) *CheckError {
	if err := first(
		c.inRange("Perms", int(r.Perms), int(NetReceive)<<1-1),
		c.optional("Type", r.Type, UnixTypes(), "socket type"),
		c.unixAddr("Local.Addr", r.Local.Addr),
		c.unused("Local.Label", r.Local.Label),
		c.unixAddr("Peer.Addr", r.Peer.Addr),
		c.pattern("Peer.Label", r.Peer.Label),
	); err != nil {
		return err
	}
	if r.Perms&NetPeerless != 0 && r.Peer != (UnixEnd{}) {
		return c.fail("Perms", (r.Perms & NetPeerless).String(), errors.New("cannot stand with conditions on a peer"))
	}
	return nil
}

func (c checker) unixAddr(field string, a Pattern) *CheckError {
	if a == "" || a == "none" || a == "auto" || a[0] == '@' {
		return c.pattern(field, a)
	}
	return c.fail(field, string(a), errors.New("is neither none nor auto nor begins with an at sign"))
}
