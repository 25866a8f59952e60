package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// result is what became of one input before anything is shown or loaded.
type result struct {
	in    input
	notes []string  // lines to show before the diagnostics
	found diag.List // in the order to be shown

	skipped  bool           // by a link in the directory "disable"
	out      []byte         // to be printed
	set      *policy.Set    // what was resolved
	policies []*blob.Policy // what was compiled, one for each namespace, or read
	cached   string         // the file of the cache that policy came from
	store    *cacheEntry    // where policy belongs in the cache; nil: nowhere
	stats    []compile.Stats
}

// processAll works on all inputs, several at a time, and finishes them in
// order.
func (r *run) processAll(ctx context.Context, out *sink) (status int) {
	workers := max(1, min(r.options.jobs, r.options.maxJobs))
	slots := make(chan struct{}, workers)
	queue := make(chan chan *result, workers)
	all := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	var inputs []input
	listed := r.expand(func(in input) bool {
		inputs = append(inputs, in)
		return true
	})
	if listed != 0 && r.options.abortOnError {
		return listed
	}
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
	// Whoever waits to put a result into the queue must not wait for ever.
	for range queue {
	}
	switch {
	case all.Err() != nil:
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
	if res.in.name != "" && o.action != preprocess {
		if o.action != removePolicy && r.linked("disable", res.in) {
			res.skipped = true
			if !o.quiet {
				res.notes = append(res.notes, fmt.Sprintf("Skipping profile in %s/disable: %s", strings.TrimRight(o.base, "/"), res.in.base()))
			}
			return nil
		}
		if r.linked("force-complain", res.in) {
			res.notes = append(res.notes, fmt.Sprintf("Warning: found %s in %s/force-complain, forcing complain mode", res.in.base(), strings.TrimRight(o.base, "/")))
			complain = true
		}
	}
	data, err := r.read(res.in)
	if err != nil {
		return err
	}
	if o.binary {
		p, err := blob.Inspect(data)
		res.policies = []*blob.Policy{p}
		return err
	}
	unit, err := r.parse(ctx, res, string(data))
	if err != nil {
		return err
	}
	switch {
	case o.action == preprocess:
		res.out, err = flatten(unit)
		return err
	case o.dumpVariables || o.dumpExpanded:
		res.out, err = dumpVariables(unit, o.dumpExpanded)
		return err
	}
	if r.cacheable && res.in.name != "" {
		if res.store, err = r.entry(unit, res.in, complain); err != nil {
			return err
		}
		if p, file := r.lookup(res.store); p != nil {
			res.policies, res.cached = []*blob.Policy{p}, file
			return nil
		}
	}
	if res.set, err = r.resolve(ctx, unit, complain); err != nil {
		return err
	}
	res.found = append(append(res.found, res.set.Warnings...), pathNames(unit)...)
	switch {
	case o.action == listNames, o.action == removePolicy:
		return nil
	case o.debug:
		res.out = dumpProfiles(res.set)
		return nil
	}
	// A kernel takes the profiles of one namespace at a time.
	for _, set := range compile.ByNamespace(res.set) {
		if err := r.compile(ctx, res, set); err != nil {
			return err
		}
	}
	return nil
}

// finish shows what there is to show about an input, and writes or loads what
// was made of it.
func (r *run) finish(ctx context.Context, res *result, out *sink) (status int) {
	o := r.options
	for _, note := range res.notes {
		r.report.plain(diag.Warning, "", note)
	}
	if r.report.show(res.in, res.found) {
		return statusFailed
	}
	if res.skipped {
		return 0
	}
	if res.in.name == "" && o.writeCache && r.cacheable {
		r.report.warning(classCache, "standard input is not kept in the cache, and never disabled or forced into complain mode")
	}
	if _, err := r.env.Stdout.Write(res.out); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	if o.dumpStats {
		r.printStats(res.stats)
	}
	if o.dumpStates {
		for _, p := range res.policies {
			if _, err := r.env.Stderr.Write(dumpStates(p)); err != nil {
				r.report.say("%v", err)
				return statusFailed
			}
		}
	}
	switch {
	case o.action == listNames:
		return r.printNames(res)
	case o.action == removePolicy && !o.stopsEarly():
		return r.remove(ctx, res)
	case o.stopsEarly() || o.action == preprocess:
		return 0
	case o.action == writeStdout || o.action == writeFile:
		for _, p := range res.policies {
			if err := out.write(p); err != nil {
				r.report.say("%v", err)
				return statusFailed
			}
		}
		return 0
	}
	r.showCache(res)
	if status := r.load(ctx, res); status != 0 {
		return status
	}
	// A file of the cache is what a kernel takes in one write.
	if res.store != nil && res.cached == "" && o.writeCache && len(res.policies) == 1 {
		file, err := res.store.write(res.policies[0], o.keepBadCache)
		if err != nil {
			// Policy that is loaded stays loaded whatever the cache does.
			r.report.warning(classCache, "cannot write the cache: %v", err)
			return 0
		}
		if o.showCache {
			r.report.plain(diag.Warning, classCache, "Wrote cache: "+file)
		}
	}
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

func (r *run) printNames(res *result) int {
	var b bytes.Buffer
	for _, policy := range res.policies {
		for _, p := range policy.Profiles() {
			if p.Namespace != "" {
				fmt.Fprintf(&b, ":%s://", p.Namespace)
			}
			fmt.Fprintln(&b, p.Name)
		}
	}
	if res.set != nil {
		for _, p := range res.set.Profiles {
			fmt.Fprintln(&b, p.FullName())
		}
	}
	if _, err := r.env.Stdout.Write(b.Bytes()); err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	return 0
}

// linked reports whether the file has a namesake in a directory of the base,
// which is how profiles are disabled and forced into complain mode.
func (r *run) linked(dir string, in input) bool {
	_, err := os.Lstat(r.path(filepath.Join(r.options.base, dir, in.base())))
	return err == nil
}
