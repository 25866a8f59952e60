// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// abiStmt is an abi statement with its place.
type abiStmt struct {
	stmt   *ast.ABI
	origin Origin
}

// abiKey identifies what an abi statement asks for. Nearly every file of a
// policy asks for the same.
type abiKey struct {
	kind ast.IncludeKind
	path string
	file *ast.File // the file that asks, if Options.ABI may depend on it
}

type abiResult struct {
	set *features.Set
	err error
}

// useABI takes the first abi statement of a unit and looks at the others. One
// in the body of a profile comes too late: what the policy is written for is
// settled before the first profile.
func (r *resolver) useABI(s *ast.ABI, f *frame) {
	if f.dead {
		return
	}
	o := f.origin(s.Pos())
	key := abiKey{kind: s.Kind, path: s.Path}
	if r.opts.ABI != nil {
		key.file = f.file
	}
	got, ok := r.abis[key]
	if !ok {
		got.set, got.err = r.opts.LoadABI(s, f.file)
		r.abis[key] = got
	}
	set, err := got.set, got.err
	if err != nil {
		d := r.errorf(o, diag.CodeABI, s.Path, "the abi is not available: %s", reason(err))
		d.Err = err
		switch {
		case errors.Is(err, errNoKernel):
			d.Hint = "set Options.Kernel"
		case s.Kind == ast.IncludeMagic && errors.Is(err, fs.ErrNotExist):
			d.Hint = "abi/3.0, abi/4.0 and abi/5.0 are always there"
		}
		return
	}
	switch {
	case r.abiFirst != nil && !set.Equal(r.abi):
		r.warnABI(s, f, "the abi differs from the first one, at %s, which is used", r.abiFirst.origin.Position())
	case r.abiFirst != nil:
	case f.prof == nil:
		r.abi, r.abiFirst = set, &abiStmt{s, o}
	case !set.Equal(r.defaultABI()):
		r.warnABI(s, f, "an abi in the body of a profile has no effect; write it before the first profile")
	}
}

// reason is what an error says besides the path, which the message has anyway.
func reason(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) && at.Err != nil {
		return at.Err.Error()
	}
	return err.Error()
}

// abiScope is an abi in the preamble or in the body of a profile.
type abiScope struct {
	body *draft
	kind ast.IncludeKind
	path string
}

// warnABI warns of an abi statement that has no effect. Nearly every
// abstraction has one, so of those in one body that name the same abi only the
// first gets a warning.
func (r *resolver) warnABI(s *ast.ABI, f *frame, format string, args ...any) {
	scope := abiScope{f.prof, s.Kind, s.Path}
	if r.abiWarned[scope] {
		return
	}
	if r.abiWarned == nil {
		r.abiWarned = map[abiScope]bool{}
	}
	r.abiWarned[scope] = true
	r.warnf(f.origin(s.Pos()), diag.ClassABI, diag.WarnABI, s.Path, format, args...)
}

var errNoKernel = errors.New("the features of the kernel are not known")

// LoadABI returns the features that an abi statement of a file names, as Resolve
// finds them. Escapes in a path are decoded, as in that of an include. For a
// name that nothing has the error matches fs.ErrNotExist.
func (o Options) LoadABI(s *ast.ABI, file *ast.File) (*features.Set, error) {
	if s.Kind == ast.IncludeMagic {
		switch s.Path {
		case "kernel":
			if o.Kernel == nil {
				return nil, errNoKernel
			}
			return o.Kernel, nil
		case "default":
			return features.Default(), nil
		}
	}
	if o.ABI != nil {
		return o.ABI(s, file)
	}
	decoded := string(ast.Decode(s.Path))
	if s.Kind != ast.IncludeMagic {
		name, absolute := strings.CutPrefix(decoded, "/")
		if !absolute {
			name = o.Dir + "/" + name
		}
		if o.Abs == nil {
			return nil, fs.ErrNotExist
		}
		return features.ReadFile(o.Abs, strings.TrimPrefix(path.Clean("/"+name), "/"))
	}
	for _, root := range o.Roots {
		set, err := features.ReadFile(root, decoded)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return set, err
		}
	}
	if name, ok := strings.CutPrefix(decoded, "abi/"); ok {
		if set, ok := features.ABI(name); ok {
			return set, nil
		}
	}
	return nil, fs.ErrNotExist
}

func (r *resolver) defaultABI() *features.Set {
	if r.opts.Default != nil {
		return r.opts.Default
	}
	return features.Default()
}

// settleABI decides which features the policy was written for, when all of it
// has been read.
func (r *resolver) settleABI() {
	if r.abiFirst != nil {
		return
	}
	r.abi = r.defaultABI()
	if r.opts.Default == nil && len(r.top) > 0 {
		r.warnf(r.top[0].origin, diag.ClassABI, diag.WarnABI, "", "the policy has no abi statement: only what AppArmor 3 knew is mediated")
	}
}
