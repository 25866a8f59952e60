//go:build linux

package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// TestCorpus loads what the host compiled of the test corpus, and compares
// what the kernel and we say to strings.
func TestCorpus(t *testing.T) {
	t.Run("upstream", func(t *testing.T) {
		k := kernel(t)
		var all []*blob.Profile
		for _, p := range loadCorpus(t, k, "upstream", 198) {
			all = append(all, p.Profiles()...)
		}
		checkAccess(t, k, all, nil, 10)
	})
	t.Run("equality", func(t *testing.T) {
		k := kernel(t)
		var all []*blob.Profile
		asked := 0
		for _, p := range loadCorpus(t, k, "equality", 100) {
			all = append(all, p.Profiles()...)
			asked += checkDifferences(t, k, p.Profiles())
		}
		t.Logf("%d answers to strings that tell two profiles apart", asked)
		if asked < 300 {
			t.Error("the profiles are not a good choice")
		}
		checkAccess(t, k, all, nil, 10)
	})
}

// loadCorpus loads the policies of a part of the corpus, of which there are at
// least so many, and checks the kernel's list. They go with the test.
func loadCorpus(t *testing.T, k *loader.Kernel, part string, atLeast int) []*blob.Policy {
	t.Helper()
	dir := filepath.Join("corpus", part)
	entries, err := os.ReadDir(filepath.Join(guest.FilesDir, dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < atLeast {
		t.Fatalf("%d policies, there should be %d", len(entries), atLeast)
	}
	var policies []*blob.Policy
	var want []string
	for _, e := range entries {
		p, err := blob.Inspect(guest.File(t, filepath.Join(dir, e.Name())))
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		load(t, k, p)
		policies = append(policies, p)
		for _, p := range p.Profiles() {
			want = append(want, fmt.Sprintf("%s (%s)", fullName(p), shownMode(p)))
		}
	}
	t.Cleanup(func() {
		names, err := k.Namespaces(background)
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if err := k.RemoveNamespace(background, name); err != nil {
				t.Error(err)
			}
		}
	})
	got := loaded(t, k)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("loaded profiles (-want +got):\n%s", diff)
	}
	return policies
}

// shownMode is the name that the kernel has for the mode of a profile.
func shownMode(p *blob.Profile) string {
	switch m := p.EffectiveMode(); m {
	case blob.Prompt:
		return "user"
	default:
		return m.String()
	}
}

// checkDifferences compares the profiles with each other and asks the kernel
// about every string to which two of them answer differently. It returns the
// number of answers.
func checkDifferences(t *testing.T, k *loader.Kernel, profiles []*blob.Profile) int {
	t.Helper()
	asked := 0
	for i, a := range profiles {
		for _, b := range profiles[:i] {
			differences, err := blob.Diff(a, b, blob.DiffOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range differences {
				in, ok := d.Input.Bytes()
				class := blob.ClassFile
				switch {
				case !ok:
					continue
				case d.Part == blob.PartPolicydb && len(in) > 0:
					class, in = blob.Class(in[0]), in[1:]
				case d.Part != blob.PartFile || d.Member != "":
					continue
				}
				sameAnswer(t, k, a, class, in)
				sameAnswer(t, k, b, class, in)
				asked += 2
			}
		}
	}
	return asked
}
