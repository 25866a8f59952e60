// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

const uuid = "6d8c1494-16d5-5675-9439-85dd7dfec85d"

func domain(dev svirt.Devices) *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "vm", Devices: dev}
}

// disk returns a machine with one raw image.
func disk(path string) *svirt.Domain {
	return domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: path, Format: "raw"}}}})
}

// share returns a machine with one shared directory.
func share(path string) *svirt.Domain {
	return domain(svirt.Devices{Filesystems: []svirt.Filesystem{{ID: "fs0", Source: path}}})
}

var hostFiles = fstest.MapFS{
	"srv/raw.img":         {},
	"srv/other":           {Mode: fs.ModeSymlink, Data: []byte("raw.img")},
	"srv/passwd":          {Mode: fs.ModeSymlink, Data: []byte("/etc/passwd")},
	"srv/root":            {Mode: fs.ModeSymlink, Data: []byte("/")},
	"srv/nowhere":         {Mode: fs.ModeSymlink, Data: []byte("/srv/not-there")},
	"srv/loop":            {Mode: fs.ModeSymlink, Data: []byte("loop")},
	"srv/star":            {Mode: fs.ModeSymlink, Data: []byte("s*")},
	"srv/s*":              {},
	"srv/base.qcow2":      {Data: qcow2(3, "", "", "")},
	"srv/top.qcow2":       {Data: qcow2(3, "base.qcow2", "qcow2", "")},
	"srv/etc.qcow2":       {Data: qcow2(2, "/etc/passwd", "raw", "")},
	"srv/gone.qcow2":      {Data: qcow2(3, "gone", "raw", "")},
	"srv/self.qcow2":      {Data: qcow2(3, "self.qcow2", "qcow2", "")},
	"srv/nofmt.qcow2":     {Data: qcow2(3, "base.qcow2", "", "")},
	"srv/nofmt-top.qcow2": {Data: qcow2(3, "top.qcow2", "", "")},
	"srv/json.qcow2":      {Data: qcow2(3, `json:{"driver":"qcow2","file":{"driver":"file","filename":"/srv/top.qcow2"}}`, "qcow2", "")},
	"srv/nbd.qcow2":       {Data: qcow2(3, "nbd://host/x", "raw", "")},
	"srv/data.qcow2":      {Data: qcow2(3, "", "", "raw.img")},
	"srv/fifo":            {Mode: fs.ModeNamedPipe},
	"srv/vm/x":            {},
	"etc/passwd":          {},
	"etc/nss/x":           {},
	"dev/dri/renderD128":  {Mode: fs.ModeDevice | fs.ModeCharDevice},
	"dev/dm-7":            {Mode: fs.ModeDevice},
	"dev/input/event0":    {Mode: fs.ModeDevice | fs.ModeCharDevice},
	"dev/parport0":        {Mode: fs.ModeDevice | fs.ModeCharDevice},
	"dev/tpm0":            {Mode: fs.ModeDevice | fs.ModeCharDevice},
	"dev/vg/lv":           {Mode: fs.ModeSymlink, Data: []byte("../dm-7")},
	"var/run":             {Mode: fs.ModeSymlink, Data: []byte("/run")},
	"run/libvirt/x":       {},

	"sys/bus/pci/devices/0000:01:00.0":                {Mode: fs.ModeSymlink, Data: []byte("../../../devices/pci0000:00/0000:01:00.0")},
	"sys/devices/pci0000:00/0000:01:00.0/config":      {},
	"sys/devices/pci0000:00/0000:01:00.0/uevent":      {},
	"sys/devices/pci0000:00/0000:01:00.0/iommu_group": {Mode: fs.ModeSymlink, Data: []byte("../../../kernel/iommu_groups/12")},
	"sys/kernel/iommu_groups/12/x":                    {},
	"sys/bus/usb/devices/1-1/idVendor":                {Data: []byte("1234\n")},
	"sys/bus/usb/devices/1-1/idProduct":               {Data: []byte("beef\n")},
	"sys/bus/usb/devices/1-1/busnum":                  {Data: []byte("1\n")},
	"sys/bus/usb/devices/1-1/devnum":                  {Data: []byte("4\n")},
	"sys/bus/usb/devices/1-2/idVendor":                {Data: []byte("1234\n")},
	"sys/bus/usb/devices/1-2/idProduct":               {Data: []byte("beef\n")},
	"sys/bus/usb/devices/1-2/busnum":                  {Data: []byte("1\n")},
	"sys/bus/usb/devices/1-2/devnum":                  {Data: []byte("5\n")},
	"sys/bus/scsi/devices/2:0:1:3/scsi_generic/sg4/x": {},
}

