// SPDX-License-Identifier: Apache-2.0

package svirt

import "slices"

// each calls f for every device, with the place of its ID, in the order of the
// fields.
func (d *Devices) each(f func(Device, *string)) {
	for i := range d.Disks {
		f(device(DeviceDisk, d.Disks[i].ID, i), &d.Disks[i].ID)
	}
	for i := range d.Serials {
		f(device(DeviceSerial, d.Serials[i].ID, i), &d.Serials[i].ID)
	}
	for i := range d.Consoles {
		f(device(DeviceConsole, d.Consoles[i].ID, i), &d.Consoles[i].ID)
	}
	for i := range d.Parallels {
		f(device(DeviceParallel, d.Parallels[i].ID, i), &d.Parallels[i].ID)
	}
	for i := range d.Channels {
		f(device(DeviceChannel, d.Channels[i].ID, i), &d.Channels[i].ID)
	}
	for i := range d.Chardevs {
		f(device(DeviceChardev, d.Chardevs[i].ID, i), &d.Chardevs[i].ID)
	}
	for i := range d.Graphics {
		f(device(DeviceGraphics, d.Graphics[i].ID, i), &d.Graphics[i].ID)
	}
	for i := range d.HostDevices {
		f(device(DeviceHost, d.HostDevices[i].ID, i), &d.HostDevices[i].ID)
	}
	for i := range d.Filesystems {
		f(device(DeviceFilesystem, d.Filesystems[i].ID, i), &d.Filesystems[i].ID)
	}
	for i := range d.Inputs {
		f(device(DeviceInput, d.Inputs[i].ID, i), &d.Inputs[i].ID)
	}
	for i := range d.Nets {
		f(device(DeviceNet, d.Nets[i].ID, i), &d.Nets[i].ID)
	}
	for i := range d.Memory {
		f(device(DeviceMemory, d.Memory[i].ID, i), &d.Memory[i].ID)
	}
	for i := range d.Shmem {
		f(device(DeviceShmem, d.Shmem[i].ID, i), &d.Shmem[i].ID)
	}
	for i := range d.TPMs {
		f(device(DeviceTPM, d.TPMs[i].ID, i), &d.TPMs[i].ID)
	}
	for i := range d.Smartcards {
		f(device(DeviceSmartcard, d.Smartcards[i].ID, i), &d.Smartcards[i].ID)
	}
	for i := range d.PStores {
		f(device(DevicePStore, d.PStores[i].ID, i), &d.PStores[i].ID)
	}
	for i := range d.Audios {
		f(device(DeviceAudio, d.Audios[i].ID, i), &d.Audios[i].ID)
	}
	for i := range d.Videos {
		f(device(DeviceVideo, d.Videos[i].ID, i), &d.Videos[i].ID)
	}
	for i := range d.Vsocks {
		f(device(DeviceVsock, d.Vsocks[i].ID, i), &d.Vsocks[i].ID)
	}
	for i := range d.Cryptos {
		f(device(DeviceCrypto, d.Cryptos[i].ID, i), &d.Cryptos[i].ID)
	}
	for i := range d.Programs {
		f(device(DeviceProgram, d.Programs[i].ID, i), &d.Programs[i].ID)
	}
	for i := range d.Extra {
		f(device(DeviceExtra, d.Extra[i].ID, i), &d.Extra[i].ID)
	}
}

// with returns a copy of the domain in which every device has an ID and the
// change is made.
func (d *Domain) with(c Change) *Domain {
	next := d.clone()
	next.Devices.each(func(dev Device, id *string) { *id = dev.ID })
	leaves := map[Device]bool{}
	for _, dev := range c.Remove {
		leaves[dev] = true
	}
	have, add := &next.Devices, &c.Add
	have.Disks = merge(DeviceDisk, have.Disks, add.Disks, leaves, func(x *Disk) string { return x.ID })
	have.Serials = merge(DeviceSerial, have.Serials, add.Serials, leaves, func(x *Chardev) string { return x.ID })
	have.Consoles = merge(DeviceConsole, have.Consoles, add.Consoles, leaves, func(x *Chardev) string { return x.ID })
	have.Parallels = merge(DeviceParallel, have.Parallels, add.Parallels, leaves, func(x *Chardev) string { return x.ID })
	have.Channels = merge(DeviceChannel, have.Channels, add.Channels, leaves, func(x *Chardev) string { return x.ID })
	have.Chardevs = merge(DeviceChardev, have.Chardevs, add.Chardevs, leaves, func(x *Chardev) string { return x.ID })
	have.Graphics = merge(DeviceGraphics, have.Graphics, add.Graphics, leaves, func(x *Graphics) string { return x.ID })
	have.HostDevices = merge(DeviceHost, have.HostDevices, add.HostDevices, leaves, func(x *HostDevice) string { return x.ID })
	have.Filesystems = merge(DeviceFilesystem, have.Filesystems, add.Filesystems, leaves, func(x *Filesystem) string { return x.ID })
	have.Inputs = merge(DeviceInput, have.Inputs, add.Inputs, leaves, func(x *Input) string { return x.ID })
	have.Nets = merge(DeviceNet, have.Nets, add.Nets, leaves, func(x *Net) string { return x.ID })
	have.Memory = merge(DeviceMemory, have.Memory, add.Memory, leaves, func(x *Memory) string { return x.ID })
	have.Shmem = merge(DeviceShmem, have.Shmem, add.Shmem, leaves, func(x *Shmem) string { return x.ID })
	have.TPMs = merge(DeviceTPM, have.TPMs, add.TPMs, leaves, func(x *TPM) string { return x.ID })
	have.Smartcards = merge(DeviceSmartcard, have.Smartcards, add.Smartcards, leaves, func(x *Smartcard) string { return x.ID })
	have.PStores = merge(DevicePStore, have.PStores, add.PStores, leaves, func(x *PStore) string { return x.ID })
	have.Audios = merge(DeviceAudio, have.Audios, add.Audios, leaves, func(x *Audio) string { return x.ID })
	have.Videos = merge(DeviceVideo, have.Videos, add.Videos, leaves, func(x *Video) string { return x.ID })
	have.Vsocks = merge(DeviceVsock, have.Vsocks, add.Vsocks, leaves, func(x *Vsock) string { return x.ID })
	have.Cryptos = merge(DeviceCrypto, have.Cryptos, add.Cryptos, leaves, func(x *Crypto) string { return x.ID })
	have.Programs = merge(DeviceProgram, have.Programs, add.Programs, leaves, func(x *Program) string { return x.ID })
	have.Extra = merge(DeviceExtra, have.Extra, add.Extra, leaves, func(x *PathGrant) string { return x.ID })
	return next
}

