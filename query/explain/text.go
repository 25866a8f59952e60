// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// String returns the answer and the rules that matter to it, one per line:
//
//	file write /etc/shadow: denied write, quiet
//	  abstractions/private:4:3: deny /etc/shadow w, decides
//	    included at profile:7:3
//	  profile:9:3: /etc/** rw, overridden by abstractions/private:4:3: deny beats allow
//
// Rules about other permissions are shown if there are no others: they show
// that the policy knows the path, or whatever else was asked about.
func (e *Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %v\n", e.Request, e.Decision)
	for i := range e.Steps {
		s := &e.Steps[i]
		if len(e.Steps) > 1 {
			fmt.Fprintf(&b, "  at %v:\n", blob.BytesInput(s.Input))
		}
		s.write(&b, e.Decision)
	}
	if n := e.Nearest; n != nil {
		fmt.Fprintf(&b, "  the nearest is %v: %s\n", n.Pos, n.Text)
		writeVia(&b, n.Via)
	}
	if e.To != (ast.Position{}) {
		fmt.Fprintf(&b, "  continues under %s: %v\n", e.Decision.Label, e.To)
	}
	if note := modeNote(e.Decision); note != "" {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	for _, g := range e.Dropped {
		fmt.Fprintf(&b, "  %v: %s not enforced: %s\n", g.Pos, render.String(g.Rule), g.Reason())
	}
	return b.String()
}

func writeVia(b *strings.Builder, chain []ast.Position) {
	for _, via := range chain {
		fmt.Fprintf(b, "    included at %v\n", via)
	}
}

// modeNote says what happens to a denial in the profile's mode.
func modeNote(d query.Decision) string {
	switch {
	case d.Allowed():
		return ""
	case d.Permitted():
		return fmt.Sprintf("passes anyway: the mode is %v", d.Mode)
	case d.Mode == blob.Complain:
		return "is refused although the mode is complain: the denial is not logged"
	case d.Mode == blob.Kill && d.Deny&d.Quiet == 0:
		return "kills the task: the mode is kill"
	}
	return ""
}

// write appends the rules that matter.
func (s *Step) write(b *strings.Builder, d query.Decision) {
	told := false      // whether there is a line yet
	var others []*Rule // which match, but are about other permissions
	asked := s.Perms &^ query.Perms(blob.PermContinue)
	for i := range s.Rules {
		r := &s.Rules[i]
		switch r.Status {
		case Unrelated:
			if r.Rule != nil && r.Implied == ByRule {
				others = append(others, r)
			}
			continue
		case Mediates:
			if !told && len(others) == 0 {
				told = true
				fmt.Fprintf(b, "  %v: no rule covers it, and %s is mediated\n", r.Pos, r.Text)
			}
			continue
		}
		told = true
		fmt.Fprintf(b, "  %v: %s", r.Pos, r.Text)
		if r.Implied != ByRule && r.Rule != nil {
			fmt.Fprintf(b, " (%v)", r.Implied)
		}
		fmt.Fprintf(b, " %v", r.Status)
		if n := d.Names(r.Decides); r.Decides != 0 && n != "" && r.Decides&asked != asked {
			b.WriteString(" " + n)
		}
		for j, o := range r.Overridden {
			by := &s.Rules[o.By]
			if j == 0 && r.Status == Overridden {
				b.WriteString(" by")
			} else {
				fmt.Fprintf(b, "; yields %s to", d.Names(o.Perms))
			}
			fmt.Fprintf(b, " %v: %v", by.Pos, o.Why)
		}
		b.WriteByte('\n')
		writeVia(b, r.Via)
	}
	if !told {
		for _, r := range others {
			told = true
			fmt.Fprintf(b, "  %v: %s says nothing about %s\n", r.Pos, r.Text, cmp.Or(d.Names(asked), "it"))
			writeVia(b, r.Via)
		}
	}
	// What no rule decided is granted by the kernel itself, or not at all.
	nobody := asked & d.Request &^ query.Perms(s.Found.Allow)
	for i := range s.Rules {
		nobody &^= s.Rules[i].Decides
	}
	switch {
	case !told:
		b.WriteString("  no rule covers it\n")
	case nobody != 0 && d.Names(nobody) != "" && nobody != asked:
		fmt.Fprintf(b, "  no rule covers %s\n", d.Names(nobody))
	}
	if s.Always != 0 && d.Names(s.Always) != "" {
		fmt.Fprintf(b, "  always allowed: %s\n", d.Names(s.Always))
	}
}
