// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
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

// TestKernels plays it with Debian's QEMU on kernels.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{
		Roles: roles(), Tests: "^TestGuest", Timeout: 25 * time.Minute, Memory: 1536,
		Packages: []string{"qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "qemu-utils"},
		Programs: []string{"usr/bin/qemu-system-x86_64", "usr/bin/qemu-img", "usr/lib/x86_64-linux-gnu/qemu", "usr/share/seabios",
			"usr/share/qemu/linuxboot_dma.bin", "usr/share/qemu/kvmvapic.bin"},
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
			if err := m.do(t.Context(), "blockdev-add", data); !denied(err) {
				return fmt.Errorf("QEMU opens a disk that it does not have: %v", err) //nolint:errorlint // it may be nil
			}
		case "snapshot":
			below := map[string]any{"driver": "file", "node-name": "below", "filename": "/srv/vm/vda.qcow2", "locking": "off"}
			if err := m.do(t.Context(), "blockdev-add", below); !denied(err) {
				return fmt.Errorf("QEMU opens what is below the snapshot for writing: %v", err) //nolint:errorlint // it may be nil
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

// denied reports whether QEMU says that it may not.
func denied(err error) bool { return err != nil && strings.Contains(err.Error(), "Permission denied") }

// reader opens the files that it is told to, a line each, and says what became
// of it.
func reader([]string) int {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		said := "read"
		if f, err := os.Open(in.Text()); err != nil {
			said = err.Error()
		} else {
			_ = f.Close() // only opened
		}
		if _, err := fmt.Println(said); err != nil {
			return 1
		}
	}
	return 0
}

// TestGuestUpgrade upgrades the profile of a process that runs, which has what the
// new template grants from then on, and no more what only the old one did.
func TestGuestUpgrade(t *testing.T) {
	vmtest.Guest(t)
	ctx, dir := t.Context(), t.TempDir()
	before := template(t, "/init mr, signal, /srv/old r,")
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Parts: []svirt.Part{before}})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	err = errors.Join(os.MkdirAll("/srv", 0o755), os.WriteFile("/srv/old", nil, 0o644), os.WriteFile("/srv/new", nil, 0o644),
		manager.Create(ctx, &svirt.Domain{UUID: uuid, Name: uuid, Type: "kvm"}))
	if err != nil {
		t.Fatal(err)
	}
	cmd := vmtest.Command(t, "reader")
	cmd.Stderr = os.Stderr
	in, inErr := cmd.StdinPipe()
	out, outErr := cmd.StdoutPipe()
	if err := errors.Join(inErr, outErr, manager.Start(ctx, uuid, cmd)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	want := func(when, name, want string) {
		t.Helper()
		if _, err := fmt.Fprintln(in, name); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.HasSuffix(lines.Text(), want) {
			t.Errorf("%s: %s: %s, %v, want %s", when, name, lines.Text(), lines.Err(), want)
		}
	}
	want("before", "/srv/old", "read")
	want("before", "/srv/new", "permission denied")
	if err := upgrade(ctx, manager, dir, template(t, "include <none>"), uuid); err == nil {
		t.Error("a template that does not compile is taken")
	}
	want("after one that does not compile", "/srv/old", "read")
	if err := upgrade(ctx, manager, dir, template(t, "/init mr, signal, /srv/new r,"), uuid); err != nil {
		t.Fatal(err)
	}
	want("after", "/srv/old", "permission denied")
	want("after", "/srv/new", "read")
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if err := manager.Remove(ctx, uuid); err != nil {
		t.Error(err)
	}
}
