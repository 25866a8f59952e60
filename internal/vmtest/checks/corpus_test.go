// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"encoding/json"
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
		for _, p := range loadCorpus(t, k, "upstream", 20) {
			all = append(all, p.Profiles()...)
		}
		checkAccess(t, k, all, nil, 6)
	})
	t.Run("equality", func(t *testing.T) {
		if _, err := os.Stat(filepath.Join(guest.FilesDir, "corpus/questions")); err != nil {
			t.Skip("the host has no recorded pairs of profiles; see APPARMOR_CORPUS in docs/testing.md")
		}
		k := kernel(t)
		byName := map[string]*blob.Profile{}
		var all []*blob.Profile
		for _, p := range loadCorpus(t, k, "equality", 9) {
			for _, q := range p.Profiles() {
				byName[q.Name] = q
				all = append(all, q)
			}
		}
		if len(all) < 900 {
			t.Errorf("%d profiles", len(all))
		}
		var questions []Question
		if err := json.Unmarshal(guest.File(t, "corpus/questions"), &questions); err != nil {
			t.Fatal(err)
		}
		if len(questions) < 1900 {
			t.Errorf("%d questions", len(questions))
		}
		var j judge
		for _, q := range questions {
			j.ask(t, k, byName[q.Profile], q.Class, q.In)
		}
		t.Logf("%d strings that tell profiles apart; granted of asked:%v", len(questions)/2, &j)
		checkAccess(t, k, all, nil, 2)
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
