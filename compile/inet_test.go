// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/policy"
)

// The beginning of strings for a TCP socket of inet.
const tcp = "\x0e\x00\x02\x00\x01"

// inetRequest is a request as Ubuntu's kernels put it to policy: a walk that
// stops at states whose permissions it has to take.
type inetRequest struct {
	perm        uint32
	family, typ byte
	protocol    byte
	local, peer string // see end; peer is empty for what is asked of the socket alone
	privileged  bool
}

// end is an address without the byte that says which end it is.
func end(port uint16, ip string) string {
	length := map[int]string{0: "\x00", 4: "\x01", 16: "\x02"}[len(ip)]
	return string([]byte{byte(port >> 8), byte(port)}) + length + ip
}

// decide walks as a kernel does and reports whether the request is granted.
func (r inetRequest) decide(p *blob.Profile) bool {
	db := p.Policydb
	s := p.ClassState(blob.ClassNet)
	enough := func() (granted, done bool) {
		allow := p.PolicydbPerms(s).Allow
		granted = allow&r.perm == r.perm
		return granted, granted || allow&blob.PermContinue == 0
	}
	step := func(in string) { s = db.DFA.MatchString(s, in) }
	step(string([]byte{0, r.family, 0, r.typ}))
	if granted, done := enough(); done || r.perm == blob.PermCreate {
		return granted
	}
	step(string([]byte{0, r.protocol}))
	first := "\x00" + r.local
	if r.privileged {
		first = "\x01" + r.local
	}
	if r.peer != "" {
		first = "\x02" + r.peer
	}
	step(first + "\x00")
	if granted, done := enough(); done {
		return granted
	}
	step("\x00") // the place of a label
	switch {
	case r.peer != "":
		step("\x01\x00" + r.local + "\x00")
		if granted, done := enough(); done {
			return granted
		}
		step("\x00")
	case r.perm == blob.PermListen:
		step("\x02\x00\x80")
	case r.perm == blob.PermGetopt || r.perm == blob.PermSetopt:
		step("\x04\x00\x01\x00\x07")
	}
	granted, _ := enough()
	return granted
}

