package policy_test

import (
	"bufio"
	"compress/gzip"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// later tells from the message of the reference whether a policy is refused
// only when it is compiled: for its globs, for mount flags that go with no
// operation, for patterns whose exec modes overlap, for too many targets.
func later(message string) bool {
	for _, part := range []string{
		"Regex grouping error", "Unable to parse input line", "Encoding of mount rule failed",
		"profile has merged rule with conflicting x modifiers", "too many specified profile transitions",
		"ERROR processing",
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// refused are corners that the reference accepts and means something else by
// than what is written.
var refused = map[string]string{
	"c0842": "08 is read as 0",
	"c0843": "the value wraps around",
	"c0844": "the value is cut at 63 bits",
}

func TestCorners(t *testing.T) {
	type corner struct {
		ID, Group, Profile string
		Verdict            string `json:"upstream_6_0"`
		Message            string `json:"upstream_6_0_message"`
	}
	n, skipped := 0, 0
	config := testTree(t)
	for _, c := range testenv.CorpusLines[corner](t, "corners.jsonl.gz") {
		err := resolveWith(t, config, c.ID, c.Profile)
		accepted := err == nil
		if c.Verdict == "reject" && later(c.Message) {
			skipped++
			continue
		}
		n++
		if reason, ok := refused[c.ID]; ok {
			if accepted {
				t.Errorf("%s %q: accepted although %s", c.ID, c.Profile, reason)
			}
			continue
		}
		if accepted != (c.Verdict == "accept") {
			t.Errorf("%s %q: 6.0 says %s (%s), we say %v", c.ID, c.Profile, c.Verdict, c.Message, err)
		}
	}
	t.Logf("%d corners, %d more are refused when compiling", n, skipped)
}

// testTree returns where includes of the policy tests are found.
func testTree(tb testing.TB) parser.Config {
	tb.Helper()
	tree := testenv.CorpusFS(tb, "simple_tests.tar.gz")
	sub, err := fs.Sub(tree, "simple_tests")
	if err != nil {
		tb.Fatal(err)
	}
	return parser.Config{Roots: []fs.FS{sub}, Abs: tstRoot{tree}, Dir: "tst", Cache: &parser.Cache{}}
}

// resolveWith parses and resolves a text with its includes.
func resolveWith(tb testing.TB, config parser.Config, name, text string) error {
	unit, err := config.ParseTree(tb.Context(), name, text)
	if err != nil {
		return err
	}
	_, err = policy.Resolve(tb.Context(), unit, policy.Options{
		Kernel: features.Default(), Roots: config.Roots, Abs: config.Abs, Dir: config.Dir,
	})
	return err
}

// overlap names the generated tests whose patterns overlap with different exec
// modes.
var overlap = regexp.MustCompile(`^generated_(x|perms_safe)/(ambiguous|dominate)-`)

// TestSimple runs upstream's policy tests through parser and resolver. The
// verdicts must agree, but for what is only seen when compiling.
func TestSimple(t *testing.T) {
	config := testTree(t)
	tree := config.Abs.(tstRoot).tree
	for name, f := range testenv.CorpusFS(t, "simple_tests_generated.tar.gz") {
		tree["simple_tests/"+name] = f
	}
	agree, compiled := 0, 0
	for _, test := range manifest(t) {
		f := tree["simple_tests/"+test.path]
		if test.expect == "TODO" || f == nil {
			continue
		}
		var text strings.Builder
		for line := range strings.Lines(string(f.Data)) {
			if !strings.HasPrefix(line, "#=") {
				text.WriteString(line)
			}
		}
		err := resolveWith(t, config, test.path, text.String())
		switch accepted := err == nil; {
		case accepted == (test.verdict == "accept"):
			agree++
		case accepted && (later(test.message) || overlap.MatchString(test.path)):
			compiled++
		default:
			t.Errorf("%s: 6.0 says %s (%s), we say %v", test.path, test.verdict, test.message, err)
		}
	}
	t.Logf("%d agree, %d are refused when compiling", agree, compiled)
}

// manifestLine is a line of the manifest of the policy tests.
type manifestLine struct{ path, expect, verdict, message string }

func manifest(tb testing.TB) []manifestLine {
	tb.Helper()
	f, err := os.Open(testenv.Corpus(tb, "simple_tests_manifest.tsv.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var out []manifestLine
	for sc := bufio.NewScanner(zr); sc.Scan(); {
		if f := strings.Split(sc.Text(), "\t"); f[0] != "path" {
			out = append(out, manifestLine{f[0], f[1], f[2], strings.Join(f[6:], " ")})
		}
	}
	return out
}

// tstRoot is a root directory whose tst holds a tree, as the tests expect.
type tstRoot struct{ tree fstest.MapFS }

func (r tstRoot) Open(name string) (fs.File, error) {
	rel, ok := strings.CutPrefix(name, "tst/")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.tree.Open(rel)
}
