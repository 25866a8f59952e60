// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"cmp"
	"strconv"
	"strings"

	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
)

func number(i int) string { return strconv.Itoa(i) }

// alias returns the name that libvirt or the user gave a device.
func alias(a *libvirt.DomainAlias) string {
	if a == nil {
		return ""
	}
	return a.Name
}

func (c *converter) devices(f *libvirt.DomainDeviceList) error {
	d := &c.d.Devices
	c.d.Emulator = f.Emulator
	c.disks(f.Disks)
	if err := c.chardevs(f); err != nil {
		return err
	}
	for i := range f.Graphics {
		if err := c.graphics(&f.Graphics[i]); err != nil {
			return err
		}
	}
	for i := range f.Interfaces {
		c.net(&f.Interfaces[i])
	}
	for i := range f.Hostdevs {
		if err := c.hostDevice(&f.Hostdevs[i]); err != nil {
			return err
		}
	}
	for i := range f.Filesystems {
		c.filesystem(&f.Filesystems[i])
	}
	for i := range f.Inputs {
		c.input(&f.Inputs[i])
	}
	for i := range f.Memorydevs {
		m := &f.Memorydevs[i]
		c.name("memory", svirt.DeviceMemory, alias(m.Alias), len(d.Memory))
		mem := svirt.Memory{ID: alias(m.Alias), Model: m.Model, ReadOnly: m.Target != nil && m.Target.ReadOnly != nil}
		if m.Source != nil {
			mem.Path = m.Source.Path
			if p := m.Source.PageSize; p != nil {
				size, ok := kibibytes(p.Value, p.Unit)
				if !ok {
					return invalid("domain/devices/memory/source/pagesize", "the size is %d %q", p.Value, p.Unit)
				}
				mem.PageKiB = size
			}
		}
		d.Memory = append(d.Memory, mem)
	}
	for i := range f.Shmems {
		s := &f.Shmems[i]
		c.name("shmem", svirt.DeviceShmem, alias(s.Alias), len(d.Shmem))
		shmem := svirt.Shmem{ID: alias(s.Alias), Name: s.Name}
		if s.Model != nil {
			shmem.Model = s.Model.Type
		}
		if s.Server != nil {
			shmem.Server = s.Server.Path
		}
		d.Shmem = append(d.Shmem, shmem)
	}
	for i := range f.TPMs {
		if err := c.tpm(&f.TPMs[i]); err != nil {
			return err
		}
	}
	for i := range f.Smartcards {
		c.smartcard(&f.Smartcards[i])
	}
	for i := range f.RedirDevs {
		r := &f.RedirDevs[i]
		if err := c.chardev("redirdev", &d.Chardevs, r.Source, nil, alias(r.Alias)); err != nil {
			return err
		}
	}
	for i := range f.Smartcards {
		s := &f.Smartcards[i]
		if s.Passthrough == nil || s.Host != nil {
			continue
		}
		if err := c.chardev("", &d.Chardevs, s.Passthrough, nil, alias(s.Alias)); err != nil {
			return err
		}
	}
	for i := range f.RNGs {
		if err := c.rng(&f.RNGs[i]); err != nil {
			return err
		}
	}
	if p := f.PStore; p != nil {
		c.name("pstore", svirt.DevicePStore, alias(p.Alias), 0)
		d.PStores = append(d.PStores, svirt.PStore{ID: alias(p.Alias), Path: p.Path})
	}
	for i := range f.Audios {
		if err := c.audio(&f.Audios[i]); err != nil {
			return err
		}
	}
	for i := range f.Videos {
		v := &f.Videos[i]
		video := svirt.Video{ID: alias(v.Alias), VHostUser: v.Driver != nil && v.Driver.Name == "vhostuser", Blob: v.Model.Blob == "on"}
		if v.Model.Accel != nil {
			video.RenderNode = v.Model.Accel.RenderNode
		}
		c.name("video", svirt.DeviceVideo, video.ID, len(d.Videos))
		d.Videos = append(d.Videos, video)
	}
	if v := f.VSock; v != nil {
		c.name("vsock", svirt.DeviceVsock, alias(v.Alias), 0)
		d.Vsocks = append(d.Vsocks, svirt.Vsock{ID: alias(v.Alias)})
	}
	for i := range f.Crypto {
		crypto := svirt.Crypto{ID: alias(f.Crypto[i].Alias)}
		if b := f.Crypto[i].Backend; b != nil && b.LKCF != nil {
			crypto.Backend = "lkcf"
		}
		c.name("crypto", svirt.DeviceCrypto, crypto.ID, len(d.Cryptos))
		d.Cryptos = append(d.Cryptos, crypto)
	}
	return nil
}

