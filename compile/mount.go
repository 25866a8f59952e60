// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// The flags of mount(2) that policy knows, by the kernel's bits.
const (
	msReadOnly    uint32 = 1 << 0
	msNoSuid      uint32 = 1 << 1
	msNoDev       uint32 = 1 << 2
	msNoExec      uint32 = 1 << 3
	msSync        uint32 = 1 << 4
	msRemount     uint32 = 1 << 5
	msMand        uint32 = 1 << 6
	msDirSync     uint32 = 1 << 7
	msNoSymFollow uint32 = 1 << 8
	msNoAtime     uint32 = 1 << 10
	msNoDirAtime  uint32 = 1 << 11
	msBind        uint32 = 1 << 12
	msMove        uint32 = 1 << 13
	msRec         uint32 = 1 << 14
	msSilent      uint32 = 1 << 15
	msACL         uint32 = 1 << 16
	msUnbindable  uint32 = 1 << 17
	msPrivate     uint32 = 1 << 18
	msSlave       uint32 = 1 << 19
	msShared      uint32 = 1 << 20
	msRelAtime    uint32 = 1 << 21
	msIVersion    uint32 = 1 << 23
	msStrictAtime uint32 = 1 << 24
	msLazyTime    uint32 = 1 << 25
	msNoUser      uint32 = 1 << 31
	msPropagation        = msUnbindable | msPrivate | msSlave | msShared
	msBindCommand        = msBind | msRec
	msAll                = msReadOnly | msNoSuid | msNoDev | msNoExec | msSync | msRemount | msMand | msDirSync |
		msNoSymFollow | msNoAtime | msNoDirAtime | msBind | msMove | msRec | msSilent | msACL | msPropagation |
		msRelAtime | msIVersion | msStrictAtime | msLazyTime
	msCommands = msMove | msRemount | msBind | msRec | msPropagation
)

// mountWord is the meaning of a word of options: a flag must be set, or must
// not be.
type mountWord struct {
	set, clear uint32
}

var mountWords = map[string]mountWord{
	"ro":          {set: msReadOnly},
	"r":           {set: msReadOnly},
	"read-only":   {set: msReadOnly},
	"rw":          {clear: msReadOnly},
	"w":           {clear: msReadOnly},
	"suid":        {clear: msNoSuid},
	"nosuid":      {set: msNoSuid},
	"dev":         {clear: msNoDev},
	"nodev":       {set: msNoDev},
	"exec":        {clear: msNoExec},
	"noexec":      {set: msNoExec},
	"sync":        {set: msSync},
	"async":       {clear: msSync},
	"remount":     {set: msRemount},
	"mand":        {set: msMand},
	"nomand":      {clear: msMand},
	"dirsync":     {set: msDirSync},
	"symfollow":   {clear: msNoSymFollow},
	"nosymfollow": {set: msNoSymFollow},
	"atime":       {clear: msNoAtime},
	"noatime":     {set: msNoAtime},
	"diratime":    {clear: msNoDirAtime},
	"nodiratime":  {set: msNoDirAtime},
	"bind":        {set: msBind},
	"B":           {set: msBind},
	"move":        {set: msMove},
	"M":           {set: msMove},
	"rbind":       {set: msBind | msRec},
	"R":           {set: msBind | msRec},
	"verbose":     {set: msSilent}, // the kernel's other name for the bit
	"silent":      {set: msSilent},
	"loud":        {clear: msSilent},
	"acl":         {set: msACL},
	"noacl":       {clear: msACL},

	"unbindable":       {set: msUnbindable},
	"make-unbindable":  {set: msUnbindable},
	"runbindable":      {set: msUnbindable | msRec},
	"make-runbindable": {set: msUnbindable | msRec},
	"private":          {set: msPrivate},
	"make-private":     {set: msPrivate},
	"rprivate":         {set: msPrivate | msRec},
	"make-rprivate":    {set: msPrivate | msRec},
	"slave":            {set: msSlave},
	"make-slave":       {set: msSlave},
	"rslave":           {set: msSlave | msRec},
	"make-rslave":      {set: msSlave | msRec},
	"shared":           {set: msShared},
	"make-shared":      {set: msShared},
	"rshared":          {set: msShared | msRec},
	"make-rshared":     {set: msShared | msRec},

	"relatime":      {set: msRelAtime},
	"norelatime":    {clear: msRelAtime},
	"iversion":      {set: msIVersion},
	"noiversion":    {clear: msIVersion},
	"strictatime":   {set: msStrictAtime},
	"nostrictatime": {clear: msStrictAtime},
	"lazytime":      {set: msLazyTime},
	"nolazytime":    {clear: msLazyTime},
	"user":          {clear: msNoUser},
	"nouser":        {set: msNoUser},
}

