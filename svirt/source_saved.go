// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// MachineBase is what machines have in common whose profiles are the same but for
// their name and their rules, compiled once. A driver keeps its own in memory. A
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
	suffix string // of the name: what follows that of the machine's profile
	named  string // the rules that say the name, with baseName
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
	if src.File.Src == "" || !plainName(src.Profile) {
		return nil, ErrNoBase
	}
	none := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if unread(err) != nil {
			return err
		}
		return errors.Join(ErrNoBase, err)
	}
	set, _, rules, err := resolveAs(ctx, src, o.Kernel, &parser.Cache{}, baseName)
	if err != nil {
		return nil, none(err)
	}
	other, _, _, err := resolveAs(ctx, src, o.Kernel, &parser.Cache{}, otherName)
	if err != nil {
		return nil, none(err)
	}
	named, ok := splitSet(set, other, rules != nil)
	if !ok {
		return nil, ErrNoBase
	}
	b := &MachineBase{}
	for i, p := range set.Profiles {
		// Alone, it is the first of its set.
		alone := *p
		alone.Parent = nil
		base, err := compile.NewBase(ctx, &policy.Set{Profiles: []*policy.Profile{&alone}}, o)
		if err != nil {
			return nil, none(err)
		}
		part := basePart{suffix: p.Name[len(baseName):], base: base}
		for _, r := range named[i] {
			text, err := render.Append(nil, r.Rule)
			if err != nil {
				return nil, none(err)
			}
			part.named += string(text) + "\n"
		}
		b.parts = append(b.parts, part)
	}
	return b, nil
}

// AppendBinary appends the base in the form that OpenMachineBase reads, in this
// version of the module.
func (b *MachineBase) AppendBinary(dst []byte) ([]byte, error) {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b.parts)))
	for _, p := range b.parts {
		for _, s := range []string{p.suffix, p.named} {
			dst = append(binary.LittleEndian.AppendUint32(dst, uint32(len(s))), s...)
		}
		at := len(dst)
		var err error
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
		b.parts = append(b.parts, basePart{string(suffix), string(named), base})
	}
	if len(data) > 0 {
		return nil, &compile.SavedError{Err: compile.ErrSavedDamaged, Reason: "something follows its parts"}
	}
	return b, nil
}

// Compile makes the policy of a machine: of the base, with its name and its
// rules; nil for none. Kernel is that of the base. Rules that use variables or
// include files, and what the base has no place for, are an error that matches
// ErrNoBase.
func (b *MachineBase) Compile(ctx context.Context, profile string, rules *ast.File, kernel *features.Set) (*compile.Output, error) {
	if !plainName(profile) || rules != nil && !onlyRules(rules) {
		return nil, ErrNoBase
	}
	var all *compile.Output
	var policies []*blob.Policy
	for i := range b.parts {
		out, err := b.parts[i].compile(ctx, profile, rules, kernel)
		if err != nil {
			return nil, err
		}
		rules = nil // of the first alone
		if all == nil {
			all = out
			if len(b.parts) == 1 {
				return all, nil
			}
		} else {
			all.Degraded = append(all.Degraded, out.Degraded...)
			all.Warnings = append(all.Warnings, out.Warnings...)
		}
		policies = append(policies, out.Policy)
	}
	var err error
	all.Policy, err = blob.Join(policies...)
	return all, err
}

// compile makes one of the profiles of a machine.
func (p *basePart) compile(ctx context.Context, profile string, rules *ast.File, kernel *features.Set) (*compile.Output, error) {
	text := "profile x {\n" + strings.ReplaceAll(p.named, baseName, profile) + "}\n"
	own, err := parser.Config{}.Parse(ctx, "rules of "+profile, text)
	if err != nil {
		return nil, err
	}
	top, ok := own.Stmts[0].(*ast.Profile)
	if !ok || len(own.Stmts) != 1 {
		return nil, ErrNoBase
	}
	d := &compile.Delta{Name: profile + p.suffix}
	for _, file := range []*ast.File{{Name: own.Name, Src: own.Src, Stmts: top.Body}, rules} {
		if file == nil {
			continue
		}
		list, ok := ownRules(ctx, &Source{Profile: d.Name, Rules: file}, kernel)
		if !ok {
			return nil, errors.Join(ErrNoBase, ctx.Err())
		}
		d.Rules = append(d.Rules, list...)
	}
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
