// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// MachineBase is what machines have in common whose profiles are the same but for
// their name and their rules, compiled once: each of the profiles, since those below
// the first one may say the name, too. A driver keeps its own in memory. A
// program that ends after one machine, such as cmd/virt-aa-helper, saves one
// (AppendBinary) and opens it the next time (OpenMachineBase).
//
// It is for the kernel and the options that it was made for. Whether the files
// that the profile includes have changed since is for whoever keeps it to know. It
// is safe for concurrent use.
type MachineBase struct{ parts []basePart }

// basePart is what machines have in common of one profile: their own, which is
// first, or one below it. Each is compiled by itself, since a compile.Base has
// rules that follow the name in its first profile only.
type basePart struct {
	suffix string        // of the name: what follows that of the machine's profile
	named  []policy.Rule // the rules that say the name, with baseNames
	base   *compile.Base
}

// ErrNoBase says that machines of a profile have nothing in common that could be
// compiled by itself, or that one machine differs in more than its name and its
// rules. Its policy is then compiled as a whole.
var ErrNoBase = errors.New("the policy must be compiled as a whole")

// NewMachineBase compiles what the machines of a profile have in common. The
// source is that of any of them, with the text of its file. The error matches
// ErrNoBase if there is no such part, and otherwise is one of reading files or the
// context's.
func NewMachineBase(ctx context.Context, src *Source, o compile.Options) (*MachineBase, error) {
	if own := (&Source{Profile: src.Profile, File: src.File}); !own.based() {
		return nil, ErrNoBase
	}
	none := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if unread(err) != nil || errors.Is(err, ErrNoBase) {
			return err
		}
		return errors.Join(ErrNoBase, err)
	}
	set, _, rules, err := resolveAs(ctx, src, o.Kernel, &parser.Cache{}, baseNames)
	if err != nil {
		return nil, none(err)
	}
	other, _, _, err := resolveAs(ctx, src, o.Kernel, &parser.Cache{}, otherNames)
	if err != nil {
		return nil, none(err)
	}
	b, err := newMachineBase(ctx, set, other, rules != nil, o)
	if err != nil {
		return nil, none(err)
	}
	return b, nil
}

// newMachineBase compiles the profiles of a set, which has a probe in the place of
// a machine's rules if it is probed. other is the same set under another name. The
// sets are not to be used any more.
func newMachineBase(ctx context.Context, set, other *policy.Set, probed bool, o compile.Options) (*MachineBase, error) {
	named, ok := splitSet(set, other, probed)
	if !ok {
		return nil, ErrNoBase
	}
	if severalAttach(set) {
		// Alone, none of them would conflict with another one.
		out, err := compile.Compile(ctx, set, o)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out.Warnings, func(d *diag.Diagnostic) bool { return d.Code == diag.CodeAttachConflict }) {
			return nil, ErrNoBase
		}
	}
	b := &MachineBase{}
	for i, p := range set.Profiles {
		// Alone, it is the first of its set.
		alone := *p
		alone.Parent = nil
		base, err := compile.NewBase(ctx, &policy.Set{Profiles: []*policy.Profile{&alone}}, o)
		if err != nil {
			return nil, err
		}
		b.parts = append(b.parts, basePart{p.Name[len(baseNames.profile):], named[i], base})
	}
	// What keeps every machine from being made of it shows with the first one.
	if _, err := b.compile(ctx, otherNames, nil, o.Kernel); err != nil {
		return nil, err
	}
	return b, nil
}

// severalAttach reports whether kernels have a choice among profiles below a
// machine's.
func severalAttach(set *policy.Set) bool {
	n := 0
	for _, p := range set.Profiles[1:] {
		own := ast.Pattern(p.Name[strings.LastIndex(p.Name, "//")+len("//"):])
		if !p.Hat && (p.Attachment != "" || len(p.Alternates) > 0 || len(p.Xattrs) > 0 || !own.IsLiteral()) {
			n++
		}
	}
	return n > 1
}

// AppendBinary appends the base in the form that OpenMachineBase reads, in this
// version of the module.
func (b *MachineBase) AppendBinary(dst []byte) ([]byte, error) {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.parts)))
	part := func(s []byte) { dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...) }
	for _, p := range b.parts {
		var named []byte
		var err error
		for _, r := range p.named {
			if named, err = render.Append(named, r.Rule); err != nil {
				return nil, err
			}
			named = append(named, '\n')
		}
		part([]byte(p.suffix))
		part(named)
		at := len(dst)
		if dst, err = p.base.AppendBinary(append(dst, 0, 0, 0, 0)); err != nil {
			return nil, err
		}
		binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	}
	return dst, nil
}

