// SPDX-License-Identifier: Apache-2.0

package policyfiles

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/query/explain"
)

// Profile is a compiled profile and the policy that it is of.
type Profile struct {
	*query.Profile
	policy *explain.Policy
}

// Title is the name by which a profile is called: with its namespace if it has
// one.
func (p Profile) Title() string {
	if p.Namespace == "" {
		return p.Name
	}
	return p.FullName()
}

// Profiles returns the profiles of all namespaces.
func (c *Compiled) Profiles() []Profile {
	var all []Profile
	for _, p := range c.Policies {
		for _, q := range p.Query().Profiles() {
			all = append(all, Profile{q, p})
		}
	}
	return all
}

// Profiles compiles files for a kernel and returns their profiles. It is an error
// if two of them have one name.
func Profiles(ctx context.Context, files []*File, kernel *features.Set) ([]Profile, error) {
	var all []Profile
	known := map[string]string{}
	var errs []error
	for _, file := range files {
		out, err := file.Compile(ctx, kernel)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, p := range out.Profiles() {
			if first, ok := known[p.Title()]; ok {
				errs = append(errs, fmt.Errorf("%s: profile %q is in %s already", file.Name, p.Title(), first))
				break
			}
			known[p.Title()] = file.Name
			all = append(all, p)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// Join makes one policy of profiles of several files. It is nil without any.
func Join(profiles []Profile) (*query.Policy, error) {
	if len(profiles) == 0 {
		return nil, nil
	}
	var all []*blob.Profile
	for _, p := range profiles {
		all = append(all, p.Profile.Profile)
	}
	set, err := blob.Encode(all)
	if err != nil {
		return nil, err
	}
	return query.Open(set), nil
}

// Rule is a rule of the policy, in canonical form.
type Rule struct {
	Pos  diag.Position `json:"pos"`  // where it is written
	Text string        `json:"text"` // with variables expanded
}

// Deciding returns the rules from which the answer to a request follows, and if
// there are none and the request is denied, the one that comes closest to
// allowing it. Where that cannot be found out there are none; the error is that
// of ctx.
func (p Profile) Deciding(ctx context.Context, r query.Request) (rules []Rule, nearest *Rule, err error) {
	e, err := p.policy.Explain(ctx, p.Name, r)
	if err != nil {
		return nil, nil, ctx.Err()
	}
	for _, step := range e.Steps {
		for _, rule := range step.Rules {
			known := Rule{Pos: rule.Pos, Text: rule.Text}
			if rule.Status == explain.Decides && rule.Pos.IsValid() && !slices.Contains(rules, known) {
				rules = append(rules, known)
			}
		}
	}
	if len(rules) == 0 && e.Nearest != nil && !e.Decision.Allowed() {
		nearest = &Rule{Pos: e.Nearest.Pos, Text: e.Nearest.Text}
	}
	return rules, nearest, nil
}

// Explain is explain.Policy.Explain for the profile.
func (p Profile) Explain(ctx context.Context, r query.Request) (*explain.Explanation, error) {
	return p.policy.Explain(ctx, p.Name, r)
}
