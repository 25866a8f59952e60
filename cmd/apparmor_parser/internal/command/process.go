package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/render"
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
			res.notes = append(res.notes, fmt.Sprintf("Skipping profile in %s/disable: %s", strings.TrimRight(o.base, "/"), res.in.base()))
			res.skipped = true
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
		res.out = flatten(unit)
		return nil
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
	res.found = append(res.found, res.set.Warnings...)
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

// parse reads the text and what it includes.
func (r *run) parse(ctx context.Context, res *result, src string) (*ast.Unit, error) {
	dir := r.env.Dir
	if dir == "" {
		// Without a working directory only absolute includes are found.
		dir, _ = os.Getwd()
	}
	roots, names := r.roots()
	c := parser.Config{
		Context: parser.ContextFile, Roots: roots, RootNames: names, Abs: os.DirFS("/"), Dir: filepath.ToSlash(dir),
		Cache: &r.parsed,
		Warn:  func(d *diag.Diagnostic) { res.found = append(res.found, d) },
	}
	if r.options.json {
		c.Recover = maxJSONErrors
	}
	unit, err := c.ParseTree(ctx, res.in.shown(), src)
	if err != nil {
		return nil, err
	}
	res.found = append(res.found, pathNames(unit)...)
	return unit, nil
}

// maxJSONErrors is how many errors of one input are listed for programs, which
// want them all; people get the first, as from the reference.
const maxJSONErrors = 100

// codePathName is the code of the warning about names that are paths.
const codePathName diag.Code = "path-as-name"

// pathNames warns of profiles at the top that are named by a path.
func pathNames(unit *ast.Unit) (found diag.List) {
	seen := map[*ast.File]bool{}
	var look func(*ast.File)
	look = func(file *ast.File) {
		if seen[file] {
			return
		}
		seen[file] = true
		for _, s := range file.Stmts {
			switch s := s.(type) {
			case *ast.Include:
				for _, f := range unit.Included[s] {
					look(f)
				}
			case *ast.Profile:
				if strings.HasPrefix(string(s.Name), "/") {
					found = append(found, &diag.Diagnostic{
						Severity: diag.Warning, Class: diag.ClassDeprecated, Code: codePathName,
						Pos: file.Position(s.Pos()), Profile: string(s.Name),
						Message: "a path is used as the name of a profile, which is deprecated",
						Hint:    "write `profile NAME " + string(s.Name) + "`",
						Related: []ast.Position{file.Position(s.Close)},
					})
				}
			}
		}
	}
	look(unit.Main)
	return found
}

// resolve makes profiles of a unit and applies what options ask for.
func (r *run) resolve(ctx context.Context, unit *ast.Unit, complain bool) (*policy.Set, error) {
	po := policy.Options{Namespace: r.options.namespace, Kernel: r.features, Default: r.defaults, ABI: r.abi}
	if r.override != nil {
		po.Kernel, po.Default = r.override, r.override
	}
	set, err := policy.Resolve(ctx, unit, po)
	if err != nil {
		return nil, err
	}
	for _, p := range set.Profiles {
		if complain {
			p.Flags.Mode = policy.Complain
		}
		if r.options.readMmaps {
			for _, rule := range p.Rules {
				if f, ok := rule.Rule.(*ast.FileRule); ok && f.Access != ast.Deny && f.Perms&ast.FileRead != 0 {
					f.Perms |= ast.FileMmap
				}
			}
		}
	}
	return set, nil
}

// compile makes binary policy of the resolved profiles of one namespace.
func (r *run) compile(ctx context.Context, res *result, set *policy.Set) error {
	out, err := compile.Compile(ctx, set, compile.Options{Kernel: r.features, Degrade: compile.Report})
	if err != nil {
		return err
	}
	res.policies = append(res.policies, out.Policy)
	res.stats = append(res.stats, out.Stats...)
	type once struct {
		profile, what string
		dropped       bool
	}
	seen := map[once]bool{}
	for _, d := range out.Degraded {
		key := once{d.Profile, d.What, d.Dropped}
		if seen[key] {
			continue
		}
		seen[key] = true
		res.found = append(res.found, degraded(d))
	}
	return nil
}

