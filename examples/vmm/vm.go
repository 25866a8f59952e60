// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/goarmor/apparmor/svirt"
)

// VM is a machine of QEMU. Whatever it opens, the Manager is told before: first
// the profile, then QEMU. Whatever it gives up, the Manager is told after.
type VM struct {
	manager *svirt.Manager
	domain  *svirt.Domain // as it is now
	dir     string        // with all of the machine's files
	qemu    string
}

const disk = "vda" // the one that the machine begins with

// describe returns the description of a machine with one disk.
func describe(uuid, dir string) *svirt.Domain {
	return &svirt.Domain{
		UUID:    uuid,
		Name:    uuid,
		Type:    "kvm",
		Monitor: svirt.Monitor{API: []string{filepath.Join(dir, "qmp.sock")}},
		Devices: svirt.Devices{Disks: []svirt.Disk{{ID: disk, Image: svirt.Image{Path: filepath.Join(dir, disk+".qcow2"), Format: "qcow2"}}}},
	}
}

// start creates the machine's profile and starts QEMU under it, with the guest
// stopped: this example needs none.
func (v *VM) start(ctx context.Context) (*exec.Cmd, error) {
	if err := v.manager.Create(ctx, v.domain); err != nil {
		return nil, err
	}
	args := []string{"-S", "-nodefaults", "-display", "none", "-machine", "pc", "-accel", "kvm", "-accel", "tcg,tb-size=32", "-m", "64",
		"-qmp", "unix:" + v.domain.Monitor.API[0] + ",server=on,wait=off",
		"-device", "virtio-scsi-pci,id=scsi",
		"-blockdev", "driver=qcow2,node-name=" + disk + ",file.driver=file,file.filename=" + v.domain.Devices.Disks[0].Image.Path,
		"-device", "scsi-hd,id=dev-" + disk + ",bus=scsi.0,drive=" + disk}
	cmd := exec.CommandContext(ctx, v.qemu, args...)
	cmd.Dir, cmd.Stderr = "/", os.Stderr
	if err := v.manager.Start(ctx, v.domain.UUID, cmd); err != nil {
		return nil, errors.Join(err, v.manager.Remove(context.WithoutCancel(ctx), v.domain.UUID))
	}
	return cmd, nil
}

// attach adds a disk to the running machine.
func (v *VM) attach(ctx context.Context, m *monitor, d svirt.Disk) error {
	// The profile first: QEMU opens the image in blockdev-add.
	if _, err := v.manager.Update(ctx, v.domain.UUID, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{d}}}); err != nil {
		return err
	}
	err := m.do(ctx, "blockdev-add", map[string]any{
		"driver": d.Image.Format, "node-name": d.ID, "file": map[string]any{"driver": "file", "filename": d.Image.Path}})
	if err == nil {
		err = m.do(ctx, "device_add", map[string]any{"driver": "scsi-hd", "id": "dev-" + d.ID, "bus": "scsi.0", "drive": d.ID})
	}
	if err != nil {
		// QEMU does not have it, so the profile must not either.
		_, undo := v.manager.Update(context.WithoutCancel(ctx), v.domain.UUID, svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: d.ID}}})
		return errors.Join(err, undo)
	}
	v.domain.Devices.Disks = append(v.domain.Devices.Disks, d)
	return nil
}

// detach removes a disk from the running machine.
func (v *VM) detach(ctx context.Context, m *monitor, id string) error {
	// QEMU first: a profile takes nothing away from who has it open.
	if err := m.do(ctx, "device_del", map[string]any{"id": "dev-" + id}); err != nil {
		return err
	}
	if err := m.wait(ctx, "DEVICE_DELETED"); err != nil { // the guest agrees, or does not
		return err
	}
	if err := m.do(ctx, "blockdev-del", map[string]any{"node-name": id}); err != nil {
		return err
	}
	changed, err := v.manager.Update(ctx, v.domain.UUID, svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: id}}})
	if err != nil {
		return err
	}
	v.domain.Devices.Disks = deleteDisk(v.domain.Devices.Disks, id)
	return v.closed(ctx, changed)
}

