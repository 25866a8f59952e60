// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sample = `package sample

import (
	"path"
	"sync"
)

const (
	PermRead  = 1 << 0
	PermWrite = 1 << 1
)

var mu sync.Mutex

func Add(a, b int, log *[]int) int {
	mu.Lock()
	defer mu.Unlock()
	if a > 3 && b != 0 {
		a = a | PermWrite
	}
	*log = append(*log, a)
	return a &^ b
}

func Escape(s string) string { return s + "!" }

func Text(s string) string { return Escape(s) }

func Name(s string) string { return path.Clean(s) }

func (s T) String() string {
	if s > 1 {
		return "many"
	}
	return "one"
}

type T int
`

func TestFind(t *testing.T) {
	src := []byte(sample)
	sites, err := find("sample.go", src, constants(src, ""))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sites {
		got = append(got, strings.TrimPrefix(s.String(), "sample.go:"))
	}
	want := []string{
		"9: number: 1 -> 2",
		"9: number: 0 -> 1",
		"10: number: 1 -> 2",
		"10: number: 1 -> 2",
		"16: lock: mu.Lock()",
		"18: negate: a > 3 && b != 0 -> !(a > 3 && b != 0)",
		"18: compare: a > 3: > -> >=",
		"18: number: 3 -> 4",
		"18: logic: a > 3 && b != 0: && -> ||",
		"18: number: 0 -> 1",
		"19: drop: a = a | PermWrite",
		"19: bits: a | PermWrite -> a",
		"19: constant: PermWrite -> PermRead",
		"21: drop: *log = append(*log, a)",
		"22: bits: a &^ b -> a",
		"27: escape: Escape(s) -> (s)",
		"29: escape: path.Clean(s) -> (s + path.Clean(\"\")[:0])",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, s := range sites {
		if s.Kind == kindLock {
			if changed := string(s.apply(src)); strings.Contains(changed, "Lock()") || strings.Contains(changed, "Unlock()") {
				t.Errorf("a lock is left:\n%s", changed)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	var all []site
	for i := range 100 {
		all = append(all, site{File: "a.go", Kind: kindNumber, Edits: []edit{{From: i}}})
	}
	all = append(all, site{File: "a.go", Kind: kindLock, Edits: []edit{{From: 7}}})
	one := choose(slices.Clone(all), 10, 1)
	if len(one) != 10 || !slices.ContainsFunc(one, func(s site) bool { return s.Kind == kindLock }) {
		t.Errorf("chose %v", one)
	}
	if diff := cmp.Diff(one, choose(slices.Clone(all), 10, 1)); diff != "" {
		t.Errorf("another choice by the same seed: %s", diff)
	}
	if cmp.Equal(one, choose(slices.Clone(all), 10, 2)) {
		t.Error("another seed makes the same choice")
	}
	if got := choose(slices.Clone(all), 1000, 1); len(got) != len(all) {
		t.Errorf("chose %d of %d", len(got), len(all))
	}
}

func TestPlaces(t *testing.T) {
	all := places("# a comment\na.go\nx := 1\nx := 2\n\nb.go\n|   y\n|   z\n")
	if diff := cmp.Diff([]place{{"a.go", "x := 1", "x := 2"}, {"b.go", "  y", "  z"}}, all, cmp.AllowUnexported(place{})); diff != "" {
		t.Fatal(diff)
	}
	sources := []source{{"a.go", []byte("package a\n\nvar x := 1\n")}, {"b.go", []byte("  y  y")}}
	s, err := all[0].site(sources)
	if err != nil || s.Line != 3 || string(s.apply(sources[0].text)) != "package a\n\nvar x := 2\n" {
		t.Errorf("%v, %v", s, err)
	}
	for _, p := range []place{all[1], {"c.go", "x", "y"}, {"a.go", "z", "y"}} {
		if s, err := p.site(sources); err == nil {
			t.Errorf("%v is at %v", p, s)
		}
	}
}

// TestMutate changes a module of its own, whose tests notice some of it.
func TestMutate(t *testing.T) {
	if testing.Short() {
		t.Skip("builds some twenty programs; run without -short")
	}
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module example.org/m\n\ngo 1.24\n",
		"m/m.go":      "package m\n\nfunc Max(a, b int) int {\n\tif a > b {\n\t\treturn a\n\t}\n\treturn b\n}\n\nfunc Unused(n int) int {\n\tif n < 0 {\n\t\tn = -n\n\t}\n\treturn n\n}\n",
		"m/m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestMax(t *testing.T) {\n\tif Max(1, 2) != 2 || Max(3, 2) != 3 {\n\t\tt.Fatal()\n\t}\n}\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(filepath.Join(root, "m", "m.go"))
	if err != nil {
		t.Fatal(err)
	}
	o := options{root: root, seed: 1, timeout: time.Minute, jobs: 2}
	var out bytes.Buffer
	if err := o.main(t.Context(), &out, []string{"./m"}); err != nil {
		t.Fatal(err)
	}
	const want = `killed   m/m.go:4: negate: a > b -> !(a > b)
