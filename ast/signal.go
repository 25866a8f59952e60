// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
	"github.com/goarmor/apparmor/internal/linux"
)

// SignalPerm is a set of signal permissions; zero means all.
type SignalPerm uint8

// The signal permissions.
const (
	SignalSend SignalPerm = 1 << iota
	SignalReceive
)

// String returns the names of the permissions, separated by blanks.
func (p SignalPerm) String() string { return lang.SignalPerms.String(uint(p)) }

// SignalRule is `signal [perms] [set=( )] [peer=],`.
type SignalRule struct {
	Span
	Qualifiers
	Perms   SignalPerm // zero: all
	Signals []string   // hup, ..., rtmin+3; none: every signal
	Peer    Pattern    // the label of the other task; empty: any
}

func (*SignalRule) stmt() {}

// Class implements Rule.
func (*SignalRule) Class() Class { return ClassSignal }

func (r *SignalRule) clone() Rule {
	c := *r
	c.Signals = slices.Clone(r.Signals)
	return &c
}

func (r *SignalRule) check(c checker) *CheckError {
	if err := first(c.qualifiers(&r.Qualifiers, takesPriority), c.perms(uint(r.Perms), lang.SignalPerms.All())); err != nil {
		return err
	}
	for i, name := range r.Signals {
		if !IsSignal(name) {
			return c.unknownSignal("Signals", name).at(i)
		}
	}
	return c.pattern("Peer", r.Peer)
}

func (c checker) unknownSignal(field, name string) *CheckError {
	return c.fail(diag.CodeSignal, field, name, "unknown signal "+strconv.Quote(name)).hint(signalHint(name))
}

func signalHint(name string) string {
	lower := strings.ToLower(name)
	if bare := strings.TrimPrefix(lower, "sig"); Signals().Has(bare) {
		return didYouMean(bare)
	}
	if lower == "rtmin" {
		return didYouMean("rtmin+0")
	}
	if strings.HasPrefix(lower, "rtmin+") {
		return "the last one is rtmin+" + strconv.Itoa(linux.MaxRealTime)
	}
	if n, err := strconv.Atoi(name); err == nil && 0 < n && n < 32 {
		return didYouMean(linux.Signals[n])
	}
	return nearestHint(Signals(), lower)
}

// Signals returns the signals except the real-time ones; see IsSignal.
func Signals() Vocabulary { return Vocabulary{words: linux.Signals, more: signalAliases} }

// IsSignal reports whether a signal rule may name the signal: one of Signals
// or rtmin+0 to rtmin+32.
func IsSignal(name string) bool {
	if _, ok := linux.RealTime(name); ok {
		return true
	}
	return Signals().Has(name)
}

// signalAliases are other names of stp and io.
var signalAliases = []string{"tstp", "poll"}
