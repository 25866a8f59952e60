// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/upstream"
)

// one builds the automaton of one expression.
func one(tb testing.TB, n Node) *DFA {
	tb.Helper()
	var b Builder
	b.Add(n, 1)
	d, err := b.Build(NewBudget(context.Background(), Limits{}))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func accepts(d *DFA, in string) bool { return len(d.Accepts(d.Match(Start, in))) > 0 }

// latin1 turns the corpus's strings, a rune for each byte, into bytes.
func latin1(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

// squeeze does what policy does to paths before they are patterns.
func squeeze(s string) string {
	double := strings.HasPrefix(s, "//") && !strings.HasPrefix(s, "///")
	for strings.Contains(s, "//") {
		s = strings.ReplaceAll(s, "//", "/")
	}
	if double {
		s = "/" + s
	}
	return s
}

// TestCorpusMatch compares every pattern of the corpus with what the
// reference's automaton said about every string.
func TestCorpusMatch(t *testing.T) {
	patterns := 0
	for _, e := range upstream.Matches(t) {
		if !e.OK && !strings.Contains(e.Pattern, "[b-]") {
			continue // refused by the lexer
		}
		patterns++
		// The file that the reference read was UTF-8.
		word := e.Pattern
		if strings.HasPrefix(word, `"`) {
			word = word[1 : len(word)-1]
		}
		if word == "@{profile_name}" {
			word = "t"
		}
		n, _, err := Glob(squeeze(string(ast.Decode(word))), GlobOptions{})
		if (err == nil) != e.OK {
			t.Errorf("%q: error %v, the reference accepts: %v", e.Pattern, err, e.OK)
			continue
		}
		if err != nil {
			continue
		}
		d := one(t, n)
		for want, list := range map[bool][]string{true: e.Match, false: e.NoMatch} {
			for _, s := range list {
				if got := accepts(d, latin1(s)); got != want {
					t.Errorf("%q on %q: match %v, want %v", e.Pattern, s, got, want)
				}
			}
		}
	}
	if patterns < 80 {
		t.Errorf("%d patterns compared", patterns)
	}
}

// The corners of the language, each seen in the reference's regular
// expressions or automata.
var globTests = []struct {
	pattern string
	nul     bool
	info    GlobInfo
	match   []string
	differ  []string
}{
	{"", false, GlobInfo{true, 0}, []string{""}, []string{"a"}},
	{"/a,b", false, GlobInfo{true, 4}, []string{"/a,b"}, []string{"/a", "b"}},
	{"/a.b+c|(d)^$", false, GlobInfo{true, 12}, []string{"/a.b+c|(d)^$"}, []string{"/axb+c|(d)^$"}},
	{`/a\*`, false, GlobInfo{true, 3}, []string{"/a*"}, []string{"/a", "/ab", `/a\b`}},
	{`/a\\b`, false, GlobInfo{true, 4}, []string{`/a\b`}, []string{"/ab"}},
	{`/\q\-\^`, false, GlobInfo{true, 4}, []string{"/q-^"}, []string{`/\q-^`}},
	{`/a\000b`, false, GlobInfo{true, 4}, []string{"/a\x00b"}, []string{"/a000b"}},
	{`/a\x0b`, false, GlobInfo{true, 5}, []string{"/ax0b"}, []string{"/a\x00b"}}, // not what the lexer leaves
	{`/a\x0g\x00g\d0g\d000`, false, GlobInfo{true, 9}, []string{"/a\x00g\x00g\x00g\x00"}, nil},
	{`/a\0a\00a\0000`, false, GlobInfo{true, 8}, []string{"/a\x00a\x00a\x000"}, nil},
	{"/*", false, GlobInfo{false, 2}, []string{"/a", "/*"}, []string{"/", "/a/", "/\x00", "//"}},
	{"/*/", false, GlobInfo{false, 3}, []string{"/a/"}, []string{"//", "/a", "/a/b/"}},
	{"/a/**", false, GlobInfo{false, 4}, []string{"/a/b", "/a/b/", "/a/b//c"}, []string{"/a/", "/a//b", "/a/\x00"}},
	{"/a/***/b", false, GlobInfo{false, 6}, []string{"/a/x/b", "/a/x/y/b"}, []string{"/a//b", "/a/b"}},
	{"/a/**b", false, GlobInfo{false, 4}, []string{"/a/b", "/a//b", "/a/x/b"}, []string{"/ab"}},
	{"/a/*{,b}", false, GlobInfo{false, 3}, []string{"/a/", "/a/b"}, []string{"/a//"}},
	{"/a/{*,x}", false, GlobInfo{false, 3}, []string{"/a/", "/a/b"}, []string{"/a/b/"}},
	{`/a\/*`, false, GlobInfo{false, 4}, []string{"/a/b"}, []string{"/a/"}},
	{`/a/*\/`, false, GlobInfo{false, 4}, []string{"/a//", "/a/b/"}, nil},
	{"a*?", false, GlobInfo{false, 2}, []string{"ab", "abc"}, []string{"a", "a/", "ab/"}},
	{"/{a,b{c,},}", false, GlobInfo{true, 1}, []string{"/", "/a", "/b", "/bc"}, []string{"/ac"}},
	{`/{a\,b,c}`, false, GlobInfo{true, 2}, []string{"/a,b", "/c"}, []string{"/a", "/b"}},
	{"/{[,],a}", false, GlobInfo{true, 2}, []string{"/,", "/a"}, []string{"/["}},
	{"/{a,b[}]}", false, GlobInfo{true, 2}, []string{"/a", "/b}"}, []string{"/b"}},
	{"/[a-c]", false, GlobInfo{true, 2}, []string{"/a", "/b", "/c"}, []string{"/d", "/-"}},
	{"/[c-a]", false, GlobInfo{true, 2}, []string{"/a", "/b", "/c"}, []string{"/d", "/-"}},
	{`/[a\-c]`, false, GlobInfo{true, 2}, []string{"/a", "/b", "/c"}, []string{"/-"}},
	{"/[-a]", false, GlobInfo{true, 2}, []string{"/-", "/a"}, []string{"/b"}},
	{"/[--0]", false, GlobInfo{true, 2}, []string{"/-", "/.", "//", "/0"}, []string{"/a"}},
	{"/[^-a]", false, GlobInfo{false, 2}, []string{"/b", "//", "/\x00", "/^"}, []string{"/-", "/a"}},
	{"/[^^]", false, GlobInfo{false, 2}, []string{"/a"}, []string{"/^"}},
	{`/[\^a]`, false, GlobInfo{false, 2}, []string{"/b", "/^"}, []string{"/a"}},
	{"/[a^]", false, GlobInfo{true, 2}, []string{"/a", "/^"}, []string{"/b"}},
	{"/[a[b]", false, GlobInfo{true, 2}, []string{"/a", "/[", "/b"}, []string{"/[b]"}},
	{`/[\]\\\*]`, false, GlobInfo{true, 2}, []string{"/]", `/\`, "/*"}, nil},
	{"/[{a,b}$.]", false, GlobInfo{true, 2}, []string{"/{", "/,", "/$", "/."}, []string{"/x"}},
	// A wildcard in a class is written out in it.
	{"/[*]", false, GlobInfo{false, 2}, []string{"/]", "/[^/\x00]", "//]"}, []string{"/*", "/a"}},
	{"/[a**b]", false, GlobInfo{false, 3}, []string{"/b]", "/a^[\x00b]"}, []string{"//b]", "/*b]"}},
	{"/[?]", false, GlobInfo{false, 3}, []string{"/[]", "/^]", "//]"}, []string{"/?", "/]"}},
	{"/[^?]", false, GlobInfo{false, 3}, []string{"/a]"}, []string{"//]", "/a"}},
	{"/[a-*]", false, GlobInfo{false, 2}, []string{"/]", "/`^a]"}, []string{"/b]"}},
	{"/[*-a]", false, GlobInfo{false, 4}, []string{"/-a]", "/^-a]"}, []string{"/a]"}},
	{"/[/*/]", false, GlobInfo{false, 4}, []string{"/^/]", "//xy/]"}, []string{"/x/]"}},
	{"a*b", true, GlobInfo{false, 2}, []string{"ab", "a\x00b"}, []string{"a/b"}},
	{"a?b", true, GlobInfo{false, 3}, []string{"a\x00b"}, []string{"a/b"}},
	{"a**b", true, GlobInfo{false, 2}, []string{"ab", "a/\x00b"}, nil},
	{"a/**", true, GlobInfo{false, 3}, []string{"a/b/", "a/\x00"}, []string{"a/", "a//"}},
	{"[**]", true, GlobInfo{false, 1}, []string{".", "*"}, []string{"]"}},
}

func TestGlob(t *testing.T) {
	for _, test := range globTests {
		n, info, err := Glob(test.pattern, GlobOptions{NUL: test.nul})
		if err != nil {
			t.Errorf("%q: %v", test.pattern, err)
			continue
		}
		if diff := cmp.Diff(test.info, info); diff != "" {
			t.Errorf("%q: %s", test.pattern, diff)
		}
		d := one(t, n)
		for _, s := range test.match {
			if !accepts(d, s) {
				t.Errorf("%q does not match %q", test.pattern, s)
			}
		}
		for _, s := range test.differ {
			if accepts(d, s) {
				t.Errorf("%q matches %q", test.pattern, s)
			}
		}
	}
}

func TestGlobErrors(t *testing.T) {
	deep := strings.Repeat("{a,", MaxNesting) + "b" + strings.Repeat("}", MaxNesting)
	if _, _, err := Glob("/"+deep, GlobOptions{}); err != nil {
		t.Errorf("%d nested braces: %v", MaxNesting, err)
	}
	for _, test := range []struct {
		pattern string
		offset  int
	}{
		{"/{a", 1},
		{"/a}", 2},
		{"/{a}", 1},
		{"/{}", 1},
		{`/{a\,b}`, 1},
		{"/{a,{b}}", 4},
		{"/x{{a,b}", 2},
		{"/[a", 1},
		{"/[*", 1},
		{"/a]", 2},
		{"/[]a]", 2},
		{"/[^]", 3},
		{"/[a-]", 4},
		{"/[a--]", 4},
		{"/[a-c-e]", 5},
		{`/a\`, 2},
		{"/{x," + deep + "}", 1 + 3 + 3*(MaxNesting-1)},
	} {
		_, _, err := Glob(test.pattern, GlobOptions{})
		var ge *GlobError
		if !errors.As(err, &ge) {
			t.Errorf("%q: error %v", test.pattern, err)
			continue
		}
		if ge.Offset != test.offset || ge.Pattern != test.pattern || ge.Reason == "" {
			t.Errorf("%q: %v, want offset %d", test.pattern, err, test.offset)
		}
	}
}

// reference writes a pattern as a regular expression, the obvious way. It
// knows nothing of wildcards in classes.
func reference(pattern string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`^(?s:`)
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch c := pattern[i]; {
		case c == '*':
			stars := len(rest) - len(strings.TrimLeft(rest, "*"))
			after := rest[stars:]
			if i > 0 && pattern[i-1] == '/' && (after == "" || after[0] == '/') {
				b.WriteString(`[^/\x00]`)
			}
			if stars > 1 {
				b.WriteString(`[^\x00]*`)
			} else {
				b.WriteString(`[^/\x00]*`)
			}
			i += stars - 1
		case c == '?':
			b.WriteString(`[^/\x00]`)
		case c == '{':
			b.WriteString(`(?:`)
		case c == ',':
			b.WriteString(`|`)
		case c == '}':
			b.WriteString(`)`)
		case c == '[':
			end := strings.IndexByte(rest, ']')
			b.WriteString(rest[:end+1])
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	b.WriteString(`)$`)
	return regexp.MustCompile(b.String())
}

// randomPattern makes a well-formed pattern.
func randomPattern(r *rand.Rand, size int) string {
	pieces := []string{"/", "a", "b", "*", "**", "?", "/*", "/**", "/**/", "[ab]", "[^a]", "ab"}
	var b strings.Builder
	for range size {
		if r.IntN(6) > 0 {
			b.WriteString(pieces[r.IntN(len(pieces))])
			continue
		}
		b.WriteString("{")
		for i := range 2 + r.IntN(2) {
			if i > 0 {
				b.WriteString(",")
			}
			b.WriteString(randomPattern(r, r.IntN(3)))
		}
		b.WriteString("}")
	}
	return b.String()
}

// TestGlobRandom compares the matching of random patterns with package regexp.
func TestGlobRandom(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 6))
		pattern := randomPattern(r, 1+r.IntN(6))
		n, info, err := Glob(pattern, GlobOptions{})
		if err != nil {
			t.Fatalf("seed %d, %q: %v", seed, pattern, err)
		}
		d, re := one(t, n), reference(pattern)
		for range 60 {
			b := make([]byte, r.IntN(9))
			for i := range b {
				b[i] = "//aabbc\x00"[r.IntN(8)]
			}
			got, want := accepts(d, string(b)), re.Match(b)
			if got != want {
				t.Fatalf("seed %d, %q on %q: match %v, want %v", seed, pattern, b, got, want)
			}
			if got && len(b) < info.MinLen {
				t.Fatalf("seed %d, %q matches %q, but the shortest match is said to have %d bytes", seed, pattern, b, info.MinLen)
			}
		}
	}
}

// FuzzGlob checks that no text makes Glob or what is built from it fail in any
// other way than with a typed error, and that the automaton is as Node says.
func FuzzGlob(f *testing.F) {
	for _, test := range globTests {
		f.Add(test.pattern, strings.Join(test.match, ""))
	}
	f.Add("/{a,", "/a")
	f.Add("/**/{x*,*y}/[^a-c]**", "/a/xb/d")
	f.Fuzz(func(t *testing.T, pattern, in string) {
		if len(pattern) > 200 || len(in) > 200 {
			return
		}
		n, info, err := Glob(pattern, GlobOptions{})
		if err != nil {
			var ge *GlobError
			if !errors.As(err, &ge) || ge.Offset < 0 || ge.Offset >= len(pattern) {
				t.Fatalf("%q: error %v", pattern, err)
			}
			return
		}
		var b Builder
		b.Add(n, 1)
		d, err := b.Build(NewBudget(context.Background(), Limits{States: 2000}))
		if err != nil {
			return
		}
		m, err := d.Minimize(NewBudget(context.Background(), Limits{}), MinimizeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Pack(NewBudget(context.Background(), Limits{}), PackOptions{Accept: []uint32{0, 1}, Diff: true})
		if err != nil {
			t.Fatal(err)
		}
		want := ends(n, bytesOf(in), 0)[len(in)]
		if got := accepts(m, in); got != want {
			t.Fatalf("%q on %q: match %v, want %v", pattern, in, got, want)
		}
		if got := p.Accept[p.MatchString(Start, in)] != 0; got != want {
			t.Fatalf("%q on %q: tables match %v, want %v", pattern, in, got, want)
		}
		if want && len(in) < info.MinLen {
			t.Fatalf("%q matches %q, which is shorter than %d", pattern, in, info.MinLen)
		}
	})
}