// audio converts a way of sound to the host.
func (c *converter) audio(f *libvirt.DomainAudio) error {
	var a svirt.Audio
	if f.ID > 0 {
		a.ID = "audio" + number(f.ID)
	}
	device := func(names ...string) {
		for _, name := range names {
			if name != "" {
				a.Devices = append(a.Devices, name)
			}
		}
	}
	switch {
	case f.None != nil:
		a.Type = "none"
	case f.ALSA != nil:
		a.Type = "alsa"
		if f.ALSA.Input != nil {
			device(f.ALSA.Input.Dev)
		}
		if f.ALSA.Output != nil {
			device(f.ALSA.Output.Dev)
		}
	case f.CoreAudio != nil:
		a.Type = "coreaudio"
	case f.Jack != nil:
		a.Type = "jack"
	case f.OSS != nil:
		a.Type = "oss"
		if f.OSS.Input != nil {
			device(f.OSS.Input.Dev)
		}
		if f.OSS.Output != nil {
			device(f.OSS.Output.Dev)
		}
	case f.PulseAudio != nil:
		a.Type, a.Server = "pulseaudio", f.PulseAudio.ServerName
	case f.PipeWire != nil:
		a.Type, a.RuntimeDir = "pipewire", f.PipeWire.RuntimeDir
	case f.SDL != nil:
		a.Type = "sdl"
	case f.SPICE != nil:
		a.Type = "spice"
	case f.File != nil:
		a.Type, a.Path = "file", f.File.Path
	case f.DBus != nil:
		a.Type = "dbus"
	default:
		return invalid("domain/devices/audio", "the type of audio is not known")
	}
	d := &c.d.Devices
	c.name("audio", svirt.DeviceAudio, a.ID, len(d.Audios))
	d.Audios = append(d.Audios, a)
	return nil
}

// hostSide converts the host side of a character device.
func hostSide(s *libvirt.DomainChardevSource) (typ svirt.ChardevType, path string, ok bool) {
	switch {
	case s == nil:
		return "", "", false
	case s.Pty != nil:
		return svirt.ChardevPTY, s.Pty.Path, true
	case s.Dev != nil:
		return svirt.ChardevDev, s.Dev.Path, true
	case s.File != nil:
		return svirt.ChardevFile, s.File.Path, true
	case s.Pipe != nil:
		return svirt.ChardevPipe, s.Pipe.Path, true
	case s.UNIX != nil:
		return svirt.ChardevUnix, s.UNIX.Path, true
	case s.Null != nil:
		return "null", "", true
	case s.VC != nil:
		return "vc", "", true
	case s.StdIO != nil:
		return "stdio", "", true
	case s.UDP != nil:
		return "udp", "", true
	case s.TCP != nil:
		return "tcp", "", true
	case s.SpiceVMC != nil:
		return "spicevmc", "", true
	case s.SpicePort != nil:
		return "spiceport", "", true
	case s.NMDM != nil:
		return "nmdm", "", true
	case s.QEMUVDAgent != nil:
		return "qemu-vdagent", "", true
	case s.DBus != nil:
		return "dbus", "", true
	}
	return "", "", false
}

// chardev converts a character device and adds it to a list.
func (c *converter) chardev(element string, list *[]svirt.Chardev, s *libvirt.DomainChardevSource, log *libvirt.DomainChardevLog, id string) error {
	ch := svirt.Chardev{ID: id}
	var ok bool
	if ch.Type, ch.Path, ok = hostSide(s); !ok {
		return invalid("domain/devices/"+element, "the type of character device is not known")
	}
	if element != "" {
		c.name(element, deviceOf[element], id, len(*list))
	}
	if log != nil {
		ch.Log = log.File
	}
	*list = append(*list, ch)
	return nil
}

// deviceOf are the kinds of the devices with a character device.
var deviceOf = map[string]svirt.DeviceKind{
	"serial": svirt.DeviceSerial, "parallel": svirt.DeviceParallel, "console": svirt.DeviceConsole, "channel": svirt.DeviceChannel,
	"redirdev": svirt.DeviceChardev, "rng": svirt.DeviceChardev,
}

