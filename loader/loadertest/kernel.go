// SPDX-License-Identifier: Apache-2.0

// Package loadertest has a kernel in memory, for tests of programs that bring
// policy into the kernel with package loader.
//
// Its [Kernel] has the methods of loader.Kernel that are about policy, with
// their errors, so a program that takes an interface can be tested with it. It
// refuses what the features do not cover, what lacks a parent and what exists;
// it keeps the bytes that were loaded and answers from them; a test can make
// any call fail, see what was asked, and say what runs under a profile.
//
//	kernel := loadertest.NewKernel(nil)
//	report, err := policydir.Apply(ctx, policydir.Options{Kernel: kernel, ...})
//	...
//	allowed, err := kernel.Allows("nginx", query.File{Path: "/etc/shadow", Perms: query.Read})
//
// Nothing is confined. For programs that manage machines svirt/svirttest has a
// kernel that also starts processes.
package loadertest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
)

// Call is a call of the kernel.
type Call struct {
	Op loader.Op // what was asked
	// Names are the profiles that it is about, as Kernel.Remove takes them.
	Names []string
	// Retire is set for OpRetire.
	Retire loader.RetireOptions
}

// Kernel is a kernel in memory, seen from its first namespace. It is safe for
// concurrent use. The zero value is not ready: see NewKernel. The fields must
// not be changed while it is in use.
type Kernel struct {
	// Intercept, if not nil, is called before anything is done. Its error
	// becomes the call's, in a *loader.Error, and nothing is done then.
	Intercept func(ctx context.Context, c Call) error
	// NoDigest makes a kernel that does not show what profiles were loaded
	// from.
	NoDigest bool
	// Whole is the mode of the kernel as a whole; empty: enforce.
	Whole loader.Mode

	set    *features.Set
	limits blob.KernelLimits

	mu     sync.Mutex
	calls  []Call
	loaded map[string]*profile // by the name that Remove takes
	users  map[string]int
}

// profile is one that is loaded.
type profile struct {
	policy *blob.Policy // that it was loaded with
	name   string       // in the policy
	mode   blob.Mode
	sealed bool
}

// NewKernel returns a kernel with these features; nil: those of Linux 6.12, as
// in package features. Nothing is loaded.
func NewKernel(set *features.Set) *Kernel {
	if set == nil {
		set, _ = features.Kernel("6.12")
	}
	return &Kernel{set: set, limits: blob.LimitsOf(set), loaded: map[string]*profile{}, users: map[string]int{}}
}

// Calls returns what the kernel was asked since it was made, in order.
func (k *Kernel) Calls() []Call {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.calls)
}

// Written returns the names of the profiles that were loaded and replaced since
// the kernel was made, those of one call as one element, joined by commas.
func (k *Kernel) Written() []string {
	var out []string
	for _, c := range k.Calls() {
		if c.Op == loader.OpLoad || c.Op == loader.OpReplace {
			out = append(out, strings.Join(c.Names, ","))
		}
	}
	return out
}

// Allows reports whether a profile that is loaded grants the whole request,
// whatever its mode. The name is as in Remove. The error matches
// loader.ErrNotExist if it is not loaded, or is one of package query.
func (k *Kernel) Allows(name string, r query.Request) (bool, error) {
	k.mu.Lock()
	p := k.loaded[name]
	k.mu.Unlock()
	if p == nil {
		return false, fail(loader.OpQuery, name, loader.ErrNotExist)
	}
	if p.sealed {
		return false, nil
	}
	q, ok := query.Open(p.policy).Profile(p.name)
	if !ok {
		return false, fail(loader.OpQuery, name, loader.ErrNotExist)
	}
	d, err := q.Ask(r)
	return err == nil && d.Allowed(), err
}

// Use lets the profile have a process until the function that it returns is
// called, which has an effect once. The process survives a Retire that kills:
// it is one that was not found.
func (k *Kernel) Use(name string) (release func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.users[name]++
	return sync.OnceFunc(func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.users[name]--
	})
}

func fail(op loader.Op, name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &loader.Error{Op: op, Name: name, Err: err}
}

