// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// draft is a profile whose text has been read, but whose variables have not
// been expanded: they get their values from the whole preamble.
type draft struct {
	node     *ast.Profile
	origin   Origin
	parent   *draft
	children []*draft // in the order of the text until orderDrafts
	rules    []rawRule
	rlimits  []Rule
	// seen are the files that this body has included. A file is read once per
	// body, even in a branch that is not taken (false).
	seen map[string]bool
	out  *Profile
	env  env
}

// rawRule is a rule of the tree with the qualifiers that it gets from the
// blocks around it.
type rawRule struct {
	Rule
	quals ast.Qualifiers
}

// name returns the profile's name in diagnostics: its full name, as far as it
// is known.
func (d *draft) name() string {
	switch {
	case d == nil:
		return ""
	case d.out != nil && d.out.Name != "":
		return d.out.Name
	case d.parent != nil:
		return d.parent.name() + "//" + string(d.node.Name)
	}
	return string(d.node.Name)
}

// frame is the place of a statement that is being walked.
type frame struct {
	file  *ast.File
	via   *Via
	files int            // include depth
	depth int            // nesting of profiles, blocks and conditionals
	prof  *draft         // nil at the top
	quals ast.Qualifiers // of the blocks around
	none  bool           // an owner block in an other block: its file rules match nothing
	block bool           // inside of a block
	dead  bool           // in a branch that is not taken
}

func (f *frame) origin(p ast.Pos) Origin { return Origin{File: f.file, Pos: p, Via: f.via} }

// nested returns the frame one level further in.
func (r *resolver) nested(f *frame, p ast.Pos) (frame, bool) {
	in := *f
	if in.depth++; in.depth > r.limits.Nesting {
		r.limit(f.origin(p), "nesting of policy", r.limits.Nesting, in.depth)
		return in, false
	}
	return in, true
}

func (r *resolver) walk(stmts []ast.Stmt, f *frame) {
	for _, s := range stmts {
		if s == nil {
			r.errorf(f.origin(0), diag.CodePlace, "", "the statement is nil")
			continue
		}
		if !r.step(f.origin(s.Pos())) {
			return
		}
		switch s := s.(type) {
		case *ast.Comment:
		case *ast.Bad:
			d := r.errorf(f.origin(s.Pos()), diag.CodeSyntax, f.file.Text(s), "the statement could not be parsed")
			d.Err = s.Err
		case *ast.Include:
			r.include(s, f)
		case *ast.ABI:
			if r.inPreamble(s, f, "abi") {
				r.useABI(s, f)
			}
		case *ast.Profile:
			r.profile(s, f)
		case *ast.VarAssign:
			if f.prof != nil {
				r.misplaced(s, f, "variables are assigned before the first profile")
			} else if r.inPreamble(s, f, "an assignment") {
				r.assign(s, f.origin(s.Pos()))
			}
		case *ast.BoolAssign:
			if f.prof != nil {
				r.misplaced(s, f, "variables are assigned before the first profile")
			} else if r.inPreamble(s, f, "an assignment") {
				r.assignBool(s, f)
			}
		case *ast.Alias:
			if f.prof != nil {
				r.misplaced(s, f, "aliases come before the first profile")
			} else if r.inPreamble(s, f, "an alias") {
				r.alias(s, f.origin(s.Pos()))
			}
		case *ast.Block:
			r.block(s, f)
		case *ast.If:
			r.conditional(s, f)
		case ast.Rule:
			r.rule(s, f)
		default:
			r.misplaced(s, f, "")
		}
	}
}

func (r *resolver) misplaced(s ast.Stmt, f *frame, hint string) {
	d := r.errorf(f.origin(s.Pos()), diag.CodePlace, f.file.Text(s), "the statement is not allowed here")
	d.Hint = hint
}

// inPreamble reports whether a statement of the preamble comes before the
// first profile. In a body it returns true: the caller decides what is allowed
// there.
func (r *resolver) inPreamble(s ast.Stmt, f *frame, what string) bool {
	if f.prof != nil || len(r.top) == 0 {
		return true
	}
	d := r.errorf(f.origin(s.Pos()), diag.CodePlace, f.file.Text(s), "%s after a profile", what)
	d.Hint = "move it before the first profile"
	d.Related = append(d.Related, r.top[0].origin.Position())
	return false
}

// include walks the files of an include statement. Within one scope a path is
// read once; files without a name are always read.
func (r *resolver) include(s *ast.Include, f *frame) {
	files, ok := r.unit.Included[s]
	if !ok && !s.IfExists {
		r.errorf(f.origin(s.Pos()), diag.CodeInclude, s.Path, "the included file was not found")
		return
	}
	seen := &r.seen
	if f.prof != nil {
		seen = &f.prof.seen
	}
	if *seen == nil {
		*seen = map[string]bool{}
	}
	for _, file := range files {
		if file == nil {
			continue
		}
		if file.Name != "" {
			if live, again := (*seen)[file.Name]; again {
				if !live && !f.dead {
					r.warnf(f.origin(s.Pos()), diag.ClassUnexpected, diag.WarnSkippedInclude, s.Path,
						"not included: a file is read once per profile, and this one was read in a branch that is not taken")
				}
				continue
			}
			(*seen)[file.Name] = !f.dead
		}
		in, ok := r.nested(f, s.Pos())
		if !ok {
			return
		}
		if in.files++; in.files > r.limits.IncludeDepth {
			r.limit(f.origin(s.Pos()), "include depth", r.limits.IncludeDepth, in.files)
			return
		}
		in.via = &Via{File: f.file, Pos: s.Pos(), Up: f.via}
		in.file = file
		r.walk(file.Stmts, &in)
		if r.fatal != nil {
			return
		}
	}
}

