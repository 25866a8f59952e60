// SPDX-License-Identifier: Apache-2.0

package explain_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
)

// TestNearestPermission: what comes near grants what is missing, each permission
// by the letter that stands for it.
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
