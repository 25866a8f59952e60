// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/policy"
)

// netBits are the permissions of network rules that the model asks for, as the
// language and as the kernel has them.
var netBits = []struct {
	perm ast.NetPerm
	bit  uint32
}{
	{ast.NetCreate, blob.PermCreate}, {ast.NetBind, blob.PermBind}, {ast.NetListen, blob.PermListen}, {ast.NetAccept, blob.PermAccept},
	{ast.NetConnect, blob.PermOpen}, {ast.NetGetattr, blob.PermGetattr}, {ast.NetSetopt, blob.PermSetopt}, {ast.NetSend, blob.PermSend},
}

const peerBits = ast.NetConnect | ast.NetSend | ast.NetReceive

// inetEnd is an address of the model; no ip is a socket without one.
type inetEnd struct {
	port uint16
	ip   string
}

func (e inetEnd) wire() string {
	if e.ip == "" {
		return end(e.port, "")
	}
	return end(e.port, string(netip.MustParseAddr(e.ip).AsSlice()))
}

// within says what the conditions of a rule mean.
func (e inetEnd) within(c ast.NetEnd) bool {
	var from, to uint16
	switch n, _ := fmt.Sscanf(strings.ReplaceAll(c.Port, "-", " "), "%d %d", &from, &to); n {
	case 1:
		to = from
	}
	port := c.Port == "" || to == 0 || from <= e.port && e.port <= to
	return port && (c.IP == "" || c.IP == e.ip || c.IP == "none" && e.ip == "")
}

// applies reports whether a rule speaks of a request.
func applies(r *ast.NetworkRule, perm ast.NetPerm, local, peer inetEnd) bool {
	toPeer, implied := r.Peer != ast.NetEnd{}, r.Perms == 0
	conditions := toPeer || r.Local != ast.NetEnd{}
	switch denied := r.Access == ast.Deny; {
	case !implied && r.Perms&perm == 0:
		return false
	case perm == ast.NetCreate:
		return !denied || !implied || !conditions
	case perm&peerBits != 0:
		return local.within(r.Local) && peer.within(r.Peer)
	default:
		return local.within(r.Local) && !(denied && implied && toPeer)
	}
}

// TestInetModel compares what a kernel makes of random rules with what the
// rules say.
func TestInetModel(t *testing.T) {
	for seed := range uint64(150) {
		m := ruleMaker{rand.New(rand.NewPCG(seed, 4))}
		condition := func() ast.NetEnd {
			return ast.NetEnd{IP: pick(m, "", "", "10.0.0.1", "none", "::1"), Port: pick(m, "", "", "0", "80", "80-90", "85-2000", "0-90")}
		}
		var rules []ast.Rule
		for range 1 + m.IntN(5) {
			r := &ast.NetworkRule{Qualifiers: m.quals(false)}
			if m.IntN(3) > 0 {
				r.Local = condition()
			}
			if m.IntN(3) == 0 {
				r.Peer = condition()
			}
			if m.IntN(2) == 0 {
				for _, b := range netBits {
					r.Perms |= b.perm * ast.NetPerm(m.IntN(2))
				}
				if r.Peer != (ast.NetEnd{}) {
					r.Perms &= peerBits | ast.NetAccept
				}
			}
			rules = append(rules, r)
		}
		set := ruleSet(rules...)
		p := mustCompile(t, afInet, set).Policy.Profiles()[0]
		address := func() inetEnd {
			e := inetEnd{ip: pick(m, "", "10.0.0.1", "10.0.0.2", "::1")}
			if e.ip != "" {
				e.port = pick[uint16](m, 0, 79, 80, 87, 1024, 2000, 2001)
			}
			return e
		}
		for range 200 {
			local, peer := address(), address()
			for _, b := range netBits {
				allowed, denied := false, false
				for _, rule := range rules {
					if r := rule.(*ast.NetworkRule); applies(r, b.perm, local, peer) {
						allowed = allowed || r.Access == ast.Allow
						denied = denied || r.Access == ast.Deny
					}
				}
				req := inetRequest{perm: b.bit, family: 2, typ: 1, protocol: 6, local: local.wire(), privileged: b.perm == ast.NetBind && local.port < 1024}
				if b.perm&peerBits != 0 {
					req.peer = peer.wire()
				}
				if got, want := req.decide(p), allowed && !denied; got != want {
					t.Fatalf("seed %d: %s of %+v to %+v: got %t, want %t:\n%s", seed, blob.PermNames(b.bit), local, peer, got, want,
						policyText(t, &policy.Profile{Name: "t", Rules: set.Profiles[0].Rules}))
				}
			}
		}
	}
}
