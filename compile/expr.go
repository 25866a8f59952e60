// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile/internal/automaton"
)

// Short names for the expressions that strings of the policydb are made of.

func cat(ns ...automaton.Node) automaton.Node { return automaton.Cat(ns...) }
func alt(ns ...automaton.Node) automaton.Node { return automaton.Alt(ns...) }
func opt(n automaton.Node) automaton.Node     { return automaton.Opt(n) }
func star(n automaton.Node) automaton.Node    { return automaton.Star(n) }
func empty() automaton.Node                   { return automaton.Empty() }
func oob() automaton.Node                     { return automaton.OOB() }

// bytesNode matches these bytes, one after the other.
func bytesNode(b ...byte) automaton.Node { return automaton.Bytes(b...) }

func literal(s string) automaton.Node { return automaton.Literal(s) }
func oneOf(b ...byte) automaton.Node  { return automaton.OneOf(b...) }
func noneOf(b ...byte) automaton.Node { return automaton.NoneOf(b...) }
func anyByte() automaton.Node         { return noneOf() }
func nul() automaton.Node             { return bytesNode(0) }

// text0 and text1 match text as the kernel counts it, up to a NUL: any, and
// any that is not empty.
func text0() automaton.Node { return star(noneOf(0)) }
func text1() automaton.Node { return automaton.Plus(noneOf(0)) }

func be16(v uint16) automaton.Node { return bytesNode(byte(v>>8), byte(v)) }
func be32(v uint32) automaton.Node {
	return bytesNode(byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

// globWith translates a pattern. An error is recorded at the rule at hand.
func (pc *profileCompiler) globWith(p ast.Pattern, o automaton.GlobOptions) (automaton.Node, automaton.GlobInfo) {
	n, info, err := automaton.Glob(string(p), o)
	if err != nil {
		pc.badPattern(p, err)
	}
	return n, info
}

func (pc *profileCompiler) glob(p ast.Pattern) automaton.Node {
	n, _ := pc.globWith(p, automaton.GlobOptions{})
	return n
}

// globOr translates a pattern, or returns what stands for its absence.
func (pc *profileCompiler) globOr(p ast.Pattern, absent automaton.Node) automaton.Node {
	if p == "" {
		return absent
	}
	return pc.glob(p)
}

// globExact also tells whether the pattern names its strings one by one.
func (pc *profileCompiler) globExact(p ast.Pattern) (automaton.Node, bool) {
	n, info := pc.globWith(p, automaton.GlobOptions{})
	return n, info.Exact
}

// globNul translates a pattern of counted text, whose wildcards match NUL.
func (pc *profileCompiler) globNul(p ast.Pattern) automaton.Node {
	n, _ := pc.globWith(p, automaton.GlobOptions{NUL: true})
	return n
}
