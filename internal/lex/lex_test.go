// SPDX-License-Identifier: Apache-2.0

package lex

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dump lists the tokens of a text as kind(text).
func dump(src string) string {
	var out []string
	l := New(src)
	var t Token
	for l.Next(&t); t.Kind != EOF; l.Next(&t) {
		out = append(out, fmt.Sprintf("%s(%s)", t.Kind, t.Text))
	}
	return strings.Join(out, " ")
}

func TestTokens(t *testing.T) {
	for src, want := range map[string]string{
		"":                            "",
		"/t { }":                      "Path(/t) Open({) Close(})",
		"/t{ }":                       "Path(/t{) Close(})",
		"/a,b rw,/c w,}":              "Path(/a,b) Word(rw) Comma(,) Path(/c) Word(w) Comma(,) Close(})",
		"/a#b r, #c\n#d\n":            "Path(/a#b) Word(r) Comma(,)",
		`/a\ b\,`:                     `Path(/a\ b\,)`,
		`"/a\" b"r`:                   `Path(/a\" b) Word(r)`,
		"/a -> b,}":                   "Path(/a) Arrow(->) Value(b,})",
		"/a->b":                       "Path(/a->b)",
		"network inet,#c\n":           "Word(network) Value(inet,#c)",
		"network inet, #c\n":          "Word(network) Value(inet) Comma(,)",
		"signal,}":                    "Word(signal) Comma(,) Close(})",
		"signal set=(a,b c),}":        "Word(signal) Cond(set) OpenParen(() Value(a) Comma(,) Value(b) Value(c) CloseParen()) Comma(,) Close(})",
		"dbus name=a(b), ":            "Word(dbus) Cond(name) Value(a(b)) Comma(,)",
		"dbus peer=(a=(x|y),b=z{,":    "Word(dbus) Cond(peer) OpenParen(() Cond(a) OpenParen(() Value(x|y) CloseParen()) Comma(,) Cond(b) Value(z{) Comma(,)",
		"dbus # c\nsend,":             "Word(dbus) Value(#) Value(c) Value(send) Comma(,)",
		"mount options in (a) /b ->":  "Word(mount) Cond(options) OpenParen(() Value(a) CloseParen()) Value(/b) Arrow(->)",
		"mount options in /b":         "Word(mount) Value(options) Value(in) Value(/b)",
		"mount /a=b":                  "Word(mount) Value(/a=b)",
		"change_profile a=b ->c":      "Word(change_profile) Value(a=b) Value(->c)",
		"set rlimit cpu<=1ms,}":       "Word(set) Word(rlimit) Value(cpu) LessEqual(<=) Number(1) Value(ms) Comma(,) Close(})",
		"userns,}":                    "Word(userns) Comma(,) Close(})",
		"priority = -5 /a r":          "Word(priority) Assign(=) Number(-5) Path(/a) Word(r)",
		"@{V}=a b#c #d\n@W += \"\"":   "Var(V) Assign(=) Value(a) Value(b#c) Var(W) Assign(+=) Value()",
		"@{V} = a \\\n b\n/t":         "Var(V) Assign(=) Value(a) Value(b) Path(/t)",
		"@{V}:=a":                     "Path(@{V}:=a)",
		"@{V} := a":                   "Var(V) Assign(:=) Value(a)",
		"@{V}/x @{V} @{V}+x":          "Path(@{V}/x) Var(V) Var(V) Plus(+) Word(x)",
		"@{1V}":                       "Illegal(@) Open({) Illegal(1) Word(V) Close(})",
		"$B=true and $C\n/t":          "BoolVar(B) Assign(=) Word(true) Word(and) BoolVar(C) Path(/t)",
		"if $B{ }":                    "Word(if) BoolVar(B) Open({) Close(})",
		"if a==b or (c != \"d\") {":   "Word(if) Word(a) Compare(==) Word(b) Word(or) OpenParen(() Word(c) Compare(!=) Value(d) CloseParen()) Open({)",
		"if 1 <= 2 {":                 "Word(if) Word(1) Compare(<=) Word(2) Open({)",
		"if $A == a\\ b {":            "Word(if) BoolVar(A) Compare(==) Word(a\\ b) Open({)",
		"@{V}=!a , b,\n/t":            "Var(V) Assign(=) Illegal(!) Value(a) Comma(,) Value(b) Comma(,) Path(/t)",
		"include <a b> include x":     "Include(a b) Include(x)",
		"#include if exists \"a\"\n":  "Include(a)",
		"#includes are":               "Illegal(#includes) Word(are)",
		"#includes are\n":             "Include(s) Word(are)",
		"include >x\n":                "Illegal(include >) Word(x)",
		"include x>y\n":               "Include(x) Illegal(>) Word(y)",
		"includes":                    "Word(includes)",
		"abi <a>, abi \"b\" , abi c,": "Word(abi) FileName(a) Comma(,) Word(abi) FileName(b) Comma(,) Word(abi) FileName(c) Comma(,)",
		"^h { }":                      "Caret(^) Value(h) Open({) Close(})",
		"^ h":                         "Caret(^) Illegal( ) Word(h)",
		"profile #c\n{ }":             "Word(profile) Value(#c) Open({) Close(})",
		"profile x flags=(a,b=/c){":   "Word(profile) Value(x) Cond(flags) OpenParen(() Value(a) Comma(,) Value(b=/c) CloseParen()) Open({)",
		"\"x":                         "Illegal(\"x)",
		"/a! ~ é":                     "Path(/a) Illegal(!) Illegal(~) Illegal(é)",
		"/a\\":                        "Illegal(/a\\)",
		`/a,\ b,\"c r,`:               `Path(/a,\ b,\"c) Word(r) Comma(,)`,
		"\"/a\x00\"":                  "Illegal(\"/a\x00\")",
		"\"/a\\\x00\"":                "Illegal(\"/a\\\x00\")",
		"\"a\\":                       "Illegal(\"a\\)",
		"$B=a==b and c\n":             "BoolVar(B) Assign(=) Word(a) Compare(==) Word(b) Word(and) Word(c)",
		"/a\x00b":                     "Path(/a) Illegal(\x00) Word(b)",
	} {
		if diff := cmp.Diff(want, dump(src)); diff != "" {
			t.Errorf("%q:\n%s", src, diff)
		}
	}
}

