// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/compile/internal/wire"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/linux"
	"github.com/goarmor/apparmor/policy"
)

// A saved base begins with savedMagic, the form as a number of 4 bytes, the
// CRC-32C of what follows as another, and its length as a number of 8 bytes;
// numbers are little-endian. What follows is a savedBase as package wire writes it.
// Form 1 had a SHA-256, which took as long as all the rest and said no more:
// whoever writes a base can write its sum, too.
const (
	savedMagic  = "aa-base\n"
	savedForm   = 2
	savedHeader = len(savedMagic) + 4 + crc32.Size + 8
	// savedMemory is about how many bytes of memory a byte of a saved base
	// takes when it is opened.
	savedMemory = 32
)

// The reasons for which a saved base is refused.
var (
	// ErrSavedDamaged: the data is not that of a saved base, or not all of it.
	ErrSavedDamaged = errors.New("not a saved base, or a damaged one")
	// ErrSavedOther: the base was saved by another version of this module, or
	// for another kernel or other options.
	ErrSavedOther = errors.New("the base was saved for something else")
	// ErrSavedProfiles: the profiles are not those that the base was made of.
	ErrSavedProfiles = errors.New("the base was saved from other profiles")
)

// SavedError says why a saved base is refused.
type SavedError struct {
	Err    error  // ErrSavedDamaged, ErrSavedOther or ErrSavedProfiles
	Reason string // in lower case, without a full stop
}

// Error implements error.
func (e *SavedError) Error() string { return "compile: " + e.Err.Error() + ": " + e.Reason }

// Unwrap returns e.Err.
func (e *SavedError) Unwrap() error { return e.Err }

// WholeError is returned for an instance that has to be compiled as a whole, of
// a base that was opened without its profiles.
type WholeError struct {
	Reason string    // as in Instance.Whole
	Errs   diag.List // what is wrong with the rules of the delta, if anything
}

// Error implements error.
func (e *WholeError) Error() string {
	text := "compile: the profile has to be compiled as a whole (" + e.Reason + "), and the base was opened without its profiles"
	if len(e.Errs) > 0 {
		text += ": " + e.Errs.Error()
	}
	return text
}

// Unwrap returns what is wrong with the rules.
func (e *WholeError) Unwrap() error { return e.Errs.Err() }

// savedBase is what is in the file.
type savedBase struct {
	Version string // of this module
	Kernel  [sha256.Size]byte
	Flags   [3]uint8 // of the options: Degrade, KeepDenials, PlainNames

	Policy   []byte
	Stats    []Stats
	Degraded []savedDegradation
	Warnings []savedWarning
	Counts   [6]uint64

	Top      savedProfile
	Targets  []string
	Named    []uint8
	Uses     []savedUse
	Caps     []savedCap
	Families [][4]uint16
	Mounts   []savedMount
	Changes  bool // a rule changes the profile
	Files    savedPart
	Policydb savedPart
}

type savedPart struct {
	Is      bool // there is such an automaton
	Records []savedRecord
	Base    automaton.SavedBase
}

type savedRecord struct {
	Priority int16
	Effect   uint8
	Exact    bool
	Perms    uint32
	Audit    uint32
	Exec     [2]uint32
	Rule     int32
}

// savedProfile is the first profile without its rules.
type savedProfile struct {
	Namespace, Name string
	Hat             bool
	Attachment      ast.Pattern
	Alternates      []ast.Pattern
	Xattrs          []policy.Xattr
	Flags           policy.Flags
	Rlimits         []savedRlimit
	HasABI          bool
	ABI             string
}

type savedRlimit struct {
	Name  string
	Value uint64
}

type savedUse struct {
	Path     ast.Pattern
	Priority int16
	Effect   uint8
	Half     uint8
	Exec     uint32
	Rule     int32
}

type savedCap struct {
	Bits        uint64
	Deny, Audit bool
}

type savedMount struct {
	Quals          ast.Qualifiers
	Source, Target ast.Pattern
	Detached       bool
	Options        string
	Perms          uint32
}

