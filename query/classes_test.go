// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	. "github.com/goarmor/apparmor/query"
)

// ours compiles a policy with this library.
func ours(tb testing.TB, kernel, text string) *Policy {
	tb.Helper()
	k := featureSet(tb, kernel)
	unit, err := (&parser.Config{}).ParseTree(tb.Context(), "policy", text)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := policy.Resolve(tb.Context(), unit, policy.Options{Default: k})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := compile.Compile(tb.Context(), set, compile.Options{Kernel: k, Degrade: compile.Report})
	if err != nil {
		tb.Fatal(err)
	}
	return Open(out.Policy)
}

// TestAddresses asks about sockets of inet where kernels mediate addresses.
func TestAddresses(t *testing.T) {
	at := netip.MustParseAddrPort
	lo80, lo81, other := at("127.0.0.1:80"), at("127.0.0.1:81"), at("1.2.3.4:80")
	tcp := func(a Perms, local, remote netip.AddrPort) Network {
		return Network{Family: "inet", Type: "stream", Protocol: 6, Perms: a, Local: local, Remote: remote}
	}
	none := netip.AddrPort{}
	for _, tt := range []struct {
		rules string
		asks  []question
	}{
		{"network inet stream port=80,", []question{
			{tcp(Create, none, none), "allowed"},
			{tcp(Bind, lo80, none), "allowed"},
			{tcp(Bind, lo81, none), "denied bind"},
			{tcp(Create|Bind|Listen, lo80, none), "allowed"},
			{tcp(Bind|Listen, lo81, none), "denied bind|listen"},
			{tcp(Accept|Shutdown, lo80, none), "allowed"},
			{tcp(Send, lo80, none), "allowed"},
			{tcp(Connect, lo81, other), "denied open"},
			{Network{Family: "inet", Type: "dgram"}, "denied create"},
			{Network{Family: "inet6", Type: "stream", Perms: Bind, Local: at("[::1]:80")}, "denied bind"},
		}},
		{"network inet peer=(ip=1.2.3.4 port=80),", []question{
			{tcp(Connect|Send|Receive, none, other), "allowed"},
			{tcp(Connect, none, lo80), "denied open"},
			{tcp(Send, lo80, none), "denied write"},
			{tcp(Bind, lo80, none), "allowed"},
		}},
		{"network inet6 ip=::1,", []question{
			{Network{Family: "inet6", Type: "stream", Perms: Bind, Local: at("[::1]:80")}, "allowed"},
			{Network{Family: "inet6", Type: "stream", Perms: Bind, Local: at("[::2]:80")}, "denied bind"},
			{Network{Family: "inet6", Type: "stream", Perms: Setopt | Listen, Local: at("[::1]:8080"), Option: SockOpt{1, 2}, Backlog: 128}, "allowed"},
		}},
		{"network inet,\naudit deny network (connect) inet peer=(port=80),\ndeny network (bind) inet port=81,", []question{
			{tcp(Connect, none, other), "denied open"},
			{tcp(Bind, lo81, none), "denied bind, quiet"},
			{tcp(Bind, lo80, none), "allowed"},
			{tcp(Connect, none, at("1.2.3.4:81")), "allowed"},
		}},
		{"audit network inet port=80,", []question{
			{tcp(Create, none, none), "allowed, audited"},
			{tcp(Bind|Listen|Getopt|Send, lo80, other), "allowed, audited"},
		}},
	} {
		p := profile(t, ours(t, "ubuntu-24.04", "profile t {\n"+tt.rules+"\n}"), "t")
		for _, q := range tt.asks {
			q.check(t, p)
		}
	}
}

