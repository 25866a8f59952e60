package command

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// action is what is done with each profile.
type action uint8

const (
	addPolicy action = iota
	replacePolicy
	removePolicy
	listNames
	writeStdout
	writeFile
	preprocess
	format
)

const (
	defaultBase   = "/etc/apparmor.d"
	defaultConfig = "/etc/apparmor/parser.conf"
	defaultCache  = "/var/cache/apparmor"
)

// options is what the arguments and the configuration file ask for.
type options struct {
	action    action
	hasAction bool
	inputs    []string // files and directories; none: standard input

	debug      bool
	binary     bool // inputs are compiled policy
	complain   bool
	readMmaps  bool // -X
	namespace  string
	output     string // of writeFile
	base       string
	includes   []string
	apparmorfs string // -f; empty: where it is usually mounted
	skipKernel bool

	kernelFeatures string
	policyFeatures string
	overrideABI    string

	cacheDirs     []string
	skipCache     bool
	skipReadCache bool
	writeCache    bool
	showCache     bool
	purgeCache    bool
	printCacheDir bool
	keepBadCache  bool
	printConfig   bool

	quiet, verbose, json bool
	warn, werror         classes
	warnShow             bool
	abortOnError         bool
	jobs, maxJobs        int

	dumpVariables, dumpExpanded, dumpStats, dumpStates bool

	diff, rewrite bool // of format

	config string // the configuration file
	// ends, if set, is what the program does instead of everything else.
	ends func(w io.Writer)
}

func defaults() *options {
	return &options{
		base: defaultBase, config: defaultConfig, cacheDirs: []string{defaultCache},
		warn: defaultClasses, jobs: runtime.NumCPU(), maxJobs: 8 * runtime.NumCPU(),
	}
}

// act sets the action; there may be only one.
func act(a action) func(*options, string) error {
	return func(o *options, arg string) error {
		if o.hasAction && (o.action != a || a == writeFile) {
			return usageError("Too many actions given on the command line.")
		}
		o.action, o.hasAction = a, true
		if a == writeFile {
			o.output = arg
		}
		return nil
	}
}

func flag(set func(*options)) func(*options, string) error {
	return func(o *options, _ string) error { set(o); return nil }
}

func text(set func(*options, string)) func(*options, string) error {
	return func(o *options, arg string) error { set(o, arg); return nil }
}