type savedDegradation struct {
	Profile             string
	Pos                 ast.Position
	Via                 []ast.Position
	What, Feature, Hint string
	Cause               Cause
	Dropped             bool
}

type savedWarning struct {
	Severity     diag.Severity
	Class        diag.Class
	Code         diag.Code
	Pos          diag.Position
	Profile      string
	Message      string
	Text, Hint   string
	Via, Related []diag.Position
}

// moduleVersion returns the version of this module in the program.
var moduleVersion = sync.OnceValue(func() string {
	const path = "github.com/goarmor/apparmor"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == path {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == path {
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Version + " " + m.Sum
		}
	}
	return ""
})

// AppendBinary appends the base in a form that OpenBase reads, in this version of
// the module. The same base gives the same bytes.
func (b *Base) AppendBinary(dst []byte) ([]byte, error) {
	s, err := b.saved()
	if err != nil {
		return dst, err
	}
	from := len(dst)
	out := append(dst, make([]byte, savedHeader)...)
	if out, err = wire.Append(out, *s); err != nil {
		return dst, err
	}
	head, body := out[from:from], out[from+savedHeader:]
	head = append(head, savedMagic...)
	head = binary.LittleEndian.AppendUint32(head, savedForm)
	head = binary.LittleEndian.AppendUint32(head, savedSum(body))
	binary.LittleEndian.AppendUint64(head, uint64(len(body)))
	return out, nil
}

// savedSum finds damage.
func savedSum(body []byte) uint32 {
	return crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
}

// saved returns what is written of a base.
func (b *Base) saved() (*savedBase, error) {
	t, top := b.translation, b.set.Profiles[0]
	o := &b.options
	s := &savedBase{
		Version: moduleVersion(), Kernel: o.Kernel.ID(), Flags: optionFlags(o),
		Policy: b.out.Policy.Bytes(), Stats: b.out.Stats, Counts: b.counts.list(),
		Top: savedProfile{
			Namespace: top.Namespace, Name: top.Name, Hat: top.Hat, Attachment: top.Attachment,
			Alternates: top.Alternates, Xattrs: top.Xattrs, Flags: top.Flags,
		},
		Targets: t.execs.targets, Changes: t.changer != nil,
		Files: savePart(b.files, &t.files), Policydb: savePart(b.policydb, &t.policydb),
	}
	if top.Parent != nil {
		return nil, ErrBase
	}
	for _, d := range b.out.Degraded {
		s.Degraded = append(s.Degraded, savedDegradation{d.Profile, d.Pos, d.Via, d.What, d.Feature, d.Hint, d.Cause, d.Dropped})
	}
	for _, w := range b.out.Warnings {
		s.Warnings = append(s.Warnings, savedWarning{w.Severity, w.Class, w.Code, w.Pos, w.Profile, w.Message, w.Text, w.Hint, w.Via, w.Related})
	}
	for _, l := range top.Rlimits {
		s.Top.Rlimits = append(s.Top.Rlimits, savedRlimit{l.Name, l.Value})
	}
	if top.ABI != nil {
		s.Top.HasABI, s.Top.ABI = true, top.ABI.String()
	}
	for _, n := range t.execs.named {
		s.Named = append(s.Named, uint8(n))
	}
	for k, u := range t.execs.uses {
		s.Uses = append(s.Uses, savedUse{k.path, k.priority, uint8(k.effect), uint8(k.half), u.exec, u.rule})
	}
	slices.SortFunc(s.Uses, func(a, b savedUse) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Effect, b.Effect), cmp.Compare(a.Half, b.Half))
	})
	for _, c := range t.caps {
		s.Caps = append(s.Caps, savedCap{c.bits, c.deny, c.audit})
	}
	for _, f := range t.families {
		s.Families = append(s.Families, [4]uint16{f.allow, f.audit, f.deny, f.quiet})
	}
	type keyed struct {
		key   []byte
		mount savedMount
	}
	var mounts []keyed
	for k, perms := range t.mounts {
		m := savedMount{k.quals, k.source, k.target, k.detached, k.options, perms}
		key, err := wire.Append(nil, m)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, keyed{key, m})
	}
	slices.SortFunc(mounts, func(a, b keyed) int { return bytes.Compare(a.key, b.key) })
	for _, m := range mounts {
		s.Mounts = append(s.Mounts, m.mount)
	}
	return s, nil
}