// TestMqueue asks about message queues, which the policy of no installed
// kernel has.
func TestMqueue(t *testing.T) {
	p := profile(t, open(t, &blob.Profile{Name: "p", Policydb: trie(map[string]blob.Perm{
		"\x11/a": {Allow: blob.PermRead}, "\x11/a\x00l": {Allow: blob.PermWrite | blob.PermRead},
		"\x11/a\x00m": {Allow: blob.PermWrite}, "\x12\x00\x00\x01\x00": {Allow: blob.PermOpen},
	})}), "p")
	for _, q := range []question{
		{Mqueue{Name: "/a", Perms: Read}, "allowed"},
		{Mqueue{Name: "/a", Perms: Read | Write}, "denied write"},
		{Mqueue{Name: "/a", Perms: Read | Write, Label: "l"}, "allowed"},
		{Mqueue{Name: "/a", Perms: Write, Label: "l//&m"}, "allowed"},
		{Mqueue{Name: "/a", Perms: Write, Label: "l//&n"}, "denied write"},
		{Mqueue{Name: "/b"}, "denied open"},
		{Mqueue{Key: 256}, "allowed"},
		{Mqueue{Key: 1}, "denied open"},
	} {
		q.check(t, p)
	}
}

// TestExecute follows executions, and changes of hats.
func TestExecute(t *testing.T) {
	policy := ours(t, "6.12", `
profile t {
  /bin/i ix,
  /bin/u Ux,
  /bin/p* Px,
  /bin/pi Pix,
  /bin/pu PUx,
  /bin/s px -> &other,
  /bin/n px -> :ns:far,
  /bin/c* Cx,
  profile child /bin/c1 { }
  ^hat { }
}
profile other /bin/p1 { }
profile one /bin/pp* { }
profile two /bin/pp* { }
profile free /bin/f flags=(unconfined) { }
`)
	p := profile(t, policy, "t")
	for _, q := range []question{
		{Execute{Path: "/bin/i"}, "allowed, ix, label t"},
		{Execute{Path: "/bin/u"}, "allowed, Ux, label unconfined"},
		{Execute{Path: "/bin/p1"}, "allowed, Px, label other"},
		{Execute{Path: "/bin/p2"}, "denied, no profile of this policy attaches"},
		{Execute{Path: "/bin/ppp"}, "denied, /bin/ppp: conflicting attachments: one, two"},
		{Execute{Path: "/bin/pi"}, "allowed, Pix, label t"},
		{Execute{Path: "/bin/pu"}, "allowed, PUx, label unconfined"},
		{Execute{Path: "/bin/s"}, "allowed, px -> &other, label other//&t"},
		{Execute{Path: "/bin/n"}, "allowed, px -> :ns:far, label :ns:far, :ns:far is not in this policy"},
		{Execute{Path: "/bin/c1"}, "allowed, Cx, label t//child"},
		{Execute{Path: "/bin/c2"}, "denied, no profile of this policy attaches"},
		{Execute{Path: "/bin/x"}, "denied"},
		{ChangeHat{Hats: []string{"none", "hat"}}, "allowed, label t//hat"},
		{ChangeHat{Hats: []string{"child"}}, "denied, t//child is a child, not a hat"},
		{ChangeHat{}, "denied, no such hat"},
		{Rlimit{Resource: "nofile", Value: 1}, "not mediated"},
	} {
		q.check(t, p)
	}
	question{ChangeHat{Hats: []string{"hat"}}, "allowed, label t//hat"}.check(t, profile(t, policy, "t//hat"))
	free := profile(t, policy, "free")
	question{Execute{Path: "/bin/p1"}, "not mediated, label other"}.check(t, free)
	question{Execute{Path: "/none"}, "not mediated, label free"}.check(t, free)
	question{ChangeHat{Hats: []string{"x"}}, "denied, unconfined profiles have no hats"}.check(t, free)
}

