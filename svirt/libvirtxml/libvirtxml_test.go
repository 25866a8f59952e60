// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

const uuid = "6d8c1494-16d5-5675-9439-85dd7dfec85d"

// document returns a domain with the given devices.
func document(devices string) string {
	return `<?xml version="1.0"?>
<domain type='kvm' id='4' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name>
  <uuid>` + uuid + `</uuid>
  <memory>1024</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>` + devices + `</devices>
  <qemu:commandline><qemu:arg value='-x'/></qemu:commandline>
</domain>`
}

func TestParse(t *testing.T) {
	got, err := libvirtxml.Parse([]byte(document(`
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/srv/&lt;a&gt;.qcow2'/>
      <backingStore type='block'><format type='raw'/><source dev='/dev/vg/base'/><backingStore/></backingStore>
      <target dev='vdb' bus='virtio'/>
    </disk>
    <disk type='file' device='cdrom'><source file='/srv/cd.iso'/><target dev='sda' bus='sata'/></disk>
    <disk type='network' device='disk'><source protocol='nbd' name='x'/><target dev='vda' bus='virtio'/></disk>
    <serial type='pty'><source path='/dev/pts/3'/></serial>
    <console type='pty'><source path='/dev/pts/3'/><target type='serial'/></console>
    <channel type='unix'><source mode='bind' path='/run/agent'/><target type='virtio'/><alias name='channel0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/hwrng</backend><alias name='rng0'/></rng>
    <redirdev bus='usb' type='spicevmc'/>
    <graphics type='vnc' socket='/run/vnc'/>
    <hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host2'/><address bus='0' target='1' unit='3'/></source></hostdev>
    <hostdev mode='subsystem' type='pci'><source><address domain='0' bus='0x6' slot='18' function='05'/></source><alias name='ua-nic'/></hostdev>
    <filesystem type='mount'><source dir='/srv/share'/><target dir='t'/><readonly/></filesystem>
    <filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/other'/><target dir='u'/></filesystem>
    <interface type='network'><source network='default'/><model type='virtio'/></interface>
    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
    <qemu:disk><source file='/srv/no'/></qemu:disk>
`)))
	if err != nil {
		t.Fatal(err)
	}
	want := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Devices: svirt.Devices{
		Disks: []svirt.Disk{
			{ID: "vda", Image: svirt.Image{Type: "network", Protocol: "nbd"}},
			{ID: "vdb", Image: svirt.Image{Type: "file", Path: "/srv/<a>.qcow2", Format: "qcow2",
				Backing: &svirt.Image{Type: "block", Path: "/dev/vg/base", Format: "raw", Complete: true}}},
			{ID: "sda", Image: svirt.Image{Type: "file", Path: "/srv/cd.iso"}, ReadOnly: true},
		},
		Serials:  []svirt.Chardev{{Type: "pty", Path: "/dev/pts/3"}},
		Consoles: []svirt.Chardev{{Type: "pty", Path: "/dev/pts/3"}},
		Channels: []svirt.Chardev{{ID: "channel0", Type: "unix", Path: "/run/agent"}},
		Chardevs: []svirt.Chardev{{Type: "spicevmc"}, {ID: "rng0", Type: "dev", Path: "/dev/hwrng"}},
		Graphics: []svirt.Graphics{{Type: "vnc", Sockets: []string{"/run/vnc"}}},
		HostDevices: []svirt.HostDevice{
			{Kind: "scsi", SCSI: &svirt.SCSIAddress{Host: 2, Target: 1, Unit: 3}},
			{ID: "ua-nic", Kind: "pci", PCI: svirt.PCIAddress{Bus: 6, Slot: 18, Function: 5}},
		},
		Filesystems: []svirt.Filesystem{{Source: "/srv/share", ReadOnly: true}, {Source: "/srv/other", Driver: "virtiofs"}},
		Nets:        []svirt.Net{{VHost: true}},
		TPMs:        []svirt.TPM{{Backend: "emulator", Version: "2.0"}},
	}}
	// Disks come by bus: the order is that of the first disk of each.
	want.Devices.Disks = []svirt.Disk{want.Devices.Disks[0], want.Devices.Disks[1], want.Devices.Disks[2]}
	want.CommandLine.Args = []string{"-x"}
	want.Warnings = []svirt.Warning{{
		Device: svirt.Device{Kind: svirt.DeviceDomain, ID: "machine"}, Code: svirt.WarnUnread, Path: "/srv/no",
		Text: "nothing is known of domain/devices/disk/source/@file", Add: "if the machine opens it, add it to Devices.Extra",
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestParseLive reads the number of a machine, which only libvirtd gives.
func TestParseLive(t *testing.T) {
	for number, want := range map[string]string{" id='4'": "4", " id=' 12 '": "12", " id='-1'": "", " id='x'": "", "": ""} {
		text := []byte(strings.Replace(document(""), " id='4'", number, 1))
		plain, err := libvirtxml.Parse(text)
		if err != nil || plain.ID != nil {
			t.Errorf("%q: number %v, %v", number, plain, err)
		}
		live, err := libvirtxml.ParseLive(text)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if live.ID != nil {
			got = strconv.Itoa(*live.ID)
		}
		live.ID = nil
		if got != want || cmp.Diff(plain, live) != "" {
			t.Errorf("%q: live number %s, want %s", number, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	replace := func(from, to string) string { return strings.Replace(document(""), from, to, 1) }
	tests := []struct {
		name, text string
		kind       libvirtxml.ErrorKind
	}{
		{"nothing", "", libvirtxml.Malformed},
		{"text", "domain", libvirtxml.Malformed},
		{"unclosed", "<domain>", libvirtxml.Malformed},
		{"two roots", "<domain/><domain/>", libvirtxml.Malformed},
		{"attribute twice", "<domain type='a' type='b'/>", libvirtxml.Malformed},
		{"entity", replace("<name>vm", "<name>&x;"), libvirtxml.Malformed},
		{"entity of a document type", "<!DOCTYPE d [<!ENTITY x 'y'>]>" + strings.TrimPrefix(replace("<name>vm", "<name>&x;"), `<?xml version="1.0"?>`), libvirtxml.Malformed},
		{"encoding", replace(`version="1.0"`, `version="1.0" encoding="EBCDIC"`), libvirtxml.Malformed},
		{"invalid UTF-8", replace("<name>vm", "<name>\xff"), libvirtxml.Malformed},
		{"NUL", document("") + "\x00", libvirtxml.Malformed},
		{"another root", "<network/>", libvirtxml.Invalid},
		{"no type", replace(" type='kvm'", ""), libvirtxml.Missing},
		{"no name", replace("<name>vm</name>", ""), libvirtxml.Missing},
		{"no uuid", replace("<uuid>"+uuid+"</uuid>", ""), libvirtxml.Missing},
		{"an empty uuid", replace(uuid, ""), libvirtxml.Missing},
		{"a document type", "<!DOCTYPE domain>" + strings.TrimPrefix(document(""), `<?xml version="1.0"?>`), libvirtxml.Malformed},
		{"an unknown kind of character device", document("<serial type='pigeon'><source path='/a'/></serial>"), libvirtxml.Invalid},
		{"an unknown kind of display", document("<graphics type='pigeon'/>"), libvirtxml.Invalid},
		{"an unknown kind of host device", document("<hostdev mode='subsystem' type='pigeon'/>"), libvirtxml.Invalid},
		{"an unknown TPM", document("<tpm><backend type='pigeon'/></tpm>"), libvirtxml.Invalid},
		{"no OS", replace("<os><type arch='x86_64'>hvm</type></os>", ""), libvirtxml.Missing},
		{"unknown OS", replace("hvm", "hvm2"), libvirtxml.Invalid},
		{"deep in another namespace", document(strings.Repeat("<qemu:a>", 1000) + strings.Repeat("</qemu:a>", 1000)), libvirtxml.TooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := libvirtxml.Parse([]byte(test.text))
			var xe *libvirtxml.Error
			if !errors.As(err, &xe) || xe.Kind != test.kind || d != nil {
				t.Errorf("got %v, %v, want %s", d, err, test.kind)
			}
		})
	}
	for _, bad := range []string{" ", "x", uuid + "0", uuid[:35], "6d8c1-49416d5567-5943985dd7dfec85d", uuid + "-"} {
		_, err := libvirtxml.Parse([]byte(replace(uuid, bad)))
		var ie *svirt.IdentityError
		if !errors.As(err, &ie) {
			t.Errorf("uuid %q: %v", bad, err)
		}
	}
	for _, good := range []string{strings.ToUpper(uuid), strings.ReplaceAll(uuid, "-", ""), "\n " + uuid + " "} {
		if d, err := libvirtxml.Parse([]byte(replace(uuid, good))); err != nil || d.UUID != uuid {
			t.Errorf("uuid %q: %v", good, err)
		}
	}
	if d, err := libvirtxml.Parse([]byte("\xef\xbb\xbf" + document(""))); err != nil || d.Name != "vm" {
		t.Errorf("with a mark of the byte order: %v", err)
	}
	latin := replace(`version="1.0"`, `version="1.0" encoding="ISO-8859-1"`)
	if d, err := libvirtxml.Parse([]byte(strings.Replace(latin, "<name>vm", "<name>\xe9", 1))); err != nil || d.Name != "é" {
		t.Errorf("in latin-1: %v", err)
	}
}

// TestCorpusStrict derives every domain of the corpus under the strict policy.
// What it grants stays clear of what is the system's, and comes back from its
// text.
func TestCorpusStrict(t *testing.T) {
	host := fixture.Host(t, "12.8")
	taken, refused, absent := 0, 0, 0
	for name, file := range testenv.CorpusFS(t, "libvirt_domains.tar.gz") {
		if !strings.HasSuffix(name, ".xml") {
			continue
		}
		d, err := libvirtxml.Parse(file.Data)
		if err != nil {
			continue
		}
		rules, err := svirt.Derive(context.Background(), d, svirt.Options{FS: host})
		if err != nil {
			var pe *svirt.PathError
			var ie *svirt.IdentityError
			if !errors.As(err, &pe) && !errors.As(err, &ie) {
				t.Errorf("%s: the error has no type: %v", name, err)
			}
			if pe != nil && pe.Reason == svirt.ReasonNoDevice {
				// The made-up host has few block devices, and what is not there
				// has no type that could be checked.
				absent++
			}
			refused++
			continue
		}
		taken++
		for _, r := range rules.List() {
			if r.Device.Kind == svirt.DeviceEmulator || r.Device.Kind == svirt.DeviceAudio {
				continue // they have files of the system to read, by patterns
			}
			if r.Device.Kind == svirt.DeviceGraphics && r.Perms&(ast.FileWrite|ast.FileAppend) == 0 {
				continue // so has GL
			}
			if r.Path == "/dev/pts/[0-9]*" {
				continue // a terminal that the VMM makes itself
			}
			path := strings.TrimSuffix(strings.TrimSuffix(string(r.Path), "*"), "*")
			if text, ok := svirtLiteral(path); !ok {
				t.Errorf("%s: %q is not a literal", name, text)
			}
			for _, dir := range []string{"/etc/", "/proc/", "/bin/", "/lib"} {
				if strings.HasPrefix(path, dir) && !strings.HasPrefix(path, "/etc/pki/nssdb/") {
					t.Errorf("%s: %s is granted %q", name, r.Device, r.Path)
				}
			}
			if r.Deny {
				t.Errorf("%s: a rule denies", name)
			}
		}
	}
	t.Logf("%d taken, %d refused, %d of these for a device that the host lacks", taken, refused, absent)
	if taken < 1200 || taken+absent < 1500 {
		t.Errorf("only %d domains are taken, and %d lack a device", taken, absent)
	}
}

// svirtLiteral reports whether a path has nothing live in it.
func svirtLiteral(path string) (string, bool) {
	return path, !strings.ContainsAny(path, "*?[]{}")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(document("<disk type='file'><source file='/srv/a'/></disk>")))
	f.Add([]byte(document("<hostdev type='usb'><source><address bus='1' device='2'/></source></hostdev><console/><serial/>")))
	f.Add([]byte("<domain type='lxc'><name>a</name></domain>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := libvirtxml.ParseLive(data)
		if (d == nil) == (err == nil) {
			t.Fatalf("got %v and %v", d, err)
		}
		if err != nil {
			return
		}
		for _, p := range []svirt.Method{svirt.Strict, svirt.Compat90, svirt.Compat128} {
			rules, err := svirt.Derive(context.Background(), d, svirt.Options{Method: p, Live: true})
			if (rules == nil) == (err == nil) {
				t.Fatalf("%v: got %v and %v", p, rules, err)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1, 500} {
		var disks strings.Builder
		for i := range n {
			fmt.Fprintf(&disks, "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/srv/images/%d.img'/><target dev='vd%c%c' bus='virtio'/></disk>\n", i, 'a'+i/26, 'a'+i%26)
		}
		text := []byte(document(disks.String()))
		b.Run(fmt.Sprintf("disks=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := libvirtxml.Parse(text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
