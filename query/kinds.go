// SPDX-License-Identifier: Apache-2.0

package query

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// kind is a kind of strings: those of one class, with the requests that stand
// for them.
type kind struct {
	class   blob.Class
	grammar func() grammar // nil: that of files, as far as it is needed
	// side is where the strings of a profile begin, in front of a prefix.
	side     func(p *Profile) side
	prefixes func() []string // nil: none
	// through says what a gate lets through: what was granted in front of it
	// and at it, in a form for combine, and whether that leads on.
	through func(before, at blob.Effective) (passed blob.Effective, on bool)
	// combine is what is granted by what passed the gates and at the end.
	combine func(passed, at blob.Effective) blob.Effective
	// requests are those that may look up a string, in the order of preference.
	requests func(in []byte, differ Access, owner bool) []Request
}

// noGate has been passed when nothing has: what follows decides.
var noGate = blob.Effective{Allow: blob.PermContinue}

// kinds are all kinds, in the order in which they are compared. They are only
// read.
var kinds = [...]kind{
	{class: blob.ClassFile, side: fileSide, requests: onFiles},
	{class: blob.ClassMount, grammar: mountGrammar, side: inClass(blob.ClassMount), through: toData, combine: withData, requests: onMounts},
	{class: blob.ClassPtrace, grammar: ptraceGrammar, side: ptraceSide, requests: onPeers},
	{class: blob.ClassSignal, grammar: signalGrammar, side: inClass(blob.ClassSignal), prefixes: signalPrefixes, requests: onSignals},
	{class: blob.ClassNet, grammar: netGrammar, side: netSide, through: toNext, combine: withNext, requests: onSockets},
	{class: blob.ClassNetV9, grammar: unixGrammar, side: unixSide, requests: onUnix},
	{class: blob.ClassPosixMq, grammar: posixGrammar, side: inClass(blob.ClassPosixMq), through: toLabel, combine: withNext, requests: onPosix},
	{class: blob.ClassSysVMq, grammar: sysvGrammar, side: inClass(blob.ClassSysVMq), through: toLabel, combine: withNext, requests: onSysV},
	{class: blob.ClassNamespaces, grammar: usernsGrammar, side: inClass(blob.ClassNamespaces), requests: onUserns},
	{class: blob.ClassIOUring, grammar: ioUringGrammar, side: inClass(blob.ClassIOUring), requests: onIOUring},
	{class: blob.ClassDBus, grammar: dbusGrammar, side: dbusSide, requests: onBuses},
}

// signalPrefixes are the numbers of all signals.
func signalPrefixes() []string {
	var all []string
	for n := range 256 {
		if linux.SignalName(byte(n)) != "" {
			all = append(all, string([]byte{byte(n)}))
		}
	}
	return all
}

// everything is the side of a profile that does not mediate a class.
func everything() side {
	return side{perms: func(uint32, bool) blob.Effective { return blob.Effective{Allow: ^uint32(blob.PermContinue)} }}
}

func policydbSide(p *Profile, start uint32) side {
	return side{p.Policydb.DFA, start, func(s uint32, _ bool) blob.Effective { return p.PolicydbPerms(s) }}
}

func inClass(c blob.Class) func(*Profile) side {
	return func(p *Profile) side {
		if s := p.ClassState(c); s != blob.TrapState {
			return policydbSide(p, s)
		}
		return everything()
	}
}

func fileSide(p *Profile) side {
	db, start := p.FileDB()
	if db == nil {
		return side{perms: func(uint32, bool) blob.Effective { return blob.Effective{} }}
	}
	return side{db.DFA, start, p.FilePerms}
}

func ptraceSide(p *Profile) side {
	if !p.Mediates(blob.ClassPtrace) {
		return everything()
	}
	return policydbSide(p, p.Policydb.DFA.Step(p.ClassState(blob.ClassLabel), byte(blob.ClassPtrace)))
}

func netSide(p *Profile) side {
	if _, s := netClass(p.Profile); s != blob.TrapState {
		return policydbSide(p, s)
	}
	return everything()
}

// unixSide is behind the family. Where there are no strings of unix sockets it
// is the trap, and the sockets are those of any other family.
func unixSide(p *Profile) side {
	_, s := netClass(p.Profile)
	if s == blob.TrapState {
		s = p.ClassState(blob.ClassNetOld)
	}
	if s == blob.TrapState {
		return everything()
	}
	return policydbSide(p, p.Policydb.DFA.Match(s, []byte{0, linux.FamilyUnix}))
}

func dbusSide(p *Profile) side {
	if !mediatesDBus(p.Profile) {
		return everything()
	}
	return inClass(blob.ClassDBus)(p)
}

// toNext goes on from places that say so, for what is not granted there; see
// netWalk.
func toNext(before, at blob.Effective) (blob.Effective, bool) {
	e := withNext(before, at)
	return e, e.Allow&blob.PermContinue != 0
}

// withNext adds what is granted at a place to what was granted on the way.
func withNext(before, at blob.Effective) blob.Effective {
	if before.Allow&blob.PermContinue == 0 {
		return before
	}
	granted := before.Allow &^ blob.PermContinue
	at.Audit = before.Audit&granted | at.Audit&^granted
	at.Allow |= granted
	at.Quiet &^= granted
	at.Prompt &^= granted
	at.Deny &^= granted
	return at
}

// toData leads to the data of a mount, where a state says that it has a say.
func toData(_, at blob.Effective) (blob.Effective, bool) {
	on := at.Allow&^at.Deny&uint32(mountPerm) == 0 && at.Allow&^at.Deny&uint32(mountGoOn) != 0
	return at, on
}

func withData(before, at blob.Effective) blob.Effective {
	if _, on := toData(blob.Effective{}, before); on || before == noGate {
		return at
	}
	return before
}

// toLabel leads to the label of a queue, for what is not granted by its name.
func toLabel(_, at blob.Effective) (blob.Effective, bool) {
	at.Allow = at.Allow&^at.Deny | blob.PermContinue
	return at, true
}