// mountKind is one of the operations of mount(2), each of which presents its
// strings in its own way.
type mountKind struct {
	name  string
	flags uint32 // that can be part of the string
	// source and typ tell which parts the kernel fills in; the others are
	// empty there, and any pattern matches them.
	source, typ bool
}

var (
	kindRemount     = mountKind{name: "remount", flags: ^msMove}
	kindBind        = mountKind{name: "bind", flags: msBindCommand, source: true}
	kindPropagation = mountKind{name: "propagation", flags: ^(msNoSuid | msNoExec | msNoDev | msNoAtime | msNoDirAtime | msRelAtime | msStrictAtime)}
	kindMove        = mountKind{name: "move", flags: msMove, source: true}
	kindNew         = mountKind{name: "new", flags: ^msCommands, source: true, typ: true}
)

// mountFlags is a pair of flag sets: those that must be set and those that may
// be.
type mountFlags struct{ need, may uint32 }

// noMountFlag is a byte that no flag has. The reference writes "no flags" as
// this byte or nothing, and the automata are equal only if this package does
// too.
const noMountFlag = 0xfe

// expr matches every way to set the flags, each flag as one byte, the bit's
// number plus one, in ascending order.
func (f mountFlags) expr() node {
	var parts []node
	for i := range 32 {
		bit := uint32(1) << i
		b := bytesNode(byte(i + 1))
		switch {
		case f.may&bit != 0:
			parts = append(parts, opt(b))
		case f.need&bit != 0:
			parts = append(parts, b)
		}
	}
	if parts == nil {
		return opt(bytesNode(noMountFlag))
	}
	return cat(parts...)
}

// emitMount translates a rule into the strings of each operation that it allows.
func emitMount(t *translation, r *ast.MountRule) {
	e := &t.emitter
	perms := t.mounts[mountKeyOf(r)]
	if r.Op == ast.OpUmount {
		if e.enforced(features.Mount, "mount rules") {
			e.add(cat(bytesNode(byte(blob.ClassMount)), e.globOr(r.Target, text0())), r.Quals(), perms)
		}
		return
	}
	// A mistake is one on every kernel, whether it mediates mounts or not.
	m, ok := mountConditions(e, r)
	if !ok || !e.enforced(features.Mount, "mount rules") {
		return
	}
	m.perms = perms
	var unfit uint32 // the flags that no operation fits
	fits := false
	for _, f := range m.pairs {
		if m.pair(f) {
			fits = true
		} else {
			unfit |= f.need
		}
	}
	if unfit != 0 {
		m.unfit(unfit, fits)
	}
}

// unfit reports flags that no operation fits. A rule with no other options is
// refused by every release of the reference. With others, such as rw, releases
// up to 3 accepted it, and container managers write such rules; they have no
// effect.
func (m *mountRule) unfit(flags uint32, partly bool) {
	err := &diag.Diagnostic{
		Code: diag.CodeImpossibleMount, Message: "no mount operation fits the rule",
		Text: string(m.rule.Source), Hint: m.hint(flags),
	}
	if !m.more && !partly {
		m.fail(err)
		return
	}
	m.report(Degradation{
		What: "mount rules that no operation fits", Cause: ByOperation, Hint: err.Hint, Dropped: !partly,
	}, err)
}

