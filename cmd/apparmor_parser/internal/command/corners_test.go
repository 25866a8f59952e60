// SPDX-License-Identifier: Apache-2.0

package command

import (
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
)

// corner is a profile that asks one question of the language.
type corner struct {
	ID, Group, Profile string
	Verdict            string `json:"upstream_6_0"`
}

// otherwise are the corners that may be judged unlike version 6.0.
var otherwise = map[string]string{
	"c0842": "an octal number with a digit 8 is another number to the reference than the one written",
	"c0843": "a value that overflows is another number to the reference than the one written",
	"c0844": "a value that overflows is another number to the reference than the one written",
	"c0978": "the rule is dropped for want of the feature before its glob is looked at",
	"c1290": "no remount has a type of file system: the rule never matches",
}

// TestCorners holds the verdicts on corners of the language against those of
// version 6.0.
func TestCorners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tst")
	unpack(t, "simple_tests.tar.gz", dir)
	features := testenv.Corpus(t, "features/features.all")
	corners := testenv.CorpusLines[corner](t, "corners.jsonl.gz")
	agreed := 0
	for _, c := range corners {
		got := runIn(t, dir, c.Profile, "-QK", "-M", features, "-b", t.TempDir(), "-I", filepath.Join(dir, "simple_tests"))
		switch {
		case got.Status == 0 && c.Verdict == "accept", got.Status == 1 && c.Verdict == "reject":
			agreed++
		case otherwise[c.ID] == "":
			t.Errorf("%s (%s): status %d, want %s: %q\n%s", c.ID, c.Group, got.Status, c.Verdict, c.Profile, got.Stderr)
		}
	}
	if len(corners) == 0 {
		t.Fatal("there are no corners")
	}
	t.Logf("%d of %d verdicts are those of version 6.0", agreed, len(corners))
}
