// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"slices"
	"strings"

	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
)

// disks converts the disks. libvirt keeps those of one bus together, in the
// order of their letters.
func (c *converter) disks(list []libvirt.DomainDisk) {
	if len(list) == 0 {
		return
	}
	type place struct {
		disk   svirt.Disk
		bus    int // in order of appearance
		letter int // of the target: vda is 0; -1 when it has none
	}
	places := make([]place, 0, len(list))
	buses := map[string]int{}
	for i := range list {
		disk := c.disk(&list[i], i)
		c.name("disk", svirt.DeviceDisk, disk.ID, i)
		bus, letter := slot(&list[i])
		if _, ok := buses[bus]; !ok {
			buses[bus] = len(buses)
		}
		places = append(places, place{disk, buses[bus], letter})
	}
	slices.SortStableFunc(places, func(a, b place) int {
		if a.bus != b.bus {
			return a.bus - b.bus
		}
		return a.letter - b.letter
	})
	out := make([]svirt.Disk, 0, len(places))
	for i := range places {
		out = append(out, places[i].disk)
	}
	c.d.Devices.Disks = out
}

func (c *converter) disk(f *libvirt.DomainDisk, i int) svirt.Disk {
	disk := svirt.Disk{ReadOnly: f.ReadOnly != nil || f.Device == "cdrom"}
	if f.Target != nil {
		disk.ID = f.Target.Dev
	}
	disk.Image = *image(f.Source)
	if v, ok := c.volumes[i]; ok && f.Source != nil && f.Source.Volume != nil {
		disk.Image.Type, disk.Image.Path, disk.Image.Volume = svirt.ImageType(v.kind), v.path, true
	}
	if f.Driver != nil {
		disk.Image.Format = f.Driver.Type
	}
	chain(&disk.Image, f.BackingStore)
	if f.Source != nil && f.Source.File != nil && f.Source.File.FDGroup != "" {
		// The image comes as open descriptors and is not opened to look
		// for more.
		disk.Image.Complete = disk.Image.Backing == nil
	}
	return disk
}

var busOfTarget = [...]struct{ prefix, bus string }{
	{"fd", "fdc"}, {"hd", "ide"}, {"vd", "virtio"}, {"sd", "scsi"}, {"xvd", "xen"}, {"ubd", "uml"},
}

// slot returns where a disk is plugged in.
func slot(f *libvirt.DomainDisk) (bus string, at int) {
	dev := ""
	if f.Target != nil {
		dev, bus = f.Target.Dev, f.Target.Bus
	}
	given := bus != ""
	at = -1
	for _, b := range busOfTarget {
		rest, ok := strings.CutPrefix(dev, b.prefix)
		if !ok {
			continue
		}
		if !given {
			bus = b.bus
		}
		at = letter(strings.TrimRight(rest, "0123456789"))
		break
	}
	if f.Device == "floppy" && !given {
		bus = "fdc"
	}
	return bus, at
}

// letter is the number of a drive: a is 0, z 25, aa 26.
func letter(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] < 'a' || s[i] > 'z' || n > 1<<20 {
			return -1
		}
		n = n*26 + int(s[i]-'a') + 1
	}
	return n - 1
}

// image converts a source; nil is a file without a name.
func image(s *libvirt.DomainDiskSource) *svirt.Image {
	image := &svirt.Image{Type: svirt.ImageFile}
	if s == nil {
		return image
	}
	switch {
	case s.File != nil:
		image.Path = s.File.File
	case s.Block != nil:
		image.Type, image.Path = svirt.ImageBlock, s.Block.Dev
	case s.Dir != nil:
		image.Type, image.Path = svirt.ImageDir, s.Dir.Dir
	case s.Network != nil:
		image.Type = "network"
	case s.Volume != nil:
		image.Type = "volume"
	case s.NVME != nil:
		image.Type = "nvme"
	case s.VHostUser != nil:
		image.Type = "vhostuser"
	case s.VHostVDPA != nil:
		image.Type = "vhostvdpa"
	}
	if data := s.DataStore; data != nil && data.Source != nil {
		image.Data = imageOf(data.Source, data.Format)
	}
	return image
}

func imageOf(s *libvirt.DomainDiskSource, f *libvirt.DomainDiskFormat) *svirt.Image {
	image := image(s)
	if f != nil {
		image.Format = f.Type
	}
	return image
}

// chain converts a <backingStore>. One without a type ends the chain.
func chain(image *svirt.Image, b *libvirt.DomainDiskBackingStore) {
	for ; b != nil; b = b.BackingStore {
		if s := b.Source; s == nil || *s == (libvirt.DomainDiskSource{}) {
			image.Complete = true
			return
		}
		image.Backing = imageOf(b.Source, b.Format)
		image = image.Backing
	}
}
