package command

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// unpack writes an archive of the corpus below a directory.
func unpack(tb testing.TB, archive, dir string) {
	tb.Helper()
	if err := os.CopyFS(dir, testenv.CorpusFS(tb, archive)); err != nil {
		tb.Fatal(err)
	}
}

// policyTest is one of upstream's policy tests.
type policyTest struct {
	path, expect, verdict, message string
}

// policyTests lists the hand-written tests.
func policyTests(tb testing.TB) (tests []policyTest) {
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
	lines := bufio.NewScanner(zr)
	lines.Scan() // the names of the columns
	for lines.Scan() {
		c := strings.Split(lines.Text(), "\t")
		if !strings.HasPrefix(c[0], "generated_") {
			tests = append(tests, policyTest{c[0], c[1], c[2], c[6]})
		}
	}
	if err := lines.Err(); err != nil {
		tb.Fatal(err)
	}
	return tests
}

var (
	directives = regexp.MustCompile(`(?m)^#=[A-Za-z]+.*\n`)
	lineNumber = regexp.MustCompile(`at line (\d+):`)
)

// TestPolicyTests runs upstream's hand-written tests as upstream's driver
// does: text on standard input, compiled and thrown away, the exit status is
// the verdict.
func TestPolicyTests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tst")
	unpack(t, "simple_tests.tar.gz", dir)
	features := testenv.Corpus(t, "features/features.all")
	include := filepath.Join(dir, "simple_tests")

	var judged, agreed, lines, sameLine, near atomic.Int64
	var work sync.WaitGroup
	slots := make(chan struct{}, 2)
	for _, test := range policyTests(t) {
		text, err := os.ReadFile(filepath.Join(include, test.path))
		if err != nil {
			continue // generated, and not unpacked
		}
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			got := runIn(t, dir, directives.ReplaceAllString(string(text), ""), "-S", "-M", features, "-I", include)
			if test.expect == "TODO" {
				return
			}
			judged.Add(1)
			if (got.Status == 0) != (test.expect == "PASS") {
				t.Errorf("%s: status %d, want %s\n%s", test.path, got.Status, test.expect, got.Stderr)
				return
			}
			agreed.Add(1)
			if got.Status != 0 && got.Stderr == "" {
				t.Errorf("%s: refused without a message", test.path)
			}
			want := lineNumber.FindStringSubmatch(test.message)
			if want == nil || got.Status == 0 {
				return
			}
			lines.Add(1)
			if have := lineNumber.FindStringSubmatch(got.Stderr); have != nil {
				w, _ := strconv.Atoi(want[1])
				h, _ := strconv.Atoi(have[1])
				switch {
				case w == h:
					sameLine.Add(1)
				case h > w-2 && h < w+2:
					near.Add(1)
				}
				if w != h && testing.Verbose() {
					t.Logf("%s: line %d, the reference says %d\n\t%s\n\t%s", test.path, h, w, strings.TrimSpace(got.Stderr), test.message)
				}
			} else if testing.Verbose() {
				t.Logf("%s: no line\n\t%s\n\t%s", test.path, strings.TrimSpace(got.Stderr), test.message)
			}
		})
	}
	work.Wait()
	if judged.Load() == 0 {
		t.Fatal("there are no tests")
	}
	t.Logf("%d of %d verdicts as expected; of %d lines in messages of the reference %d are the same, %d one off",
		agreed.Load(), judged.Load(), lines.Load(), sameLine.Load(), near.Load())
}