func TestInetDecisions(t *testing.T) {
	const (
		lo    = "\x7f\x00\x00\x01"
		other = "\x01\x02\x03\x04"
		lo6   = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
	)
	rule := func(local, peer ast.NetEnd) *ast.NetworkRule { return &ast.NetworkRule{Local: local, Peer: peer} }
	socket := func(perm uint32, local string) inetRequest {
		return inetRequest{perm: perm, family: 2, typ: 1, protocol: 6, local: local}
	}
	bind := func(local string, privileged bool) inetRequest {
		r := socket(blob.PermBind, local)
		r.privileged = privileged
		return r
	}
	both := func(perm uint32, local, peer string) inetRequest {
		r := socket(perm, local)
		r.peer = peer
		return r
	}
	unbound := end(0, "")
	port80 := ast.NetEnd{Port: "80"}
	denied := &ast.NetworkRule{Qualifiers: deny(), Peer: port80}
	type ask struct {
		req  inetRequest
		want bool
	}
	for _, tt := range []struct {
		name  string
		rules []ast.Rule
		asks  []ask
	}{
		{"no condition", []ast.Rule{&ast.NetworkRule{Family: "inet", Type: "stream"}}, []ask{
			{socket(blob.PermCreate, ""), true}, {bind(end(80, lo), true), true}, {bind(end(8080, lo), false), true},
			{socket(blob.PermListen, end(80, lo)), true}, {socket(blob.PermGetopt, unbound), true},
			{both(blob.PermOpen, unbound, end(80, other)), true}, {both(blob.PermSend, end(1, lo), unbound), true},
			{inetRequest{perm: blob.PermCreate, family: 2, typ: 2}, false}, {inetRequest{perm: blob.PermCreate, family: 10, typ: 1}, false},
		}},
		{"local port", []ast.Rule{rule(port80, ast.NetEnd{})}, []ask{
			{socket(blob.PermCreate, ""), true}, {bind(end(80, lo), true), true}, {bind(end(80, lo), false), true}, {bind(end(81, lo), true), false},
			{socket(blob.PermListen, end(80, lo)), true}, {socket(blob.PermAccept, end(80, lo)), true}, {socket(blob.PermListen, end(81, lo)), false},
			{both(blob.PermSend, end(80, lo), unbound), true}, {both(blob.PermSend, end(81, lo), unbound), false},
			{both(blob.PermOpen, end(81, lo), end(80, other)), false},
		}},
		{"port range", []ast.Rule{rule(ast.NetEnd{Port: "250-770"}, ast.NetEnd{})}, []ask{
			{bind(end(249, lo), true), false}, {bind(end(250, lo), true), true}, {bind(end(255, lo), true), true}, {bind(end(256, lo), true), true},
			{bind(end(767, lo), true), true}, {bind(end(770, lo), true), true}, {bind(end(771, lo), true), false}, {bind(end(770+256, lo), false), false},
		}},
		{"any port", []ast.Rule{rule(ast.NetEnd{IP: "127.0.0.1", Port: "0"}, ast.NetEnd{})}, []ask{
			{bind(end(0, lo), false), true}, {bind(end(80, lo), true), true}, {bind(end(80, other), true), false},
		}},
		{"peer", []ast.Rule{rule(ast.NetEnd{}, ast.NetEnd{IP: "1.2.3.4", Port: "80"})}, []ask{
			{socket(blob.PermCreate, ""), true}, {socket(blob.PermGetattr, unbound), true}, {bind(end(5, lo), true), true},
			{both(blob.PermOpen, unbound, end(80, other)), true}, {both(blob.PermOpen, unbound, end(81, other)), false},
			{both(blob.PermOpen, unbound, end(80, lo)), false}, {both(blob.PermSend, end(1, lo), unbound), false},
		}},
		{"connected peer", []ast.Rule{rule(ast.NetEnd{}, ast.NetEnd{IP: "none"})}, []ask{
			{both(blob.PermSend, end(1, lo), unbound), true}, {both(blob.PermOpen, end(1, lo), end(80, other)), false},
		}},
		{"both ends", []ast.Rule{rule(ast.NetEnd{IP: "127.0.0.1", Port: "8080"}, ast.NetEnd{Port: "80-81"})}, []ask{
			{both(blob.PermReceive, end(8080, lo), end(81, other)), true}, {both(blob.PermReceive, end(8081, lo), end(81, other)), false},
			{both(blob.PermReceive, end(8080, lo), end(82, other)), false}, {both(blob.PermReceive, end(8080, other), end(81, other)), false},
		}},
		{"local address is not the peer's", []ast.Rule{rule(ast.NetEnd{IP: "127.0.0.1"}, ast.NetEnd{})}, []ask{
			{both(blob.PermOpen, end(1, other), end(80, lo)), false}, {both(blob.PermOpen, end(1, lo), end(80, other)), true},
		}},
		{"inet6", []ast.Rule{rule(ast.NetEnd{IP: "::1"}, ast.NetEnd{})}, []ask{
			{inetRequest{perm: blob.PermBind, family: 10, typ: 1, protocol: 6, local: end(80, lo6), privileged: true}, true},
			{inetRequest{perm: blob.PermBind, family: 10, typ: 1, protocol: 6, local: end(80, lo)}, false},
		}},
		{"icmp", []ast.Rule{&ast.NetworkRule{Protocol: "icmp"}}, []ask{
			{inetRequest{perm: blob.PermCreate, family: 2, typ: 3, protocol: 1}, true},
			{inetRequest{perm: blob.PermBind, family: 2, typ: 3, protocol: 1, local: end(0, lo)}, true},
			{inetRequest{perm: blob.PermBind, family: 2, typ: 3, protocol: 6, local: end(0, lo)}, false},
		}},
		{"permissions", []ast.Rule{&ast.NetworkRule{Perms: ast.NetBind | ast.NetSend, Family: "inet", Local: port80}}, []ask{
			{socket(blob.PermCreate, ""), false}, {bind(end(80, lo), true), true}, {socket(blob.PermListen, end(80, lo)), false},
			{both(blob.PermSend, end(80, lo), unbound), true}, {both(blob.PermReceive, end(80, lo), unbound), false},
		}},
		{"denied peer", []ast.Rule{&ast.NetworkRule{}, denied}, []ask{
			{socket(blob.PermCreate, ""), true}, {bind(end(80, lo), true), true}, {socket(blob.PermAccept, end(80, lo)), true},
			{both(blob.PermOpen, unbound, end(80, lo)), false}, {both(blob.PermOpen, unbound, end(81, lo)), true},
			{both(blob.PermSend, unbound, unbound), true},
		}},
		{"denied port", []ast.Rule{&ast.NetworkRule{}, &ast.NetworkRule{Qualifiers: deny(), Local: port80}}, []ask{
			{socket(blob.PermCreate, ""), true}, {bind(end(80, lo), true), false}, {bind(end(81, lo), true), true},
			{socket(blob.PermListen, end(80, lo)), false}, {both(blob.PermSend, end(80, lo), unbound), false}, {both(blob.PermSend, end(81, lo), unbound), true},
		}},
		{"denied family", []ast.Rule{&ast.NetworkRule{}, &ast.NetworkRule{Qualifiers: deny(), Family: "inet"}}, []ask{
			{socket(blob.PermCreate, ""), false}, {bind(end(81, lo), true), false}, {both(blob.PermOpen, unbound, end(81, lo)), false},
			{inetRequest{perm: blob.PermCreate, family: 10, typ: 1}, true},
		}},
		{"labels that match nothing", []ast.Rule{rule(ast.NetEnd{Label: "{foo,}"}, ast.NetEnd{Label: "*"})}, []ask{
			{bind(end(80, lo), true), true}, {socket(blob.PermListen, end(80, lo)), true}, {socket(blob.PermSetopt, end(80, lo)), true},
			{both(blob.PermSend, end(80, lo), unbound), true},
		}},
		{"labels", []ast.Rule{rule(ast.NetEnd{Label: "foo"}, ast.NetEnd{Label: "bar"})}, []ask{
			{bind(end(80, lo), true), false}, {socket(blob.PermListen, end(80, lo)), false}, {both(blob.PermSend, end(80, lo), unbound), false},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := mustCompile(t, afInet, ruleSet(tt.rules...)).Policy.Profiles()[0]
			for _, a := range tt.asks {
				if got := a.req.decide(p); got != a.want {
					t.Errorf("%s of %q to %q: got %t, want %t", blob.PermNames(a.req.perm), a.req.local, a.req.peer, got, a.want)
				}
			}
		})
	}
}

