// SPDX-License-Identifier: Apache-2.0

// Package automaton turns patterns of bytes into the tables that kernels
// match with.
//
// The steps are these. Expressions (Node, most of them from Glob) are added to
// a Builder, each with an accept value. Build makes one deterministic
// automaton of them, in which every state knows all accept values that meet
// there. Resolve weighs these against each other, which turns sets of accept
// values into labels. Minimize merges states that no string can distinguish.
// Pack writes the comb tables of package blob.
//
//	b := new(automaton.Builder)
//	b.Add(node, accept)
//	dfa, err := b.Build(ctx, limits)
//	dfa, perms, err := automaton.Resolve(dfa, resolve)
//	dfa, err = dfa.Minimize(ctx, automaton.MinimizeOptions{KeepStart: true})
//	tables, err := dfa.Pack(ctx, automaton.PackOptions{Accept: words(perms)})
//
// State 0 is always the dead state, which no string leaves, and state 1 the
// start.
//
// # Algorithms
//
// Rules first share their common beginnings (trie.go), then become a
// nondeterministic automaton (thompson.go): Thompson's construction, "Regular
// expression search algorithm", Communications of the ACM 11(6), 1968. It is
// built from the ends of the rules, and states with equal edges are one
// (hash-consing), so that rules share their common ends as well. Linear in the
// length of the rules. Followpos sets, which apparmor_parser uses, have no such
// states to share.
//
// Bytes that no state distinguishes are one class (classes.go), as in lexer
// generators: everything below works on a few dozen classes instead of 256
// bytes.
//
// The subset construction makes it deterministic (subset.go, subset_row.go):
// Rabin and Scott, "Finite automata and their decision problems", IBM Journal
// of Research and Development 3(2), 1959. It is exponential in the worst case.
// What keeps real policy small is subsumption (subsume.go): a member of a set
// that a `**` beside it makes redundant is dropped before the set is looked
// up. That is a cheap form of merging by simulation, decided from what is
// known of each state: the bytes and accept values to come. Minimising alone
// was tried first; it comes too late for policy with many `**`, because the
// sets have been built by then.
//
// Most states of real policy differ from another in a few bytes alone: what a `**`
// leads to is in all sets below a directory. Where these common edges lead is worked
// out once for all states that have them (wide in subset_row.go), with what they
// subsume, its hash and its state, and a state adds what is its own. Its row is written
// as exceptions at once, without a look at each class.
//
// Minimisation is partition refinement (minimize.go, refine.go), with the rule
// of Hopcroft, "An n log n algorithm for minimizing states in a finite
// automaton", 1971: when a block is split, the largest part keeps its place
// and only what leads to the others is looked at again. So a transition is
// looked at log n times at most. Hopcroft's splitters, one for each block and
// class, were tried and gave way to signatures of whole sparse rows: most rows
// lead to one state on almost all classes, and splitters visit each class.
//
// Only states that a loop leads to are refined, a fifth of those of a VM's profile. The
// others, mostly the beginnings of paths before the first wildcard, are found from the
// start (Kahn, "Topological sorting of large networks", Communications of the ACM
// 5(11), 1962), and then looked at once each, from the last to the first: where one
// leads is decided by then, so a hash table tells which it is equal to (Revuz,
// "Minimisation of acyclic deterministic automata in linear time", Theoretical Computer
// Science 92(1), 1992).
//
// Tables are packed by first fit in decreasing order (pack.go): Tarjan and
// Yao, "Storing a sparse table", Communications of the ACM 22(11), 1979; the
// comb vectors of Aho, Sethi and Ullman, "Compilers", section 3.9. It is
// quadratic in the worst case; places are tried 64 at a time, and the search
// for a pattern of slots continues where it last fit. For small automata other
// orders are tried too, and the shortest table is kept.
//
// Differential encoding (diffencode.go) writes a state as its differences from
// another: Kumar and others, "Algorithms to accelerate multiple regular
// expressions matching for deep packet inspection", SIGCOMM 2006. Instead of
// their spanning tree of all pairs, which is quadratic, each state tries the
// few that share the most with it. Chains are bounded, because kernels follow
// them for every byte. Rows are compared by their exceptions: looking at every
// class took a quarter of all time for kernel 7.3, and its tables were longer.
//
// All of it is done in a Memory, which a caller may use again: what an automaton is
// made in is several times what it takes.
//
// # Figures
//
// What single steps are worth, for the profile of one of libvirt's machines (2,557
// states before minimisation, 58 classes), in processor time of one run each, before
// and after (BenchmarkLibvirt of package compile, on 29 November 2026):
//
//	build      rows as exceptions, states entered alone remembered   1.00  0.79
//	           common edges worked out once                          1.00  0.95
//	           only what a state adds looked at for subsumption      1.00  0.88
//	pack       states sorted by digits, slots instead of patterns    1.00  0.86
//	           hints in an open table, no search for one slot        1.00  0.86
//	minimize   states that no loop leads to looked at once           1.00  0.55
//	a compile  memory used again                                     1.00  0.89
//
// Tried and not kept: merging the states from which no loop can be reached before the
// others, from their ends on. They are two fifths of the states, and minimising took
// 4 % less.
//
// A Base is an automaton to which small ones are added (base.go, sum.go): the sum
// is their product, built only where the added one is alive. Strings without
// wildcards become an automaton without the detour above (literals.go).
package automaton
