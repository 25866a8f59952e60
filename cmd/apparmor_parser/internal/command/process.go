// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// result is the outcome of one input before anything is shown or loaded.
type result struct {
	in     input
	notes  []string  // lines to show before the diagnostics
	found  diag.List // in the order to be shown
	status int       // of a failure that is not in the policy; 0: statusFailed

	skipped  bool           // by a link in the directory "disable"
	out      []byte         // to be printed, whatever else is wrong
	unit     *ast.Unit      // what was parsed
	set      *policy.Set    // what was resolved
	policies []*blob.Policy // what was compiled, one for each namespace, or read
	cached   string         // the file of the cache that policy came from
	place    *cacheEntry    // where policy belongs in the cache; nil: nowhere
	stats    []compile.Stats

	// again makes policy from the text, for policy that came from the cache.
	again func(context.Context) error
}

// processAll processes all inputs, several at a time, and finishes them in
// order.
func (r *run) processAll(ctx context.Context, out *sink) (status int) {
	var inputs []input
	listed := r.expand(func(in input) bool {
		inputs = append(inputs, in)
		return true
	})
	if listed != 0 && r.options.abortOnError {
		return listed
	}
	workers := min(r.workers(), len(inputs))
	if workers <= 1 {
		// Goroutines, and the threads that Go starts for them, take longer than a
		// small profile does.
		for _, in := range inputs {
			if ctx.Err() != nil {
				break
			}
			if s := r.finish(ctx, r.prepare(ctx, in), out); s != 0 {
				status = s
				if r.options.abortOnError {
					break
				}
			}
		}
		return r.ended(ctx, status, listed)
	}

	slots := make(chan struct{}, workers)
	queue := make(chan chan *result, workers)
	all := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(queue)
		for _, in := range inputs {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			done := make(chan *result, 1)
			queue <- done
			go func() {
				defer func() { <-slots }()
				done <- r.prepare(ctx, in)
			}()
		}
	}()
	for done := range queue {
		res := <-done
		if s := r.finish(ctx, res, out); s != 0 {
			status = s
			if r.options.abortOnError {
				cancel()
				break
			}
		}
	}
	// A goroutine that puts a result into the queue must not wait forever.
	for range queue {
	}
	return r.ended(all, status, listed)
}

// ended returns the status of all inputs, of which one may have failed, and of
// listing them.
func (*run) ended(ctx context.Context, status, listed int) int {
	switch {
	case ctx.Err() != nil:
		return statusFailed
	case status == 0:
		return listed
	}
	return status
}

// prepare does the work on an input that does not depend on the others.
func (r *run) prepare(ctx context.Context, in input) *result {
	res := &result{in: in}
	if err := r.work(ctx, res); err != nil {
		res.found = append(res.found, findings(err)...)
		res.policies = nil
	}
	return res
}