// closed waits until the machine has nothing open any more of what was removed.
func (v *VM) closed(ctx context.Context, changed svirt.Changed) error {
	holders, err := changed.Holders, changed.HoldersErr
	for {
		switch {
		case err != nil:
			return fmt.Errorf("what is still open is not known: %w", err)
		case len(holders) == 0:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is still open: %v", holders)
		case <-time.After(100 * time.Millisecond):
		}
		holders, err = v.manager.Holders(ctx, v.domain.UUID, changed.Removed)
	}
}

// overlay is the image that is above the first disk's while there is a
// snapshot.
func (v *VM) overlay() string { return filepath.Join(v.dir, disk+".snapshot.qcow2") }

// snapshot has QEMU go on writing into a new image, so that the disk's own
// stays as it is, to be copied. The overlay is made by the caller, as an empty
// image above the disk's.
func (v *VM) snapshot(ctx context.Context, m *monitor) error {
	d := v.domain.Devices.Disks[0]
	below := d.Image
	// The image becomes a backing file and is still written, until QEMU has
	// changed over: the profile gets the new one beside it.
	add := svirt.Disk{ID: "snapshot", Image: svirt.Image{Path: v.overlay(), Format: "qcow2", Backing: &below}}
	if _, err := v.manager.Update(ctx, v.domain.UUID, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{add}}}); err != nil {
		return err
	}
	if err := m.do(ctx, "blockdev-snapshot-sync", map[string]any{
		"node-name": disk, "snapshot-file": v.overlay(), "snapshot-node-name": "snapshot", "format": "qcow2", "mode": "existing"}); err != nil {
		return err
	}
	// From now on the machine has the overlay, and reads what is below it.
	return v.become(ctx, svirt.Disk{ID: disk, Image: svirt.Image{Path: v.overlay(), Format: "qcow2", Backing: &below}})
}

// commit has QEMU write the overlay's content into the disk's own image and go
// back to that.
func (v *VM) commit(ctx context.Context, m *monitor) error {
	below := *v.domain.Devices.Disks[0].Image.Backing
	// The image below becomes writable again, before the job.
	add := svirt.Disk{ID: "below", Image: below}
	if _, err := v.manager.Update(ctx, v.domain.UUID, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{add}}}); err != nil {
		return err
	}
	if err := m.do(ctx, "block-commit", map[string]any{"job-id": "commit", "device": "snapshot"}); err != nil {
		return err
	}
	for _, step := range []string{"BLOCK_JOB_READY", "", "BLOCK_JOB_COMPLETED"} {
		var err error
		if step == "" {
			err = m.do(ctx, "block-job-complete", map[string]any{"device": "commit"})
		} else {
			err = m.wait(ctx, step)
		}
		if err != nil {
			return err
		}
	}
	return v.become(ctx, svirt.Disk{ID: disk, Image: below})
}

// become makes a disk the machine's first and only one of its kind, in the
// profile. The chain of images is another one now, which is our doing.
func (v *VM) become(ctx context.Context, d svirt.Disk) error {
	if err := v.manager.ForgetChains(ctx, v.domain.UUID); err != nil {
		return err
	}
	changed, err := v.manager.Update(ctx, v.domain.UUID, svirt.Change{
		Add:    svirt.Devices{Disks: []svirt.Disk{d}},
		Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "snapshot"}, {Kind: svirt.DeviceDisk, ID: "below"}},
	})
	if err != nil {
		return err
	}
	v.domain.Devices.Disks[0] = d
	return v.closed(ctx, changed)
}

func deleteDisk(disks []svirt.Disk, id string) []svirt.Disk {
	var out []svirt.Disk
	for _, d := range disks {
		if d.ID != id {
			out = append(out, d)
		}
	}
	return out
}
