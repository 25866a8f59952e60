// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtxml_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"
	libvirt "libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// machine is a document with what is in it and around it.
type machine struct {
	typ, name, os, rest, devices string
}

func (m machine) String() string {
	os := cmp.Or(m.os, "<type arch='x86_64' machine='q35'>hvm</type>")
	return fmt.Sprintf("<domain type='%s' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>%s</name><uuid>%s</uuid><memory unit='MiB'>512</memory>%s<os>%s</os><devices>%s</devices></domain>",
		cmp.Or(m.typ, "kvm"), escape(cmp.Or(m.name, "vm1")), uuid, m.rest, os, m.devices)
}

// TestMachines derives machines that people have, strictly: each is granted
// what its VMM opens, or the reason is said.
func TestMachines(t *testing.T) {
	const run = "/var/lib/libvirt/qemu/domain-1-vm1/"
	host := fstest.MapFS{
		"opt/qemu/bin/qemu-system-x86_64":                 {Mode: 0o755},
		"usr/local/bin/qemu-system-x86_64":                {Mode: 0o755},
		"nix/store/abc-qemu/bin/qemu-kvm":                 {Mode: 0o755},
		"run/libvirt/nix-emulators/qemu-kvm":              {Mode: fs.ModeSymlink | 0o777, Data: []byte("/nix/store/abc-qemu/bin/qemu-kvm")},
		"dev/vg/disk":                                     {Mode: fs.ModeDevice | 0o600},
		"usr/share/virtio-win/virtio-win.iso":             {},
		"usr/share/ovmf/OVMF.fd":                          {},
		"usr/share/seabios/bios.bin":                      {},
		"srv/vm/Win 11 (x64) [v2], final#1.img":           {},
		"srv/share/a":                                     {},
		"dev/input/event3":                                {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/snd/pcmC0D0c":                                {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/snd/controlC0":                               {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/dsp0":                                        {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/vfio/7":                                      {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"sys/devices/pci0000:00/0000:01:00.0/config":      {},
		"sys/devices/pci0000:00/0000:01:00.0/iommu_group": {Mode: fs.ModeSymlink | 0o777, Data: []byte("../../../kernel/iommu_groups/7")},
		"sys/kernel/iommu_groups/7/type":                  {},
		"sys/bus/pci/devices/0000:01:00.0":                {Mode: fs.ModeSymlink | 0o777, Data: []byte("../../../devices/pci0000:00/0000:01:00.0")},
	}
	for _, tt := range []struct {
		name    string
		machine machine
		options svirt.Options
		// granted are rules as PATH PERMS, of those that there must be.
		granted []string
		warned  svirt.WarningCode
		refused svirt.Reason
	}{
		{name: "huge pages", machine: machine{rest: "<memoryBacking><hugepages/></memoryBacking>"},
			granted: []string{"/dev/hugepages/libvirt/qemu/1-vm1/ r", "/dev/hugepages/libvirt/qemu/1-vm1/** rw"}},
		{name: "huge pages of a size", machine: machine{rest: "<memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>"},
			granted: []string{"/dev/hugepages1G/libvirt/qemu/1-vm1/** rw"}, warned: svirt.WarnAssumed},
		{name: "memory in a file", machine: machine{rest: "<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>"},
			granted: []string{"/var/lib/libvirt/qemu/ram/1-vm1/** rw"}},
		{name: "shared memory", machine: machine{rest: "<memoryBacking><access mode='shared'/></memoryBacking>"},
			granted: []string{"/var/lib/libvirt/qemu/ram/1-vm1/** rw"}},
		{name: "a cell of shared memory", machine: machine{rest: "<cpu><numa><cell id='0' memory='1' memAccess='shared'/></numa></cpu>"},
			granted: []string{"/var/lib/libvirt/qemu/ram/1-vm1/** rw"}},
		{name: "memfd", machine: machine{rest: "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"}},

		{name: "virtiofs with an alias", machine: machine{devices: "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/share'/><target dir='t'/><alias name='fs0'/></filesystem>"},
			granted: []string{run + "fs0-fs.sock rw"}},
		{name: "virtiofs", machine: machine{devices: "<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/share'/><target dir='t'/></filesystem>"},
			granted: []string{run + "fs0-fs.sock rw"}},
		{name: "virtiofs by a socket", machine: machine{devices: "<filesystem type='mount'><driver type='virtiofs'/><source socket='/srv/run/fs.sock'/><target dir='t'/></filesystem>"},
			granted: []string{"/srv/run/fs.sock rw"}},
		{name: "reservations", machine: machine{devices: "<disk type='block' device='lun'><source dev='/dev/vg/disk'><reservations managed='yes'/></source><target dev='sda'/></disk>"},
			granted: []string{run + "pr-helper0.sock rw"}},
		{name: "reservations by a socket", machine: machine{devices: "<disk type='block' device='lun'><source dev='/dev/vg/disk'><reservations managed='no'><source type='unix' path='/srv/run/pr.sock' mode='client'/></reservations></source><target dev='sda'/></disk>"},
			granted: []string{"/srv/run/pr.sock rw"}},
		{name: "vhost-user disk", machine: machine{devices: "<disk type='vhostuser'><source type='unix' path='/var/tmp/vhost.0'/><target dev='vda'/></disk>"},
			granted: []string{"/var/tmp/vhost.0 rw"}},
		{name: "NBD at a socket", machine: machine{devices: "<disk type='network'><source protocol='nbd' name='x'><host transport='unix' socket='/srv/run/nbd'/></source><target dev='vda'/></disk>"},
			granted: []string{"/srv/run/nbd rw"}},
		{name: "NVMe", machine: machine{devices: "<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' function='0'/></source><target dev='vda'/></disk>"},
			granted: []string{"/dev/vfio/7 rw", "/dev/vfio/vfio rw"}},
		{name: "a volume", machine: machine{devices: "<disk type='volume'><driver type='qcow2'/><source pool='p' volume='v'/><target dev='vda'/></disk>"}, refused: svirt.ReasonVolume},
		{name: "a volume with its file", machine: machine{devices: "<disk type='volume'><source pool='p' volume='v' actualType='file' file='/srv/vm/v'/><target dev='vda'/></disk>"},
			granted: []string{"/srv/vm/v rwk"}},
		{name: "sound by PulseAudio", machine: machine{devices: "<audio id='1' type='pulseaudio' serverName='/run/user/1000/pulse/native'/>"}, options: svirt.Options{Roots: svirt.Roots{Sockets: []string{"/run/user/1000/pulse"}}},
			granted: []string{"/run/user/1000/pulse/native rw"}},
		{name: "sound by PipeWire", machine: machine{devices: "<audio id='1' type='pipewire' runtimeDir='/srv/run'><input name='q'/></audio>"}, granted: []string{"/srv/run/pipewire-0 rw"}},
		{name: "sound by ALSA", machine: machine{devices: "<audio id='1' type='alsa'><input dev='/dev/snd/pcmC0D0c'/></audio>"}, granted: []string{"/dev/snd/pcmC0D0c rw", "/dev/snd/controlC0 rw"}},
		{name: "sound by OSS", machine: machine{devices: "<audio id='1' type='oss'><output dev='/dev/dsp0'/></audio>"}, granted: []string{"/dev/dsp0 rw"}},
		{name: "sound to a file", machine: machine{devices: "<audio id='1' type='file' path='/srv/vm/a.wav'/>"}, granted: []string{"/srv/vm/a.wav rw"}},
		{name: "sound by JACK", machine: machine{devices: "<audio id='1' type='jack'/>"}, warned: svirt.WarnUnknown},
		{name: "a log of a port", machine: machine{devices: "<serial type='pty'><log file='/srv/log/serial.log'/></serial>"}, granted: []string{"/srv/log/serial.log w"}},
		{name: "state of a TPM", machine: machine{devices: "<tpm><backend type='emulator' version='2.0'><source type='dir' path='/srv/tpm/vm1'/></backend></tpm>"}, granted: []string{"/srv/tpm/vm1/** rwk"}},
		{name: "TDX", machine: machine{rest: "<launchSecurity type='tdx'><policy>0x10000000</policy><quoteGenerationService path='/var/run/tdx-qgs/qgs.socket'/></launchSecurity>"},
			granted: []string{"/var/run/tdx-qgs/qgs.socket rw"}},
		{name: "a bus", machine: machine{devices: "<graphics type='dbus' address='unix:path=/srv/run/bus'/>"}, granted: []string{"/srv/run/bus rw"}, warned: svirt.WarnRule},
		{name: "passt", machine: machine{devices: "<interface type='user'><backend type='passt' logFile='/srv/log/passt.log'/></interface>"}, granted: []string{"/run/libvirt/qemu/passt/1-vm1-net0.socket rw"}},
		{name: "an argument", machine: machine{rest: "<qemu:commandline><qemu:arg value='-fw_cfg'/><qemu:arg value='name=opt/x,file=/srv/vm/ign'/></qemu:commandline>"}, granted: []string{"/srv/vm/ign r"}},
		{name: "an unknown argument", machine: machine{rest: "<qemu:commandline><qemu:arg value='-pigeon'/><qemu:arg value='/srv/vm/x'/></qemu:commandline>"}, warned: svirt.WarnArgument},

		{name: "ROM of an interface", machine: machine{devices: "<interface type='network'><source network='default'/><rom file='/srv/roms/x.rom'/></interface>"}, granted: []string{"/srv/roms/x.rom r"}},
		{name: "ROM of a host device", machine: machine{devices: "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source><rom file='/srv/roms/gpu.rom'/></hostdev>"}, granted: []string{"/srv/roms/gpu.rom r"}},

		{name: "emulator in /opt", machine: machine{devices: "<emulator>/opt/qemu/bin/qemu-system-x86_64</emulator>"}, granted: []string{"/opt/qemu/bin/qemu-system-x86_64 mrix"}},
		{name: "emulator in /usr/local", machine: machine{devices: "<emulator>/usr/local/bin/qemu-system-x86_64</emulator>"}, granted: []string{"/usr/local/bin/qemu-system-x86_64 mrix"}},
		{name: "emulator of Nix", machine: machine{devices: "<emulator>/run/libvirt/nix-emulators/qemu-kvm</emulator>"}, granted: []string{"/nix/store/abc-qemu/bin/qemu-kvm mrix"}},

		{name: "a loader", machine: machine{os: "<type>hvm</type><loader>/usr/share/ovmf/OVMF.fd</loader>"}, granted: []string{"/usr/share/ovmf/OVMF.fd rk"}},
		{name: "a ROM as loader", machine: machine{os: "<type>hvm</type><loader type='rom'>/usr/share/seabios/bios.bin</loader>"}, granted: []string{"/usr/share/seabios/bios.bin rk"}},
		{name: "a loader elsewhere", machine: machine{os: "<type>hvm</type><loader>/srv/fw/x.fd</loader>"}, granted: []string{"/srv/fw/x.fd rk"}},
		{name: "writable flash", machine: machine{os: "<type>hvm</type><loader type='pflash' readonly='no'>/srv/fw/x.fd</loader>"}, granted: []string{"/srv/fw/x.fd rwk"}},
		{name: "flash in a read-only directory", machine: machine{os: "<type>hvm</type><loader type='pflash'>/usr/share/ovmf/OVMF.fd</loader>"}, granted: []string{"/usr/share/ovmf/OVMF.fd rk"}, warned: svirt.WarnReadOnly},

		{name: "a name with brackets", machine: machine{name: "[prod] web"}, options: svirt.Options{EscapeSpecial: true}, granted: []string{`/run/libvirt/qemu/\[prod\] web.pid rwk`}},
		{name: "a name with a comma and braces", machine: machine{name: "{a,b}"}, options: svirt.Options{EscapeSpecial: true}, granted: []string{`/run/libvirt/qemu/\{a\,b\}.pid rwk`}},
		{name: "an image with brackets", machine: machine{devices: "<disk type='file'><source file='/srv/vm/Win 11 (x64) [v2], final#1.img'/><target dev='vda'/></disk>"}, options: svirt.Options{EscapeSpecial: true},
			granted: []string{`/srv/vm/Win 11 (x64) \[v2\]\, final#1.img rwk`}},
		{name: "an image with brackets, not escaped", machine: machine{devices: "<disk type='file'><source file='/srv/vm/[v2]'/><target dev='vda'/></disk>"}, refused: svirt.ReasonGlob},

		{name: "drivers for Windows", machine: machine{devices: "<disk type='file' device='cdrom'><source file='/usr/share/virtio-win/virtio-win.iso'/><target dev='sdb'/></disk>"}, granted: []string{"/usr/share/virtio-win/virtio-win.iso rk"}},
		{name: "a missing optional device", machine: machine{devices: "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x0951'/><product id='0x1666'/></source></hostdev>"}, warned: svirt.WarnAbsent},
		{name: "a missing mandatory device", machine: machine{devices: "<hostdev mode='subsystem' type='usb'><source><vendor id='0x0951'/><product id='0x1666'/></source></hostdev>"}, refused: svirt.ReasonNoDevice},
		{name: "a missing optional disc", machine: machine{devices: "<disk type='file' device='cdrom'><source file='/srv/none.iso' startupPolicy='optional'/><target dev='sda'/></disk>"}, granted: []string{"/srv/none.iso rk"}},
		{name: "a container", machine: machine{typ: "lxc", os: "<type>exe</type>", devices: "<hostdev mode='capabilities' type='misc'><source><char>/dev/input/event3</char></source></hostdev><hostdev mode='capabilities' type='net'><source><interface>eth1</interface></source></hostdev>" +
			"<filesystem type='file'><source file='/srv/c1.img'/><target dir='/d'/></filesystem><console type='pty'/>"}, granted: []string{"/dev/input/event3 rw"}},
		{name: "a display with GL", machine: machine{devices: "<graphics type='spice'><listen type='none'/><gl enable='yes' rendernode='/dev/dri/renderD128'/></graphics>"}, granted: []string{"/dev/dri/renderD128 rw"}},
		{name: "confined by nothing", machine: machine{rest: "<seclabel type='none'/>"}, refused: svirt.ReasonLabel},
		{name: "confined in another way", machine: machine{rest: "<seclabel type='static' model='apparmor'><label>other</label></seclabel>"}, refused: svirt.ReasonLabel},
		{name: "confined by the driver", machine: machine{rest: "<seclabel type='dynamic' model='apparmor' relabel='yes'><label>libvirt-x</label></seclabel><seclabel type='none' model='dac'/>"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := libvirtxml.ParseLive([]byte(tt.machine.String()))
			if err != nil {
				t.Fatal(err)
			}
			o := tt.options
			o.FS, o.Live = fixture.New(host), true
			rules, err := svirt.Derive(context.Background(), d, o)
			if tt.refused != "" {
				var pe *svirt.PathError
				if !errors.As(err, &pe) || pe.Reason != tt.refused {
					t.Errorf("error %v, want one of %q", err, tt.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := string(rules.AppendText(nil))
			for _, want := range tt.granted {
				at := strings.LastIndexByte(want, ' ')
				if !strings.Contains(text, `"`+want[:at]+`" `+want[at+1:]+",") {
					t.Errorf("no rule %s in\n%s", want, text)
				}
			}
			codes := map[svirt.WarningCode]bool{}
			for _, w := range rules.Warnings() {
				codes[w.Code] = true
			}
			if tt.warned == "" && len(codes) > 0 || tt.warned != "" && !codes[tt.warned] {
				t.Errorf("warnings %v, want %q", rules.Warnings(), tt.warned)
			}
		})
	}
}

// TestFromDomain converts what the library itself reads of libvirt's documents:
// the machine is the one of Parse, but for what the library drops.
func TestFromDomain(t *testing.T) {
	same, dropped, other := 0, 0, 0
	for _, c := range sample(upstreamDomains(t), 400) {
		want, err := libvirtxml.Parse([]byte(c.xml))
		if err != nil {
			continue
		}
		var from libvirt.Domain
		if err := from.Unmarshal(c.xml); err != nil {
			other++
			continue
		}
		got, err := libvirtxml.FromDomain(&from)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(want.Warnings) > 0 {
			dropped++
			want.Warnings = nil
		}
		got.Warnings = nil
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
			continue
		}
		same++
	}
	t.Logf("%d the same, of %d of which something is dropped; %d are refused by the library", same, dropped, other)
	if same < 300 {
		t.Errorf("only %d are the same", same)
	}
}

// TestUpstreamStrict derives all domains of libvirt's own tests, and counts
// which are clean, which warn and which are refused, and why. The counts are those
// of a golden file, so that a domain that derives otherwise is noticed.
func TestUpstreamStrict(t *testing.T) {
	domains := upstreamDomains(t)
	type row struct{ clean, warn int }
	var total row
	invalid, refused := map[string]int{}, map[string]int{}
	warned := map[svirt.WarningCode]int{}
	for _, c := range domains {
		d, err := libvirtxml.ParseLive([]byte(c.xml))
		if err != nil {
			var e *libvirtxml.Error
			var ie *svirt.IdentityError
			switch {
			case errors.As(err, &e):
				invalid[string(e.Kind)]++
			case errors.As(err, &ie):
				invalid[ie.What]++
			default:
				t.Errorf("%s: the error has no type: %v", c.name, err)
			}
			continue
		}
		rules, err := svirt.Derive(context.Background(), d, svirt.Options{Live: true, EscapeSpecial: true})
		if err != nil {
			reasons := map[string]bool{}
			for _, e := range unjoin(err) {
				var pe *svirt.PathError
				var ie *svirt.IdentityError
				switch {
				case errors.As(e, &pe):
					reasons[string(pe.Reason)] = true
				case errors.As(e, &ie):
					reasons[ie.Reason] = true
				default:
					t.Errorf("%s: the error has no type: %v", c.name, e)
				}
			}
			for reason := range reasons {
				refused[reason]++
			}
			refused["any"]++
			continue
		}
		codes := map[svirt.WarningCode]bool{}
		for _, w := range rules.Warnings() {
			codes[w.Code] = true
			if w.Text == "" || w.Add == "" {
				t.Errorf("%s: a warning does not say what to do: %+v", c.name, w)
			}
		}
		for code := range codes {
			warned[code]++
		}
		if len(codes) == 0 {
			total.clean++
		} else {
			total.warn++
		}
	}
	var table strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&table, "| "+format+" |\n", args...) }
	line("domains | %d", len(domains))
	line("clean | %d", total.clean)
	line("with warnings | %d", total.warn)
	for _, code := range slices.Sorted(maps.Keys(warned)) {
		line("warned: %s | %d", code, warned[code])
	}
	line("refused by Derive | %d", refused["any"])
	delete(refused, "any")
	for _, reason := range slices.Sorted(maps.Keys(refused)) {
		line("refused: %s | %d", reason, refused[reason])
	}
	for _, kind := range slices.Sorted(maps.Keys(invalid)) {
		line("not read: %s | %d", kind, invalid[kind])
	}
	golden := filepath.Join("testdata", "upstream.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(strings.Split(string(want), "\n"), strings.Split(table.String(), "\n")); diff != "" {
		t.Errorf("libvirt's test domains derive otherwise than %s says; UPDATE_GOLDEN=1 writes it (-want +got):\n%s", golden, diff)
	}
	if total.clean < len(domains)/2 {
		t.Errorf("only %d of %d domains are clean", total.clean, len(domains))
	}
}

// unjoin returns the errors that were joined.
func unjoin(err error) []error {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		return list.Unwrap()
	}
	return []error{err}
}
