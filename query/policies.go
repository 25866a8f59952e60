// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/blob"
)

// Diff is Profile.Diff for all profiles of two policies, paired by their full
// names with the namespace. Profiles come in the order of p, then those that
// only q has.
func (p *Policy) Diff(ctx context.Context, q *Policy) ([]Difference, error) {
	return each(p, q, func(a, b *Profile) ([]Difference, error) {
		switch {
		case b == nil:
			return only(a, "present", "absent"), nil
		case a == nil:
			return only(b, "absent", "present"), nil
		}
		return a.Diff(ctx, b)
	})
}

// Equal reports whether Diff finds nothing. It is the faster way to ask.
func (p *Policy) Equal(ctx context.Context, q *Policy) (bool, error) {
	found, err := each(p, q, func(a, b *Profile) ([]Difference, error) {
		if a == nil || b == nil {
			return only(p.any(), "", ""), nil
		}
		same, err := a.Equal(ctx, b)
		if same || err != nil {
			return nil, err
		}
		return only(a, "", ""), nil
	})
	return len(found) == 0 && err == nil, err
}

// any returns a profile of the policy. All have at least one.
func (p *Policy) any() *Profile { return &Profile{Profile: p.set.Profiles()[0], set: p.set} }

// Covers is Profile.Covers for all profiles of two policies: it returns what q
// lets pass that p does not.
//
// Beyond requests it counts what frees programs from a profile: a profile that
// only q has, since its rules are nowhere in p, and executables that a profile
// of p attaches to and the one of q does not, or that have a profile only in
// p. Hats and children that only p has do not count: without them there is
// less to change to.
func (p *Policy) Covers(ctx context.Context, q *Policy) ([]Difference, error) {
	return each(p, q, func(a, b *Profile) ([]Difference, error) {
		switch {
		case a == nil:
			return only(b, "absent", "present"), nil
		case b == nil && blob.ParentName(a.Name) == "":
			return only(a, "present", "absent"), nil
		case b == nil:
			return nil, nil
		}
		found, err := a.Covers(ctx, b)
		c := comparison{ctx: ctx, a: a, b: b, confirm: func(x, y Decision) bool { return x.Allowed() && !y.Allowed() }}
		if blob.ParentName(a.Name) == "" {
			c.attachments()
		}
		return append(found, c.found...), errors.Join(append(c.errs, err)...)
	})
}

func only(p *Profile, inA, inB string) []Difference {
	return []Difference{{Difference: blob.Difference{Profile: p.Name, Member: "profile", TextA: inA, TextB: inB}}}
}

// each calls compare for the profiles of two policies by their full names, with
// nil for what only one of them has.
func each(p, q *Policy, compare func(a, b *Profile) ([]Difference, error)) ([]Difference, error) {
	var found []Difference
	var errs []error
	run := func(a, b *Profile, name string) {
		d, err := compare(a, b)
		found = append(found, d...)
		if err != nil {
			errs = append(errs, fmt.Errorf("profile %q: %w", name, err))
		}
	}
	inQ := map[string]*Profile{}
	for _, b := range q.Profiles() {
		inQ[b.FullName()] = b
	}
	for _, a := range p.Profiles() {
		b := inQ[a.FullName()]
		delete(inQ, a.FullName())
		run(a, b, a.Name)
	}
	for _, b := range q.Profiles() {
		if inQ[b.FullName()] != nil {
			run(nil, b, b.Name)
		}
	}
	return found, errors.Join(errs...)
}