// qcow2 makes the start of an image.
func qcow2(version uint32, backing, format, data string) []byte {
	be := func(n uint64, size int) []byte {
		b := make([]byte, size)
		for i := range b {
			b[size-1-i] = byte(n >> (8 * i))
		}
		return b
	}
	size := 72
	if version == 3 {
		size = 104
	}
	h := make([]byte, size)
	copy(h, "QFI\xfb")
	copy(h[4:], be(uint64(version), 4))
	if version == 3 {
		copy(h[100:], be(104, 4))
	}
	ext := func(kind uint64, s string) {
		h = append(h, be(kind, 4)...)
		h = append(h, be(uint64(len(s)), 4)...)
		h = append(h, s...)
		for len(h)%8 != 0 {
			h = append(h, 0)
		}
	}
	if format != "" {
		ext(0xe2792aca, format)
	}
	if data != "" {
		h[79] |= 4
		ext(0x44415441, data)
	}
	h = append(h, make([]byte, 8)...)
	if backing != "" {
		copy(h[8:], be(uint64(len(h)), 8))
		copy(h[16:], be(uint64(len(backing)), 4))
		h = append(h, backing...)
	}
	return h
}

// TestStrictRefuses lists what no machine may have, and why.
func TestStrictRefuses(t *testing.T) {
	host := fixture.New(hostFiles)
	chain := func(path string) *svirt.Domain {
		d := disk(path)
		d.Devices.Disks[0].Image.Format = "qcow2"
		return d
	}
	tests := []struct {
		name   string
		domain *svirt.Domain
		reason svirt.Reason
	}{
		{"empty loader", &svirt.Domain{UUID: uuid, Name: "vm", Boot: svirt.Boot{Loader: &svirt.Loader{}}}, svirt.ReasonEmpty},
		{"relative", disk("a.img"), svirt.ReasonRelative},
		{"star", disk("/srv/a*.img"), svirt.ReasonGlob},
		{"question mark", disk("/srv/a?.img"), svirt.ReasonGlob},
		{"class", disk("/srv/[a].img"), svirt.ReasonGlob},
		{"variable", disk("/srv/@{HOME}"), svirt.ReasonGlob},
		{"alternation", disk("/srv/{a,b}"), svirt.ReasonGlob},
		{"caret", disk("/srv/^"), svirt.ReasonGlob},
		{"backslash", disk(`/srv/a\x2a`), svirt.ReasonGlob},
		{"quote", disk(`/srv/a" rwk, "/**`), svirt.ReasonQuote},
		{"newline", disk("/srv/a\n/** rw,"), svirt.ReasonControl},
		{"nul", disk("/srv/a\x00"), svirt.ReasonControl},
		{"delete", disk("/srv/a\x7f"), svirt.ReasonControl},
		{"long", disk("/" + strings.Repeat("a/", 2050)), svirt.ReasonTooLong},
		{"etc", disk("/etc/passwd"), svirt.ReasonRestricted},
		{"bare etc", disk("/etc"), svirt.ReasonRestricted},
		{"etc by link", disk("/srv/passwd"), svirt.ReasonRestricted},
		{"etc by dots", disk("/srv/vm/../../etc/passwd"), svirt.ReasonRestricted},
		{"dots that stay", disk("/srv/new/../../etc/passwd"), svirt.ReasonUnclean},
		{"run of slashes that stays", disk("/srv/new//x"), svirt.ReasonUnclean},
		{"proc", disk("/proc/1/mem"), svirt.ReasonRestricted},
		{"sys", disk("/sys/kernel/security/apparmor/.load"), svirt.ReasonRestricted},
		{"usr", disk("/usr/bin/qemu"), svirt.ReasonRestricted},
		{"lib64", disk("/lib64/ld.so"), svirt.ReasonRestricted},
		{"memory", disk("/dev/mem"), svirt.ReasonRestricted},
		{"libvirt's socket", disk("/var/run/libvirt/libvirt-sock"), svirt.ReasonClosed},
		{"system bus", disk("/run/dbus/system_bus_socket"), svirt.ReasonClosed},
		{"boot for writing", disk("/boot/vmlinuz"), svirt.ReasonReadOnly},
		{"firmware for writing", disk("/usr/share/OVMF/OVMF_CODE.fd"), svirt.ReasonReadOnly},
		{"link to nothing", disk("/srv/nowhere"), svirt.ReasonDangling},
		{"below a link to nothing", disk("/srv/nowhere/x"), svirt.ReasonDangling},
		{"loop", disk("/srv/loop"), svirt.ReasonLoop},
		{"glob by link", disk("/srv/star"), svirt.ReasonGlob},
		{"root", disk("/"), svirt.ReasonRestricted},
		{"share of the root", share("/"), svirt.ReasonContains},
		{"share of the root by link", share("/srv/root"), svirt.ReasonContains},
		{"share of etc", share("/etc"), svirt.ReasonRestricted},
		{"share of etc, slash", share("/etc/"), svirt.ReasonRestricted},
		{"share of boot", share("/boot"), svirt.ReasonRestricted},
		{"share of proc", share("/proc"), svirt.ReasonRestricted},
		{"share of sys", share("/sys"), svirt.ReasonRestricted},
		{"share of usr/share", share("/usr/share"), svirt.ReasonRestricted},
		{"share of usr", share("/usr"), svirt.ReasonRestricted},
		{"share of var", share("/var"), svirt.ReasonClosed},
		{"share of run", share("/run"), svirt.ReasonClosed},
		{"share of dev", share("/dev"), svirt.ReasonContains},
		{"share below dev", share("/dev/dri"), svirt.ReasonContains},
		{"share of all images", share("/var/lib/libvirt"), svirt.ReasonClosed},
		{"share of a file", share("/srv/raw.img"), svirt.ReasonFileType},
		{"restricted backing file", chain("/srv/etc.qcow2"), svirt.ReasonRestricted},
		{"a data file that only the image names", chain("/srv/data.qcow2"), svirt.ReasonData},
		{"a backing file that only the image names", chain("/srv/top.qcow2"), svirt.ReasonBacking},
		{"missing backing file", chain("/srv/gone.qcow2"), svirt.ReasonBroken},
		{"backing file of its own", chain("/srv/self.qcow2"), svirt.ReasonBroken},
		{"unrecorded format with a chain", chain("/srv/nofmt-top.qcow2"), svirt.ReasonBroken},
		{"another format", chain("/srv/raw.img"), svirt.ReasonBroken},
		{"pipe", chain("/srv/fifo"), svirt.ReasonFileType},
		{"shared memory with a path", domain(svirt.Devices{Shmem: []svirt.Shmem{{Name: "../sda", Model: "ivshmem-plain"}}}), svirt.ReasonName},
		{"certificates", domain(svirt.Devices{Smartcards: []svirt.Smartcard{{Mode: "host-certificates", Database: "/etc/nss"}}}), svirt.ReasonRestricted},
		{"certificates with a quote", domain(svirt.Devices{Smartcards: []svirt.Smartcard{{Mode: "host-certificates", Database: `/srv/"`}}}), svirt.ReasonQuote},
		{"no such USB device", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostUSB, USB: svirt.USBAddress{Bus: 9, Device: 9}}}}), svirt.ReasonNoDevice},
		{"two such USB devices", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostUSB, USB: svirt.USBAddress{Vendor: 0x1234, Product: 0xbeef}}}}), svirt.ReasonAmbiguous},
		{"no such PCI device", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostPCI}}}), svirt.ReasonNoDevice},
		{"no such mediated device", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostMDev, MDev: uuid}}}), svirt.ReasonNoDevice},
		{"mediated device with a path", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostMDev, MDev: "../../pci"}}}), svirt.ReasonName},
		{"unknown host device", domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: "isa"}}}), svirt.ReasonUnsupported},
		{"version of a TPM", &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Devices: svirt.Devices{TPMs: []svirt.TPM{{Backend: "emulator", Version: "3"}}}}, svirt.ReasonUnsupported},
		{"permissions", domain(svirt.Devices{Extra: []svirt.PathGrant{{Path: "/srv/x", Perms: "rx"}}}), svirt.ReasonPerms},
		{"link without a directory", domain(svirt.Devices{Extra: []svirt.PathGrant{{Path: "/srv/x", Perms: "rwl"}}}), svirt.ReasonPerms},
		{"write and append", domain(svirt.Devices{Extra: []svirt.PathGrant{{Path: "/srv/x", Perms: "wa"}}}), svirt.ReasonPerms},
		{"no permissions", domain(svirt.Devices{Extra: []svirt.PathGrant{{Path: "/srv/x"}}}), svirt.ReasonPerms},
		{"append to the system", domain(svirt.Devices{Extra: []svirt.PathGrant{{Path: "/boot/x", Perms: "a"}}}), svirt.ReasonReadOnly},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rules, err := svirt.Derive(context.Background(), test.domain, svirt.Options{FS: host})
			var pe *svirt.PathError
			if !errors.As(err, &pe) || pe.Reason != test.reason {
				t.Fatalf("got %v, want %q", err, test.reason)
			}
			if rules != nil {
				t.Error("rules came with an error")
			}
			if pe.Device.ID == "" {
				t.Errorf("the error names no device: %v", pe)
			}
		})
	}
}

