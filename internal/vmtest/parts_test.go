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

// partsFiles are what they need of the packages.
var partsFiles = []string{
	"usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", "usr/bin/qemu-storage-daemon", "usr/bin/qemu-pr-helper", "usr/lib/qemu", "usr/lib/x86_64-linux-gnu/qemu",
	"usr/libexec/virtiofsd", "usr/bin/swtpm", "usr/bin/passt", "usr/share/seabios", "usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd",
	"usr/share/qemu/keymaps", "usr/share/qemu/efi-virtio.rom", "usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/kvmvapic.bin", "usr/share/qemu/pvh.bin",
}

// hardwarePackages and hardwareFiles are what devices that take hardware need
// besides.
var (
	hardwarePackages = []string{"qemu-system-modules-opengl", "qemu-system-modules-spice", "libasound2-data", "libegl1", "libopengl0", "libgles2", "libegl-mesa0", "libgl1-mesa-dri", "iproute2",
		"qemu-system-gui", "pulseaudio", "libpulse0", "pipewire-bin", "libpipewire-0.3-modules", "libpipewire-0.3-common", "libspa-0.2-modules", "dbus-daemon", "dbus-session-bus-common"}
	hardwareFiles = []string{
		"usr/share/alsa", "usr/share/glvnd", "usr/lib/x86_64-linux-gnu/libEGL.so.1", "usr/lib/x86_64-linux-gnu/libOpenGL.so.0", "usr/lib/x86_64-linux-gnu/libGLESv2.so.2", "usr/lib/x86_64-linux-gnu/libEGL_mesa.so.0", "usr/lib/x86_64-linux-gnu/dri", "usr/lib/x86_64-linux-gnu/gbm", "usr/share/drirc.d",
		"usr/sbin/vdpa", "usr/bin/ip", "usr/bin/pulseaudio", "etc/pulse", "usr/bin/pipewire", "usr/share/pipewire", "usr/lib/x86_64-linux-gnu/pipewire-0.3", "usr/lib/x86_64-linux-gnu/spa-0.2/support",
		"usr/bin/dbus-daemon", "usr/share/dbus-1",
		"usr/lib/pulse-17.0+dfsg1/modules/module-null-sink.so", "usr/lib/pulse-17.0+dfsg1/modules/module-native-protocol-unix.so",
	}
)

// partsOften are the devices that are run unless everything is asked for.
const partsOften = "^TestParts$/^(nothing|disk,_qcow2_with_two_below_it|serial_port_at_a_socket|TPM_with_its_swtpm|virtiofs_with_its_virtiofsd)$"

// TestParts runs package parts: the QEMU of trixie on its kernel, and, if
// everything is asked for, that of its backports on theirs. The guest gets the
// programs in its root file system.
func TestParts(t *testing.T) {
	roles, run := []string{"trixie"}, partsOften
	var modules []string
	if testenv.Full() {
		roles, run = append(roles, "trixie-backports"), "^TestParts$"
		modules = parts.Modules
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./parts",
		Roles:   roles,
		Args:    []string{"-test.run=" + run},
		Timeout: 60 * time.Minute,
		Memory:  2048,
		Modules: modules,
		Root: func(tb testing.TB, k vmtest.Kernel) map[string]vmtest.RootFile {
			return partsRoot(tb, k, partsPackages, partsFiles)
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

// TestPartsHardware runs devices that take hardware, which the QEMU around the
// guest has, and a kernel with drivers for it.
func TestPartsHardware(t *testing.T) {
	if !testenv.Full() {
		t.Skip("the kernels for any machine are large; APPARMOR_TEST_FULL=1 fetches them")
	}
	vmtest.Run(t, vmtest.Config{
		Package:  "./parts",
		Roles:    []string{"trixie", "trixie-backports"},
		Args:     []string{"-test.run=^TestPartsHardware$"},
		Timeout:  60 * time.Minute,
		Memory:   3072,
		Generic:  true,
		Modules:  parts.HardwareModules,
		Hardware: parts.HardwareArgs,
		Boot:     parts.HardwareBoot,
		Root: func(tb testing.TB, k vmtest.Kernel) map[string]vmtest.RootFile {
			return partsRoot(tb, k, append(slices.Clone(partsPackages), hardwarePackages...), append(slices.Clone(partsFiles), hardwareFiles...))
		},
	})
}

// partsRoot returns files of packages, with what they are linked with.
func partsRoot(tb testing.TB, k vmtest.Kernel, names, files []string) map[string]vmtest.RootFile {
	tb.Helper()
	packages := debian.Binary{Suite: "trixie", Names: names, Libraries: true}
	if slices.Contains(k.Roles, "trixie-backports") {
		packages.Suite, packages.Base = "trixie-backports", "trixie"
	}
	tree := testenv.Packages(tb, packages)
	root, err := vmtest.Programs(tree, files...)
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(root, users())
	return root
}

// users are the files that name a guest's users.
func users() map[string]vmtest.RootFile {
	return map[string]vmtest.RootFile{
		"etc/passwd": {Mode: 0o644, Data: []byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")},
		"etc/group":  {Mode: 0o644, Data: []byte("root:x:0:\nnogroup:x:65534:\n")},
	}
}
