// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// PolicyTest is one of upstream's policy tests.
type PolicyTest struct {
	Path    string
	Text    string // without the lines that speak to the test driver
	Accept  bool   // what 6.0 says
	Message string // with which the reference refuses it, of hand-written tests
}

// PolicySuite is upstream's policy tests with what they include. Its file
// systems are for the fields of the same names in parser.Config.
type PolicySuite struct {
	Tests []PolicyTest
	Todo  []PolicyTest // without a verdict; nothing may break on them
	Roots []fs.FS
	Abs   fs.FS // the tests expect to be in /tst
	Dir   string
	Tree  fs.FS // the files, below simple_tests
}

// generatedSample is how many of the some 70,000 generated tests are run where
// not everything is.
const generatedSample = 3000

// PolicyTests returns the tests written by hand, and with generated also those
// that upstream's generators make: a sample of them, see testenv.Full.
//
// The verdict on a test is the one that its file names. That the newest parser
// in Debian says the same is checked of the tests written by hand.
func PolicyTests(tb testing.TB, generated bool) PolicySuite {
	tb.Helper()
	src := source(tb)
	tree := readTree(tb, src, "simple_tests")
	s := PolicySuite{Dir: "tst", Tree: tree, Abs: tst{tree}}

	hand := testsOf(tree)
	judgeTests(tb, src, hand)
	for _, t := range hand {
		if t.todo {
			s.Todo = append(s.Todo, t.PolicyTest)
		} else {
			s.Tests = append(s.Tests, t.PolicyTest)
		}
	}
	if len(s.Tests) < 2000 {
		tb.Fatalf("only %d policy tests", len(s.Tests))
	}
	if generated {
		made := testsOf(readTree(tb, generate(tb, src), "simple_tests"))
		if len(made) < 70_000 {
			tb.Fatalf("only %d generated policy tests", len(made))
		}
		for _, t := range sample(made, generatedSample) {
			s.Tests = append(s.Tests, t.PolicyTest)
		}
	}
	if dir, ok := testenv.ExtraCorpus(); ok {
		s.add(tb, dir, tree, generated)
	}
	sub, err := fs.Sub(tree, "simple_tests")
	if err != nil {
		tb.Fatal(err)
	}
	s.Roots = []fs.FS{sub}
	return s
}

// readTree reads the regular files below a folder of dir.
func readTree(tb testing.TB, dir, folder string) fstest.MapFS {
	tb.Helper()
	tree := fstest.MapFS{}
	err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		tree[filepath.ToSlash(rel)] = &fstest.MapFile{Data: data, Mode: 0o644}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return tree
}

// markedTest is a test as its file has it.
type markedTest struct {
	PolicyTest
	todo bool
}

var (
	// directive matches a line that speaks to the test driver; others may begin
	// with the same two bytes.
	directive = regexp.MustCompile(`^#=[A-Za-z]`)
	result    = regexp.MustCompile(`(?m)^#=EXRESULT\s+(\S+)`)
	todo      = regexp.MustCompile(`(?m)^#=TODO\b`)
)

// testsOf returns the policy tests in a tree, sorted by path.
func testsOf(tree fstest.MapFS) []markedTest {
	var tests []markedTest
	for name, file := range tree {
		path, ok := strings.CutPrefix(name, "simple_tests/")
		if !ok || !strings.HasSuffix(path, ".sd") {
			continue
		}
		// What is marked as to be done has no verdict.
		m := result.FindSubmatch(file.Data)
		if m == nil {
			continue
		}
		tests = append(tests, markedTest{
			PolicyTest{Path: path, Text: withoutDirectives(string(file.Data)), Accept: string(m[1]) == "PASS"},
			todo.Match(file.Data) || strings.Contains(string(file.Data), "\n#=DISABLED"),
		})
	}
	slices.SortFunc(tests, func(a, b markedTest) int { return strings.Compare(a.Path, b.Path) })
	return tests
}

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

// judgeTests asks the newest parser, for its verdict and message.
func judgeTests(tb testing.TB, src string, tests []markedTest) {
	tb.Helper()
	// The tests expect to be in a folder of this name.
	reference := oracle.ParserOf(tb, oracle.Newest)
	features := filepath.Join(src, "features_files", "features.all")
	inParallel(len(tests), func(i int) {
		t := &tests[i]
		err := reference.Accepts(oracle.Job{Text: t.Text, Features: features, Dir: src, Include: []string{filepath.Join(src, "simple_tests")}})
		if accept := err == nil; accept != t.Accept && !t.todo {
			tb.Errorf("%s: its file accepts: %v, the newest parser: %v", t.Path, t.Accept, err)
		}
		t.Message = firstLine(err)
	})
}

// firstLine returns the first line of what the reference said.
func firstLine(err error) string {
	e := (*oracle.Error)(nil)
	if !errors.As(err, &e) {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(e.Stderr), "\n")
	return line
}

// inParallel calls f for the numbers below n.
func inParallel(n int, f func(i int)) {
	var work sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	work.Wait()
}

// generate returns a folder with the generated tests in simple_tests.
func generate(tb testing.TB, src string) string {
	tb.Helper()
	python := testenv.Command(tb, "python3", "python3")
	return derive(tb, "generated-"+upstreamName(src), func(dir string) error {
		for _, d := range []string{"generated_x", "generated_perms_leading", "generated_perms_safe", "generated_dbus"} {
			if err := os.MkdirAll(filepath.Join(dir, "simple_tests", d), 0o755); err != nil {
				return err
			}
		}
		for _, script := range []string{"gen-xtrans.py", "gen-dbus.py"} {
			cmd := exec.Command(python, filepath.Join(src, script))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
			if _, err := output(cmd); err != nil {
				return err
			}
		}
		return nil
	})
}

// upstreamName returns the folder of the source, "apparmor-4.1.0".
func upstreamName(src string) string {
	return filepath.Base(filepath.Dir(filepath.Dir(src)))
}

// add adds the tests of the private corpus that are not in the suite.
func (s *PolicySuite) add(tb testing.TB, dir string, tree fstest.MapFS, generated bool) {
	tb.Helper()
	have := map[string]string{}
	for _, t := range slices.Concat(s.Tests, s.Todo) {
		have[t.Path] = t.Text
	}
	extra := testenv.CorpusFS(tb, "simple_tests.tar.gz")
	for name, f := range extra {
		if tree[name] == nil {
			tree[name] = f
		}
	}
	if generated && testenv.Full() {
		for name, f := range testenv.CorpusFS(tb, "simple_tests_generated.tar.gz") {
			extra["simple_tests/"+name] = f
		}
	}
	f, err := os.Open(filepath.Join(dir, "simple_tests_manifest.tsv.gz"))
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
		file := extra["simple_tests/"+column[0]]
		if file == nil {
			continue
		}
		text := withoutDirectives(string(file.Data))
		if old, ok := have[column[0]]; ok && old == text {
			continue
		}
		tests := &s.Tests
		if column[1] == "TODO" {
			tests = &s.Todo
		}
		*tests = append(*tests, PolicyTest{column[0], text, column[2] == "accept", strings.Join(column[6:], " ")})
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
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
