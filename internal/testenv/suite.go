// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"bufio"
	"compress/gzip"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The numbers of policy tests of upstream with a verdict.
const (
	HandWritten = 2225
	Generated   = 71496
)

// PolicyTest is one of upstream's policy tests.
type PolicyTest struct {
	Path    string
	Text    string // without the lines that speak to the test driver
	Accept  bool   // what 6.0 says
	Message string // with which 6.0 refuses it, of hand-written tests
}

// PolicySuite is upstream's policy tests with what they include. Its file
// systems are for the fields of the same names in parser.Config.
type PolicySuite struct {
	Tests []PolicyTest
	Todo  []PolicyTest // without a verdict; nothing may break on them
	Roots []fs.FS
	Abs   fs.FS // the tests expect to be in /tst
	Dir   string
}

// PolicyTests reads the suite, the generated tests only if they are asked for.
func PolicyTests(tb testing.TB, generated bool) PolicySuite {
	tb.Helper()
	tree := CorpusFS(tb, "simple_tests.tar.gz")
	want := HandWritten
	if generated {
		want += Generated
		for name, f := range CorpusFS(tb, "simple_tests_generated.tar.gz") {
			tree["simple_tests/"+name] = f
		}
	}
	sub, err := fs.Sub(tree, "simple_tests")
	if err != nil {
		tb.Fatal(err)
	}
	s := PolicySuite{Roots: []fs.FS{sub}, Abs: tst{tree}, Dir: "tst"}

	f, err := os.Open(Corpus(tb, "simple_tests_manifest.tsv.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(zr)
	lines.Scan() // the names of the columns
	for lines.Scan() {
		column := strings.Split(lines.Text(), "\t")
		file := tree["simple_tests/"+column[0]]
		if file == nil {
			continue
		}
		tests := &s.Tests
		if column[1] == "TODO" {
			tests = &s.Todo
		}
		*tests = append(*tests, PolicyTest{
			Path:    column[0],
			Text:    withoutDirectives(string(file.Data)),
			Accept:  column[2] == "accept",
			Message: strings.Join(column[6:], " "),
		})
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	if len(s.Tests) != want {
		tb.Fatalf("%d policy tests, there should be %d", len(s.Tests), want)
	}
	return s
}

// directive matches a line that speaks to the test driver; others may begin
// with the same two bytes.
var directive = regexp.MustCompile(`^#=[A-Za-z]`)

// withoutDirectives removes the lines that speak to the test driver, and what
// they disable.
func withoutDirectives(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "#=DISABLED") {
			break
		}
		if !directive.MatchString(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// tst is a root directory with a tree in its directory tst.
type tst struct{ tree fs.FS }

// Open implements fs.FS.
func (r tst) Open(name string) (fs.File, error) {
	rel, ok := strings.CutPrefix(name, "tst/")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.tree.Open(rel)
}
