// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/policy"
)

// Base is a compiled set of profiles that others are made of at the cost of what
// they differ in: a profile of a machine is that of every machine with a name of
// its own and a few rules more. See Instantiate.
//
// A Base is safe for concurrent use.
type Base struct {
	options Options
	form    form
	limits  Limits // of each instance
	set     *policy.Set
	out     *Output
	built   []*blob.Profile // out's
	frame   *blob.Frame
	// keepDenials is the option where there is a place for denials.
	keepDenials bool

	translation *translation // of the first profile
	counts      counts
	renumber    func(grant) grant // of the targets of the first profile
	targets     []string          // of it, in the order of the table
	named       []targetName      // how rules name them
	renamable   bool              // the profile's name is nowhere but in these and in the names of children
	files       *basePart
	policydb    *basePart

	free  chan *workspace // which no instance is being made in
	large sync.Pool       // of *workspace, for large deltas

	// An opened base has of its profiles what instances need, in set. The rest is
	// read when it is needed.
	opened   bool
	profiles func(context.Context) (*policy.Set, error)
	mu       sync.Mutex
	read     *policy.Set
}

// basePart is one of the automata of the first profile.
type basePart struct {
	automaton *automaton.Base
	table     bool                    // it has a permission table
	pair      bool                    // whose entries go in pairs
	index     map[[2]blob.Perm]uint32 // in that
	entries   int                     // how many it has
}

// width returns how many entries belong together.
func (x *basePart) width() int {
	if x.pair {
		return 2
	}
	return 1
}

// ErrBase is returned for sets that no Base can be made of: the first profile
// must be the only one at the top.
var ErrBase = errors.New("compile: a base has one profile, and those below it")

// NewBase compiles a set of profiles to make instances of. The first profile is
// the one that instances change; the others are below it. The errors are those
// of Compile, and ErrBase. The limits are for the base with what it needs beside
// its policy, which is about as much again as for the first profile.
//
// The set must not be changed any more.
func NewBase(ctx context.Context, set *policy.Set, o Options) (*Base, error) {
	q := newRequest(ctx, o)
	c, err := newCompiler(q, set, o)
	if err != nil {
		return nil, err
	}
	top := set.Profiles[0]
	for _, p := range set.Profiles[1:] {
		if !below(p, top) {
			return nil, ErrBase
		}
	}
	b := &Base{
		options: o, form: c.form, limits: c.limits, keepDenials: c.keepDenials, set: set,
		free: make(chan *workspace, runtime.GOMAXPROCS(0)),
	}
	if b.out, err = compileSet(q, set, o); err != nil {
		return nil, err
	}
	if b.frame, err = blob.NewFrame(b.out.Policy, blob.LimitsOf(o.Kernel)); err != nil {
		return nil, err
	}
	b.built = b.out.Policy.Profiles()
	t := newTranslation(&b.options, b.form, top, c.budget)
	members(&t.emitter)
	b.counts.degraded.head, b.counts.warned.head = len(t.degraded), len(t.warnings)
	t.run()
	b.counts.degraded.rules, b.counts.warned.rules = len(t.degraded), len(t.warnings)
	attachment(&t.emitter, &blob.Profile{})
	b.counts.degraded.all, b.counts.warned.all = len(t.degraded), len(t.warnings)
	if err := c.budget.Err(); err != nil {
		return nil, buildError(&t.emitter, c.exceeded(t, noPart, err))
	}
	b.translation = t
	b.name(t)
	built := b.built[0]
	if b.files, err = b.part(c.budget, &t.files, built.File, b.writeFile); err != nil {
		return nil, buildError(&t.emitter, c.exceeded(t, blob.PartFile, err))
	}
	if b.policydb, err = b.part(c.budget, &t.policydb, built.Policydb, b.writeClass); err != nil {
		return nil, buildError(&t.emitter, c.exceeded(t, blob.PartPolicydb, err))
	}
	t.budget, t.sizes, t.nodes = nil, sizes{}, nil // which are this request's
	return b, nil
}