// degraded is the warning for what is not enforced as it is written. Like the
// reference's it is about the profile and not about one of its lines.
func degraded(d compile.Degradation) *diag.Diagnostic {
	w := &diag.Diagnostic{
		Severity: diag.Warning, Class: diag.ClassRuleDowngraded, Code: "rule-downgraded",
		Profile: d.Profile, Message: d.What + " downgraded",
	}
	if d.Dropped {
		w.Class, w.Code, w.Message = diag.ClassRuleNotEnforced, "rule-not-enforced", d.What+" not enforced"
	}
	return w
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
		if r.report.warning(classCache, "standard input is not kept in the cache, and never disabled or forced into complain mode") {
			return statusFailed
		}
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
			if r.report.warning(classCache, "cannot write the cache: %v", err) {
				return statusFailed
			}
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

// profileName is the name of a profile and of its namespace.
type profileName struct{ namespace, name string }

// profiles lists the profiles of a result, those at the top only if asked for.
func (res *result) profiles(top bool) (list []profileName) {
	if res.set != nil {
		for _, p := range res.set.Profiles {
			if !top || p.Parent == nil {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
		return list
	}
	for _, policy := range res.policies {
		for _, p := range policy.Profiles() {
			if !top || blob.ParentName(p.Name) == "" {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
	}
	return list
}

// load gives compiled policy to the kernel.
func (r *run) load(ctx context.Context, res *result) int {
	verb, done, cachedDone := "add", "Addition", "Cached load"
	if r.options.action == replacePolicy {
		verb, done, cachedDone = "replace", "Replacement", "Cached reload"
	}
	if r.kernel != nil {
		do := r.kernel.Load
		if r.options.action == replacePolicy {
			do = r.kernel.Replace
		}
		for _, p := range res.policies {
			if err := do(ctx, p); err != nil {
				return r.refused(verb, p.Names()[0], err)
			}
		}
	}
	switch from := cmp.Or(res.cached, res.in.name); {
	case !r.options.verbose:
	case res.cached != "" || r.options.binary && from != "":
		fmt.Fprintf(r.env.Stdout, "%s succeeded for \"%s\".\n", cachedDone, from)
	default:
		r.succeeded(done, res.profiles(false))
	}
	return 0
}

// remove takes the profiles of an input out of the kernel. Children go with
// their parents.
func (r *run) remove(ctx context.Context, res *result) (status int) {
	for _, p := range res.profiles(true) {
		if r.kernel != nil {
			if err := r.kernel.Remove(ctx, p.namespace, p.name); err != nil {
				status = r.refused("remove", p.name, err)
				continue
			}
		}
		r.succeeded("Removal", []profileName{p})
	}
	return status
}

func (r *run) succeeded(what string, profiles []profileName) {
	if !r.options.verbose {
		return
	}
	for _, p := range profiles {
		fmt.Fprintf(r.env.Stdout, "%s succeeded for \"%s\".\n", what, p.name)
	}
}

// linked reports whether the file has a namesake in a directory of the base,
// which is how profiles are disabled and forced into complain mode.
func (r *run) linked(dir string, in input) bool {
	_, err := os.Lstat(r.path(filepath.Join(r.options.base, dir, in.base())))
	return err == nil
}

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

// sink is where -S and -o write to.
type sink struct {
	file *os.File
	out  interface{ Write([]byte) (int, error) }
}

func (r *run) openSink() (*sink, error) {
	if r.options.action != writeFile || r.options.stopsEarly() {
		return &sink{out: r.env.Stdout}, nil
	}
	f, err := os.Create(r.path(r.options.output))
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("could not open file %s: %w", r.options.output, err)
	}
	return &sink{f, f}, nil
}

func (s *sink) write(p *blob.Policy) error {
	_, err := s.out.Write(p.Bytes())
	return err
}

func (s *sink) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
