// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"fmt"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// printDumps prints what --Dump requests about compiled policy, to standard
// error.
func (r *run) printDumps(res *result) error {
	var b bytes.Buffer
	on := func(d dumps) bool { return r.options.dump&d != 0 }
	if on(dumpRules) && res.set != nil {
		printRules(&b, res.set)
	}
	if on(dumpBuild) {
		printBuild(&b, res.stats)
	}
	printers := []struct {
		what  dumps
		print func(*bytes.Buffer, automaton)
	}{
		{dumpSizes, printSizes}, {dumpStates, printStates}, {dumpGraph, printGraph},
		{dumpPerms, printPermissions}, {dumpTables, printTables}, {dumpClasses, printByteClasses},
	}
	for _, p := range res.policies {
		for _, a := range automata(p) {
			for _, printer := range printers {
				if on(printer.what) {
					printer.print(&b, a)
				}
			}
		}
	}
	_, err := r.env.Stderr.Write(b.Bytes())
	return err
}

// printRules prints the rules of every profile, resolved, with their places.
func printRules(b *bytes.Buffer, set *policy.Set) {
	for _, p := range set.Profiles {
		for _, rule := range p.Rules {
			fmt.Fprintf(b, "%s: rule: %s", p.FullName(), render.String(rule.Rule))
			if pos := rule.Origin.Position(); pos.IsValid() {
				fmt.Fprintf(b, " (%s)", pos)
			}
			b.WriteByte('\n')
		}
	}
}

// printBuild prints the figures of automata.
func printBuild(b *bytes.Buffer, stats []compile.Stats) {
	for _, s := range stats {
		for _, a := range []struct {
			name string
			compile.AutomatonStats
		}{{"attachment", s.XMatch}, {"policydb", s.Policydb}, {"file", s.File}} {
			if a.AutomatonStats != (compile.AutomatonStats{}) {
				fmt.Fprintf(b, "%s: %s: %d rules, %d states, %d before minimisation\n", s.Profile, a.name, a.Rules, a.States, a.Built)
			}
		}
	}
}
