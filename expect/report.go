// SPDX-License-Identifier: Apache-2.0

package expect

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/query"
)

// Report is what became of all statements, in the order of files and lines.
type Report struct {
	Statements []Result `json:"statements"` // those that hold, too
}

// Failed returns the statements that do not hold.
func (r *Report) Failed() []Result {
	var out []Result
	for _, s := range r.Statements {
		if len(s.Failures) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// Result is what became of one statement: it holds if there are no Failures.
type Result struct {
	Statement *Statement // as it was read
	Failures  []Failure  // of each kernel and profile, in their order
}

// Problem is the kind of a failure. It is stable; messages are not.
type Problem string

// The problems.
const (
	Passes      Problem = "passes"       // what must be denied
	Denied      Problem = "denied"       // what must pass
	NoProfile   Problem = "no-profile"   // no profile has the name
	NotMediated Problem = "not-mediated" // the kernel does not mediate what must be denied
)

// Rule is a rule of the policy, in canonical form.
type Rule struct {
	Pos  diag.Position `json:"pos"`  // where it is written
	Text string        `json:"text"` // with variables expanded
}

// Failure is why a statement does not hold.
type Failure struct {
	Kernel  string  // for which it was checked
	Profile string  // full name; empty for NoProfile
	Problem Problem // the kind
	Message string  // one line
	// Request is a counterexample and Decision the answer to it; Request is nil
	// for what requests do not show.
	Request  query.Request
	Decision query.Decision
	// Rules are those that decide the answer; there are none if only the
	// absence of rules does. Nearest is then the rule that comes closest to
	// allowing the request, or nil.
	Rules   []Rule
	Nearest *Rule
}

// Summary says in a few words what is wrong.
func (p Problem) Summary() string {
	switch p {
	case Passes:
		return "Access that must be denied is allowed"
	case Denied:
		return "Access that must be allowed is denied"
	case NoProfile:
		return "There is no such profile"
	case NotMediated:
		return "The kernel does not mediate this access"
	}
	return string(p)
}

// String returns the failure in several lines, without the place of its
// statement.
func (f Failure) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s (kernel %s)", f.Message, f.Kernel)
	for _, r := range f.Rules {
		fmt.Fprintf(&out, "\n  %v: %s", r.Pos, r.Text)
	}
	if f.Nearest != nil {
		fmt.Fprintf(&out, "\n  nearest rule: %v: %s", f.Nearest.Pos, f.Nearest.Text)
	}
	return out.String()
}

// String returns the place, what is wrong with the statement, the statement
// itself and every failure, or "" for a statement that holds.
func (r Result) String() string {
	if len(r.Failures) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%v: Error: %s\n\n  %s\n", r.Statement.Pos, r.Failures[0].Problem.Summary(), r.Statement.Text)
	for _, f := range r.Failures {
		fmt.Fprintf(&out, "\n%v\n", f)
	}
	return out.String()
}

// MarshalJSON returns an object with the keys "pos", "text", "verb", "holds" and
// "failures", which is a list.
func (r Result) MarshalJSON() ([]byte, error) {
	failures := r.Failures
	if failures == nil {
		failures = []Failure{}
	}
	return json.Marshal(struct {
		Pos      diag.Position `json:"pos"`
		Text     string        `json:"text"`
		Verb     string        `json:"verb"`
		Holds    bool          `json:"holds"`
		Failures []Failure     `json:"failures"`
	}{r.Statement.Pos, r.Statement.Text, r.Statement.Verb.String(), len(failures) == 0, failures})
}

// MarshalJSON returns an object with the keys "problem", "message", "kernel",
// "profile" and "rules", and, where they are known, "request", "decision" and
// "nearest".
func (f Failure) MarshalJSON() ([]byte, error) {
	out := struct {
		Problem  Problem         `json:"problem"`
		Message  string          `json:"message"`
		Kernel   string          `json:"kernel"`
		Profile  string          `json:"profile"`
		Request  string          `json:"request,omitempty"`
		Decision *query.Decision `json:"decision,omitempty"`
		Rules    []Rule          `json:"rules"`
		Nearest  *Rule           `json:"nearest,omitempty"`
	}{Problem: f.Problem, Message: f.Message, Kernel: f.Kernel, Profile: f.Profile, Rules: f.Rules, Nearest: f.Nearest}
	if f.Request != nil {
		out.Request, out.Decision = f.Request.String(), &f.Decision
	}
	if out.Rules == nil {
		out.Rules = []Rule{}
	}
	return json.Marshal(out)
}