// name sets what follows from how rules name the targets of exec.
func (b *Base) name(t *translation) {
	b.targets, b.renumber = sortTargets(t.execs.targets)
	b.named = make([]targetName, len(b.targets))
	for i, target := range t.execs.targets {
		at, _ := slices.BinarySearch(b.targets, target)
		b.named[at] = t.execs.named[i]
	}
	b.renamable = t.profile.Parent == nil && !slices.Contains(b.named, inFull|asChild)
}

// below reports whether a profile is below another one.
func below(p, top *policy.Profile) bool {
	for p = p.Parent; p != nil; p = p.Parent {
		if p == top {
			return true
		}
	}
	return false
}

// Output is what Compile makes of the set as it is.
func (b *Base) Output() *Output { return b.out }

// written is what is written for a state: words of the old form, or entries of a
// permission table, two for files and one for the other classes.
type written struct {
	words   words
	entries [2]blob.Perm
}

// writeFile returns what is written for what files are granted.
func (b *Base) writeFile(g grant, denied uint32) written {
	g = impliedMmap(g, denied)
	if !b.form.table {
		return written{words: oldFile(b.renumber(g))}
	}
	return written{entries: tableFile(b.renumber(b.denied(g, denied)))}
}

// writeClass returns what is written for what the other classes are granted.
func (b *Base) writeClass(g grant, denied uint32) written {
	if !b.form.table {
		return written{words: oldPolicydb(g)}
	}
	return written{entries: [2]blob.Perm{tablePolicydb(b.denied(g, denied))}}
}

// denied adds to a grant what is denied, where that is written.
func (b *Base) denied(g grant, denied uint32) grant {
	if b.keepDenials {
		g.denied = denied &^ g.allow
	}
	return g
}

// part builds an automaton once more, this time with its accept values.
func (b *Base) part(budget *automaton.Budget, rs *ruleset, db *blob.PolicyDB, write func(grant, uint32) written) (*basePart, error) {
	if db == nil {
		return nil, nil
	}
	r := resolver{records: &rs.records, space: rs.space}
	fine, err := rs.builder(&r).Build(budget)
	if err != nil {
		return nil, err
	}
	keep := automaton.MinimizeOptions{KeepStart: true}
	if fine, err = fine.Minimize(budget, keep); err != nil {
		return nil, err
	}
	least, _, err := automaton.Resolve(budget, fine, func(set []automaton.Accept) (written, error) {
		g, denied, err := r.resolve(set)
		return write(g, denied), err
	})
	if err != nil {
		return nil, err
	}
	if least, err = least.Minimize(budget, keep); err != nil {
		return nil, err
	}
	x := newPart(rs, db)
	x.automaton, err = automaton.NewBase(fine, least, db.DFA)
	return x, err
}

// newPart returns a part without its automaton.
func newPart(rs *ruleset, db *blob.PolicyDB) *basePart {
	x := &basePart{table: db.Perms != nil, pair: rs.space == fileSpace, entries: len(db.Perms), index: map[[2]blob.Perm]uint32{}}
	for i := 0; i < len(db.Perms); i++ {
		p := [2]blob.Perm{db.Perms[i]}
		if x.pair {
			i++
			p[otherHalf] = db.Perms[i]
		}
		x.index[p] = uint32(i / x.width() * x.width())
	}
	return x
}

// Delta is what an instance differs in from its Base.
type Delta struct {
	// Name is the name of the profile, and what the names of those below it
	// begin with; empty: the base's. Rules that say it, through
	// @{profile_name}, belong into Rules, not into the base.
	Name string
	// Attachment takes the place of the base's attachment and of what aliases
	// made of it; nil: it stays.
	Attachment *ast.Pattern
	// Flags take the place of the base's; nil: they stay.
	Flags *policy.Flags
	// Rules follow those of the base. They are as in a policy.Profile: valid
	// and without variables; see policy.Profile.Add. They are only read.
	Rules []policy.Rule
}

