// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// edit replaces a part of a file of policy, as an administrator does.
func edit(t *testing.T, name, old, with string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	i := strings.LastIndex(text, old)
	if i < 0 {
		t.Fatalf("%s has no %q", name, old)
	}
	if err := os.WriteFile(name, []byte(text[:i]+with+text[i+len(old):]), 0o644); err != nil {
		t.Fatal(err)
	}
}

// policyDir makes a directory for the files of a Manager, and removes it with the
// test.
func policyDir(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestMachineEdits edits the files of policy, as libvirt's driver lets one: what the
// template says holds for machines that are made of it later, what an abstraction
// says for all, and what the profile of one machine says for that one.
func TestMachineEdits(t *testing.T) {
	guest.Scenario(t)
	k, ctx := kernel(t), t.Context()
	dir := policyDir(t, "/srv/policy")
	if err := svirt.Install(dir); err != nil {
		t.Fatal(err)
	}
	manager := newManagerWith(t, svirt.ManagerOptions{Dir: dir, Templates: svirt.TemplatesHostOnly})
	other(t, vmm)
	files := map[string]string{}
	for _, name := range []string{"new", "all", "own", "complained"} {
		files[name] = filepath.Join(dir, "file-"+name)
		if err := os.WriteFile(files[name], nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := newMachine(t, "old", "7d3e5a34-1c0f-4f4e-9d0a-000000000001")
	young := newMachine(t, "young", "7d3e5a34-1c0f-4f4e-9d0a-000000000002")
	old.create(t, manager)
	old.start(t, manager)
	for _, name := range files {
		old.want(t, syscall.EACCES, "read", name)
	}

	edit(t, filepath.Join(dir, "libvirt/TEMPLATE.qemu"), "}", "  "+files["new"]+" r,\n}")
	young.create(t, manager)
	young.start(t, manager)
	load := func() {
		t.Helper()
		for _, m := range []*machine{old, young} {
			if err := manager.Load(ctx, m.UUID); err != nil {
				t.Fatal(err)
			}
		}
	}
	load()
	young.want(t, 0, "read", files["new"])
	old.want(t, syscall.EACCES, "read", files["new"])
	// What a machine was made of before is not an edit of its own.
	for _, m := range []*machine{old, young} {
		status, err := manager.Status(ctx, m.UUID)
		if err != nil || status.Stale || !status.Loaded {
			t.Errorf("%s: %+v, %v", m.Name, status, err)
		}
	}

	abstraction := filepath.Join(dir, "abstractions/libvirt-qemu")
	edit(t, abstraction, "\n", "\n  "+files["all"]+" r,\n")
	load()
	old.want(t, 0, "read", files["all"])
	young.want(t, 0, "read", files["all"])

	own := filepath.Join(dir, "libvirt", old.profile())
	edit(t, own, "}", "  "+files["own"]+" r,\n}")
	load()
	old.want(t, 0, "read", files["own"])
	young.want(t, syscall.EACCES, "read", files["own"])
	if status, err := manager.Status(ctx, old.UUID); err != nil || !status.Edited || status.Stale {
		t.Errorf("%+v, %v", status, err)
	}
	// It stays when the machine changes.
	if _, err := manager.Update(ctx, old.UUID, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{
		{ID: "vdz", Image: svirt.Image{Path: old.file("late.img"), Format: "raw"}},
	}}}); err != nil {
		t.Fatal(err)
	}
	old.want(t, 0, "read", files["own"])
	old.want(t, 0, "write", old.file("late.img"))

	// One machine complains, and is enforced again, while it runs.
	const flags, complain = "flags=(attach_disconnected)", "flags=(attach_disconnected,complain)"
	edit(t, own, flags, complain)
	load()
	wantLoaded(t, k, old.profile()+" (complain)", young.profile()+" (enforce)")
	if err := manager.Start(ctx, old.UUID, probeCommand(vmm)); !errors.Is(err, loader.ErrMode) {
		t.Errorf("a start that accepts no complain mode: %v", err)
	}
	if status, err := manager.Status(ctx, old.UUID); err != nil || status.Mode != "complain" {
		t.Errorf("%+v, %v", status, err)
	}
	old.want(t, 0, "read", files["complained"])
	young.want(t, syscall.EACCES, "read", files["complained"])
	edit(t, own, complain, flags)
	load()
	wantLoaded(t, k, old.profile()+" (enforce)", young.profile()+" (enforce)")
	old.want(t, syscall.EACCES, "read", files["complained"])

	// A template with a mistake makes no machine, and leaves the others alone.
	edit(t, filepath.Join(dir, "libvirt/TEMPLATE.qemu"), "}", "  nonsense\n}")
	third := newMachine(t, "third", "7d3e5a34-1c0f-4f4e-9d0a-000000000003")
	if err := manager.Create(ctx, third.Domain); err == nil {
		t.Error("a machine is made of a template that is wrong")
	}
	wantLoaded(t, k, old.profile()+" (enforce)", young.profile()+" (enforce)")
	load()

	edit(t, filepath.Join(dir, "libvirt/TEMPLATE.qemu"), "  nonsense\n}", "}")

	// Labels other than the machine's own are refused.
	for _, label := range []svirt.Label{{Type: "none"}, {Type: "static", Profile: "unconfined"}, {Type: "static", Profile: young.profile()}} {
		third.Label = label
		var refused *svirt.IdentityError
		var path *svirt.PathError
		if err := manager.Create(ctx, third.Domain); !errors.As(err, &refused) && !errors.As(err, &path) {
			t.Errorf("%+v: %v", label, err)
		}
	}
	old.Label = svirt.Label{Type: "static", Profile: old.profile()}
	if err := manager.Replace(ctx, old.Domain); err != nil {
		t.Errorf("its own label: %v", err)
	}
	if c := manager.Capabilities(); c.Model != "apparmor" || c.DOI != "0" {
		t.Errorf("capabilities %+v", c)
	}
}

// TestNone has no driver: a machine runs unconfined, and all say so.
func TestNone(t *testing.T) {
	guest.Scenario(t)
	dir := policyDir(t, "/srv/policy-of-none")
	manager := newManagerWith(t, svirt.ManagerOptions{Dir: dir, Driver: svirt.None{}})
	other(t, vmm)
	m := newMachine(t, "none", "7d3e5a34-1c0f-4f4e-9d0a-000000000004")
	m.create(t, manager)
	m.start(t, manager)
	m.want(t, 0, "read", "/files/secret")
	wantLoaded(t, kernel(t))
	status, err := manager.Status(t.Context(), m.UUID)
	if err != nil || status.Driver != "none" || status.Loaded {
		t.Errorf("%+v, %v", status, err)
	}
	wantError(t, manager.ChangeProfile(t.Context(), m.UUID), svirt.ErrUnconfined)
	if c := manager.Capabilities(); c.Model != "none" || c.DOI != "0" {
		t.Errorf("capabilities %+v", c)
	}
	m.end(t)
}