func optionFlags(o *Options) [3]uint8 {
	flag := func(b bool) uint8 {
		if b {
			return 1
		}
		return 0
	}
	return [3]uint8{uint8(o.Degrade), flag(o.KeepDenials), flag(o.PlainNames)}
}

// list returns the counts in a fixed order.
func (c *counts) list() [6]uint64 {
	d, w := &c.degraded, &c.warned
	return [6]uint64{uint64(d.head), uint64(d.rules), uint64(d.all), uint64(w.head), uint64(w.rules), uint64(w.all)}
}

// open sets the counts from a list, of so many degradations and warnings.
func (c *counts) open(list [6]uint64, degraded, warned int) bool {
	for i, n := range list {
		most := uint64(degraded)
		if i >= 3 {
			most = uint64(warned)
		}
		if n > most || i%3 > 0 && n < list[i-1] {
			return false
		}
	}
	c.degraded.head, c.degraded.rules, c.degraded.all = int(list[0]), int(list[1]), int(list[2])
	c.warned.head, c.warned.rules, c.warned.all = int(list[3]), int(list[4]), int(list[5])
	return true
}

func savePart(p *basePart, rs *ruleset) savedPart {
	if p == nil {
		return savedPart{}
	}
	s := savedPart{Is: true, Base: p.automaton.Save()}
	for _, r := range rs.records.all {
		s.Records = append(s.Records, savedRecord{
			Priority: r.priority, Effect: uint8(r.effect), Exact: r.exact, Perms: r.perms, Audit: r.audit, Exec: r.exec, Rule: r.rule,
		})
	}
	return s
}

// OpenOptions are the parameters of OpenBase.
type OpenOptions struct {
	// Options are those that the base was made with, but for Limits, which hold
	// for opening it and for its instances.
	Options
	// Profiles returns the profiles that the base was made of, for an instance
	// that has to be compiled as a whole. It is called when there is one for the
	// first time, and what it returns is held against the base. If it is nil,
	// such an instance is a *WholeError.
	Profiles func(context.Context) (*policy.Set, error)
}

// OpenBase opens a base that AppendBinary wrote. Its instances are the same bytes
// as those of the base that was saved. Degradations of the base's rules have no
// Rule, and warnings about them no Err.
//
// The policy of the base is verified as every other policy is, and its automata
// are checked to hold together. That they are those of the policy is not checked:
// whoever can write the data decides what instances allow, as with any other
// policy. The checksum in it finds damage only.
//
// Data that is refused is a *SavedError, whose Err tells why, or a
// *diag.LimitError. What it takes to open the data is bounded before memory for it
// is made. The data must not be changed any more.
func OpenBase(ctx context.Context, data []byte, o OpenOptions) (*Base, error) {
	if o.Kernel == nil {
		return nil, ErrNoKernel
	}
	s, err := readSaved(data, &o.Options)
	if err != nil {
		return nil, err
	}
	q := newRequest(ctx, o.Options)
	if err := q.limits.checkBytes(int64(len(s.Policy))); err != nil {
		return nil, err
	}
	b := &Base{options: o.Options, form: formOf(o.Kernel), limits: q.limits, profiles: o.Profiles, opened: true, free: make(chan *workspace, runtime.GOMAXPROCS(0))}
	b.keepDenials = o.KeepDenials && b.form.table
	if err := b.open(q, s); err != nil {
		return nil, err
	}
	return b, nil
}

func damaged(format string, args ...any) error {
	return &SavedError{ErrSavedDamaged, fmt.Sprintf(format, args...)}
}

