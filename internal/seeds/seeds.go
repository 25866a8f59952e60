// SPDX-License-Identifier: Apache-2.0

// Package seeds gives fuzz targets pieces of real policy to start from. They
// are cut, when a test runs, out of Debian's policy in the cache folder; where
// that is not there, there are none, and nothing is fetched.
package seeds

import (
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
)

// maxPiece is the longest piece in bytes. What a fuzzer does with a text takes
// time in proportion to its length, and long texts hit nothing that short ones
// do not.
const maxPiece = 256

// Files lists the files of policy in a tree such as /etc/apparmor.d.
func Files(tb testing.TB, root fs.FS) []string {
	tb.Helper()
	var names []string
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "abi" || strings.HasPrefix(name, "cache")):
			return fs.SkipDir // feature sets and binaries
		case d.Type().IsRegular() && path.Base(name) != "README":
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// Rules returns about most rules of Debian's policy, as written, each of them
// once and sorted.
func Rules(tb testing.TB, most int) []string {
	tb.Helper()
	var all []string
	each(tb, func(f *ast.File, n ast.Node) {
		if r, ok := n.(ast.Rule); ok {
			all = append(all, strings.TrimSpace(f.Text(r)))
		}
	})
	return sample(all, most)
}

// Statements returns about most statements of Debian's policy that are not
// rules: the heads of profiles, assignments, includes, abi statements,
// aliases, and conditionals. They are whole texts.
func Statements(tb testing.TB, most int) []string {
	tb.Helper()
	var all []string
	each(tb, func(f *ast.File, n ast.Node) {
		switch s := n.(type) {
		case *ast.Profile:
			head, _, _ := strings.Cut(f.Text(s), "{\n")
			all = append(all, strings.TrimSpace(head)+" { }")
		case *ast.VarAssign, *ast.BoolAssign, *ast.Include, *ast.ABI, *ast.Alias, *ast.If:
			all = append(all, strings.TrimSpace(f.Text(s)))
		}
	})
	return sample(all, most)
}

// Words returns about most words of Debian's rules: paths, names, labels.
func Words(tb testing.TB, most int) []string {
	tb.Helper()
	var all []string
	for _, rule := range Rules(tb, 1<<20) {
		all = append(all, strings.Fields(strings.TrimSuffix(rule, ","))...)
	}
	return sample(all, most)
}

// each calls f for every node of every file of Debian's policy that parses.
func each(tb testing.TB, f func(*ast.File, ast.Node)) {
	dir, ok := testenv.CachedDebianTree()
	if !ok {
		return
	}
	root := os.DirFS(dir)
	for _, name := range Files(tb, root) {
		data, err := fs.ReadFile(root, name)
		if err != nil {
			tb.Fatal(err)
		}
		file, err := parser.Parse(name, string(data))
		if err != nil {
			continue // one that is only a part
		}
		for n := range ast.All(file) {
			f(file, n)
		}
	}
}

// sample returns about most of the texts that are short, evenly spread.
func sample(all []string, most int) []string {
	slices.Sort(all)
	all = slices.DeleteFunc(slices.Compact(all), func(s string) bool { return s == "" || len(s) > maxPiece })
	step := max(1, len(all)/max(most, 1))
	var out []string
	for i := 0; i < len(all); i += step {
		out = append(out, all[i])
	}
	return out
}
