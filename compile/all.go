// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"reflect"

	"github.com/goarmor/apparmor/ast"
)

// everyRule is the meaning of `all`: one bare rule of every class. Execution
// is separate, because every other rule overrides it.
func everyRule(r *ast.AllRule) []ast.Rule {
	q := r.Qualifiers
	files := everyFile(q)
	files.Exec = ast.ExecNone
	exec := everyFile(q)
	exec.Perms = 0
	exec.Priority--
	return []ast.Rule{
		&ast.UnixRule{Qualifiers: q},
		&ast.DBusRule{Qualifiers: q},
		&ast.IOUringRule{Qualifiers: q},
		&ast.MqueueRule{Qualifiers: q},
		&ast.PtraceRule{Qualifiers: q},
		&ast.SignalRule{Qualifiers: q},
		&ast.UsernsRule{Qualifiers: q},
		&ast.MountRule{Qualifiers: q},
		&ast.MountRule{Qualifiers: q, Op: ast.OpRemount},
		&ast.MountRule{Qualifiers: q, Op: ast.OpUmount},
		&ast.PivotRootRule{Qualifiers: q},
		&ast.NetworkRule{Qualifiers: q},
		&ast.CapabilityRule{Qualifiers: q},
		files,
		exec,
	}
}

// prepareAll prepares for each of the rules.
func prepareAll(t *translation, r *ast.AllRule) {
	for _, r := range everyRule(r) {
		t.prepare(r)
	}
}

// emitAll translates each of the rules.
func emitAll(t *translation, r *ast.AllRule) {
	// What is not mediated is allowed, which is what a plain `all,` wants, so
	// the classes that the kernel lacks are not reported.
	t.silent = (r.Access == ast.Allow || r.Access == ast.AllowExplicit) && !r.Audit
	for _, r := range everyRule(r) {
		t.classes[reflect.TypeOf(r)].translate(t, r)
	}
	t.silent = false
}
