// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// printStates prints the states of an automaton in the form of the reference:
// first those that grant something, one per line, then where every state
// leads. The permissions are the kernel's.
func printStates(b *bytes.Buffer, a automaton) {
	states := uint32(a.db.DFA.States())
	// What a state grants, in parentheses; empty for nothing.
	text := make([]string, states)
	fmt.Fprintf(b, "{%d} <== (allow/deny/prompt/audit/quiet)\n", a.start)
	for s := range states {
		if granted := a.grants(s); granted != "" {
			text[s] = "(" + granted + ")"
			fmt.Fprintf(b, "{%d}%s\n", s, text[s])
		}
	}
	b.WriteByte('\n')
	from := blob.TrapState
	for e := range a.edges() {
		if e.from != from {
			from = e.from
			fmt.Fprintf(b, "{%d} perms: %s\n", from, cmp.Or(text[from], "none"))
		}
		if e.on != "" {
			fmt.Fprintln(b, strings.TrimRight(fmt.Sprintf("    %s -> {%d} %s", e.on, e.to, text[e.to]), " "))
		}
	}
	b.WriteByte('\n')
}

// printGraph prints an automaton as a graph for graphviz.
func printGraph(b *bytes.Buffer, a automaton) {
	fmt.Fprintf(b, "digraph %q {\n", a.name)
	for s := range uint32(a.db.DFA.States()) {
		label, shape := fmt.Sprintf("{%d}", s), "ellipse"
		if granted := a.grants(s); granted != "" {
			label, shape = label+" "+granted, "box"
		}
		if s == a.start {
			label += " <=="
		}
		if s != blob.TrapState {
			fmt.Fprintf(b, "\t\"%d\" [label=%q, shape=%s]\n", s, label, shape)
		}
	}
	for e := range a.edges() {
		if e.on != "" {
			fmt.Fprintf(b, "\t\"%d\" -> \"%d\" [label=%q]\n", e.from, e.to, e.on)
		}
	}
	b.WriteString("}\n")
}

// printPermissions prints what states grant, each set once, and how many do.
func printPermissions(b *bytes.Buffer, a automaton) {
	count := map[string]int{}
	for s := range uint32(a.db.DFA.States()) {
		if granted := a.grants(s); granted != "" {
			count[granted]++
		}
	}
	fmt.Fprintf(b, "%s: %d different permissions\n", a.name, len(count))
	for _, granted := range slices.Sorted(maps.Keys(count)) {
		fmt.Fprintf(b, "    (%s) of %d states\n", granted, count[granted])
	}
}

// printTables prints the tables of an automaton as the kernel reads them.
func printTables(b *bytes.Buffer, a automaton) {
	d := a.db.DFA
	fmt.Fprintf(b, "%s: flags 0x%x\n", a.name, d.Flags)
	fmt.Fprintln(b, "(state) accept accept2 default base: [next ...]")
	for s := range d.Base {
		accept2 := uint32(0)
		if d.Accept2 != nil {
			accept2 = d.Accept2[s]
		}
		fmt.Fprintf(b, "(%d) 0x%x 0x%x %d 0x%x:", s, d.Accept[s], accept2, d.Default[s], d.Base[s])
		base := int(d.Base[s] & blob.BaseMask)
		for c := range 256 {
			if at := base + c; at < len(d.Check) && int(d.Check[at]) == s {
				fmt.Fprintf(b, " %d:%d", c, d.Next[at])
			}
		}
		b.WriteByte('\n')
	}
}

// printSizes prints how large the tables of an automaton are.
func printSizes(b *bytes.Buffer, a automaton) {
	d := a.db.DFA
	used, encoded := 0, 0
	for at, s := range d.Check {
		if s != blob.TrapState || d.Next[at] != blob.TrapState {
			used++
		}
	}
	for _, base := range d.Base {
		if base&blob.BaseDiff != 0 {
			encoded++
		}
	}
	fmt.Fprintf(b, "%s: %d states, %d of them differentially encoded; %d transitions, of which %d used; %d permissions\n",
		a.name, len(d.Base), encoded, len(d.Next), used, len(a.db.Perms))
}

// printByteClasses prints the class of each byte, for an automaton that has
// classes.
func printByteClasses(b *bytes.Buffer, a automaton) {
	if a.db.DFA.EC == nil {
		return
	}
	fmt.Fprintf(b, "%s: classes of bytes\n", a.name)
	for c, class := range a.db.DFA.EC {
		fmt.Fprintf(b, "    0x%02x: %d\n", c, class)
	}
}

// automaton is one of a profile, with what its states grant.
type automaton struct {
	name   string
	db     *blob.PolicyDB
	start  uint32
	grants func(uint32) string // empty: nothing
}

// automata lists those of compiled policy: for each profile that of files
// before that of all other classes. Attachments are left out, because they
// grant nothing.
func automata(p *blob.Policy) (list []automaton) {
	for _, profile := range p.Profiles() {
		// What every state grants by construction is not interesting: it is
		// what the trap grants, and the start, before any class.
		if db := profile.File; db != nil && db.DFA != nil {
			owner := permissionsBeyond(profile.FilePerms(blob.TrapState, true))
			other := permissionsBeyond(profile.FilePerms(blob.TrapState, false))
			list = append(list, automaton{profile.Name + ": file", db, startOf(db), func(s uint32) string {
				a, b := owner(profile.FilePerms(s, true)), other(profile.FilePerms(s, false))
				if a == b {
					return a
				}
				return cmp.Or(a, "none") + " other " + cmp.Or(b, "none")
			}})
		}
		if db := profile.Policydb; db != nil && db.DFA != nil {
			text := permissionsBeyond(profile.PolicydbPerms(startOf(db)))
			list = append(list, automaton{profile.Name + ": policydb", db, startOf(db), func(s uint32) string {
				return text(profile.PolicydbPerms(s))
			}})
		}
	}
	return list
}

// edge is a transition from one state to another. A state without one has an
// edge with an empty name.
type edge struct {
	from, to uint32
	on       string
}

// edges yields the transitions of every state except the trap, in order: on
// single bytes, on all other bytes, and on the out-of-band symbol.
func (a automaton) edges() iter.Seq[edge] {
	return func(yield func(edge) bool) {
		var row [256]uint32
		for s := blob.StartState; s < uint32(a.db.DFA.States()); s++ {
			a.db.DFA.Row(s, &row)
			others := commonest(&row)
			out := []edge{{from: s}}
			for c, next := range row {
				if next == others {
					continue
				}
				name := " "
				if c > ' ' && c < 0x7f {
					name = string(rune(c))
				}
				out = append(out, edge{s, next, fmt.Sprintf("%s 0x%02x", name, c)})
			}
			if others != blob.TrapState {
				out = append(out, edge{s, others, "[]"})
			}
			if next := a.db.DFA.StepOOB(s); next != blob.TrapState {
				out = append(out, edge{s, next, "oob"})
			}
			for _, e := range out {
				if !yield(e) {
					return
				}
			}
		}
	}
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

// startOf returns the state in which an automaton begins.
func startOf(db *blob.PolicyDB) uint32 { return cmp.Or(db.Start, blob.StartState) }

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
