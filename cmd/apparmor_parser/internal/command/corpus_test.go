// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

// unpack writes a tree below a directory.
func unpack(tb testing.TB, tree fs.FS, dir string) {
	tb.Helper()
	if err := os.CopyFS(dir, tree); err != nil {
		tb.Fatal(err)
	}
}

var lineNumber = regexp.MustCompile(`at line (\d+):`)

// TestPolicyTests runs upstream's hand-written tests as upstream's driver
// does: text on standard input, compiled and thrown away, the exit status is
// the verdict.
func TestPolicyTests(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tst")
	suite := upstream.PolicyTests(t, false)
	unpack(t, suite.Tree, dir)
	features := oracle.Features(t, "features.all")
	include := filepath.Join(dir, "simple_tests")

	var judged, agreed, lines, sameLine, near atomic.Int64
	var work sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i, test := range slices.Concat(suite.Tests, suite.Todo) {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			got := runIn(t, dir, test.Text, "-S", "-M", features, "-I", include)
			if i >= len(suite.Tests) {
				return
			}
			judged.Add(1)
			if (got.Status == 0) != test.Accept {
				t.Errorf("%s: status %d, 6.0 accepts: %v\n%s", test.Path, got.Status, test.Accept, got.Stderr)
				return
			}
			agreed.Add(1)
			if got.Status != 0 && got.Stderr == "" {
				t.Errorf("%s: refused without a message", test.Path)
			}
			want := lineNumber.FindStringSubmatch(test.Message)
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
					t.Logf("%s: line %d, the reference says %d\n\t%s\n\t%s", test.Path, h, w, strings.TrimSpace(got.Stderr), test.Message)
				}
			} else if testing.Verbose() {
				t.Logf("%s: no line\n\t%s\n\t%s", test.Path, strings.TrimSpace(got.Stderr), test.Message)
			}
		})
	}
	work.Wait()
	if judged.Load() != int64(len(suite.Tests)) {
		t.Errorf("%d tests, there should be %d", judged.Load(), len(suite.Tests))
	}
	t.Logf("%d of %d verdicts as expected; of %d lines in messages of the reference %d are the same, %d one off",
		agreed.Load(), judged.Load(), lines.Load(), sameLine.Load(), near.Load())
}
