// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
)

// partsPackages have the programs that package parts runs.
var partsPackages = []string{"qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "virtiofsd", "swtpm", "swtpm-libs", "passt", "qemu-utils", "ovmf", "ipxe-qemu"}

// TestParts runs package parts: the QEMU of trixie on its kernel. The guest gets
// the programs in its root file system.
func TestParts(t *testing.T) {
	vmtest.Run(t, vmtest.Config{
		Package: "./parts",
		Roles:   []string{"trixie"},
		Timeout: 25 * time.Minute,
		Memory:  2048,
		Root: func(tb testing.TB, _ vmtest.Kernel) map[string]vmtest.RootFile {
			tree := testenv.Packages(tb, debian.Binary{Suite: "trixie", Names: partsPackages, Libraries: true})
			root, err := vmtest.Programs(tree,
				"usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", "usr/bin/qemu-storage-daemon", "usr/lib/qemu", "usr/lib/x86_64-linux-gnu/qemu",
				"usr/libexec/virtiofsd", "usr/bin/swtpm", "usr/bin/passt", "usr/share/seabios", "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd",
				"usr/share/qemu/keymaps", "usr/share/qemu/efi-virtio.rom", "usr/share/qemu/linuxboot.bin", "usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/kvmvapic.bin", "usr/share/qemu/pvh.bin")
			if err != nil {
				tb.Fatal(err)
			}
			for name, text := range map[string]string{"etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n", "etc/group": "root:x:0:\nnogroup:x:65534:\n"} {
				root[name] = vmtest.RootFile{Mode: 0o644, Data: []byte(text)}
			}
			return root
		},
	})
}
