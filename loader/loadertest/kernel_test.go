// SPDX-License-Identifier: Apache-2.0

package loadertest

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
)

// The methods are those of loader.Kernel.
type kernel interface {
	NS() string
	Features(context.Context) (*features.Set, error)
	Mode(context.Context) (loader.Mode, error)
	Load(context.Context, *blob.Policy) error
	Replace(context.Context, *blob.Policy) error
	Ensure(context.Context, *blob.Policy) (bool, error)
	EnsureWith(context.Context, *blob.Policy, loader.Accept) (bool, error)
	Remove(context.Context, string) error
	Retire(context.Context, string, loader.RetireOptions) error
	Sealed(context.Context, string) (bool, error)
	Holds(context.Context, *blob.Policy) (bool, error)
	Digest(context.Context, string) (loader.Digest, error)
	Profile(context.Context, string) (loader.Profile, error)
	Profiles(context.Context) ([]loader.Profile, error)
}

var (
	_ kernel = (*loader.Kernel)(nil)
	_ kernel = (*Kernel)(nil)
)

func policy(t *testing.T, text string) *blob.Policy {
	t.Helper()
	set, _ := features.Kernel("6.12")
	out, err := compile.Text(t.Context(), "p", "abi <kernel>,\n"+text, compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	return out.Policy
}

// TestKernel goes through what a program does with a kernel.
func TestKernel(t *testing.T) {
	ctx, k := t.Context(), NewKernel(nil)
	p := policy(t, "profile p { /a r,\n ^hat { /h r, } }\n")
	q := policy(t, "profile p { /b r,\n ^hat { /h r, } }\n")
	for i, step := range []struct {
		do   func() error
		want error
	}{
		{func() error { return k.Remove(ctx, "p") }, loader.ErrNotExist},
		{func() error { return k.Retire(ctx, "p", loader.RetireOptions{}) }, loader.ErrNotExist},
		{func() error { _, err := k.Digest(ctx, "p"); return err }, loader.ErrNotExist},
		{func() error { _, err := k.Profile(ctx, "p"); return err }, fs.ErrNotExist},
		{func() error { _, err := k.Sealed(ctx, "p"); return err }, fs.ErrNotExist},
		{func() error { _, err := k.Allows("p", query.Userns{}); return err }, fs.ErrNotExist},
		{func() error { return k.Load(ctx, p) }, nil},
		{func() error { return k.Load(ctx, p) }, loader.ErrExist},
		{func() error { return k.Load(ctx, policy(t, "profile x//y { }\n")) }, loader.ErrParent},
		{func() error { return k.Load(ctx, policy(t, "profile p//y { }\n")) }, nil},
		{func() error { return allowed(k, "p", "/a", true) }, nil},
		{func() error { return allowed(k, "p//hat", "/h", true) }, nil},
		{func() error { return ensured(k, p, false) }, nil},
		{func() error { return ensured(k, q, true) }, nil},
		{func() error { return ensured(k, q, false) }, nil},
		{func() error { return allowed(k, "p", "/a", false) }, nil},
		{func() error { return k.Replace(ctx, p) }, nil},
		{func() error { return allowed(k, "p", "/a", true) }, nil},
		{func() error { return k.Remove(ctx, "p//y") }, nil},
		{func() error { return k.Remove(ctx, "p") }, nil},
		{func() error { return k.Remove(ctx, "p//hat") }, loader.ErrNotExist},
		{func() error { return k.Replace(ctx, nil) }, errAny},
		{func() error { _, err := k.Holds(ctx, nil); return err }, errAny},
	} {
		err := step.do()
		var typed *loader.Error
		if errors.Is(step.want, errAny) && err != nil || errors.Is(err, step.want) && (err == nil || errors.As(err, &typed)) {
			continue
		}
		t.Fatalf("step %d: %v, want %v", i, err, step.want)
	}
	if want := []string{"p,p//hat", "p,p//hat", "x//y", "p//y", "p,p//hat", "p,p//hat", ""}; !slices.Equal(k.Written(), want) {
		t.Errorf("%q", k.Written())
	}
}

var errAny = errors.New("any")

func allowed(k *Kernel, profile, path string, want bool) error {
	got, err := k.Allows(profile, query.File{Path: path, Perms: query.Read})
	if err == nil && got != want {
		err = errors.New("the answer is wrong")
	}
	return err
}

func ensured(k *Kernel, p *blob.Policy, want bool) error {
	got, err := k.Ensure(context.Background(), p)
	if err == nil && got != want {
		err = errors.New("it was written, or was not")
	}
	return err
}

// TestRetire: what has a process stays.
func TestRetire(t *testing.T) {
	ctx, k := t.Context(), NewKernel(nil)
	p := policy(t, "profile p { /a r,\n ^hat { } }\n")
	if err := k.Load(ctx, p); err != nil {
		t.Fatal(err)
	}
	release := k.Use("p//hat")
	if err := k.Retire(ctx, "p", loader.RetireOptions{}); !errors.Is(err, loader.ErrInUse) {
		t.Error(err)
	}
	if err := allowed(k, "p", "/a", true); err != nil {
		t.Error(err)
	}
	if err := k.Retire(ctx, "p", loader.RetireOptions{Kill: true}); !errors.Is(err, loader.ErrInUse) {
		t.Error(err)
	}
	if err := allowed(k, "p", "/a", false); err != nil {
		t.Error(err)
	}
	if sealed, err := k.Sealed(ctx, "p"); err != nil || !sealed {
		t.Errorf("%v %v", sealed, err)
	}
	if same, err := k.Holds(ctx, p); err != nil || same {
		t.Errorf("a sealed profile counts as the policy: %v %v", same, err)
	}
	release()
	release()
	if err := k.Retire(ctx, "p", loader.RetireOptions{}); err != nil {
		t.Error(err)
	}
	if list, err := k.Profiles(ctx); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
}

// TestFeatures: policy that the kernel does not take is refused.
func TestFeatures(t *testing.T) {
	set, _ := features.Kernel("7.3")
	out, err := compile.Text(t.Context(), "p", "abi <kernel>,\nprofile p { /a r, }\n", compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	old, _ := features.Kernel("6.1")
	if err := NewKernel(old).Load(t.Context(), out.Policy); err == nil {
		t.Error("the kernel loads policy that it does not support")
	}
	if err := NewKernel(set).Load(t.Context(), out.Policy); err != nil {
		t.Error(err)
	}
}

// TestShown: modes and namespaces are as kernels show them.
func TestShown(t *testing.T) {
	ctx, k := t.Context(), NewKernel(nil)
	for _, text := range []string{"profile p flags=(complain) { }\n", "profile :ns:q flags=(kill) { }\n", "profile r flags=(prompt) { }\n", "profile s flags=(unconfined) { }\n"} {
		if err := k.Load(ctx, policy(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := k.Profiles(ctx)
	want := []loader.Profile{
		{Name: "p", Mode: loader.ModeComplain}, {Name: "r", Mode: loader.ModePrompt}, {Name: "s", Mode: loader.ModeUnconfined},
		{Name: "q", Namespace: "ns", Mode: loader.ModeKill},
	}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("%v %v", list, err)
	}
	if err := k.Remove(ctx, ":ns:q"); err != nil {
		t.Error(err)
	}
}

// TestIntercept: an error of the test's is the call's, and nothing is done.
func TestIntercept(t *testing.T) {
	ctx, k, broken := t.Context(), NewKernel(nil), errors.New("broken")
	p := policy(t, "profile p { }\n")
	k.Intercept = func(context.Context, Call) error { return broken }
	_, ensure := k.Ensure(ctx, p)
	_, holds := k.Holds(ctx, p)
	_, list := k.Profiles(ctx)
	_, mode := k.Mode(ctx)
	_, set := k.Features(ctx)
	for i, err := range []error{k.Load(ctx, p), k.Replace(ctx, p), k.Remove(ctx, "p"), k.Retire(ctx, "p", loader.RetireOptions{}), ensure, holds, list, mode, set} {
		var typed *loader.Error
		if !errors.Is(err, broken) || !errors.As(err, &typed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	k.Intercept = nil
	if list, err := k.Profiles(ctx); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if err := k.Load(gone, p); err != context.Canceled { //nolint:errorlint // contexts' errors are not wrapped
		t.Error(err)
	}
}

func TestKernelAsAWhole(t *testing.T) {
	ctx, k := t.Context(), NewKernel(nil)
	p := policy(t, "profile p { }\n")
	k.Whole, k.NoDigest = loader.ModeComplain, true
	if _, err := k.Ensure(ctx, p); !errors.Is(err, loader.ErrMode) {
		t.Error(err)
	}
	for range 2 {
		if wrote, err := k.EnsureWith(ctx, p, loader.Accept{Complain: true}); err != nil || !wrote {
			t.Errorf("%v %v", wrote, err)
		}
	}
	if m, err := k.Mode(ctx); m != loader.ModeComplain || err != nil || k.NS() != "" {
		t.Error(m, err)
	}
	_, holds := k.Holds(ctx, p)
	_, digest := k.Digest(ctx, "p")
	_, sealed := k.Sealed(ctx, "p")
	for _, err := range []error{holds, digest, sealed} {
		if !errors.Is(err, loader.ErrNoDigest) {
			t.Error(err)
		}
	}
	k.NoDigest = false
	if d, err := k.Digest(ctx, "p"); err != nil || !d.Of(p) {
		t.Errorf("%v %v", d, err)
	}
}