func (r *run) work(ctx context.Context, res *result) error {
	o := r.options
	complain := o.complain
	if res.in.name != "" && o.action != preprocess && o.action != removePolicy && !o.binary {
		base := strings.TrimRight(o.base, "/")
		if r.linked("disable", res.in) {
			res.skipped = true
			if !o.quiet {
				res.notes = append(res.notes, fmt.Sprintf("Skipping profile in %s/disable: %s", base, res.in.base()))
			}
			return nil
		}
		if r.linked("force-complain", res.in) {
			res.notes = append(res.notes, fmt.Sprintf("Warning: found %s in %s/force-complain, forcing complain mode", res.in.base(), base))
			complain = true
		}
	}
	data, err := r.read(res.in)
	if err != nil {
		res.status = statusOf(err)
		return err
	}
	if o.binary {
		// What -S wrote of several namespaces is loaded in as many writes.
		res.policies, err = blob.InspectAll(data)
		return err
	}
	unit, err := r.parse(ctx, res, string(data))
	if err != nil {
		if o.action == preprocess {
			res.out = r.flattenTo(ctx, res, string(data), err)
		}
		return err
	}
	res.unit = unit
	switch {
	case o.action == preprocess:
		if _, err := r.names(ctx, unit); err != nil {
			res.out = r.flattenTo(ctx, res, string(data), err)
			return err
		}
		res.out, err = flatten(unit)
		return err
	case o.action == listNames:
		res.set, err = r.names(ctx, unit)
		return err
	case o.dump&dumpVariables != 0:
		res.out, err = printVariables(unit, false)
		return err
	}
	if complain && o.writeCache && r.cacheable {
		res.found = append(res.found, &diag.Diagnostic{
			Severity: diag.Warning, Class: classCache,
			Message: "not written to the cache: " + res.in.base() + " is forced into complain mode",
		})
	}
	if r.cacheable && res.in.name != "" && !complain {
		if res.place, err = r.entry(unit, res.in); err != nil {
			return err
		}
		if r.options.readsCache() {
			list, file, why := r.lookup(res.place)
			if list != nil {
				res.policies, res.cached = list, file
				res.again = func(ctx context.Context) error { return r.build(ctx, res, unit, complain) }
				return nil
			}
			res.found = append(res.found, why...)
		}
	}
	return r.build(ctx, res, unit, complain)
}

// build resolves and compiles a unit, as far as that is wanted.
func (r *run) build(ctx context.Context, res *result, unit *ast.Unit, complain bool) (err error) {
	o := r.options
	if res.set, err = r.resolve(ctx, unit, complain); err != nil {
		return err
	}
	res.found = append(res.found, byPlace(res.set.Warnings)...)
	switch {
	case o.action == removePolicy:
		return nil
	case o.dump&dumpExpanded != 0:
		res.out, err = printVariables(unit, true)
		return err
	case o.debug:
		res.out = printProfiles(res.set)
		return nil
	}
	return r.compile(ctx, res)
}

// finish shows the result of an input, and writes or loads it.
func (r *run) finish(ctx context.Context, res *result, out *sink) (status int) {
	o := r.options
	for _, note := range res.notes {
		r.report.plain(diag.Warning, "", note)
	}
	if res.in.name == "" && o.writeCache && r.cacheable {
		r.report.warning(classCache, "standard input is not kept in the cache, and never disabled or forced into complain mode")
	}
	switch {
	case !o.showCache || res.skipped || o.binary:
	case res.cached != "":
		r.report.plain(diag.Warning, classCache, "Cache hit: "+res.cached)
	default:
		r.report.plain(diag.Warning, classCache, "Cache miss: "+res.in.shown())
	}
	if _, err := r.env.Stdout.Write(res.out); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	res.found = append(res.found, r.rivals(ctx, res)...)
	if r.report.show(res.in, res.found) {
		return cmp.Or(res.status, statusFailed)
	}
	switch {
	case res.skipped:
		return 0
	case o.action == listNames:
		return r.printNames(res)
	case o.action == removePolicy && !o.stopsEarly():
		return r.remove(ctx, res)
	case o.stopsEarly() || o.action == preprocess:
		return 0
	}
	if err := r.printDumps(res); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	if o.action == writeStdout || o.action == writeFile {
		for _, p := range res.policies {
			if err := r.put(out.out, p); err != nil {
				r.report.say("%v", err)
				return statusFailed
			}
		}
	} else if status := r.load(ctx, res); status != 0 {
		return status
	}
	r.store(res)
	return 0
}

// show writes the diagnostics of an input and reports whether one of them is
// an error.
func (r *reporter) show(in input, list diag.List) (failed bool) {
	for _, d := range list {
		if r.diagnostic(in, d) {
			failed = true
		}
	}
	return failed
}

// linked reports whether the file has a namesake in a directory of the base,
// which is how profiles are disabled and forced into complain mode.
func (r *run) linked(dir string, in input) bool {
	_, err := os.Lstat(r.path(filepath.Join(r.options.base, dir, in.base())))
	return err == nil
}
