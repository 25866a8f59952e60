// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/compile/cache"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/getopt"
	"github.com/goarmor/apparmor/parser"
)

// Env is what the command sees of the machine, apart from the files of the
// operating system.
type Env struct {
	Stdin          io.Reader // nil: nothing to read
	Stdout, Stderr io.Writer // nil: thrown away
	Environ        []string  // KEY=value; POSIXLY_CORRECT is used
	// Dir is the working directory, absolute; empty: that of the process.
	Dir string
	// OpenKernel opens the policy interface of the kernel, whose AppArmor
	// directory the option -f may name; nil means that of the running kernel.
	OpenKernel func(apparmorfs string) (Kernel, error)
}

// run is one run of the command.
type run struct {
	options *options
	env     Env
	report  *reporter
	kernel  Kernel // nil: not needed

	features  *features.Set // of the kernel that is compiled for
	defaults  *features.Set // of policy without an abi; nil: the built-in set
	override  *features.Set // of all policy, if set
	cacheable bool
	cache     *cache.Cache

	attachments compile.Attachments // of the inputs so far

	parsed parser.Cache
	abis   abiCache
}

// Run runs the command with the arguments, without the program's name, and
// returns the exit status: 0, 1 for errors in options, policy or the work
// itself, the error number for files that cannot be read (2 if they are not
// there) and for compiled policy that the kernel refuses, and 256 minus the
// error number for other policy that it refuses. The last error decides.
func Run(ctx context.Context, args []string, env Env) int {
	if env.Stdin == nil {
		env.Stdin = strings.NewReader("")
	}
	if env.Stdout == nil {
		env.Stdout = io.Discard
	}
	if env.Stderr == nil {
		env.Stderr = io.Discard
	}
	if env.OpenKernel == nil {
		env.OpenKernel = openKernel
	}
	r := &run{options: defaults(), env: env, report: &reporter{w: env.Stderr, warn: defaultClasses}}
	r.report.hide = r.hide
	if status, done := r.readOptions(args); done {
		return status
	}
	status := r.do(ctx)
	if status == 0 && r.report.failed {
		return statusFailed
	}
	return status
}

// readOptions applies the configuration file and the arguments. It reports
// whether the run ends with that.
func (r *run) readOptions(args []string) (status int, done bool) {
	table := optionTable()
	posix := slices.ContainsFunc(r.env.Environ, func(s string) bool {
		return strings.HasPrefix(s, "POSIXLY_CORRECT=")
	})
	// Mistakes in the arguments are found again by the second pass.
	early := defaults()
	_ = applyArguments(early, earlyTable(table), args, posix)
	o := r.options
	o.config = early.config
	r.report.warn, r.report.werror = early.warn, early.werror
	if !r.readConfig(table) {
		return statusFailed, true
	}
	err := applyArguments(o, table, args, posix)
	if err == nil {
		err = o.check()
	}
	r.report.json = o.json
	if err != nil {
		r.report.say("%v", err)
		return statusFailed, true
	}
	r.report.warn, r.report.werror = o.warn, o.werror
	// Listing the names of profiles, or removing profiles, does not need
	// warnings about their content.
	r.report.quiet = o.quiet || o.action == listNames || o.action == removePolicy
	var text strings.Builder
	switch {
	case o.ends != nil:
		o.ends(&text)
	case o.printConfig:
		fmt.Fprintln(&text, o.config)
	case o.shows != nil:
		for _, show := range o.shows {
			show(&text)
		}
	default:
		return 0, false
	}
	r.print(text.String())
	if r.report.failed {
		return statusFailed, true
	}
	return 0, true
}

// print writes text to standard output. A run that cannot fails in the end.
func (r *run) print(text string) {
	if _, err := io.WriteString(r.env.Stdout, text); err != nil {
		r.report.say("%v", err)
		r.report.failed = true
	}
}

// readConfig applies the configuration file. It reports whether the run
// continues. A missing file at the usual place deserves no message.
func (r *run) readConfig(table []getopt.Option[options]) bool {
	o := r.options
	text, err := os.ReadFile(r.path(o.config))
	switch {
	case err == nil:
		err = configure(o, table, string(text), func(s string) { r.report.say("%s", s) })
	case errors.Is(err, fs.ErrNotExist):
		if o.config != defaultConfig {
			r.report.warning(classConfig, "config file '%s' not found", o.config)
		}
		return !r.report.failed
	}
	if err != nil {
		r.report.say("%v", err)
		return false
	}
	return true
}

// do does the work of a run whose options are known.
func (r *run) do(ctx context.Context) int {
	o := r.options
	if o.action == format {
		return r.formatAll(ctx)
	}
	if o.createCacheDir && o.usesCache() {
		r.report.warning(diag.ClassDeprecated, "--create-cache-dir has no effect; write --write-cache")
	}
	if r.report.failed {
		return statusFailed
	}
	if o.needsKernel() {
		k, err := r.env.OpenKernel(o.apparmorfs)
		if err != nil {
			r.report.say("unable to use the kernel's AppArmor: %v", err)
			if o.apparmorfs == "" {
				r.report.plain(diag.Error, "", "Use --subdomainfs to override.")
			}
			return statusFailed
		}
		defer k.Close()
		r.kernel = k
	}
	if err := r.loadFeatures(ctx); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	r.cache = r.openCache()
	switch {
	case o.printCacheDir:
		for _, dir := range o.cacheDirs {
			r.print(r.cache.Dir(dir) + "\n")
		}
		return 0
	case o.purgeCache:
		if err := r.cache.Purge(); err != nil {
			r.report.say("%v", err)
			return statusFailed
		}
		if len(o.inputs) == 0 {
			return 0
		}
	}
	sink, err := r.openSink()
	if err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	status := r.processAll(ctx, sink)
	if err := sink.close(); err != nil {
		r.report.say("%v", err)
		status = statusFailed
	}
	return status
}
