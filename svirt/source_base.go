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
const maxBases = 16

// The names that the profile of a base has, and its machine's: what differs when the
// one takes the place of the other is what follows from the name. They are as long as
// libvirt-UUID, so that rules of a base are in the columns in which machines have them.
var (
	baseNames  = saidNames{"machine-base-f15faa3749e4afa069d8aae95ac402f", "base-machine-9b27af278b6d2be6db55c9ab9a4541a"}
	otherNames = saidNames{"machine-base-e860359ed0fd1cea5082b6cdd6d1dd8", "base-machine-57ed53b72f3c05dacf8669f8e9404de"}
)

// probePath is what the rules of a base's machine grant. It shows where the rules of
// machines come to be, and is taken out.
const probePath = "/machine-base-c5a7/probe"

// saidNames are the names that the text of one machine has where that of another
// one has its own. The profile's may begin with the machine's.
type saidNames struct {
	profile string // of the machine, or of a companion
	machine string // that of a companion's machine; empty for the profile of a machine
}

// plain reports whether the names mean themselves wherever policy has them.
func (n saidNames) plain() bool {
	return plainName(n.profile) && (n.machine == "" || plainName(n.machine))
}

// in reports whether a text has one of the names.
func (n saidNames) in(text string) bool {
	return strings.Contains(text, n.profile) || n.machine != "" && strings.Contains(text, n.machine)
}

// replaced returns a text with other names in the place of these.
func (n saidNames) replaced(text string, by saidNames) string {
	text = strings.ReplaceAll(text, n.profile, by.profile)
	if n.machine != "" {
		text = strings.ReplaceAll(text, n.machine, by.machine)
	}
	return text
}

// names are those that the text of a source has.
func (src *Source) names() saidNames { return saidNames{src.Profile, src.machine} }

// based reports whether there may be a base for a machine, as far as its own text
// tells.
func (src *Source) based() bool {
	n, text := src.names(), src.File.Src
	return text != "" && n.plain() && (src.Rules == nil || onlyRules(src.Rules)) && !baseNames.in(text) && !otherNames.in(text)
}

// bases are those of a driver. The zero value has none.
type bases struct {
	mu   sync.Mutex
	list []*machineBase // the last used first
}

// machineBase is what machines have in common, and what it was made of.
type machineBase struct {
	text    string // of the profile, with baseNames
	kernel  *features.Set
	degrade compile.Degrade
	ready   chan struct{} // closed when the rest is there

	err   error        // it could not be made: the context ended, or a file was not read
	base  *MachineBase // nil: there can be none
	rules *ast.File    // in the place of a machine's; nil for none
	unit  *ast.Unit    // nil: it could not be read
}

// instance compiles the policy of a machine from what it has in common with
// others. It returns nil where that is not possible because of what the policy
// is: then it is compiled as a whole, which finds errors. An error is one of
// reading files, or the context's.
func (a *AppArmor) instance(ctx context.Context, src *Source, unit *ast.Unit, kernel *features.Set) (*compile.Output, error) {
	if !src.based() {
		return nil, nil
	}
	b, err := a.bases.of(ctx, src, unit, kernel, a.Degrade, &a.cache)
	if err != nil || b == nil || b.base == nil {
		return nil, err
	}
	out, err := b.base.compile(ctx, src.names(), src.Rules, kernel)
	if err != nil {
		return nil, ctx.Err()
	}
	b.place(out, src)
	return out, nil
}

// place puts what is not enforced into the file of a machine, as far as it is in that
// of the machine that the base was made for.
func (b *machineBase) place(out *compile.Output, src *Source) {
	was, is := b.unit.Main.Name, src.File.Name
	if was == is {
		return
	}
	in := func(p ast.Position) bool { return p.File == was }
	for i := range out.Degraded {
		d := &out.Degraded[i]
		if in(d.Pos) {
			d.Pos.File = is
		}
		if slices.ContainsFunc(d.Via, in) {
			d.Via = slices.Clone(d.Via) // which is the base's
			for j := range d.Via {
				if in(d.Via[j]) {
					d.Via[j].File = is
				}
			}
		}
	}
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
	text := src.names().replaced(src.File.Src, baseNames)
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
	set, unit, rules, err := resolveAs(ctx, src, b.kernel, cache, baseNames)
	b.unit, b.rules, b.err = unit, rules, unread(err)
	if err != nil {
		return
	}
	other, _, _, err := resolveAs(ctx, src, b.kernel, cache, otherNames)
	if b.err = unread(err); err != nil {
		return
	}
	if base, err := newMachineBase(ctx, set, other, rules != nil, compile.Options{Kernel: b.kernel, Degrade: b.degrade}); err == nil {
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
func resolveAs(ctx context.Context, src *Source, kernel *features.Set, cache *parser.Cache, by saidNames) (*policy.Set, *ast.Unit, *ast.File, error) {
	names := src.names()
	file, err := parser.Config{}.Parse(ctx, src.File.Name, names.replaced(src.File.Src, by))
	if err != nil {
		return nil, nil, nil, err
	}
	machine := &Source{Profile: by.profile, File: file, Roots: src.Roots}
	if src.Rules != nil {
		machine.Rules = &ast.File{
			Name:  names.replaced(src.Rules.Name, by),
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

// splitSet takes the rules that say the name out of the profiles of a set, and
// returns those of each; and the probe, which the first one must have if it is
// probed, and no other. other is the same set under another name. It reports whether
// everything else is alike.
func splitSet(set, other *policy.Set, probed bool) (named [][]policy.Rule, ok bool) {
	if len(set.Profiles) == 0 || len(set.Profiles) != len(other.Profiles) {
		return nil, false
	}
	for i, p := range set.Profiles {
		if p.Name != baseNames.profile && !strings.HasPrefix(p.Name, baseNames.profile+"//") || p.Name == baseNames.profile != (i == 0) {
			return nil, false
		}
		if other.Profiles[i].Name != otherNames.profile+p.Name[len(baseNames.profile):] {
			return nil, false // one below is named by the machine
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
			if !reflect.DeepEqual(renamed(r.Rule, otherNames), other.Rules[i].Rule) {
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

// errOwnRules says that a machine's rules are not rules alone.
var errOwnRules = errors.New("rules that a machine's profile cannot have by themselves")

// ownRules resolves the rules of a machine by themselves, where that is possible:
// they need no variables.
func ownRules(ctx context.Context, profile string, rules *ast.File, kernel *features.Set) ([]policy.Rule, error) {
	set, err := policy.Resolve(ctx, &ast.Unit{Main: &ast.File{
		Name: rules.Name, Src: rules.Src,
		Stmts: []ast.Stmt{&ast.Profile{Name: ast.Pattern(profile), Body: rules.Stmts}},
	}}, policy.Options{Kernel: kernel, Default: libvirtABI()})
	if err != nil {
		return nil, err
	}
	if len(set.Profiles) != 1 || len(set.Profiles[0].Rlimits) > 0 {
		return nil, errOwnRules
	}
	return set.Profiles[0].Rules, nil
}

// renamed returns a copy of a rule with other names in the place of baseNames
// wherever it has text.
func renamed(r ast.Rule, by saidNames) ast.Rule {
	c := ast.CloneRule(r)
	rename(reflect.ValueOf(c).Elem(), by)
	return c
}

func rename(v reflect.Value, by saidNames) {
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); v.CanSet() && baseNames.in(s) {
			v.SetString(baseNames.replaced(s, by))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			rename(v.Field(i), by)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rename(v.Index(i), by)
		}
	}
}