// readSaved reads the values of a saved base, if they are for these options.
func readSaved(data []byte, o *Options) (*savedBase, error) {
	if len(data) < savedHeader || string(data[:len(savedMagic)]) != savedMagic {
		return nil, damaged("it does not begin as one")
	}
	head, body := data[len(savedMagic):savedHeader], data[savedHeader:]
	if form := binary.LittleEndian.Uint32(head); form != savedForm {
		return nil, &SavedError{ErrSavedOther, fmt.Sprintf("form %d, this version of the module has %d", form, savedForm)}
	}
	limits := o.Limits.withDefaults()
	if n := int64(len(body)); n > limits.Memory/savedMemory {
		return nil, &diag.LimitError{What: automaton.WhatMemory, Limit: limits.Memory, Got: savedMemory * min(n, math.MaxInt64/savedMemory)}
	}
	sum, size := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint64(head[4+crc32.Size:])
	switch {
	case size != uint64(len(body)):
		return nil, damaged("%d bytes after its head, which says %d", len(body), size)
	case sum != savedSum(body):
		return nil, damaged("its checksum is another")
	}
	s := &savedBase{}
	if err := wire.Read(body, s); err != nil {
		return nil, damaged("%v", err)
	}
	switch {
	case s.Version != moduleVersion():
		return nil, &SavedError{ErrSavedOther, fmt.Sprintf("saved by version %q of the module, this is %q", s.Version, moduleVersion())}
	case s.Kernel != o.Kernel.ID():
		return nil, &SavedError{ErrSavedOther, "the kernel has other features"}
	case s.Flags != optionFlags(o):
		return nil, &SavedError{ErrSavedOther, "the options are others"}
	}
	return s, nil
}

// open makes the base of what was saved.
func (b *Base) open(q *request, s *savedBase) error {
	p, err := blob.InspectShared(s.Policy)
	if err != nil {
		return damaged("%v", err)
	}
	if b.frame, err = blob.NewFrame(p, blob.LimitsOf(b.options.Kernel)); err != nil {
		return damaged("%v", err)
	}
	b.built = p.Profiles()
	b.out = &Output{Policy: p, Stats: s.Stats}
	if len(b.built) == 0 || len(s.Stats) != len(b.built) || b.built[0].Name != s.Top.Name {
		return damaged("its parts do not belong together")
	}
	for _, d := range s.Degraded {
		b.out.Degraded = append(b.out.Degraded, Degradation{d.Profile, d.Pos, d.Via, nil, d.What, d.Feature, d.Hint, d.Cause, d.Dropped})
	}
	for _, w := range s.Warnings {
		b.out.Warnings = append(b.out.Warnings, &diag.Diagnostic{
			Severity: w.Severity, Class: w.Class, Code: w.Code, Pos: w.Pos, Profile: w.Profile, Message: w.Message, Text: w.Text, Hint: w.Hint,
			Via: w.Via, Related: w.Related,
		})
	}
	if !b.counts.open(s.Counts, len(s.Degraded), len(s.Warnings)) {
		return damaged("its counts do not fit")
	}
	top, err := s.Top.open()
	if err != nil {
		return damaged("%v", err)
	}
	b.set = &policy.Set{Profiles: []*policy.Profile{top}}
	for _, p := range b.built[1:] {
		if len(p.Name) < len(top.Name) {
			return damaged("a profile is not below the first one")
		}
		q := &policy.Profile{Name: p.Name, Parent: top}
		b.set.Profiles = append(b.set.Profiles, q)
		// Profiles below give the first one access that no rule spells out.
		if blob.ParentName(p.Name) == top.Name {
			top.Children = append(top.Children, q)
		}
	}
	t := newTranslation(&b.options, b.form, top, nil)
	b.translation = t
	if !t.open(s) {
		return damaged("its targets do not fit")
	}
	b.name(t)
	if b.files, err = s.Files.open(q.budget, &t.files, b.built[0].File); err != nil {
		return err
	}
	b.policydb, err = s.Policydb.open(q.budget, &t.policydb, b.built[0].Policydb)
	return err
}

