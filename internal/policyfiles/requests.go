// SPDX-License-Identifier: Apache-2.0

package policyfiles

import (
	"context"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// Requests are the requests that a rule allows, for one kernel.
type Requests struct {
	Sets []query.Requests
	// Dropped says why the kernel does not see the requests, Coarse why it sees
	// less of them than the rule says.
	Dropped, Coarse string
}

// RequestsOf returns the requests that the only rule of a policy allows, which
// must be of the class. There are none of resource limits.
func RequestsOf(ctx context.Context, set *policy.Set, class ast.Class, kernel *features.Set) (*Requests, error) {
	compiled, err := compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: compile.Report, Limits: compile.Untrusted()})
	if err != nil {
		return nil, err
	}
	out := &Requests{}
	for _, d := range compiled.Degraded {
		if d.Dropped {
			out.Dropped = d.Reason()
		} else {
			out.Coarse = d.Reason()
		}
	}
	by := query.Open(compiled.Policy).Profiles()[0]
	for _, c := range classesOf(class, by) {
		out.Sets = append(out.Sets, query.Requests{By: by, Class: c})
	}
	return out, nil
}

// classesOf returns the classes of package query in which the requests of a
// rule are.
func classesOf(class ast.Class, by *query.Profile) []blob.Class {
	switch class {
	case ast.ClassFile, ast.ClassLink, ast.ClassChangeProfile:
		return []blob.Class{blob.ClassFile}
	case ast.ClassCapability:
		return []blob.Class{blob.ClassCap}
	case ast.ClassNetwork:
		return []blob.Class{blob.ClassNet}
	case ast.ClassUnix:
		if by.Mediates(blob.ClassNetV9) {
			return []blob.Class{blob.ClassNetV9}
		}
		return []blob.Class{blob.ClassNet}
	case ast.ClassDBus:
		return []blob.Class{blob.ClassDBus}
	case ast.ClassSignal:
		return []blob.Class{blob.ClassSignal}
	case ast.ClassPtrace:
		return []blob.Class{blob.ClassPtrace}
	case ast.ClassMount, ast.ClassPivotRoot:
		return []blob.Class{blob.ClassMount}
	case ast.ClassMqueue:
		return []blob.Class{blob.ClassPosixMq, blob.ClassSysVMq}
	case ast.ClassIOUring:
		return []blob.Class{blob.ClassIOUring}
	case ast.ClassUserns:
		return []blob.Class{blob.ClassNamespaces}
	}
	return nil
}

// The permissions of what words about files say. Compilers give more than a
// rule says, see query.Requests.
const (
	Reading   = query.Read
	Writing   = query.Write | query.Append | query.Create | query.Delete | query.Setattr | query.Chmod | query.Chown
	Appending = query.Append
	Linking   = query.Perms(blob.PermLink)
	Changing  = query.Perms(blob.PermChangeProf)
)

// Perms returns the permissions that a rule is about; zero: all that it gives.
func Perms(rule ast.Rule) query.Perms {
	switch r := rule.(type) {
	case *ast.FileRule:
		if r.All {
			return Reading | Writing | query.Exec | query.Lock | query.Mmap | Linking
		}
		var perms query.Perms
		for _, p := range []struct {
			of    ast.FilePerm
			perms query.Perms
		}{
			{ast.FileRead, Reading}, {ast.FileWrite, Writing}, {ast.FileAppend, Appending}, {ast.FileLock, query.Lock},
			{ast.FileMmap, query.Mmap}, {ast.FileLink, Linking},
		} {
			if r.Perms&p.of != 0 {
				perms |= p.perms
			}
		}
		if r.Exec != ast.ExecNone {
			perms |= query.Exec
		}
		return perms
	case *ast.LinkRule:
		return Linking
	case *ast.ChangeProfileRule:
		return Changing
	}
	return 0
}
