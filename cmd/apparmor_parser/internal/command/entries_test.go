// SPDX-License-Identifier: Apache-2.0

package command

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// newestTree returns /etc/apparmor.d of Debian sid, with a file for the
// administrator's rules wherever one is included.
func newestTree(tb testing.TB) string {
	tb.Helper()
	tree := testenv.Packages(tb, debian.Binary{Suite: oracle.Newest, Names: []string{"apparmor", "apparmor-profiles"}})
	return filepath.Join(tree.Dir, "etc", "apparmor.d")
}

// listed is what -d prints of a profile: what those who read it look for.
type listed struct {
	Name, Attachment string
	Entries          []string // sorted; a link is part of its line
}

var listLine = regexp.MustCompile(`^(?:Perms:|	link:)\t?.*`)

// readList reads what -d prints.
func readList(text string) (list []listed) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "Name:\t\t"); ok {
			list = append(list, listed{Name: name})
			continue
		}
		if len(list) == 0 {
			continue
		}
		p := &list[len(list)-1]
		if a, ok := strings.CutPrefix(line, "Attachment:\t"); ok {
			p.Attachment = a
		}
		switch {
		case !listLine.MatchString(line):
		case strings.HasPrefix(line, "\t"):
			p.Entries[len(p.Entries)-1] += line
		default:
			p.Entries = append(p.Entries, line)
		}
	}
	for _, p := range list {
		slices.Sort(p.Entries)
	}
	slices.SortStableFunc(list, func(a, b listed) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// TestEntries holds the list of -d against the one that Debian sid's
// apparmor_parser prints, for rules of every kind and for Debian's profiles.
func TestEntries(t *testing.T) {
	reference := oracle.ParserOf(t, oracle.Newest)
	compare := func(t *testing.T, job oracle.Job, args ...string) {
		t.Helper()
		a := reference.Run(job, "-Q", "-K", "-q", "-d")
		if a.Failed != "" {
			t.Fatal(a.Failed, a.Stderr)
		}
		got := runIn(t, t.TempDir(), job.Text, args...)
		if got.Status != 0 {
			t.Fatalf("%+v", got)
		}
		// The reference prints names before slashes are squeezed.
		theirs, ours := readList(strings.ReplaceAll(string(a.Stdout), "//", "/")), readList(strings.ReplaceAll(got.Stdout, "//", "/"))
		if len(theirs) == 0 {
			t.Fatal("the reference lists nothing")
		}
		if d := cmp.Diff(theirs, ours); d != "" {
			t.Errorf("-reference +ours:\n%s", d)
		}
	}
	t.Run("rules", func(t *testing.T) {
		compare(t, oracle.Job{Text: everyEntry}, "-d")
	})
	tree := newestTree(t)
	for _, name := range debianProfiles(t, tree) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(tree, name)
			compare(t, oracle.Job{File: file, Base: tree}, "-d", "-b", tree, file)
		})
	}
}

const everyEntry = `@{B}=/usr/bin /bin
profile c @{B}/foo {
  @{attach_path} mr,
  /r r,
  /w w,
  /wa a,
  owner /a r,
  /a w,
  deny /a k,
  /a l,
  audit /a m,
  audit /a2 m,
  /a2 r,
  owner /own px,
  deny /dx x,
  /same px,
  /same r,
  /z Pix -> foo,
  /y cx -> h,
  /u ux,
  /uu Ux,
  /i ix,
  pux /pp -> gg,
  change_profile unsafe /q -> foo,
  change_profile /q2 -> foo,
  change_profile,
  change_profile -> @{B}/x,
  "/with space" r,
  /esc\{x\} r,
  rl /a -> /b,
  owner link /ol -> /om,
  link subset /l2 -> /m2,
  file,
  /pri r,
  priority=2 /pri w,
  profile h { /r r, }
  ^hat { /hh r, }
}
`
