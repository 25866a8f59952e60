// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
)

// TestNearestPermission: what comes near grants what is missing, each permission
// by its letter.
func TestNearestPermission(t *testing.T) {
	k := featureSet(t, k612)
	for letters, grants := range map[string][]query.Perms{
		"r":  {query.Read, query.MayOpen},
		"w":  {query.Write, query.Create, query.Delete, query.Setattr, query.Chmod, query.Chown, query.Append, query.MayOpen},
		"a":  {query.Append},
		"k":  {query.Lock},
		"m":  {query.Mmap},
		"l":  {query.Perms(blob.PermLink)},
		"ix": {query.Exec},
	} {
		p := open(t, k, resolve(t, k, "profile t {\n /a/x "+letters+",\n}\n"))
		for bit := range 19 {
			ask := query.Perms(1) << bit
			e, err := p.Explain(t.Context(), "t", query.File{Path: "/a/y", Perms: ask})
			if err != nil {
				t.Fatal(err)
			}
			want := false
			for _, g := range grants {
				want = want || g == ask
			}
			if got := e.Nearest != nil; got != want {
				t.Errorf("%s, %v: nearest %+v, want one: %t", letters, ask, e.Nearest, want)
			}
		}
	}
}

// TestLimitsAreWritten: limits are explained in the words of a rule.
func TestLimitsAreWritten(t *testing.T) {
	k := featureSet(t, k612)
	p := open(t, k, resolve(t, k, "profile t {\n set rlimit cpu <= 2 min,\n set rlimit rttime <= 5 ms,\n set rlimit core <= infinity,\n link /l -> /t,\n}\n"))
	if p.Compiled().Policy.Len() == 0 || len(p.Query().Profiles()) != 1 {
		t.Error("nothing compiled")
	}
	for ask, want := range map[query.Request]string{
		query.Rlimit{Resource: "cpu", Value: 120}:         "allowed\n  policy:2:2: set rlimit cpu <= 120 s, decides\n",
		query.Rlimit{Resource: "rttime", Value: 5001}:     "denied, above the limit of 5000\n  policy:3:2: set rlimit rttime <= 5000 us, decides\n",
		query.Rlimit{Resource: "core", Value: ^uint64(0)}: "allowed\n  policy:4:2: set rlimit core <= infinity, decides\n",
		query.Link{Path: "/l", Target: "/x"}:              "",
		query.Link{Path: "/lx", Target: "/t"}:             "denied\n  no rule covers it\n  the nearest is policy:5:2: link /l -> /t,\n",
	} {
		e, err := p.Explain(t.Context(), "t", ask)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.String(); want != "" && got != ask.String()+": "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
