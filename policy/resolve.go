// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// Options configure Resolve. The zero value resolves as the reference parser
// does without configuration.
type Options struct {
	// Namespace, if set, replaces the namespace of every top-level profile,
	// as -n of the reference parser does.
	Namespace string

	// Kernel is what `abi <kernel>,` means. Without it that statement
	// is an error.
	Kernel *features.Set
	// Default is the feature set of policy that names none before its first
	// profile; nil means features.Default, which is what `abi <default>,`
	// means in any case. If it is set, policy without an abi statement gets no
	// warning.
	Default *features.Set
	// ABI reads the feature file of an abi statement other than <kernel> and
	// <default>. Nil means to look for it below Roots and Abs.
	ABI func(stmt *ast.ABI, file *ast.File) (*features.Set, error)
	// Roots are the directories that `abi <path>` is looked up in, in order.
	// If none has it, it may be built in: "abi/4.0" is features.ABI("4.0").
	Roots []fs.FS
	// Abs is the root directory for `abi "path"`, and Dir, without a leading
	// slash, the directory below it to which other paths are relative. They
	// are those of parser.Config.
	Abs fs.FS
	Dir string

	// Limits bound the work; zero fields mean the defaults.
	Limits Limits
}

// Limits bound what resolving one unit may need. Text of a few lines can ask
// for any amount of work through includes and variables that multiply.
type Limits struct {
	Statements    int // visited, those of a file counted each time it is included, and 16 aliases tried on a rule, or 16 values of a variable that is used, as one; default 4 million
	IncludeDepth  int // of files in files; default 100
	Nesting       int // of profiles, blocks, conditionals and expressions; default 500
	Values        int // of one variable after expansion; default 65536
	ExpandedBytes int // of text made by expanding variables and aliases, in total, a rule's copy for an alias with 256 more; default 64 MiB
	Errors        int // after which resolving stops; default 200
	Warnings      int // that are kept; default 1000
}

// Untrusted returns limits for policy of strangers, which go with
// compile.Untrusted: far above what policy of a few kilobytes needs that
// includes abstractions.
func Untrusted() Limits {
	return Limits{Statements: 1 << 17, IncludeDepth: 16, Nesting: 64, Values: 1 << 12, ExpandedBytes: 1 << 20, Errors: 100, Warnings: 200}
}

func (l Limits) withDefaults() Limits {
	l.Statements = cmp.Or(l.Statements, 4<<20)
	l.IncludeDepth = cmp.Or(l.IncludeDepth, 100)
	l.Nesting = cmp.Or(l.Nesting, 500)
	l.Values = cmp.Or(l.Values, 1<<16)
	l.ExpandedBytes = cmp.Or(l.ExpandedBytes, 64<<20)
	l.Errors = cmp.Or(l.Errors, 200)
	l.Warnings = cmp.Or(l.Warnings, 1000)
	return l
}

// Resolve turns a parsed unit into profiles that no longer depend on files and
// variables.
//
// The error is a diag.List with everything that was found wrong, each finding
// with its place; one that matches diag.ErrLimit is the last. If ctx is done,
// its error is returned as it is. The unit is only read, and the result shares
// nothing with it that may be changed.
func Resolve(ctx context.Context, unit *ast.Unit, opts Options) (*Set, error) {
	r := &resolver{
		ctx:    ctx,
		unit:   unit,
		opts:   opts,
		limits: opts.Limits.withDefaults(),
		syms:   map[string]*symbol{},
		epoch:  1,
		warned: map[warning]bool{},
		abis:   map[abiKey]abiResult{},

		aliased: map[[2]ast.Pattern]bool{},
	}
	if unit == nil || unit.Main == nil {
		return &Set{}, nil
	}
	r.walk(unit.Main.Stmts, &frame{file: unit.Main})
	r.in = nil
	r.settleABI()
	profiles := r.finish()
	if r.fatal != nil {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r.found = append(r.found, r.fatal)
	}
	if err := r.found.Err(); err != nil {
		return nil, err
	}
	return &Set{Profiles: profiles, Warnings: r.found.Warnings()}, nil
}

// resolver is the state of one Resolve.
type resolver struct {
	ctx    context.Context
	unit   *ast.Unit
	opts   Options
	limits Limits

	found            diag.List
	errors, warnings int
	fatal            *diag.Diagnostic // a limit, or ctx was done: stop
	warned           map[warning]bool
	missing          map[string]bool // variables of which was said that they have no value

	in       *draft // the profile that is being worked on, for diagnostics
	steps    int    // statements visited
	poll     int    // the step at which ctx is asked again
	expanded int    // bytes that expansion made
	last     cost   // the place that it is made for
	costs    []cost // the places that most was made for

	top      []*draft        // top-level profiles in the order of the text
	seen     map[string]bool // files read in the preamble
	syms     map[string]*symbol
	epoch    int // changes with every assignment
	aliases  []alias
	aliased  map[[2]ast.Pattern]bool // the pairs of aliases
	abi      *features.Set
	abiFirst *abiStmt
	abis     map[abiKey]abiResult

	abiWarned map[abiScope]bool
	files     fileSlab
	patterns  []pattern // of the rule at hand
}

// warning identifies a warning, so that an abstraction that many profiles
// include gets it once.
type warning struct {
	code diag.Code
	file *ast.File
	pos  ast.Pos
}

// at starts a diagnostic about a place.
func (r *resolver) at(o Origin) *diag.Diagnostic {
	return &diag.Diagnostic{Pos: o.Position(), Via: o.Chain(), Profile: r.in.name()}
}

