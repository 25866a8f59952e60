// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"

// files makes what a machine is of, and an image that is not its own.
func files(t *testing.T, m *Machine) {
	t.Helper()
	err := errors.Join(os.MkdirAll(m.Dir, 0o755), os.Chmod(m.Dir, 0o755))
	for _, name := range []string{"vmlinux", "root.img", "other.img", "vm.json"} {
		err = errors.Join(err, os.WriteFile(m.file(name), make([]byte, 512), 0o666), os.Chmod(m.file(name), 0o666))
	}
	if m.TPM {
		err = errors.Join(err, os.MkdirAll(m.file("tpm"), 0o700))
	}
	if m.Share != "" {
		err = errors.Join(err, os.MkdirAll(m.Share, 0o755), os.WriteFile(filepath.Join(m.Share, "note"), []byte(shared), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// kernel is one in memory, which starts the stubs of this test binary instead
// of the programs.
func kernel(t *testing.T) (*svirttest.Kernel, *svirt.Manager, func() []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var started []string
	k := svirttest.NewKernel(nil)
	k.Launch = func(cmd *exec.Cmd) error {
		mu.Lock()
		started = append(started, filepath.Base(cmd.Path))
		mu.Unlock()
		cmd.Args[0], cmd.Path, cmd.Err = filepath.Base(cmd.Path), self, nil
		cmd.Env = append(cmd.Env, "UNCONFINED=1")
		return cmd.Start()
	}
	o := options()
	o.Dir, o.Driver = t.TempDir(), k
	manager, err := svirt.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	return k, manager, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(started)
	}
}

// TestRun runs a machine with all companions, and sees what each profile grants.
func TestRun(t *testing.T) {
	k, manager, started := kernel(t)
	m := &Machine{UUID: uuid, VMM: "cloud-hypervisor", Dir: t.TempDir(), Share: t.TempDir(), TPM: true, Net: true}
	files(t, m)
	d, _, _, err := m.describe()
	if err != nil {
		t.Fatal(err)
	}
	if err := manager.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		profile, path string
		perms         query.Perms
		want          bool
	}{
		{uuid, m.file("root.img"), query.Read | query.Write, true},
		{uuid, m.file("vmlinux"), query.Write, false},
		{uuid, m.file("fs.sock"), query.Read | query.Write, true},
		{uuid, m.Share + "/x", query.Read, false},
		{uuid, m.file("tpm/state"), query.Read, false},
		{uuid + "-virtiofsd", m.Share + "/x", query.Read | query.Write, true},
		{uuid + "-virtiofsd", m.file("root.img"), query.Read, false},
		{uuid + "-swtpm", m.file("tpm/state"), query.Read | query.Write, true},
		{uuid + "-swtpm", m.Share + "/x", query.Read, false},
		{uuid + "-passt", m.file("root.img"), query.Read, false},
	} {
		if got, err := k.Allows(q.profile, query.File{Path: q.path, Perms: q.perms}); got != q.want || err != nil {
			t.Errorf("%s, %s %v: %v, %v", q.profile, q.path, q.perms, got, err)
		}
	}
	if err := manager.Remove(t.Context(), uuid); err != nil {
		t.Fatal(err)
	}
	if err := m.Run(t.Context(), manager); err != nil {
		t.Error(err)
	}
	if got := strings.Join(started(), " "); got != "virtiofsd swtpm passt cloud-hypervisor" {
		t.Errorf("started: %s", got)
	}
	if left, err := manager.List(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %+v, %v", left, err)
	}
}

// TestJail describes a machine of Firecracker: in the jail its files have other
// names, and the jailer may not touch them.
func TestJail(t *testing.T) {
	for _, m := range []Machine{
		{UUID: uuid, VMM: "firecracker", Dir: "/srv/other"},
		{UUID: uuid, VMM: "firecracker", Dir: "/srv/jailer/firecracker/" + uuid + "/root", TPM: true},
		{UUID: uuid, VMM: "qemu"},
	} {
		if _, _, _, err := m.describe(); err == nil {
			t.Errorf("%+v is taken", m)
		}
	}
}
