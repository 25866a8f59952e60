package compile

import (
	"context"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// built is an automaton whose states are labelled with what they grant, as
// small as it can be. Label 0 is the empty grant.
type built struct {
	dfa    *automaton.DFA
	grants []grant // by label
}

// build makes the automaton of a rule set and tells how many states it had
// before it was minimised; finish, if set, completes each grant.
func (pc *profileCompiler) build(ctx context.Context, rs *ruleset, finish func(g grant, denied uint32) grant) (b built, states int, err error) {
	r := resolver{records: rs.records.all, space: rs.space}
	builder := automaton.Builder{Covers: r.covers}
	for _, e := range rs.entries {
		builder.Add(e.node, e.accept)
	}
	d, err := builder.Build(ctx, automaton.Limits{States: pc.c.limits.States, Memory: pc.c.limits.Memory})
	if err != nil {
		return built{}, 0, err
	}
	states = d.States()
	b.dfa, b.grants, err = automaton.Resolve(d, func(set []automaton.Accept) (grant, error) {
		g, denied, err := r.resolve(set)
		if err != nil {
			return g, err
		}
		if finish != nil {
			g = finish(g, denied)
		}
		if pc.c.keepDenials {
			g.denied = denied &^ g.allow
		}
		return g, nil
	})
	if err != nil {
		return built{}, 0, err
	}
	b.dfa, err = b.dfa.Minimize(ctx, automaton.MinimizeOptions{KeepStart: true})
	return b, states, err
}

// buildXMatch makes the automaton of attachments: always in the old form, and
// never with differential encoding, which kernels do not understand there.
func (pc *profileCompiler) buildXMatch(ctx context.Context, rs *ruleset) (*blob.PolicyDB, error) {
	b, states, err := pc.build(ctx, rs, nil)
	if err != nil {
		return nil, err
	}
	o := automaton.PackOptions{Accept: make([]uint32, len(b.grants)), Accept2: make([]uint32, len(b.grants))}
	for l, g := range b.grants {
		o.Accept[l] = g.allow
	}
	d, err := b.dfa.Pack(ctx, o)
	if err != nil {
		return nil, err
	}
	pc.stats.XMatch = AutomatonStats{len(rs.entries), states, d.States()}
	return &blob.PolicyDB{DFA: d}, nil
}

func (pc *profileCompiler) buildPolicydb(ctx context.Context, rs *ruleset) (*blob.PolicyDB, error) {
	b, states, err := pc.build(ctx, rs, nil)
	if err != nil {
		return nil, err
	}
	db := &blob.PolicyDB{}
	o := pc.c.form.pack(len(b.grants))
	if pc.c.form.table {
		var t permTable[blob.Perm]
		for l, g := range b.grants {
			o.Accept[l] = t.add(tablePolicydb(g))
		}
		db.Perms = t.entries
	} else {
		o.Accept2 = make([]uint32, len(b.grants))
		for l, g := range b.grants {
			o.Accept[l], o.Accept2[l] = oldPolicydb(g)
		}
	}
	if db.DFA, err = b.dfa.Pack(ctx, o); err != nil {
		return nil, err
	}
	pc.stats.Policydb = AutomatonStats{len(rs.entries), states, db.DFA.States()}
	return db, nil
}

func (pc *profileCompiler) buildFile(ctx context.Context, rs *ruleset) (*blob.PolicyDB, error) {
	b, states, err := pc.build(ctx, rs, impliedMmap)
	if err != nil {
		return nil, err
	}
	db := &blob.PolicyDB{XTable: pc.targets}
	o := pc.c.form.pack(len(b.grants))
	o.Accept2 = make([]uint32, len(b.grants))
	if pc.c.form.table {
		db.PermsVersion = filePermsVersion
		var t permTable[[2]blob.Perm]
		for l, g := range b.grants {
			o.Accept[l], o.Accept2[l] = 2*t.add(tableFile(g)), pairBit
		}
		for _, pair := range t.entries {
			db.Perms = append(db.Perms, pair[:]...)
		}
	} else {
		for l, g := range b.grants {
			o.Accept[l], o.Accept2[l] = oldFile(g)
		}
	}
	if db.DFA, err = b.dfa.Pack(ctx, o); err != nil {
		return nil, err
	}
	pc.stats.File = AutomatonStats{len(rs.entries), states, db.DFA.States()}
	return db, nil
}

// pairBit is the bit of ACCEPT2 that says that an entry is the owner's and
// that the one after it is for everybody else.
const pairBit = 1

// pack returns the options that fit the form, with room for labels.
func (f form) pack(labels int) automaton.PackOptions {
	return automaton.PackOptions{Accept: make([]uint32, labels), Wide: f.wide, Diff: f.diff}
}

// permTable collects the distinct entries of a permission table.
type permTable[P comparable] struct {
	entries []P
	index   map[P]uint32
}

func (t *permTable[P]) add(p P) uint32 {
	i, ok := t.index[p]
	if !ok {
		if t.index == nil {
			t.index = map[P]uint32{}
		}
		i = uint32(len(t.entries))
		t.index[p] = i
		t.entries = append(t.entries, p)
	}
	return i
}