// clone returns a copy that shares nothing with d.
func (d *Domain) clone() *Domain {
	c := *d
	if d.ID != nil {
		id := *d.ID
		c.ID = &id
	}
	c.Warnings = slices.Clone(d.Warnings)
	c.Devices = d.Devices.clone()
	c.Companions = slices.Clone(d.Companions)
	for i := range c.Companions {
		c.Companions[i].Devices = c.Companions[i].Devices.clone()
	}
	b := &c.Boot
	b.ACPI, b.FWCfg, b.NVRAM = slices.Clone(b.ACPI), slices.Clone(b.FWCfg), b.NVRAM.clone()
	if b.Loader != nil {
		loader := *b.Loader
		b.Loader = &loader
	}
	c.CommandLine.Args, c.CommandLine.Env = slices.Clone(c.CommandLine.Args), slices.Clone(c.CommandLine.Env)
	c.CommandLine.Properties = slices.Clone(c.CommandLine.Properties)
	c.Memory.HugePages = slices.Clone(c.Memory.HugePages)
	m := &c.Monitor
	m.API, m.Logs, m.Config = slices.Clone(m.API), slices.Clone(m.Logs), slices.Clone(m.Config)
	return &c
}

// clone returns a copy that shares nothing with d.
func (d *Devices) clone() Devices {
	c := *d
	v := &c
	v.Disks = slices.Clone(v.Disks)
	v.Serials = slices.Clone(v.Serials)
	v.Consoles = slices.Clone(v.Consoles)
	v.Parallels = slices.Clone(v.Parallels)
	v.Channels = slices.Clone(v.Channels)
	v.Chardevs = slices.Clone(v.Chardevs)
	v.Graphics = slices.Clone(v.Graphics)
	v.HostDevices = slices.Clone(v.HostDevices)
	v.Filesystems = slices.Clone(v.Filesystems)
	v.Inputs = slices.Clone(v.Inputs)
	v.Nets = slices.Clone(v.Nets)
	v.Memory = slices.Clone(v.Memory)
	v.Shmem = slices.Clone(v.Shmem)
	v.TPMs = slices.Clone(v.TPMs)
	v.Smartcards = slices.Clone(v.Smartcards)
	v.PStores = slices.Clone(v.PStores)
	v.Audios = slices.Clone(v.Audios)
	v.Videos = slices.Clone(v.Videos)
	v.Vsocks = slices.Clone(v.Vsocks)
	v.Cryptos = slices.Clone(v.Cryptos)
	v.Programs = slices.Clone(v.Programs)
	v.Extra = slices.Clone(v.Extra)
	for i := range v.Disks {
		disk := &v.Disks[i]
		disk.Image = *disk.Image.clone()
		disk.Mirror = disk.Mirror.clone()
		if disk.Reservations != nil {
			r := *disk.Reservations
			disk.Reservations = &r
		}
	}
	for i := range v.Audios {
		v.Audios[i].Devices = slices.Clone(v.Audios[i].Devices)
	}
	for i := range v.Vsocks {
		v.Vsocks[i].Ports = slices.Clone(v.Vsocks[i].Ports)
	}
	for i := range v.Graphics {
		v.Graphics[i].Sockets = slices.Clone(v.Graphics[i].Sockets)
	}
	for i := range v.HostDevices {
		if a := v.HostDevices[i].SCSI; a != nil {
			address := *a
			v.HostDevices[i].SCSI = &address
		}
	}
	return c
}

// clone returns a copy of the image and all under it.
func (i *Image) clone() *Image {
	if i == nil {
		return nil
	}
	top := *i
	for at := &top; at != nil; at = at.Backing {
		at.Data, at.Files = at.Data.clone(), slices.Clone(at.Files)
		if at.NVMe != nil {
			device := *at.NVMe
			at.NVMe = &device
		}
		if at.Backing != nil {
			below := *at.Backing
			at.Backing = &below
		}
	}
	return &top
}

// merge returns the devices of one kind without the removed ones and with the
// added ones, each in the place of the one with the same ID or at the end.
func merge[T any](kind DeviceKind, have, add []T, leaves map[Device]bool, id func(*T) string) []T {
	var out []T
	at := map[string]int{}
	for i := range have {
		if n := id(&have[i]); !leaves[Device{kind, n}] {
			at[n] = len(out)
			out = append(out, have[i])
		}
	}
	for i := range add {
		if n, ok := at[id(&add[i])]; ok {
			out[n] = add[i]
		} else {
			out = append(out, add[i])
		}
	}
	return out
}
