// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"strings"
	"testing"
)

// event is one line of test2json's output.
type event struct {
	Action string
	Test   string
	Output string
	// Elapsed is in seconds, by the guest's clock.
	Elapsed float64
}

// result is what one test of a guest did.
type result struct {
	name    string // the last part
	verdict string // pass, fail, skip; empty: none came
	elapsed float64
	log     strings.Builder
	sub     []*result
}

// newResult gathers events. The root is the whole run; its log is
// what the binary printed outside of tests.
func newResult(events []event) *result {
	root := &result{}
	byName := map[string]*result{"": root}
	for _, e := range events {
		r := byName[e.Test]
		if r == nil {
			r = &result{}
			byName[e.Test] = r
			r.name = e.Test
			parent := root
			// The name of a subtest may hold slashes of its own, which begin
			// no test.
			for i := strings.LastIndexByte(e.Test, '/'); i > 0; i = strings.LastIndexByte(e.Test[:i], '/') {
				if p := byName[e.Test[:i]]; p != nil {
					parent, r.name = p, e.Test[i+1:]
					break
				}
			}
			parent.sub = append(parent.sub, r)
		}
		switch e.Action {
		case "output":
			if !framing(e.Output) {
				r.log.WriteString(e.Output)
			}
		case "pass", "fail", "skip":
			r.verdict, r.elapsed = e.Action, e.Elapsed
		}
	}
	return root
}

// framing reports whether a line of output only says that a test begins or
// ends.
func framing(line string) bool {
	line = strings.TrimLeft(line, " ")
	return strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ")
}

// show replays r's subtests below t.
func (r *result) show(t *testing.T) {
	t.Helper()
	for _, sub := range r.sub {
		t.Run(sub.name, func(t *testing.T) {
			t.Helper()
			sub.show(t)
			if log := strings.TrimRight(sub.log.String(), "\n"); log != "" {
				t.Log("\n" + log)
			}
			if sub.elapsed >= 1 {
				t.Logf("%.1f s in the guest", sub.elapsed)
			}
			switch sub.verdict {
			case "pass":
			case "fail":
				t.Fail()
			case "skip":
				t.SkipNow()
			default:
				t.Error("no verdict: the guest or the test binary ended in this test")
			}
		})
	}
	if r.name == "" {
		if log := strings.TrimSpace(r.log.String()); log != "" && log != "PASS" && log != "FAIL" {
			t.Log("\n" + log)
		}
	}
}
