// SPDX-License-Identifier: Apache-2.0

// Package compile turns resolved profiles into the kernel's binary policy.
//
// Compile is pure: the same profiles and options give the same bytes, in any
// process and from any number of goroutines. What it returns was verified
// with the kernel's own checks, see package blob.
//
// Output follows the kernel's features. Kernels without usable permission
// tables (up to 6.12) get the packed permissions and 16-bit tables that every
// kernel loads; later ones get permission tables and, if they make the policy
// smaller, wide tables and differentially encoded states.
//
// # What a kernel cannot enforce
//
// A rule whose class the kernel does not mediate, or mediates less finely
// than the rule says, is refused unless Options.Degrade is Report; then the
// policy is compiled without it, or with what the kernel can do, and every
// such rule is in Output.Degraded.
//
// By choosing an ABI, the policy's author decides which classes are mediated:
// one that the ABI does not know is not, whatever the kernel can do, and its
// rules are left out in both modes. They are listed in Output.Degraded as
// well.
//
// # Bases and instances
//
// Profiles of machines are alike but for a name and a few rules. A Base is the
// policy that they have in common, compiled once; Base.Instantiate adds the rest,
// a Delta, at a cost that grows with the delta and not with the base.
//
// The delta's rules are translated as Compile translates them, after those of
// the base. Their automaton and the base's are walked together from the start
// for as long as the delta's is alive; each pair of states that comes up is a new
// state, whose permissions are weighed anew from the rules of both, and whose
// transitions are those of the base but for the few on which the delta stays
// alive. Everything else is the base's: its states keep their numbers, its tables
// are copied as bytes, and the new states take slots that were free. Pairs that
// do what a state of the base does become that state, and pairs that do the same
// become one. With differential encoding a new state is its state of the base and
// one or two differences.
//
// The result is not the smallest automaton, as that of Compile is, and means the
// same. What cannot be added in this way is compiled as a whole, and
// Instance.Whole says why: a delta with rules for an automaton that the base does
// not have, with flags that change what is mediated, with permissions for a mount
// rule of the base, with more states or permissions than the base's tables can
// number, or with errors, which are then those of Compile.
//
// For libvirt's profile of a machine with 8 rules of its own and 6.12's features
// an instance takes about 1/75 of the processor time of Compile and 24
// allocations, and 1/300 where the caller has memory for the result (Append);
// with 100 rules 1/50, with two patterns that have a `**` 1/40 and 47
// allocations. A digest of the result takes as long as an Append. The memory in
// which instances are made is used again: 10,000 literal rules take no more
// allocations than 8, while each pattern takes about 10. BenchmarkInstantiate
// measures all of them in one run.
//
// The work grows with the delta (BenchmarkGrowth, kernel 7.3's features, CPU time
// in ms of one run on loaded cores; where two numbers of rules differ by ten, a
// factor of ten is linear, and sorting and the processor's caches take the rest):
//
//	rules                        100   1,000  10,000
//	/srv/d1/name1               0.65     3.0      46
//	/srv/d1/name1-*             0.52     3.6      25
//	/srv/d1/name1/**            0.42     2.2      49
//	/srv/d1/name1.{log,pid,…}   0.44     3.4      44
//	/srv/{a,b,c}/d1/name1       0.57     2.2      38
//	/srv/d1/*/name1             0.62     1.7      24
//	/srv/d1/**/name1            0.74     2.3      35
//
// A base can be saved (Base.AppendBinary) and opened in another process
// (OpenBase), on any machine with the same version of this module, for the same
// kernel features and options; anything else is refused. Opening verifies the
// policy again and builds no automaton: for the same profile it takes 2/5 of the
// processor time of Compile and 1/6 of that of NewBase. Whoever can write the file
// decides what instances allow, so keep it where only root writes, or know it by a
// digest that came in a way that can be trusted.
//
// # Where the reference is not followed
//
// The meaning of policy is that of apparmor_parser 6.0, which was compared by
// its output for upstream's, Debian's and random policy. The documentation
// lists the differences, with an example and a test for each:
// docs/differences-from-apparmor_parser.md.
package compile

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// Degrade tells what to do with rules that the kernel cannot enforce.
type Degrade uint8

// The ways to treat them.
const (
	// Strict refuses the policy, with a diagnostic for every such rule.
	Strict Degrade = iota
	// Report leaves the rule out, or keeps the part that the kernel can
	// enforce, and lists it in Output.Degraded.
	Report
)

