// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// Source is the policy of one machine, as syntax trees.
type Source struct {
	Profile string    // name
	File    *ast.File // with the profile; the name is for messages
	// Rules are the machine's own, in the place of the file that File includes
	// by their name; see Rules.File. Nil for a machine without any, such as a
	// container, whose File includes none.
	Rules *ast.File
	// Roots are where everything else that is included is looked up.
	Roots []fs.FS
	// Companions are the machine's, sorted by profile. Compile returns their
	// profiles, too, so that all are loaded in one step.
	Companions []*Source

	machine string // of a companion: the profile of its machine, while it is compiled
}

// Compile implements Driver; what it returns is a *blob.Policy. The profile's
// file may define nothing but the profile and its children.
func (a *AppArmor) Compile(ctx context.Context, src *Source) (Compiled, error) {
	own, err := a.compile(ctx, src)
	if err != nil {
		return nil, err
	}
	if len(src.Companions) == 0 {
		return own, nil
	}
	all := []*blob.Policy{own}
	for _, c := range src.Companions {
		of := *c
		of.machine = src.Profile
		p, err := a.compile(ctx, &of)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return blob.Join(all...)
}

// compile compiles the policy of one member of a machine.
func (a *AppArmor) compile(ctx context.Context, src *Source) (*blob.Policy, error) {
	kernel := a.Features
	if kernel == nil {
		if a.Kernel == nil {
			return nil, compile.ErrNoKernel
		}
		var err error
		if kernel, err = a.Kernel.Features(ctx); err != nil {
			return nil, err
		}
	}
	unit, err := src.follow(ctx, &a.cache)
	if err != nil {
		return nil, err
	}
	if out, err := a.instance(ctx, src, unit, kernel); err != nil {
		return nil, err
	} else if out != nil {
		return a.compiled(ctx, src, unit, out), nil
	}
	set, err := src.resolve(ctx, unit, kernel)
	if err != nil {
		return nil, err
	}
	for _, p := range set.Profiles {
		if p.Namespace != "" || p.Name != src.Profile && !strings.HasPrefix(p.Name, src.Profile+"//") {
			return nil, src.fail("it defines the profile %s, and may only define %s", p.FullName(), src.Profile)
		}
	}
	if len(set.Profiles) == 0 {
		return nil, src.fail("it does not define %s", src.Profile)
	}
	out, err := compile.Compile(ctx, set, compile.Options{Kernel: kernel, Degrade: a.Degrade})
	if err != nil {
		return nil, err
	}
	return a.compiled(ctx, src, unit, out), nil
}

// compiled logs which rules of a policy are not enforced, and returns it.
func (a *AppArmor) compiled(ctx context.Context, src *Source, unit *ast.Unit, out *compile.Output) *blob.Policy {
	a.degraded.tell(ctx, a.logger(), src, unit, out.Degraded)
	return out.Policy
}

// Resolve makes profiles of the policy of a machine. `abi <kernel>` means the
// features of kernel. Files that many machines include are kept in
// the cache, if there is one.
func (src *Source) Resolve(ctx context.Context, kernel *features.Set, cache *parser.Cache) (*policy.Set, error) {
	unit, err := src.follow(ctx, cache)
	if err != nil {
		return nil, err
	}
	return src.resolve(ctx, unit, kernel)
}

// follow reads what the policy of a machine includes.
func (src *Source) follow(ctx context.Context, cache *parser.Cache) (*ast.Unit, error) {
	config := parser.Config{Roots: src.Roots, Cache: cache}
	if src.Rules != nil {
		config.Trees = map[string]*ast.File{src.Rules.Name: src.Rules}
	}
	unit, err := config.FollowIncludes(ctx, src.File)
	if err != nil {
		return nil, err
	}
	if loop := includeLoop(unit); loop != nil {
		return nil, &FileError{File: src.File.Name, Err: diag.List{loop}}
	}
	if src.Rules != nil && !includes(unit, src.Rules) {
		return nil, src.fail("it does not include <%s>, so its machine would have nothing", src.Rules.Name)
	}
	return unit, nil
}

func (src *Source) resolve(ctx context.Context, unit *ast.Unit, kernel *features.Set) (*policy.Set, error) {
	return policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: libvirtABI(), Roots: src.Roots})
}

// includes reports whether a file is part of a unit.
func includes(unit *ast.Unit, file *ast.File) bool {
	for _, files := range unit.Included {
		if slices.Contains(files, file) {
			return true
		}
	}
	return false
}

// libvirtABI is what a profile is taken to be written for that does not say:
// distributions pin the features of AppArmor 3.0 for such, where libvirt's
// templates are from.
func libvirtABI() *features.Set {
	abi, _ := features.ABI("3.0")
	return abi
}

// fail returns an error about the profile's file.
func (src *Source) fail(format string, args ...any) error {
	return &FileError{File: src.File.Name, Err: fmt.Errorf(format, args...)}
}
