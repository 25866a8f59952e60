// SPDX-License-Identifier: Apache-2.0

package policydir

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/policy"
)

// rivals looks for profiles of a file that attach to a program as well as those of
// a file before do. Under compile.Strict that is an error, otherwise a warning.
func (a *applier) rivals(ctx context.Context, w *work) error {
	var found diag.List
	for _, p := range w.policies {
		found = append(found, a.attachments.Add(p, func(q *blob.Profile) (ast.Position, []ast.Position) { return a.place(ctx, w, q) })...)
	}
	if a.Compile.Degrade == compile.Strict {
		return found.Err()
	}
	for _, d := range found {
		d.Severity, d.Class = diag.Warning, diag.ClassDangerous
	}
	w.file.Warnings = append(w.file.Warnings, found...)
	return nil
}

// place says where a profile of a file is written; only what was resolved tells.
func (a *applier) place(ctx context.Context, w *work, p *blob.Profile) (ast.Position, []ast.Position) {
	if set, err := policy.Resolve(ctx, w.unit, a.resolve); err == nil {
		for _, q := range set.Profiles {
			if q.Name == p.Name && q.Namespace == p.Namespace {
				return q.Origin.Position(), q.Origin.Chain()
			}
		}
	}
	return ast.Position{File: w.file.Name}, nil
}
