// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/features"
)

// kernelDir is where kernels show their AppArmor directory.
const kernelDir = "/sys/kernel/security/apparmor"

// failed is the beginning of messages, as in the reference.
const failed = "Failed"

// loadFeatures finds the feature sets of the kernel and of policy.
func (r *run) loadFeatures(ctx context.Context) (err error) {
	o := r.options
	r.cacheable = o.usesCache()
	if o.matchString != nil {
		if r.features, err = features.Parse([]byte(*o.matchString)); err != nil {
			return fmt.Errorf("%s to parse features string: %w", failed, err)
		}
		r.defaults = r.features
	}
	if o.policyFeatures != "" {
		if r.defaults, err = r.policyFeatures(ctx, o.policyFeatures); err != nil {
			return err
		}
	}
	if o.overrideABI != "" {
		if r.override, err = r.policyFeatures(ctx, o.overrideABI); err != nil {
			return err
		}
	}
	if o.kernelFeatures != "" {
		what := "kernel features"
		if o.kernelFeatures == o.policyFeatures {
			what = "features"
			if r.defaults != nil {
				r.features = r.defaults
				return nil
			}
		}
		r.features, err = r.featureFile(what, o.kernelFeatures)
		return err
	}
	if r.features != nil {
		return nil
	}
	if r.features, err = r.runningFeatures(ctx); err == nil || r.kernel != nil {
		return err
	}
	// The machine need not have AppArmor to check policy.
	r.features = features.Default()
	if r.cacheable && (o.readsCache() || o.writeCache) {
		r.report.warning(classCache, "Cache read/write disabled: this kernel shows no features, and --kernel-features gives none")
	}
	r.cacheable = false
	return nil
}

// policyFeatures returns the features that a file holds, or those of the
// running kernel if they are named instead.
func (r *run) policyFeatures(ctx context.Context, name string) (*features.Set, error) {
	if name != ofKernel {
		what := "policy-features"
		if name == r.options.kernelFeatures {
			what = "features"
		}
		return r.featureFile(what, name)
	}
	set, err := r.runningFeatures(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s to load kernel features into the policy-features abi: %w", failed, err)
	}
	return set, nil
}

// runningFeatures returns the features of the kernel that runs.
func (r *run) runningFeatures(ctx context.Context) (*features.Set, error) {
	if r.kernel != nil {
		return r.kernel.Features(ctx)
	}
	dir := cmp.Or(r.options.apparmorfs, kernelDir)
	set, err := features.FromFS(os.DirFS(filepath.Join(r.path(dir), "features")))
	if err == nil && set.Empty() {
		err = fs.ErrNotExist
	}
	return set, err
}

// featureFile reads the features of a file, or of a directory as kernels show
// it. The argument what describes them in the error.
func (r *run) featureFile(what, name string) (*features.Set, error) {
	fail := func(err error) error {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("%s to load %s from '%s': %w", failed, what, name, err)
	}
	info, err := os.Stat(r.path(name))
	if err != nil {
		return nil, fail(err)
	}
	if info.IsDir() {
		set, err := features.FromFS(os.DirFS(r.path(name)))
		if err != nil {
			return nil, fail(err)
		}
		return set, nil
	}
	data, err := readBounded(r.path(name))
	if err != nil {
		return nil, fail(err)
	}
	set, err := features.Parse(data)
	if err != nil {
		return nil, fail(err)
	}
	return set, nil
}

// abiCache keeps the sets of abi statements: nearly every file of a policy
// names the same one.
type abiCache struct {
	mu   sync.Mutex
	sets map[ast.ABI]*features.Set
}

// abi returns the feature set of an abi statement, as policy.Options.ABI wants
// it. A set that is overridden must exist all the same.
func (r *run) abi(s *ast.ABI, _ *ast.File) (*features.Set, error) {
	set, err := r.namedABI(s)
	if err == nil && r.override != nil {
		set = r.override
	}
	return set, err
}

func (r *run) namedABI(s *ast.ABI) (*features.Set, error) {
	key := ast.ABI{Path: s.Path, Kind: s.Kind}
	r.abis.mu.Lock()
	set := r.abis.sets[key]
	r.abis.mu.Unlock()
	if set != nil {
		return set, nil
	}
	set, err := r.readABI(s)
	if err != nil {
		return nil, err
	}
	r.abis.mu.Lock()
	defer r.abis.mu.Unlock()
	if r.abis.sets == nil {
		r.abis.sets = map[ast.ABI]*features.Set{}
	}
	r.abis.sets[key] = set
	return set, nil
}

func (r *run) readABI(s *ast.ABI) (*features.Set, error) {
	name := string(ast.Decode(s.Path))
	if s.Kind != ast.IncludeMagic {
		info, err := os.Stat(r.path(name))
		if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", name) // a pipe could block
		}
		return r.featureFile("features", name)
	}
	roots, _ := r.roots()
	for _, root := range roots {
		set, err := features.ReadFile(root, path.Clean(name))
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return set, err
		}
	}
	if name, ok := strings.CutPrefix(name, "abi/"); ok {
		if set, ok := features.ABI(name); ok {
			return set, nil
		}
	}
	return nil, fs.ErrNotExist
}

// roots returns the search path of includes, with the names of its
// directories in messages.
func (r *run) roots() (roots []fs.FS, names []string) {
	for _, dir := range r.includeDirs() {
		roots = append(roots, policyFS{r.path(dir), r.options.confine})
		names = append(names, dir)
	}
	return roots, names
}
