// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"errors"
	"slices"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// workspace is the memory in which instances are made, one after the other.
type workspace struct {
	base        *Base
	profile     policy.Profile // with the rules of the delta
	translation translation
	nodes       automaton.Nodes
	memory      automaton.Memory // of an attachment
	files       workPart
	policydb    workPart
	heads       []blob.Profile
	extended    []blob.Extended
	targets     []string
	counts      counts
	budget      automaton.Budget // of the attempt to add to the base
}

// workPart is the memory for one automaton.
type workPart struct {
	sum      automaton.Sum
	resolver resolver
	perms    []blob.Perm // entries of the permission table after the base's
	index    map[[2]blob.Perm]uint32
	none     blob.Extension // which adds no state
}

// largeWork is how many rules, or expressions, of a delta make a large workspace.
const largeWork = 1 << 10

// workspace returns memory to make an instance with some rules in.
func (b *Base) workspace(rules int) *workspace {
	if rules > largeWork {
		if w, ok := b.large.Get().(*workspace); ok {
			return w
		}
		return b.newWorkspace()
	}
	select {
	case w := <-b.free:
		return w
	default:
		return b.newWorkspace()
	}
}

func (b *Base) newWorkspace() *workspace {
	return &workspace{base: b, heads: make([]blob.Profile, len(b.set.Profiles)), extended: make([]blob.Extended, len(b.set.Profiles))}
}

// done gives memory back, of which a base keeps as much as there are processors:
// large ones for as long as nothing else needs the memory.
func (b *Base) done(w *workspace) {
	w.budget = automaton.Budget{} // which has the caller's context
	rules := len(w.profile.Rules)
	w.profile = policy.Profile{} // which is the caller's
	w.memory.Trim(maxMemory)
	if max(rules, len(w.translation.files.entries), len(w.translation.policydb.entries)) > largeWork {
		b.large.Put(w)
		return
	}
	select {
	case b.free <- w:
	default:
	}
}

// begin makes the translation of a delta ready. It comes after the base's.
func (w *workspace) begin(d *Delta) {
	b, t := w.base, &w.translation
	base := b.translation
	w.profile = d.profile(b.set.Profiles[0])
	w.nodes.Reset()
	files, policydb := t.files.again(), t.policydb.again()
	uses, places, sizes := t.execs.uses, t.execs.places, t.sizes.again()
	clear(uses)
	clear(places)
	*t = *newTranslation(&b.options, b.form, &w.profile, &w.budget)
	t.nodes, t.sizes = &w.nodes, sizes
	files.space, files.records.base = fileSpace, &base.files.records
	policydb.records.base = &base.policydb.records
	t.files, t.policydb = files, policydb
	t.execs = execs{places: places, uses: uses, base: &base.execs, baseName: base.profile.Name}
	t.caps = slices.Clip(base.caps)
	t.families = slices.Clone(base.families)
}

// again returns the memory of a rule set for another one.
func (rs *ruleset) again() ruleset {
	clear(rs.records.index)
	return ruleset{entries: rs.entries[:0], records: records{all: rs.records.all[:0], index: rs.records.index}}
}

// make makes what Frame.Append needs, in w.extended. Otherwise it tells why the
// instance has to be compiled as a whole.
func (w *workspace) make(ctx context.Context, d *Delta) (whole string, err error) {
	w.budget.Reset(ctx, w.base.limits.budget().HalfWork())
	if err := w.budget.Err(); err != nil {
		return "", err
	}
	b, t := w.base, &w.translation
	top := b.set.Profiles[0]
	switch {
	case !b.renamable && d.Name != "" && d.Name != top.Name:
		return "the name of the profile is part of the name of a target", nil
	case d.Flags != nil && confined(d.Flags) != confined(&top.Flags):
		return "a profile that confines is made of one that does not, or the other way round", nil
	}
	w.begin(d)
	head := &w.heads[0]
	*head = *members(&t.emitter)
	w.counts.degraded.head, w.counts.warned.head = len(t.degraded), len(t.warnings)
	if t.added(b.translation) {
		return "a rule adds permissions to a mount rule of the base", nil
	}
	head.Caps = t.caps.vectors()
	head.Families = t.families.masks()
	xmatch := attachment(&t.emitter, head)
	if err := w.budget.Err(); err != nil {
		return "", err
	}
	if len(t.errs) > 0 {
		return "there are errors", nil
	}
	head.XMatch = b.built[0].XMatch
	if d.Attachment != nil || w.profile.Name != top.Name {
		head.XMatch = nil
		if len(xmatch.entries) > 0 {
			u := builder{form: b.form, budget: &w.budget, memory: &w.memory}
			if head.XMatch, err = u.xmatch(xmatch); err != nil {
				return "", err
			}
		}
	}
	w.extended[0] = blob.Extended{Head: head}
	if w.extended[0].Policydb, err = w.add(&w.policydb, b.policydb, &t.policydb, b.writeClass); err != nil {
		return notAdded(err)
	}
	if w.extended[0].File, err = w.add(&w.files, b.files, &t.files, b.writeFile); err != nil {
		return notAdded(err)
	}
	return w.names(d), nil
}

