package parser

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/testenv"
)

// semantic tells from the message of the reference whether a policy is refused
// for what no parser can see: the values of variables, globs, and conflicts
// between rules that are well formed by themselves.
func semantic(message string) bool {
	for _, part := range []string{
		"Regex grouping error", "ERROR processing regexs", "Encoding of mount rule failed", "conflicting x modifiers",
		"too many specified profile transitions", "Multiple definitions for", "Failed to find declaration", "is already defined",
		"is referenced recursively", "Unset boolean variable", "is not a boolean variable", "is not a set variable",
		"Can only compare numbers with numbers", "Error retrieving variable", "attach_disconnected path must begin with a /",
		": No such file or directory", // of an abi
	} {
		if strings.Contains(message, part) {
			return true
		}
	}
	return false
}

// corpusFS is the tree of upstream's policy tests with its generated part, and
// the root directory as the tests expect it: the tree is in /tst.
func corpusFS(tb testing.TB) (tree fstest.MapFS, config Config) {
	tree = testenv.CorpusFS(tb, "simple_tests.tar.gz")
	for name, f := range testenv.CorpusFS(tb, "simple_tests_generated.tar.gz") {
		tree["simple_tests/"+name] = f
	}
	sub, err := fs.Sub(tree, "simple_tests")
	if err != nil {
		tb.Fatal(err)
	}
	return tree, Config{Roots: []fs.FS{sub}, Abs: tstRoot{tree}, Dir: "/tst"}
}

// tstRoot is a root directory whose tst holds the tree.
type tstRoot struct{ tree fs.FS }

func (r tstRoot) Open(name string) (fs.File, error) {
	rel, ok := strings.CutPrefix(name, "tst/")
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return r.tree.Open(rel)
}

func TestCorners(t *testing.T) {
	type corner struct {
		ID, Profile string
		Verdict     string `json:"upstream_6_0"`
		Message     string `json:"upstream_6_0_message"`
	}
	_, config := corpusFS(t)
	agree, left := 0, 0
	for _, c := range testenv.CorpusLines[corner](t, "corners.jsonl.gz") {
		_, err := config.ParseTree(t.Context(), "stdin", c.Profile)
		switch {
		case (err == nil) == (c.Verdict == "accept"):
			agree++
		case err == nil && semantic(c.Message):
			left++
		default:
			t.Errorf("%s %q: %s (%s), got %v", c.ID, c.Profile, c.Verdict, c.Message, err)
		}
	}
	t.Logf("%d agree, %d are refused later", agree, left)
}

func TestSimple(t *testing.T) {
	tree, config := corpusFS(t)
	agree, left := 0, 0
	for _, test := range simpleTests(t) {
		if test.expect == "TODO" {
			continue
		}
		f := tree["simple_tests/"+test.path]
		if f == nil {
			t.Errorf("%s is not there", test.path)
			continue
		}
		_, err := config.ParseTree(t.Context(), test.path, stripMarkers(string(f.Data)))
		switch {
		case (err == nil) == (test.verdict == "accept"):
			agree++
		case err == nil && (semantic(test.message) || generatedConflict(test.path)):
			left++
		default:
			t.Errorf("%s: %s (%s), got %v", test.path, test.verdict, test.message, err)
		}
	}
	t.Logf("%d agree, %d are refused later", agree, left)
	// The rest are conflicts of exec modes, globs and values of variables.
	if want := 55841; agree < want {
		t.Errorf("%d agree, at least %d should", agree, want)
	}
}

// generatedConflict reports whether a generated test, for which there is no
// message, is about conflicts of exec modes or about values that cannot be
// compared.
func generatedConflict(name string) bool {
	return strings.HasPrefix(name, "generated_x/") || strings.HasPrefix(name, "generated_perms_safe/") ||
		strings.HasPrefix(name, "generated_conditional/")
}
