package compile_test

import (
	"bufio"
	"compress/gzip"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// verdicts decides whether texts of upstream's suite are valid policy, from
// the text to binary policy.
type verdicts struct {
	config parser.Config
	kernel *features.Set
	tree   fstest.MapFS
}

func newVerdicts(tb testing.TB) verdicts {
	tb.Helper()
	tree := testenv.CorpusFS(tb, "simple_tests.tar.gz")
	sub, err := fs.Sub(tree, "simple_tests")
	if err != nil {
		tb.Fatal(err)
	}
	return verdicts{
		config: parser.Config{Roots: []fs.FS{sub}, Abs: tstRoot{tree}, Dir: "tst", Cache: &parser.Cache{}},
		kernel: suiteSet(tb, suite),
		tree:   tree,
	}
}

// check returns why a text is refused.
func (v verdicts) check(tb testing.TB, name, text string) error {
	tb.Helper()
	unit, err := v.config.ParseTree(tb.Context(), name, text)
	if err != nil {
		return err
	}
	set, err := policy.Resolve(tb.Context(), unit, policy.Options{
		Kernel: v.kernel, Roots: v.config.Roots, Abs: v.config.Abs, Dir: v.config.Dir,
	})
	if err != nil {
		return err
	}
	for _, p := range set.Profiles {
		p.ABI = nil // the kernel's set is the policy's, too
	}
	for _, s := range compile.ByNamespace(set) {
		if _, err := compile.Compile(tb.Context(), s, compile.Options{Kernel: v.kernel, Degrade: compile.Report}); err != nil {
			return err
		}
	}
	return nil
}

// refusedCorners are corners that 6.0 accepts and means something else by than
// what is written.
var refusedCorners = map[string]string{
	"c0842": "08 is read as 0",
	"c0843": "the value wraps around",
	"c0844": "the value is cut at 63 bits",
	"c1290": "no kernel remounts by the type of the file system",
}

// TestCorners checks the verdicts on the corners of the language.
func TestCorners(t *testing.T) {
	type corner struct {
		ID, Group, Profile string
		Verdict            string `json:"upstream_6_0"`
		Message            string `json:"upstream_6_0_message"`
	}
	v := newVerdicts(t)
	agree := 0
	for _, c := range testenv.CorpusLines[corner](t, "corners.jsonl.gz") {
		err := v.check(t, c.ID, c.Profile)
		if want := c.Verdict == "accept" && refusedCorners[c.ID] == ""; (err == nil) != want {
			t.Errorf("%s %q: 6.0 says %s (%s), we say %v", c.ID, c.Profile, c.Verdict, c.Message, err)
			continue
		}
		agree++
	}
	t.Logf("%d agree", agree)
}

// TestVerdicts checks the verdicts on upstream's policy tests.
func TestVerdicts(t *testing.T) {
	v := newVerdicts(t)
	if !testing.Short() {
		for name, f := range testenv.CorpusFS(t, "simple_tests_generated.tar.gz") {
			v.tree["simple_tests/"+name] = f
		}
	}
	agree := 0
	for _, test := range manifest(t) {
		f := v.tree["simple_tests/"+test.path]
		if test.expect == "TODO" || f == nil {
			continue
		}
		var text strings.Builder
		for line := range strings.Lines(string(f.Data)) {
			if !strings.HasPrefix(line, "#=") {
				text.WriteString(line)
			}
		}
		if err := v.check(t, test.path, text.String()); (err == nil) != (test.verdict == "accept") {
			t.Errorf("%s: 6.0 says %s (%s), we say %v", test.path, test.verdict, test.message, err)
			continue
		}
		agree++
	}
	t.Logf("%d agree", agree)
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
