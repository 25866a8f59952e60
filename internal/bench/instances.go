// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// instances is the rows of machines that are made of what all have in common. The
// references get the whole profile, as they have nothing else.
func instances(in *input) ([]comparison, error) {
	base, err := in.base()
	if err != nil {
		return nil, err
	}
	var rows []comparison
	for _, kind := range []struct {
		name            string
		literals, globs int
	}{{"8 literal rules", 8, 0}, {"8 rules, 2 with **", 6, 2}, {"100 rules", 100, 0}, {"10,000 rules", 10_000, 0}} {
		var p policy.Profile
		var text strings.Builder
		for i := range kind.literals + kind.globs {
			path := fmt.Sprintf("/var/lib/libvirt/images/vm-%d.qcow2", i)
			if i >= kind.literals {
				path = fmt.Sprintf("/var/log/libvirt/**/vm-%d.log", i)
			}
			fmt.Fprintf(&text, "  %q rwk,\n", path)
			if err := p.Add(&ast.FileRule{Path: ast.Pattern(path), Perms: ast.FileRead | ast.FileWrite | ast.FileLock}); err != nil {
				return nil, err
			}
		}
		end := strings.LastIndexByte(in.machine, '}')
		delta := &compile.Delta{Name: "libvirt-" + machineUUID, Rules: p.Rules}
		var buf []byte
		rows = append(rows, in.withParser(comparison{ours: []way{{
			name: "instance of the VM profile: " + kind.name,
			do:   func() (err error) { buf, err = base.Append(in.ctx, buf[:0], delta); return err },
		}}}, in.machine[:end]+text.String()+in.machine[end:], "-Q", "-S"))
	}
	create, err := in.create()
	return append(rows, create), err
}

// base is the VM profile without the rules of a machine.
func (in *input) base() (*compile.Base, error) {
	text, err := templateText(in.tree, "libvirt-vm")
	if err != nil {
		return nil, err
	}
	set, err := in.resolve("vm", text, nil)
	if err != nil {
		return nil, err
	}
	return compile.NewBase(in.ctx, set, compile.Options{Kernel: in.kernel, Degrade: compile.Report})
}

// create is what a Manager does for a machine with 8 disks: derive, compile, write
// and sync its files, and load them, here into a kernel in memory.
func (in *input) create() (comparison, error) {
	dir := filepath.Join(in.tmp, "manager")
	images := fstest.MapFS{}
	d := &svirt.Domain{UUID: machineUUID, Name: "web", Type: "kvm"}
	for i := range 8 {
		path := fmt.Sprintf("/srv/web-%d.img", i)
		images[path[1:]] = &fstest.MapFile{Mode: 0o600, Data: make([]byte, 512)}
		d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{ID: fmt.Sprintf("vd%c", 'a'+i), Image: svirt.Image{Path: path, Format: "raw"}})
	}
	manager, err := svirt.New(in.ctx, svirt.ManagerOptions{Dir: dir, Driver: svirttest.NewKernel(in.kernel), Derive: svirt.Options{FS: images}})
	if err != nil {
		return comparison{}, err
	}
	in.close = append(in.close, manager.Close)
	return comparison{ours: []way{{
		name: "create and remove a machine with 8 disks, with its files",
		do: func() error {
			if err := manager.Create(in.ctx, d); err != nil {
				return err
			}
			return manager.Remove(in.ctx, machineUUID)
		},
	}}}, nil
}
