// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader/loadertest"
	"github.com/goarmor/apparmor/query"
)

// features of a kernel, without one.
func kernel612(t *testing.T) *features.Set {
	t.Helper()
	set, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("no features of 6.12")
	}
	return set
}

// TestProfile asks the compiled profile of a container whose root has a name
// that means something in policy.
func TestProfile(t *testing.T) {
	root := t.TempDir() + "/a *{b,c}"
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	c := Container{ID: "web", Root: root, Policy: "profile init { file, deny /**/secret r, }"}
	profile, own, err := c.compile(t.Context(), kernel612(t))
	if err != nil {
		t.Fatal(err)
	}
	kernel := loadertest.NewKernel(nil)
	if err := kernel.Load(t.Context(), profile); err != nil {
		t.Fatal(err)
	}
	if err := kernel.Load(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		profile string
		request query.Request
		want    bool
	}{
		{"container-web", query.File{Path: root + "/srv/x", Perms: query.Read | query.Write}, true},
		{"container-web", query.File{Path: root + "/secret", Perms: query.Read}, true},
		{"container-web", query.File{Path: strings.Replace(root, "*", "x", 1) + "/srv/x", Perms: query.Read}, false},
		{"container-web", query.File{Path: "/etc/shadow", Perms: query.Read}, false},
		{"container-web", query.Capability("net_bind_service"), true},
		{"container-web", query.Capability("sys_admin"), false},
		{"init", query.File{Path: root + "/secret", Perms: query.Read}, false},
	} {
		if got, err := kernel.Allows(q.profile, q.request); got != q.want || err != nil {
			t.Errorf("%s, %+v: %v, %v", q.profile, q.request, got, err)
		}
	}
}

// TestRefused: IDs are names of profiles, and bad policy loads nothing.
func TestRefused(t *testing.T) {
	for _, c := range []Container{
		{ID: ""}, {ID: "../x"}, {ID: "a b"}, {ID: "a//&b"}, {ID: "A"}, {ID: "x {}"},
		{ID: "x", Root: "/none"},
		{ID: "x", Policy: "profile init { include </etc/shadow> }"},
		{ID: "x", Policy: "profile init { nonsense"},
	} {
		if c.Root == "" {
			c.Root = t.TempDir()
		}
		if _, _, err := c.compile(t.Context(), kernel612(t)); err == nil {
			t.Errorf("%+v compiles", c)
		}
	}
	for name, want := range map[string]bool{
		"container-a": true, ":container-a:init": true, ":container-a:": true,
		"other": false, ":other:container-a": false, "": false,
	} {
		if ours(name) != want {
			t.Errorf("%q counts as ours: %v", name, !want)
		}
	}
}