// TestVFIOGroup has names of groups in sysfs, of which those that are a number of the
// kernel's, an int, are granted.
func TestVFIOGroup(t *testing.T) {
	for group, want := range map[string]bool{
		"0": true, "12": true, "2147483647": true,
		"2147483648": false, "-1": false, "+1": false, "1x": false, "x": false,
	} {
		files := maps.Clone(hostFiles)
		files["sys/devices/pci0000:00/0000:01:00.0/iommu_group"] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("../../../kernel/iommu_groups/" + group)}
		files["sys/kernel/iommu_groups/"+group+"/x"] = &fstest.MapFile{}
		d := domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 1}}}})
		rules, err := svirt.Derive(context.Background(), d, svirt.Options{FS: fixture.New(files)})
		var pe *svirt.PathError
		switch {
		case want && (err != nil || !strings.Contains(string(rules.AppendText(nil)), `"/dev/vfio/`+group+`" rw,`)):
			t.Errorf("group %s: %v", group, err)
		case !want && (!errors.As(err, &pe) || pe.Reason != svirt.ReasonNoDevice):
			t.Errorf("group %s: %v", group, err)
		}
	}
}

// TestStrictQuotes has words of descriptions in messages: a control character of a
// terminal must not get there as it is.
func TestStrictQuotes(t *testing.T) {
	const evil = "x\x1b[2J\"y"
	label := domain(svirt.Devices{})
	label.Label = svirt.Label{Type: "static", Profile: evil}
	kind := domain(svirt.Devices{HostDevices: []svirt.HostDevice{{Kind: evil}}})
	for name, d := range map[string]*svirt.Domain{"label": label, "kind": kind} {
		_, err := svirt.Derive(context.Background(), d, svirt.Options{FS: fixture.New(hostFiles)})
		if err == nil || strings.Contains(err.Error(), "\x1b") || !strings.Contains(err.Error(), strconv.Quote(evil)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestStrictRefusesAll checks that one error does not hide another.
func TestStrictRefusesAll(t *testing.T) {
	d := domain(svirt.Devices{Disks: []svirt.Disk{
		{ID: "vda", Image: svirt.Image{Path: "/etc/a"}},
		{ID: "vdb", Image: svirt.Image{Path: "/srv/ok"}},
		{ID: "vdc", Image: svirt.Image{Path: "rel"}},
	}})
	d.UUID = "x"
	_, err := svirt.Derive(context.Background(), d, svirt.Options{})
	want := "machine uuid \"x\": it is not 36 bytes long\n" +
		"disk vda: the path is restricted to the system (\"/etc/a\")\n" +
		"disk vdc: the path is not absolute (\"rel\")"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestStrictIdentity(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "a*", "a\nb", `a"`, `a\`, "a{b", "a[", "a?", "a^", strings.Repeat("a", 300)} {
		d := domain(svirt.Devices{})
		d.Name = name
		_, err := svirt.Derive(context.Background(), d, svirt.Options{})
		var ie *svirt.IdentityError
		if !errors.As(err, &ie) || ie.What != "name" {
			t.Errorf("name %q: got %v", name, err)
		}
	}
	for _, id := range []string{"", "6D8C1494-16D5-5675-9439-85DD7DFEC85D", "6d8c149416d55675943985dd7dfec85d", uuid + "x", "../../../../../../../../../../passwd", "6d8c1494-16d5-5675-9439-85dd7dfec85\n"} {
		if err := svirt.CheckUUID(id); err == nil {
			t.Errorf("uuid %q was accepted", id)
		}
		if _, err := svirt.ProfileName(id); err == nil {
			t.Errorf("uuid %q names a profile", id)
		}
	}
	if got, err := svirt.ProfileName(uuid); err != nil || got != "libvirt-"+uuid {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestStrict lists what devices are given.
func TestStrict(t *testing.T) {
	host := fixture.New(hostFiles)
	image := func(path, format string) svirt.Image { return svirt.Image{Path: path, Format: format} }
	one := 7
	tests := []struct {
		name   string
		domain *svirt.Domain
		want   string
	}{
		{"nothing", domain(svirt.Devices{}), ""},
		{"libvirt's own files", &svirt.Domain{UUID: uuid, Name: "a name that is much longer", Type: "kvm", ID: &one}, `
"/run/libvirt/qemu/a name that is much longer.pid" rwk, # domain machine
"/run/libvirt/qemu/qemu.tunnelmigrate.dest.a name that is much longer" rw, # domain machine
"/var/lib/libvirt/qemu/domain-7-a name that is much /master-key.aes" r, # domain machine
"/var/lib/libvirt/qemu/domain-7-a name that is much /monitor.sock" rw, # domain machine
"/var/log/libvirt/qemu/a name that is much longer.log" w, # domain machine
`},
		{"disks", domain(svirt.Devices{Disks: []svirt.Disk{
			{ID: "vdb", Image: image("/srv/new.img", "raw")},
			{ID: "vda", Image: image("/srv/other", "raw")},
			{ID: "sda", Image: svirt.Image{Type: svirt.ImageBlock, Path: "/dev/vg/lv", Format: "raw"}, ReadOnly: true},
			{ID: "sdb"},
			{ID: "sdc", Image: svirt.Image{Type: "network"}},
		}}), `
"/dev/dm-7" rk, # disk sda
"/srv/new.img" rwk, # disk vdb
"/srv/raw.img" rwk, # disk vda
`},
		{"a chain", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: image("/srv/top.qcow2", "qcow2")}}}), `
"/srv/base.qcow2" rk, # disk vda
"/srv/top.qcow2" rwk, # disk vda
`},
		{"a chain that is given", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/top.qcow2", Format: "qcow2", Backing: &svirt.Image{Path: "/srv/b"}}}}}), `
"/srv/b" rk, # disk vda
"/srv/top.qcow2" rwk, # disk vda
`},
		{"the end of a chain that is given", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/top.qcow2", Format: "qcow2", Complete: true}}}}), `
"/srv/top.qcow2" rwk, # disk vda
`},
		{"a chain in JSON", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: image("/srv/json.qcow2", "qcow2"), ReadOnly: true}}}), `
"/srv/base.qcow2" rk, # disk vda
"/srv/json.qcow2" rk, # disk vda
"/srv/top.qcow2" rk, # disk vda
`},
		{"unrecorded format", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: image("/srv/nofmt.qcow2", "qcow2")}}}), `
"/srv/base.qcow2" rk, # disk vda
"/srv/nofmt.qcow2" rwk, # disk vda
`},
		{"a chain that leaves the host", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: image("/srv/nbd.qcow2", "qcow2")}}}), `
"/srv/nbd.qcow2" rwk, # disk vda
`},
		{"a data file", domain(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/data.qcow2", Format: "qcow2", Data: &svirt.Image{Path: "/srv/raw.img"}}}}}), `
"/srv/data.qcow2" rwk, # disk vda
"/srv/raw.img" rwk, # disk vda
`},
		{"one image for two", domain(svirt.Devices{Disks: []svirt.Disk{
			{ID: "vda", Image: image("/srv/raw.img", "raw"), ReadOnly: true},
			{ID: "vdb", Image: image("/srv/raw.img", "raw")},
		}}), `
"/srv/raw.img" rwk, # disk vda rk, disk vdb
`},
		{"a directory as a disk", domain(svirt.Devices{Disks: []svirt.Disk{{Image: svirt.Image{Type: svirt.ImageDir, Path: "/srv/vm"}, ReadOnly: true}}}), `
"/srv/vm/" r, # disk 0
"/srv/vm/**" r, # disk 0
`},
		{"boot", &svirt.Domain{UUID: uuid, Name: "vm", LaunchSecurity: "sev", Type: "", Boot: svirt.Boot{
			Kernel: "/boot/k", Initrd: "/srv/i", Shim: "/srv/s", DTB: "/srv/d", ACPI: []string{"/srv/a", "/srv/b"}, FWCfg: []string{"/srv/f"},
			Loader: &svirt.Loader{Path: "/usr/share/OVMF/OVMF_CODE.fd", ReadOnly: true}, NVRAM: &svirt.Image{Path: "/srv/vars"}, VarStore: "/srv/store",
		}}, `
"/boot/k" r, # boot kernel
"/srv/a" r, # boot acpi
"/srv/b" r, # boot acpi
"/srv/d" r, # boot dtb
"/srv/f" r, # boot fw_cfg
"/srv/i" r, # boot initrd
"/srv/s" r, # boot shim
"/srv/store" rw, # boot varstore
"/srv/vars" rwk, # boot nvram
"/usr/share/OVMF/OVMF_CODE.fd" rk, # boot loader
`},
		{"chardevs", domain(svirt.Devices{
			Serials:   []svirt.Chardev{{Type: "pty", Path: "/dev/pts/4"}, {Type: "tcp"}, {Type: "file", Path: "/srv/log"}},
			Consoles:  []svirt.Chardev{{ID: "con", Type: "pipe", Path: "/srv/p"}},
			Parallels: []svirt.Chardev{{Type: "dev", Path: "/dev/parport0"}},
			Channels:  []svirt.Chardev{{Type: "unix", Path: "/var/run/libvirt/qemu/channel/3-vm/agent"}, {Type: "unix"}},
			Chardevs:  []svirt.Chardev{{ID: "a b,\n", Type: "unix", Path: "/srv/rng"}},
		}), `
"/dev/parport0" rw, # parallel 0
"/dev/pts/4" rw, # serial 0
"/run/libvirt/qemu/channel/3-vm/agent" rw, # channel 0
"/srv/log" w, # serial 2
"/srv/p.in" rw, # console con
"/srv/p.out" rw, # console con
"/srv/rng" rw, # chardev "a b,\n"
`},
		{"graphics", domain(svirt.Devices{Graphics: []svirt.Graphics{{Type: "spice", GL: true, Sockets: []string{"/srv/spice"}}}}), `
GL # graphics 0
"/dev/dri/renderD128" rw, # graphics 0
"/srv/spice" rw, # graphics 0
`},
		{"host devices", domain(svirt.Devices{HostDevices: []svirt.HostDevice{
			{ID: "nic", Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 1}},
			{Kind: svirt.HostUSB, USB: svirt.USBAddress{Bus: 1, Device: 4}},
			{Kind: svirt.HostSCSI, SCSI: &svirt.SCSIAddress{Host: 2, Target: 1, Unit: 3}},
		}}), `
"/dev/bus/usb/001/004" rw, # hostdev 1
"/dev/sg4" rwk, # hostdev 2
"/dev/vfio/12" rw, # hostdev nic
"/dev/vfio/vfio" rw, # hostdev nic
"/sys/devices/pci0000:00/0000:01:00.0/config" r, # hostdev nic
`},
		{"shares", domain(svirt.Devices{Filesystems: []svirt.Filesystem{{Source: "/srv/vm/"}, {Source: "/srv/new", ReadOnly: true}}}), `
"/srv/new/" r, # filesystem 1
"/srv/new/**" r, # filesystem 1
"/srv/vm/" r, # filesystem 0
rwl "/srv/vm/**" -> "/srv/vm/**", # filesystem 0
`},
		{"the rest", &svirt.Domain{UUID: uuid, Name: "vm", Devices: svirt.Devices{
			Inputs:     []svirt.Input{{Path: "/dev/input/event0"}},
			Nets:       []svirt.Net{{Socket: "/srv/vhu"}, {VHost: true}, {VHost: true}},
			Memory:     []svirt.Memory{{Model: "nvdimm", Path: "/srv/nv"}, {Model: "sgx-epc"}, {Model: "dimm"}},
			Shmem:      []svirt.Shmem{{Name: "a", Model: "ivshmem-plain"}, {Name: "b"}, {Name: "c", Server: "/srv/s"}},
			TPMs:       []svirt.TPM{{Backend: "passthrough", Path: "/dev/tpm0"}},
			Smartcards: []svirt.Smartcard{{Mode: "host"}, {Mode: "host-certificates", Database: "/srv/vm"}},
			PStores:    []svirt.PStore{{Path: "/srv/ps"}},
			Extra:      []svirt.PathGrant{{ID: "x", Path: "/srv/e", Perms: "rk"}, {Path: "/srv/t", Perms: "r", Recursive: true}},
		}}, `
"/dev/input/event0" rw, # input 0
"/dev/sgx_provision" r, # memory 1
"/dev/sgx_vepc" rw, # memory 1
"/dev/shm/a" rw, # shmem 0
"/dev/tpm0" rw, # tpm 0
"/dev/vhost-net" rw, # net 1, net 2
"/etc/pki/nssdb/" r, # smartcard 0
"/etc/pki/nssdb/*" rk, # smartcard 0
"/srv/e" rk, # extra x
"/srv/nv" rw, # memory 0
"/srv/ps" rw, # pstore 0
"/srv/s" rw, # shmem 2
"/srv/t/" r, # extra 1
"/srv/t/**" r, # extra 1
"/srv/vhu" rw, # net 0
"/srv/vm/" r, # smartcard 1
"/srv/vm/*" rk, # smartcard 1
"/var/lib/libvirt/shmem-b-sock" rw, # shmem 1
`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rules, err := svirt.Derive(context.Background(), test.domain, svirt.Options{FS: host, Backing: []string{"/srv"}, Live: true})
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			if test.want != "" {
				want = strings.TrimSpace(test.want) + "\n"
			}
			if diff := cmp.Diff(want, plainText(t, rules)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// glPaths are what every device has that renders with GL.
var glPaths = []string{
	`"/dev/dri/" r`, `"/dev/nvidiactl" rw`, `"/etc/drirc" r`, `"/etc/glvnd/egl_vendor.d/{,*}" r`, `"/proc/driver/nvidia/params" r`, `"/proc/modules" r`,
	`"/sys/devices/**/{config,device,revision,subsystem_device,subsystem_vendor,uevent,vendor}" r`, `"/usr/share/drirc.d/{,*}" r`,
	`"/usr/share/egl/egl_external_platform.d/{,*}" r`, `"/usr/share/glvnd/egl_vendor.d/{,*}" r`, `"/usr/share/libdrm/{,*}" r`,
	`"/{usr/,}lib/*-linux-gnu*/{dri,gbm}/*.so*" mr`, `"/{usr/,}lib{,32,64}/dri/*.so*" mr`,
}

// plainText returns the text of rules without indentation, and one line for
// what GL takes.
func plainText(t *testing.T, r *svirt.Rules) string {
	t.Helper()
	var b strings.Builder
	gl := map[string]int{}
	for line := range strings.Lines(string(r.AppendText(nil))) {
		line = strings.TrimLeft(line, " ")
		rule, owners, _ := strings.Cut(line, ", # ")
		if slices.Contains(glPaths, rule) {
			gl[owners]++
			continue
		}
		b.WriteString(line)
	}
	text := b.String()
	for owners, n := range gl {
		if n < len(glPaths)-1 { // a device may have one of them besides
			t.Errorf("%d of %d rules for GL of %s", n, len(glPaths), owners)
			continue
		}
		text = "GL # " + owners + text
	}
	return text
}

// TestStrictOptions checks what the options change.
func TestStrictOptions(t *testing.T) {
	host := fixture.New(hostFiles)
	text := func(d *svirt.Domain, o svirt.Options) string {
		t.Helper()
		rules, err := svirt.Derive(context.Background(), d, o)
		if err != nil {
			t.Fatal(err)
		}
		return string(rules.AppendText(nil))
	}
	top := disk("/srv/top.qcow2")
	top.Devices.Disks[0].Image.Format = "qcow2"
	if got, want := text(top, svirt.Options{FS: host, NoProbe: true}), "  \"/srv/top.qcow2\" rwk, # disk vda\n"; got != want {
		t.Errorf("without probing: got %q", got)
	}
	if _, err := svirt.Derive(context.Background(), top, svirt.Options{FS: host, Backing: []string{"/srv/vm", "/sr"}}); err == nil {
		t.Error("a backing file was taken from outside of the directories for them")
	}
	text(top, svirt.Options{FS: host, Backing: []string{"/srv"}, Live: true})
	if got, want := text(disk("/srv/a*\"\n@{X}\\"), svirt.Options{EscapeSpecial: true}), `  "/srv/a\*\"\012@\{X\}\\" rwk, # disk vda`+"\n"; got != want {
		t.Errorf("escaped: got %q, want %q", got, want)
	}
	if got, want := text(disk("/srv/other"), svirt.Options{}), "  \"/srv/other\" rwk, # disk vda\n"; got != want {
		t.Errorf("without a file system: got %q, want %q", got, want)
	}
	for _, path := range []string{"/srv//a", "/srv/./a", "/srv/a/.", "/srv/../a", "/srv/..", "/srv/", "/"} {
		if _, err := svirt.Derive(context.Background(), disk(path), svirt.Options{}); err == nil {
			t.Errorf("without a file system: %q was accepted", path)
		}
	}
	for _, path := range []string{"/srv/.a", "/srv/..a", "/srv/a..", "/.../a"} {
		text(disk(path), svirt.Options{})
	}
}

// TestRulesFile checks that there is one rule for a path, with what all of its
// devices need.
func TestRulesFile(t *testing.T) {
	d := domain(svirt.Devices{Disks: []svirt.Disk{
		{ID: "b", Image: svirt.Image{Path: "/srv/x"}},
		{ID: "a", Image: svirt.Image{Path: "/srv/x"}, ReadOnly: true},
		{ID: "c", Image: svirt.Image{Path: "/srv/a"}, ReadOnly: true},
	}})
	rules, err := svirt.Derive(context.Background(), d, svirt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := rules.File(context.Background(), "libvirt/x.files")
	if err != nil {
		t.Fatal(err)
	}
	want := []ast.Stmt{
		&ast.FileRule{Path: "/srv/a", Perms: ast.FileRead | ast.FileLock},
		&ast.FileRule{Path: "/srv/x", Perms: ast.FileRead | ast.FileWrite | ast.FileLock},
	}
	if diff := cmp.Diff(want, file.Stmts); diff != "" || file.Name != "libvirt/x.files" {
		t.Errorf("%s: %s", file.Name, diff)
	}
}

// manyDisks returns a machine with n raw disks, in no order.
func manyDisks(n int) *svirt.Domain {
	d := domain(svirt.Devices{})
	for _, i := range rand.New(rand.NewSource(1)).Perm(n) {
		d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{
			ID: fmt.Sprintf("disk%03d", i), Image: svirt.Image{Path: fmt.Sprintf("/var/lib/images/vm-%03d/root.img", i), Format: "raw"},
		})
	}
	return d
}

func BenchmarkDerive(b *testing.B) {
	for _, n := range []int{1, 8, 500} {
		d := manyDisks(n)
		b.Run(fmt.Sprintf("disks=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svirt.Derive(context.Background(), d, svirt.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestAllocations checks that a path costs no memory of its own.
func TestAllocations(t *testing.T) {
	derive := func(n int) float64 {
		d := manyDisks(n)
		return testing.AllocsPerRun(20, func() {
			if _, err := svirt.Derive(context.Background(), d, svirt.Options{}); err != nil {
				t.Fatal(err)
			}
		})
	}
	if few, many := derive(8), derive(500); many > few {
		t.Errorf("8 disks take %v allocations, 500 take %v", few, many)
	}
	rules := derived(t, manyDisks(500), svirt.Options{})
	text := rules.AppendFile(nil)
	if n := testing.AllocsPerRun(20, func() {
		text = rules.AppendFile(text[:0])
	}); n != 0 {
		t.Errorf("writing into buffers takes %v allocations", n)
	}
}

func BenchmarkAppendText(b *testing.B) {
	rules, err := svirt.Derive(context.Background(), manyDisks(500), svirt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		buf = rules.AppendFile(buf[:0])
	}
}