// optionTable returns the options, in the order of the help.
func optionTable() []option {
	return []option{
		{long: []string{"add"}, short: 'a', help: "load profiles that are not loaded yet (the default)", set: act(addPolicy)},
		{long: []string{"replace"}, short: 'r', help: "load profiles, in the place of those that are loaded", set: act(replacePolicy)},
		{long: []string{"remove"}, short: 'R', help: "remove profiles from the kernel", set: act(removePolicy)},
		{long: []string{"names"}, short: 'N', help: "print the names of the profiles", set: act(listNames)},
		{long: []string{"stdout"}, short: 'S', help: "write compiled policy to standard output", set: act(writeStdout)},
		{long: []string{"ofile"}, short: 'o', takes: needsArgument, value: "file", help: "write compiled policy to a file", set: act(writeFile)},
		{long: []string{"preprocess"}, short: 'p', help: "print the text with its includes in place", set: act(preprocess)},
		{long: []string{"format"}, help: "print the text in canonical form", set: act(format)},
		{long: []string{"write"}, short: 'w', help: "with --format: write the result back to the file", set: flag(func(o *options) { o.rewrite = true })},
		{long: []string{"debug"}, short: 'd', takes: mayHaveArgument, value: "n", help: "print resolved profiles, do not compile; with --format: print a diff", set: setDebug},

		{long: []string{"Complain"}, short: 'C', help: "complain mode for all profiles", set: flag(func(o *options) { o.complain = true })},
		{long: []string{"binary"}, short: 'B', help: "the input is compiled policy", set: flag(func(o *options) { o.binary = true })},
		{long: []string{"base"}, short: 'b', takes: needsArgument, value: "dir", help: "directory of policy, instead of " + defaultBase, set: text(func(o *options, s string) { o.base = s })},
		{long: []string{"Include"}, short: 'I', takes: needsArgument, value: "dir", help: "search includes there, before the directory of policy", set: text(func(o *options, s string) { o.includes = append(o.includes, s) })},
		{long: []string{"namespace", "namespace-string"}, short: 'n', takes: needsArgument, value: "ns", help: "namespace for all profiles", set: text(func(o *options, s string) { o.namespace = s })},
		{long: []string{"readimpliesX"}, short: 'X', help: "reading allows to map executable", set: flag(func(o *options) { o.readMmaps = true })},

		{long: []string{"subdomainfs", "apparmorfs"}, short: 'f', takes: needsArgument, value: "dir", help: "where the kernel's AppArmor directory is", set: text(func(o *options, s string) { o.apparmorfs = s })},
		{long: []string{"features-file"}, short: 'M', takes: needsArgument, value: "file", help: "features of kernel and policy", set: text(func(o *options, s string) { o.kernelFeatures, o.policyFeatures = s, s })},
		{long: []string{"kernel-features"}, takes: needsArgument, value: "file", help: "features of the kernel", set: text(func(o *options, s string) { o.kernelFeatures = s })},
		{long: []string{"policy-features"}, takes: needsArgument, value: "file", help: "features that policy without an abi is written for", set: text(func(o *options, s string) { o.policyFeatures = s })},
		{long: []string{"override-policy-abi"}, takes: needsArgument, value: "file", help: "features that all policy is taken to be written for", set: text(func(o *options, s string) { o.overrideABI = s })},
		{long: []string{"match-string"}, short: 'm', takes: needsArgument, value: "text", set: text(func(*options, string) {})},
		{long: []string{"skip-kernel-load"}, short: 'Q', help: "do everything but loading", set: flag(func(o *options) { o.skipKernel = true })},

		{long: []string{"cache-loc"}, short: 'L', takes: needsArgument, value: "dirs", help: "directories of the cache, separated by commas; the first is written to", set: text(func(o *options, s string) { o.cacheDirs = splitDirs(s) })},
		{long: []string{"write-cache"}, short: 'W', help: "write compiled policy to the cache", set: flag(func(o *options) { o.writeCache = true })},
		{long: []string{"skip-read-cache"}, short: 'T', help: "do not read the cache", set: flag(func(o *options) { o.skipReadCache = true })},
		{long: []string{"skip-cache"}, short: 'K', help: "neither read nor write the cache", set: flag(func(o *options) { o.skipCache = true })},
		{long: []string{"show-cache"}, short: 'k', help: "tell what is found in the cache", set: flag(func(o *options) { o.showCache = true })},
		{long: []string{"purge-cache"}, help: "empty the cache for these features", set: flag(func(o *options) { o.purgeCache = true })},
		{long: []string{"print-cache-dir"}, help: "print the directory of the cache for these features", set: flag(func(o *options) { o.printCacheDir = true })},
		{long: []string{"skip-bad-cache"}, help: "leave a directory of the cache that is for other features alone", set: flag(func(o *options) { o.keepBadCache = true })},
		{long: []string{"create-cache-dir"}, set: flag(func(*options) {})},
		{long: []string{"skip-bad-cache-rebuild"}, set: flag(func(*options) {})},
		{long: []string{"debug-cache"}, help: "tell why the cache is not used", set: flag(func(o *options) { o.warn |= bitDebugCache })},

		{long: []string{"quiet"}, short: 'q', help: "no warnings", set: flag(func(o *options) { o.quiet, o.verbose = true, false })},
		{long: []string{"verbose"}, short: 'v', help: "tell what was done", set: flag(func(o *options) { o.verbose, o.quiet = true, false })},
		{long: []string{"warn"}, takes: needsArgument, value: "class", help: "switch warnings on, or off with no-class; see --help=warn", set: setWarn},
		{long: []string{"Werror"}, takes: mayHaveArgument, value: "class", help: "make errors of warnings", set: setWerror},
		{long: []string{"json"}, help: "diagnostics as JSON, one object to a line", set: flag(func(o *options) { o.json = true })},
		{long: []string{"abort-on-error"}, help: "stop at the first input with an error", set: flag(func(o *options) { o.abortOnError = true })},
		{long: []string{"jobs"}, short: 'j', takes: needsArgument, value: "n", help: "inputs compiled at a time: a number, auto, or xN for N times the processors", set: setJobs(func(o *options, n int) { o.jobs = n })},
		{long: []string{"max-jobs"}, takes: needsArgument, value: "n", help: "bound of --jobs", set: setJobs(func(o *options, n int) { o.maxJobs = n })},

		{long: []string{"Dump", "dump"}, short: 'D', takes: needsArgument, value: "what", help: "print internals; see --help=dump", set: setDump},
		{long: []string{"Optimize", "optimize"}, short: 'O', takes: needsArgument, value: "what", help: "accepted; see --help=optimize", set: setOptimize},
		{long: []string{"config-file"}, takes: needsArgument, value: "file", help: "configuration, instead of " + defaultConfig, set: text(func(o *options, s string) { o.config = s })},
		{long: []string{"print-config-file"}, help: "print the name of the configuration file", set: flag(func(o *options) { o.printConfig = true })},
		{long: []string{"version"}, short: 'V', help: "print the version", set: flag(func(o *options) { o.ends = printVersion })},
		{long: []string{"help"}, short: 'h', takes: mayHaveArgument, value: "topic", help: "print this, or what warn, dump or optimize take", set: setHelp},
	}
}

