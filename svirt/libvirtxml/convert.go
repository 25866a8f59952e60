// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"cmp"
	"slices"
	"strings"

	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
)

// converter makes a machine of a domain of the library's.
type converter struct {
	from    *libvirt.Domain
	live    bool // the number counts
	volumes map[int]volume
	left    []leftover
	d       *svirt.Domain
	// named are the devices that came of the elements of a name, in order.
	named map[string][]svirt.Device
	// reservations are those of the images so far, of one disk.
	reservations []*svirt.Reservations
}

func (c *converter) domain() (*svirt.Domain, error) {
	f := c.from
	c.d = &svirt.Domain{Type: f.Type, Name: f.Name}
	if c.d.Type == "" {
		return nil, missing("domain", "there is no type")
	}
	if f.UUID == "" {
		return nil, missing("domain/uuid", "there is no UUID")
	}
	uuid, ok := canonicalUUID(f.UUID)
	if !ok {
		return nil, &svirt.IdentityError{What: "uuid", Value: f.UUID, Reason: "it is not a UUID"}
	}
	c.d.UUID = uuid
	if c.d.Name == "" {
		return nil, missing("domain/name", "there is no name")
	}
	if f.OS == nil || f.OS.Type == nil || f.OS.Type.Type == "" {
		return nil, missing("domain/os/type", "there is no OS type")
	}
	switch f.OS.Type.Type {
	case "hvm", "xen", "linux", "exe", "uml", "xenpvh":
	default:
		return nil, invalid("domain/os/type", "unknown OS type %q", f.OS.Type.Type)
	}
	if c.live && f.ID != nil && *f.ID >= 0 {
		id := *f.ID
		c.d.ID = &id
	}
	c.security(f.LaunchSecurity)
	c.label(f.SecLabel)
	if err := c.memory(f); err != nil {
		return nil, err
	}
	c.arguments(f)
	c.boot(f.OS)
	for i := range f.SysInfo {
		if w := f.SysInfo[i].FWCfg; w != nil {
			for _, e := range w.Entry {
				if e.File != "" {
					c.d.Boot.FWCfg = append(c.d.Boot.FWCfg, e.File)
				}
			}
		}
	}
	if f.Devices != nil {
		if err := c.devices(f.Devices); err != nil {
			return nil, err
		}
	}
	c.leftovers()
	return c.d, nil
}

// leftovers makes warnings of what was not read.
func (c *converter) leftovers() {
	for _, l := range c.left {
		w := svirt.Warning{Device: svirt.Device{Kind: svirt.DeviceDomain, ID: "machine"}, Code: svirt.WarnUnread, Path: l.path}
		if list := c.named[l.list]; l.i < len(list) {
			w.Device = list[l.i]
		}
		w.Text = "nothing is known of " + l.what
		w.Add = "if the machine opens it, add it to Devices.Extra"
		c.d.Warnings = append(c.d.Warnings, w)
	}
}

// name takes note of the device that the next element of a name became.
func (c *converter) name(element string, kind svirt.DeviceKind, id string, i int) {
	if len(c.left) == 0 {
		return
	}
	if c.named == nil {
		c.named = map[string][]svirt.Device{}
	}
	if id == "" {
		id = number(i)
	}
	c.named[element] = append(c.named[element], svirt.Device{Kind: kind, ID: id})
}

// canonicalUUID takes a UUID as libvirt does: digits in either case, dashes
// anywhere, blanks around it.
func canonicalUUID(s string) (string, bool) {
	s = strings.ToLower(strings.Trim(s, " \t\n\v\f\r"))
	digits := make([]byte, 0, 32)
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '-':
			// A dash parts bytes, not their halves, and two do not follow each other.
			if len(digits)%2 != 0 || i+1 == len(s) {
				return "", false
			}
		case '0' <= b && b <= '9', 'a' <= b && b <= 'f':
			if len(digits) == 32 {
				return "", false
			}
			digits = append(digits, b)
		default:
			return "", false
		}
	}
	if len(digits) != 32 {
		return "", false
	}
	d := string(digits)
	return d[:8] + "-" + d[8:12] + "-" + d[12:16] + "-" + d[16:20] + "-" + d[20:], true
}

func (c *converter) security(l *libvirt.DomainLaunchSecurity) {
	switch {
	case l == nil:
	case l.SEV != nil:
		c.d.LaunchSecurity = "sev"
	case l.SEVSNP != nil:
		c.d.LaunchSecurity = "sev-snp"
	case l.S390PV != nil:
		c.d.LaunchSecurity = "s390-pv"
	case l.TDX != nil:
		c.d.LaunchSecurity = "tdx"
		if q := l.TDX.QuoteGenerationService; q != nil {
			// The default of Intel's service, and of libvirt.
			c.d.QuoteService = cmp.Or(q.Path, "/var/run/tdx-qgs/qgs.socket")
		}
	}
}

