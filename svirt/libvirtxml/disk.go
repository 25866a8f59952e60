// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/svirt"
)

func (c *converter) disk(n *node) {
	disk := svirt.Disk{ID: n.child("target").attr("dev")}
	kind := n.attr("type")
	src := n.child("source")
	disk.Image = *source(src, kind)
	disk.Image.Format = n.child("driver").attr("type")
	disk.ReadOnly = n.child("readonly") != nil || n.attr("device") == "cdrom"
	chain(&disk.Image, n)
	if _, ok := src.lookup("fdgroup"); ok {
		// The image comes as open descriptors and is not opened to look
		// for more.
		disk.Image.Complete = disk.Image.Backing == nil
	}
	slot := newSlot(n)
	at := slot.place(c.slots)
	c.slots = slices.Insert(c.slots, at, slot)
	c.d.Devices.Disks = slices.Insert(c.d.Devices.Disks, at, disk)
}

// slot is where a disk is plugged in. libvirt keeps the disks of one bus in
// the order of their letters.
type slot struct {
	bus    string
	letter int // of the target: vda is 0; -1 when it has none
}

var busOfTarget = [...]struct{ prefix, bus string }{
	{"fd", "fdc"}, {"hd", "ide"}, {"vd", "virtio"}, {"sd", "scsi"}, {"xvd", "xen"}, {"ubd", "uml"},
}

func newSlot(n *node) slot {
	target := n.child("target")
	s := slot{bus: target.attr("bus"), letter: -1}
	for _, b := range busOfTarget {
		rest, ok := strings.CutPrefix(target.attr("dev"), b.prefix)
		if !ok {
			continue
		}
		if s.bus == "" {
			s.bus = b.bus
		}
		s.letter = letter(strings.TrimRight(rest, "0123456789"))
		break
	}
	if n.attr("device") == "floppy" && target.attr("bus") == "" {
		s.bus = "fdc"
	}
	return s
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

// place returns where a disk goes: before the first of those at the end of
// its bus that have later letters, otherwise after the last of its bus, and
// to the very end when it is the first.
func (s slot) place(slots []slot) int {
	at := -1
	for i := len(slots) - 1; i >= 0; i-- {
		if slots[i].bus != s.bus {
			continue
		}
		if slots[i].letter > s.letter {
			at = i
		} else if at < 0 {
			at = i + 1
		}
	}
	if at < 0 {
		return len(slots)
	}
	return at
}

// source reads a <source> of the given type.
func source(n *node, kind string) *svirt.Image {
	volume := kind == "volume" && n.attr("actualType") != ""
	if volume {
		kind = n.attr("actualType")
	}
	image := &svirt.Image{Type: svirt.ImageType(kind), Volume: volume}
	switch kind {
	case "", "file":
		image.Type = svirt.ImageFile
		image.Path = n.attr("file")
	case "block":
		image.Path = n.attr("dev")
	case "dir":
		image.Path = n.attr("dir")
	}
	if data := n.child("dataStore"); data != nil {
		image.Data = source(data.child("source"), data.attr("type"))
		image.Data.Format = data.child("format").attr("type")
	}
	return image
}

// chain reads the <backingStore> of a disk or of another one. One without a
// type ends the chain.
func chain(image *svirt.Image, n *node) {
	b := n.child("backingStore")
	if b == nil {
		return
	}
	kind, ok := b.lookup("type")
	if !ok {
		image.Complete = true
		return
	}
	image.Backing = source(b.child("source"), kind)
	image.Backing.Format = b.child("format").attr("type")
	chain(image.Backing, b)
}
