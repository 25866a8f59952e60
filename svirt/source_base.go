// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// The profiles of machines are alike but for their name and their rules. The
// common part is compiled once, as a compile.Base, and known again by its
// content: the text of the profile with its name left out, and the files that it
// includes. A file that has changed makes another base, and so does a profile that an
// administrator has edited.
//
// A machine's policy must be the same bytes whenever it is compiled, since what
// is in force is known by its digest. So whether a machine is made from a base
// depends on its own text and files only, never on what was compiled before: a
// base is made for the first machine that could have it, and others wait for it.

// maxBases is how many bases a driver keeps.
const maxBases = 4

// The names that the profile of a base has, of equal length: what differs when
// the one takes the place of the other is what follows from the name.
const (
	baseName  = "machine-base-1f0c6c1e6a5d4c0b"
	otherName = "machine-base-8b1d2e7f9a3c5e40"
	// probePath is what the rules of a base's machine grant. It shows where the
	// rules of machines come to be, and is taken out.
	probePath = "/machine-base-c5a7/probe"
)

// bases are those of a driver. The zero value has none.
type bases struct {
	mu   sync.Mutex
	list []*machineBase // the last used first
}

// machineBase is what machines have in common.
type machineBase struct {
	text    string // of the profile, with baseName
	kernel  *features.Set
	degrade compile.Degrade
	ready   chan struct{} // closed when the rest is there

	err   error         // it could not be made: the context ended, or a file was not read
	base  *compile.Base // nil: there can be none
	rules *ast.File     // in the place of a machine's; nil for none
	unit  *ast.Unit     // nil: it could not be read
	named []policy.Rule // rules that say the name
}

// instance compiles the policy of a machine from what it has in common with
// others. It returns nil where that is not possible because of what the policy
// is: then it is compiled as a whole, which finds errors. An error is one of
// reading files, or the context's.
func (a *AppArmor) instance(ctx context.Context, src *Source, unit *ast.Unit, kernel *features.Set) (*compile.Instance, error) {
	if src.File.Src == "" || !plainName(src.Profile) || src.Rules != nil && !onlyRules(src.Rules) {
		return nil, nil
	}
	b, err := a.bases.of(ctx, src, unit, kernel, a.Degrade, &a.cache)
	if err != nil || b == nil || b.base == nil {
		return nil, err
	}
	d := &compile.Delta{Name: src.Profile}
	for _, r := range b.named {
		d.Rules = append(d.Rules, policy.Rule{Rule: renamed(r.Rule, baseName, src.Profile), Origin: r.Origin})
	}
	if src.Rules != nil {
		own, ok := ownRules(ctx, src, kernel)
		if !ok {
			return nil, ctx.Err()
		}
		d.Rules = append(d.Rules, own...)
	}
	i, err := b.base.Instantiate(ctx, d)
	if err != nil || i.Whole != "" {
		return nil, ctx.Err()
	}
	return i, nil
}

// plainName reports whether a name means itself wherever policy has it.
func plainName(name string) bool {
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.':
		default:
			return false
		}
	}
	return len(name) >= len("libvirt-")
}

// of returns the base for a machine, and makes it if there is none. It returns
// nil if files change meanwhile.
func (s *bases) of(ctx context.Context, src *Source, unit *ast.Unit, kernel *features.Set, degrade compile.Degrade, cache *parser.Cache) (*machineBase, error) {
	for {
		b, first := s.find(src, kernel, degrade)
		if first {
			b.make(ctx, src, cache)
			close(b.ready)
		}
		select {
		case <-b.ready:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if b.err == nil && b.unit != nil && b.fits(src, unit) {
			return b, nil
		}
		s.drop(b)
		if first {
			return nil, b.err
		}
		// A file has changed since it was made, or whoever made it could not.
	}
}

// find returns the base for the text of a profile, and whether the caller is to
// make it.
func (s *bases) find(src *Source, kernel *features.Set, degrade compile.Degrade) (b *machineBase, first bool) {
	text := strings.ReplaceAll(src.File.Src, src.Profile, baseName)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, b := range s.list {
		if b.text == text && b.kernel == kernel && b.degrade == degrade {
			copy(s.list[1:], s.list[:i])
			s.list[0] = b
			return b, false
		}
	}
	b = &machineBase{text: text, kernel: kernel, degrade: degrade, ready: make(chan struct{})}
	if len(s.list) == maxBases {
		s.list = s.list[:maxBases-1]
	}
	s.list = slices.Insert(s.list, 0, b)
	return b, true
}

// drop forgets a base that is of no use any more.
func (s *bases) drop(b *machineBase) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(x *machineBase) bool { return x == b })
}

