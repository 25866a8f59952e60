// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
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
// where one likes, blanks around it.
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
		// A ROM cannot be written unless the document says otherwise.
		readonly := l.Readonly
		if readonly == "" && l.Type == "rom" {
			readonly = "yes"
		}
		b.Loader = &svirt.Loader{Path: l.Path, ReadOnly: readonly == "yes"}
	}
	if n := os.NVRam; n != nil {
		switch {
		case n.Source != nil:
			b.NVRAM = image(n.Source)
		case n.NVRam != "":
			b.NVRAM = &svirt.Image{Type: svirt.ImageFile, Path: n.NVRam}
		}
	}
	if os.VarStore != nil {
		b.VarStore = os.VarStore.Path
	}
}
