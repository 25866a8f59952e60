// SPDX-License-Identifier: Apache-2.0

package command

import (
	"crypto/sha256"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

// TestEqualBytes compiles what upstream's equality.sh compiles, as that does:
// policy of one meaning is the same bytes, and policy of two is not.
func TestEqualBytes(t *testing.T) {
	cases := upstream.EqualityCases(t)
	features := map[string]string{}
	for _, c := range cases {
		if features[c.Features] == "" {
			features[c.Features] = oracle.Features(t, c.Features)
		}
	}
	dir := t.TempDir()
	var passed atomic.Int64
	var work sync.WaitGroup
	slots := make(chan struct{}, 2)
	for _, c := range cases {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			var known [sha256.Size]byte
			for i, profile := range c.Profiles {
				got := runIn(t, dir, profile, "-QKSq", "--features-file", features[c.Features], "-b", dir)
				if got.Status != 0 {
					t.Errorf("%s: %s\n%s", c.ID, profile, got.Stderr)
					return
				}
				sum := sha256.Sum256([]byte(got.Stdout))
				if i == 0 {
					known = sum
					continue
				}
				if equal := sum == known; equal != (c.Op == "equal") {
					t.Errorf("%s: same bytes: %v, want %s:\n%s\n%s", c.ID, equal, c.Op, c.Profiles[0], strings.TrimSpace(profile))
					return
				}
			}
			passed.Add(1)
		})
	}
	work.Wait()
	if len(cases) == 0 {
		t.Fatal("no cases of equality.sh were found")
	}
	t.Logf("%d of %d cases", passed.Load(), len(cases))
}
