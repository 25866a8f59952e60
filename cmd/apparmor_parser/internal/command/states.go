package command

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// dumpStates prints the automata of compiled profiles, that of files before
// that of all other classes, in the manner of the reference: first the states
// that grant something, a line each, then where every state leads. The
// permissions are the kernel's.
func dumpStates(p *blob.Policy) []byte {
	var b bytes.Buffer
	for _, profile := range p.Profiles() {
		// What every state grants by construction says nothing: all of what
		// the trap does, and the start, where no class has been seen.
		if db := profile.File; db != nil && db.DFA != nil {
			owner := permissionsBeyond(profile.FilePerms(blob.TrapState, true))
			other := permissionsBeyond(profile.FilePerms(blob.TrapState, false))
			dumpAutomaton(&b, db, func(s uint32) string {
				a, b := owner(profile.FilePerms(s, true)), other(profile.FilePerms(s, false))
				if a == b {
					return a
				}
				return cmp.Or(a, "none") + " other " + cmp.Or(b, "none")
			})
		}
		if db := profile.Policydb; db != nil && db.DFA != nil {
			text := permissionsBeyond(profile.PolicydbPerms(startOf(db)))
			dumpAutomaton(&b, db, func(s uint32) string { return text(profile.PolicydbPerms(s)) })
		}
	}
	return b.Bytes()
}

// permissionsBeyond returns a function that prints what a state grants beyond
// what another one does; empty for nothing.
func permissionsBeyond(least blob.Effective) func(blob.Effective) string {
	return func(e blob.Effective) string {
		e.Allow &^= least.Allow
		if e.Allow|e.Deny|e.Prompt|e.Audit|e.Quiet == 0 {
			return ""
		}
		text := fmt.Sprintf("0x%x/%x/%x/%x/%x", e.Allow, e.Deny, e.Prompt, e.Audit, e.Quiet)
		if !e.Exec.IsZero() {
			text += " " + e.Exec.String()
		}
		return text
	}
}

// startOf returns the state that an automaton begins in.
func startOf(db *blob.PolicyDB) uint32 { return cmp.Or(db.Start, blob.StartState) }

func dumpAutomaton(b *bytes.Buffer, db *blob.PolicyDB, grants func(uint32) string) {
	start := startOf(db)
	states := uint32(db.DFA.States())
	// What a state grants, in parentheses; empty for nothing.
	text := make([]string, states)
	fmt.Fprintf(b, "{%d} <== (allow/deny/prompt/audit/quiet)\n", start)
	for s := range states {
		if granted := grants(s); granted != "" {
			text[s] = "(" + granted + ")"
			fmt.Fprintf(b, "{%d}%s\n", s, text[s])
		}
	}
	b.WriteByte('\n')
	edge := func(on string, next uint32) {
		fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("    %s -> {%d} %s", on, next, text[next]), " "))
	}
	var row [256]uint32
	for s := blob.StartState; s < states; s++ {
		db.DFA.Row(s, &row)
		others := commonest(&row)
		fmt.Fprintf(b, "{%d} perms: %s\n", s, cmp.Or(text[s], "none"))
		for c, next := range row {
			if next == others {
				continue
			}
			name := " "
			if c > ' ' && c < 0x7f {
				name = string(rune(c))
			}
			edge(fmt.Sprintf("%s 0x%02x", name, c), next)
		}
		if others != blob.TrapState {
			edge("[]", others)
		}
		if next := db.DFA.StepOOB(s); next != blob.TrapState {
			edge("oob", next)
		}
	}
	b.WriteByte('\n')
}

// commonest returns the state that most bytes lead to.
func commonest(row *[256]uint32) (best uint32) {
	count := make(map[uint32]int, 8)
	for _, next := range row {
		if count[next]++; count[next] > count[best] {
			best = next
		}
	}
	return best
}
