// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"io/fs"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// Source is what Text needs besides a text.
type Source struct {
	// Kernel is what the kernel can enforce. It must be set here or in Options.
	Kernel *features.Set
	// Roots is the search path of `include <path>` and `abi <path>`, such as
	// os.DirFS("/etc/apparmor.d"). Without it nothing is included.
	Roots []fs.FS
	// RootNames are the paths of the Roots, for positions in diagnostics.
	RootNames []string
	// Abs is the root directory of the file system, for includes without angle
	// brackets.
	Abs fs.FS
	// Cache keeps parsed includes between calls, from any number of goroutines.
	Cache *parser.Cache
	// Default is the feature set of policy that names none, which is warned of
	// otherwise; see policy.Options.
	Default *features.Set
	// Namespace, if set, replaces the namespace of every top-level profile.
	Namespace string
	// Options are those of Compile.
	Options Options
}

// Text compiles a text in one call: it is parsed with what it includes,
// resolved, compiled and verified. The name is that of the file in
// diagnostics. Output.Warnings has the warnings of all steps, in their order.
//
// Errors are those of the steps: a diag.List or *diag.Diagnostic for what is
// wrong with the text, a *diag.LimitError for what is beyond a limit, ErrNoKernel
// without features, the context's when it ends. errors.As finds each.
func Text(ctx context.Context, name, text string, src Source) (*Output, error) {
	o := src.Options
	if src.Kernel != nil {
		o.Kernel = src.Kernel
	}
	if o.Kernel == nil {
		return nil, ErrNoKernel
	}
	var warnings diag.List
	unit, err := parser.Config{
		Roots: src.Roots, RootNames: src.RootNames, Abs: src.Abs, Cache: src.Cache,
		Warn: func(d *diag.Diagnostic) { warnings = append(warnings, d) },
	}.ParseTree(ctx, name, text)
	if err != nil {
		return nil, err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{
		Kernel: o.Kernel, Default: src.Default, Roots: src.Roots, Abs: src.Abs, Namespace: src.Namespace,
	})
	if err != nil {
		return nil, err
	}
	out, err := Compile(ctx, set, o)
	if err != nil {
		return nil, err
	}
	out.Warnings = append(append(warnings, set.Warnings...), out.Warnings...)
	return out, nil
}
