// SPDX-License-Identifier: Apache-2.0

package linediff

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// patch applies a unified diff to the text that it was made for.
func patch(old, diff string) (string, error) {
	lines := splitLines(old)
	var out strings.Builder
	at := 0
	for line := range strings.Lines(diff) {
		switch {
		case strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "+++ "):
		case strings.HasPrefix(line, "@@ "):
			var a, na, b, nb int
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &a, &na, &b, &nb); err != nil {
				return "", err
			}
			if na == 0 {
				a++
			}
			for ; at < a-1; at++ {
				out.WriteString(lines[at])
			}
		case line[0] == '\\':
			// What was written last, or taken, has no newline.
			if text := out.String(); at < len(lines) || strings.HasSuffix(text, "\n") {
				out.Reset()
				out.WriteString(strings.TrimSuffix(text, "\n"))
			}
		case line[0] == '+':
			out.WriteString(line[1:])
		default:
			if at >= len(lines) || strings.TrimSuffix(lines[at], "\n") != strings.TrimSuffix(line[1:], "\n") {
				return "", fmt.Errorf("line %d is not %q", at+1, line)
			}
			if line[0] == ' ' {
				out.WriteString(lines[at])
			}
			at++
		}
	}
	for ; at < len(lines); at++ {
		out.WriteString(lines[at])
	}
	return out.String(), nil
}

// TestDiffApplies: a diff turns the one text into the other.
func TestDiffApplies(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	text := func() string {
		var b strings.Builder
		for range 30 {
			b.WriteString([]string{"a\n", "b\n", "c\n", ""}[r.IntN(4)])
		}
		return b.String()
	}
	for range 1000 {
		a, b := text(), text()
		if r.IntN(10) == 0 {
			b = a
		}
		d := Unified("f", a, b)
		if (d == "") != (a == b) {
			t.Fatalf("diff %q of %q and %q", d, a, b)
		}
		if got, err := patch(a, d); err != nil || got != b {
			t.Fatalf("%q with\n%sgives %q, want %q: %v", a, d, got, b, err)
		}
	}
}

func TestDiffText(t *testing.T) {
	for _, test := range []struct{ old, text, want string }{
		{"a\n", "a\n", ""},
		{"", "a\n", "--- f.orig\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"},
		{"a\n", "", "--- f.orig\n+++ f\n@@ -1,1 +0,0 @@\n-a\n"},
		{"a", "a\n", "--- f.orig\n+++ f\n@@ -1,1 +1,1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		{
			"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n", "1\nx\n3\n4\n5\n6\n7\n8\n9\n10\ny\n",
			"--- f.orig\n+++ f\n@@ -1,5 +1,5 @@\n 1\n-2\n+x\n 3\n 4\n 5\n@@ -8,4 +8,4 @@\n 8\n 9\n 10\n-11\n+y\n",
		},
	} {
		if d := cmp.Diff(test.want, Unified("f", test.old, test.text)); d != "" {
			t.Errorf("%q %q (-want +got):\n%s", test.old, test.text, d)
		}
	}
}
