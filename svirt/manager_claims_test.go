// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// conflict is conflicts for two machines, without an index: whether one may not
// have what it claims as long as the other has what it does.
func conflict(c, old, other *claim) bool {
	if old == nil {
		old = &claim{}
	}
	if c.name != "" && c.name == other.name && c.name != old.name || c.short != "" && c.short == other.short && c.short != old.short {
		return true
	}
	for path, a := range c.files {
		if had(old.files, path, a.write) {
			continue
		}
		if b, ok := other.files[path]; ok && (a.write || b.write) && !(a.shared && b.shared) {
			return true
		}
		for dir, b := range other.trees {
			if (a.write || b.write) && within(path, dir) {
				return true
			}
		}
	}
	for dir, a := range c.trees {
		if had(old.trees, dir, a.write) {
			continue
		}
		for path, b := range other.files {
			if (a.write || b.write) && within(path, dir) {
				return true
			}
		}
	}
	return false
}

// randomClaim is a claim of a member, of few names and paths.
func randomClaim(r *rand.Rand, member string) *claim {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	some := func() access {
		return access{Device{Kind: DeviceDisk, ID: pick("vda", "vdb")}, r.IntN(3) == 0, r.IntN(3) == 0}
	}
	c := &claim{member: member, name: pick("", "a", "b", "c", "d", "e"), short: pick("", "", "1-a", "2-b", "3-c"), files: map[string]access{}, trees: map[string]access{}}
	for range r.IntN(3) {
		c.files[pick("/", "/a", "/a/b", "/ab", "/a/b/c", "/c", "/c/d/e/f", "/x/y", "/z")] = some()
	}
	if r.IntN(4) == 0 {
		c.trees[pick("", "/", "/a", "/a/b", "/c/d", "/y", "/z/")] = some()
	}
	return c
}

// TestClaims compares the index of claims with asking each machine.
func TestClaims(t *testing.T) {
	var refused, taken int
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s claims
		s.clear()
		var pending []*claim
		for range 60 {
			member := fmt.Sprintf("%08d%s", r.IntN(6), testUUID[8:])
			if r.IntN(4) == 0 {
				member += "-fs0"
			}
			switch r.IntN(8) {
			case 0:
				s.delete(member)
				continue
			case 1:
				if len(pending) > 0 {
					c := pending[0]
					pending = pending[1:]
					if r.IntN(2) == 0 {
						s.put(c)
					} else {
						s.drop(c)
					}
				}
				continue
			}
			if slices.ContainsFunc(pending, func(p *claim) bool { return p.member == member }) {
				continue // changes of one machine wait for each other
			}
			c := randomClaim(r, member)
			want := false
			for _, other := range append(slices.Collect(maps.Values(s.of)), pending...) {
				if other.machine() != c.machine() {
					want = want || conflict(c, s.of[member], other)
				}
			}
			err := s.conflicts(c)
			if (err != nil) != want {
				t.Fatalf("seed %d: %v, want a conflict: %v, for %+v", seed, err, want, c)
			}
			for range 3 {
				if again := s.conflicts(c); fmt.Sprint(again) != fmt.Sprint(err) {
					t.Fatalf("seed %d: %v, then %v", seed, err, again)
				}
			}
			if err != nil {
				refused++
				continue
			}
			taken++
			s.add(c)
			pending = append(pending, c)
		}
		for _, c := range pending {
			s.drop(c)
		}
		for member := range maps.Clone(s.of) {
			s.delete(member)
		}
		if len(s.names)+len(s.shorts)+len(s.files)+len(s.trees) > 0 {
			t.Fatalf("seed %d: left: %v %v %v %v", seed, s.names, s.shorts, s.files, s.trees)
		}
	}
	if refused < 1000 || taken < 1000 {
		t.Errorf("%d refused, %d taken", refused, taken)
	}
}

func TestAbove(t *testing.T) {
	dirs := []string{"", "/", "/a", "/a/b", "/ab", "/a/b/c", "/a/", "/b", "//", "//a"}
	for _, path := range []string{"/", "/a", "/a/b", "/ab", "/a/b/c", "/a/", "//a", "/b"} {
		var want []string
		for _, dir := range dirs {
			if within(path, dir) {
				want = append(want, dir)
			}
		}
		got := slices.Sorted(above(path))
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestClaimsUnderWay has machines created while another one is: they do not wait
// for it, what it is about to have is refused to them, and what it then does not
// get is not.
func TestClaimsUnderWay(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	entered, leave := make(chan struct{}), make(chan error)
	f.driver.loading = func(names string) error {
		if !strings.Contains(names, numbered(1).UUID) {
			return nil
		}
		entered <- struct{}{}
		return <-leave
	}
	created := make(chan error)
	slow := numbered(1, raw("vda", "/srv/one"))
	go func() { created <- f.Create(ctx, slow) }()
	<-entered
	if err := f.Create(ctx, numbered(2, raw("vda", "/srv/two"))); err != nil {
		t.Errorf("another machine: %v", err)
	}
	same := numbered(3, raw("vda", "/srv/one"))
	wantReasons(t, "while the disk is being claimed", f.Create(ctx, same), ReasonShared)
	fault := errors.New("no memory in the kernel")
	leave <- fault
	if err := <-created; !errors.Is(err, fault) {
		t.Errorf("the first: %v", err)
	}
	if err := f.Create(ctx, same); err != nil {
		t.Errorf("the disk is free again: %v", err)
	}
	go func() { created <- f.Create(ctx, numbered(1, raw("vda", "/srv/three"))) }()
	<-entered
	leave <- nil
	if err := <-created; err != nil {
		t.Fatal(err)
	}
	// An update under way has both, the old and the new.
	go func() { created <- f.Replace(ctx, numbered(1, raw("vda", "/srv/four"))) }()
	<-entered
	for _, path := range []string{"/srv/three", "/srv/four"} {
		wantReasons(t, path, f.Create(ctx, numbered(4, raw("vda", path))), ReasonShared)
	}
	leave <- nil
	if err := <-created; err != nil {
		t.Fatal(err)
	}
	if err := f.Create(ctx, numbered(4, raw("vda", "/srv/three"))); err != nil {
		t.Errorf("what the update gave back: %v", err)
	}
	wantReasons(t, "what the update took", f.Create(ctx, numbered(5, raw("vda", "/srv/four"))), ReasonShared)
	if err := f.Remove(ctx, numbered(1).UUID); err != nil {
		t.Fatal(err)
	}
	if err := f.Create(ctx, numbered(5, raw("vda", "/srv/four"))); err != nil {
		t.Errorf("what the removed machine had: %v", err)
	}
}

// BenchmarkClaim measures what a machine with 8 disks costs among many others.
func BenchmarkClaim(b *testing.B) {
	machine := func(i int) *claim {
		c := &claim{member: numbered(i).UUID, name: fmt.Sprint("vm", i), files: map[string]access{}, trees: map[string]access{}}
		for j := range 8 {
			c.files[fmt.Sprintf("/srv/vm/%d/disk-%d.qcow2", i, j)] = access{Device{Kind: DeviceDisk, ID: "vda"}, true, false}
		}
		c.files["/srv/base.qcow2"] = access{}
		return c
	}
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var s claims
			s.clear()
			for i := range n {
				c := machine(i)
				s.add(c)
				s.put(c)
			}
			c := machine(n)
			b.ReportAllocs()
			for b.Loop() {
				if err := s.conflicts(c); err != nil {
					b.Fatal(err)
				}
				s.add(c)
				s.drop(c)
			}
		})
	}
}