// make compiles the base. It is made of the profile under two names, which shows
// what follows from the name.
func (b *machineBase) make(ctx context.Context, src *Source, cache *parser.Cache) {
	// If the context ends, what follows may have failed for that alone.
	defer func() {
		if b.base == nil && b.err == nil {
			b.err = ctx.Err()
		}
	}()
	set, unit, rules, err := resolveAs(ctx, src, b.kernel, cache, baseName)
	b.unit, b.rules, b.err = unit, rules, unread(err)
	if err != nil {
		return
	}
	other, _, _, err := resolveAs(ctx, src, b.kernel, cache, otherName)
	if b.err = unread(err); err != nil || !b.split(set, other, rules != nil) {
		return
	}
	if base, err := compile.NewBase(ctx, set, compile.Options{Kernel: b.kernel, Degrade: b.degrade}); err == nil {
		b.base = base
	}
}

// unread returns err if it is one of reading a file that may be there, which
// says nothing about the policy.
func unread(err error) error {
	var file *fs.PathError
	if errors.As(err, &file) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// errConditional says that a policy may treat machines differently.
var errConditional = errors.New("the policy has conditions or aliases")

// resolveAs makes profiles of a machine's policy with another name for it, and
// with a probe in the place of its rules.
func resolveAs(ctx context.Context, src *Source, kernel *features.Set, cache *parser.Cache, name string) (*policy.Set, *ast.Unit, *ast.File, error) {
	text := strings.ReplaceAll(src.File.Src, src.Profile, name)
	file, err := parser.Config{}.Parse(ctx, src.File.Name, text)
	if err != nil {
		return nil, nil, nil, err
	}
	machine := &Source{Profile: name, File: file, Roots: src.Roots}
	if src.Rules != nil {
		machine.Rules = &ast.File{
			Name:  strings.ReplaceAll(src.Rules.Name, src.Profile, name),
			Stmts: []ast.Stmt{&ast.FileRule{Path: probePath, Perms: ast.FileRead}},
		}
	}
	unit, err := machine.follow(ctx, cache)
	if err != nil {
		return nil, nil, nil, err
	}
	if !unconditional(unit) {
		return nil, unit, machine.Rules, errConditional
	}
	set, err := machine.resolve(ctx, unit, kernel)
	return set, unit, machine.Rules, err
}

// unconditional reports whether a unit is free of what may treat the rules of
// one machine differently from those of another, or change them: conditions and
// aliases.
func unconditional(unit *ast.Unit) bool {
	plain := func(f *ast.File) bool {
		for n := range ast.All(f) {
			switch n.(type) {
			case *ast.If, *ast.Alias:
				return false
			}
		}
		return true
	}
	for _, files := range unit.Included {
		for _, f := range files {
			if !plain(f) {
				return false
			}
		}
	}
	return plain(unit.Main)
}

// split takes the rules that say the name out of a set, and the probe. other is
// the same set under another name. It reports whether everything else is alike, and
// only the first profile says the name.
func (b *machineBase) split(set, other *policy.Set, probed bool) bool {
	named, ok := splitSet(set, other, probed)
	if !ok || set.Profiles[0].Parent != nil || slices.ContainsFunc(named[1:], func(rules []policy.Rule) bool { return len(rules) > 0 }) {
		return false
	}
	b.named = named[0]
	return true
}

// splitSet takes the rules that say the name out of the profiles of a set, and
// returns those of each; and the probe, which the first one must have if it is
// probed, and no other. other is the same set under another name. It reports whether
// everything else is alike.
func splitSet(set, other *policy.Set, probed bool) (named [][]policy.Rule, ok bool) {
	if len(set.Profiles) == 0 || len(set.Profiles) != len(other.Profiles) {
		return nil, false
	}
	for i, p := range set.Profiles {
		if p.Name != baseName && !strings.HasPrefix(p.Name, baseName+"//") || p.Name == baseName != (i == 0) {
			return nil, false
		}
		rules, ok := splitProfile(p, other.Profiles[i], i == 0 && probed)
		if !ok {
			return nil, false
		}
		named = append(named, rules)
	}
	return named, true
}

// splitProfile is splitSet for one profile.
func splitProfile(p, other *policy.Profile, probed bool) (named []policy.Rule, ok bool) {
	if p.Namespace != "" || len(p.Rules) != len(other.Rules) || p.Attachment != other.Attachment || !slices.Equal(p.Alternates, other.Alternates) ||
		!slices.Equal(p.Xattrs, other.Xattrs) || p.Flags != other.Flags || len(p.Rlimits) != len(other.Rlimits) {
		return nil, false
	}
	kept := make([]policy.Rule, 0, len(p.Rules))
	for i, r := range p.Rules {
		f, isFile := r.Rule.(*ast.FileRule)
		switch {
		case !reflect.DeepEqual(r.Rule, other.Rules[i].Rule):
			if !reflect.DeepEqual(renamed(r.Rule, baseName, otherName), other.Rules[i].Rule) {
				return nil, false
			}
			named = append(named, r)
		case isFile && f.Path == probePath:
			if !probed || f.Qualifiers != (ast.Qualifiers{}) || f.Perms != ast.FileRead || f.Exec != ast.ExecNone {
				return nil, false
			}
			probed = false
		default:
			kept = append(kept, r)
		}
	}
	p.Rules = kept
	return named, !probed
}

// fits reports whether a machine includes what the base was made of.
func (b *machineBase) fits(src *Source, unit *ast.Unit) bool {
	if len(unit.Included) != len(b.unit.Included) || (src.Rules == nil) != (b.rules == nil) {
		return false
	}
	same := func(files, ours []*ast.File) bool {
		return slices.EqualFunc(files, ours, func(f, g *ast.File) bool {
			return f == g || f == src.Rules && g == b.rules && f != nil
		})
	}
	// The file of the machine is parsed anew each time, all others come out of
	// the cache while they have not changed.
	ours := includeStmts(b.unit.Main)
	theirs := includeStmts(unit.Main)
	if len(ours) != len(theirs) {
		return false
	}
	own := make(map[*ast.Include]bool, len(theirs))
	for i, n := range theirs {
		if !same(unit.Included[n], b.unit.Included[ours[i]]) {
			return false
		}
		own[n] = true
	}
	for n, files := range unit.Included {
		if ours, ok := b.unit.Included[n]; !own[n] && (!ok || !same(files, ours)) {
			return false
		}
	}
	return true
}

func includeStmts(f *ast.File) []*ast.Include {
	var list []*ast.Include
	for n := range ast.All(f) {
		if i, ok := n.(*ast.Include); ok {
			list = append(list, i)
		}
	}
	return list
}

// onlyRules reports whether the rules of a machine are nothing else: they include
// nothing.
func onlyRules(f *ast.File) bool {
	for _, s := range f.Stmts {
		if _, ok := s.(ast.Rule); !ok {
			return false
		}
	}
	return true
}

// ownRules resolves the rules of a machine by themselves, where that is possible:
// they need no variables.
func ownRules(ctx context.Context, src *Source, kernel *features.Set) ([]policy.Rule, bool) {
	set, err := policy.Resolve(ctx, &ast.Unit{Main: &ast.File{
		Name: src.Rules.Name, Src: src.Rules.Src,
		Stmts: []ast.Stmt{&ast.Profile{Name: ast.Pattern(src.Profile), Body: src.Rules.Stmts}},
	}}, policy.Options{Kernel: kernel, Default: libvirtABI()})
	if err != nil || len(set.Profiles) != 1 || len(set.Profiles[0].Rlimits) > 0 {
		return nil, false
	}
	return set.Profiles[0].Rules, true
}

// renamed returns a copy of a rule with one name in the place of another wherever
// it has text.
func renamed(r ast.Rule, from, to string) ast.Rule {
	c := ast.CloneRule(r)
	rename(reflect.ValueOf(c).Elem(), from, to)
	return c
}

func rename(v reflect.Value, from, to string) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); v.CanSet() && strings.Contains(s, from) {
			v.SetString(strings.ReplaceAll(s, from, to))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			rename(v.Field(i), from, to)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rename(v.Index(i), from, to)
		}
	}
}
