// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/loader"
)

// namespace creates a namespace and removes it with the test.
func namespace(t *testing.T, k *loader.Kernel, name string) *loader.Kernel {
	t.Helper()
	ns, err := k.Namespace(t.Context(), name, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closeNow(t, ns)
		if err := k.RemoveNamespace(background, name); err != nil && !isNotExist(err) {
			t.Error(err)
		}
	})
	return ns
}

func TestNamespaces(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	_, err := k.Namespace(ctx, "outer", false)
	wantError(t, err, loader.ErrNotExist)
	wantError(t, k.RemoveNamespace(ctx, "outer"), loader.ErrNotExist)

	outer := namespace(t, k, "outer")
	inner := namespace(t, outer, "inner")
	again, err := k.Namespace(ctx, "outer", true)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if got := inner.NS(); got != "outer//inner" {
		t.Errorf("NS is %q", got)
	}

	for _, n := range []*loader.Kernel{k, outer, inner} {
		load(t, n, encode(t, minimal("same"), minimal("same//child")))
	}
	wantLoaded(t, k,
		"same (enforce)", "same//child (enforce)",
		":outer:same (enforce)", ":outer:same//child (enforce)",
		":outer//inner:same (enforce)", ":outer//inner:same//child (enforce)")
	wantLoaded(t, outer,
		"same (enforce)", "same//child (enforce)",
		":inner:same (enforce)", ":inner:same//child (enforce)")
	wantLoaded(t, inner, "same (enforce)", "same//child (enforce)")

	if err := outer.Remove(ctx, "same//child"); err != nil {
		t.Error(err)
	}
	if err := outer.Load(ctx, encode(t, minimal("same//child"))); err != nil {
		t.Errorf("child of a parent in the namespace: %v", err)
	}
	if err := again.Remove(ctx, "same"); err != nil {
		t.Error(err)
	}
	wantError(t, outer.Load(ctx, encode(t, minimal("same//child"))), loader.ErrParent)
	wantLoaded(t, inner, "same (enforce)", "same//child (enforce)")

	if changed, err := inner.Ensure(ctx, encode(t, minimal("same"), minimal("same//child"))); changed || err != nil {
		t.Errorf("Ensure in a namespace: changed %v, %v", changed, err)
	}
	names, err := outer.Namespaces(ctx)
	if diff := cmp.Diff([]string{"inner"}, names); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := k.RemoveNamespace(ctx, "outer"); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, "same (enforce)", "same//child (enforce)")
	if err := inner.Load(ctx, encode(t, minimal("late"))); err == nil {
		t.Error("a namespace that was removed takes policy")
	}
}

// TestNamespaceInPolicy loads policy that names its namespace itself.
func TestNamespaceInPolicy(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	// The kernel removes the namespace only by hand.
	t.Cleanup(func() {
		if err := k.RemoveNamespace(background, "own"); err != nil {
			t.Error(err)
		}
	})
	inHeader := encode(t, &blob.Profile{Namespace: "own", Name: "header"})
	inName := encode(t, minimal(":own:name"), minimal(":own:name//child"))
	for _, p := range []*blob.Policy{inHeader, inName} {
		if changed, err := k.Ensure(ctx, p); !changed || err != nil {
			t.Errorf("%v: changed %v, %v", p.Names(), changed, err)
		}
		if changed, err := k.Ensure(ctx, p); changed || err != nil {
			t.Errorf("%v again: changed %v, %v", p.Names(), changed, err)
		}
	}
	wantLoaded(t, k, ":own:header (enforce)", ":own:name (enforce)", ":own:name//child (enforce)")
	if err := k.Load(ctx, encode(t, minimal(":own:header//child"))); err != nil {
		t.Errorf("child of a parent in that namespace: %v", err)
	}
	wantError(t, k.Load(ctx, encode(t, minimal(":own:none//child"))), loader.ErrParent)
	wantError(t, k.Load(ctx, encode(t, minimal("header//child"))), loader.ErrParent)
}

func TestRevision(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	first, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := k.WaitRevision(ctx, first-1); n != first || err != nil {
		t.Errorf("a change that was before: %d, %v", n, err)
	}
	got := make(chan uint64)
	go func() {
		n, err := k.WaitRevision(ctx, first)
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	select {
	case n := <-got:
		t.Fatalf("revision %d without a change", n)
	case <-time.After(200 * time.Millisecond):
	}
	load(t, k, encode(t, minimal("one")))
	if n := <-got; n <= first {
		t.Errorf("revision %d after %d", n, first)
	}

	now, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := k.WaitRevision(short, now); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting in vain: %v", err)
	}
}

func TestQuery(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	load(t, k, reference(t, "helper"))
	ns := namespace(t, k, "queried")
	load(t, ns, encode(t, minimal("in")))
	for _, c := range []struct {
		k     *loader.Kernel
		label string
		class blob.Class
		match string
		perm  uint32
		want  bool
	}{
		{k, "helper", blob.ClassFile, "/etc/passwd", blob.PermRead, true},
		{k, "helper", blob.ClassFile, "/etc/passwd", blob.PermRead | blob.PermWrite, false},
		{k, "helper", blob.ClassFile, "/files/secret", blob.PermRead, false},
		{k, "helper", blob.ClassMount, "/mnt", blob.PermWrite, false},
		{k, loader.Unconfined, blob.ClassFile, "/files/secret", blob.PermRead, true},
		{ns, "in", blob.ClassFile, "/etc/passwd", blob.PermRead, false},
		{k, ":queried:in", blob.ClassFile, "/etc/passwd", blob.PermRead, false},
	} {
		got, err := c.k.Allowed(ctx, c.label, c.class, []byte(c.match), c.perm)
		if got != c.want || err != nil {
			p, _ := c.k.Query(ctx, c.label, c.class, []byte(c.match))
			t.Errorf("%s, class %#x, %q, %#x: %v, %v (%+v)", c.label, c.class, c.match, c.perm, got, err, p)
		}
	}
	_, err := k.Query(ctx, "unknown", blob.ClassFile, []byte("/"))
	wantError(t, err, loader.ErrNotExist)
	_, err = k.Query(ctx, "helper", blob.ClassFile, make([]byte, 5000))
	if err == nil {
		t.Error("a query that is too long: no error")
	}
}
