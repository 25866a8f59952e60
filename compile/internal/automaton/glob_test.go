package automaton

import (
	"context"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
)

// one builds the automaton of one expression.
func one(tb testing.TB, n Node) *DFA {
	tb.Helper()
	var b Builder
	b.Add(n, 1)
	d, err := b.Build(context.Background(), Limits{})
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
	type entry struct {
		Pattern string
		OK      bool
		Match   []string
		NoMatch []string
	}
	patterns := 0
	for _, e := range testenv.CorpusLines[entry](t, "aare_match.jsonl.gz") {
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
	if patterns < 140 {
		t.Errorf("%d patterns compared", patterns)
	}
}
