// SPDX-License-Identifier: Apache-2.0

// Package diag holds what the parser, the resolver and the compiler say about
// a policy: diagnostics that carry a code, a place, the chain of includes that
// led there, the offending text and, if it is known, what would be right.
//
// A *Diagnostic and a List are errors; use errors.As to get at them. Limits
// are a type of their own, LimitError, and match ErrLimit.
package diag

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Severity distinguishes errors from warnings.
type Severity uint8

// The severities.
const (
	Error Severity = iota
	Warning
)

// String returns "error" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "error"
}

// Code names the kind of a diagnostic for programs, in lower case with
// dashes: "syntax", "unknown-variable". It is stable; the message is not. The
// constants that begin with Code and Warn are those of this module.
type Code string

// Class groups warnings as apparmor_parser's --warn does.
type Class string

// The classes of warnings.
const (
	ClassABI             Class = "abi"
	ClassDeprecated      Class = "deprecated"
	ClassRuleNotEnforced Class = "rule-not-enforced"
	ClassRuleDowngraded  Class = "rule-downgraded"
	ClassDangerous       Class = "dangerous"
	ClassFormat          Class = "format"
	ClassMissing         Class = "missing"
	ClassOverride        Class = "override"
	ClassUnexpected      Class = "unexpected"
	ClassPoundInclude    Class = "pound-include"
)

// Diagnostic is one finding.
type Diagnostic struct {
	Severity Severity // zero: Error
	Class    Class    // of a warning; empty for errors
	Code     Code     // identifies the finding to programs
	Pos      Position // where it is; zero if it has no place in a text
	Profile  string   // the profile around the place, if any
	Message  string   // one line, no trailing full stop
	Text     string   // the offending text, if there is one
	Hint     string   // what would be right, if it is known
	// Via is the chain of include statements that led to the file of Pos,
	// the innermost first.
	Via []Position
	// Related are other places that matter, such as the first of two
	// conflicting rules.
	Related []Position
	Err     error // the cause, if there is one
}

// Error returns file:line:col: message, with the offending text and the hint.
func (d *Diagnostic) Error() string {
	var b strings.Builder
	if d.Pos.IsValid() || d.Pos.File != "" {
		b.WriteString(d.Pos.String())
		b.WriteString(": ")
	}
	if d.Severity == Warning {
		b.WriteString("warning: ")
	}
	b.WriteString(d.Message)
	if d.Text != "" {
		fmt.Fprintf(&b, " (at %q)", clip(d.Text, 64))
	}
	if d.Hint != "" {
		b.WriteString("; ")
		b.WriteString(d.Hint)
	}
	for _, v := range d.Related {
		b.WriteString("; see ")
		b.WriteString(v.String())
	}
	if n := len(d.Via); n > 0 {
		b.WriteString(" (included from ")
		for i, v := range d.Via {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap returns the cause.
func (d *Diagnostic) Unwrap() error { return d.Err }

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}

// List is the findings of one run. As an error its message is the first
// finding and a count; %+v prints all, a line each.
type List []*Diagnostic

// Error implements error.
func (l List) Error() string {
	switch len(l) {
	case 0:
		return "no errors"
	case 1:
		return l[0].Error()
	}
	return fmt.Sprintf("%s (and %d more)", l[0].Error(), len(l)-1)
}

// Format implements fmt.Formatter.
func (l List) Format(s fmt.State, verb rune) {
	if verb == 'v' && s.Flag('+') {
		for i, d := range l {
			if i > 0 {
				io.WriteString(s, "\n")
			}
			io.WriteString(s, d.Error())
		}
		return
	}
	io.WriteString(s, l.Error())
}

// Unwrap makes errors.Is and errors.As look at every finding.
func (l List) Unwrap() []error {
	errs := make([]error, len(l))
	for i, d := range l {
		errs[i] = d
	}
	return errs
}

// Err returns the errors of the list as an error, or nil when there are only
// warnings or nothing at all.
func (l List) Err() error {
	var errs List
	for _, d := range l {
		if d.Severity == Error {
			errs = append(errs, d)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return errs
}

// Warnings returns the warnings of the list.
func (l List) Warnings() List {
	var w List
	for _, d := range l {
		if d.Severity == Warning {
			w = append(w, d)
		}
	}
	return w
}

// Sort orders the list by file, then place, keeping the order of findings at
// one place.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b *Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Offset, b.Pos.Offset))
	})
}

// ErrLimit is matched by every LimitError.
var ErrLimit = errors.New("limit exceeded")

// LimitError says that the input needs more of something than is allowed.
type LimitError struct {
	What  string // "include depth", "DFA states", ...
	Limit int64  // how much is allowed
	Got   int64  // what the input needs, or Limit+1 if counting stopped there
	// Costs are the rules that took most of it, the greatest first, where that
	// is known.
	Costs []Cost
}

// Cost is how much one rule took of what a limit bounds.
type Cost struct {
	Pos     Position // of the rule, or of the profile for what has no rule
	Profile string   // its full name
	Text    string   // the rule as it was written, or what it is
	// Amount is how much, in units of Unit. Of automata it is the states that
	// the rule is the cause of: how many fewer there would be, or a few more,
	// without it. Rules that multiply each other's states have all of them.
	Amount int64
	Unit   string // "states" or "bytes"
}

// String returns file:line:col: text (amount unit).
func (c Cost) String() string {
	s := fmt.Sprintf("%s (%d %s)", clip(c.Text, 64), c.Amount, c.Unit)
	if c.Pos.IsValid() || c.Pos.File != "" {
		return c.Pos.String() + ": " + s
	}
	return s
}

// Error implements error.
func (e *LimitError) Error() string {
	s := fmt.Sprintf("%s: limit of %d exceeded (got %d)", e.What, e.Limit, e.Got)
	for i, c := range e.Costs {
		if i == 0 {
			s += "; most is for "
		} else {
			s += ", "
		}
		s += c.String()
	}
	return s
}

// Is reports whether target is ErrLimit.
func (e *LimitError) Is(target error) bool { return target == ErrLimit }
