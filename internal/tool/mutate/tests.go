// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// test is a test function, an example or a fuzz target with its seeds.
type test struct {
	Pkg, Name string
	// Sum is that of its text and of what it uses in the test files.
	Sum string
	// Took is how long it takes alone.
	Took time.Duration
	// Lines are those of the changed package that it runs.
	Lines map[string][]span

	place int // of its package in the order in which they are run
}

type span struct{ From, To int }

// reaches reports whether the test runs the line of a site. What is in no
// function, such as a constant, is always run.
func (t *test) reaches(s site) bool {
	return s.Global || slices.ContainsFunc(t.Lines[s.File], func(p span) bool { return p.From <= s.Line && s.Line <= p.To })
}

// tests lists the tests of the packages, each with what it runs of the first.
func (o *options) tests(ctx context.Context, kept *kept, dir string, pkgs []string) ([]*test, error) {
	of := pkgs[0]
	sources, err := o.sources(of)
	if err != nil {
		return nil, err
	}
	state := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(state, "%s %d\n%s", s.name, len(s.text), s.text)
	}
	changed := hex.EncodeToString(state.Sum(nil))[:16]
	var only *regexp.Regexp
	if o.run != "" {
		if only, err = regexp.Compile(o.run); err != nil {
			return nil, err
		}
	}
	timeout := o.timeout
	if o.longest > 0 {
		timeout = min(timeout, o.longest)
	}
	var all []*test
	for i, pkg := range pkgs {
		sums, err := o.testSums(pkg)
		if err != nil {
			return nil, err
		}
		program := filepath.Join(dir, fmt.Sprintf("unchanged%d.test", i))
		build := func() error {
			if _, err := os.Stat(program); err == nil {
				return nil
			}
			out, err := o.goCommand(ctx, "test", "-c", "-vet=off", "-cover", "-coverpkg=./"+of, "-o", program, "./"+pkg)
			if err != nil {
				return fmt.Errorf("the tests do not build without a change: %w\n%s", err, out)
			}
			return nil
		}
		var names []string
		for name := range sums {
			if only == nil || only.MatchString(name) {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		for _, name := range names {
			t := &test{Pkg: pkg, Name: name, Sum: sums[name], place: i}
			if was := kept.test(of, changed, t); was != nil {
				t.Took, t.Lines = was.Took, was.Lines
				if o.longest == 0 || t.Took <= o.longest {
					all = append(all, t)
				}
				continue
			}
			if err := build(); err != nil {
				return nil, err
			}
			profile := filepath.Join(dir, "cover")
			_ = os.Remove(profile)
			out, err := o.runTests(ctx, program, pkg, mostMemory, []*test{t}, timeout, "-test.v", "-test.coverprofile="+profile)
			if err != nil && timeout < o.timeout && bytes.Contains(out, []byte("panic: test timed out")) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%s fails without a change: %w\n%s", name, err, out)
			}
			if bytes.Contains(out, []byte("no tests to run")) {
				continue // an example without output
			}
			t.Took = took(out, name)
			if t.Lines, err = readCover(profile, of); err != nil {
				return nil, err
			}
			all = append(all, t)
			if err := kept.setTest(of, changed, t); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

var testTook = regexp.MustCompile(`(?m)^--- PASS: (\w+) \(([0-9.]+)s\)$`)

// took reads how long a test took from the output of -test.v.
func took(out []byte, name string) time.Duration {
	for _, m := range testTook.FindAllSubmatch(out, -1) {
		if string(m[1]) == name {
			seconds, _ := strconv.ParseFloat(string(m[2]), 64)
			return time.Duration(seconds * float64(time.Second))
		}
	}
	return 0
}

var testName = regexp.MustCompile(`^(Test|Example|Fuzz)($|[^a-z])`)

// testSums returns the tests of a package with their sums.
func (o *options) testSums(pkg string) (map[string]string, error) {
	out, err := o.goCommand(context.Background(), "list", "-f", `{{range .TestGoFiles}}{{println .}}{{end}}{{range .XTestGoFiles}}{{println .}}{{end}}`, "./"+pkg)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	var files [][]byte
	for name := range strings.FieldsSeq(string(out)) {
		text, err := os.ReadFile(filepath.Join(o.root, filepath.FromSlash(pkg), name))
		if err != nil {
			return nil, err
		}
		files = append(files, text)
	}
	return sums(files)
}

// sums returns the tests of some files, each with a sum of its text and that of
// all declarations that it names, and those that they name.
func sums(files [][]byte) (map[string]string, error) {
	type decl struct {
		text  string
		names map[string]bool
	}
	decls := map[string][]decl{} // by name; methods by theirs
	tests := map[string]string{}
	for _, text := range files {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, "", text, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		add := func(name string, n ast.Node) {
			d := decl{string(text[fset.Position(n.Pos()).Offset:fset.Position(n.End()).Offset]), map[string]bool{}}
			ast.Inspect(n, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					d.names[id.Name] = true
				}
				return true
			})
			decls[name] = append(decls[name], d)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				add(d.Name.Name, d)
				if d.Recv == nil && testName.MatchString(d.Name.Name) && d.Name.Name != "TestMain" {
					tests[d.Name.Name] = ""
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.ValueSpec:
						for _, name := range s.Names {
							add(name.Name, s)
						}
					case *ast.TypeSpec:
						add(s.Name.Name, s)
					}
				}
			}
		}
	}
	for test := range tests {
		seen := map[string]bool{}
		todo := []string{test}
		for len(todo) > 0 {
			name := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if seen[name] || decls[name] == nil {
				continue
			}
			seen[name] = true
			for _, d := range decls[name] {
				todo = slices.AppendSeq(todo, maps.Keys(d.names))
			}
		}
		h := sha256.New()
		for _, name := range slices.Sorted(maps.Keys(seen)) {
			for _, d := range decls[name] {
				fmt.Fprintf(h, "%s %d\n%s", name, len(d.text), d.text)
			}
		}
		tests[test] = hex.EncodeToString(h.Sum(nil))[:16]
	}
	return tests, nil
}

var coverLine = regexp.MustCompile(`^(.+):(\d+)\.\d+,(\d+)\.\d+ \d+ (\d+)$`)

// readCover reads which lines of each file of a package are run from what
// -test.coverprofile wrote.
func readCover(name, pkg string) (map[string][]span, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	all := map[string][]span{}
	for line := range strings.Lines(string(text)) {
		m := coverLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || m[4] == "0" {
			continue
		}
		from, _ := strconv.Atoi(m[2])
		to, _ := strconv.Atoi(m[3])
		file := pkg + "/" + path.Base(m[1])
		all[file] = append(all[file], span{from, to})
	}
	return all, nil
}
