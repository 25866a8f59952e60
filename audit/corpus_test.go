// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// corpusLine is a line that a kernel wrote, and what is in it by a tokenizer that is
// not this one.
type corpusLine struct {
	Kernel    string                     `json:"kernel"`
	Form      string                     `json:"form"`
	Line      string                     `json:"line"`
	What      string                     `json:"what"`
	Fields    map[string]json.RawMessage `json:"fields"`
	Hex       []string                   `json:"hex"`
	Truncated bool                       `json:"truncated"`
	Enriched  map[string]json.RawMessage `json:"enriched"`
	Companion json.RawMessage            `json:"companion"`
	Direct    bool                       `json:"direct"`
	Test      struct {
		Known map[string]json.RawMessage `json:"known"`
	} `json:"test"`
}

// text is a value of the corpus: text, a number, or bytes that are not text.
func text(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	var bytes struct{ Hex string }
	if err := json.Unmarshal(raw, &bytes); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	b, err := hex.DecodeString(bytes.Hex)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// same reports whether a field has a value of the corpus, where numbers are numbers.
func same(got, want string) bool {
	if got == want {
		return true
	}
	g, err1 := strconv.ParseInt(got, 0, 64)
	w, err2 := strconv.ParseInt(want, 10, 64)
	return err1 == nil && err2 == nil && g == w
}

// TestCorpusLines reads the lines of kernels 6.12 and 7.3 in all forms that logs
// have.
func TestCorpusLines(t *testing.T) {
	lines := testenv.CorpusLines[corpusLine](t, "audit_lines.jsonl.gz")
	seen := map[string]int{}
	for i, l := range lines {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Errorf("line %d, %s, %s: %s\n%s", i+1, l.Kernel, l.Form, fmt.Sprintf(format, args...), l.Line)
		}
		e, err := Parse(l.Line)
		if l.Companion != nil {
			if seen["companion"]++; !errors.Is(err, ErrOther) {
				fail("a record of something else: %v", err)
			}
			continue
		}
		if seen[l.Kernel+" "+l.Form]++; err != nil {
			fail("%v", err)
			continue
		}
		if e.Truncated != l.Truncated {
			fail("truncated: %v, want %v", e.Truncated, l.Truncated)
		}
		for _, key := range slices.Sorted(maps.Keys(l.Fields)) {
			if key == "_repeated" {
				continue
			}
			want := text(t, l.Fields[key])
			var all []string
			short := false
			for _, f := range e.Fields {
				if f.Key == key {
					all, short = append(all, f.Value), short || f.Short
				}
			}
			switch {
			case slices.ContainsFunc(all, func(got string) bool { return same(got, want) }):
			case key == "terminal" && want == "?'" && slices.Contains(all, "?"):
				// The tokenizer of the corpus takes the quote around the message with it.
			case short && l.Truncated:
				// Half of a value is what the two may take for different things.
			case (key == "addr" || key == "peer_addr") && slices.Contains(l.Hex, key) && len(all) > 0 && all[0] == "@"+strings.ToUpper(hex.EncodeToString([]byte(want[1:]))):
				// The test knows that these digits are bytes, and nobody else.
			default:
				fail("%s is %q, want %q", key, all, want)
			}
		}
		for _, f := range e.Fields {
			// Of a record of dbus-daemon the corpus has what comes before its sender.
			if _, ok := l.Fields[f.Key]; !ok && !f.Short && l.Form != "user_avc" {
				fail("%s is %q, and is not there", f.Key, f.Value)
			}
			if f.Hex != slices.Contains(l.Hex, f.Key) && !f.Short && f.Key != "addr" && f.Key != "peer_addr" {
				fail("%s is hexadecimal: %v", f.Key, f.Hex)
			}
		}
		for key, raw := range l.Enriched {
			want := text(t, raw)
			if !slices.ContainsFunc(e.Enriched, func(f Field) bool { return f.Key == key && same(f.Value, want) }) {
				fail("auditd's %s is not %q: %v", key, want, e.Enriched)
			}
		}
		if !l.Direct || l.Truncated {
			continue
		}
		// What the test that provoked it knows without the line.
		for key, got := range map[string]string{"operation": e.Operation, "name": e.Name, "target": e.Target, "peer": e.Peer} {
			raw, ok := l.Test.Known[key]
			if want := ""; ok {
				// Bytes that are not text are shown as \xNN.
				if want = unescapeKmsg(text(t, raw)); got != want {
					fail("%s is %q, and was %q", key, got, want)
				}
			}
		}
	}
	for _, want := range []string{
		"6.12 dmesg", "6.12 journal", "6.12 json", "6.12 auditd",
		"7.3 dmesg", "7.3 journal", "7.3 json", "7.3 auditd", "7.3 journal_audit_json", "7.3 user_avc", "companion",
	} {
		if seen[want] == 0 {
			t.Errorf("no line of %s", want)
		}
	}
	t.Logf("%d lines: %v", len(lines), seen)
}