// TestIdentifiers has every byte in the name of a variable: letters begin one,
// digits and underscores go on with it.
func TestIdentifiers(t *testing.T) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		in := func(format string) string { return fmt.Sprintf(format, string([]byte{byte(c)})) }
		for format, of := range map[string]string{"@{%sV}": letters, "@{V%s}": letters + "_0123456789"} {
			want := strings.IndexByte(of, byte(c)) >= 0
			if got := dump(in(format)) == in("Var("+format[2:len(format)-1]+")"); got != want {
				t.Errorf("%q is a variable: %t", in(format), got)
			}
		}
		if got := dump(in("%s")) == in("Word(%s)"); got != (strings.IndexByte(letters, byte(c)) >= 0) {
			t.Errorf("%q is a word: %t", in("%s"), got)
		}
	}
}

// FuzzLex checks that tokens are in order, lie in the text, leave only blanks
// and comments between them, and that the lexer comes to an end.
func FuzzLex(f *testing.F) {
	for _, src := range []string{"", "/t { /a r, }\n", "@{V}=a \\\n b#c\n", "if a == b { }", "dbus peer=(a=(b|c), d=\"e\"),\n", "#include <x>\n", "abi <x>,", "set rlimit cpu <= 1,", "\\\x00\""} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		l := New(src)
		var tok Token
		end := 0
		for n := 0; ; n++ {
			if n > len(src)+1 {
				t.Fatal("the lexer gives more tokens than the text has bytes")
			}
			l.Next(&tok)
			if int(tok.From) < end || tok.To < tok.From || int(tok.To) > len(src) {
				t.Fatalf("token %+v after %d", tok, end)
			}
			gap := src[end:tok.From]
			if strings.Trim(gap, " \t\r\n\\") != "" && !strings.Contains(gap, "#") {
				t.Fatalf("%q between tokens", gap)
			}
			if tok.Kind == EOF {
				break
			}
			if tok.From == tok.To {
				t.Fatalf("empty token %+v", tok)
			}
			if (tok.Kind == Illegal) != (tok.Why != "") {
				t.Fatalf("%+v", tok)
			}
			end = int(tok.To)
		}
		for range 2 {
			if l.Next(&tok); tok.Kind != EOF {
				t.Fatalf("%+v after the end", tok)
			}
		}
	})
}
