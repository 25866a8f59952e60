// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// profileName is the name of a profile and of its namespace.
type profileName struct{ namespace, name string }

// profiles lists the profiles at the top of a result.
func (res *result) profiles() (list []profileName) {
	if res.set != nil {
		for _, p := range res.set.Profiles {
			if p.Parent == nil {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
		return list
	}
	for _, policy := range res.policies {
		for _, p := range policy.Profiles() {
			if blob.ParentName(p.Name) == "" {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
	}
	return list
}

// load gives compiled policy to the kernel.
func (r *run) load(ctx context.Context, res *result) int {
	err := r.write(ctx, res)
	if err != nil && res.cached != "" && !r.options.keepRejected {
		// What the cache holds may be useless for a reason that its key does
		// not show.
		if r.options.showCache {
			r.report.plain(diag.Warning, classCache, "Cache reject: "+res.cached)
		}
		res.policies, res.cached, res.found = nil, "", nil
		if err := res.again(ctx); err != nil {
			r.report.show(res.in, findings(err))
			return statusFailed
		}
		if r.report.show(res.in, res.found) {
			return statusFailed
		}
		err = r.write(ctx, res)
	}
	if err != nil {
		return r.refused(res, err)
	}
	done, cachedDone := "Addition", "Cached load"
	if r.options.action == replacePolicy {
		done, cachedDone = "Replacement", "Cached reload"
	}
	switch from := cmp.Or(res.cached, res.in.shown()); {
	case !r.options.verbose:
	case res.cached != "" || r.options.binary:
		r.print(fmt.Sprintf("%s succeeded for \"%s\".\n", cachedDone, from))
	default:
		r.succeeded(done, res.local())
	}
	return 0
}

// loadError is what the kernel said about a profile.
type loadError struct {
	verb, name string
	err        error
}

func (e *loadError) Error() string {
	return fmt.Sprintf("Unable to %s \"%s\".  %v", e.verb, e.name, e.err)
}

func (e *loadError) Unwrap() error { return e.err }

// write writes policy to the kernel.
func (r *run) write(ctx context.Context, res *result) error {
	if r.kernel == nil {
		return nil
	}
	verb, do := "add", r.kernel.Load
	if r.options.action == replacePolicy {
		verb, do = "replace", r.kernel.Replace
	}
	for _, p := range res.policies {
		if err := do(ctx, p); err != nil {
			return &loadError{verb, p.Names()[0], err}
		}
	}
	return nil
}

// local lists the profiles of a resolved set by their own names, children and
// hats before what they belong to, as the reference reports them.
func (res *result) local() (list []profileName) {
	var add func(p *policy.Profile)
	add = func(p *policy.Profile) {
		name := p.Name
		if p.Parent != nil {
			name = strings.TrimPrefix(name, p.Parent.Name+"//")
		}
		for _, child := range p.Children {
			add(child)
		}
		list = append(list, profileName{p.Namespace, name})
	}
	for _, p := range res.set.Profiles {
		if p.Parent == nil {
			add(p)
		}
	}
	return list
}

// remove removes the profiles of an input from the kernel. Children are
// removed with their parents.
func (r *run) remove(ctx context.Context, res *result) (status int) {
	for _, p := range res.profiles() {
		if r.kernel != nil {
			if err := r.kernel.Remove(ctx, p.namespace, p.name); err != nil {
				status = r.refused(res, &loadError{"remove", p.name, err})
				continue
			}
		}
		r.succeeded("Removal", []profileName{p})
	}
	return status
}

func (r *run) succeeded(what string, profiles []profileName) {
	if !r.options.verbose {
		return
	}
	for _, p := range profiles {
		r.print(fmt.Sprintf("%s succeeded for \"%s\".\n", what, p.name))
	}
}
