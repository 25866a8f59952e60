// SPDX-License-Identifier: Apache-2.0

package ast_test

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
)

// FuzzGlob holds for every text: a Pattern that Glob returns passes Check and
// decodes to itself, and what is literal in it matches one string.
func FuzzGlob(f *testing.F) {
	for _, s := range []string{"/a", `/\x41\052\d0`, "/{a,[b-c]}*", "/@{V}", `/\`, "/[", "/{a,{b,c}", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ast.Glob(text)
		if err != nil {
			if p != "" {
				t.Fatalf("%q beside %v", p, err)
			}
			return
		}
		if err := p.Check(); err != nil {
			t.Fatal(err)
		}
		if q := ast.Decode(string(p)); q != p {
			t.Fatalf("%q decodes to %q", p, q)
		}
		text, ok := p.Unescape()
		if ok != p.IsLiteral() {
			t.Fatalf("%q: unescaped %v", p, ok)
		}
		if !ok {
			return
		}
		if q, err := ast.Exact(text); err == nil {
			if back, _ := q.Unescape(); back != text {
				t.Fatalf("%q became %q", text, back)
			}
		}
	})
}
