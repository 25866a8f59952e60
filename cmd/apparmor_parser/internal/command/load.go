package command

import (
	"cmp"
	"context"
	"fmt"

	"github.com/goarmor/apparmor/blob"
)

// profileName is the name of a profile and of its namespace.
type profileName struct{ namespace, name string }

// profiles lists the profiles of a result, those at the top only if asked for.
func (res *result) profiles(top bool) (list []profileName) {
	if res.set != nil {
		for _, p := range res.set.Profiles {
			if !top || p.Parent == nil {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
		return list
	}
	for _, policy := range res.policies {
		for _, p := range policy.Profiles() {
			if !top || blob.ParentName(p.Name) == "" {
				list = append(list, profileName{p.Namespace, p.Name})
			}
		}
	}
	return list
}

// load gives compiled policy to the kernel.
func (r *run) load(ctx context.Context, res *result) int {
	verb, done, cachedDone := "add", "Addition", "Cached load"
	if r.options.action == replacePolicy {
		verb, done, cachedDone = "replace", "Replacement", "Cached reload"
	}
	if r.kernel != nil {
		do := r.kernel.Load
		if r.options.action == replacePolicy {
			do = r.kernel.Replace
		}
		for _, p := range res.policies {
			if err := do(ctx, p); err != nil {
				return r.refused(verb, p.Names()[0], err)
			}
		}
	}
	switch from := cmp.Or(res.cached, res.in.name); {
	case !r.options.verbose:
	case res.cached != "" || r.options.binary && from != "":
		fmt.Fprintf(r.env.Stdout, "%s succeeded for \"%s\".\n", cachedDone, from)
	default:
		r.succeeded(done, res.profiles(false))
	}
	return 0
}

// remove takes the profiles of an input out of the kernel. Children go with
// their parents.
func (r *run) remove(ctx context.Context, res *result) (status int) {
	for _, p := range res.profiles(true) {
		if r.kernel != nil {
			if err := r.kernel.Remove(ctx, p.namespace, p.name); err != nil {
				status = r.refused("remove", p.name, err)
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
		fmt.Fprintf(r.env.Stdout, "%s succeeded for \"%s\".\n", what, p.name)
	}
}