func (r *resolver) errorf(o Origin, code diag.Code, text, format string, args ...any) *diag.Diagnostic {
	d := r.at(o)
	d.Code, d.Text, d.Message = code, text, fmt.Sprintf(format, args...)
	if r.fatal != nil {
		return d // too late to be reported
	}
	if r.errors++; r.errors > r.limits.Errors {
		r.limit(o, "errors", r.limits.Errors, r.errors)
		return d
	}
	r.found = append(r.found, d)
	return d
}

// warnf records a warning and returns it, or nil if there are enough of them
// or this one was given before.
func (r *resolver) warnf(o Origin, class diag.Class, code diag.Code, text, format string, args ...any) *diag.Diagnostic {
	if r.warnings >= r.limits.Warnings {
		return nil
	}
	if w := (warning{code, o.File, o.Pos}); o.Pos.IsValid() {
		if r.warned[w] {
			return nil
		}
		r.warned[w] = true
	}
	r.warnings++
	d := r.at(o)
	d.Severity, d.Class, d.Code, d.Text, d.Message = diag.Warning, class, code, text, fmt.Sprintf(format, args...)
	r.found = append(r.found, d)
	return d
}

// limit stops resolving.
func (r *resolver) limit(o Origin, what string, max, got int) {
	if r.fatal != nil {
		return
	}
	err := &diag.LimitError{What: what, Limit: int64(max), Got: int64(got)}
	if what != expandedBytes {
		r.costs = nil
	}
	for _, c := range r.costs {
		err.Costs = append(err.Costs, diag.Cost{Pos: c.at.Position(), Text: c.text(), Amount: int64(c.bytes), Unit: "bytes"})
	}
	d := r.at(o)
	d.Code, d.Message, d.Err = diag.CodeLimit, err.Error(), err
	r.fatal = d
}

// step counts a piece of work at a place and reports whether to go on.
func (r *resolver) step(o Origin) bool {
	if r.fatal != nil {
		return false
	}
	r.steps++
	if r.steps > r.limits.Statements {
		r.limit(o, "policy statements", r.limits.Statements, r.steps)
		return false
	}
	if r.steps < r.poll {
		return true
	}
	r.poll = r.steps + 1024
	return r.alive()
}

// alive reports whether ctx is not done, and stops resolving if it is.
func (r *resolver) alive() bool {
	if err := r.ctx.Err(); err != nil {
		r.fatal = &diag.Diagnostic{Code: diag.CodeLimit, Message: "resolving was stopped", Err: err}
		return false
	}
	return true
}

// made counts bytes that expansion made.
func (r *resolver) made(o Origin, n int) bool {
	if r.fatal != nil {
		return false
	}
	if o != r.last.at {
		r.settle()
		r.last = cost{at: o}
	}
	r.last.bytes += n
	if r.expanded += n; r.expanded > r.limits.ExpandedBytes {
		r.settle()
		r.limit(o, expandedBytes, r.limits.ExpandedBytes, r.expanded)
		return false
	}
	return true
}

// cost is how many bytes expansion made for a place.
type cost struct {
	at    Origin
	bytes int
}

// expandedBytes is the limit whose costs are known.
const expandedBytes = "bytes of expanded policy"

// maxCosts is how many places an error names.
const maxCosts = 3

// settle takes note of what was made for the last place.
func (r *resolver) settle() {
	if r.last.bytes == 0 {
		return
	}
	at, _ := slices.BinarySearchFunc(r.costs, r.last, func(a, b cost) int { return cmp.Compare(b.bytes, a.bytes) })
	if at < maxCosts {
		r.costs = slices.Insert(r.costs, at, r.last)
		r.costs = r.costs[:min(len(r.costs), maxCosts)]
	}
}

// text is the statement of the place, as it was written, up to the end of its
// line.
func (c cost) text() string {
	f := c.at.File
	if f == nil || !c.at.Pos.IsValid() {
		return ""
	}
	text, _, _ := strings.Cut(f.Src[min(c.at.Pos.Offset(), len(f.Src)):], "\n")
	return strings.TrimSpace(text)
}

// finish turns the drafts into profiles.
func (r *resolver) finish() []*Profile {
	var out []*Profile
	for _, d := range r.top {
		r.resolveHead(d, nil)
	}
	if r.fatal != nil {
		return nil
	}
	r.orderDrafts(r.top)
	r.refuseDuplicates()
	var rest func(d *draft)
	rest = func(d *draft) {
		if r.fatal != nil || !r.alive() {
			return
		}
		r.resolveBody(d)
		out = append(out, d.out)
		for _, c := range d.children {
			rest(c)
		}
	}
	for _, d := range r.top {
		rest(d)
	}
	return out
}

// orderDrafts sorts the profiles of one level by namespace and name, and
// those below them likewise.
func (r *resolver) orderDrafts(list []*draft) {
	slices.SortStableFunc(list, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(a.out.Namespace, b.out.Namespace), cmp.Compare(a.out.Name, b.out.Name))
	})
	for _, d := range list {
		r.orderDrafts(d.children)
		if d.parent != nil {
			d.parent.out.Children = append(d.parent.out.Children, d.out)
		}
	}
}

// refuseDuplicates looks for profiles of one name. Kernels up to 7.3 fault on
// a load that has them, so the full names count, however they were written.
func (r *resolver) refuseDuplicates() {
	type key struct{ namespace, name string }
	first := map[key]*draft{}
	var visit func(list []*draft)
	visit = func(list []*draft) {
		for _, d := range list {
			k := key{d.out.Namespace, d.out.Name}
			if prev := first[k]; prev != nil {
				r.in = d
				e := r.errorf(d.out.Origin, diag.CodeDuplicateProfile, d.out.Name, "the profile %s is defined twice", d.out.FullName())
				e.Related = append(e.Related, prev.out.Origin.Position())
			} else {
				first[k] = d
			}
			visit(d.children)
		}
	}
	visit(r.top)
}