// compile makes the policy as a whole, with what is left of the limits, and for
// the given reason.
func (w *workspace) compile(ctx context.Context, d *Delta, why string) (*Output, error) {
	b := w.base
	set, err := b.sources(ctx, why, w.translation.errs)
	if err != nil {
		return nil, err
	}
	q := newRequest(ctx, b.options)
	q.budget.Spend(int(w.budget.Used().Work))
	return compileSet(q, b.whole(d, set), b.options)
}

// notAdded tells an error that a whole compile may not have from others.
func notAdded(err error) (string, error) {
	var c *conflict
	switch {
	case errors.As(err, &c):
		return "rules conflict", nil
	case errors.Is(err, automaton.ErrAdded), errors.Is(err, errNoPart):
		return err.Error(), nil
	}
	return "", err
}

// names gives the profiles below their names, and the tables of targets those
// that follow from the name. It tells why that is not possible.
func (w *workspace) names(d *Delta) (whole string) {
	b, x := w.base, &w.extended[0]
	renamed := w.profile.Name != b.set.Profiles[0].Name
	more := w.translation.execs.targets
	if renamed && slices.Contains(b.named, asChild) || len(more) > 0 {
		w.targets = append(w.targets[:0], b.targets...)
		if renamed {
			for i, how := range b.named {
				if how == asChild {
					w.targets[i] = b.rename(w.targets[i], d)
				}
			}
		}
		w.targets = append(w.targets, more...)
		if x.File == nil {
			w.files.none = blob.Extension{}
			x.File = &w.files.none
		}
		x.File.XTable = w.targets
	}
	built := b.built
	for i := 1; i < len(built); i++ {
		w.heads[i] = *built[i]
		w.heads[i].Name = b.rename(built[i].Name, d)
		w.extended[i] = blob.Extended{Head: &w.heads[i]}
		if renamed && built[i].File != nil && len(built[i].File.XTable) > 0 {
			return "a profile below has targets that may follow from the name"
		}
		if renamed && built[i].XMatch != nil {
			return "a profile below attaches to its name"
		}
	}
	return ""
}

// confined reports whether a profile mediates what no rule speaks of.
func confined(f *policy.Flags) bool {
	return f.Mode != policy.Unconfined && f.Mode != policy.DefaultAllow
}

// added translates the rules of a delta. It reports whether one of them gives
// rules of the base permissions that these did not have.
func (t *translation) added(base *translation) bool {
	for i := range t.profile.Rules {
		t.prepare(t.profile.Rules[i].Rule)
	}
	for k, perms := range t.mounts {
		if before, ok := base.mounts[k]; ok {
			if perms&^before != 0 {
				return true
			}
			t.mounts[k] = before
		}
	}
	for i := range t.profile.Rules {
		if t.translate(i); len(t.errs) > maxErrors || t.budget.Err() != nil {
			break
		}
	}
	t.rule = nil
	if base.changer == nil && t.changer != nil {
		t.implied()
	}
	return false
}

// errNoPart is for rules of an automaton that the base does not have.
var errNoPart = errors.New("the base has no rule of the kind")

