// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"reflect"
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/trace"
	"github.com/goarmor/apparmor/policy"
)

// translation is the rules of one profile as expressions and records, in its
// emitter, and the common result of the rules of some classes.
type translation struct {
	emitter
	classes map[reflect.Type]class

	execs    execs
	caps     capRules
	mounts   mountPerms
	families familyMasks
	changer  *policy.Rule // the first rule that changes the profile
}

func newTranslation(o *Options, f form, p *policy.Profile, budget *automaton.Budget) *translation {
	return &translation{
		classes: classes,
		emitter: emitter{
			support:    support{kernel: o.Kernel, abi: p.ABI},
			form:       f,
			strict:     o.Degrade == Strict,
			plainNames: o.PlainNames,
			profile:    p,
			budget:     budget,
			files:      ruleset{space: fileSpace},
		},
	}
}

// run translates the rules of the profile, and what they imply.
func (t *translation) run() {
	if t.nodes == nil {
		t.nodes = new(automaton.Nodes)
	}
	for i := range t.profile.Rules {
		t.prepare(t.profile.Rules[i].Rule)
	}
	for i := range t.profile.Rules {
		if t.translate(i); len(t.errs) > maxErrors || t.budget.Err() != nil {
			break
		}
	}
	t.rule = nil
	t.implied()
	t.source = impliedBy(trace.ByMediation)
	mediates(&t.emitter)
}

// prepare announces a rule to its class.
func (t *translation) prepare(r ast.Rule) {
	if c := t.classes[reflect.TypeOf(r)]; c.prepare != nil && !ast.IsNil(r) {
		c.prepare(t, r)
	}
}

// translate translates the rule with an index.
func (t *translation) translate(i int) {
	t.rule, t.source = &t.profile.Rules[i], source(i)
	r := t.rule.Rule
	c, ok := t.classes[reflect.TypeOf(r)]
	if !ok || ast.IsNil(r) {
		t.invalid(&diag.Diagnostic{Code: diag.CodeUnexpected, Message: "a rule of this type cannot be compiled"})
		return
	}
	before := len(t.degraded)
	if r.Quals().Access == ast.Prompt && !c.promptAllows && !t.form.table {
		// The old form cannot hold prompts. What a rule would prompt for is
		// denied: weaker rules do not grant it.
		t.degrade(usablePermTable, "prompt rules", true)
	}
	c.translate(t, r)
	dropped := func(d Degradation) bool { return d.Dropped }
	if c.patterns != nil && slices.ContainsFunc(t.degraded[before:], dropped) {
		t.warnUnused(c.patterns(r))
	}
}