// hint says which parts of a rule do not go together if no operation fits it.
func (m *mountRule) hint(need uint32) string {
	typ, source := m.typed(), m.sourced()
	switch {
	case need&msRemount != 0 && typ:
		return "no kernel remounts by the type of the file system; leave fstype out"
	case need&msRemount != 0 && source:
		return "remount takes the mount point after an arrow and no source"
	case need&msBind != 0 && typ:
		return "a bind mount has no type of file system; leave fstype out"
	case need&msPropagation != 0 && typ:
		return "a change of propagation has no type of file system; leave fstype out"
	case need&msPropagation != 0 && source:
		return "a change of propagation has no source; write the mount point after an arrow"
	case need&msMove != 0 && typ:
		return "a move has no type of file system; leave fstype out"
	}
	return "sources, file system types and options of different operations do not go together"
}

// Permissions of the class mount.
const (
	permMount  uint32 = 2
	permUmount uint32 = 4
)

// mountRule is a mount rule made ready to be translated.
type mountRule struct {
	*emitter
	rule    *ast.MountRule
	perms   uint32
	fstypes []ast.Pattern
	pairs   []mountFlags // of exact and optional sets
	more    bool         // there are options that are not commands
	warned  bool         // of its source, or of remount
}

// mountConditions reads the conditions: exact sets of options, optional sets,
// and file system types. A rule without options allows every flag, an exact
// set nothing more, and with an optional set nothing is required.
func mountConditions(e *emitter, r *ast.MountRule) (*mountRule, bool) {
	m := &mountRule{emitter: e, rule: r}
	var exact, optional []uint32
	for i := range r.Conds {
		c := &r.Conds[i]
		if !c.Options {
			m.fstypes = append(m.fstypes, c.Values...)
			continue
		}
		var set, clear uint32
		for _, v := range c.Values {
			w, ok := mountWords[string(v)]
			if !ok {
				e.invalid(unknown(diag.CodeMountFlag, string(v)))
				return nil, false
			}
			set |= w.set
			clear |= w.clear
		}
		m.more = m.more || (set&^msCommands|clear) != 0 && r.Op != ast.OpRemount
		if c.In {
			optional = append(optional, set|clear)
			continue
		}
		if set&clear != 0 {
			e.invalid(&diag.Diagnostic{Code: diag.CodeMountFlag, Message: "the mount options exclude each other"})
			return nil, false
		}
		exact = append(exact, set)
	}
	remount := uint32(0)
	if r.Op == ast.OpRemount {
		remount = msRemount
		for i := range exact {
			exact[i] |= remount
		}
	}
	switch {
	case exact == nil && optional == nil && remount != 0:
		exact, optional = []uint32{msRemount}, []uint32{msAll &^ (msMove | msRemount)}
	case exact == nil && optional == nil:
		exact, optional = []uint32{msAll}, []uint32{msAll}
	case exact == nil:
		exact = []uint32{remount}
	case optional == nil:
		optional = []uint32{0}
	}
	for _, f := range exact {
		for _, o := range optional {
			m.pairs = append(m.pairs, mountFlags{f, o})
		}
	}
	return m, true
}

// sourced and typed report whether the rule names a source and a type of file
// system.
func (m *mountRule) sourced() bool { return m.rule.Source != "" || m.rule.Detached }
func (m *mountRule) typed() bool   { return len(m.fstypes) > 0 }

// pair emits the operations that one pair of flag sets allows. It reports
// whether there is one. Of several commands, as in (remount,bind), the first
// that fits the source and the type of the rule counts, as in the reference.
// If none does, the reference writes a new mount with the rest of the flags,
// which is not what the rule says.
func (m *mountRule) pair(f mountFlags) bool {
	source, typ := m.sourced(), m.typed()
	propagation := !typ && (!source || m.rule.Target == "")
	if f.need == 0 || f.need == msAll {
		if !source && !typ {
			m.strings(kindRemount, f)
		}
		if !typ {
			m.strings(kindBind, f)
			if propagation {
				m.strings(kindPropagation, f)
			}
			m.strings(kindMove, f)
		}
		m.strings(kindNew, f)
		return true
	}
	switch {
	case f.need&msRemount != 0 && !source && !typ:
		m.strings(kindRemount, f)
	case f.need&msBind != 0 && !typ:
		m.strings(kindBind, f)
	case f.need&msPropagation != 0 && propagation:
		m.strings(kindPropagation, f)
	case f.need&msMove != 0 && !typ:
		m.strings(kindMove, f)
	case f.need&msCommands == 0:
		m.strings(kindNew, f)
	default:
		return false
	}
	if f.need&msRemount != 0 && source {
		m.warnOnce(&diag.Diagnostic{
			Class: diag.ClassUnexpected, Code: diag.WarnMountRemount, Text: string(m.rule.Source),
			Message: "remount is ignored in a mount rule that has a source",
			Hint:    "write the mount point after an arrow, without a source: mount options=(remount, ...) -> /mnt/,",
		})
	}
	return true
}

