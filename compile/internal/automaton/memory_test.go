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
	d, err := tablesWithin(m, seed, unlimited())
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// tablesWithin is tablesIn with a budget.
func tablesWithin(m *Memory, seed uint64, budget *Budget) (*blob.DFA, error) {
	r := rand.New(rand.NewPCG(seed, 7))
	var b Builder
	if seed%3 == 0 {
		b.Covers = func(b, a Accept) bool { return b > a }
	}
	for _, rule := range randomRules(r, seed%4 == 0) {
		b.Add(rule.node, rule.accept)
	}
	d, err := b.BuildIn(m, budget)
	if err != nil {
		return nil, err
	}
	least, err := d.MinimizeIn(m, budget, MinimizeOptions{KeepStart: seed%2 == 0})
	if err != nil {
		return nil, err
	}
	o := labelsOf(least)
	o.Diff = seed%5 == 0
	return least.PackIn(m, budget, o)
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

// TestMemoryStopped makes automata in memory in which the work on others was stopped, at
// any place.
func TestMemoryStopped(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	var m Memory
	stopped := 0
	for seed := range uint64(2000) {
		all := unlimited()
		want, err := tablesWithin(new(Memory), seed, all)
		if err != nil {
			t.Fatal(err)
		}
		other := seed + r.Uint64N(20)
		used := unlimited()
		if _, err := tablesWithin(new(Memory), other, used); err != nil {
			t.Fatal(err)
		}
		limits := Limits{Work: 1 + r.Int64N(used.Used().Work)}
		if seed%2 == 0 {
			limits = Limits{States: 1 + r.IntN(used.Used().States)}
		}
		if _, err := tablesWithin(&m, other, NewBudget(t.Context(), limits)); err != nil {
			stopped++
		}
		if diff := cmp.Diff(want, tablesIn(t, &m, seed)); diff != "" {
			t.Fatalf("seed %d, after %d was stopped: %s", seed, other, diff)
		}
	}
	if stopped < 1000 {
		t.Errorf("only %d were stopped", stopped)
	}
	// Work on one state that takes long is stopped, too.
	var alternatives []string
	for i := range 2000 {
		alternatives = append(alternatives, fmt.Sprintf("{?,ax,bx}{?,ax,bx}{[^a],bx}%04d", i))
	}
	n, _, err := Glob("/{"+strings.Join(alternatives, ",")+"}", GlobOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var b Builder
	b.Add(n, 1)
	used := unlimited()
	if _, err := b.Build(used); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(60) {
		limits := Limits{Work: used.Used().Work * int64(20+seed) / 80}
		if _, err := b.BuildIn(&m, NewBudget(t.Context(), limits)); err == nil {
			t.Fatalf("not stopped by %+v, of %+v", limits, used.Used())
		}
		if diff := cmp.Diff(tablesIn(t, new(Memory), seed), tablesIn(t, &m, seed)); diff != "" {
			t.Fatalf("seed %d, after another was stopped by %+v: %s", seed, limits, diff)
		}
	}
}

// TestForget looks for what memory holds on to, up to the room that it has.
func TestForget(t *testing.T) {
	var m Memory
	for _, p := range []string{"/usr/{lib,share}/**", "/usr/lib/*.so", "/{a,b}*/[a-z]?"} {
		if _, _, err := Glob(p, GlobOptions{Nodes: &m.Nodes}); err != nil {
			t.Fatal(err)
		}
	}
	tablesIn(t, &m, 3) // with values that cover others
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
			// Lists in lists are in an arena, parts of which they would keep, but
			// for those of splits, which are used again.
			if strings.Contains(path, "]") && !v.IsNil() && !strings.HasPrefix(path, ".subset.splits[") && !strings.HasPrefix(path, ".subset.in[") && !strings.HasPrefix(path, ".packer.bytes[") {
				held = append(held, path)
			}
			if whole := v; whole.CanAddr() {
				v = whole.Slice(0, whole.Cap())
			}
			for i := range v.Len() {
				look(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
			}
		}
	}
	look("", reflect.ValueOf(&m).Elem())
	for _, part := range []string{".Nodes.list[", ".Nodes.subs[", ".nfa.in.shapes[", ".nfa.trie.atoms[", ".subset.wide[", ".subset.values[", ".subset.subsume.covered[", ".subset.subsume.loops[", ".subset.subsume.first"} {
		if !slices.ContainsFunc(held, func(path string) bool { return strings.HasPrefix(path, part) }) {
			t.Errorf("nothing is held by %s of memory in use: the test looks at nothing there", part)
		}
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
		{"combinations of wide sets", 650, func(i int) (string, Accept) {
			return fmt.Sprintf("/%03d{[^%c]1,[^%c]2}", i, 'a'+i/26, 'a'+i%26), 1
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

// TestMemorySizeLists gives each list of memory room, and expects the size to say so.
func TestMemorySizeLists(t *testing.T) {
	const n = 10_000
	var m Memory
	elsewhere := map[string]string{
		".Nodes.scan":            "as deep as a pattern, and does not stay",
		".subset.accepts":        "those of the memory itself",
		".subset.dfa":            "what is returned, which is counted where it is made",
		".subset.subsume.values": "those of the memory itself",
		".subset.subsume.index":  "in the bytes that are held",
		".packer.def":            "becomes a table",
		".packer.bytes":          "one for each class",
	}
	counted := map[string]bool{".minimizer.blocks.ints": true, ".minimizer.blocks.keys": true, ".minimizer.blocks.touched": true}
	lists := 0
	var look func(path string, v reflect.Value)
	look = func(path string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if path := path + "." + v.Type().Field(i).Name; elsewhere[path] == "" {
					look(path, v.Field(i))
				}
			}
		case reflect.Slice:
			if strings.HasPrefix(path, ".minimizer.blocks.") && !counted[path] {
				return // made of ints
			}
			lists++
			list := reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem() // which can be set
			list.Set(reflect.MakeSlice(v.Type(), n, n))
			if want, got := n*int64(v.Type().Elem().Size()), m.Size(); got < want*4/5 || got > want*3/2 {
				t.Errorf("%s: a size of %d for %d bytes", path, got, want)
			}
			list.SetZero()
		}
	}
	look("", reflect.ValueOf(&m).Elem())
	if lists < 70 {
		t.Errorf("only %d lists", lists)
	}
	for name, fill := range map[string]func(m *Memory){
		"the groups of a split":        func(m *Memory) { m.subset.splits = []split{{group: make([]uint16, 2*n)}} },
		"the rest of a split":          func(m *Memory) { m.subset.splits = []split{{others: make([]uint16, 2*n)}} },
		"how a split groups":           func(m *Memory) { m.subset.splits = []split{{member: make([][]uint32, n/6)}} },
		"a group of a split":           func(m *Memory) { m.subset.splits = []split{{member: [][]uint32{make([]uint32, n)}}} },
		"a split that is used again":   func(m *Memory) { m.subset.splits = []split{{sets: make([]uint32, n)}}[:0] },
		"the sets of a class":          func(m *Memory) { m.subset.in = [][]uint32{make([]uint32, n)} },
		"the accept values of a state": func(m *Memory) { m.subset.values = [][]Accept{make([]Accept, n)} },
		"what values cover":            func(m *Memory) { m.subset.subsume.bytes = 4 * n },
		"a map": func(m *Memory) {
			m.nfa.memo = map[step]uint32{}
			for i := range uint32(n / 12) {
				m.nfa.memo[step{to: i}] = 1
			}
		},
	} {
		var m Memory
		if fill(&m); m.Size() < 4*n*4/5 || m.Size() > 4*n*3/2 {
			t.Errorf("%s: a size of %d for %d bytes", name, m.Size(), 4*n)
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