// OpenMachineBase opens what AppendBinary wrote. Data that is refused is a
// *compile.SavedError or a *diag.LimitError; see compile.OpenBase, also for what
// is not checked: whoever can write the data decides what machines may do. The
// data must not be changed any more.
func OpenMachineBase(ctx context.Context, data []byte, o compile.Options) (*MachineBase, error) {
	short := &compile.SavedError{Err: compile.ErrSavedDamaged, Reason: "it ends before its parts"}
	number := func() (n uint32, ok bool) {
		if len(data) < 4 {
			return 0, false
		}
		n, data = binary.LittleEndian.Uint32(data), data[4:]
		return n, true
	}
	next := func() (part []byte, ok bool) {
		n, ok := number()
		if !ok || uint64(n) > uint64(len(data)) {
			return nil, false
		}
		part, data = data[:n], data[n:]
		return part, true
	}
	b := &MachineBase{}
	count, ok := number()
	if !ok || count == 0 {
		return nil, short
	}
	for range count {
		suffix, ok1 := next()
		named, ok2 := next()
		text, ok3 := next()
		if !ok1 || !ok2 || !ok3 {
			return nil, short
		}
		base, err := compile.OpenBase(ctx, text, compile.OpenOptions{Options: o})
		if err != nil {
			return nil, err
		}
		rules, err := parser.Config{Context: parser.ContextBody}.Parse(ctx, "rules that say the name", string(named))
		var list []policy.Rule
		if err == nil && !onlyRules(rules) {
			err = errors.New("other than rules say the name")
		}
		if err == nil {
			list, err = ownRules(ctx, baseNames.profile, rules, o.Kernel)
		}
		if err != nil {
			return nil, cmp.Or(ctx.Err(), error(&compile.SavedError{Err: compile.ErrSavedDamaged, Reason: err.Error()}))
		}
		b.parts = append(b.parts, basePart{string(suffix), list, base})
	}
	if len(data) > 0 {
		return nil, &compile.SavedError{Err: compile.ErrSavedDamaged, Reason: "something follows its parts"}
	}
	return b, nil
}

// Compile makes the policy of a machine: of the base, with its name and its
// rules; nil for none. Kernel is that of the base. Rules that use variables or
// include files, and what the base has no place for, are an error that matches
// ErrNoBase. The limits of compiling hold for each of the machine's profiles, of
// which there are as many as the template has.
func (b *MachineBase) Compile(ctx context.Context, profile string, rules *ast.File, kernel *features.Set) (*compile.Output, error) {
	return b.compile(ctx, saidNames{profile: profile}, rules, kernel)
}

// compile is Compile for a machine or a companion.
func (b *MachineBase) compile(ctx context.Context, names saidNames, rules *ast.File, kernel *features.Set) (*compile.Output, error) {
	if !names.plain() || rules != nil && !onlyRules(rules) {
		return nil, ErrNoBase
	}
	var own []policy.Rule
	if rules != nil {
		var err error
		if own, err = ownRules(ctx, names.profile, rules, kernel); err != nil {
			return nil, cmp.Or(ctx.Err(), fmt.Errorf("%w: %w", ErrNoBase, err))
		}
	}
	all, err := b.parts[0].compile(ctx, names, own)
	if err != nil || len(b.parts) == 1 {
		return all, err
	}
	sets := make([]*blob.Policy, 1, len(b.parts))
	sets[0] = all.Policy
	for i := range b.parts[1:] {
		out, err := b.parts[1+i].compile(ctx, names, nil)
		if err != nil {
			return nil, err
		}
		sets = append(sets, out.Policy)
		all.Degraded = append(all.Degraded, out.Degraded...)
		all.Warnings = append(all.Warnings, out.Warnings...)
		all.Stats = append(all.Stats, out.Stats...)
		all.Used.Work += out.Used.Work
		all.Used.States += out.Used.States
		all.Used.Memory += out.Used.Memory
		all.Used.Bytes += out.Used.Bytes
	}
	if all.Policy, err = blob.Join(sets...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoBase, err)
	}
	return all, nil
}

// compile makes one of the profiles of a machine.
func (p *basePart) compile(ctx context.Context, names saidNames, own []policy.Rule) (*compile.Output, error) {
	d := &compile.Delta{Name: names.profile + p.suffix, Rules: make([]policy.Rule, 0, len(p.named)+len(own))}
	for _, r := range p.named {
		d.Rules = append(d.Rules, policy.Rule{Rule: renamed(r.Rule, names), Origin: r.Origin})
	}
	d.Rules = append(d.Rules, own...)
	i, err := p.base.Instantiate(ctx, d)
	var whole *compile.WholeError
	switch {
	case errors.As(err, &whole):
		return nil, fmt.Errorf("%w: %w", ErrNoBase, err)
	case err != nil:
		return nil, err
	case i.Whole != "":
		return nil, fmt.Errorf("%w: %s", ErrNoBase, i.Whole)
	}
	return &i.Output, nil
}
