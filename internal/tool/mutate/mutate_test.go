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

import "sync"

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
		"6: number: 1 -> 2",
		"6: number: 0 -> 1",
		"7: number: 1 -> 2",
		"7: number: 1 -> 2",
		"13: lock: mu.Lock()",
		"15: negate: a > 3 && b != 0 -> !(a > 3 && b != 0)",
		"15: compare: a > 3: > -> >=",
		"15: number: 3 -> 4",
		"15: logic: a > 3 && b != 0: && -> ||",
		"15: number: 0 -> 1",
		"16: drop: a = a | PermWrite",
		"16: bits: a | PermWrite -> a",
		"16: constant: PermWrite -> PermRead",
		"18: drop: *log = append(*log, a)",
		"19: bits: a &^ b -> a",
		"24: escape: Escape(s) -> (s)",
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
		t.Error("the same choice by another seed")
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
	o := options{root: root, seed: 1, timeout: time.Minute}
	var out bytes.Buffer
	if err := o.main(t.Context(), &out, []string{"m"}); err != nil {
		t.Fatal(err)
	}
	const want = `killed   m/m.go:4: negate: a > b -> !(a > b)
survived m/m.go:4: compare: a > b: > -> >=
survived m/m.go:11: negate: n < 0 -> !(n < 0)
survived m/m.go:11: compare: n < 0: < -> <=
survived m/m.go:11: number: 0 -> 1
survived m/m.go:12: drop: n = -n
m: 1 of 6 killed (16.7 %), 0 did not build
all: 1 of 6 killed (16.7 %), 0 did not build
survived m/m.go:4: compare: a > b: > -> >=
survived m/m.go:11: negate: n < 0 -> !(n < 0)
survived m/m.go:11: compare: n < 0: < -> <=
survived m/m.go:11: number: 0 -> 1
survived m/m.go:12: drop: n = -n
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if after, err := os.ReadFile(filepath.Join(root, "m", "m.go")); err != nil || !bytes.Equal(before, after) {
		t.Error("the source was changed")
	}

	// What does not build is no survivor, and tests that fail anyhow are an error.
	broken := site{"m/m.go", 4, kindPlace, []edit{{0, 0, "nonsense"}}, ""}
	dir := t.TempDir()
	if r, err := o.run1(t.Context(), dir, broken, []string{"m"}); err != nil || r != "broken" {
		t.Errorf("%v, %v", r, err)
	}
	if err := os.WriteFile(filepath.Join(root, "m", "bad_test.go"), []byte("package m\n\nimport \"testing\"\n\nfunc TestBad(t *testing.T) { t.Fatal() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := o.main(t.Context(), &out, []string{"m"}); err == nil || !strings.Contains(err.Error(), "without a change") {
		t.Errorf("error is %v", err)
	}
}