// TestXattrs asks about attachment by extended attributes, which kernels look
// at one by one.
func TestXattrs(t *testing.T) {
	policy := ours(t, "6.12", `
profile plain /bin/* { }
profile marked /bin/* xattrs=(security.a="x*" user.b) { }
`)
	marked := profile(t, policy, "marked")
	both := map[string]string{"security.a": "xy", "user.b": "1"}
	question{Attach{Path: "/bin/x", Xattrs: both}, "allowed"}.check(t, marked)
	question{Attach{Path: "/bin/x"}, "denied, extended attributes do not match"}.check(t, marked)
	question{Attach{Path: "/bin/x", Xattrs: map[string]string{"security.a": "y", "user.b": "1"}}, "denied, extended attributes do not match"}.check(t, marked)
	question{Attach{Path: "/sbin/x", Xattrs: both}, "denied"}.check(t, marked)
	all, err := policy.Attachments(Attach{Path: "/bin/x", Xattrs: both})
	if err != nil || len(all) != 2 || all[0].Profile.Name != "marked" || all[0].Xattrs != 2 || all[1].Profile.Name != "plain" {
		t.Errorf("candidates are %+v", all)
	}
}

// TestCandidates has profiles that attach to one path, whose names are in another
// order than the one in which a kernel prefers them.
func TestCandidates(t *testing.T) {
	policy := ours(t, "6.12", `
profile e /usr/bin/foo { }
profile a /usr/bin/* { }
profile b /usr/bin/fo* { }
profile d /usr/bin/fo* xattrs=(user.a user.b) { }
profile c /usr/bin/fo* xattrs=(user.a) { }
/usr/bin/foo { }
`)
	var profiles []*blob.Profile
	for _, name := range []string{"/usr/bin/foo", "a", "b", "c", "d", "e"} {
		p := *profile(t, policy, name).Profile
		if name == "/usr/bin/foo" {
			p.XMatch = nil // as apparmor_parser writes plain paths
		}
		profiles = append(profiles, &p)
	}
	all, err := open(t, profiles...).Attachments(Attach{Path: "/usr/bin/foo", Xattrs: map[string]string{"user.a": "1", "user.b": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range all {
		got = append(got, fmt.Sprint(c.Profile.Name, " ", c.Named, " ", c.Xattrs))
	}
	want := []string{"/usr/bin/foo true 0", "e false 0", "d false 2", "c false 1", "b false 0", "a false 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestLabels asks about labels of several components and of other namespaces.
func TestLabels(t *testing.T) {
	p := profile(t, ours(t, "6.12", `
profile t {
  signal send peer=a,
  signal send peer=b//&c,
  signal receive peer=:ns:a,
  signal send peer=unconfined,
  ptrace (tracedby, readby) peer=unconfined,
  change_profile -> &s,
  change_profile -> :ns:n,
}`), "t")
	for _, q := range []question{
		{Signal{Signal: "tstp", Perms: Send, Peer: "a"}, "allowed"},
		{Signal{Signal: "term", Perms: Send, Peer: "b"}, "denied send"},
		{Signal{Signal: "term", Perms: Send, Peer: "b//&c"}, "allowed"},
		{Signal{Signal: "term", Perms: Send, Peer: "a//&unconfined"}, "allowed"},
		{Signal{Signal: "term", Perms: Send, Peer: "a//&b"}, "denied send"},
		{Signal{Signal: "term", Perms: Receive, Peer: ":ns:a"}, "allowed"},
		{Signal{Signal: "term", Perms: Receive, Peer: "a"}, "denied receive"},
		{Ptrace{Perms: TracedBy | ReadBy, Peer: "unconfined"}, "allowed"},
		{Ptrace{Perms: Trace | TracedBy, Peer: "unconfined"}, "denied trace"},
		{ChangeProfile{Target: "s", Stack: true}, "allowed"},
		{ChangeProfile{Target: "s//&s", Stack: true}, "allowed"},
		{ChangeProfile{Target: "s"}, "denied change_profile"},
		{ChangeProfile{Target: ":ns:n"}, "allowed"},
		{ChangeProfile{Target: "n"}, "denied change_profile"},
	} {
		q.check(t, p)
	}
}
