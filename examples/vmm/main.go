// SPDX-License-Identifier: Apache-2.0

// Command vmm plays the life of a machine of QEMU whose profile follows it: it
// is started, gets a disk and loses it again, has a snapshot taken and
// committed, and outlives its manager.
//
//	vmm [-qemu /usr/bin/qemu-system-x86_64] DIR
//
// DIR is a new directory for the machine's images. It needs root, a kernel with
// AppArmor, and QEMU with qemu-img.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	qemu := flag.String("qemu", "/usr/bin/qemu-system-x86_64", "`path` of QEMU")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	dir, err := filepath.Abs(flag.Arg(0))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		say := func(step string, _ *VM, _ *monitor) error { _, err := fmt.Println(step); return err }
		err = play(ctx, svirt.ManagerOptions{}, *qemu, dir, say)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vmm:", err)
		os.Exit(1)
	}
}

const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"

// play plays it, and calls look after each step.
func play(ctx context.Context, o svirt.ManagerOptions, qemu, dir string, look func(step string, v *VM, m *monitor) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	manager, err := svirt.New(ctx, o)
	if err != nil {
		return err
	}
	v := &VM{manager: manager, domain: describe(uuid, dir), dir: dir, qemu: qemu}
	defer func() { err = errors.Join(err, v.manager.Close()) }()
	for _, args := range [][]string{
		{"create", "-q", "-f", "qcow2", v.domain.Devices.Disks[0].Image.Path, "1M"},
		{"create", "-q", "-f", "qcow2", v.overlay(), "-F", "qcow2", "-b", v.domain.Devices.Disks[0].Image.Path},
		{"create", "-q", "-f", "raw", filepath.Join(dir, "data.img"), "1M"},
	} {
		img := exec.CommandContext(ctx, filepath.Join(filepath.Dir(qemu), "qemu-img"), args...)
		if out, err := img.CombinedOutput(); err != nil {
			return fmt.Errorf("qemu-img: %w: %s", err, out)
		}
	}

	cmd, err := v.start(ctx)
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		_ = cmd.Process.Kill() // if it did not end by itself
		_ = cmd.Wait()
		err = errors.Join(err, v.manager.RemoveWith(end, uuid, svirt.RemoveOptions{Retire: loader.RetireOptions{Kill: true}}))
	}()
	m, err := dial(ctx, v.domain.Monitor.API[0])
	if err != nil {
		return err
	}
	defer m.Close()

	data := svirt.Disk{ID: "data", Image: svirt.Image{Path: filepath.Join(dir, "data.img"), Format: "raw"}}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"started", func() error { return nil }},
		{"attached", func() error { return v.attach(ctx, m, data) }},
		{"restarted", func() error { return v.restart(ctx, o) }},
		{"detached", func() error { return v.detach(ctx, m, "data") }},
		{"snapshot", func() error { return v.snapshot(ctx, m) }},
		{"committed", func() error { return v.commit(ctx, m) }},
	} {
		if err = step.do(); err == nil {
			err = look(step.name, v, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return m.do(ctx, "quit", nil)
}

// restart is what a manager does when it starts again while its machines run:
// it says which machines there should be and has everything mended that says
// something else, here or in the kernel.
func (v *VM) restart(ctx context.Context, o svirt.ManagerOptions) error {
	if err := v.manager.Close(); err != nil {
		return err
	}
	manager, err := svirt.New(ctx, o)
	if err != nil {
		return err
	}
	v.manager = manager
	states, err := manager.Reconcile(ctx, []*svirt.Domain{v.domain}, svirt.ReconcileOptions{Load: true, Replace: true, Remove: true})
	if err != nil {
		return err
	}
	for _, s := range states {
		if s.UUID == uuid && s.InUse && s.Loaded && !s.Stale {
			return nil
		}
	}
	return fmt.Errorf("the machine is not found again: %+v", states)
}
