// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/compile/internal/automaton"

// Short names for the expressions that the strings of rules are made of.

type node = automaton.Node

func cat(ns ...node) node { return automaton.Cat(ns...) }
func alt(ns ...node) node { return automaton.Alt(ns...) }
func opt(n node) node     { return automaton.Opt(n) }
func star(n node) node    { return automaton.Star(n) }
func empty() node         { return automaton.Empty() }
func oob() node           { return automaton.OOB() }

// bytesNode matches these bytes, one after the other.
func bytesNode(b ...byte) node { return automaton.Bytes(b...) }

func literal(s string) node { return automaton.Literal(s) }
func oneOf(b ...byte) node  { return automaton.OneOf(b...) }
func noneOf(b ...byte) node { return automaton.NoneOf(b...) }
func anyByte() node         { return noneOf() }
func nul() node             { return bytesNode(0) }

// text0 and text1 match text as the kernel counts it, up to a NUL: any, and
// any that is not empty.
func text0() node { return star(noneOf(0)) }
func text1() node { return automaton.Plus(noneOf(0)) }

// anyBytes matches n bytes, whatever they are.
func anyBytes(n int) node {
	ns := make([]node, n)
	for i := range ns {
		ns[i] = anyByte()
	}
	return cat(ns...)
}

func be16(v uint16) node { return bytesNode(byte(v>>8), byte(v)) }
func be32(v uint32) node {
	return bytesNode(byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
