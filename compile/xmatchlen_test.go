// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
)

// TestXMatchLen holds the values against the installed parser, which computes
// them as 6.0 does.
func TestXMatchLen(t *testing.T) {
	parser := oracle.Parser(t)
	features := oracle.Features(t, "kernel-6.1.192")
	for pattern, want := range map[ast.Pattern]uint32{
		"/usr/lib*/foo":                 8,
		"/usr/bin/{foo,ba*}":            11,
		"/usr/bin/{foo,ba*}xx":          11,
		"/usr/bin/{foo,ba*,qqqqqqq}xx":  11,
		"/a?b*c":                        3,
		"/a[bc]d*e":                     4,
		"/a[^b]cd":                      3,
		"/a/**":                         4,
		"/a/**/b":                       4,
		"/a/*/b":                        4,
		"/a*":                           2,
		"/{a,bb,ccc}/d":                 4,
		"/{a,bb,ccc}/*/d":               4,
		"/a{,*/}bcd":                    2,
		"/a{,b/}bcd":                    5,
		"/a{*/,b/}bcd":                  2,
		"/a**b":                         2,
		"/a{b,c}{d*,e}f":                4,
		"/a{,?/}bcd":                    2,
		"/{usr/,}bin/foo":               8,
		"/{usr/,opt/*/}bin/foo":         4,
		"/{usr/x/,opt/*/,lib/y/}bin":    6,
		"/{usrx/,opt/longer/*x/}bin":    4,
		`/a\*b*`:                        4,
		"/{a{b,c},d?}e":                 3,
		"/usr/{lib{,32,64},libexec}/q*": 10,
	} {
		if got := xmatchLen([]ast.Pattern{pattern}); got != want {
			t.Errorf("%s: got %d, want %d", pattern, got, want)
		}
		data, err := parser.Compile(oracle.Job{Text: "profile t " + string(pattern) + " { }\n", Features: features})
		if err != nil {
			t.Fatal(err)
		}
		p, err := blob.Inspect(data)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Profiles()[0].XMatchLen; got != want {
			t.Errorf("%s: the reference has %d, want %d", pattern, got, want)
		}
	}
}

func FuzzXMatchLen(f *testing.F) {
	for _, s := range []string{"/{a,b*}", "{", "[", `\`, "/a/*/", "}{,", "[^", "{{,}", "***"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n := xmatchLen([]ast.Pattern{ast.Pattern(s)}); n > uint32(len(s)) {
			t.Errorf("%q: %d", s, n)
		}
	})
}
