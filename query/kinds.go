// SPDX-License-Identifier: Apache-2.0

package query

import (
	"github.com/goarmor/apparmor/blob"
)

// kind is a kind of strings: those of one class, with the requests that ask
// for them. The parts of a kind are in the file of its class.
//
// What kernels look up in automata, string by string and bit by bit, is
// written both here and in package compile. That is on purpose: this package
// judges the other, and a mistake in a shared table would be a mistake in
// both. Names and numbers of Linux come from one table, internal/linux.
type kind struct {
	class   blob.Class
	grammar func() grammar // nil: that of files, reduced to what is needed
	// side is where the strings of a profile begin, before a prefix.
	side     func(p *Profile) side
	prefixes func() []string // nil: none
	// through returns what a gate lets through: what was granted before it and
	// at it, in a form for combine, and whether anything after it matters.
	through func(before, at blob.Effective) (passed blob.Effective, on bool)
	// combine returns what is granted, given what passed the gates and what
	// the end grants.
	combine func(passed, at blob.Effective) blob.Effective
	// requests returns the requests that may look up a string, in the order of
	// preference.
	requests func(in []byte, differ Perms, owner bool) []Request
}

// noGate means that no gate has been passed: what follows decides.
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

// everything is the side of a profile that does not mediate a class.
func everything() side {
	return side{perms: func(uint32, bool) blob.Effective { return blob.Effective{Allow: ^uint32(blob.PermContinue)} }}
}

// policydbSide is what comes after some bytes, the first of which is that of a
// class.
func policydbSide(p *Profile, before ...byte) side {
	start := p.Policydb.DFA.Match(p.ClassState(blob.Class(before[0])), before[1:])
	return side{p.Policydb.DFA, start, string(before), func(s uint32, _ bool) blob.Effective { return p.PolicydbPerms(s) }}
}

func inClass(c blob.Class) func(*Profile) side {
	return func(p *Profile) side {
		if p.ClassState(c) != blob.TrapState {
			return policydbSide(p, byte(c))
		}
		return everything()
	}
}
