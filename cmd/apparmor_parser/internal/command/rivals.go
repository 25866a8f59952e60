// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// rivals returns warnings for the profiles of an input that attach to a program
// as well as those of an earlier input do. It does nothing if nobody wants to
// know.
func (r *run) rivals(ctx context.Context, res *result) (found diag.List) {
	if r.report.quiet || !r.report.warn.has(diag.ClassDangerous) {
		return nil
	}
	for _, p := range res.policies {
		found = append(found, r.attachments.Add(p, func(q *blob.Profile) (ast.Position, []ast.Position) { return r.place(ctx, res, q) })...)
	}
	for _, d := range found {
		d.Severity, d.Class = diag.Warning, diag.ClassDangerous
	}
	return found
}

// place says where a profile of an input is written; of policy from the cache
// that takes the text again.
func (r *run) place(ctx context.Context, res *result, p *blob.Profile) (pos ast.Position, via []ast.Position) {
	pos.File = res.in.shown()
	set := res.set
	if set == nil && res.unit != nil {
		set, _ = r.resolve(ctx, res.unit, false) // it was resolved before
	}
	if set == nil {
		return pos, nil
	}
	for _, q := range set.Profiles {
		if q.Name == p.Name && q.Namespace == p.Namespace {
			return q.Origin.Position(), q.Origin.Chain()
		}
	}
	return pos, nil
}
