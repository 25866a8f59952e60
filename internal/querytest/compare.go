// SPDX-License-Identifier: Apache-2.0

package querytest

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// Pair compiles a random policy and one that differs from it in a few rules.
// There is none where the rules contradict each other.
func Pair(k *features.Set, r Source) (a, b *query.Profile, err error) {
	set := r.Set()
	p := *set.Profiles[0]
	p.Rules = nil
	for _, rule := range set.Profiles[0].Rules {
		if r.IntN(6) != 0 {
			p.Rules = append(p.Rules, rule)
		}
	}
	for range r.IntN(3) {
		p.Rules = append(p.Rules, policy.Rule{Rule: r.Rule()})
	}
	p.Rules = append(p.Rules, Inert())
	if a, err = Compile(k, set); err == nil {
		b, err = Compile(k, &policy.Set{Profiles: []*policy.Profile{&p}})
	}
	if list := (diag.List)(nil); errors.As(err, &list) && list[0].Code == diag.CodeExecConflict {
		return nil, nil, nil
	}
	return a, b, err
}

// Compile compiles a set and returns its profile t.
func Compile(k *features.Set, set *policy.Set) (*query.Profile, error) {
	out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: k, Degrade: compile.Report})
	if err != nil {
		return nil, err
	}
	p, _ := query.Open(out.Policy).Profile("t")
	return p, nil
}

// Say is what a profile answers to a request, or its error.
func Say(p *query.Profile, r query.Request) string {
	d, err := p.Ask(r)
	exec := blob.Exec{}
	if d.Allow&query.Exec != 0 {
		exec = d.Exec
	}
	return fmt.Sprint(d.Allow, d.Deny, d.Audit, d.Quiet, d.Prompt, exec, err)
}