// chardevs converts ports, consoles and channels. The first console of a machine
// with full virtualization is its first serial port under another name.
func (c *converter) chardevs(f *libvirt.DomainDeviceList) error {
	d := &c.d.Devices
	for i := range f.Serials {
		p := &f.Serials[i]
		if err := c.chardev("serial", &d.Serials, p.Source, p.Log, alias(p.Alias)); err != nil {
			return err
		}
	}
	for i := range f.Consoles {
		p := &f.Consoles[i]
		if err := c.chardev("console", &d.Consoles, p.Source, p.Log, alias(p.Alias)); err != nil {
			return err
		}
	}
	for i := range f.Parallels {
		p := &f.Parallels[i]
		if err := c.chardev("parallel", &d.Parallels, p.Source, p.Log, alias(p.Alias)); err != nil {
			return err
		}
	}
	for i := range f.Channels {
		p := &f.Channels[i]
		if err := c.chardev("channel", &d.Channels, p.Source, p.Log, alias(p.Alias)); err != nil {
			return err
		}
	}
	if c.from.OS.Type.Type != "hvm" || len(f.Consoles) == 0 {
		return nil
	}
	first := &f.Consoles[0]
	if t := first.Target; t != nil && t.Type != "" && t.Type != "serial" {
		return nil
	}
	switch {
	case len(d.Serials) == 0:
		d.Serials = []svirt.Chardev{d.Consoles[0]}
		d.Consoles = d.Consoles[1:]
	case !sameSource(f.Serials[0].Source, first.Source):
		d.Consoles = d.Consoles[1:]
	}
	return nil
}

// sameSource reports whether two character devices have the same host side.
func sameSource(a, b *libvirt.DomainChardevSource) bool {
	x, p, _ := hostSide(a)
	y, q, _ := hostSide(b)
	switch {
	case x != y || p != q:
		return false
	case x == svirt.ChardevFile:
		return a.File.Append == b.File.Append
	case x == svirt.ChardevUnix:
		return a.UNIX.Mode == b.UNIX.Mode
	}
	return true
}

func (c *converter) rng(f *libvirt.DomainRNG) error {
	d := &c.d.Devices
	b := f.Backend
	switch {
	case b == nil:
	case b.EGD != nil:
		return c.chardev("rng", &d.Chardevs, b.EGD.Source, nil, alias(f.Alias))
	case b.Random != nil:
		c.name("rng", svirt.DeviceChardev, alias(f.Alias), len(d.Chardevs))
		d.Chardevs = append(d.Chardevs, svirt.Chardev{ID: alias(f.Alias), Type: svirt.ChardevDev, Path: b.Random.Device})
		return nil
	}
	c.name("rng", svirt.DeviceDomain, "machine", 0)
	return nil
}

func (c *converter) graphics(f *libvirt.DomainGraphic) error {
	d := &c.d.Devices
	var g svirt.Graphics
	var listeners []libvirt.DomainGraphicListener
	socket := ""
	switch {
	case f.SDL != nil:
		g.Type, g.XAuth = "sdl", f.SDL.XAuth
	case f.VNC != nil:
		g.Type, listeners, socket = "vnc", f.VNC.Listeners, f.VNC.Socket
	case f.RDP != nil:
		g.Type, listeners = "rdp", f.RDP.Listeners
	case f.Desktop != nil:
		g.Type = "desktop"
	case f.Spice != nil:
		g.Type, listeners = "spice", f.Spice.Listeners
		if gl := f.Spice.GL; gl != nil {
			g.RenderNode, g.GL = gl.RenderNode, gl.Enable == "yes"
		}
	case f.EGLHeadless != nil:
		g.Type, g.GL = "egl-headless", true
		if gl := f.EGLHeadless.GL; gl != nil {
			g.RenderNode = gl.RenderNode
		}
	case f.DBus != nil:
		g.Type, g.Address, g.P2P = "dbus", f.DBus.Address, f.DBus.P2P == "yes"
		if gl := f.DBus.GL; gl != nil {
			g.RenderNode, g.GL = gl.RenderNode, gl.Enable == "yes"
		}
	default:
		return invalid("domain/devices/graphics", "the type of display is not known")
	}
	for i := range listeners {
		switch l := listeners[i].Socket; {
		case l == nil:
		case l.Socket != "":
			g.Sockets = append(g.Sockets, l.Socket)
		default:
			g.AutoSocket = true
		}
	}
	if socket != "" && len(g.Sockets) == 0 {
		g.Sockets, g.AutoSocket = append(g.Sockets, socket), false
	}
	c.name("graphics", svirt.DeviceGraphics, "", len(d.Graphics))
	d.Graphics = append(d.Graphics, g)
	return nil
}