survived m/m.go:4: compare: a > b: > -> >=
survived m/m.go:11: negate: n < 0 -> !(n < 0)
survived m/m.go:11: compare: n < 0: < -> <=
survived m/m.go:11: number: 0 -> 1
survived m/m.go:12: drop: n = -n
m: 1 of 6 killed (16.7 %), 0 equal, 0 did not build
all: 1 of 6 killed (16.7 %), 0 equal, 0 did not build
survived m/m.go:4: compare: a > b: > -> >=
- 	if a > b {
+ 	if a >= b {
survived m/m.go:11: negate: n < 0 -> !(n < 0) (no test reaches it)
- 	if n < 0 {
+ 	if !(n < 0) {
survived m/m.go:11: compare: n < 0: < -> <= (no test reaches it)
- 	if n < 0 {
+ 	if n <= 0 {
survived m/m.go:11: number: 0 -> 1 (no test reaches it)
- 	if n < 0 {
+ 	if n < 1 {
survived m/m.go:12: drop: n = -n (no test reaches it)
- 		n = -n
+ 		_ = 0
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if after, err := os.ReadFile(filepath.Join(root, "m", "m.go")); err != nil || !bytes.Equal(before, after) {
		t.Error("the source was changed")
	}

	// What is kept is not tried again, and a new test only where it matters.
	o.keep = filepath.Join(root, "kept")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(root, "m", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	again := func() string {
		t.Helper()
		out.Reset()
		if err := o.main(t.Context(), &out, []string{"m"}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for range 2 {
		if diff := cmp.Diff(want, again()); diff != "" {
			t.Error(diff)
		}
	}
	write("more_test.go", "package m\n\nimport \"testing\"\n\nfunc TestUnused(t *testing.T) {\n\tif Unused(-1) != 1 || Unused(2) != 2 {\n\t\tt.Fatal()\n\t}\n}\n")
	o.equivalent = "m/m.go\n- \tif a > b {\n+ \tif a >= b {\n= Either is the greater.\n\nm/m.go\n- \tif n < 0 {\n+ \tif n <= 0 {\n= -0 is 0.\n\nm/m.go\n- \tif n < 0 {\n+ \tif n < 1 {\n= -0 is 0.\n"
	const then = `killed   m/m.go:4: negate: a > b -> !(a > b)
equal    m/m.go:4: compare: a > b: > -> >=
killed   m/m.go:11: negate: n < 0 -> !(n < 0)
equal    m/m.go:11: compare: n < 0: < -> <=
equal    m/m.go:11: number: 0 -> 1
killed   m/m.go:12: drop: n = -n
m: 3 of 3 killed (100.0 %), 3 equal, 0 did not build
all: 3 of 3 killed (100.0 %), 3 equal, 0 did not build
`
	if diff := cmp.Diff(then, again()); diff != "" {
		t.Error(diff)
	}

	// A test that takes too long is left out, and is not kept.
	write("long_test.go", "package m\n\nimport (\n\t\"testing\"\n\t\"time\"\n)\n\nfunc TestLong(*testing.T) { time.Sleep(time.Hour) }\n")
	o.longest = 10 * time.Second
	if diff := cmp.Diff(then, again()); diff != "" {
		t.Error(diff)
	}
	o.longest = 0
	if err := os.Remove(filepath.Join(root, "m", "long_test.go")); err != nil {
		t.Fatal(err)
	}

	// An entry that a test refutes is an error.
	o.equivalent = "m/m.go\n- \tif a > b {\n+ \tif !(a > b) {\n= It is not.\n"
	if err := o.main(t.Context(), &out, []string{"m"}); err == nil || !strings.Contains(err.Error(), "which a test kills") {
		t.Errorf("error is %v", err)
	}
	o.equivalent = ""

	// What does not build is not a survivor, and tests that fail anyhow are an error.
	o.keep = ""
	kept, err := readKept("")
	if err != nil {
		t.Fatal(err)
	}
	broken := outcome{site: site{File: "m/m.go", Line: 4, Kind: kindPlace, Edits: []edit{{0, 0, "nonsense"}}, Global: true}, src: before}
	if err := o.try1(t.Context(), kept, t.TempDir(), []*test{{Pkg: "m", Name: "TestMax"}}, &broken); err != nil || broken.result != "broken" {
		t.Errorf("%v, %v", broken.result, err)
	}
	write("bad_test.go", "package m\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Fatal() }\n")
	if err := o.main(t.Context(), &out, []string{"m"}); err == nil || !strings.Contains(err.Error(), "without a change") {
		t.Errorf("error is %v", err)
	}
}

// TestEquivalent holds that each entry of the list is a change of a place that is
// still there, and has a reason.
func TestEquivalent(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[place]bool{}
	for _, e := range equivalents(equivalentText) {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(e.file)))
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := e.site([]source{{e.file, text}}); err != nil {
			t.Error(err)
		}
		if e.old == e.new || len(e.reason) < 20 || seen[e.place] {
			t.Errorf("%+v changes nothing, has no reason or is there twice", e)
		}
		seen[e.place] = true
	}
}

func TestEquivalents(t *testing.T) {
	got := equivalents("# c\n\na.go\n- \tx\n-\n+ \ty\n= One\n= reason.\n\n\nb.go\n- x\n+ \n= Two.\n")
	want := []equivalent{{place{"a.go", "\tx\n", "\ty"}, "One reason."}, {place{"b.go", "x", ""}, "Two."}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(equivalent{}, place{})); diff != "" {
		t.Error(diff)
	}
	src := []byte("package a\n\tx\n\nz\n")
	at := bytes.IndexByte(src, 'x')
	for _, tt := range []struct {
		site site
		want bool
	}{
		{site{File: "a.go", Edits: []edit{{at - 1, at + 2, "\ty"}}}, true},
		{site{File: "a.go", Edits: []edit{{at, at + 1, "y"}}}, false}, // the empty line stays
		{site{File: "b.go", Edits: []edit{{at - 1, at + 2, "\ty"}}}, false},
	} {
		if got := want[0].is(tt.site, src); got != tt.want {
			t.Errorf("%v is %v", tt.site, got)
		}
	}
}

// TestSums holds that the sum of a test changes with what it uses, and not with
// what is beside it.
func TestSums(t *testing.T) {
	of := func(text string) map[string]string {
		t.Helper()
		all, err := sums([][]byte{[]byte("package a\n" + text)})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	was := of("func TestA(t *T) { help() }\nfunc TestB(t *T) { table() }\nfunc help() { table = 1 }\nvar table = 2\nfunc Testing() {}\n")
	if len(was) != 2 {
		t.Errorf("tests are %v", was)
	}
	now := of("func TestA(t *T) { help() }\nfunc TestB(t *T) { table() }\nfunc help() { table = 2 }\nvar table = 2\nfunc TestC() {}\n")
	if now["TestA"] == was["TestA"] || now["TestB"] != was["TestB"] {
		t.Errorf("%v, %v", was, now)
	}
}
