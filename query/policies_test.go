// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/querytest"
	. "github.com/goarmor/apparmor/query"
)

// TestPolicies compares whole policies.
func TestPolicies(t *testing.T) {
	const base = `
profile web /usr/bin/web {
  /srv/** r,
  ^upload { /srv/in/* w, }
  profile tool /usr/bin/tool { /tmp/* rw, }
}
profile db /usr/bin/db { /var/db/** rw, }
`
	for _, tt := range []struct {
		name, a, b   string
		diff, covers []string
	}{
		{name: "itself", a: base, b: base},
		{name: "hat", a: base, b: `
profile web /usr/bin/web {
  /srv/** r,
  ^upload { /srv/in/* rw, }
  profile tool /usr/bin/tool { /tmp/* r, }
}
profile db /usr/bin/db { /var/db/** rw, }
`, diff: []string{
			"web//tool: file write|append|create|delete|setattr|chmod|chown /tmp/a: allowed | denied write|append|create|delete|setattr|chmod|chown",
			"web//upload: file read /srv/in/a: denied read | allowed",
		}, covers: []string{"web//upload: file read /srv/in/a: denied read | allowed"}},
		{name: "less", a: base, b: `
profile web /usr/bin/web { /srv/** r, profile tool /usr/bin/tool { /tmp/* r, } }
`, diff: []string{
			"db: profile: present | absent",
			"web//tool: file write|append|create|delete|setattr|chmod|chown /tmp/a: allowed | denied write|append|create|delete|setattr|chmod|chown",
			"web//upload: profile: present | absent",
		}, covers: []string{"db: profile: present | absent"}},
		{name: "more", a: "profile web { }", b: "profile web { }\nprofile new { }",
			diff: []string{"new: profile: absent | present"}, covers: []string{"new: profile: absent | present"}},
		{name: "attachment", a: "profile web /usr/bin/{web,www} { }", b: "profile web /usr/bin/web* { }", diff: []string{
			"web: attach /usr/bin/www: allowed | denied", "web: attach /usr/bin/weba: denied | allowed",
		}, covers: []string{"web: attach /usr/bin/www: allowed | denied"}},
		{name: "mode", a: "profile web { /a r, }", b: "profile web flags=(complain) { /a r, deny /b w, }",
			diff: []string{
				"web: mode: enforce | complain",
				"web: file write|append|create|delete|open|setattr|chmod|chown /b: denied write|append|create|delete|open|setattr|chmod|chown | " +
					"denied write|append|create|delete|open|setattr|chmod|chown, quiet",
			}, covers: []string{"web: mode: enforce | complain"}},
		{name: "less complaint", a: "profile web flags=(complain) { deny /b w, }", b: "profile web { /b r, /c rw, }",
			diff: []string{"web: mode: complain | enforce", "", ""}, covers: []string{"web: file open /b: denied open, quiet | allowed"}},
		{name: "unconfined", a: "profile web flags=(unconfined) { }", b: "profile web { /b r, capability, }",
			diff: []string{"web: mode: unconfined | enforce", ""}, covers: nil},
		{name: "limits", a: "profile web { set rlimit nofile <= 10, }", b: "profile web { set rlimit nofile <= 20, set rlimit cpu <= 1, }",
			diff:   []string{"web: rlimit cpu 2: not mediated | denied, above the limit of 1", "web: rlimit nofile 11: denied, above the limit of 10 | allowed"},
			covers: []string{"web: rlimit nofile 11: denied, above the limit of 10 | allowed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := ours(t, "6.12", tt.a), ours(t, "6.12", tt.b)
			found, err := a.Diff(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			got := texts(found)
			for i, want := range tt.diff {
				if want == "" && i < len(got) { // anything, and more of it
					got = append(got[:i], tt.diff[i:]...)
				}
			}
			if diff := cmp.Diff(tt.diff, got); diff != "" {
				t.Error(diff)
			}
			if equal, err := a.Equal(context.Background(), b); err != nil || equal != (len(found) == 0) {
				t.Errorf("Equal: %v, %v", equal, err)
			}
			gaps, err := a.Covers(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.covers, texts(gaps)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestShortest holds the witnesses of random profiles against all requests of
// a small alphabet: there is a witness for whatever differs, and none is
// longer than needed.
func TestShortest(t *testing.T) {
	k := featureSet(t, "7.3")
	paths := words("/ab", 4)
	labels := words("xy", 2)
	differing := 0
	for seed := range uint64(60) {
		a, b, err := querytest.Pair(k, querytest.New(seed))
		if err != nil {
			t.Fatal(err)
		}
		if a == nil {
			continue
		}
		found, err := a.Diff(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		first := map[string]int{} // the shortest witness of each kind
		for _, d := range found {
			kind, n := kindOf(d.Request)
			if old, ok := first[kind]; kind != "" && (!ok || n < old) {
				first[kind] = n
			}
		}
		brute := map[string]int{}
		try := func(r Request) {
			if querytest.Say(a, r) != querytest.Say(b, r) {
				if kind, n := kindOf(r); brute[kind] == 0 || n < brute[kind] {
					brute[kind] = n
				}
			}
		}
		for _, p := range paths {
			for _, owner := range []bool{false, true} {
				for _, access := range []Perms{Read, Write, Append, Exec, Mmap, Lock} {
					try(File{Path: p, Perms: access, Owner: owner})
				}
				if len(p) <= 3 {
					for _, q := range paths {
						if len(q) <= 2 {
							try(Link{Path: p, Target: q, Owner: owner})
						}
					}
				}
			}
		}
		for _, l := range labels {
			for _, access := range []Perms{Send, Receive} {
				try(Signal{Signal: "term", Perms: access, Peer: l})
			}
			for _, access := range []Perms{Trace, ReadPeer, TracedBy, ReadBy} {
				try(Ptrace{Perms: access, Peer: l})
			}
			try(ChangeProfile{Target: l})
		}
		for kind, n := range brute {
			differing++
			if got, ok := first[kind]; !ok || got > n {
				t.Errorf("seed %d: %s: a request of %d bytes is answered differently, the shortest found has %d\n%v", seed, kind, n, got, found)
			}
		}
	}
	if differing < 50 {
		t.Errorf("%d kinds of requests differ", differing)
	}
}

// kindOf returns which kind of witnesses a request is among, and how long it
// is.
func kindOf(r Request) (string, int) {
	switch r := r.(type) {
	case File:
		return "file", len(r.Path)
	case Link:
		return "link", len(r.Path) + len(r.Target)
	case Signal:
		return "signal", len(r.Peer)
	case Ptrace:
		return "ptrace", len(r.Peer)
	case ChangeProfile:
		if !r.OnExec {
			return "change", len(fmt.Sprint(r.Target))
		}
	}
	return "", 0
}

// words returns all words over the alphabet up to a length that begin with its
// first letter if that is a slash and could be names of files.
func words(alphabet string, longest int) []string {
	var all, last []string
	last = []string{""}
	for range longest {
		var next []string
		for _, w := range last {
			for _, c := range alphabet {
				x := w + string(c)
				if alphabet[0] == '/' && (x[0] != '/' || len(x) > 1 && x[len(x)-2:] == "//") {
					continue
				}
				next = append(next, x)
			}
		}
		all, last = append(all, next...), next
	}
	return all
}