func number32(n *uint) uint32 {
	if n == nil {
		return 0
	}
	return uint32(*n)
}

func pciAddress(a *libvirt.DomainAddressPCI) svirt.PCIAddress {
	if a == nil {
		return svirt.PCIAddress{}
	}
	return svirt.PCIAddress{Domain: number32(a.Domain), Bus: number32(a.Bus), Slot: number32(a.Slot), Function: number32(a.Function)}
}

// id reads the number of a vendor or a product: decimal, 0x or 0.
func id(v *libvirt.DomainHostDevProductVendorID) (uint32, error) {
	if v == nil || v.ID == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(strings.TrimSpace(v.ID), 0, 32)
	if err != nil {
		return 0, invalid("domain/devices/hostdev/source", "the number is %q", v.ID)
	}
	return uint32(n), nil
}

// rom is the file of an option ROM.
func rom(r *libvirt.DomainROM) string {
	if r == nil || r.File == nil {
		return ""
	}
	return *r.File
}

func (c *converter) hostDevice(f *libvirt.DomainHostdev) error {
	d := &c.d.Devices
	h := svirt.HostDevice{ID: alias(f.Alias)}
	switch {
	case f.SubsysUSB != nil:
		h.Kind = svirt.HostUSB
		if s := f.SubsysUSB.Source; s != nil {
			h.Optional = s.StartUpPolicy == "optional"
			var err, err2 error
			h.USB.Vendor, err = id(s.Vendor)
			h.USB.Product, err2 = id(s.Product)
			if err = cmp.Or(err, err2); err != nil {
				return err
			}
			if a := s.Address; a != nil {
				h.USB.Bus, h.USB.Device, h.USB.Port = number32(a.Bus), number32(a.Device), a.Port
			}
		}
	case f.SubsysPCI != nil:
		h.Kind = svirt.HostPCI
		if s := f.SubsysPCI.Source; s != nil {
			h.PCI = pciAddress(s.Address)
		}
		if v := f.SubsysPCI.Driver; v != nil {
			h.Driver, h.IOMMUFD = v.Name, v.IommuFD == "yes"
		}
	case f.SubsysSCSI != nil:
		h.Kind = svirt.HostSCSI
		if s := f.SubsysSCSI.Source; s != nil && s.Host != nil && s.Host.Adapter != nil {
			if host, ok := strings.CutPrefix(s.Host.Adapter.Name, "scsi_host"); ok {
				n, err := strconv.ParseUint(host, 0, 32)
				if err != nil {
					return invalid("domain/devices/hostdev/source/adapter", "the name is %q", s.Host.Adapter.Name)
				}
				h.SCSI = &svirt.SCSIAddress{Host: uint32(n)}
				if a := s.Host.Address; a != nil {
					h.SCSI.Bus, h.SCSI.Target, h.SCSI.Unit = number32(a.Bus), number32(a.Target), uint64(number32(a.Unit))
				}
			}
		}
	case f.SubsysSCSIHost != nil:
		h.Kind = svirt.HostSCSIHost
	case f.SubsysMDev != nil:
		h.Kind = svirt.HostMDev
		if s := f.SubsysMDev.Source; s != nil && s.Address != nil {
			h.MDev = s.Address.UUID
		}
	case f.CapsStorage != nil:
		h.Kind = svirt.HostStorage
		if f.CapsStorage.Source != nil {
			h.Node = f.CapsStorage.Source.Block
		}
	case f.CapsMisc != nil:
		h.Kind = svirt.HostMisc
		if f.CapsMisc.Source != nil {
			h.Node = f.CapsMisc.Source.Char
		}
	case f.CapsNet != nil:
		h.Kind = svirt.HostNet
	default:
		return invalid("domain/devices/hostdev", "the kind of host device is not known")
	}
	h.ROM = rom(f.ROM)
	c.name("hostdev", svirt.DeviceHost, h.ID, len(d.HostDevices))
	d.HostDevices = append(d.HostDevices, h)
	return nil
}

