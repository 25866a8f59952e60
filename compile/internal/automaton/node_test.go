// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestNodes makes expressions in memory of their own, one after the other, wrong
// patterns among them: they are those that each would be for itself, and stay so.
func TestNodes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	pieces := []string{
		"/", "a", "bc", "/usr/lib", "*", "**", "?", "[a-f]", "[^/]", "[*]", "[a", "]", "{", "}", ",", "{a,b}", "{,x}", "{/a,/b{c,d}}", `\*`, `\`, `\\`, `\x00`, `\000`,
		"@", "é", `\{`, "[]", "a]b", `\^`, "-",
	}
	var m Nodes
	for range 50 {
		m.Reset()
		type made struct {
			pattern string
			node    Node
			alone   Node
		}
		var all []made
		wrong := 0
		for range 400 {
			pattern := "/"
			for range r.IntN(8) {
				pattern += pieces[r.IntN(len(pieces))]
			}
			o := GlobOptions{NUL: r.IntN(2) == 0}
			alone, info, err := Glob(pattern, o)
			o.Nodes = &m
			node, same, again := Glob(pattern, o)
			if !reflect.DeepEqual(err, again) || info != same {
				t.Fatalf("%q: %v, %+v, alone %v, %+v", pattern, again, same, err, info)
			}
			if err != nil {
				wrong++
				continue
			}
			all = append(all, made{pattern, node, alone})
		}
		if wrong == 0 || wrong == 400 {
			t.Fatalf("%d patterns of 400 are wrong", wrong)
		}
		for _, a := range all {
			if !reflect.DeepEqual(a.node, a.alone) {
				t.Fatalf("%q: %+v, alone %+v", a.pattern, a.node, a.alone)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() {
		m.Reset()
		if _, _, err := Glob("/home/*/{a,b}/**/x.[ch]", GlobOptions{Nodes: &m}); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a pattern in memory that is there", n)
	}
}
