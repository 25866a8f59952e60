// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/internal/getopt"
)

// version is the version of the reference whose language and options this
// command accepts.
const version = "6.0.0"

func printVersion(w *strings.Builder) {
	// Programs read the version from the end of the first line.
	fmt.Fprintf(w, "AppArmor parser version %s\n", version)
	fmt.Fprintln(w, "of github.com/goarmor/apparmor, which takes policy as that version does")
}

func printHelp(w *strings.Builder) {
	fmt.Fprint(w, "Usage: apparmor_parser [options] [file or directory ...]\n\n"+
		"Compiles AppArmor policy and loads it into the kernel. Without files, policy\n"+
		"is read from standard input. The documentation of the command says where it\n"+
		"differs from that of AppArmor 6.0.\n\n")
	for _, o := range optionTable() {
		if o.Help == "" {
			continue
		}
		name := "    --" + o.Long[0]
		if o.Short != 0 {
			name = fmt.Sprintf("-%c, --%s", o.Short, o.Long[0])
		}
		switch o.Takes {
		case getopt.Needed:
			name += " " + strings.ToUpper(o.Value)
		case getopt.Optional:
			name += "[=" + strings.ToUpper(o.Value) + "]"
		}
		fmt.Fprintf(w, "  %-34s %s\n", name, o.Help)
	}
	fmt.Fprint(w, "\nThe exit status is 0 on success, 1 for errors in policy or options, the error\n"+
		"number (2: not there) for files that cannot be read, and for what the kernel\n"+
		"refuses 256 minus the error number, of compiled policy the number itself.\n")
}

func printWarnings(w *strings.Builder) {
	fmt.Fprint(w, "--warn and --Werror take these names; a prefix no- switches off:\n\n")
	for _, c := range warningClasses {
		on := ""
		if c.set&(c.set-1) == 0 && defaultClasses&c.set != 0 {
			on = " (on by default)"
		}
		fmt.Fprintf(w, "  %-18s %s%s\n", c.name, c.help, on)
	}
	fmt.Fprintf(w, "  %-18s %s\n", "show", "print what is on, and exit")
}

func printDumps(w *strings.Builder) {
	fmt.Fprint(w, "--Dump takes these words; a prefix no- switches off:\n\n")
	var empty []string
	for _, word := range dumpWords {
		if word.what == dumpNothing {
			empty = append(empty, word.name)
			continue
		}
		fmt.Fprintf(w, "  %-24s %s\n", word.name, word.help)
	}
	fmt.Fprintf(w, "  %-24s %s\n\n", "show", "print what is on, and exit")
	fmt.Fprint(w, "These print nothing, because this compiler does not have their steps:\n\n")
	for _, name := range empty {
		fmt.Fprintf(w, "  %s\n", name)
	}
}

func printOptimizations(w *strings.Builder) {
	fmt.Fprint(w, "--Optimize takes these, most also with the prefix no-. Only one has an effect:\n"+
		"without filter-deny, permission tables hold what rules deny. The others are about\n"+
		"the size of automata: what the kernel supports and what helps is always done, and never\n"+
		"changes what policy means.\n\n")
	for _, word := range optimizeWords {
		no := ""
		if word.no {
			no = "[no-]"
		}
		fmt.Fprintf(w, "  %5s%s\n", no, word.name)
	}
	fmt.Fprintf(w, "  %5s%-20s %s\n", "", "show", "print what is on, and exit")
}
