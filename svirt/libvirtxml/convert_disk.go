// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"cmp"
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
	device := svirt.Device{Kind: svirt.DeviceDisk, ID: cmp.Or(disk.ID, number(i))}
	disk.Shareable, disk.Transient = f.Shareable != nil, f.Transient != nil
	disk.Image = *c.image(f.Source, device)
	if v, ok := c.volumes[i]; ok && f.Source != nil && f.Source.Volume != nil {
		disk.Image.Type, disk.Image.Path, disk.Image.Volume = svirt.ImageType(v.kind), v.path, true
	}
	if f.Driver != nil {
		disk.Image.Format = f.Driver.Type
	}
	c.chain(&disk.Image, f.BackingStore, device)
	if m := f.Mirror; m != nil && m.Source != nil {
		disk.Mirror = c.imageOf(m.Source, m.Format, device)
		c.chain(disk.Mirror, m.BackingStore, device)
	}
	for i, r := range c.reservations {
		if i == 0 {
			disk.Reservations = r
		} else if *r != *disk.Reservations {
			c.warn(device, r.Socket, "there are persistent reservations of more than one kind", "add the socket to Devices.Extra")
		}
	}
	c.reservations = nil
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

// reservations converts who makes persistent reservations.
func reservations(r *libvirt.DomainDiskReservations) *svirt.Reservations {
	if r == nil || r.Enabled == "no" {
		return nil
	}
	out := &svirt.Reservations{}
	if r.Managed == "no" && r.Source != nil && r.Source.UNIX != nil {
		out.Socket = r.Source.UNIX.Path
	}
	return out
}

// image converts a source; nil is a file without a name.
func (c *converter) image(s *libvirt.DomainDiskSource, of svirt.Device) *svirt.Image {
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
		image.Type = svirt.ImageNetwork
		c.network(image, s.Network, of)
	case s.Volume != nil:
		image.Type = svirt.ImageVolume
	case s.NVME != nil:
		image.Type = svirt.ImageNVMe
		if p := s.NVME.PCI; p != nil {
			image.NVMe = &svirt.NVMe{PCI: pciAddress(p.Address), IOMMUFD: c.iommufd()}
		}
	case s.VHostUser != nil:
		image.Type = svirt.ImageVHostUser
		if s.VHostUser.UNIX != nil {
			image.Path = s.VHostUser.UNIX.Path
		}
	case s.VHostVDPA != nil:
		image.Type, image.Path = svirt.ImageVHostVDPA, s.VHostVDPA.Dev
	case s.Ctl != nil:
		image.Type = "ctl"
	}
	if r := reservations(s.Reservations); r != nil {
		c.reservations = append(c.reservations, r)
	}
	if data := s.DataStore; data != nil && data.Source != nil {
		image.Data = c.imageOf(data.Source, data.Format, of)
	}
	return image
}

// iommufd reports whether the machine's devices are reached by /dev/iommu.
func (c *converter) iommufd() bool { return c.from.IOMMUFD != nil && c.from.IOMMUFD.Enabled == "yes" }

// network converts an image that is reached over a network, or a socket.
func (c *converter) network(image *svirt.Image, n *libvirt.DomainDiskSourceNetwork, of svirt.Device) {
	image.Protocol = n.Protocol
	sockets := []string{}
	for _, h := range n.Hosts {
		if h.Socket != "" {
			sockets = append(sockets, h.Socket)
		}
	}
	if n.Config != nil && n.Config.File != "" {
		image.Files = append(image.Files, n.Config.File)
	}
	if k := n.KnownHosts; k != nil && k.Path != "" {
		image.Files = append(image.Files, k.Path)
	}
	if k := n.Identity; k != nil {
		if k.Keyfile != "" {
			image.Files = append(image.Files, k.Keyfile)
		}
		if k.AgentSock != "" {
			sockets = append(sockets, k.AgentSock)
		}
	}
	for i, socket := range sockets {
		if i == 0 {
			image.Socket = socket
			continue
		}
		c.warn(of, socket, "the image has more than one socket", "add it to Devices.Extra")
	}
}

func (c *converter) imageOf(s *libvirt.DomainDiskSource, f *libvirt.DomainDiskFormat, of svirt.Device) *svirt.Image {
	image := c.image(s, of)
	if f != nil {
		image.Format = f.Type
	}
	return image
}

// chain converts a <backingStore>. One without a type ends the chain.
func (c *converter) chain(image *svirt.Image, b *libvirt.DomainDiskBackingStore, of svirt.Device) {
	for ; b != nil; b = b.BackingStore {
		if s := b.Source; s == nil || *s == (libvirt.DomainDiskSource{}) {
			image.Complete = true
			return
		}
		image.Backing = c.imageOf(b.Source, b.Format, of)
		image = image.Backing
	}
}