// strings adds one operation's string: mount point, source, type, flags.
func (m *mountRule) strings(k mountKind, f mountFlags) {
	r := m.rule
	target, source, typ := m.globOr(r.Target, text0()), text0(), text0()
	if k.name == kindPropagation.name && r.Target == "" && r.Source != "" {
		// The one path that a propagation rule names is its mount point.
		target = m.glob(r.Source)
		m.warnOnce(&diag.Diagnostic{
			Class: diag.ClassDeprecated, Code: diag.WarnMountSource, Text: string(r.Source),
			Message: "the source of a mount rule is taken as the mount point whose propagation changes, which is deprecated",
			Hint:    "write it after an arrow",
		})
	} else if k.source {
		if r.Detached {
			source = empty()
		} else {
			source = m.globOr(r.Source, text0())
		}
	}
	if k.typ && len(m.fstypes) > 0 {
		alts := make([]node, len(m.fstypes))
		for i, t := range m.fstypes {
			alts[i] = m.glob(t)
		}
		typ = alt(alts...)
	}
	// Kernels never ask about a mount with the flag nouser.
	shown := k.flags &^ msNoUser
	flags := mountFlags{f.need & shown, f.may & shown}
	n := cat(bytesNode(byte(blob.ClassMount)), target, nul(), source, nul(), typ, nul(), flags.expr())
	m.add(n, r.Quals(), m.perms)
}

// warnOnce warns of an operand or an option that has another meaning than it
// seems to have.
func (m *mountRule) warnOnce(d *diag.Diagnostic) {
	if !m.warned {
		m.warned = true
		m.warn(d)
	}
}

func mountPatterns(r *ast.MountRule) []ast.Pattern {
	list := []ast.Pattern{r.Source, r.Target}
	for i := range r.Conds {
		if !r.Conds[i].Options {
			list = append(list, r.Conds[i].Values...)
		}
	}
	return list
}

// mountPerms are the permissions of all rules of the class that differ in
// nothing else. The reference makes one rule of them, each string of which has
// all the permissions. No kernel asks for one operation at the string of
// another, but the automata are equal only if this package does the same.
type mountPerms map[mountKey]uint32

func (p *mountPerms) note(k mountKey, perms uint32) {
	if *p == nil {
		*p = mountPerms{}
	}
	(*p)[k] |= perms
}

// prepareMount notes the permission of a rule, see mountPerms.
func prepareMount(t *translation, r *ast.MountRule) {
	perms := permMount
	if r.Op == ast.OpUmount {
		perms = permUmount
	}
	t.mounts.note(mountKeyOf(r), perms)
}

// mountKey is what two rules of the class have in common if they differ only
// in permissions.
type mountKey struct {
	quals          ast.Qualifiers
	source, target ast.Pattern
	detached       bool
	options        string
}

func mountKeyOf(r *ast.MountRule) mountKey {
	k := mountKey{quals: r.Qualifiers, source: r.Source, target: r.Target, detached: r.Detached}
	var b strings.Builder
	if r.Op == ast.OpRemount {
		b.WriteString("remount")
	}
	for i := range r.Conds {
		c := &r.Conds[i]
		fmt.Fprintf(&b, "\n%t %t %q", c.Options, c.In, c.Values)
	}
	k.options = b.String()
	return k
}
