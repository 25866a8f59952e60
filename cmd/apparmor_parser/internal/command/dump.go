// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// printProfiles prints resolved profiles: the head of each and its list of
// entries in the form of the reference, and its rules in canonical form.
func printProfiles(set *policy.Set) []byte {
	b := []byte("----- Debugging built structures -----\n")
	line := func(format string, args ...any) { b = fmt.Appendf(b, format+"\n", args...) }
	for _, p := range set.Profiles {
		if p.Namespace != "" {
			line("Ns:\t\t%s", p.Namespace)
		}
		name, parent := p.Name, ""
		if p.Parent != nil {
			parent = p.Parent.Name
			name = strings.TrimPrefix(name, parent+"//")
		}
		line("Name:\t\t%s", name)
		line("Attachment:\t%s", cmp.Or(string(p.Attachment), "<NULL>"))
		line("Local To:\t%s", cmp.Or(parent, "<NULL>"))
		line("Mode:\t\t%s", modeName(p.Flags.Mode))
		for _, limit := range p.Rlimits {
			if limit.Value == policy.Infinity {
				line("  set rlimit %s <= infinity", limit.Name)
			} else {
				line("  set rlimit %s <= %d", limit.Name, limit.Value)
			}
		}
		if list := entries(p); len(list) > 0 {
			b = appendEntries(b, list)
		}
		for _, rule := range p.Rules {
			line("  %s", render.String(rule.Rule))
		}
		line("")
	}
	return b
}

func modeName(m policy.Mode) string {
	names := []string{"enforce", "complain", "kill", "unconfined", "prompt", "default_allow"}
	if int(m) < len(names) {
		return names[m]
	}
	return fmt.Sprint(int(m))
}
