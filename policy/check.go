// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// problem is what is wrong with a rule, without a place.
type problem struct {
	code diag.Code
	text string
	msg  string
	hint string
	err  error
}

func problemOf(err error) problem {
	var e *ast.CheckError
	if !errors.As(err, &e) {
		return problem{code: diag.CodeRule, msg: err.Error(), err: err}
	}
	return problem{e.Code, e.Text, e.Problem, e.Hint, e}
}

// problems returns what makes a rule invalid by itself: what package ast says,
// and what it leaves open. A capability may be one that known knows.
func problems(s ast.Rule, state ast.State, known func(string) bool) (found []problem) {
	if err := ast.CheckRule(s, state); err != nil {
		return []problem{problemOf(err)}
	}
	switch s := s.(type) {
	case *ast.CapabilityRule:
		for _, e := range unknownCapabilities(s, known) {
			found = append(found, problemOf(e))
		}
	case *ast.MountRule:
		found = unknownUmountOptions(s)
	case *ast.RlimitRule:
		if _, err := parseRlimit(s); err != nil {
			found = append(found, problem{code: diag.CodeRlimit, text: s.Value, msg: err.Error()})
		}
	}
	return found
}

// checkRule reports what makes a rule invalid by itself, in a block of that
// access.
func (r *resolver) checkRule(s ast.Rule, around ast.Access, o Origin) {
	for _, p := range problems(s, ast.State{Access: around}, r.knownCapability) {
		text := p.text
		if text == "" && o.File != nil {
			text = o.File.Text(s)
		}
		d := r.errorf(o, p.code, text, "%s", p.msg)
		d.Hint, d.Err = p.hint, p.err
	}
}

// didYouMean is the hint that names the word that was probably meant.
func didYouMean(word string) string { return `did you mean "` + word + `"?` }
