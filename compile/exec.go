// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// execs holds how the rules of a profile execute: the targets that they name,
// and how each path is executed.
type execs struct {
	targets []string
	places  map[string]uint32 // in targets
	named   []targetName      // how rules name each target
	uses    map[execKey]execUse

	base     *execs // what comes before, in a Base; nil: nothing
	baseName string // the name of its profile
}

// targetName is how rules name a target: in full, or as a child of the profile.
type targetName uint8

const (
	inFull targetName = 1 << iota
	asChild
)

// lookup returns the place of a target that is there already.
func (x *execs) lookup(name string, how targetName, profile string) (uint32, bool) {
	if i, ok := x.places[name]; ok {
		x.named[i] |= how
		return i + x.before(), true
	}
	if x.base == nil {
		return 0, false
	}
	if how == asChild {
		name = x.baseName + strings.TrimPrefix(name, profile)
	}
	i, ok := x.base.places[name]
	// What the base names in another way may be renamed in another way.
	return i, ok && x.base.named[i] == how
}

// before returns how many targets come before.
func (x *execs) before() uint32 {
	if x.base == nil {
		return 0
	}
	return uint32(len(x.base.targets))
}

// transition encodes an exec mode as the kernel's permission tables do. A
// target replaces what the mode says, even ix and ux, of which only the
// fallback and the handling of the environment remain.
func (x *execs) transition(e *emitter, r *ast.FileRule) (uint32, bool) {
	if r.Exec == ast.ExecDeny {
		return 0, true
	}
	var to uint32
	if !r.Scrub && r.Exec != ast.ExecInherit {
		to |= blob.XUnsafe
	}
	switch r.Exec {
	case ast.ExecInherit, ast.ExecProfileInherit, ast.ExecChildInherit:
		to |= blob.XInherit
	case ast.ExecProfileUnconfined, ast.ExecChildUnconfined:
		to |= blob.XUnconfined
	}
	child := r.Exec == ast.ExecChild || r.Exec == ast.ExecChildInherit || r.Exec == ast.ExecChildUnconfined
	switch {
	case r.Target != "":
		i, ok := x.target(e, r.Target, child)
		if !ok {
			return 0, false
		}
		to |= blob.XTable | i
	case r.Exec == ast.ExecInherit:
	case r.Exec == ast.ExecUnconfined:
		to |= blob.XUnconfined
	case child:
		to |= blob.XName | blob.XChild
	default:
		to |= blob.XName
	}
	return to, true
}

// target returns the place of an exec target in the table of targets.
func (x *execs) target(e *emitter, name string, child bool) (uint32, bool) {
	how := inFull
	switch {
	case strings.HasPrefix(name, "&") && !e.kernel.Supports(features.Stacking):
		e.degrade(features.Stacking, "stacking exec targets", true)
		return 0, false
	case strings.HasPrefix(name, ":"): // which no child can have
		if ns, rest, ok := strings.Cut(name[1:], ":"); ok {
			name = ":" + ns + ":" + strings.TrimPrefix(rest, "//")
		}
	case child && !strings.HasPrefix(name, "&:"):
		name, how = e.profile.Name+"//"+name, asChild
	}
	if i, ok := x.lookup(name, how, e.profile.Name); ok {
		return i, true
	}
	limit := blob.MaxOldTargets
	if e.form.table {
		limit = maxTableTargets
	}
	if len(x.targets)+int(x.before()) == limit {
		e.fail(&diag.Diagnostic{
			Code:    diag.CodeTooManyExecTargets,
			Message: fmt.Sprintf("more than %d different exec targets in one profile", limit),
			Text:    name,
			Err:     &diag.LimitError{What: "exec targets", Limit: int64(limit), Got: int64(limit) + 1},
		})
		return 0, false
	}
	if x.places == nil {
		x.places = map[string]uint32{}
	}
	i := uint32(len(x.targets))
	x.targets = append(x.targets, name)
	x.named = append(x.named, how)
	x.places[name] = i
	return i + x.before(), true
}

// execKey names what may be executed in one way only, however the patterns of
// other rules overlap it: the text of one path at one strength.
type execKey struct {
	path     ast.Pattern
	priority int16
	effect   effect
	half     int
}

type execUse struct {
	exec uint32
	rule int32
}

// check refuses two rules on the same text that differ in how it is executed.
// Rules that only overlap are weighed against each other in the automaton.
func (x *execs) check(e *emitter, path ast.Pattern, rec record) {
	if x.uses == nil {
		x.uses = map[execKey]execUse{}
	}
	for h, bit := range fileSpace.exec {
		if rec.perms&bit == 0 && rec.exec[h] == 0 {
			continue
		}
		k := execKey{path, rec.priority, rec.effect, h}
		use, seen := x.uses[k]
		if !seen && x.base != nil {
			use, seen = x.base.uses[k]
		}
		if !seen {
			x.uses[k] = execUse{rec.exec[h], rec.rule}
			continue
		}
		if use.exec != rec.exec[h] {
			execConflict(e, &conflict{use.rule, rec.rule})
			return
		}
	}
}

// conflict says that two rules of equal strength execute one path in different
// ways.
type conflict struct{ a, b int32 }

func (c *conflict) Error() string { return "conflicting exec modes" }

// execConflict reports two rules that execute one path in different ways, at
// the later one.
func execConflict(e *emitter, c *conflict) {
	rule := func(n int32) *policy.Rule {
		if n > 0 && int(n) <= len(e.profile.Rules) {
			return &e.profile.Rules[n-1]
		}
		return &policy.Rule{Origin: e.profile.Origin}
	}
	first, second := rule(min(c.a, c.b)), rule(max(c.a, c.b))
	d := &diag.Diagnostic{
		Code:    diag.CodeExecConflict,
		Pos:     second.Origin.Position(),
		Via:     second.Origin.Chain(),
		Message: "conflicting exec modes: two rules execute the same path in different ways",
		Hint:    "name the path without wildcards in one of them, or give one a higher priority",
		Related: []ast.Position{first.Origin.Position()},
		Err:     c,
	}
	if f, ok := second.Rule.(*ast.FileRule); ok {
		d.Text = string(f.Path)
	}
	e.fail(d)
}