func (r *resolver) profile(s *ast.Profile, f *frame) {
	in, ok := r.nested(f, s.Pos())
	if !ok {
		return
	}
	d := &draft{node: s, origin: f.origin(s.Pos()), parent: f.prof}
	in.prof, in.quals, in.block, in.none = d, ast.Qualifiers{}, false, false
	if !f.dead {
		if f.prof != nil {
			f.prof.children = append(f.prof.children, d)
		} else {
			r.top = append(r.top, d)
		}
	}
	outer := r.in
	r.in = d
	if f.prof == nil {
		r.warnPathName(s, d.origin)
	}
	r.walk(s.Body, &in)
	r.in = outer
}

func (r *resolver) block(s *ast.Block, f *frame) {
	if f.prof == nil {
		r.misplaced(s, f, "rules must be inside a profile")
		return
	}
	in, ok := r.nested(f, s.Pos())
	if !ok {
		return
	}
	if s.Priority != 0 {
		r.errorf(f.origin(s.Pos()), diag.CodeQualifier, "", "a block cannot have a priority").Hint = "give it to the rules inside"
	}
	if around := f.quals.Access; s.Access != ast.Allow && around != ast.Allow && s.Access != around {
		r.errorf(f.origin(s.Pos()), diag.CodeQualifiers, "", "the qualifier contradicts that of the block around it")
	}
	in.quals, in.none = f.merge(s.Qualifiers)
	in.quals.Priority = 0
	in.block = true
	r.walk(s.Body, &in)
}

// merge adds the qualifiers of a rule or block to those of the blocks around
// it. The access may be given several times if it is the same. none is set if
// the owner restrictions leave nobody.
func (f *frame) merge(q ast.Qualifiers) (out ast.Qualifiers, none bool) {
	out, none = q, f.none
	out.Audit = q.Audit || f.quals.Audit
	if q.Access == ast.Allow {
		out.Access = f.quals.Access
	}
	switch around := f.quals.Owner; {
	case around == ast.AnyOwner || around == q.Owner:
	case q.Owner == ast.AnyOwner:
		out.Owner = around
	default:
		none = true
	}
	return out, none
}

func (r *resolver) conditional(s *ast.If, f *frame) {
	if f.prof == nil {
		r.misplaced(s, f, "conditionals must be inside a profile")
		return
	}
	in, ok := r.nested(f, s.Pos())
	if !ok {
		return
	}
	// Both branches are walked, so that a mistake in the one that is not
	// taken is found too, and its includes count as read.
	taken, ok := r.eval(s.Cond, f, in.depth)
	in.dead = f.dead || !ok || !taken
	r.walk(s.Then, &in)
	in.dead = f.dead || !ok || taken
	r.walk(s.Else, &in)
}

func (r *resolver) rule(s ast.Rule, f *frame) {
	o := f.origin(s.Pos())
	if f.prof == nil {
		r.misplaced(s, f, "rules must be inside a profile")
		return
	}
	own := *s.Quals()
	r.checkRule(s, f.quals.Access, o)
	quals, none := f.merge(own)
	if f.block && !takesOwner(s) && quals.Owner != ast.AnyOwner && own.Owner == ast.AnyOwner {
		// The reference loses all but file, link and change_profile rules in
		// blocks; its manual says that every rule takes the block's qualifiers,
		// and so it is here.
		r.warnf(o, diag.ClassUnexpected, diag.WarnOwner, o.File.Text(s), "owner and other mean nothing for this rule and are ignored")
		quals.Owner = ast.AnyOwner
	}
	if s, ok := s.(*ast.FileRule); ok {
		r.warnExec(s, quals.Access, o)
	}
	if f.dead {
		return
	}
	d := f.prof
	if _, ok := s.(*ast.RlimitRule); ok {
		d.rlimits = append(d.rlimits, Rule{s, o})
		return
	}
	if none && takesOwner(s) {
		r.warnf(o, diag.ClassUnexpected, diag.WarnNothing, f.file.Text(s), "rule for the owner in a block for others, or the other way round: it matches nothing")
		return
	}
	d.rules = append(d.rules, rawRule{Rule{s, o}, quals})
}

// takesOwner reports whether owner and other have a meaning for a rule.
func takesOwner(s ast.Rule) bool { return s.Class() == ast.ClassFile || s.Class() == ast.ClassLink }
