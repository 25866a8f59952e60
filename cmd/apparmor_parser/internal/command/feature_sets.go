package command

import (
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

// loadFeatures finds the feature sets of the kernel and of policy.
func (r *run) loadFeatures(ctx context.Context) error {
	o := r.options
	var err error
	if o.policyFeatures != "" {
		if r.defaults, err = r.featureFile(o.policyFeatures); err != nil {
			return err
		}
	}
	if o.overrideABI != "" {
		if r.override, err = r.featureFile(o.overrideABI); err != nil {
			return err
		}
	}
	r.cacheable = !o.skipCache && o.action <= replacePolicy && !o.binary && !o.stopsEarly()
	switch {
	case o.kernelFeatures != "":
		r.features, err = r.featureFile(o.kernelFeatures)
		return err
	case r.kernel != nil:
		r.features, err = r.kernel.Features(ctx)
		return err
	}
	dir := o.apparmorfs
	if dir == "" {
		dir = kernelDir
	}
	r.features, err = features.FromFS(os.DirFS(filepath.Join(r.path(dir), "features")))
	if err == nil && !r.features.Empty() {
		return nil
	}
	// The machine need not have AppArmor to check policy.
	r.features = features.Default()
	if r.cacheable {
		r.report.warning(classCache, "the cache is neither read nor written: this kernel shows no features, and --kernel-features names none")
		r.cacheable = false
	}
	return nil
}

// featureFile reads the features of a file, or of a directory as kernels show
// it.
func (r *run) featureFile(name string) (*features.Set, error) {
	fail := func(err error) error {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("failed to load features from '%s': %w", name, err)
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
	set, err := features.ReadFile(os.DirFS(filepath.Dir(r.path(name))), filepath.Base(name))
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

// abi returns the feature set of an abi statement, as policy.Options.ABI
// wants it.
func (r *run) abi(s *ast.ABI, _ *ast.File) (*features.Set, error) {
	if r.override != nil {
		return r.override, nil
	}
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
	if s.Kind != ast.IncludeMagic {
		return r.featureFile(s.Path)
	}
	roots, _ := r.roots()
	for _, root := range roots {
		set, err := features.ReadFile(root, path.Clean(s.Path))
		if err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid) {
			return set, err
		}
	}
	if name, ok := strings.CutPrefix(s.Path, "abi/"); ok {
		if set, ok := features.ABI(name); ok {
			return set, nil
		}
	}
	return nil, fs.ErrNotExist
}

// roots returns the search path of includes, with the names of its
// directories in messages.
func (r *run) roots() (roots []fs.FS, names []string) {
	for _, dir := range append(r.options.includes[:len(r.options.includes):len(r.options.includes)], r.options.base) {
		roots = append(roots, os.DirFS(r.path(dir)))
		names = append(names, dir)
	}
	return roots, names
}
