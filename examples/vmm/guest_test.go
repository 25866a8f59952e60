// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/vmtest"
)

// TestKernels plays it with Debian's QEMU on the kernel of Debian 13 and on that
// of sid.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{
		Roles: []string{"trixie", "sid"}, Tests: "^TestGuest", Timeout: 25 * time.Minute, Memory: 1536,
		Packages: []string{"qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "qemu-utils"},
		Programs: []string{"usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", "usr/lib/x86_64-linux-gnu/qemu", "usr/share/seabios",
			"usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/kvmvapic.bin"},
	})
}

// TestGuestPlay plays it, and has QEMU open what it has lost.
func TestGuestPlay(t *testing.T) {
	vmtest.Guest(t)
	if err := errors.Join(os.MkdirAll("/etc/apparmor.d", 0o755), os.MkdirAll("/srv/vm", 0o755), os.MkdirAll("/var/log/libvirt/qemu", 0o755)); err != nil {
		t.Fatal(err)
	}
	var steps []string
	err := play(t.Context(), svirt.ManagerOptions{}, "/usr/bin/qemu-system-x86_64", "/srv/vm", func(step string, v *VM, m *monitor) error {
		steps = append(steps, step)
		data := map[string]any{"driver": "raw", "node-name": "again", "file": map[string]any{"driver": "file", "filename": "/srv/vm/data.img"}}
		switch step {
		case "started", "detached":
			if err := m.do(t.Context(), "blockdev-add", data); err == nil || !strings.Contains(err.Error(), "Permission denied") {
				return fmt.Errorf("QEMU opens a disk that it does not have: %w", err)
			}
		case "snapshot":
			below := map[string]any{"driver": "file", "node-name": "below", "filename": "/srv/vm/vda.qcow2", "locking": "off"}
			if err := m.do(t.Context(), "blockdev-add", below); err == nil || !strings.Contains(err.Error(), "Permission denied") {
				return fmt.Errorf("QEMU opens what is below the snapshot for writing: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if got := strings.Join(steps, " "); got != "started attached restarted detached snapshot committed" {
		t.Errorf("steps %s", got)
	}
	if out, err := exec.CommandContext(t.Context(), "/usr/bin/qemu-img", "info", "/srv/vm/vda.qcow2").CombinedOutput(); err != nil || strings.Contains(string(out), "backing") {
		t.Errorf("%v: %s", err, out)
	}
}
