package command

import (
	"fmt"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
)

// dumpProfiles prints resolved profiles: the head of each, and its rules in
// canonical form.
func dumpProfiles(set *policy.Set) []byte {
	b := []byte("----- Debugging built structures -----\n")
	line := func(format string, args ...any) { b = fmt.Appendf(b, format+"\n", args...) }
	for _, p := range set.Profiles {
		if p.Namespace != "" {
			line("Ns:\t\t%s", p.Namespace)
		}
		line("Name:\t\t%s", p.Name)
		if p.Attachment != "" {
			line("Attachment:\t%s", p.Attachment)
		}
		if p.Parent != nil {
			line("Local To:\t%s", p.Parent.Name)
		}
		line("Mode:\t\t%s", modeName(p.Flags.Mode))
		for _, limit := range p.Rlimits {
			if limit.Value == policy.Infinity {
				line("  set rlimit %s <= infinity", limit.Name)
			} else {
				line("  set rlimit %s <= %d", limit.Name, limit.Value)
			}
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

func (r *run) printStats(stats []compile.Stats) {
	for _, s := range stats {
		for _, a := range []struct {
			name string
			compile.AutomatonStats
		}{{"attachment", s.XMatch}, {"policydb", s.Policydb}, {"file", s.File}} {
			if a.AutomatonStats != (compile.AutomatonStats{}) {
				fmt.Fprintf(r.env.Stderr, "%s: %s: %d rules, %d states, %d before minimisation\n", s.Profile, a.name, a.Rules, a.States, a.Built)
			}
		}
	}
}
