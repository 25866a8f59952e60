// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// template makes one that grants a path to all machines.
func template(t *testing.T, rule string) *svirt.Template {
	t.Helper()
	out, err := svirt.ParseTemplate(t.Context(), "libvirt/TEMPLATE.qemu", "abi <abi/5.0>,\nprofile LIBVIRT_TEMPLATE {\n  "+rule+"\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestUpgrade upgrades machines that run, one that was edited, and with a
// template that does not compile.
func TestUpgrade(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	kernel := svirttest.NewKernel(nil)
	open := func(template *svirt.Template) *svirt.Manager {
		t.Helper()
		manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: kernel, Parts: []svirt.Part{template}})
		if err != nil {
			t.Fatal(err)
		}
		return manager
	}
	may := func(uuid, path string) bool {
		t.Helper()
		ok, err := kernel.Allows(uuid, query.File{Path: path, Perms: query.Read})
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	const edited = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a12"
	manager := open(template(t, "/srv/old r,"))
	for _, id := range []string{uuid, edited} {
		if err := manager.Create(ctx, &svirt.Domain{UUID: id, Name: id, Type: "kvm"}); err != nil {
			t.Fatal(err)
		}
		defer kernel.Use("libvirt-" + id)()
	}
	file := dir + "/libvirt/libvirt-" + edited
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, []byte("# mine\n"+string(text)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := upgrade(ctx, manager, dir, template(t, "include <none>"), uuid); err == nil || !may(uuid, "/srv/old") {
		t.Errorf("a template that does not compile: %v", err)
	}
	next := template(t, "/srv/new r,")
	if err := upgrade(ctx, manager, dir, next, uuid); err != nil || !may(uuid, "/srv/new") || may(uuid, "/srv/old") {
		t.Errorf("%v", err)
	}
	if err := upgrade(ctx, manager, dir, next, edited); err == nil || !strings.Contains(err.Error(), "by hand") || !may(edited, "/srv/old") {
		t.Errorf("one that was edited: %v", err)
	}
	// A manager with the new template takes it for its own.
	if err := manager.Close(); err != nil {
		t.Fatal(err)
	}
	manager = open(next)
	for id, want := range map[string]bool{uuid: false, edited: true} {
		if s, err := manager.Status(ctx, id); err != nil || s.Edited != want || s.Stale {
			t.Errorf("%+v, %v", s, err)
		}
	}
	if err := manager.Close(); err != nil {
		t.Error(err)
	}
}
