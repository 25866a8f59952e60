package command

import (
	"fmt"
	"io"
	"strings"
)

// version is the version of the reference whose language and options are
// taken.
const version = "6.0.0"

func printVersion(w io.Writer) {
	// Programs read the version from the end of the first line.
	fmt.Fprintf(w, "AppArmor parser version %s\n", version)
	fmt.Fprintln(w, "of github.com/goarmor/apparmor, which takes policy as that version does")
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "Usage: apparmor_parser [options] [file or directory ...]\n\n"+
		"Compiles AppArmor policy and loads it into the kernel. Without files, policy\n"+
		"is read from standard input.\n\n")
	for _, o := range optionTable() {
		if o.help == "" {
			continue
		}
		name := "    --" + o.long[0]
		if o.short != 0 {
			name = fmt.Sprintf("-%c, --%s", o.short, o.long[0])
		}
		switch o.takes {
		case needsArgument:
			name += " " + strings.ToUpper(o.value)
		case mayHaveArgument:
			name += "[=" + strings.ToUpper(o.value) + "]"
		}
		fmt.Fprintf(w, "  %-34s %s\n", name, o.help)
	}
	fmt.Fprint(w, "\nThe exit status is 0 on success, 1 for errors in policy or options, 2 for files\n"+
		"that are not there, and 256 minus the error number when the kernel refuses.\n")
}

func printWarnings(w io.Writer) {
	fmt.Fprint(w, "--warn and --Werror take, with no- in front to switch off:\n\n")
	for _, c := range warningClasses {
		on := ""
		if c.set&(c.set-1) == 0 && defaultClasses&c.set != 0 {
			on = " (on by default)"
		}
		fmt.Fprintf(w, "  %-18s %s%s\n", c.name, c.help, on)
	}
	fmt.Fprintf(w, "  %-18s %s\n", "show", "print what is on, and exit")
}

func printDumps(w io.Writer) {
	fmt.Fprint(w, "--Dump takes:\n\n"+
		"  variables           the variables as assigned\n"+
		"  expanded-variables  the variables as used\n"+
		"  stats, dfa-stats    the sizes of automata\n"+
		"  dfa-states          the states of automata\n")
}

func printOptimizations(w io.Writer) {
	fmt.Fprint(w, "--Optimize takes these, with no- in front of most, and ignores them: what pays is\n"+
		"always done, and never changes what policy means.\n\n")
	for _, name := range optimizations {
		fmt.Fprintf(w, "  %s\n", name)
	}
}
