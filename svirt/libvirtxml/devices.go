// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/svirt"
)

// chardev reads a character device.
func chardev(n *node) svirt.Chardev {
	ch := svirt.Chardev{ID: alias(n), Type: svirt.ChardevType(n.attr("type"))}
	if ch.Type == "" {
		ch.Type = svirt.ChardevPTY
	}
	n.all("source", func(s *node) {
		if path := s.attr("path"); path != "" && ch.Path == "" {
			ch.Path = path
		}
	})
	return ch
}

// chardevs reads ports, consoles and channels. The first console of a machine
// with full virtualization is its first serial port under another name.
func (c *converter) chardevs(n *node) {
	d := &c.d.Devices
	list := func(name string) (out []svirt.Chardev) {
		n.all(name, func(n *node) { out = append(out, chardev(n)) })
		return out
	}
	d.Serials, d.Consoles = list("serial"), list("console")
	d.Parallels, d.Channels = list("parallel"), list("channel")
	if !c.hvm || len(d.Consoles) == 0 {
		return
	}
	if t := n.at("console", "target").attr("type"); t != "" && t != "serial" {
		return
	}
	switch {
	case len(d.Serials) == 0:
		d.Serials = []svirt.Chardev{d.Consoles[0]}
		d.Consoles = d.Consoles[1:]
	case !sameChardev(n.child("serial"), n.child("console")):
		d.Consoles = d.Consoles[1:]
	}
}

// sameChardev reports whether two character devices have the same host side.
func sameChardev(a, b *node) bool {
	x, y := chardev(a), chardev(b)
	if x.Type != y.Type || x.Path != y.Path {
		return false
	}
	attr := map[svirt.ChardevType]string{svirt.ChardevFile: "append", svirt.ChardevUnix: "mode"}[x.Type]
	return attr == "" || a.child("source").attr(attr) == b.child("source").attr(attr)
}

func (c *converter) graphics(n *node) {
	g := svirt.Graphics{ID: alias(n), Type: n.attr("type")}
	gl := n.child("gl")
	switch g.Type {
	case "spice", "dbus":
		g.RenderNode = gl.attr("rendernode")
		g.GL = gl.attr("enable") == "yes"
	case "egl-headless":
		g.RenderNode = gl.attr("rendernode")
		g.GL = true
	case "sdl":
		g.XAuth = n.attr("xauth")
	}
	n.all("listen", func(l *node) {
		if l.attr("type") == "socket" && l.attr("socket") != "" {
			g.Sockets = append(g.Sockets, l.attr("socket"))
		}
	})
	if s := n.attr("socket"); s != "" && len(g.Sockets) == 0 {
		g.Sockets = append(g.Sockets, s)
	}
	c.d.Devices.Graphics = append(c.d.Devices.Graphics, g)
}

// number reads a number as libvirt does in addresses: decimal, 0x or 0.
func number(s string) uint32 {
	n, _ := strconv.ParseUint(strings.TrimSpace(s), 0, 32)
	return uint32(n)
}

func pciAddress(n *node) svirt.PCIAddress {
	return svirt.PCIAddress{
		Domain: number(n.attr("domain")), Bus: number(n.attr("bus")),
		Slot: number(n.attr("slot")), Function: number(n.attr("function")),
	}
}

func (c *converter) hostDevice(n *node) {
	h := svirt.HostDevice{ID: alias(n), Kind: svirt.HostDeviceKind(n.attr("type"))}
	src := n.child("source")
	switch h.Kind {
	case svirt.HostUSB:
		a := src.child("address")
		h.USB = svirt.USBAddress{
			Bus: number(a.attr("bus")), Device: number(a.attr("device")), Port: a.attr("port"),
			Vendor: number(src.child("vendor").attr("id")), Product: number(src.child("product").attr("id")),
		}
	case svirt.HostPCI:
		h.PCI = pciAddress(src.child("address"))
		h.Driver = n.child("driver").attr("name")
		h.IOMMUFD = n.child("driver").attr("iommufd") == "yes"
	case svirt.HostSCSI:
		if host, ok := strings.CutPrefix(src.child("adapter").attr("name"), "scsi_host"); ok {
			a := src.child("address")
			h.SCSI = &svirt.SCSIAddress{
				Host: number(host), Bus: number(a.attr("bus")), Target: number(a.attr("target")), Unit: uint64(number(a.attr("unit"))),
			}
		}
	case svirt.HostMDev:
		h.MDev = src.child("address").attr("uuid")
	}
	c.d.Devices.HostDevices = append(c.d.Devices.HostDevices, h)
}

func (c *converter) net(n *node) {
	kind := n.attr("type")
	src := n.child("source")
	if kind == "hostdev" {
		c.d.Devices.HostDevices = append(c.d.Devices.HostDevices, svirt.HostDevice{
			ID: alias(n), Kind: svirt.HostPCI, PCI: pciAddress(src.child("address")),
			Driver:  n.child("driver").attr("name"),
			IOMMUFD: n.child("driver").attr("iommufd") == "yes",
		})
	}
	net := svirt.Net{ID: alias(n)}
	if kind == "vhostuser" && src.attr("type") == "unix" {
		net.Socket = src.attr("path")
	}
	if model := n.child("model").attr("type"); c.d.Type != "kvm" {
		// Without KVM there is no kernel side.
	} else if model == "" {
		net.VHost = true
	} else if strings.HasPrefix(model, "virtio") {
		net.VHost = n.child("driver").attr("name") != "qemu" && model != "virtio-net-pci"
	}
	c.d.Devices.Nets = append(c.d.Devices.Nets, net)
}

func (c *converter) filesystem(n *node) {
	if t := n.attr("type"); t != "" && t != "mount" {
		return
	}
	if t := n.child("driver").attr("type"); t != "" && t != "path" {
		return
	}
	c.d.Devices.Filesystems = append(c.d.Devices.Filesystems, svirt.Filesystem{
		ID: alias(n), Source: n.child("source").attr("dir"), ReadOnly: n.child("readonly") != nil,
	})
}