func (s *savedProfile) open() (*policy.Profile, error) {
	p := &policy.Profile{
		Namespace: s.Namespace, Name: s.Name, Hat: s.Hat, Attachment: s.Attachment,
		Alternates: s.Alternates, Xattrs: s.Xattrs, Flags: s.Flags,
	}
	for _, l := range s.Rlimits {
		p.Rlimits = append(p.Rlimits, policy.Rlimit{Name: l.Name, Value: l.Value})
	}
	var err error
	if s.HasABI {
		p.ABI, err = features.Parse([]byte(s.ABI))
	}
	return p, err
}

// open sets what the rules of the base came to, but for their automata.
func (t *translation) open(s *savedBase) bool {
	x := &t.execs
	x.targets, x.places, x.uses = s.Targets, make(map[string]uint32, len(s.Targets)), make(map[execKey]execUse, len(s.Uses))
	if len(s.Named) != len(s.Targets) || len(s.Targets) > maxTableTargets {
		return false
	}
	for i, target := range s.Targets {
		how := targetName(s.Named[i])
		if how == 0 || how > inFull|asChild || how == asChild && !strings.HasPrefix(target, s.Top.Name+"//") {
			return false
		}
		x.places[target] = uint32(i)
		x.named = append(x.named, how)
	}
	for _, u := range s.Uses {
		x.uses[execKey{u.Path, u.Priority, effect(u.Effect), int(u.Half)}] = execUse{u.Exec, u.Rule}
	}
	for _, c := range s.Caps {
		t.caps = append(t.caps, capRule{bits: c.Bits, deny: c.Deny, audit: c.Audit})
	}
	for _, f := range s.Families {
		t.families = append(t.families, familyRules{f[0], f[1], f[2], f[3]})
	}
	for _, m := range s.Mounts {
		t.mounts.note(mountKey{m.Quals, m.Source, m.Target, m.Detached, m.Options}, m.Perms)
	}
	if s.Changes {
		t.changer = &policy.Rule{}
	}
	return len(x.places) == len(x.targets) && (t.families == nil || len(t.families) == len(linux.Families))
}

// open makes an automaton of the base.
func (s *savedPart) open(budget *automaton.Budget, rs *ruleset, db *blob.PolicyDB) (*basePart, error) {
	if s.Is != (db != nil) {
		return nil, damaged("an automaton is missing")
	}
	if db == nil {
		return nil, nil
	}
	rs.records.index = make(map[record]automaton.Accept, len(s.Records))
	for _, r := range s.Records {
		if r.Effect > uint8(effectDeny) {
			return nil, damaged("a rule is neither allowed nor denied")
		}
		rs.records.intern(record{
			priority: r.Priority, effect: effect(r.Effect), exact: r.Exact, perms: r.Perms, audit: r.Audit, exec: r.Exec, rule: r.Rule,
		})
	}
	if len(rs.records.all) != len(s.Records) {
		return nil, damaged("a rule is there twice")
	}
	base, err := automaton.OpenBase(&s.Base, db.DFA, len(s.Records))
	if err != nil {
		return nil, damaged("%v", err)
	}
	if !budget.Spend(s.Base.Fine.Transitions()+s.Base.Least.Transitions()+len(db.DFA.Next)) || !budget.Count(len(s.Base.Of)) {
		return nil, budget.Err()
	}
	x := newPart(rs, db)
	x.automaton = base
	return x, nil
}

// sources returns the profiles of the base, to compile an instance as a whole.
func (b *Base) sources(ctx context.Context, why string, errs diag.List) (*policy.Set, error) {
	if !b.opened {
		return b.set, nil
	}
	if b.profiles == nil {
		return nil, &WholeError{why, errs}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.read != nil {
		return b.read, nil
	}
	set, err := b.profiles(ctx)
	if err != nil {
		return nil, err
	}
	out, err := Compile(ctx, set, b.options)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(out.Policy.Bytes(), b.out.Policy.Bytes()) {
		return nil, &SavedError{ErrSavedProfiles, "they compile to another policy"}
	}
	b.read = set
	return set, nil
}