// TestInetStrings: the strings themselves.
func TestInetStrings(t *testing.T) {
	const goOn = "8000000"
	p := mustCompile(t, afInet, ruleSet(&ast.NetworkRule{
		Qualifiers: audit(), Family: "inet", Type: "stream",
		Local: ast.NetEnd{IP: "10.0.0.1", Port: "8080", Label: "me"}, Peer: ast.NetEnd{Port: "443", Label: "you"},
	})).Policy.Profiles()[0]
	const (
		me  = "\x00\x1f\x90\x01\x0a\x00\x00\x01\x00"
		you = "\x02\x01\xbb\x01\x01\x02\x03\x04\x00"
	)
	for in, want := range map[string]string{
		tcp:                                                                 "8000010 audit 10",
		tcp + "\x00\x06":                                                    "0",
		tcp + "\x00\x06" + me:                                               goOn,
		tcp + "\x00\x06" + "\x01" + me[1:]:                                  goOn,
		tcp + "\x00\x06" + "\x02" + me[1:]:                                  "0",
		tcp + "\x00\x06" + me + "me\x00":                                    "300320 audit 300320",
		tcp + "\x00\x06" + me + "me\x00\x02ab":                              "400000 audit 400000",
		tcp + "\x00\x06" + me + "me\x00\x04abcd":                            "3000000 audit 3000000",
		tcp + "\x00\x06" + "\x01" + me[1:] + "me\x00":                       "200000 audit 200000",
		tcp + "\x00\x06" + you:                                              goOn,
		tcp + "\x00\x06" + you + "you\x00":                                  goOn,
		tcp + "\x00\x06" + you + "you\x00\x01" + me:                         goOn,
		tcp + "\x00\x06" + you + "you\x00\x01" + me + "me\x00":              "100046 audit 100046",
		tcp + "\x00\x06" + you + "you\x00\x01" + "\x01" + me[1:] + "me\x00": "0",
		tcp + "\x00\x06" + "\x02\x01\xbb\x00\x00you\x00\x01" + me:           goOn,
		tcp + "\x00\x06" + "\x02\x01\xbc\x00\x00":                           "0",
		"\x0e\x00\x02\x00\x02":                                              "0",
		"\x0e\x00\x0a\x00\x01":                                              "0",
		tcp + "\x00\x06" + "\x02\x01\xbb\x02aaaabbbbccccdddd\x00":           goOn,
		tcp + "\x00\x06" + "\x02\x01\xbb\x02aaaabbbbccccddd\x00":            "0",
	} {
		if got := grants(p, blob.PartPolicydb, in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	p = mustCompile(t, afInet, ruleSet(&ast.NetworkRule{Family: "inet"})).Policy.Profiles()[0]
	for in, want := range map[string]string{
		tcp:                            "8000010",
		tcp + "ab\x00\x00\x00\x00\x00": "3700320",
		tcp + "ab\x01\x00\x00\x00\x00": "200000",
		tcp + "ab\x02\x00\x00\x00\x00": goOn,
		tcp + "ab\x02\x00\x00\x00\x00\x00\x01\x00cd\x01efgh\x00": "100046",
	} {
		if got := grants(p, blob.PartPolicydb, in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
}

// TestInetForms: the class follows the kernel, and packed permissions have the
// continue bit, too.
func TestInetForms(t *testing.T) {
	for _, tt := range []struct{ text, class string }{
		{"network_v8 {af_inet {yes\n}\naf_mask {inet\n}\n}\n", "\x0e"},
		{"network_v9 {af_inet {yes\n}\naf_mask {inet\n}\n}\n", "\x0f"},
		{"network_v8 {af_inet {yes\n}\naf_mask {inet\n}\n}\nnetwork_v9 {af_mask {inet\n}\n}\n", "\x0f"},
	} {
		k, err := features.Parse([]byte(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		out, err := compile.Compile(t.Context(), ruleSet(&ast.NetworkRule{Local: ast.NetEnd{Port: "80"}}), compile.Options{Kernel: k})
		if err != nil {
			t.Fatal(err)
		}
		if got := grants(out.Policy.Profiles()[0], blob.PartPolicydb, tt.class+tcp[1:]); got != "8000010" {
			t.Errorf("%q: got %s", tt.text, got)
		}
	}
}

// TestPortRanges compares ranges with all their ports.
func TestPortRanges(t *testing.T) {
	for _, r := range [][2]int{{1, 1}, {1, 255}, {255, 256}, {254, 513}, {256, 511}, {1023, 1024}, {65280, 65535}, {1, 65535}} {
		port := fmt.Sprintf("%d-%d", r[0], r[1])
		p := mustCompile(t, afInet, ruleSet(&ast.NetworkRule{Perms: ast.NetBind, Family: "inet", Local: ast.NetEnd{Port: port}})).Policy.Profiles()[0]
		for n := range 65536 {
			got := p.PolicydbPerms(p.Policydb.DFA.MatchString(blob.StartState, tcp+"\x00\x06\x00"+end(uint16(n), "")+"\x00")).Allow&blob.PermBind != 0
			if want := r[0] <= n && n <= r[1]; got != want {
				t.Fatalf("%s: port %d: %t", port, n, got)
			}
		}
	}
}

func TestBadNetAddresses(t *testing.T) {
	for _, e := range []ast.NetEnd{{IP: "1.2.3"}, {IP: "fe80::1%eth0"}, {Port: "65536"}, {Port: "2-1"}, {Port: "x"}, {Port: "-"}} {
		for _, k := range []string{k61, afInet} {
			_, err := compile.Compile(t.Context(), ruleSet(&ast.NetworkRule{Local: e}), compile.Options{Kernel: oracle.FeatureSet(t, k), Degrade: compile.Report})
			var d *diag.Diagnostic
			if !errors.As(err, &d) || d.Code != diag.CodeAddress {
				t.Errorf("%s: %+v: %v", k, e, err)
			}
		}
	}
}

// TestPackets: interfaces are conditions on packets, where a kernel has a class
// for those. The answers are those of 6.0.
func TestPackets(t *testing.T) {
	const base, iface = "network_v9 {af_mask {inet\n}\n}\n", "network_v9_skb {iface {yes\n}\n}\n"
	const (
		peer = "\x1e\x00\x02\x00\x01\x00\x06\x02\x00\x50\x01\x01\x02\x03\x04\x00"
		own  = "\x01\x00\x07\xd0\x01\x05\x06\x07\x08\x00"
		all  = "83700376"
	)
	rule := &ast.NetworkRule{Family: "inet", Local: ast.NetEnd{IP: "5.6.7.8", Interface: "eth*"}, Peer: ast.NetEnd{IP: "1.2.3.4", Port: "80"}}
	with := func(f func(*ast.NetworkRule)) *ast.NetworkRule {
		r := *rule
		f(&r)
		return &r
	}
	for _, tt := range []struct {
		name     string
		features string
		rule     *ast.NetworkRule
		want     map[string]string
		degraded string
	}{
		{"kernel without packets", base, rule, map[string]string{"\x1e": "0", peer: "0", "\x0f\x00\x02\x00\x01": "3700376"}, "network_v8/af_inet"},
		{"kernel without interfaces", base + "network_v9_skb {x {yes\n}\n}\n", rule, map[string]string{
			"\x1e": "4", peer: "8000000", peer + "\x00": "8000000", peer + "\x00" + own: "3700376", peer + "\x00" + own + "eth0\x00": "0",
		}, "network_v8/af_inet"},
		{"interfaces", base + iface, rule, map[string]string{
			"\x1e": "4", "\x1e\x00\x02\x00\x01": "8000000", peer: "8000000",
			peer + "eth0\x00": "8b700376", peer + "\x00": "8b700376", peer + "lo\x00": "0",
			peer + "eth0\x00\x00": "8000000", peer + "eth0\x00\x00" + own: "8000000",
			peer + "eth0\x00\x00" + own + "eth0\x00": all, peer + "\x00\x00" + own + "\x00": all,
			peer + "eth0\x00\x00" + own + "lo\x00": "0",
			"\x0f\x00\x02\x00\x01":                 "3700376",
		}, "network_v8/af_inet"},
		{"only received", base + iface, with(func(r *ast.NetworkRule) { r.Perms = ast.NetReceive }), map[string]string{
			peer + "\x00": "0", peer + "eth0\x00": "8000004", peer + "eth0\x00\x00" + own + "eth0\x00": "4",
		}, "network_v8/af_inet"},
		{"labels", base + iface, with(func(r *ast.NetworkRule) { r.Local.Label, r.Peer.Label = "me", "you" }), map[string]string{
			peer + "eth0\x00": "88000000", peer + "eth0\x00you": "0", peer + "eth0\x00you\x00": "8000000",
			peer + "eth0\x00you\x00" + own + "eth0\x00":       "88000000",
			peer + "eth0\x00you\x00" + own + "eth0\x00me\x00": "3700376",
		}, "network_v8/af_inet"},
		{"interface alone", base + iface, &ast.NetworkRule{Family: "inet", Local: ast.NetEnd{Interface: "eth0"}}, map[string]string{
			"\x0f\x00\x02\x00\x01": "3700376",
		}, ""},
		{"denied interface", base + iface, &ast.NetworkRule{Qualifiers: deny(), Family: "inet", Local: ast.NetEnd{Interface: "eth0"}}, map[string]string{
			"\x0f\x00\x02\x00\x01": "0", peer + "eth0\x00": "88000000 quiet 3700376", peer + "lo\x00": "0",
		}, ""},
		{"denied interface without packets", base, &ast.NetworkRule{Qualifiers: deny(), Family: "inet", Local: ast.NetEnd{Interface: "eth0"}}, map[string]string{
			"\x0f\x00\x02\x00\x01": "0 quiet 3700376",
		}, "network_v8/af_inet"},
		{"no peer", base + iface, &ast.NetworkRule{Family: "netlink", Perms: ast.NetCreate}, map[string]string{
			"\x1e\x00\x10\x00\x03": "8000000", "\x1e\x00\x10\x00\x03\x00\x00": "0",
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kernel, err := features.Parse([]byte(tt.features))
			if err != nil {
				t.Fatal(err)
			}
			out, err := compile.Compile(t.Context(), ruleSet(tt.rule), compile.Options{Kernel: kernel, Degrade: compile.Report})
			if err != nil {
				t.Fatal(err)
			}
			missing := ""
			for _, d := range out.Degraded {
				missing += d.Feature
			}
			if missing != tt.degraded {
				t.Errorf("degraded for %q, want %q", missing, tt.degraded)
			}
			p := out.Policy.Profiles()[0]
			for in, want := range tt.want {
				if got := grants(p, blob.PartPolicydb, in); got != want {
					t.Errorf("%q: got %s, want %s", in, got, want)
				}
			}
		})
	}
}

// TestInterfaceDegrades: a kernel that mediates addresses may know no packets.
func TestInterfaceDegrades(t *testing.T) {
	out, err := compile.Compile(t.Context(), ruleSet(&ast.NetworkRule{Local: ast.NetEnd{Interface: "eth0"}}),
		compile.Options{Kernel: oracle.FeatureSet(t, afInet), Degrade: compile.Report})
	if err != nil {
		t.Fatal(err)
	}
	if d := out.Degraded; len(d) != 1 || d[0].Feature != "network_v9_skb/iface" || d[0].Dropped || d[0].Cause != compile.ByKernel {
		t.Errorf("%v", d)
	}
}

// TestKeepDenials: permission tables can say what is denied.
func TestKeepDenials(t *testing.T) {
	auditDeny := ast.Qualifiers{Access: ast.Deny, Audit: true}
	rules := ruleSet(
		&ast.FileRule{Qualifiers: auditDeny, Path: "/a", Perms: ast.FileRead},
		&ast.FileRule{Qualifiers: deny(), Path: "/b", Perms: ast.FileWrite},
		&ast.FileRule{Path: "/b", Perms: ast.FileRead | ast.FileWrite},
		&ast.SignalRule{Qualifiers: auditDeny, Perms: ast.SignalSend, Signals: []string{"kill"}, Peer: "x"},
	)
	for _, tt := range []struct {
		kernel string
		keep   bool
		want   [3]uint32
	}{
		{k73, false, [3]uint32{}}, {k61, true, [3]uint32{}},
		{k73, true, [3]uint32{blob.PermRead | blob.PermOpen, 0x3132 | blob.PermAppend, blob.PermSend}},
	} {
		out, err := compile.Compile(t.Context(), rules, compile.Options{Kernel: oracle.FeatureSet(t, tt.kernel), Degrade: compile.Report, KeepDenials: tt.keep})
		if err != nil {
			t.Fatal(err)
		}
		p := out.Policy.Profiles()[0]
		file := func(path string) uint32 {
			db, start := p.FileDB()
			return p.FilePerms(db.DFA.MatchString(start, path), true).Deny
		}
		got := [3]uint32{file("/a"), file("/b"), p.PolicydbPerms(p.Policydb.DFA.MatchString(blob.StartState, "\x0a\x09x")).Deny}
		if got != tt.want {
			t.Errorf("%s, keep %t: got %x, want %x", tt.kernel, tt.keep, got, tt.want)
		}
	}
}

// TestFamilies: kernels without a class for sockets have masks.
func TestFamilies(t *testing.T) {
	masks := func(p *blob.Profile) map[int]blob.FamilyMask {
		if p.Families != nil && len(p.Families) != 46 {
			t.Errorf("%d families", len(p.Families))
		}
		m := map[int]blob.FamilyMask{}
		for i, f := range p.Families {
			if f != (blob.FamilyMask{}) {
				m[i] = f
			}
		}
		return m
	}
	for _, tt := range []struct {
		name  string
		rules []ast.Rule
		want  map[int]blob.FamilyMask
	}{
		{"none", nil, map[int]blob.FamilyMask{}},
		{"family", []ast.Rule{&ast.NetworkRule{Family: "netlink"}}, map[int]blob.FamilyMask{16: {Allow: 0x43e}}},
		{"type", []ast.Rule{&ast.NetworkRule{Family: "inet", Type: "packet"}}, map[int]blob.FamilyMask{2: {Allow: 0x400}}},
		{"protocol", []ast.Rule{&ast.NetworkRule{Protocol: "tcp"}}, map[int]blob.FamilyMask{2: {Allow: 2}, 10: {Allow: 2}}},
		{"condition", []ast.Rule{&ast.NetworkRule{Local: ast.NetEnd{Port: "80"}}}, map[int]blob.FamilyMask{2: {Allow: 0x43e}, 10: {Allow: 0x43e}}},
		{"qualifiers", []ast.Rule{
			&ast.NetworkRule{Family: "inet"},
			&ast.NetworkRule{Qualifiers: audit(), Family: "inet", Type: "dgram"},
			&ast.NetworkRule{Qualifiers: deny(), Family: "inet", Type: "raw"},
			&ast.NetworkRule{Qualifiers: ast.Qualifiers{Access: ast.Deny, Audit: true}, Family: "inet", Type: "rdm"},
		}, map[int]blob.FamilyMask{2: {Allow: 0x426, Audit: 4, Quiet: 8}}},
		{"unix", []ast.Rule{&ast.UnixRule{}, &ast.UnixRule{Qualifiers: deny(), Type: "stream"}}, map[int]blob.FamilyMask{1: {Allow: 0xffff}}},
		{"network unix", []ast.Rule{&ast.NetworkRule{Family: "unix", Type: "stream"}}, map[int]blob.FamilyMask{1: {Allow: 2}}},
	} {
		p := mustCompile(t, suite, ruleSet(tt.rules...)).Policy.Profiles()[0]
		if diff := cmp.Diff(tt.want, masks(p)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
	all := masks(mustCompile(t, suite, ruleSet(&ast.NetworkRule{})).Policy.Profiles()[0])
	if len(all) != 46 || all[12] != (blob.FamilyMask{Allow: 0xffff}) {
		t.Errorf("%v", all)
	}
	for _, k := range kernels {
		if p := mustCompile(t, k, ruleSet(&ast.NetworkRule{})).Policy.Profiles()[0]; p.Families != nil {
			t.Errorf("%s: masks beside a class", k)
		}
	}
}

// TestFlagMembers: flags that kernels with certain features take.
func TestFlagMembers(t *testing.T) {
	profile := func(f policy.Flags) *policy.Set {
		return &policy.Set{Profiles: []*policy.Profile{{Name: "t", Flags: f}}}
	}
	const ipc, errorFeature = "domain {disconnected.ipc {yes\n}\n}\n", "policy {profile {error {yes\n}\ninterruptible {yes\n}\n}\n}\n"
	for _, tt := range []struct {
		name     string
		features string
		flags    policy.Flags
		want     blob.Profile // of which these members count
		missing  string
	}{
		{"debug", "", policy.Flags{Debug: true}, blob.Profile{FlagBits: 2}, ""},
		{"interruptible", errorFeature, policy.Flags{Interruptible: true, Debug: true}, blob.Profile{FlagBits: 10}, ""},
		{"interruptible in domain", "domain {interruptible {yes\n}\n}\n", policy.Flags{Interruptible: true}, blob.Profile{FlagBits: 8}, ""},
		{"kernel without interruptible", ipc, policy.Flags{Interruptible: true}, blob.Profile{}, "domain/interruptible"},
		{"error", errorFeature, policy.Flags{Error: "EPERM"}, blob.Profile{Error: 1}, ""},
		{"last error", errorFeature, policy.Flags{Error: "EHWPOISON"}, blob.Profile{Error: 133}, ""},
		{"error of two names", errorFeature, policy.Flags{Error: "ENOTSUP"}, blob.Profile{Error: 95}, ""},
		{"kernel without errors", ipc, policy.Flags{Error: "EPERM"}, blob.Profile{}, "policy/profile/error"},
		{"ipc", "", policy.Flags{AttachDisconnectedIPC: true, PathWords: true}, blob.Profile{PathFlags: blob.PathAttachDisconnectedIPC, HasPathFlags: true}, ""},
		{"ipc path", ipc, policy.Flags{AttachDisconnectedIPC: true, DisconnectedIPCPath: "/i", PathWords: true},
			blob.Profile{DisconnectedIPC: "/i", PathFlags: blob.PathAttachDisconnectedIPC, HasPathFlags: true}, ""},
		{"kernel without ipc paths", errorFeature, policy.Flags{AttachDisconnectedIPC: true, DisconnectedIPCPath: "/i", PathWords: true},
			blob.Profile{PathFlags: blob.PathAttachDisconnectedIPC, HasPathFlags: true}, "domain/disconnected.ipc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := features.Parse([]byte(tt.features + "mount {yes\n}\n"))
			if err != nil {
				t.Fatal(err)
			}
			out, err := compile.Compile(t.Context(), profile(tt.flags), compile.Options{Kernel: k, Degrade: compile.Report})
			if err != nil {
				t.Fatal(err)
			}
			p := out.Policy.Profiles()[0]
			got := blob.Profile{FlagBits: p.FlagBits, Error: p.Error, DisconnectedIPC: p.DisconnectedIPC, PathFlags: p.PathFlags, HasPathFlags: p.HasPathFlags}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			missing := ""
			for _, d := range out.Degraded {
				missing += d.Feature
			}
			if missing != tt.missing {
				t.Errorf("degraded for %q, want %q", missing, tt.missing)
			}
		})
	}
}
