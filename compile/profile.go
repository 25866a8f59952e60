// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// profileCompiler compiles one profile.
type profileCompiler struct {
	c       *compiler
	profile *policy.Profile
	sup     support

	rule  *policy.Rule // the rule at hand, nil between rules
	index int          // its index
	// silent keeps the expansion of `all` from being reported class by class:
	// what is not mediated is allowed, as the rule says.
	silent bool

	files, policydb   ruleset
	caps              capVectors
	targets           []string
	targetPlaces      map[string]uint32 // in targets
	execs             map[execKey]execUse
	mounts            map[mountKey]uint32
	families          []familyRules // by number; nil: no rule of the old form
	usesChangeProfile bool

	degraded []Degradation
	warnings diag.List
	errs     diag.List
	stats    Stats
}

func newProfileCompiler(c *compiler, p *policy.Profile) *profileCompiler {
	return &profileCompiler{
		c: c, profile: p,
		sup:   support{kernel: c.options.Kernel, abi: p.ABI},
		files: ruleset{space: fileSpace},
		stats: Stats{Profile: p.Name},
	}
}

// origin is where the rule at hand, or else the profile, came from.
func (pc *profileCompiler) origin() policy.Origin {
	if pc.rule != nil {
		return pc.rule.Origin
	}
	return pc.profile.Origin
}

// fail records an error at the rule at hand, filling in its place.
func (pc *profileCompiler) fail(d *diag.Diagnostic) {
	d.Profile = pc.profile.Name
	d.Pos, d.Via = pc.origin().Position(), pc.origin().Chain()
	pc.errs = append(pc.errs, d)
}

// ruleNumber identifies the rule at hand in records; zero is none.
func (pc *profileCompiler) ruleNumber() int32 { return int32(pc.index + 1) }

// execConflict reports two rules that execute one path in different ways, at
// the later one.
func (pc *profileCompiler) execConflict(c *conflict) {
	at := func(n int32) policy.Origin {
		if n > 0 && int(n) <= len(pc.profile.Rules) {
			return pc.profile.Rules[n-1].Origin
		}
		return pc.profile.Origin
	}
	first, second := min(c.a, c.b), max(c.a, c.b)
	d := &diag.Diagnostic{
		Code:    CodeExecConflict,
		Profile: pc.profile.Name,
		Pos:     at(second).Position(),
		Via:     at(second).Chain(),
		Message: "conflicting exec modes: two rules execute the same path in different ways",
		Hint:    "name the path without wildcards in one of them, or give one a higher priority",
		Related: []ast.Position{at(first).Position()},
		Err:     c,
	}
	if n := second; n > 0 && int(n) <= len(pc.profile.Rules) {
		if f, ok := pc.profile.Rules[n-1].Rule.(*ast.FileRule); ok {
			d.Text = string(f.Path)
		}
	}
	pc.errs = append(pc.errs, d)
}

// compile makes the profile. It returns nil and no error when it has recorded
// errors of the policy.
func (pc *profileCompiler) compile(ctx context.Context) (*blob.Profile, error) {
	out := pc.members()
	pc.rules()
	out.Caps = pc.caps.caps()
	out.Families = pc.familyMasks()
	xmatch := pc.attachment(out)
	if len(pc.errs) > 0 {
		return nil, nil
	}
	for _, a := range [...]struct {
		rules *ruleset
		build func(context.Context, *ruleset) (*blob.PolicyDB, error)
		to    **blob.PolicyDB
	}{
		{xmatch, pc.buildXMatch, &out.XMatch},
		{&pc.policydb, pc.buildPolicydb, &out.Policydb},
		{&pc.files, pc.buildFile, &out.File},
	} {
		if len(a.rules.entries) == 0 {
			continue
		}
		db, err := a.build(ctx, a.rules)
		if err != nil {
			return nil, pc.buildError(err)
		}
		*a.to = db
	}
	return out, nil
}

// rules translates the rules of the profile, and those that it has without a
// word, into expressions and records.
func (pc *profileCompiler) rules() {
	pc.mergeMounts()
	for i := range pc.profile.Rules {
		if pc.translateRule(i); len(pc.errs) > maxErrors {
			break
		}
	}
	pc.rule = nil
	pc.implied()
	pc.mediates()
}

func (pc *profileCompiler) translateRule(i int) {
	pc.index, pc.rule = i, &pc.profile.Rules[i]
	before := len(pc.degraded)
	pc.translate(pc.rule.Rule)
	if slices.ContainsFunc(pc.degraded[before:], func(d Degradation) bool { return d.Dropped }) {
		pc.warnDroppedPatterns(pc.rule.Rule)
	}
}

// members fills in all that is no automaton and does not come from rules with
// a class. Capabilities follow when the rules have been translated.
func (pc *profileCompiler) members() *blob.Profile {
	out := &blob.Profile{
		Header:    blob.DefaultHeader,
		Namespace: pc.profile.Namespace,
		Name:      pc.profile.Name,
		Hat:       pc.profile.Hat,
		Audit:     pc.profile.Flags.Audit,
	}
	pc.flags(out)
	pc.rlimits(out)
	return out
}

