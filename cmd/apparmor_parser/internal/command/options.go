// SPDX-License-Identifier: Apache-2.0

package command

import (
	"runtime"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/getopt"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
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

// maxCacheDirs is how many directories of the cache may be named.
const maxCacheDirs = 4

// ofKernel means the running kernel where a file of features can be given.
const ofKernel = "<kernel>"

// options are what the arguments and the configuration file say.
type options struct {
	action  action
	actions int      // how often one was given
	inputs  []string // files and directories; none: standard input

	debug, debugJobs bool
	binary           bool // inputs are compiled policy
	complain         bool
	readMmaps        bool // -X
	compress         int  // with this level of zstd, in files; 0: not
	namespace        string
	output           string // of writeFile
	base             string
	includes         []string
	confine          bool   // includes stay below their directories
	apparmorfs       string // -f; empty: where it is usually mounted
	skipKernel       bool

	matchString    *string // features of kernel and policy, as text
	kernelFeatures string
	policyFeatures string
	overrideABI    string

	cacheDirs      []string
	skipCache      bool
	skipReadCache  bool
	writeCache     bool
	showCache      bool
	purgeCache     bool
	printCacheDir  bool
	createCacheDir bool
	keepBadCache   bool
	keepRejected   bool // what the kernel refuses from the cache is not recompiled
	printConfig    bool

	quiet, verbose, json bool
	warn, werror         classes
	abortOnError         bool
	jobs, maxJobs        int
	jobSize              int64 // bytes of memory for one job, 0: not given

	plainNames bool // the form of attachments up to 4.1

	limits  compile.Limits // of each input; zero: the defaults
	resolve policy.Limits
	parse   parser.Limits

	dump     dumps
	optimize optimizations

	diff, rewrite bool // of format

	config string // the configuration file
	// shows are the requested lists of what is switched on; they are printed
	// instead of everything else, when all options are known.
	shows []func(w *strings.Builder)
	// ends, if set, is what the program does at once, instead of everything
	// else.
	ends func(w *strings.Builder)
}

func defaults() *options {
	return &options{
		base: defaultBase, config: defaultConfig, cacheDirs: []string{defaultCache},
		warn: defaultClasses, optimize: defaultOptimizations,
		jobs: autoJobs, maxJobs: 8 * runtime.NumCPU(),
	}
}

// check finds options that do not go together.
func (o *options) check() error {
	switch {
	case o.ends != nil:
		return nil
	case o.actions > 1:
		return getopt.Error("Too many actions given on the command line.")
	case o.rewrite && o.action != format:
		return getopt.Error("--write is for --format only")
	case o.binary && (o.action == preprocess || o.action == format):
		return getopt.Error("compiled policy has no text: -B cannot be used with -p and --format")
	case o.action == format && o.rewrite && len(o.inputs) == 0:
		return getopt.Error("--write needs files: standard input cannot be written to")
	case len(o.cacheDirs) > maxCacheDirs:
		return getopt.Error("Invalid --cacheloc option: more than 4 directories")
	}
	return nil
}

// needsKernel reports whether the running kernel will be changed.
func (o *options) needsKernel() bool {
	return o.action <= removePolicy && !o.skipKernel && !o.stopsEarly() && !o.printCacheDir &&
		!(o.purgeCache && len(o.inputs) == 0)
}

// stopsEarly reports whether work ends before policy is compiled.
func (o *options) stopsEarly() bool {
	return o.debug || o.dump&(dumpVariables|dumpExpanded) != 0
}

// usesCache reports whether compiled policy may come from the cache or go
// there. Policy that an option puts into complain mode or another namespace
// must not: the name in the cache is that of the file, and programs that load
// all of a directory of the cache at boot do not know the option.
func (o *options) usesCache() bool {
	return !o.skipCache && o.action != removePolicy && o.action != listNames &&
		o.action != preprocess && o.action != format &&
		!o.binary && !o.stopsEarly() && !o.complain && o.namespace == ""
}

// readsCache reports whether policy may come from the cache: not if the work
// itself should be shown.
func (o *options) readsCache() bool {
	return o.usesCache() && !o.skipReadCache && o.dump == 0 && o.action <= replacePolicy
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
