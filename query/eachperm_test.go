// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/goarmor/apparmor/blob"
	. "github.com/goarmor/apparmor/query"
)

// TestEachPermission grants each permission of a class alone: a request for it is
// allowed, one for any other is denied, and so is one for both; comparing with a
// profile without it finds just that one.
func TestEachPermission(t *testing.T) {
	type perm struct {
		name string
		bits Perms
	}
	local := netip.MustParseAddrPort("1.2.3.4:80")
	remote := netip.MustParseAddrPort("5.6.7.8:90")
	sockets := []perm{
		{"bind", Bind}, {"accept", Accept}, {"getattr", Getattr}, {"setattr", Setattr}, {"shutdown", Shutdown}, {"listen", Listen},
		{"getopt", Getopt}, {"setopt", Setopt}, {"connect", Connect}, {"send", Send}, {"receive", Receive},
	}
	for _, tt := range []struct {
		class   string
		kernels []string
		rule    string
		perms   []perm
		ask     func(Perms) Request
	}{
		{"file", files, "/f %s,", []perm{{"r", Read}, {"a", Append}, {"m", Mmap}, {"k", Lock}, {"l", Perms(blob.PermLink)}},
			func(p Perms) Request { return File{Path: "/f", Perms: p} }},
		{"unix", tables, `unix (%s) type=stream addr="@a" peer=(addr="@b" label=l),`, sockets[8:],
			func(p Perms) Request {
				return Unix{Type: "stream", Perms: p, Addr: "@a", PeerAddr: "@b", Peer: "l", Option: 3, Backlog: 4}
			}},
		{"own unix", tables, `unix (%s) type=stream addr="@a",`, append(sockets[:8:8], perm{"create", Create}),
			func(p Perms) Request { return Unix{Type: "stream", Perms: p, Addr: "@a", Option: 3, Backlog: 4} }},
		{"network", []string{"ubuntu-24.04", "ubuntu-26.04"}, "network (%s) inet stream ip=1.2.3.4 port=80 peer=(ip=5.6.7.8 port=90),", sockets[8:],
			func(p Perms) Request {
				return Network{Family: "inet", Type: "stream", Perms: p, Local: local, Remote: remote}
			}},
		{"own network", []string{"ubuntu-24.04", "ubuntu-26.04"}, "network (%s) inet stream ip=1.2.3.4 port=80,", sockets[:8],
			func(p Perms) Request {
				return Network{Family: "inet", Type: "stream", Perms: p, Local: local, Option: SockOpt{1, 2}, Backlog: 4}
			}},
		{"mqueue", []string{"ubuntu-26.04"}, "mqueue (%s) type=posix label=l /q,",
			[]perm{{"create", Create}, {"open", MayOpen}, {"delete", Delete}, {"read", Read}, {"write", Write}, {"getattr", Getattr}, {"setattr", Setattr}},
			func(p Perms) Request { return Mqueue{Name: "/q", Label: "l", Perms: p} }},
		{"signal", files, "signal (%s) set=term peer=l,", []perm{{"send", Send}, {"receive", Receive}},
			func(p Perms) Request { return Signal{Signal: "term", Perms: p, Peer: "l"} }},
		{"ptrace", files, "ptrace (%s) peer=l,", []perm{{"trace", Trace}, {"read", ReadPeer}, {"tracedby", TracedBy}, {"readby", ReadBy}},
			func(p Perms) Request { return Ptrace{Perms: p, Peer: "l"} }},
	} {
		t.Run(tt.class, func(t *testing.T) {
			for _, kernel := range tt.kernels {
				// Another rule has the class mediated.
				const never = "/never r, unix create type=seqpacket, network netlink, mqueue create /never, signal send set=cont, ptrace trace peer=never,"
				none := profile(t, ours(t, kernel, "profile t {\n"+never+"\n}"), "t")
				for _, one := range tt.perms {
					p := profile(t, ours(t, kernel, "profile t {\n"+never+"\n"+fmt.Sprintf(tt.rule, one.name)+"\n}"), "t")
					for _, other := range tt.perms {
						if p.Allows(tt.ask(other.bits)) != (other == one) {
							t.Errorf("%s %s: %s is allowed: %v", kernel, one.name, other.name, other != one)
						}
						if other != one && p.Allows(tt.ask(one.bits|other.bits)) {
							t.Errorf("%s %s: also %s is allowed", kernel, one.name, other.name)
						}
					}
					found, err := none.Diff(t.Context(), p)
					gaps, err2 := none.Covers(t.Context(), p)
					if err != nil || err2 != nil || len(found) == 0 || len(gaps) == 0 {
						t.Errorf("%s %s: found %v, %v, gaps %v, %v", kernel, one.name, found, err, gaps, err2)
						continue
					}
					for _, d := range append(found, gaps...) {
						if d.AnswerB.Allow&one.bits != one.bits || d.AnswerA.Allow&one.bits != 0 {
							t.Errorf("%s %s: found %v", kernel, one.name, d)
						}
					}
				}
			}
		})
	}
}
