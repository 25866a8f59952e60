// SPDX-License-Identifier: Apache-2.0

// Package automaton turns patterns of bytes into the tables that kernels
// match with.
//
// The way is: expressions (Node, most of them from Glob), each added to a
// Builder with an accept value; Build makes one deterministic automaton of
// them, in which every state knows all accept values that meet there; Resolve
// weighs these against each other, which turns sets of accept values into
// labels; Minimize merges states that no string can tell apart; Pack writes
// the comb tables of package blob.
//
//	b := new(automaton.Builder)
//	b.Add(node, accept)
//	dfa, err := b.Build(ctx, limits)
//	dfa, perms, err := automaton.Resolve(dfa, resolve)
//	dfa, err = dfa.Minimize(ctx, automaton.MinimizeOptions{KeepStart: true})
//	tables, err := dfa.Pack(ctx, automaton.PackOptions{Accept: words(perms)})
//
// State 0 is always the trap, that no string leaves, and state 1 the start.
package automaton