// Options configure Compile.
type Options struct {
	// Kernel is what the kernel can enforce and how it wants policy written.
	// It must be set.
	Kernel *features.Set
	// Degrade tells what to do with rules that the kernel cannot enforce.
	Degrade Degrade
	// KeepDenials writes into permission tables what rules deny. Otherwise, as
	// in the reference, tables say what is allowed and which denials are not
	// logged, so an audited denial looks like the absence of a rule. It makes
	// tables larger, and has no effect for kernels without usable tables.
	KeepDenials bool
	// PlainNames writes a profile that is named by a plain path and has no
	// attachment as apparmor_parser up to 4.1 does: without an automaton, so
	// that kernels compare its name and prefer it to any profile whose
	// attachment matches. Otherwise, as in apparmor_parser 5.0.2 and 6.0, its
	// name becomes an attachment like any other, and may conflict with another
	// one.
	PlainNames bool
	// Limits bound the work. The zero value selects the defaults.
	Limits Limits
}

// Output is a compiled policy.
type Output struct {
	// Policy is the binary policy, verified.
	Policy *blob.Policy
	// Degraded lists what is not enforced as written, in the order of
	// profiles and their rules.
	Degraded []Degradation
	// Warnings are about rules whose problems show only when they are
	// compiled.
	Warnings diag.List
	// Stats has one element per profile, in the order of the policy.
	Stats []Stats
	// Used is what compiling took of each of the limits.
	Used Limits
}

// Stats says how large the automata of a profile are. It is zero for an
// automaton that the profile does not have.
type Stats struct {
	Profile string // its name
	// XMatch, Policydb and File are the automata of attachments, of all other
	// classes, and of files.
	XMatch, Policydb, File AutomatonStats
}

// AutomatonStats are the figures of one automaton.
type AutomatonStats struct {
	Rules  int // expressions made from rules
	Built  int // states before minimisation
	States int // states as written
}

// Errors of the call itself.
var (
	// ErrNoKernel is returned when Options.Kernel is nil.
	ErrNoKernel = errors.New("compile: no kernel features given")
	// ErrNoProfiles is returned for a set without profiles: there is no empty
	// binary policy.
	ErrNoProfiles = errors.New("compile: no profiles to compile")
)

// Compile compiles profiles for a kernel. Errors in the policy are a
// diag.List, whose elements name places; a limit that was exceeded is a
// *diag.LimitError and matches diag.ErrLimit. If ctx ends first, the error is
// the context's.
//
// The set is only read.
func Compile(ctx context.Context, set *policy.Set, o Options) (*Output, error) {
	return compileSet(newRequest(ctx, o), set, o)
}

// CompileAll compiles profiles of any namespaces, an Output for each namespace,
// in the order of ByNamespace. The limits are for all of them together. The
// errors are those of Compile.
func CompileAll(ctx context.Context, set *policy.Set, o Options) ([]*Output, error) {
	q := newRequest(ctx, o)
	var all []*Output
	for _, s := range ByNamespace(set) {
		out, err := compileSet(q, s, o)
		if err != nil {
			return nil, err
		}
		all = append(all, out)
	}
	return all, nil
}

func newRequest(ctx context.Context, o Options) *request {
	limits := o.Limits.withDefaults()
	return &request{ctx: ctx, limits: limits, budget: automaton.NewBudget(ctx, limits.budget())}
}

// compileSet compiles the profiles of one namespace.
func compileSet(q *request, set *policy.Set, o Options) (*Output, error) {
	c, err := newCompiler(q, set, o)
	if err != nil {
		return nil, err
	}
	if err := c.budget.Err(); err != nil {
		return nil, err
	}
	c.memory = takeMemory()
	defer func() {
		freeMemory(c.memory)
		c.memory = nil // as who keeps the output keeps c
	}()
	profiles := make([]*blob.Profile, 0, len(set.Profiles))
	for _, p := range set.Profiles {
		b, err := c.profile(p)
		if err != nil {
			return nil, err
		}
		if b != nil {
			profiles = append(profiles, b)
			if err := c.count(b); err != nil {
				return nil, err
			}
		}
		if len(c.errs) > maxErrors {
			break
		}
	}
	if err := c.errs.Err(); err != nil {
		return nil, err
	}
	conflicts, err := attachConflicts(c.budget, set, profiles)
	if err != nil {
		return nil, err
	}
	if c.options.Degrade == Strict && len(conflicts) > 0 {
		return nil, conflicts
	}
	for _, w := range conflicts {
		w.Severity, w.Class = diag.Warning, diag.ClassDangerous
		c.out.Warnings = append(c.out.Warnings, w)
	}
	p, err := blob.Encode(profiles)
	if err != nil {
		return nil, notLoadable(set, err)
	}
	if err := p.Check(blob.LimitsOf(c.options.Kernel)); err != nil {
		return nil, notLoadable(set, err)
	}
	c.binary += int64(p.Len())
	if !c.budget.Spend(p.Len()) {
		return nil, c.budget.Err()
	}
	if err := c.limits.checkBytes(c.binary); err != nil {
		return nil, err
	}
	c.out.Policy, c.out.Used = p, c.used()
	return &c.out, nil
}

