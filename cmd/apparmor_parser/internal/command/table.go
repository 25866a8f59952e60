// SPDX-License-Identifier: Apache-2.0

package command

// optionTable returns the options, in the order of the help.
func optionTable() []option {
	return []option{
		{long: []string{"add"}, short: 'a', help: "load profiles that are not loaded yet (the default)", set: act(addPolicy)},
		{long: []string{"replace", "reload"}, short: 'r', help: "load profiles, in the place of those that are loaded", set: act(replacePolicy)},
		{long: []string{"remove"}, short: 'R', help: "remove profiles from the kernel", set: act(removePolicy)},
		{long: []string{"names"}, short: 'N', help: "print the names of the profiles", set: act(listNames)},
		{long: []string{"stdout"}, short: 'S', help: "write compiled policy to standard output", set: act(writeStdout)},
		{long: []string{"ofile"}, short: 'o', takes: needsArgument, value: "file", help: "write compiled policy to a file", set: act(writeFile)},
		{long: []string{"preprocess"}, short: 'p', help: "print the text with its includes in place", set: act(preprocess)},
		{long: []string{"format"}, help: "print the text in canonical form", set: act(format)},
		{long: []string{"write"}, short: 'w', help: "with --format: write the result back to the file", set: flag(func(o *options) { o.rewrite = true })},
		{long: []string{"debug"}, short: 'd', takes: mayHaveArgument, value: "jobs", help: "print resolved profiles, do not compile; with --format: print a diff; jobs: tell how many inputs are worked on at a time", set: setDebug},

		{long: []string{"Complain", "complain"}, short: 'C', help: "complain mode for all profiles", set: flag(func(o *options) { o.complain = true })},
		{long: []string{"binary"}, short: 'B', help: "the input is compiled policy", set: flag(func(o *options) { o.binary = true })},
		{long: []string{"base"}, short: 'b', takes: needsArgument, value: "dir", help: "directory of policy, instead of " + defaultBase, set: text(func(o *options, s string) { o.base = s })},
		{long: []string{"Include"}, short: 'I', takes: needsArgument, value: "dir", help: "search includes there, before the directory of policy", set: text(func(o *options, s string) { o.includes = append(o.includes, s) })},
		{long: []string{"confine-includes"}, help: "refuse includes, and links, that lead out of these directories", set: flag(func(o *options) { o.confine = true })},
		{long: []string{"namespace"}, short: 'n', takes: needsArgument, value: "ns", help: "namespace for all profiles", set: text(func(o *options, s string) { o.namespace = s })},
		{long: []string{"readimpliesX"}, short: 'X', help: "reading allows to map executable", set: flag(func(o *options) { o.readMmaps = true })},

		{long: []string{"subdomainfs"}, short: 'f', takes: needsArgument, value: "dir", help: "where the kernel's AppArmor directory is", set: text(func(o *options, s string) { o.apparmorfs = s })},
		{long: []string{"features-file"}, short: 'M', takes: needsArgument, value: "file", help: "features of kernel and policy", set: text(func(o *options, s string) { o.kernelFeatures, o.policyFeatures, o.matchString = s, s, nil })},
		{long: []string{"match-string"}, short: 'm', takes: needsArgument, value: "text", help: "features of kernel and policy, as text", set: text(func(o *options, s string) { o.kernelFeatures, o.policyFeatures, o.matchString = "", "", &s })},
		{long: []string{"kernel-features"}, takes: needsArgument, value: "file", help: "features of the kernel", set: text(func(o *options, s string) { o.kernelFeatures = s })},
		{long: []string{"policy-features", "compile-features"}, takes: needsArgument, value: "file", help: "features that policy without an abi is written for; " + ofKernel + ": those of the running kernel", set: text(func(o *options, s string) { o.policyFeatures = s })},
		{long: []string{"override-policy-abi"}, takes: needsArgument, value: "file", help: "features that all policy is taken to be written for, or " + ofKernel, set: text(func(o *options, s string) { o.overrideABI = s })},
		{long: []string{"prompt-compat"}, takes: needsArgument, value: "how", help: "how prompt rules are written: permsv2, or default, which is the same", set: setPromptCompat},
		{long: []string{"print-prompt-compat"}, help: "print how prompt rules are written", set: flag(func(o *options) { o.ends = printPromptCompat })},
		{long: []string{"zstd-compress-level"}, short: 'c', takes: mayHaveArgument, value: "level", help: "none or 0; other levels are refused with a warning, as policy is never compressed", set: setCompression},
		{long: []string{"skip-kernel-load"}, short: 'Q', help: "do everything but loading", set: flag(func(o *options) { o.skipKernel = true })},

		{long: []string{"cache-loc"}, short: 'L', takes: needsArgument, value: "dirs", help: "directories of the cache, separated by commas; the first is written to", set: setCacheDirs},
		{long: []string{"write-cache"}, short: 'W', help: "write compiled policy to the cache", set: flag(func(o *options) { o.writeCache = true })},
		{long: []string{"skip-read-cache"}, short: 'T', help: "do not read the cache", set: flag(func(o *options) { o.skipReadCache = true })},
		{long: []string{"skip-cache"}, short: 'K', help: "neither read nor write the cache", set: flag(func(o *options) { o.skipCache = true })},
		{long: []string{"show-cache"}, short: 'k', help: "tell what is found in the cache", set: flag(func(o *options) { o.showCache = true })},
		{long: []string{"purge-cache"}, help: "empty the cache for these features, before anything else", set: flag(func(o *options) { o.purgeCache = true })},
		{long: []string{"print-cache-dir"}, help: "print the directory of the cache for these features", set: flag(func(o *options) { o.printCacheDir = true })},
		{long: []string{"skip-bad-cache"}, help: "leave a directory of the cache that is for other features alone", set: flag(func(o *options) { o.keepBadCache = true })},
		{long: []string{"skip-bad-cache-rebuild"}, help: "do not compile anew what the kernel refuses from the cache", set: flag(func(o *options) { o.keepRejected = true })},
		{long: []string{"create-cache-dir"}, help: "deprecated: --write-cache makes the directory", set: flag(func(o *options) { o.createCacheDir = true })},
		{long: []string{"debug-cache"}, help: "tell why the cache is not used", set: flag(func(o *options) { o.warn |= bitDebugCache })},

		{long: []string{"quiet"}, short: 'q', help: "no warnings", set: flag(func(o *options) { o.quiet, o.verbose, o.warn = true, false, 0 })},
		{long: []string{"verbose"}, short: 'v', help: "tell what was done", set: flag(func(o *options) { o.verbose, o.quiet = true, false })},
		{long: []string{"warn"}, takes: needsArgument, value: "class", help: "switch warnings on, or off with no-class; see --help=warn", set: setWarn},
		{long: []string{"Werror"}, takes: mayHaveArgument, value: "class", help: "make errors of the warnings that are on, of all classes or of one", set: setWerror},
		{long: []string{"json"}, help: "diagnostics as JSON, one object to a line", set: flag(func(o *options) { o.json = true })},
		{long: []string{"abort-on-error"}, help: "stop at the first input with an error", set: flag(func(o *options) { o.abortOnError = true })},
		{long: []string{"jobs"}, short: 'j', takes: needsArgument, value: "n", help: "inputs compiled at a time: a number, auto, max, or xN for N times the processors", set: setJobs},
		{long: []string{"max-jobs"}, takes: needsArgument, value: "n", help: "bound of --jobs", set: setMaxJobs},
		{long: []string{"estimated-compile-size"}, takes: needsArgument, value: "size", help: "memory that one job may need, as 50MB: jobs are as many as fit", set: setJobSize},

		{long: []string{"Dump", "dump"}, short: 'D', takes: needsArgument, value: "what", help: "print internals; see --help=dump", set: setDump},
		{long: []string{"Optimize", "optimize"}, short: 'O', takes: needsArgument, value: "what", help: "how automata are built; see --help=optimize", set: setOptimize},
		{long: []string{"config-file"}, takes: needsArgument, value: "file", help: "configuration, instead of " + defaultConfig, set: text(func(o *options, s string) { o.config = s })},
		{long: []string{"print-config-file"}, help: "print the name of the configuration file", set: flag(func(o *options) { o.printConfig = true })},
		{long: []string{"version"}, short: 'V', help: "print the version", set: flag(func(o *options) { o.ends = printVersion })},
		{long: []string{"help"}, short: 'h', takes: mayHaveArgument, value: "topic", help: "print this, or what warn, dump or optimize take", set: setHelp},
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
