// SPDX-License-Identifier: Apache-2.0

package command

import "github.com/goarmor/apparmor/internal/getopt"

// optionTable returns the options, in the order of the help.
func optionTable() []getopt.Option[options] {
	return []getopt.Option[options]{
		{Long: []string{"add"}, Short: 'a', Help: "load profiles that are not loaded yet (the default)", Set: act(addPolicy)},
		{Long: []string{"replace", "reload"}, Short: 'r', Help: "load profiles, replacing those that are loaded", Set: act(replacePolicy)},
		{Long: []string{"remove"}, Short: 'R', Help: "remove profiles from the kernel", Set: act(removePolicy)},
		{Long: []string{"names"}, Short: 'N', Help: "print the names of the profiles", Set: act(listNames)},
		{Long: []string{"stdout"}, Short: 'S', Help: "write compiled policy to standard output", Set: act(writeStdout)},
		{Long: []string{"ofile"}, Short: 'o', Takes: getopt.Needed, Value: "file", Help: "write compiled policy to a file", Set: act(writeFile)},
		{Long: []string{"preprocess"}, Short: 'p', Help: "print the text with its includes in place", Set: act(preprocess)},
		{Long: []string{"format"}, Help: "print the text in canonical form", Set: act(format)},
		{Long: []string{"write"}, Short: 'w', Help: "with --format: write the result back to the file", Set: flag(func(o *options) { o.rewrite = true })},
		{Long: []string{"debug"}, Short: 'd', Takes: getopt.Optional, Value: "jobs", Help: "print resolved profiles, do not compile; with --format: print a diff; jobs: say how many inputs are worked on at a time", Set: setDebug},

		{Long: []string{"Complain", "complain"}, Short: 'C', Help: "complain mode for all profiles", Set: flag(func(o *options) { o.complain = true })},
		{Long: []string{"binary"}, Short: 'B', Help: "the input is compiled policy", Set: flag(func(o *options) { o.binary = true })},
		{Long: []string{"base"}, Short: 'b', Takes: getopt.Needed, Value: "dir", Help: "directory of policy, instead of " + defaultBase, Set: text(func(o *options, s string) { o.base = s })},
		{Long: []string{"Include"}, Short: 'I', Takes: getopt.Needed, Value: "dir", Help: "search includes there, before the directory of policy", Set: text(func(o *options, s string) { o.includes = append(o.includes, s) })},
		{Long: []string{"confine-includes"}, Help: "refuse includes, and links, that lead out of these directories", Set: flag(func(o *options) { o.confine = true })},
		{Long: []string{"plain-names"}, Help: "no automaton for profiles that are named by a plain path, as up to version 4.1: kernels take such a profile before others", Set: flag(func(o *options) { o.plainNames = true })},
		{Long: []string{"namespace"}, Short: 'n', Takes: getopt.Needed, Value: "ns", Help: "namespace for all profiles", Set: text(func(o *options, s string) { o.namespace = s })},
		{Long: []string{"readimpliesX"}, Short: 'X', Help: "reading implies permission to map executable", Set: flag(func(o *options) { o.readMmaps = true })},

		{Long: []string{"subdomainfs"}, Short: 'f', Takes: getopt.Needed, Value: "dir", Help: "where the kernel's AppArmor directory is", Set: text(func(o *options, s string) { o.apparmorfs = s })},
		{Long: []string{"features-file"}, Short: 'M', Takes: getopt.Needed, Value: "file", Help: "features of kernel and policy", Set: text(func(o *options, s string) { o.kernelFeatures, o.policyFeatures, o.matchString = s, s, nil })},
		{Long: []string{"match-string"}, Short: 'm', Takes: getopt.Needed, Value: "text", Help: "features of kernel and policy, as text", Set: text(func(o *options, s string) { o.kernelFeatures, o.policyFeatures, o.matchString = "", "", &s })},
		{Long: []string{"kernel-features"}, Takes: getopt.Needed, Value: "file", Help: "features of the kernel", Set: text(func(o *options, s string) { o.kernelFeatures = s })},
		{Long: []string{"policy-features", "compile-features"}, Takes: getopt.Needed, Value: "file", Help: "features that policy without an abi is written for; " + ofKernel + ": those of the running kernel", Set: text(func(o *options, s string) { o.policyFeatures = s })},
		{Long: []string{"override-policy-abi"}, Takes: getopt.Needed, Value: "file", Help: "features that all policy is assumed to be written for, or " + ofKernel, Set: text(func(o *options, s string) { o.overrideABI = s })},
		{Long: []string{"prompt-compat"}, Takes: getopt.Needed, Value: "how", Help: "how prompt rules are written: permsv2, or default, which means the same", Set: setPromptCompat},
		{Long: []string{"print-prompt-compat"}, Help: "print how prompt rules are written", Set: flag(func(o *options) { o.ends = printPromptCompat })},
		{Long: []string{"zstd-compress-level"}, Short: 'c', Takes: getopt.Optional, Value: "level", Help: "compress policy that is written to files: none, fast, default, small, or 0 to 22; only for kernels that load it", Set: setCompression},
		{Long: []string{"skip-kernel-load"}, Short: 'Q', Help: "do everything but loading", Set: flag(func(o *options) { o.skipKernel = true })},

		{Long: []string{"cache-loc"}, Short: 'L', Takes: getopt.Needed, Value: "dirs", Help: "directories of the cache, separated by commas; the first is written to", Set: setCacheDirs},
		{Long: []string{"write-cache"}, Short: 'W', Help: "write compiled policy to the cache", Set: flag(func(o *options) { o.writeCache = true })},
		{Long: []string{"skip-read-cache"}, Short: 'T', Help: "do not read the cache", Set: flag(func(o *options) { o.skipReadCache = true })},
		{Long: []string{"skip-cache"}, Short: 'K', Help: "neither read nor write the cache", Set: flag(func(o *options) { o.skipCache = true })},
		{Long: []string{"show-cache"}, Short: 'k', Help: "say what is found in the cache", Set: flag(func(o *options) { o.showCache = true })},
		{Long: []string{"purge-cache"}, Help: "empty the cache for these features, before anything else", Set: flag(func(o *options) { o.purgeCache = true })},
		{Long: []string{"print-cache-dir"}, Help: "print the directory of the cache for these features", Set: flag(func(o *options) { o.printCacheDir = true })},
		{Long: []string{"skip-bad-cache"}, Help: "leave a directory of the cache that is for other features alone", Set: flag(func(o *options) { o.keepBadCache = true })},
		{Long: []string{"skip-bad-cache-rebuild"}, Help: "do not recompile what the kernel refuses from the cache", Set: flag(func(o *options) { o.keepRejected = true })},
		{Long: []string{"create-cache-dir"}, Help: "deprecated: --write-cache makes the directory", Set: flag(func(o *options) { o.createCacheDir = true })},
		{Long: []string{"debug-cache"}, Help: "say why the cache is not used", Set: flag(func(o *options) { o.warn |= bitDebugCache })},

		{Long: []string{"quiet"}, Short: 'q', Help: "no warnings", Set: flag(func(o *options) { o.quiet, o.verbose, o.warn = true, false, 0 })},
		{Long: []string{"verbose"}, Short: 'v', Help: "say what was done", Set: flag(func(o *options) { o.verbose, o.quiet = true, false })},
		{Long: []string{"warn"}, Takes: getopt.Needed, Value: "class", Help: "switch warnings on, or off with no-class; see --help=warn", Set: setWarn},
		{Long: []string{"Werror"}, Takes: getopt.Optional, Value: "class", Help: "turn the warnings that are on into errors, of all classes or of one", Set: setWerror},
		{Long: []string{"json"}, Help: "diagnostics as JSON, one object to a line", Set: flag(func(o *options) { o.json = true })},
		{Long: []string{"abort-on-error"}, Help: "stop at the first input with an error", Set: flag(func(o *options) { o.abortOnError = true })},
		{Long: []string{"limits"}, Takes: getopt.Needed, Value: "how", Help: "what compiling an input may take: default, a number of times the default, or untrusted", Set: setLimits},
		{Long: []string{"jobs"}, Short: 'j', Takes: getopt.Needed, Value: "n", Help: "inputs compiled at a time: a number, auto, max, or xN for N times the processors", Set: setJobs},
		{Long: []string{"max-jobs"}, Takes: getopt.Needed, Value: "n", Help: "bound of --jobs", Set: setMaxJobs},
		{Long: []string{"estimated-compile-size"}, Takes: getopt.Needed, Value: "size", Help: "memory that one job may need, as 50MB: jobs are as many as fit", Set: setJobSize},

		{Long: []string{"Dump", "dump"}, Short: 'D', Takes: getopt.Needed, Value: "what", Help: "print internals; see --help=dump", Set: setDump},
		{Long: []string{"Optimize", "optimize"}, Short: 'O', Takes: getopt.Needed, Value: "what", Help: "how automata are built; see --help=optimize", Set: setOptimize},
		{Long: []string{"config-file"}, Takes: getopt.Needed, Value: "file", Help: "configuration, instead of " + defaultConfig, Set: text(func(o *options, s string) { o.config = s })},
		{Long: []string{"print-config-file"}, Help: "print the name of the configuration file", Set: flag(func(o *options) { o.printConfig = true })},
		{Long: []string{"version"}, Short: 'V', Help: "print the version", Set: flag(func(o *options) { o.ends = printVersion })},
		{Long: []string{"help"}, Short: 'h', Takes: getopt.Optional, Value: "topic", Help: "print this, or what warn, dump or optimize take", Set: setHelp},
	}
}

// act sets the action, of which there may be only one.
func act(a action) func(*options, string) error {
	return func(o *options, arg string) error {
		o.action = a
		o.actions++
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
