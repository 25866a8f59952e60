// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
)

// tablesIn builds, minimises and packs random rules in the given memory.
func tablesIn(tb testing.TB, m *Memory, seed uint64) *blob.DFA {
	tb.Helper()
	r := rand.New(rand.NewPCG(seed, 7))
	var b Builder
	if seed%3 == 0 {
		b.Covers = func(b, a Accept) bool { return b > a }
	}
	for _, rule := range randomRules(r, seed%4 == 0) {
		b.Add(rule.node, rule.accept)
	}
	budget := unlimited()
	d, err := b.BuildIn(m, budget)
	if err != nil {
		tb.Fatal(err)
	}
	least, err := d.MinimizeIn(m, budget, MinimizeOptions{KeepStart: seed%2 == 0})
	if err != nil {
		tb.Fatal(err)
	}
	o := labelsOf(least)
	o.Diff = seed%5 == 0
	p, err := least.PackIn(m, budget, o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestMemoryAgain makes automata in memory that others were made in.
func TestMemoryAgain(t *testing.T) {
	var m Memory
	for seed := range uint64(2000) {
		want := tablesIn(t, new(Memory), seed)
		got := tablesIn(t, &m, seed)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
		if seed%50 == 0 {
			m.Forget()
		}
	}
}

// TestForget looks for what memory holds on to, up to the room that it has.
func TestForget(t *testing.T) {
	var m Memory
	tablesIn(t, &m, 1)
	var held []string
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			if v.Len() > 0 {
				held = append(held, path)
			}
		case reflect.Pointer, reflect.Func, reflect.Interface:
			// What leads to other parts of the memory itself.
			if !v.IsNil() && path != ".nfa.trie.in" && path != ".subset.n" {
				held = append(held, path)
			}
		case reflect.Map:
			if v.Len() > 0 {
				held = append(held, path)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Slice:
			if whole := v; whole.CanAddr() {
				v = whole.Slice(0, whole.Cap())
			}
			for i := range v.Len() {
				look(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	}
	look("", reflect.ValueOf(&m).Elem())
	if len(held) == 0 {
		t.Fatal("nothing is held by memory in use: the test looks at nothing")
	}
	m.Forget()
	held = nil
	look("", reflect.ValueOf(&m).Elem())
	if len(held) > 0 {
		t.Errorf("still held: %v", held)
	}
}

// TestRelease keeps an automaton that is too large for memory to be kept.
func TestRelease(t *testing.T) {
	for _, test := range []struct {
		rules int
		own   bool
	}{{10, false}, {maxKept, true}} {
		var b Builder
		for i := range test.rules {
			b.Add(Literal(fmt.Sprintf("/%06d", i)), Accept(i))
		}
		var m Memory
		d, err := b.BuildIn(&m, unlimited())
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() < int64(d.States()) {
			t.Errorf("%d rules: a size of %d", test.rules, m.Size())
		}
		kept := m.Release(d)
		if own := kept != d; own != test.own {
			t.Errorf("%d rules: memory of its own: %v", test.rules, own)
		}
		if test.own && m.Size() != 0 {
			t.Errorf("%d rules: %d bytes are left", test.rules, m.Size())
		}
		tablesIn(t, &m, 2)
		if test.own && len(kept.Accepts(kept.Match(Start, "/000009"))) == 0 {
			t.Errorf("%d rules: the automaton has changed", test.rules)
		}
	}
}

// TestForgetTables looks for tables of the last automaton, which are the caller's.
func TestForgetTables(t *testing.T) {
	var m Memory
	d := tablesIn(t, &m, 1)
	tables := map[unsafe.Pointer]string{}
	for name, table := range map[string][]uint32{"ACCEPT": d.Accept, "BASE": d.Base, "DEFAULT": d.Default, "NEXT": d.Next, "CHECK": d.Check} {
		tables[unsafe.Pointer(unsafe.SliceData(table))] = name
	}
	m.Forget()
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				look(path+"."+v.Type().Field(i).Name, v.Field(i))
			}
		case reflect.Slice:
			if name := tables[v.UnsafePointer()]; name != "" {
				t.Errorf("%s is %s", path, name)
			}
		}
	}
	look("", reflect.ValueOf(&m).Elem())
}

// capacity returns the bytes of all lists, with those in lists, but for those in
// arenas, which are in one of them.
func capacity(v reflect.Value) int64 {
	var n int64
	switch v.Kind() {
	case reflect.Slice:
		n = int64(v.Cap()) * int64(v.Type().Elem().Size())
		if k := v.Type().Elem().Kind(); k == reflect.Slice || k == reflect.Struct {
			whole := v.Slice(0, v.Cap())
			for i := range whole.Len() {
				n += capacity(whole.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += capacity(v.Field(i))
		}
	}
	return n
}

// TestMemorySize compares the size of memory with the lists that it has, after
// automata each of which needs much of something else.
func TestMemorySize(t *testing.T) {
	for _, test := range []struct {
		name string
		n    int
		rule func(i int) (pattern string, a Accept)
	}{
		{"a long alternation", 1, func(int) (string, Accept) {
			var all strings.Builder
			for i := range 20_000 {
				fmt.Fprintf(&all, ",%05d", i)
			}
			return "/{x" + all.String() + "}", 1
		}},
		{"closures", 1, func(int) (string, Accept) { return "/" + strings.Repeat("{,a}", 700) + "b", 1 }},
		{"accept values of one rule", 4000, func(i int) (string, Accept) { return "/a", Accept(i) }},
		{"accept values to come", 1000, func(i int) (string, Accept) { return fmt.Sprintf("/{a,b%d}c%d/**", i, i*7%10), Accept(i) }},
		{"sets of accept values", 300, func(i int) (string, Accept) {
			return fmt.Sprintf("/**[^%c]*[%c-%c]", 'a'+i%26, 'a'+i%13, 'n'+i/26%13), Accept(i)
		}},
		{"members", 500, func(i int) (string, Accept) { return fmt.Sprintf("/{*,p%d}a%d", i, i), Accept(i) }},
		{"states", 100, func(i int) (string, Accept) {
			return fmt.Sprintf("/[^%c%c]a[^%c]{%d,x}*[%c-%c]", 'a'+i%26, 'A'+i%23, '0'+i%10, i, 'a'+i%13, 'n'+i%12), Accept(i % 9)
		}},
		{"places that wide edges lead to", 3000, func(i int) (string, Accept) { return fmt.Sprintf("/%05d/**/a", i), Accept(i) }},
	} {
		b := Builder{Covers: func(b, a Accept) bool { return b > a && a%2 == 0 }}
		for i := range test.n {
			pattern, a := test.rule(i)
			n, _, err := Glob(pattern, GlobOptions{})
			if err != nil {
				t.Fatal(err)
			}
			b.Add(n, a)
		}
		var m Memory
		d, err := b.BuildIn(&m, unlimited())
		if err != nil {
			t.Fatal(err)
		}
		if d, err = d.MinimizeIn(&m, unlimited(), MinimizeOptions{}); err != nil {
			t.Fatal(err)
		}
		o := labelsOf(d)
		o.Wide, o.Diff = true, true
		if _, err := d.PackIn(&m, unlimited(), o); err != nil {
			t.Fatal(err)
		}
		size := m.Size()
		m.Forget()
		// Maps have a size, too, of which nothing is known here.
		if lists := capacity(reflect.ValueOf(&m).Elem()); size < lists*9/10 || size > 2*lists+1<<16 {
			t.Errorf("%s: a size of %d for lists of %d bytes", test.name, size, lists)
		}
		if m.Trim(size); m.Size() == 0 {
			t.Errorf("%s: memory of %d bytes went for being larger than %d", test.name, m.Size(), size)
		}
		nodes := cap(m.Nodes.list)
		if m.Trim(m.Size() - 1); m.Size() != int64(nodes)*80 || cap(m.Nodes.list) != nodes {
			t.Errorf("%s: %d bytes are left", test.name, m.Size())
		}
	}
}

// TestWides has more places that wide edges lead to than are kept.
func TestWides(t *testing.T) {
	const rules = 6000
	var b Builder
	for i := range rules {
		n, _, err := Glob(fmt.Sprintf("/%05d/**/a", i), GlobOptions{})
		if err != nil {
			t.Fatal(err)
		}
		b.Add(n, Accept(i))
	}
	var m Memory
	d, err := b.BuildIn(&m, unlimited())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.subset.wideInts); n > 2*maxWideInts || cap(m.subset.wideInts) < maxWideInts {
		t.Errorf("%d numbers are kept, of %d", n, cap(m.subset.wideInts))
	}
	for i := range rules {
		for in, want := range map[string]bool{"/%05d/x/a": true, "/%05d/a": false, "/%05d/x/y/a": true, "/%05d/x/b": false} {
			got := d.Accepts(d.Match(Start, fmt.Sprintf(in, i)))
			if want != (len(got) == 1 && got[0] == Accept(i)) {
				t.Fatalf("rule %d, %s: accepts %v", i, in, got)
			}
		}
	}
}

// TestSortOrder compares the order of states with that of package slices.
func TestSortOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var spare []uint64
	for _, n := range []int{0, 1, 5, 127, 128, 129, 3000} {
		for i := range orders {
			var list []uint64
			for s := range n {
				list = append(list, orders[i](uint64(1+r.IntN(257)), uint64(r.IntN(257)))<<32|uint64(s))
			}
			want := slices.Sorted(slices.Values(list))
			spare = sortOrder(list, spare)
			if !slices.Equal(list, want) {
				t.Errorf("%d states, order %d: not sorted", n, i)
			}
		}
	}
}

// TestHints keeps the numbers of patterns as a map does.
func TestHints(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var h hints
	for range 3 {
		want := map[uint64]int32{}
		for range 2000 {
			p := r.Uint64N(700)<<1 | 1
			place := h.at(p)
			if *place != want[p] {
				t.Fatalf("pattern %#x: %d, want %d", p, *place, want[p])
			}
			*place = r.Int32()
			want[p] = *place
		}
		h.reset()
	}
	if got := unsafe.Sizeof(hint{}); got != 8 {
		t.Errorf("a hint takes %d bytes, which Sum counts as 8", got)
	}
}
