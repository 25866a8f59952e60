// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
	"github.com/goarmor/apparmor/internal/vmtest/parts"
)

// partsPackages have the programs that package parts runs.
var partsPackages = []string{"qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "virtiofsd", "swtpm", "swtpm-libs", "passt", "qemu-utils", "ovmf", "ipxe-qemu"}

// partsOften are the devices that are run unless everything is asked for.
const partsOften = "^TestParts$/^(nothing|disk,_qcow2_with_two_below_it|serial_port_at_a_socket|TPM_with_its_swtpm|virtiofs_with_its_virtiofsd)$"

// TestParts runs package parts: the QEMU of trixie on its kernel, and, if
// everything is asked for, that of its backports on theirs. The guest gets the
// programs in its root file system.
func TestParts(t *testing.T) {
	roles, args := []string{"trixie"}, []string{"-test.run=" + partsOften}
	var modules []string
	if testenv.Full() {
		roles, args = append(roles, "trixie-backports"), nil
		modules = parts.Modules
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./parts",
		Roles:   roles,
		Args:    args,
		Timeout: 60 * time.Minute,
		Memory:  2048,
		Modules: modules,
		Root: func(tb testing.TB, k vmtest.Kernel) map[string]vmtest.RootFile {
			packages := debian.Binary{Suite: "trixie", Names: partsPackages, Libraries: true}
			if slices.Contains(k.Roles, "trixie-backports") {
				packages.Suite, packages.Base = "trixie-backports", "trixie"
			}
			tree := testenv.Packages(tb, packages)
			root, err := vmtest.Programs(tree,
				"usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", "usr/bin/qemu-storage-daemon", "usr/lib/qemu", "usr/lib/x86_64-linux-gnu/qemu",
				"usr/libexec/virtiofsd", "usr/bin/swtpm", "usr/bin/passt", "usr/share/seabios", "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd",
				"usr/share/qemu/keymaps", "usr/share/qemu/efi-virtio.rom", "usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/kvmvapic.bin", "usr/share/qemu/pvh.bin")
			if err != nil {
				tb.Fatal(err)
			}
			maps.Copy(root, users())
			return root
		},
		Files: func(tb testing.TB, k vmtest.Kernel) map[string][]byte {
			image, err := os.ReadFile(k.Image)
			if err != nil {
				tb.Fatal(err)
			}
			return map[string][]byte{"vmlinuz": image}
		},
	})
}

// users are the files that name a guest's users.
func users() map[string]vmtest.RootFile {
	return map[string]vmtest.RootFile{
		"etc/passwd": {Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		"etc/group":  {Mode: 0o644, Data: []byte("root:x:0:\nnogroup:x:65534:\n")},
	}
}