func setDebug(o *options, arg string) error {
	if arg != "" {
		if _, err := strconv.Atoi(arg); err != nil {
			return usageError(fmt.Sprintf("Invalid --debug option '%s'", arg))
		}
	}
	o.debug, o.diff = true, true
	return nil
}

func setWarn(o *options, arg string) error {
	if arg == "show" {
		o.warnShow = true
		return nil
	}
	if !o.warn.change(arg) {
		return usageError("Invalid --warn option " + arg)
	}
	return nil
}

func setWerror(o *options, arg string) error {
	switch arg {
	case "":
		arg = "all"
	case "show":
		o.warnShow = true
		return nil
	}
	if !o.werror.change(arg) {
		return usageError("Invalid --Werror option " + arg)
	}
	return nil
}

func setJobs(set func(*options, int)) func(*options, string) error {
	return func(o *options, arg string) error {
		n, err := jobs(arg)
		if err != nil {
			return err
		}
		set(o, n)
		return nil
	}
}

// jobs reads a number of jobs: N, xN for a multiple of the processors, auto
// and max.
func jobs(arg string) (int, error) {
	switch arg {
	case "auto":
		return runtime.NumCPU(), nil
	case "max":
		return 8 * runtime.NumCPU(), nil
	}
	digits, times := strings.CutPrefix(arg, "x")
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return 0, usageError("Invalid option -j=" + arg)
	}
	if times {
		n *= uint64(runtime.NumCPU())
	}
	return int(n), nil
}

func setHelp(o *options, arg string) error {
	topics := map[string]func(io.Writer){
		"": printHelp, "warn": printWarnings, "Werror": printWarnings,
		"dump": printDumps, "Dump": printDumps, "D": printDumps,
		"optimize": printOptimizations, "Optimize": printOptimizations, "O": printOptimizations,
	}
	print, ok := topics[arg]
	if !ok {
		return usageError("Invalid --help option " + arg)
	}
	o.ends = print
	return nil
}

// The words of --Dump that are about the inside of the reference's compiler,
// which are known and refused, and those of --Optimize.
var (
	foreignDumps = []string{
		"rule-exprs", "expr-stats", "expr-tree", "expr-simplified", "progress", "dfa-progress",
		"dfa-states-initial", "dfa-states-post-filter", "dfa-states-post-minimize", "dfa-states-post-unreachable",
		"dfa-compressed-states", "dfa-graph", "dfa-minimize", "dfa-unreachable", "dfa-node-map", "dfa-uniq-perms",
		"dfa-minimize-uniq-perms", "dfa-minimize-partitions", "dfa-perms-build", "compress-progress",
		"compress-stats", "compressed-dfa", "equiv-stats", "equiv", "diff-encode", "diff-stats", "diff-progress",
		"rule-merge", "state32", "flags_table", "show",
	}
	optimizations = []string{
		"0", "equiv", "expr-normalize", "expr-simplify", "expr-left-simplify", "expr-right-simplify", "minimize",
		"filter-deny", "remove-unreachable", "compress-default", "compress-small", "compress-fast", "diff-encode",
		"rule-merge", "state32", "flags-table", "show",
	}
)

func setDump(o *options, arg string) error {
	name, off := strings.CutPrefix(arg, "no-")
	switch {
	case name == "variables":
		o.dumpVariables = !off
	case name == "expanded-variables":
		o.dumpExpanded = !off
	case name == "stats" || name == "dfa-stats":
		o.dumpStats = !off
	case name == "dfa-states":
		o.dumpStates = !off
	case slices.Contains(foreignDumps, name):
		if !off {
			return usageError("--Dump option " + arg + " is about the inside of another compiler and not available here")
		}
	default:
		return usageError("Invalid --Dump option " + arg)
	}
	return nil
}

// setOptimize accepts what the reference takes: the compiler does what pays
// whatever the options say, and the meaning of policy does not depend on them.
func setOptimize(_ *options, arg string) error {
	if !slices.Contains(optimizations, strings.TrimPrefix(arg, "no-")) {
		return usageError("Invalid --Optimize option " + arg)
	}
	return nil
}

// splitDirs splits a list of directories at its commas; a backslash makes the
// byte after it part of a name.
func splitDirs(s string) []string {
	var dirs []string
	var name []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			name = append(name, s[i])
		case s[i] == ',':
			dirs, name = append(dirs, string(name)), nil
		default:
			name = append(name, s[i])
		}
	}
	dirs = append(dirs, string(name))
	return slices.DeleteFunc(dirs, func(d string) bool { return d == "" })
}
