// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/vmtest"
)

// TestKernels runs the tests below on kernels, with Debian's virtiofsd, swtpm and passt. Debian has neither of the VMMs:
// theirs, and the jailer, are the stubs of this package.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{
		Roles: roles(), Tests: "^TestGuest", Timeout: 25 * time.Minute,
		Packages: []string{"virtiofsd", "swtpm", "swtpm-libs", "passt"},
		Programs: []string{"usr/libexec/virtiofsd", "usr/bin/swtpm", "usr/bin/passt", "usr/bin/passt.avx2"},
		Files: map[string]vmtest.File{
			"etc/passwd": {Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
			"etc/group":  {Data: []byte("root:x:0:\nnogroup:x:65534:\n")},
		},
	})
}

// roles are the kernels: two of them, or every one that Debian has today if the
// whole test is wanted.
func roles() []string {
	if os.Getenv("APPARMOR_TEST_FULL") == "1" {
		return nil
	}
	return []string{"trixie", "sid"}
}

// changeRoot makes a mount of its own the root, as an initramfs does before it
// starts a system. Kernels (seen: 6.12) do not let pivot_root(2), by which the jailer
// and passt get a root of their own, leave the one that they boot with.
var changeRoot = sync.OnceValue(func() error {
	const dir = "/root.new"
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("/", dir, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return err
	}
	if err := syscall.Chdir(dir); err != nil {
		return err
	}
	if err := syscall.Mount(".", "/", "", syscall.MS_MOVE, ""); err != nil {
		return err
	}
	if err := syscall.Chroot("."); err != nil {
		return err
	}
	return syscall.Chdir("/")
})

// program installs a stub.
func program(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile("/init")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func guest(t *testing.T) *svirt.Manager {
	t.Helper()
	vmtest.Guest(t) // never on a host
	if err := changeRoot(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("/etc/apparmor.d", 0o755); err != nil {
		t.Fatal(err)
	}
	manager, err := svirt.New(t.Context(), options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	return manager
}

// TestGuestCloudHypervisor runs a machine with each of the companions.
func TestGuestCloudHypervisor(t *testing.T) {
	manager := guest(t)
	program(t, "/usr/bin/cloud-hypervisor")
	for name, m := range map[string]Machine{
		"virtiofsd": {Share: "/srv/share"}, "swtpm": {TPM: true}, "passt": {Net: true},
	} {
		t.Run(name, func(t *testing.T) {
			m.UUID, m.VMM, m.Dir = uuid, "cloud-hypervisor", "/srv/vm/"+name
			files(t, &m)
			if err := m.Run(t.Context(), manager); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGuestFirecracker runs a machine in its jail.
func TestGuestFirecracker(t *testing.T) {
	manager := guest(t)
	program(t, "/usr/bin/jailer")
	program(t, "/usr/bin/firecracker")
	m := Machine{UUID: uuid, VMM: "firecracker", Dir: "/srv/jailer/firecracker/" + uuid + "/root", User: 1234}
	files(t, &m)
	if err := m.Run(t.Context(), manager); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.file("vmm.log")); err != nil {
		t.Errorf("Firecracker did not run in its jail: %v", err)
	}
}