// buildError turns a conflict into a diagnostic, adds the profile to limits
// and passes on the rest.
func (pc *profileCompiler) buildError(err error) error {
	var c *conflict
	switch {
	case errors.As(err, &c):
		pc.execConflict(c)
		return nil
	case errors.Is(err, diag.ErrLimit):
		return fmt.Errorf("profile %s: %w", pc.profile.Name, err)
	}
	return err
}

// translate adds what a rule grants to the automata and vectors.
func (pc *profileCompiler) translate(r ast.Rule) {
	if c, ok := r.(*ast.CapabilityRule); ok {
		pc.capability(c)
		return
	}
	if q := r.Quals(); q.Access == ast.Prompt && !pc.c.form.table {
		// The old form has no place for it. What a rule would have asked about
		// is denied: weaker rules do not grant it.
		pc.degrade(usablePermTable, "prompt rules", true)
	}
	switch r := r.(type) {
	case *ast.FileRule:
		pc.file(r)
	case *ast.LinkRule:
		pc.link(r)
	case *ast.NetworkRule:
		pc.network(r)
	case *ast.UnixRule:
		pc.unix(r)
	case *ast.DBusRule:
		pc.dbus(r)
	case *ast.SignalRule:
		pc.signal(r)
	case *ast.PtraceRule:
		pc.ptrace(r)
	case *ast.MountRule:
		pc.mount(r)
	case *ast.PivotRootRule:
		pc.pivotRoot(r)
	case *ast.ChangeProfileRule:
		pc.changeProfile(r)
	case *ast.MqueueRule:
		pc.mqueue(r)
	case *ast.IOUringRule:
		pc.ioUring(r)
	case *ast.UsernsRule:
		pc.userns(r)
	case *ast.AllRule:
		pc.all(r)
	default:
		pc.fail(&diag.Diagnostic{Code: CodeUnexpectedRule, Message: "a rule of this type cannot be compiled"})
	}
}

// all is one bare rule of every class. Execution yields to every other rule.
func (pc *profileCompiler) all(r *ast.AllRule) {
	q := *r.Quals()
	// What is not mediated is allowed, which is what a plain `all,` asks for.
	pc.silent = (q.Access == ast.Allow || q.Access == ast.AllowExplicit) && !q.Audit
	defer func() { pc.silent = false }()
	pc.unix(&ast.UnixRule{Qualifiers: q})
	pc.dbus(&ast.DBusRule{Qualifiers: q})
	pc.ioUring(&ast.IOUringRule{Qualifiers: q})
	pc.mqueue(&ast.MqueueRule{Qualifiers: q})
	pc.ptrace(&ast.PtraceRule{Qualifiers: q})
	pc.signal(&ast.SignalRule{Qualifiers: q})
	pc.userns(&ast.UsernsRule{Qualifiers: q})
	pc.mount(&ast.MountRule{Qualifiers: q})
	pc.mount(&ast.MountRule{Qualifiers: q, Op: ast.OpRemount})
	pc.mount(&ast.MountRule{Qualifiers: q, Op: ast.OpUmount})
	pc.pivotRoot(&ast.PivotRootRule{Qualifiers: q})
	pc.network(&ast.NetworkRule{Qualifiers: q})
	pc.capability(&ast.CapabilityRule{Qualifiers: q})
	pc.paths(everyPath, &q, everyPerm, ast.ExecNone, false, "")
	exec := q
	exec.Priority--
	pc.paths(everyPath, &exec, 0, ast.ExecInherit, false, "")
}

// Priorities of the strings that make a class mediated: above every rule, so
// that no denial makes the class look unmediated, and below.
const (
	mediatesFirst = 1001
	mediatesLast  = -1001
)

// mediates adds one string for each class that is mediated even when no rule
// speaks of it.
func (pc *profileCompiler) mediates() {
	add := func(c blob.Class, priority int16) {
		pc.policydb.add(bytesNode(byte(c)), &ast.Qualifiers{Priority: priority}, permMediated)
	}
	confined := pc.profile.Flags.Mode != policy.Unconfined && pc.profile.Flags.Mode != policy.DefaultAllow
	if confined {
		if pc.sup.kernel.Supports("policy/versions/v6") || pc.sup.kernel.Supports("policy/versions/v7") {
			add(blob.ClassFile, mediatesFirst)
		}
		for _, m := range [...]struct {
			class   blob.Class
			feature string
		}{
			{blob.ClassMount, features.Mount},
			{blob.ClassPtrace, features.Ptrace},
			{blob.ClassSignal, features.Signal},
			{blob.ClassNet, features.NetworkV8},
			{blob.ClassNetV9, features.NetworkV9},
			{blob.ClassNetSkb, networkPackets},
			{blob.ClassDBus, features.DBus},
			{blob.ClassPosixMq, features.PosixMqueue},
			{blob.ClassSysVMq, features.SysvMqueue},
		} {
			if pc.sup.has(m.feature) {
				add(m.class, mediatesFirst)
			}
		}
		if pc.sup.has(networkUnix) && !pc.sup.has(networkUnixV9) {
			add(blob.ClassNetOld, mediatesFirst)
		}
		if pc.sup.has(features.IOUring) {
			add(blob.ClassIOUring, mediatesLast)
		}
	}
	// An unconfined profile is the way to say who may create user namespaces.
	if pc.sup.has(features.Userns) {
		add(blob.ClassNamespaces, mediatesLast)
	}
}