// maxErrors is how many errors are collected before the work stops.
const maxErrors = 100

// compiler is what the profiles of one run share.
type compiler struct {
	*request
	options Options
	form    form
	memory  *automaton.Memory
	// keepDenials is the option, if the form can hold denials.
	keepDenials bool
	out         Output
	errs        diag.List
}

func newCompiler(q *request, set *policy.Set, o Options) (*compiler, error) {
	if o.Kernel == nil {
		return nil, ErrNoKernel
	}
	if set == nil || len(set.Profiles) == 0 {
		return nil, ErrNoProfiles
	}
	if err := checkNames(set.Profiles); err != nil {
		return nil, err
	}
	c := &compiler{request: q, options: o, form: formOf(o.Kernel)}
	c.keepDenials = o.KeepDenials && c.form.table
	return c, nil
}

// checkNames refuses two profiles of one name, since kernels crash when such a
// set replaces a loaded profile, and profiles of different namespaces, which
// cannot be loaded together.
func checkNames(profiles []*policy.Profile) error {
	seen := make(map[string]*policy.Profile, len(profiles))
	var errs diag.List
	for _, p := range profiles {
		if ns := profiles[0].Namespace; p.Namespace != ns {
			errs = append(errs, &diag.Diagnostic{
				Code: diag.CodeMixedNamespaces, Pos: p.Origin.Position(), Via: p.Origin.Chain(), Profile: p.Name,
				Message: fmt.Sprintf("profile is in namespace %q, the first one in %q", p.Namespace, ns),
				Hint:    "kernels load the profiles of one namespace at a time; see ByNamespace",
				Related: []ast.Position{profiles[0].Origin.Position()},
			})
		}
		if first := seen[p.Name]; first != nil {
			errs = append(errs, &diag.Diagnostic{
				Code: diag.CodeDuplicateProfile, Pos: p.Origin.Position(), Via: p.Origin.Chain(), Profile: p.Name,
				Message: fmt.Sprintf("profile %s is defined twice", p.Name),
				Related: []ast.Position{first.Origin.Position()},
			})
			continue
		}
		seen[p.Name] = p
	}
	return errs.Err()
}

// notLoadable reports what kernels refuse, or what is not binary policy at
// all, at the profile that it is about.
func notLoadable(set *policy.Set, err error) error {
	d := &diag.Diagnostic{Code: diag.CodeNotLoadable, Err: err}
	var format *blob.FormatError
	var kernel *blob.KernelError
	switch {
	case errors.As(err, &format):
		d.Profile, d.Text, d.Message, d.Hint = format.Profile, format.Member, format.Reason, format.Hint
	case errors.As(err, &kernel):
		d.Profile, d.Text, d.Message, d.Hint = kernel.Profile, kernel.Member, kernel.Reason, kernel.Hint
	default:
		return err
	}
	for _, p := range set.Profiles {
		if p.Name == d.Profile {
			d.Pos, d.Via = p.Origin.Position(), p.Origin.Chain()
			break
		}
	}
	return diag.List{d}
}

// ByNamespace splits a set into one for each namespace, in the order in which
// the namespaces first appear. Profiles keep their order. Kernels load the
// profiles of one namespace at a time: some refuse a mixture, others put all
// of it into the first namespace.
func ByNamespace(set *policy.Set) []*policy.Set {
	var sets []*policy.Set
	index := map[string]*policy.Set{}
	for _, p := range set.Profiles {
		s := index[p.Namespace]
		if s == nil {
			s = &policy.Set{}
			index[p.Namespace] = s
			sets = append(sets, s)
		}
		s.Profiles = append(s.Profiles, p)
	}
	return sets
}