func (c *converter) boot(os *libvirt.DomainOS) {
	b := &c.d.Boot
	b.Kernel, b.Initrd, b.Shim, b.DTB = os.Kernel, os.Initrd, os.Shim, os.DTB
	if os.ACPI != nil {
		for _, t := range os.ACPI.Tables {
			if t.Path != "" {
				b.ACPI = append(b.ACPI, t.Path)
			}
		}
	}
	if l := os.Loader; l != nil && l.Path != "" {
		b.Loader = &svirt.Loader{Path: l.Path, Type: l.Type, ReadOnly: l.Readonly == "yes"}
		if l.Type == "rom" && l.Readonly == "no" {
			b.Loader.Type = "" // to Compat128 a ROM cannot be written unless it says so
		}
	}
	if n := os.NVRam; n != nil {
		switch {
		case n.Source != nil:
			nvram := svirt.Device{Kind: svirt.DeviceBoot, ID: "nvram"}
			b.NVRAM = c.image(n.Source, nvram)
			for _, r := range c.reservations {
				c.warn(nvram, r.Socket, "there are persistent reservations", "add the socket to Devices.Extra")
			}
			c.reservations = nil
		case n.NVRam != "":
			b.NVRAM = &svirt.Image{Type: svirt.ImageFile, Path: n.NVRam}
		}
	}
	if os.VarStore != nil {
		b.VarStore = os.VarStore.Path
	}
}

// label takes what is said of the profile. A dynamic label is the machine's own.
func (c *converter) label(list []libvirt.DomainSecLabel) {
	for _, l := range list {
		if l.Model != "" && l.Model != "apparmor" {
			continue
		}
		c.d.Label.Type = l.Type
		if l.Type == "static" {
			c.d.Label.Profile = l.Label
		}
		return
	}
}

// memory converts where the guest's memory is.
func (c *converter) memory(f *libvirt.Domain) error {
	m := &c.d.Memory
	access := ""
	if b := f.MemoryBacking; b != nil {
		if b.MemorySource != nil {
			m.Source = b.MemorySource.Type
		}
		if b.MemoryAccess != nil {
			access = b.MemoryAccess.Mode
		}
		if h := b.MemoryHugePages; h != nil {
			for _, p := range h.Hugepages {
				size, ok := kibibytes(uint64(p.Size), p.Unit)
				if !ok {
					return invalid("domain/memoryBacking/hugepages/page", "the size is %d %q", p.Size, p.Unit)
				}
				m.HugePages = append(m.HugePages, svirt.HugePages{SizeKiB: size})
			}
			if len(h.Hugepages) == 0 {
				m.HugePages = []svirt.HugePages{{}}
			}
		}
	}
	if f.CPU != nil && f.CPU.Numa != nil {
		for _, cell := range f.CPU.Numa.Cell {
			access = cmp.Or(access, cell.MemAccess)
		}
	}
	if f.Devices != nil {
		for i := range f.Devices.Memorydevs {
			if d := &f.Devices.Memorydevs[i]; d.Source == nil || d.Source.Path == "" {
				access = cmp.Or(access, d.Access)
			}
		}
	}
	if access != "" && m.Source != "memfd" && len(m.HugePages) == 0 {
		// Memory that others may map, or may not, is in a file to libvirt.
		m.Source = "file"
	}
	return nil
}

// kibibytes converts a size of pages; no unit means KiB.
func kibibytes(n uint64, unit string) (uint64, bool) {
	units := []struct {
		names string
		bytes uint64
	}{
		{"b bytes byte", 1}, {"k kib", 1 << 10}, {"kb", 1e3}, {"m mib", 1 << 20}, {"mb", 1e6}, {"g gib", 1 << 30}, {"gb", 1e9}, {"t tib", 1 << 40}, {"tb", 1e12},
	}
	unit = strings.ToLower(cmp.Or(unit, "KiB"))
	for _, u := range units {
		if slices.Contains(strings.Fields(u.names), unit) {
			total := n * u.bytes
			return total >> 10, n == 0 || total/n == u.bytes
		}
	}
	return 0, false
}

// arguments takes what QEMU is told besides.
func (c *converter) arguments(f *libvirt.Domain) {
	line := &c.d.CommandLine
	if q := f.QEMUCommandline; q != nil {
		for _, a := range q.Args {
			line.Args = append(line.Args, a.Value)
		}
		for _, e := range q.Envs {
			line.Env = append(line.Env, e.Name+"="+e.Value)
		}
	}
	if o := f.QEMUOverride; o != nil {
		for _, d := range o.Devices {
			for _, p := range d.Frontend.Properties {
				line.Properties = append(line.Properties, svirt.Property{Device: d.Alias, Name: p.Name, Value: p.Value})
			}
		}
	}
}

// warn adds a warning for what the machine's fields have no place for.
func (c *converter) warn(device svirt.Device, path, text, add string) {
	c.d.Warnings = append(c.d.Warnings, svirt.Warning{Device: device, Code: svirt.WarnUnread, Path: path, Text: text, Add: add})
}
