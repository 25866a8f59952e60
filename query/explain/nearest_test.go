// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
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

// TestNearestPath has rules and the one of them whose pattern begins most like a
// path that none of them grants.
func TestNearestPath(t *testing.T) {
	k := featureSet(t, k612)
	for _, tt := range []struct{ rules, path, want string }{
		{"/a/x r, /a/xyz r,", "/a/xy1", "/a/xyz r,"},
		{"/a/xyz r, /a/x r,", "/a/xy1", "/a/xyz r,"},
		{"/a/x r, /a/y r,", "/a/z", "/a/x r,"}, // the first of two
		{"/ax r,", "/ay", "/ax r,"},
		{"/ax r,", "/by", ""},
		{"/ax w,", "/ay", ""},
		{"/a r,", "/a/b", "/a r,"},
		{"/a/b r,", "/a", "/a/b r,"},
		// What is special in a pattern is like nothing in a path.
		{"/a*/x r, /ab r,", "/a*/y", "/a*/x r,"},
		{"/ab*/x r, /ab* w, /ab/* r,", "/ab/x/y", "/ab/* r,"},
		{"/a?x r, /a r,", "/a?y", "/a?x r,"},
		{"/a[b]x r, /a r,", "/a[b]y", "/a[b]x r,"},
		{"/a{b,c}x r, /a r,", "/a{b,c}y", "/a{b,c}x r,"},
		{"/{a,b}x r, /a r,", "/ay", "/a r,"},
	} {
		p := open(t, k, resolve(t, k, "profile t {\n "+strings.ReplaceAll(tt.rules, ", ", ",\n ")+"\n}\n"))
		e, err := p.Explain(t.Context(), "t", query.File{Path: tt.path, Perms: query.Read})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if e.Nearest != nil {
			got = e.Nearest.Text
		}
		if got != tt.want || e.Decision.Allowed() {
			t.Errorf("%s: nearest to %s is %q, want %q; %v", tt.rules, tt.path, got, tt.want, e.Decision)
		}
	}
}

// TestLimitsAreWritten: limits are explained in the words of a rule.
func TestLimitsAreWritten(t *testing.T) {
	k := featureSet(t, k612)
	p := open(t, k, resolve(t, k, "profile t {\n set rlimit cpu <= 2 min,\n set rlimit rttime <= 5 ms,\n set rlimit core <= infinity,\n link /l -> /t,\n}\n"))
	if p.Compiled().Policy.Len() == 0 || len(p.Query().Profiles()) != 1 {
		t.Error("the result holds no policy, or not one profile")
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
		for _, s := range e.Steps {
			for _, r := range s.Rules {
				if _, ok := r.Rule.(*ast.RlimitRule); ok && (r.Effect == ast.Allow) != e.Decision.Allowed() {
					t.Errorf("%v: effect %v of a limit, decision %v", ask, r.Effect, e.Decision)
				}
			}
		}
		if got := e.String(); want != "" && got != ask.String()+": "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