// Instance is a policy made of a Base.
type Instance struct {
	Output
	// Whole tells why the policy was compiled as a whole, and not from what the
	// base has: it means the same, and took longer. It is empty otherwise.
	Whole string
}

// Instantiate makes a policy of a base and what it differs in. It means what
// Compile makes of the same profiles with the rules of both, which it also is
// where such a policy cannot be made otherwise; see Instance.Whole. The same base
// and delta give the same bytes, in any process.
//
// The policy is verified as that of Compile is: its base was, when the Base was
// made, and now what comes on top. Options of the base hold for instances, and so
// do its limits, for what each takes beside the base, and Bytes for the whole
// policy. Half of the work is for the attempt to add to the base; what that took
// counts when the policy is then compiled as a whole, but for its states, which
// are given back. The errors are those of Compile.
func (b *Base) Instantiate(ctx context.Context, d *Delta) (*Instance, error) {
	w := b.workspace(len(d.Rules))
	defer b.done(w)
	whole, err := w.make(ctx, d)
	if err == nil && whole == "" {
		i := &Instance{Output: w.output()}
		if i.Policy, err = b.frame.Policy(w.extended); err == nil {
			i.Used.Bytes = int64(i.Policy.Len())
			err = b.limits.checkBytes(i.Used.Bytes)
		}
		if err == nil {
			return i, nil
		}
		whole = "the result is refused: " + err.Error()
	}
	if err != nil && ctx.Err() != nil {
		return nil, err
	}
	if whole == "" {
		whole = err.Error()
	}
	out, err := w.compile(ctx, d, whole)
	if err != nil {
		return nil, err
	}
	return &Instance{*out, whole}, nil
}

// Append is Instantiate for the stream alone, which it appends to dst. On an
// error dst is returned as it was.
func (b *Base) Append(ctx context.Context, dst []byte, d *Delta) ([]byte, error) {
	w := b.workspace(len(d.Rules))
	defer b.done(w)
	whole, err := w.make(ctx, d)
	if err == nil && whole == "" {
		var out []byte
		if out, err = b.frame.Append(dst, w.extended); err == nil {
			err = b.limits.checkBytes(int64(len(out) - len(dst)))
		}
		if err == nil {
			return out, nil
		}
		whole = "the result is refused: " + err.Error()
	}
	if err != nil && ctx.Err() != nil {
		return dst, err
	}
	if whole == "" {
		whole = err.Error()
	}
	out, err := w.compile(ctx, d, whole)
	if err != nil {
		return dst, err
	}
	return out.Policy.AppendBinary(dst)
}

// profile returns the first profile of an instance, with the rules of the delta
// alone.
func (d *Delta) profile(top *policy.Profile) policy.Profile {
	p := *top
	if d.Name != "" {
		p.Name = d.Name
	}
	if d.Attachment != nil {
		p.Attachment, p.Alternates = *d.Attachment, nil
	}
	if d.Flags != nil {
		p.Flags = *d.Flags
	}
	p.Rules = d.Rules
	return p
}

// rename returns the name in an instance of a profile below the first one.
func (b *Base) rename(name string, d *Delta) string {
	if d.Name == "" {
		return name
	}
	return d.Name + name[len(b.set.Profiles[0].Name):]
}

// whole makes the set that an instance is the policy of.
func (b *Base) whole(d *Delta, of *policy.Set) *policy.Set {
	set := &policy.Set{Profiles: make([]*policy.Profile, len(of.Profiles))}
	made := make(map[*policy.Profile]*policy.Profile, len(of.Profiles))
	for i, p := range of.Profiles {
		q := *p
		if i == 0 {
			q = d.profile(p)
			q.Rules = slices.Concat(p.Rules, d.Rules)
		} else {
			q.Name = b.rename(p.Name, d)
			q.Parent = made[p.Parent]
		}
		set.Profiles[i], made[p] = &q, &q
	}
	for _, p := range set.Profiles {
		p.Children = slices.Clone(p.Children)
		for i, child := range p.Children {
			p.Children[i] = made[child]
		}
	}
	return set
}