// add adds expressions to an automaton of the base.
func (w *workspace) add(to *workPart, from *basePart, rs *ruleset, write func(grant, uint32) written) (*blob.Extension, error) {
	if len(rs.entries) == 0 {
		return nil, nil
	}
	if from == nil {
		return nil, errNoPart
	}
	to.resolver.records, to.resolver.space = &rs.records, rs.space
	to.perms = to.perms[:0]
	clear(to.index)
	to.sum.Reset()
	if to.sum.Covers == nil {
		to.sum.Covers = to.resolver.covers
	}
	for _, e := range rs.entries {
		to.sum.Add(e.node, e.accept)
	}
	b := w.base
	e, err := to.sum.Build(&w.budget, from.automaton, automaton.SumOptions{
		Diff: b.form.diff,
		Weigh: func(base, added []automaton.Accept) (accept, accept2 uint32, err error) {
			g, denied, err := to.resolver.resolve(base, added)
			if err != nil {
				return 0, 0, err
			}
			return to.entry(from, write(g, denied))
		},
	})
	if err != nil {
		return nil, err
	}
	e.Perms, e.XTable = to.perms, nil
	return e, nil
}

// entry returns what ACCEPT and ACCEPT2 have for what is written.
func (to *workPart) entry(from *basePart, w written) (accept, accept2 uint32, err error) {
	if !from.table {
		return w.words.accept, w.words.accept2, nil
	}
	if from.pair {
		accept2 = blob.AcceptPair
	}
	if i, ok := from.index[w.entries]; ok {
		return i, accept2, nil
	}
	if i, ok := to.index[w.entries]; ok {
		return i, accept2, nil
	}
	i := uint32(from.entries + len(to.perms))
	to.perms = append(to.perms, w.entries[:from.width()]...)
	if checkTable(from.entries+len(to.perms)) != nil {
		return 0, 0, automaton.ErrAdded
	}
	if to.index == nil {
		to.index = map[[2]blob.Perm]uint32{}
	}
	to.index[w.entries] = i
	return i, accept2, nil
}

// output is what an instance has besides its policy, in the order of Compile.
func (w *workspace) output() Output {
	b, t := w.base, &w.translation
	var out Output
	was, name := b.set.Profiles[0].Name, w.profile.Name
	// What comes from the base says the base's name.
	rename := func(profile string) string { return name + profile[min(len(was), len(profile)):] }
	out.Degraded = splice(b.out.Degraded, t.degraded, b.counts, w.counts, (*counts).degradations, func(d Degradation) Degradation {
		d.Profile = rename(d.Profile)
		return d
	})
	out.Warnings = splice(b.out.Warnings, t.warnings, b.counts, w.counts, (*counts).warnings, func(d *diag.Diagnostic) *diag.Diagnostic {
		c := *d
		c.Profile = rename(c.Profile)
		return &c
	})
	out.Stats = slices.Clone(b.out.Stats)
	for i := range out.Stats {
		out.Stats[i].Profile = rename(out.Stats[i].Profile)
	}
	w.policydb.count(&out.Stats[0].Policydb, len(t.policydb.entries), w.extended[0].Policydb)
	w.files.count(&out.Stats[0].File, len(t.files.entries), w.extended[0].File)
	u := w.budget.Used()
	out.Used = Limits{Work: u.Work, States: u.States, Memory: u.Memory}
	return out
}

// count adds what an automaton was extended by.
func (to *workPart) count(s *AutomatonStats, rules int, e *blob.Extension) {
	if rules > 0 && e != nil {
		s.Rules += rules
		s.Built += to.sum.Pairs() - 1
		s.States += len(e.Base) - 1
	}
}

// counts tells how many degradations and warnings of a profile there are after
// its head, its rules and its attachments.
type counts struct {
	degraded, warned struct{ head, rules, all int }
}

// splice puts what comes from the rules of a delta after what comes from those
// of the base. What comes from heads and attachments is the instance's, and what
// follows is about other profiles.
func splice[T any, L ~[]T](base, own L, b, o counts, of func(*counts) (head, rules, all int), named func(T) T) L {
	head, rules, all := of(&b)
	ownHead, _, _ := of(&o)
	n := rules - head + len(own) + len(base) - all
	if n == 0 {
		return nil
	}
	list := append(make(L, 0, n), own[:ownHead]...)
	for _, x := range base[head:rules] {
		list = append(list, named(x))
	}
	list = append(list, own[ownHead:]...)
	for _, x := range base[all:] {
		list = append(list, named(x))
	}
	return list
}

func (c *counts) degradations() (head, rules, all int) {
	return c.degraded.head, c.degraded.rules, c.degraded.all
}

func (c *counts) warnings() (head, rules, all int) {
	return c.warned.head, c.warned.rules, c.warned.all
}