// rlimitIndex is where the kernel keeps each limit.
var rlimitIndex = map[string]uint{
	"cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "ofile": 7,
	"memlock": 8, "as": 9, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
}

func (pc *profileCompiler) rlimits(out *blob.Profile) {
	for _, l := range pc.profile.Rlimits {
		i, ok := rlimitIndex[l.Name]
		if !ok {
			pc.fail(&diag.Diagnostic{Code: CodeUnknownRlimit, Message: "unknown resource limit", Text: l.Name})
			continue
		}
		out.RlimitMask |= 1 << i
		out.Rlimits[i] = l.Value
	}
}

// flags fills in what the flags of the profile say.
func (pc *profileCompiler) flags(out *blob.Profile) {
	f := &pc.profile.Flags
	switch f.Mode {
	case policy.DefaultAllow:
		out.Mode = blob.Unconfined
	case policy.PromptMode:
		out.Mode = blob.Prompt
		if !promptMode(pc.sup.kernel) {
			pc.degrade(features.PermTable, "the mode prompt", false)
			out.Mode = blob.Enforce
		}
	default:
		out.Mode = blob.Mode(f.Mode)
	}
	if f.Debug {
		out.FlagBits |= flagDebug
	}
	for _, w := range [...]struct {
		on   bool
		flag blob.PathFlags
	}{
		{f.AttachDisconnected, blob.PathAttachDisconnected},
		{f.AttachDisconnectedIPC, blob.PathAttachDisconnectedIPC},
		{f.ChrootRelative, blob.PathChrootRelative},
		{f.ChrootAttach, blob.PathChrootAttach},
		{f.MediateDeleted, blob.PathMediateDeleted},
	} {
		if w.on {
			out.PathFlags |= w.flag
		}
	}
	out.HasPathFlags = f.PathWords || out.PathFlags != 0
	if f.DisconnectedPath != "" {
		out.PathFlags |= blob.PathAttachDisconnected
		out.HasPathFlags = true
		if pc.sup.kernel.Supports(features.Disconnected) {
			out.Disconnected = f.DisconnectedPath
		} else {
			pc.degrade(features.Disconnected, "the flag attach_disconnected.path", false)
		}
	}
	if f.KillSignal != "" {
		n, ok := signalNumber(strings.ToLower(f.KillSignal))
		switch {
		case !ok:
			pc.fail(&diag.Diagnostic{Code: CodeUnknownSignal, Message: "unknown signal", Text: f.KillSignal})
		case n > maxKillSignal:
			pc.degrade("domain/kill.signal/"+f.KillSignal, "the flag kill.signal with a real-time signal", true)
		case pc.sup.kernel.KillSignal():
			out.Kill = uint32(n)
		default:
			pc.degrade("domain/kill.signal", "the flag kill.signal", true)
		}
	}
	if f.DisconnectedIPCPath != "" {
		if pc.sup.has(disconnectedIPC) {
			out.DisconnectedIPC = f.DisconnectedIPCPath
		} else {
			pc.degrade(disconnectedIPC, "the flag attach_disconnected.ipc with a path", false)
		}
	}
	if f.Error != "" {
		n, ok := errno(f.Error)
		switch {
		case !ok:
			pc.fail(&diag.Diagnostic{Code: CodeUnknownError, Message: "unknown error", Text: f.Error})
		case pc.sup.has(errorFlag):
			out.Error = n
		default:
			pc.degrade(errorFlag, "the flag error", true)
		}
	}
	if f.Interruptible {
		if pc.sup.has(features.Interruptible) || pc.sup.has(interruptibleFlag) {
			out.FlagBits |= flagInterruptible
		} else {
			pc.degrade(features.Interruptible, "the flag interruptible", true)
		}
	}
}

// The flags word as read in apparmor_parser 6.0 and Ubuntu's kernels. 6.0 has
// a second debug bit, 4, which no word of the language sets.
const (
	flagDebug         = 2
	flagInterruptible = 8

	maxKillSignal = 35
)

// Features of flags as 6.0 names them. Kernels show the one for interruptible
// below domain, as they do with the signal of mode kill.
const (
	disconnectedIPC   = "domain/disconnected.ipc"
	errorFlag         = "policy/profile/error"
	interruptibleFlag = "policy/profile/interruptible"
)
