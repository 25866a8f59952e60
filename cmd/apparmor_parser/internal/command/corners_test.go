// SPDX-License-Identifier: Apache-2.0

package command

import (
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

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
	unpack(t, upstream.PolicyTests(t, false).Tree, dir)
	features := oracle.Features(t, "features.all")
	corners := upstream.Corners(t)
	agreed := 0
	for _, c := range corners {
		got := runIn(t, dir, c.Profile, "-QK", "-M", features, "-b", t.TempDir(), "-I", filepath.Join(dir, "simple_tests"))
		switch {
		case got.Status == 0 && c.Accept, got.Status == 1 && !c.Accept:
			agreed++
		case otherwise[c.ID] == "":
			t.Errorf("%s (%s): status %d, the reference accepts: %v (%s): %q\n%s", c.ID, c.Group, got.Status, c.Accept, c.Message, c.Profile, got.Stderr)
		}
	}
	if len(corners) == 0 {
		t.Fatal("no corner cases were found")
	}
	t.Logf("%d of %d verdicts are those of version 6.0", agreed, len(corners))
}
