// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// Add appends rules that a program made, without an origin. A RlimitRule
// becomes one of Rlimits. The rules are checked as if they had been written,
// and none is added if one of them is wrong. They are kept, not copied.
//
// Their patterns must hold no variables: those of policy text are not known
// here. The error is a diag.List.
func (p *Profile) Add(rules ...ast.Rule) error {
	var found diag.List
	for _, s := range rules {
		if s == nil {
			found = append(found, p.wrong(problem{code: diag.CodeRule, msg: "the rule is nil"}))
			continue
		}
		if err := ast.Check(s); err != nil {
			found = append(found, p.wrong(problemOf(err)))
			continue
		}
		found = append(found, p.checkRule(s)...)
	}
	if len(found) > 0 {
		return found
	}
	p.Rules = slices.Grow(p.Rules, len(rules))
	for _, s := range rules {
		if l, ok := s.(*ast.RlimitRule); ok {
			limit, _ := parseRlimit(l) // checked above
			p.setRlimit(limit)
			continue
		}
		p.Rules = append(p.Rules, Rule{Rule: s})
	}
	return nil
}

// wrong makes a diagnostic of a problem of this profile.
func (p *Profile) wrong(x problem) *diag.Diagnostic {
	return &diag.Diagnostic{Code: x.code, Profile: p.Name, Text: x.text, Message: x.msg, Hint: x.hint, Err: x.err}
}

// checkRule checks a rule for what policy knows and for variables.
func (p *Profile) checkRule(s ast.Rule) diag.List {
	var known func(string) bool
	if p.ABI != nil {
		known = func(name string) bool { return p.ABI.Supports("caps/mask/" + name) }
	}
	found := problems(s, ast.State{Expanded: true}, known)
	for _, pattern := range patternsOf(s, nil) {
		text := string(*pattern.Pattern)
		if err := pattern.CheckText(); err != nil {
			found = append(found, problem{code: diag.CodePattern, text: text, msg: err.Error(), err: err})
		} else if _, name, _, ok := cutRef(text); ok && pattern.kind&variables != 0 {
			found = append(found, problem{code: diag.CodeUndefined, text: "@{" + name + "}", msg: "a resolved rule has a variable"})
		}
	}
	var list diag.List
	for _, x := range found {
		list = append(list, p.wrong(x))
	}
	return list
}

// Clone returns a deep copy of a profile and of all below it. Only the sets of
// features and the files of origins, which nobody changes, are shared. The
// copy has no parent.
func (p *Profile) Clone() *Profile {
	c := *p
	c.Parent = nil
	c.Alternates = slices.Clone(p.Alternates)
	c.Xattrs = slices.Clone(p.Xattrs)
	c.Rlimits = slices.Clone(p.Rlimits)
	c.Rules = slices.Clone(p.Rules)
	for i := range c.Rules {
		c.Rules[i].Rule = ast.CloneRule(c.Rules[i].Rule)
	}
	c.Children = nil
	for _, child := range p.Children {
		cc := child.Clone()
		cc.Parent = &c
		c.Children = append(c.Children, cc)
	}
	return &c
}

// Validate checks a profile that a program made, and all below it, for what
// Resolve guarantees: names, rules that are valid by themselves and do not
// conflict by their texts. The error is a diag.List.
func (p *Profile) Validate() error {
	var found diag.List
	p.validate(&found)
	return found.Err()
}

func (p *Profile) validate(found *diag.List) {
	fail := func(code diag.Code, text, msg string) {
		*found = append(*found, p.wrong(problem{code: code, text: text, msg: msg}))
	}
	switch {
	case p.Name == "":
		fail(diag.CodeName, "", "the profile has no name")
	case strings.ContainsRune(p.Name, 0), strings.HasPrefix(p.Name, ":"), strings.HasPrefix(p.Name, "&"):
		fail(diag.CodeName, p.Name, "the name of the profile is not valid")
	case p.Parent != nil && !strings.HasPrefix(p.Name, p.Parent.Name+"//"):
		fail(diag.CodeName, p.Name, "the name of a child must begin with its parent's name and //")
	}
	if strings.ContainsAny(p.Namespace, ":\x00\n") || p.Parent != nil && p.Namespace != p.Parent.Namespace {
		fail(diag.CodeName, p.Namespace, "the namespace is not valid")
	}
	if p.Flags.Mode > DefaultAllow {
		fail(diag.CodeFlag, "", "unknown mode")
	}
	for _, path := range [...]string{p.Flags.DisconnectedPath, p.Flags.DisconnectedIPCPath} {
		if path != "" && path[0] != '/' {
			fail(diag.CodeFlag, path, "the path of attach_disconnected must begin with a slash")
		}
	}
	if s := p.Flags.KillSignal; s != "" && !ast.IsSignal(s) {
		fail(diag.CodeFlag, s, "unknown signal "+strconv.Quote(s))
	}
	if e := p.Flags.Error; e != "" && !ast.Errnos().Has(e) {
		fail(diag.CodeFlag, e, "unknown error code "+strconv.Quote(e))
	}
	if p.Hat && p.Parent != nil && len(p.Xattrs) > 0 {
		fail(diag.CodeXattr, "", "a hat cannot have xattrs")
	}
	for _, l := range p.Rlimits {
		if !ast.Rlimits().Has(l.Name) || l.Name == "ofile" {
			fail(diag.CodeRlimit, l.Name, "unknown resource "+strconv.Quote(l.Name))
		}
	}
	for i := range p.Rules {
		switch s := p.Rules[i].Rule.(type) {
		case nil:
			fail(diag.CodeRule, "", "the rule is nil")
		case *ast.RlimitRule:
			fail(diag.CodeRlimit, s.Name, "an rlimit rule belongs to Rlimits, not to Rules")
		default:
			*found = append(*found, p.checkRule(s)...)
		}
	}
	for _, c := range conflicts(p.Name, p.Rules) {
		d := p.wrong(problem{code: diag.CodeExecConflict, text: c.text, msg: c.message})
		d.Pos, d.Via = c.second.Position(), c.second.Chain()
		d.Related = append(d.Related, c.first.Position())
		*found = append(*found, d)
	}
	for _, child := range p.Children {
		if child.Parent != p {
			fail(diag.CodeName, child.Name, "the parent of a child is another profile")
			continue
		}
		child.validate(found)
	}
}

// NewSet orders profiles as a Set holds them: sorted by namespace and name,
// each followed by those below it. It checks each profile and that no name
// occurs twice. Give it the profiles without a parent; it sorts Children in
// place. The error is a diag.List.
func NewSet(profiles ...*Profile) (*Set, error) {
	var found diag.List
	s := &Set{}
	seen := map[string]bool{}
	var add func(list []*Profile)
	add = func(list []*Profile) {
		sortProfiles(list)
		for _, p := range list {
			if full := p.FullName(); seen[full] {
				found = append(found, p.wrong(problem{code: diag.CodeDuplicateProfile, text: full, msg: "two profiles have this name"}))
			} else {
				seen[full] = true
			}
			s.Profiles = append(s.Profiles, p)
			add(p.Children)
		}
	}
	top := slices.Clone(profiles)
	for _, p := range top {
		p.validate(&found)
	}
	add(top)
	if err := found.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

func sortProfiles(list []*Profile) {
	slices.SortStableFunc(list, func(a, b *Profile) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

// Lookup returns the profile of that namespace and full name, or nil.
func (s *Set) Lookup(namespace, name string) *Profile {
	for _, p := range s.Profiles {
		if p.Name == name && p.Namespace == namespace {
			return p
		}
	}
	return nil
}