// begin notes a call. The lock is held when it returns no error.
func (k *Kernel) begin(ctx context.Context, c Call) error {
	k.note(c)
	if k.Intercept != nil {
		if err := k.Intercept(ctx, c); err != nil {
			return fail(c.Op, strings.Join(c.Names, ", "), err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	k.mu.Lock()
	return nil
}

func (k *Kernel) note(c Call) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls = append(k.calls, c)
}

// NS returns the namespace: the first one.
func (k *Kernel) NS() string { return "" }

// Features is like that of loader.Kernel.
func (k *Kernel) Features(ctx context.Context) (*features.Set, error) {
	if err := k.begin(ctx, Call{Op: loader.OpFeatures}); err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	return k.set, nil
}

// Mode is like that of loader.Kernel.
func (k *Kernel) Mode(ctx context.Context) (loader.Mode, error) {
	if err := k.begin(ctx, Call{Op: loader.OpMode}); err != nil {
		return "", err
	}
	defer k.mu.Unlock()
	return k.whole(), nil
}

func (k *Kernel) whole() loader.Mode {
	if k.Whole == "" {
		return loader.ModeEnforce
	}
	return k.Whole
}

// names returns the names of a policy, as Remove takes them.
func names(p *blob.Policy) []string {
	if p == nil {
		return nil
	}
	var out []string
	for _, q := range p.Heads() {
		out = append(out, strings.TrimPrefix(q.FullName(), "::"))
	}
	return out
}

// Load is like that of loader.Kernel.
func (k *Kernel) Load(ctx context.Context, p *blob.Policy) error {
	if err := k.begin(ctx, Call{Op: loader.OpLoad, Names: names(p)}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	for _, name := range names(p) {
		if k.loaded[name] != nil {
			return fail(loader.OpLoad, name, loader.ErrExist)
		}
	}
	return k.put(loader.OpLoad, p)
}

// Replace is like that of loader.Kernel.
func (k *Kernel) Replace(ctx context.Context, p *blob.Policy) error {
	if err := k.begin(ctx, Call{Op: loader.OpReplace, Names: names(p)}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	return k.put(loader.OpReplace, p)
}

// put loads a policy as a whole or not at all.
func (k *Kernel) put(op loader.Op, p *blob.Policy) error {
	if p == nil || p.Len() == 0 {
		return fail(op, "", errors.New("there are no profiles in the policy"))
	}
	if err := p.Check(k.limits); err != nil {
		return fail(op, strings.Join(names(p), ", "), err)
	}
	for _, need := range p.Needs() {
		if k.loaded[need] == nil {
			return fail(op, strings.Join(names(p), ", "), fmt.Errorf("%w: %q", loader.ErrParent, need))
		}
	}
	for i, q := range p.Heads() {
		k.loaded[names(p)[i]] = &profile{policy: p, name: q.Name, mode: q.EffectiveMode()}
	}
	return nil
}

// Ensure is like that of loader.Kernel.
func (k *Kernel) Ensure(ctx context.Context, p *blob.Policy) (changed bool, err error) {
	return k.EnsureWith(ctx, p, loader.Accept{})
}

// EnsureWith is like that of loader.Kernel. What it writes is noted as a call of
// Replace, too.
func (k *Kernel) EnsureWith(ctx context.Context, p *blob.Policy, a loader.Accept) (changed bool, err error) {
	if err := k.begin(ctx, Call{Op: loader.OpEnsure, Names: names(p)}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	if err := k.enforces(a); err != nil {
		return false, fail(loader.OpEnsure, strings.Join(names(p), ", "), err)
	}
	if p != nil && p.Len() > 0 && !k.NoDigest && k.holds(p) {
		return false, nil
	}
	k.calls = append(k.calls, Call{Op: loader.OpReplace, Names: names(p)})
	if err := k.put(loader.OpEnsure, p); err != nil {
		return false, err
	}
	return true, nil
}

// enforces returns an error if the kernel as a whole enforces nothing and that
// is not accepted.
func (k *Kernel) enforces(a loader.Accept) error {
	switch m := k.whole(); {
	case m == loader.ModeComplain && !a.Complain, m == loader.ModeUnconfined && !a.Unconfined:
		return fmt.Errorf("%w: the kernel as a whole is in mode %s", loader.ErrMode, m)
	}
	return nil
}

func (k *Kernel) holds(p *blob.Policy) bool {
	for _, name := range names(p) {
		if have := k.loaded[name]; have == nil || have.sealed || have.policy.Digest() != p.Digest() {
			return false
		}
	}
	return true
}

// Holds is like that of loader.Kernel.
func (k *Kernel) Holds(ctx context.Context, p *blob.Policy) (bool, error) {
	if err := k.begin(ctx, Call{Op: loader.OpDigest, Names: names(p)}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	switch {
	case p == nil || p.Len() == 0:
		return false, fail(loader.OpDigest, "", errors.New("there are no profiles in the policy"))
	case k.NoDigest:
		return false, fail(loader.OpDigest, strings.Join(names(p), ", "), loader.ErrNoDigest)
	}
	return k.holds(p), nil
}

// Digest is like that of loader.Kernel. The digest is a SHA-256.
func (k *Kernel) Digest(ctx context.Context, name string) (loader.Digest, error) {
	if err := k.begin(ctx, Call{Op: loader.OpDigest, Names: []string{name}}); err != nil {
		return loader.Digest{}, err
	}
	defer k.mu.Unlock()
	switch have := k.loaded[name]; {
	case have == nil:
		return loader.Digest{}, fail(loader.OpDigest, name, loader.ErrNotExist)
	case k.NoDigest:
		return loader.Digest{}, fail(loader.OpDigest, name, loader.ErrNoDigest)
	default:
		sum := have.policy.Digest()
		return loader.Digest{Algorithm: loader.SHA256, Sum: hex.EncodeToString(sum[:])}, nil
	}
}

// Profile is like that of loader.Kernel.
func (k *Kernel) Profile(ctx context.Context, name string) (loader.Profile, error) {
	if err := k.begin(ctx, Call{Op: loader.OpList, Names: []string{name}}); err != nil {
		return loader.Profile{}, err
	}
	defer k.mu.Unlock()
	if k.loaded[name] == nil {
		return loader.Profile{}, fail(loader.OpList, name, loader.ErrNotExist)
	}
	return k.shown(name), nil
}

// Profiles is like that of loader.Kernel.
func (k *Kernel) Profiles(ctx context.Context) ([]loader.Profile, error) {
	if err := k.begin(ctx, Call{Op: loader.OpList}); err != nil {
		return nil, err
	}
	defer k.mu.Unlock()
	var out []loader.Profile
	for _, name := range slices.Sorted(maps.Keys(k.loaded)) {
		out = append(out, k.shown(name))
	}
	slices.SortStableFunc(out, func(a, b loader.Profile) int { return strings.Compare(a.Namespace, b.Namespace) })
	return out, nil
}

func (k *Kernel) shown(name string) loader.Profile {
	p := loader.Profile{Name: name, Mode: loader.Mode(k.loaded[name].mode.String())}
	if k.loaded[name].mode == blob.Prompt {
		p.Mode = loader.ModePrompt
	}
	if rest, ok := strings.CutPrefix(name, ":"); ok {
		p.Namespace, p.Name, _ = strings.Cut(rest, ":")
	}
	return p
}

// Remove is like that of loader.Kernel: it does not look whether something runs
// under the profile.
func (k *Kernel) Remove(ctx context.Context, name string) error {
	if err := k.begin(ctx, Call{Op: loader.OpRemove, Names: []string{name}}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	if k.loaded[name] == nil {
		return fail(loader.OpRemove, name, loader.ErrNotExist)
	}
	for _, below := range k.family(name) {
		delete(k.loaded, below)
	}
	return nil
}

// family returns a profile and those below it.
func (k *Kernel) family(name string) []string {
	var out []string
	for n := range k.loaded {
		if n == name || strings.HasPrefix(n, name+"//") {
			out = append(out, n)
		}
	}
	return out
}

// Sealed is like that of loader.Kernel.
func (k *Kernel) Sealed(ctx context.Context, name string) (bool, error) {
	if err := k.begin(ctx, Call{Op: loader.OpSeal, Names: []string{name}}); err != nil {
		return false, err
	}
	defer k.mu.Unlock()
	switch have := k.loaded[name]; {
	case have == nil:
		return false, fail(loader.OpSeal, name, fs.ErrNotExist)
	case k.NoDigest:
		return false, fail(loader.OpSeal, name, loader.ErrNoDigest)
	default:
		return have.sealed, nil
	}
}

// Retire is like that of loader.Kernel. Without a process under the profile or
// one below it, as Use says, they are removed. Otherwise the error matches
// loader.ErrInUse; with RetireOptions.Kill they then allow nothing.
func (k *Kernel) Retire(ctx context.Context, name string, o loader.RetireOptions) error {
	if err := k.begin(ctx, Call{Op: loader.OpRetire, Names: []string{name}, Retire: o}); err != nil {
		return err
	}
	defer k.mu.Unlock()
	if k.loaded[name] == nil {
		return fail(loader.OpRetire, name, loader.ErrNotExist)
	}
	family := k.family(name)
	for _, n := range family {
		if k.users[n] == 0 {
			continue
		}
		if o.Kill {
			for _, n := range family {
				k.loaded[n].sealed = true
			}
		}
		return fail(loader.OpRetire, name, loader.ErrInUse)
	}
	for _, n := range family {
		delete(k.loaded, n)
	}
	return nil
}