func (c *converter) net(f *libvirt.DomainInterface) {
	d := &c.d.Devices
	driver, model := "", ""
	if f.Driver != nil {
		driver = f.Driver.Name
	}
	if f.Model != nil {
		model = f.Model.Type
	}
	net := svirt.Net{ID: alias(f.Alias), ROM: rom(f.ROM)}
	if b := f.Backend; b != nil {
		net.VHostNode, net.TapNode = b.VHost, b.Tap
		if b.Type == "passt" {
			net.Backend, net.Log = b.Type, b.LogFile
		}
	}
	if s := f.Source; s != nil {
		switch {
		case s.Direct != nil:
			net.MACVTap = true
		case s.VDPA != nil:
			net.VDPA = s.VDPA.Device
		case s.Hostdev != nil && s.Hostdev.PCI != nil:
			d.HostDevices = append(d.HostDevices, svirt.HostDevice{
				ID: net.ID, Kind: svirt.HostPCI, PCI: pciAddress(s.Hostdev.PCI.Address), Driver: driver,
			})
		case s.VHostUser != nil && s.VHostUser.Chardev != nil && s.VHostUser.Chardev.UNIX != nil:
			net.Socket = s.VHostUser.Chardev.UNIX.Path
		}
	}
	if c.d.Type != "kvm" {
		// Without KVM there is no kernel side.
	} else if model == "" {
		net.VHost = true
	} else if strings.HasPrefix(model, "virtio") {
		net.VHost = driver != "qemu" && model != "virtio-net-pci"
	}
	c.name("interface", svirt.DeviceNet, net.ID, len(d.Nets))
	d.Nets = append(d.Nets, net)
}

func (c *converter) filesystem(f *libvirt.DomainFilesystem) {
	d := &c.d.Devices
	driver := ""
	if f.Driver != nil {
		driver = f.Driver.Type
	}
	if f.Source == nil || f.Source.Mount == nil {
		// Only those of containers, which their template lets do so.
		c.name("filesystem", svirt.DeviceDomain, "machine", 0)
		return
	}
	c.name("filesystem", svirt.DeviceFilesystem, alias(f.Alias), len(d.Filesystems))
	d.Filesystems = append(d.Filesystems, svirt.Filesystem{
		ID: alias(f.Alias), Source: f.Source.Mount.Dir, Socket: f.Source.Mount.Socket, Driver: driver, ReadOnly: f.ReadOnly != nil,
	})
}

func (c *converter) input(f *libvirt.DomainInput) {
	d := &c.d.Devices
	if f.Type != "passthrough" && f.Type != "evdev" {
		c.name("input", svirt.DeviceDomain, "machine", 0)
		return
	}
	in := svirt.Input{ID: alias(f.Alias)}
	if s := f.Source; s != nil {
		switch {
		case s.Passthrough != nil:
			in.Path = s.Passthrough.EVDev
		case s.EVDev != nil:
			in.Path = s.EVDev.Dev
		}
	}
	c.name("input", svirt.DeviceInput, in.ID, len(d.Inputs))
	d.Inputs = append(d.Inputs, in)
}

func (c *converter) tpm(f *libvirt.DomainTPM) error {
	d := &c.d.Devices
	t := svirt.TPM{ID: alias(f.Alias)}
	switch b := f.Backend; {
	case b == nil:
		return missing("domain/devices/tpm/backend", "there is no backend")
	case b.Passthrough != nil:
		t.Backend = "passthrough"
		if b.Passthrough.Device != nil {
			t.Path = b.Passthrough.Device.Path
		}
	case b.Emulator != nil:
		t.Backend, t.Version = "emulator", b.Emulator.Version
		if s := b.Emulator.Source; s != nil {
			switch {
			case s.Dir != nil:
				t.State = s.Dir.Path
			case s.File != nil:
				t.State, t.StateFile = s.File.Path, true
			}
		}
	case b.External != nil:
		t.Backend = "external"
		if b.External.Source != nil && b.External.Source.UNIX != nil {
			t.Path = b.External.Source.UNIX.Path
		}
	default:
		return invalid("domain/devices/tpm/backend", "the type of backend is not known")
	}
	c.name("tpm", svirt.DeviceTPM, t.ID, len(d.TPMs))
	d.TPMs = append(d.TPMs, t)
	return nil
}

func (c *converter) smartcard(f *libvirt.DomainSmartcard) {
	d := &c.d.Devices
	card := svirt.Smartcard{ID: alias(f.Alias), Database: f.Database}
	switch {
	case f.Host != nil:
		card.Mode = "host"
	case f.Passthrough != nil:
		card.Mode = "passthrough"
	default:
		card.Mode = "host-certificates"
	}
	c.name("smartcard", svirt.DeviceSmartcard, card.ID, len(d.Smartcards))
	d.Smartcards = append(d.Smartcards, card)
}
