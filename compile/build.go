// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// built is an automaton whose states are labelled with what is written for
// them, as small as it can be. Label 0 is that of the empty grant.
type built[W comparable] struct {
	dfa    *automaton.DFA
	words  []W // by label, each of them once
	states int // before it was minimised
}

// words are the entries of ACCEPT and ACCEPT2 in the old form.
type words struct{ accept, accept2 uint32 }

// build makes the automaton of a rule set. write turns what is granted to a
// string, and what the strongest rules deny, into what is written: states
// whose grants are the same to the kernel can be merged.
//
// The automaton holds until the memory is used for another one.
func build[W comparable](budget *automaton.Budget, memory *automaton.Memory, rs *ruleset, write func(g grant, denied uint32) W) (b built[W], err error) {
	r := resolver{records: &rs.records, space: rs.space}
	// What the budget does not count must stay small.
	memory.Trim(maxMemory)
	d, err := rs.builder(&r).BuildIn(memory, budget)
	if err != nil {
		return b, err
	}
	b.states = d.States()
	d = memory.Release(d)
	d, b.words, err = automaton.Resolve(budget, d, func(set []automaton.Accept) (w W, err error) {
		g, denied, err := r.resolve(set)
		if err != nil {
			return w, err
		}
		return write(g, denied), nil
	})
	if err != nil {
		return b, err
	}
	b.dfa, err = d.MinimizeIn(memory, budget, automaton.MinimizeOptions{KeepStart: true})
	return b, err
}

// stats returns the figures of the automaton of a rule set.
func (b *built[W]) stats(rs *ruleset) AutomatonStats {
	return AutomatonStats{len(rs.entries), b.states, b.dfa.States()}
}

// builder makes the automata of a profile for a kernel.
type builder struct {
	form        form
	budget      *automaton.Budget
	memory      *automaton.Memory
	keepDenials bool
	targets     []string // of exec transitions, as records number them
	stats       Stats
}

// xmatch makes the automaton of attachments: always in the old form, and
// never with differential encoding, which kernels do not understand there.
func (u *builder) xmatch(rs *ruleset) (*blob.PolicyDB, error) {
	b, err := build(u.budget, u.memory, rs, func(g grant, _ uint32) words { return words{accept: g.allow} })
	if err != nil {
		return nil, err
	}
	u.stats.XMatch = b.stats(rs)
	return u.oldForm(b, form{})
}

// policydb makes the automaton of all classes but files.
func (u *builder) policydb(rs *ruleset) (*blob.PolicyDB, error) {
	if !u.form.table {
		b, err := build(u.budget, u.memory, rs, func(g grant, _ uint32) words { return oldPolicydb(g) })
		if err != nil {
			return nil, err
		}
		u.stats.Policydb = b.stats(rs)
		return u.oldForm(b, u.form)
	}
	b, err := build(u.budget, u.memory, rs, func(g grant, denied uint32) blob.Perm {
		return tablePolicydb(u.keepDenied(g, denied))
	})
	if err != nil {
		return nil, err
	}
	u.stats.Policydb = b.stats(rs)
	if err := checkTable(len(b.words)); err != nil {
		return nil, err
	}
	o := u.form.pack(len(b.words))
	for l := range o.Accept {
		o.Accept[l] = uint32(l)
	}
	db := &blob.PolicyDB{Perms: b.words}
	db.DFA, err = b.dfa.PackIn(u.memory, u.budget, o)
	return db, err
}

// file makes the automaton of files.
func (u *builder) file(rs *ruleset) (db *blob.PolicyDB, err error) {
	targets, renumber := sortTargets(u.targets)
	if !u.form.table {
		b, err := build(u.budget, u.memory, rs, func(g grant, denied uint32) words { return oldFile(renumber(impliedMmap(g, denied))) })
		if err != nil {
			return nil, err
		}
		u.stats.File = b.stats(rs)
		if db, err = u.oldForm(b, u.form); err != nil {
			return nil, err
		}
		db.XTable = targets
		return db, nil
	}
	b, err := build(u.budget, u.memory, rs, func(g grant, denied uint32) [2]blob.Perm {
		return tableFile(renumber(u.keepDenied(impliedMmap(g, denied), denied)))
	})
	if err != nil {
		return nil, err
	}
	u.stats.File = b.stats(rs)
	if err := checkTable(2 * len(b.words)); err != nil {
		return nil, err
	}
	db = &blob.PolicyDB{XTable: targets, PermsVersion: filePermsVersion, Perms: make([]blob.Perm, 0, 2*len(b.words))}
	o := u.form.pack(len(b.words))
	o.Accept2 = make([]uint32, len(b.words))
	for l, pair := range b.words {
		o.Accept[l], o.Accept2[l] = uint32(len(db.Perms)), blob.AcceptPair
		db.Perms = append(db.Perms, pair[:]...)
	}
	db.DFA, err = b.dfa.PackIn(u.memory, u.budget, o)
	return db, err
}

// sortTargets returns exec targets in the order of their names, and how to
// refer to them in a grant: the order in which rules name them has no meaning,
// and some of those rules are overridden.
func sortTargets(targets []string) (sorted []string, renumber func(grant) grant) {
	sorted = slices.Sorted(slices.Values(targets))
	place := make([]uint32, len(targets))
	for i, t := range targets {
		at, _ := slices.BinarySearch(sorted, t)
		place[i] = uint32(at)
	}
	return sorted, func(g grant) grant {
		for h, x := range g.exec {
			// The targets of a Base keep their places before others.
			if i := x & blob.XIndexMask; x&blob.XTypeMask == blob.XTable && int(i) < len(place) {
				g.exec[h] = x&^blob.XIndexMask | place[i]
			}
		}
		return g
	}
}

// oldForm writes an automaton in the old form.
func (u *builder) oldForm(b built[words], f form) (*blob.PolicyDB, error) {
	o := f.pack(len(b.words))
	o.Accept2 = make([]uint32, len(b.words))
	for l, w := range b.words {
		o.Accept[l], o.Accept2[l] = w.accept, w.accept2
	}
	d, err := b.dfa.PackIn(u.memory, u.budget, o)
	if err != nil {
		return nil, err
	}
	return &blob.PolicyDB{DFA: d}, nil
}

// keepDenied adds to a grant what is denied, if that is written.
func (u *builder) keepDenied(g grant, denied uint32) grant {
	if u.keepDenials {
		g.denied = denied &^ g.allow
	}
	return g
}

// pack returns the options for the form, with space for labels.
func (f form) pack(labels int) automaton.PackOptions {
	return automaton.PackOptions{Accept: make([]uint32, labels), Wide: f.wide, Diff: f.diff}
}
