// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"errors"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// emitter is the base that the classes of rules build on: it knows what can be
// enforced, collects the expressions that rules become, and records what is
// wrong and what is not enforced, each at the current rule. It knows no class
// of rules.
type emitter struct {
	support
	form       form
	strict     bool // what the kernel cannot enforce is an error
	plainNames bool // Options.PlainNames
	profile    *policy.Profile

	rule   *policy.Rule // the current rule, nil between rules
	source source       // where expressions come from: the current rule, or what implies them
	// silent keeps what is not enforced out of the report.
	silent bool

	nodes  *automaton.Nodes // where expressions of patterns are kept; nil: each for itself
	budget *automaton.Budget
	held   int64 // bytes of expressions, which the budget knows of
	sizes  sizes // of which these

	files, policydb ruleset
	degraded        []Degradation
	warnings, errs  diag.List
}

// origin is where the current rule, or else the profile, came from.
func (e *emitter) origin() policy.Origin {
	if e.rule != nil {
		return e.rule.Origin
	}
	return e.profile.Origin
}

// fail records an error, at the current rule if it has no place of its own.
func (e *emitter) fail(d *diag.Diagnostic) {
	e.place(d)
	e.errs = append(e.errs, d)
}

// invalid records what is wrong with the current rule, of which something is
// unknown here: what package ast says, or else the given error. Rules that the
// parser or the resolver made have passed ast.CheckRule, but a program can make
// others, and what variables become can be wrong too.
func (e *emitter) invalid(otherwise *diag.Diagnostic) {
	err := (*ast.CheckError)(nil)
	if e.rule != nil && errors.As(ast.CheckRule(e.rule.Rule, ast.State{Expanded: true}), &err) {
		otherwise = &diag.Diagnostic{Code: err.Code, Message: err.Problem, Text: err.Text, Hint: err.Hint, Err: err}
	}
	e.fail(otherwise)
}

// unknown is the error of a word that nothing here knows, although package ast
// does: their tables differ.
func unknown(code diag.Code, word string) *diag.Diagnostic {
	return &diag.Diagnostic{Code: code, Message: "the compiler does not know this word", Text: word}
}

// warn records a warning in the same way.
func (e *emitter) warn(d *diag.Diagnostic) {
	e.place(d)
	d.Severity = diag.Warning
	e.warnings = append(e.warnings, d)
}

func (e *emitter) place(d *diag.Diagnostic) {
	d.Profile = e.profile.Name
	if !d.Pos.IsValid() {
		d.Pos, d.Via = e.origin().Position(), e.origin().Chain()
	}
}

// degrade records that something is not enforced as written, and makes it an
// error under Strict.
func (e *emitter) degrade(feature, what string, dropped bool) {
	d := Degradation{What: what, Feature: feature, Dropped: dropped}
	if e.kernel.Supports(feature) {
		d.Cause = ByABI
	}
	how := "can be enforced only in part"
	if dropped {
		how = "cannot be enforced"
	}
	e.report(d, &diag.Diagnostic{
		Code:    diag.CodeNotEnforceable,
		Message: what + " " + how,
		Hint:    "the kernel lacks the feature " + feature,
	})
}

// report records a degradation of the rule at hand. The error is for those who
// asked for one.
func (e *emitter) report(d Degradation, err *diag.Diagnostic) {
	if e.silent {
		return
	}
	d.Profile, d.Pos, d.Via = e.profile.Name, e.origin().Position(), e.origin().Chain()
	if e.rule != nil {
		d.Rule = e.rule.Rule
	}
	e.degraded = append(e.degraded, d)
	if d.Cause != ByABI && e.strict {
		e.fail(err)
	}
}

// enforced reports whether rules of a class take effect, and records the
// current rule as dropped if they do not.
func (e *emitter) enforced(feature, what string) bool {
	if e.has(feature) {
		return true
	}
	e.degrade(feature, what, true)
	return false
}

// number is how records refer to the current rule.
func (e *emitter) number() int32 { return int32(e.source) + 1 }

// file adds an expression of the automaton of files.
func (e *emitter) file(n node, r record) { e.keep(&e.files, n, r) }

// record adds an expression of the automaton of all other classes.
func (e *emitter) record(n node, r record) { e.keep(&e.policydb, n, r) }

// keep adds an expression of an automaton, unless the budget is used up.
func (e *emitter) keep(rs *ruleset, n node, r record) {
	if e.hold(entrySize+n.Size(), 32) {
		rs.add(n, r, e.source)
	}
}

// entrySize is about how many bytes an entry of a rule set takes, and its
// record.
const entrySize = 128

// hold counts bytes of expressions and the work to make them, and reports
// whether to go on.
func (e *emitter) hold(bytes int64, work int) bool {
	e.held += bytes
	e.sizes.add(e.source, bytes, len(e.profile.Rules))
	return e.budget.Spend(work) && e.budget.Hold(bytes)
}

// add adds what a rule grants or denies to the strings of an expression of the
// automaton of all classes but files.
func (e *emitter) add(n node, q *ast.Qualifiers, perms uint32) {
	r := record{priority: q.Priority, effect: effectOf(q.Access), perms: perms}
	if q.Audit {
		r.audit = perms
	}
	e.record(n, r)
}
