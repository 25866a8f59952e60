// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

const (
	modeChar   = fs.ModeDevice | fs.ModeCharDevice
	modeSocket = fs.ModeSocket
)

// deviceHost is a host with a device of each kind.
var deviceHost = func() fstest.MapFS {
	m := maps.Clone(hostFiles)
	maps.Copy(m, fstest.MapFS{
		"proc/meminfo": {Data: []byte("MemTotal: 1 kB\nHugepagesize:       2048 kB\n")},
		"proc/1/mounts": {Data: []byte("hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\nnone /mnt/huge\\0401G hugetlbfs rw,pagesize=1024M 0 0\n" +
			"none /mnt/huge1G hugetlbfs rw,relatime,pagesize=1G 0 0\n")},
		"opt/qemu/bin/qemu-system-x86_64":           {Mode: 0o755, Data: []byte("\x7fELF")},
		"opt/qemu/bin/script":                       {Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		"opt/open/bin":                              {Mode: fs.ModeDir | 0o777},
		"opt/open/bin/qemu":                         {Mode: 0o755},
		"opt/loose":                                 {Mode: 0o757},
		"srv/fw/OVMF.fd":                            {},
		"srv/images/qemu":                           {Mode: 0o755},
		"nix/store/abc-qemu/bin/qemu-system-x86_64": {Mode: 0o555, Data: []byte("\x7fELF")},
		"nix/store/abc-qemu/bin/.qemu-system-x86_64-wrapped": {Mode: 0o555},
		"run/libvirt/nix-emulators/qemu-system-x86_64":       {Mode: fs.ModeSymlink, Data: []byte("/nix/store/abc-qemu/bin/qemu-system-x86_64")},
		"usr/share/ovmf/OVMF.fd":                             {},
		"dev/snd/controlC0":                                  {Mode: modeChar},
		"dev/snd/pcmC0D0p":                                   {Mode: modeChar},
		"dev/snd/pcmC0D0c":                                   {Mode: modeChar},
		"dev/snd/pcmC1D0p":                                   {Mode: modeChar},
		"dev/snd/controlC1":                                  {Mode: modeChar},
		"dev/dsp":                                            {Mode: modeChar},
		"dev/dsp1":                                           {Mode: modeChar},
		"dev/kvmfr0":                                         {Mode: modeChar},
		"dev/sdb1":                                           {Mode: fs.ModeDevice},
		"dev/nvidia3":                                        {Mode: modeChar},
		"dev/nvidiactl":                                      {Mode: modeChar},
		"dev/dri/renderD129":                                 {Mode: modeChar},
		"sys/class/drm/renderD129/device":                    {Mode: fs.ModeSymlink, Data: []byte("../../../devices/pci0000:00/0000:02:00.0")},
		"sys/devices/pci0000:00/0000:02:00.0/driver":         {Mode: fs.ModeSymlink, Data: []byte("../../../bus/pci/drivers/nvidia")},
		"sys/bus/pci/drivers/nvidia/x":                       {},
		"sys/class/drm/renderD128/device/driver":             {Mode: fs.ModeSymlink, Data: []byte("/sys/bus/pci/drivers/i915")},
		"sys/bus/pci/drivers/i915/x":                         {},
		"proc/driver/nvidia/gpus/0000:02:00.0/information":   {Data: []byte("Model: X\nDevice Minor: \t 3\n")},

		"sys/devices/pci0000:00/0000:03:00.0/vfio-dev/vfio5/dev": {},
		"sys/bus/pci/devices/0000:03:00.0":                       {Mode: fs.ModeSymlink, Data: []byte("../../../devices/pci0000:00/0000:03:00.0")},
		"srv/nbd.qcow2":                                          {Data: qcow2(3, "nbd+unix:///export?socket=/srv/nbd.sock", "raw", "")},
		"srv/nbd2.qcow2":                                         {Data: qcow2(3, "nbd:unix:/srv/nbd.sock:exportname=x", "raw", "")},
		"srv/nbd3.qcow2":                                         {Data: qcow2(3, `json:{"driver":"raw","file":{"driver":"nbd","server":{"type":"unix","path":"/srv/nbd.sock"}}}`, "raw", "")},
		"srv/file.qcow2":                                         {Data: qcow2(3, "file:/srv/raw.img", "raw", "")},
		"srv/more.qcow2":                                         {Data: qcow2(3, `json:{"driver":"qcow2","file":{"driver":"file","filename":"/srv/base.qcow2"},"backing":{"driver":"file","filename":"/srv/raw.img"}}`, "qcow2", "")},
		"srv/nbd.sock":                                           {Mode: modeSocket},
		"usr/share/x.iso":                                        {},
	})
	return m
}()

// deviceTests say what a device of each kind is given by a manager's
// description of a machine under libvirt, and what a tenant's is.
var deviceTests = []struct {
	name   string
	set    func(d *svirt.Domain)
	want   string
	warn   []string       // code and path
	reason svirt.Reason   // if it is refused
	tenant svirt.Reason   // of a tenant's without roots
	opts   *svirt.Options // besides those of the test
}{
	{name: "huge pages", set: func(d *svirt.Domain) { d.Memory.HugePages = []svirt.HugePages{{}} }, want: `
"/dev/hugepages/libvirt/qemu/7-vm/" r, # domain memory
"/dev/hugepages/libvirt/qemu/7-vm/**" rw, # domain memory
`},
	{name: "huge pages of a size", set: func(d *svirt.Domain) { d.Memory.HugePages = []svirt.HugePages{{SizeKiB: 1 << 20}} }, want: `
"/mnt/huge1G/libvirt/qemu/7-vm/" r, # domain memory
"/mnt/huge1G/libvirt/qemu/7-vm/**" rw, # domain memory
`},
	{name: "huge pages of a size that is not mounted", set: func(d *svirt.Domain) { d.Memory.HugePages = []svirt.HugePages{{SizeKiB: 16 << 10}} }, want: `
"/dev/hugepages/libvirt/qemu/7-vm/" r, # domain memory
"/dev/hugepages/libvirt/qemu/7-vm/**" rw, # domain memory
"/dev/hugepages16M/libvirt/qemu/7-vm/" r, # domain memory
"/dev/hugepages16M/libvirt/qemu/7-vm/**" rw, # domain memory
`, warn: []string{"assumed-path /dev/hugepages16M"}},
	{name: "a mount of huge pages", set: func(d *svirt.Domain) { d.Memory.HugePages = []svirt.HugePages{{Mount: "/dev/hugepages2M/"}} }, want: `
"/dev/hugepages2M/libvirt/qemu/7-vm/" r, # domain memory
"/dev/hugepages2M/libvirt/qemu/7-vm/**" rw, # domain memory
`, opts: &svirt.Options{Roots: svirt.Roots{Images: []string{"/dev/hugepages2M"}}}},
	{name: "another machine's huge pages", set: func(d *svirt.Domain) {
		d.Memory.HugePages = []svirt.HugePages{{Dir: "/dev/hugepages/libvirt/qemu/8-other"}}
	}, reason: svirt.ReasonContains, tenant: svirt.ReasonContains},
	{name: "all huge pages", set: func(d *svirt.Domain) { d.Memory.HugePages = []svirt.HugePages{{Dir: "/dev/hugepages"}} }, reason: svirt.ReasonContains, tenant: svirt.ReasonContains},
	{name: "memory in files", set: func(d *svirt.Domain) { d.Memory.Source = "file" }, want: `
"/var/lib/libvirt/qemu/ram/7-vm/" r, # domain memory
"/var/lib/libvirt/qemu/ram/7-vm/**" rw, # domain memory
`},
	{name: "memory in files of a directory", set: func(d *svirt.Domain) { d.Memory = svirt.MemoryBacking{Source: "file", Dir: "/srv/ram"} }, want: `
"/srv/ram/7-vm/" r, # domain memory
"/srv/ram/7-vm/**" rw, # domain memory
`},
	{name: "memfd", set: func(d *svirt.Domain) { d.Memory.Source = "memfd" }},
	{name: "an unknown source of memory", set: func(d *svirt.Domain) { d.Memory.Source = "cloud" }, reason: svirt.ReasonUnsupported, tenant: svirt.ReasonUnsupported},
	{name: "memory devices", set: func(d *svirt.Domain) {
		d.Devices.Memory = []svirt.Memory{{Model: "nvdimm", Path: "/srv/nv", ReadOnly: true}, {Model: "virtio-pmem", Path: "/srv/pm"}, {Model: "dimm", PageKiB: 2048}, {Model: "virtio-mem"}}
	}, want: `
"/dev/hugepages/libvirt/qemu/7-vm/" r, # memory 2
"/dev/hugepages/libvirt/qemu/7-vm/**" rw, # memory 2
"/srv/nv" r, # memory 0
"/srv/pm" rw, # memory 1
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Images: []string{"/srv"}}}},
	{name: "shared memory", set: func(d *svirt.Domain) {
		d.Devices.Shmem = []svirt.Shmem{{Name: "a", Model: "ivshmem-plain"}, {Name: "b", Model: "ivshmem-doorbell"}, {Name: "c", Server: "/srv/c.sock"}}
	}, want: `
"/dev/shm/a" rw, # shmem 0
"/srv/c.sock" rw, # shmem 2
"/var/lib/libvirt/shmem-b-sock" rw, # shmem 1
`, tenant: svirt.ReasonNoRoot},
	{name: "option ROMs", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostUSB, USB: svirt.USBAddress{Bus: 1, Device: 4}, ROM: "/srv/gpu.rom"}}
		d.Devices.Nets = []svirt.Net{{ROM: "/usr/share/ipxe/efi.rom"}}
	}, want: `
"/dev/bus/usb/001/004" rw, # hostdev 0
"/srv/gpu.rom" r, # hostdev 0
"/usr/share/ipxe/efi.rom" r, # net 0
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Firmware: []string{"/srv", "/usr/share/ipxe"}, Devices: []string{"/dev/bus/usb"}}}},
	{name: "an option ROM at home", set: func(d *svirt.Domain) { d.Devices.Nets = []svirt.Net{{ROM: "/home/u/x.rom"}} }, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "an emulator of the system", set: func(d *svirt.Domain) { d.Emulator = "/usr/bin/qemu-system-x86_64" }},
	{name: "an emulator", set: func(d *svirt.Domain) { d.Emulator = "/opt/qemu/bin/qemu-system-x86_64" }, want: `
"/opt/qemu/bin/qemu-system-x86_64" mrix, # emulator program
"/opt/qemu/lib{,32,64}/**.so*" mr, # emulator files
"/opt/qemu/lib{,32,64}/{,**}" r, # emulator files
"/opt/qemu/share/ipxe/{,**}" r, # emulator files
"/opt/qemu/share/qemu-firmware/{,**}" r, # emulator files
"/opt/qemu/share/qemu/{,**}" r, # emulator files
"/opt/qemu/share/seabios/{,**}" r, # emulator files
"/opt/qemu/share/vgabios/{,**}" r, # emulator files
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Programs: []string{"/opt/qemu"}}}},
	{name: "an emulator of Nix", set: func(d *svirt.Domain) { d.Emulator = "/run/libvirt/nix-emulators/qemu-system-x86_64" }, want: `
"/nix/store/*/etc/{,**}" r, # emulator files
"/nix/store/*/lib/**.so*" mr, # emulator files
"/nix/store/*/lib/{,**}" r, # emulator files
"/nix/store/*/share/{,**}" r, # emulator files
"/nix/store/abc-qemu/bin/.qemu-system-x86_64-wrapped" mrix, # emulator wrapped
"/nix/store/abc-qemu/bin/qemu-system-x86_64" mrix, # emulator program
`, tenant: svirt.ReasonNoRoot},
	{name: "an emulator that is a script", set: func(d *svirt.Domain) { d.Emulator = "/opt/qemu/bin/script" }, want: `
"/opt/qemu/bin/script" mrix, # emulator program
"/opt/qemu/lib{,32,64}/**.so*" mr, # emulator files
"/opt/qemu/lib{,32,64}/{,**}" r, # emulator files
"/opt/qemu/share/ipxe/{,**}" r, # emulator files
"/opt/qemu/share/qemu-firmware/{,**}" r, # emulator files
"/opt/qemu/share/qemu/{,**}" r, # emulator files
"/opt/qemu/share/seabios/{,**}" r, # emulator files
"/opt/qemu/share/vgabios/{,**}" r, # emulator files
`, warn: []string{"script /opt/qemu/bin/script"}, tenant: svirt.ReasonNoRoot},
	{name: "an emulator that others may write", set: func(d *svirt.Domain) { d.Emulator = "/opt/loose" }, reason: svirt.ReasonOthers, tenant: svirt.ReasonNoRoot},
	{name: "an emulator that others may replace", set: func(d *svirt.Domain) { d.Emulator = "/opt/open/bin/qemu" }, reason: svirt.ReasonOthers, tenant: svirt.ReasonNoRoot},
	{name: "an emulator among images", set: func(d *svirt.Domain) { d.Emulator = "/srv/images/qemu" }, reason: svirt.ReasonWritable, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Images: []string{"/srv/images"}, Programs: []string{"/srv"}}}},
	{name: "an emulator among temporary files", set: func(d *svirt.Domain) { d.Emulator = "/var/tmp/qemu" }, reason: svirt.ReasonWritable, tenant: svirt.ReasonNoRoot},
	{name: "an emulator at home", set: func(d *svirt.Domain) { d.Emulator = "/home/u/bin/qemu" }, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "an emulator among settings", set: func(d *svirt.Domain) { d.Emulator = "/etc/qemu" }, reason: svirt.ReasonRestricted, tenant: svirt.ReasonRestricted},
	{name: "an emulator among data", set: func(d *svirt.Domain) { d.Emulator = "/usr/share/x" }, reason: svirt.ReasonRestricted, tenant: svirt.ReasonNoRoot},
	{name: "an emulator that the machine may write", set: func(d *svirt.Domain) {
		d.Emulator = "/srv/q/qemu"
		d.Devices.Filesystems = []svirt.Filesystem{{Source: "/srv/q"}}
	}, reason: svirt.ReasonWritable, tenant: svirt.ReasonNoRoot},
	{name: "a ROM", set: func(d *svirt.Domain) { d.Boot.Loader = &svirt.Loader{Path: "/usr/share/ovmf/OVMF.fd"} }, want: `
"/usr/share/ovmf/OVMF.fd" rk, # boot loader
`, tenant: svirt.ReasonNoRoot},
	{name: "a ROM elsewhere", set: func(d *svirt.Domain) { d.Boot.Loader = &svirt.Loader{Path: "/srv/fw/OVMF.fd", Type: "rom"} }, want: `
"/srv/fw/OVMF.fd" rk, # boot loader
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Firmware: []string{"/srv/fw"}}}},
	{name: "flash", set: func(d *svirt.Domain) { d.Boot.Loader = &svirt.Loader{Path: "/srv/fw/OVMF.fd", Type: "pflash"} }, want: `
"/srv/fw/OVMF.fd" rwk, # boot loader
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Images: []string{"/srv/fw"}}}},
	{name: "read-only flash", set: func(d *svirt.Domain) {
		d.Boot.Loader = &svirt.Loader{Path: "/srv/fw/OVMF.fd", Type: "pflash", ReadOnly: true}
	}, want: `
"/srv/fw/OVMF.fd" rk, # boot loader
`, tenant: svirt.ReasonNoRoot},
	{name: "flash of the system", set: func(d *svirt.Domain) { d.Boot.Loader = &svirt.Loader{Path: "/usr/share/ovmf/OVMF.fd", Type: "pflash"} }, want: `
"/usr/share/ovmf/OVMF.fd" rk, # boot loader
`, warn: []string{"read-only /usr/share/ovmf/OVMF.fd"}, tenant: svirt.ReasonNoRoot},
	{name: "firmware of another type", set: func(d *svirt.Domain) { d.Boot.Loader = &svirt.Loader{Path: "/srv/x", Type: "flash"} }, reason: svirt.ReasonUnsupported, tenant: svirt.ReasonUnsupported},
	{name: "sound to PulseAudio", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "pulseaudio", Server: "/run/user/1000/pulse/native"}}
	}, want: `
"/etc/machine-id" r, # audio 0
"/etc/pulse/client.conf" r, # audio 0
"/etc/pulse/client.conf.d/{,*}" r, # audio 0
"/run/user/1000/pulse/native" rw, # audio 0
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Sockets: []string{"/run/user/1000/pulse"}}}},
	{name: "sound to a PulseAudio that is closed", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "pulseaudio", Server: "unix:/run/user/1000/pulse/native"}}
	}, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "sound without a path", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "pulseaudio"}, {Type: "pipewire"}, {Type: "jack"}, {Type: "sdl"}, {Type: "file"}, {Type: "none"}, {Type: "spice"}, {Type: "dbus"}, {Type: "sndio"}}
	}, warn: []string{"unknown-path", "unknown-path", "unknown-path", "unknown-path", "unknown-path", "unknown-path"}},
	{name: "sound to PulseAudio over the network", set: func(d *svirt.Domain) { d.Devices.Audios = []svirt.Audio{{Type: "pulseaudio", Server: "tcp:host"}} }, want: `
"/etc/machine-id" r, # audio 0
"/etc/pulse/client.conf" r, # audio 0
"/etc/pulse/client.conf.d/{,*}" r, # audio 0
`},
	{name: "sound to PipeWire", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "pipewire", RuntimeDir: "/srv/run"}}
	}, want: `
"/etc/pipewire/{,**}" r, # audio 0
"/srv/run/pipewire-0" rw, # audio 0
"/usr/share/pipewire/{,**}" r, # audio 0
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Sockets: []string{"/srv/run"}}}},
	{name: "sound to ALSA", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "alsa", Devices: []string{"hw:0", "/dev/snd/pcmC1D0p", "default"}}}
	}, want: `
"/dev/snd/controlC0" rw, # audio 0
"/dev/snd/controlC1" rw, # audio 0
"/dev/snd/pcmC0D0c" rw, # audio 0
"/dev/snd/pcmC0D0p" rw, # audio 0
"/dev/snd/pcmC1D0p" rw, # audio 0
"/etc/alsa/conf.d/{,*}" r, # audio 0
"/etc/asound.conf" r, # audio 0
"/usr/share/alsa/{,**}" r, # audio 0
`, warn: []string{"unknown-path default"}, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Devices: []string{"/dev/snd"}}}},
	{name: "sound to a missing card", set: func(d *svirt.Domain) { d.Devices.Audios = []svirt.Audio{{Type: "alsa", Devices: []string{"hw:5,0"}}} }, reason: svirt.ReasonNoDevice, tenant: svirt.ReasonNoRoot},
	{name: "sound to OSS", set: func(d *svirt.Domain) {
		d.Devices.Audios = []svirt.Audio{{Type: "oss"}, {Type: "oss", Devices: []string{"/dev/dsp1"}}}
	}, want: `
"/dev/dsp" rw, # audio 0
"/dev/dsp1" rw, # audio 1
`, tenant: svirt.ReasonNoRoot},
	{name: "sound to another device", set: func(d *svirt.Domain) { d.Devices.Audios = []svirt.Audio{{Type: "oss", Devices: []string{"/dev/tpm0"}}} }, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "sound to a file", set: func(d *svirt.Domain) { d.Devices.Audios = []svirt.Audio{{Type: "file", Path: "/srv/a.wav"}} }, want: `
"/srv/a.wav" rw, # audio 0
`, tenant: svirt.ReasonNoRoot},
	{name: "virtiofs", set: func(d *svirt.Domain) {
		d.Devices.Filesystems = []svirt.Filesystem{{Driver: "virtiofs", Source: "/etc"}, {ID: "ua-x", Driver: "virtiofs", Source: "/srv"}, {Driver: "virtiofs", Socket: "/srv/vfs.sock"}}
	}, want: `
"/srv/vfs.sock" rw, # filesystem 2
"/var/lib/libvirt/qemu/domain-7-vm/fs0-fs.sock" rw, # filesystem 0
"/var/lib/libvirt/qemu/domain-7-vm/ua-x-fs.sock" rw, # filesystem ua-x
`, tenant: svirt.ReasonNoRoot},
	{name: "virtiofs with a path for its name", set: func(d *svirt.Domain) {
		d.Devices.Filesystems = []svirt.Filesystem{{ID: "../x", Driver: "virtiofs"}}
	}, reason: svirt.ReasonName, tenant: svirt.ReasonName},
	{name: "an unknown driver of a file system", set: func(d *svirt.Domain) { d.Devices.Filesystems = []svirt.Filesystem{{Driver: "nfs", Source: "/srv"}} }, reason: svirt.ReasonUnsupported, tenant: svirt.ReasonUnsupported},
	{name: "persistent reservations", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "sda", Reservations: &svirt.Reservations{}}, {ID: "sdb", Reservations: &svirt.Reservations{Socket: "/run/qemu-pr-helper.sock"}}}
	}, want: `
"/run/qemu-pr-helper.sock" rw, # disk sdb
"/var/lib/libvirt/qemu/domain-7-vm/pr-helper0.sock" rw, # disk sda
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Sockets: []string{"/run/qemu-pr-helper.sock"}}}},
	{name: "persistent reservations by another's socket", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "sda", Reservations: &svirt.Reservations{Socket: "/run/docker.sock"}}}
	}, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "vhost-user", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageVHostUser, Path: "/var/tmp/vhost.0"}}}
		d.Devices.Nets = []svirt.Net{{Socket: "/run/openvswitch/vhu0"}}
		d.Devices.Videos = []svirt.Video{{VHostUser: true, Socket: "/srv/gpu.sock"}, {ID: "own", VHostUser: true, RenderNode: "/dev/dri/renderD128"}}
		d.Devices.Inputs = []svirt.Input{{Socket: "/srv/input.sock"}}
		d.Devices.Vsocks = []svirt.Vsock{{Socket: "/srv/vsock", Ports: []uint32{1024}}, {ID: "kernel"}}
		d.Devices.Cryptos = []svirt.Crypto{{Backend: "vhost-user", Socket: "/srv/crypto.sock"}, {ID: "lkcf", Backend: "lkcf"}, {ID: "in"}}
	}, want: `
GL # video own
"/dev/dri/renderD128" rw, # video own
"/dev/vhost-vsock" rw, # vsock kernel
"/run/openvswitch/vhu0" rw, # net 0
"/srv/crypto.sock" rw, # crypto 0
"/srv/gpu.sock" rw, # video 0
"/srv/input.sock" rw, # input 0
"/srv/vsock" rw, # vsock 0
"/srv/vsock_1024" rw, # vsock 0
"/var/tmp/vhost.0" rw, # disk vda
`, warn: []string{"other-rule", "companion"}, tenant: svirt.ReasonNoRoot},
	{name: "a video card that shares memory", set: func(d *svirt.Domain) {
		d.Devices.Videos = []svirt.Video{{Blob: true}, {ID: "other", VHostUser: true, Socket: "/srv/gpu.sock", Blob: true}}
	}, want: `
"/dev/udmabuf" rw, # video 0
"/srv/gpu.sock" rw, # video other
`, tenant: svirt.ReasonNoRoot},
	{name: "vDPA", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageVHostVDPA, Path: "/dev/vhost-vdpa-1"}}}
		d.Devices.Nets = []svirt.Net{{VDPA: "/dev/vhost-vdpa-0"}}
	}, want: `
"/dev/vhost-vdpa-0" rw, # net 0
"/dev/vhost-vdpa-1" rw, # disk vda
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Devices: []string{"/dev/vhost-vdpa-0", "/dev/vhost-vdpa-1"}}}},
	{name: "vDPA at another device", set: func(d *svirt.Domain) { d.Devices.Nets = []svirt.Net{{VDPA: "/dev/sda"}} }, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "NBD", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageNetwork, Protocol: "nbd", Socket: "/srv/nbd.sock"}},
			{ID: "vdb", Image: svirt.Image{Type: svirt.ImageNetwork, Protocol: "rbd", Files: []string{"/etc/ceph/ceph.conf", "/srv/key"}}}}
	}, want: `
"/srv/key" r, # disk vdb
"/srv/nbd.sock" rw, # disk vda
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Sockets: []string{"/srv/nbd.sock"}, Extra: []string{"/srv/key"}}}},
	{name: "NBD below an image", set: func(d *svirt.Domain) {
		for _, f := range []string{"nbd", "nbd2", "nbd3"} {
			d.Devices.Disks = append(d.Devices.Disks, svirt.Disk{ID: f, Image: svirt.Image{Path: "/srv/" + f + ".qcow2", Format: "qcow2"}})
		}
	}, want: `
"/srv/nbd.qcow2" rwk, # disk nbd
"/srv/nbd.sock" rw, # disk nbd, disk nbd2, disk nbd3
"/srv/nbd2.qcow2" rwk, # disk nbd2
"/srv/nbd3.qcow2" rwk, # disk nbd3
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Backing: []string{"/srv"}}},
	{name: "NBD below an image that nobody allowed", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/nbd.qcow2", Format: "qcow2"}}}
	}, reason: svirt.ReasonBacking, tenant: svirt.ReasonNoRoot},
	{name: "a backing file with file:", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/file.qcow2", Format: "qcow2"}}}
	}, want: `
"/srv/file.qcow2" rwk, # disk vda
"/srv/raw.img" rk, # disk vda
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Backing: []string{"/srv"}}},
	{name: "a backing file with a backing file in its name", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/more.qcow2", Format: "qcow2"}}}
	}, reason: svirt.ReasonBroken, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Backing: []string{"/srv"}}},
	{name: "NVMe", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageNVMe, NVMe: &svirt.NVMe{PCI: svirt.PCIAddress{Bus: 1}}}},
			{ID: "vdb", Image: svirt.Image{Type: svirt.ImageNVMe, NVMe: &svirt.NVMe{PCI: svirt.PCIAddress{Bus: 3}, IOMMUFD: true}}}}
	}, want: `
"/dev/iommu" rw, # disk vdb
"/dev/vfio/12" rw, # disk vda
"/dev/vfio/devices/vfio5" rw, # disk vdb
"/dev/vfio/vfio" rw, # disk vda
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Devices: []string{"/dev/vfio/12", "/dev/vfio/devices/vfio5"}}}},
	{name: "NVMe without a device", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageNVMe}}}
	}, reason: svirt.ReasonNoDevice, tenant: svirt.ReasonNoDevice},
	{name: "IOMMUFD", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 3}, IOMMUFD: true}, {Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 1}, IOMMUFD: true}}
	}, want: `
"/dev/iommu" rw, # hostdev 0, hostdev 1
"/dev/vfio/devices/vfio5" rw, # hostdev 0
"/sys/devices/pci0000:00/0000:01:00.0/config" r, # hostdev 1
`, warn: []string{"absent /sys/devices/pci0000:00/0000:01:00.0/vfio-dev"}, tenant: svirt.ReasonNoRoot},
	{name: "a volume", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageVolume}}}
	}, reason: svirt.ReasonVolume, tenant: svirt.ReasonVolume},
	{name: "a volume below an image", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/a", Backing: &svirt.Image{Type: svirt.ImageVolume}}}}
	}, reason: svirt.ReasonVolume, tenant: svirt.ReasonNoRoot},
	{name: "files of block jobs", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/a"}, Transient: true}, {ID: "vdb", Image: svirt.Image{Path: "/srv/b"}, Mirror: &svirt.Image{Path: "/srv/m"}}}
	}, want: `
"/srv/a" rwk, # disk vda
"/srv/a.TRANSIENT-vm" rwk, # disk vda
"/srv/b" rwk, # disk vdb
"/srv/m" rwk, # disk vdb
`, tenant: svirt.ReasonNoRoot},
	{name: "logs of character devices", set: func(d *svirt.Domain) {
		d.Devices.Serials = []svirt.Chardev{{Type: "pty", Log: "/var/log/vm/serial.log"}, {Type: "unix", Path: "/srv/s", Log: "/srv/s.log"}}
	}, want: `
owner "/dev/pts/[0-9]*" rw, # serial 0
"/srv/s" rw, # serial 1
"/srv/s.log" w, # serial 1
"/var/log/vm/serial.log" w, # serial 0
`, tenant: svirt.ReasonNoRoot, opts: &svirt.Options{Roots: svirt.Roots{Logs: []string{"/srv", "/var/log/vm"}}}},
	{name: "terminals of its own", set: func(d *svirt.Domain) {
		d.Devices.Serials = []svirt.Chardev{{ID: "a", Type: "pty"}, {ID: "b", Type: "pty", Path: "/dev/pts/4"}}
		d.Devices.Consoles = []svirt.Chardev{{ID: "c", Type: "pty"}}
	}, want: `
"/dev/pts/4" rw, # serial b
owner "/dev/pts/[0-9]*" rw, # console c, serial a
`, tenant: svirt.ReasonNoRoot},
	{name: "TPMs", set: func(d *svirt.Domain) {
		d.Devices.TPMs = []svirt.TPM{{Backend: "emulator", State: "/srv/tpm"}, {Backend: "emulator", Version: "1.2"}, {Backend: "emulator", State: "/srv/tpm.state", StateFile: true}, {Backend: "external", Path: "/srv/tpm.sock"}}
	}, want: `
"/run/libvirt/qemu/swtpm/7-vm-swtpm.pid" rw, # tpm 0, tpm 1, tpm 2
"/run/libvirt/qemu/swtpm/7-vm-swtpm.sock" rw, # tpm 0, tpm 1, tpm 2
"/srv/tpm.sock" rw, # tpm 3
"/srv/tpm.state" rwk, # tpm 2
"/srv/tpm/" r, # tpm 0
"/srv/tpm/**" rwk, # tpm 0
"/var/lib/libvirt/swtpm/6d8c1494-16d5-5675-9439-85dd7dfec85d/tpm1.2/" r, # tpm 1
"/var/lib/libvirt/swtpm/6d8c1494-16d5-5675-9439-85dd7dfec85d/tpm1.2/**" rwk, # tpm 1
"/var/log/swtpm/libvirt/qemu/vm-swtpm.log" w, # tpm 0, tpm 1, tpm 2
`, tenant: svirt.ReasonNoRoot},
	{name: "TDX", set: func(d *svirt.Domain) { d.LaunchSecurity, d.QuoteService = "tdx", "/var/run/tdx-qgs/qgs.socket" }, want: `
"/run/tdx-qgs/qgs.socket" rw, # domain quote-service
`, tenant: svirt.ReasonNoRoot},
	{name: "TDX by another's socket", set: func(d *svirt.Domain) { d.QuoteService = "/run/docker.sock" }, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "displays", set: func(d *svirt.Domain) {
		d.Devices.Graphics = []svirt.Graphics{{Type: "dbus", Address: "unix:path=/srv/a%20b;tcp:host=x"}, {Type: "dbus"}, {Type: "dbus", P2P: true}, {Type: "vnc", AutoSocket: true},
			{Type: "egl-headless", GL: true}, {Type: "spice", GL: true, RenderNode: "/dev/dri/renderD129"}, {Type: "rdp"}}
	}, want: `
GL # graphics 4, graphics 5
"/dev/dri/renderD128" rw, # graphics 4
"/dev/dri/renderD129" rw, # graphics 5
"/dev/nvidia3" rw, # graphics 5
"/run/libvirt/qemu/dbus/7-vm-dbus.sock" rw, # graphics 1
"/srv/a b" rw, # graphics 0
"/var/lib/libvirt/qemu/domain-7-vm/vnc.sock" rw, # graphics 3
`, warn: []string{"other-rule", "companion", "companion"}, tenant: svirt.ReasonNoRoot},
	{name: "a message bus without a path", set: func(d *svirt.Domain) {
		d.Devices.Graphics = []svirt.Graphics{{Type: "dbus", Address: "autolaunch:"}, {Type: "dbus", Address: "unix:abstract=x"}}
	}, warn: []string{"other-rule", "unknown-path autolaunch:", "other-rule", "unknown-path unix:abstract=x"}},
	{name: "the system's message bus", set: func(d *svirt.Domain) {
		d.Devices.Graphics = []svirt.Graphics{{Type: "dbus", Address: "unix:path=/run/dbus/system_bus_socket"}}
	}, reason: svirt.ReasonClosed, tenant: svirt.ReasonNoRoot},
	{name: "a missing USB device", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostUSB, Optional: true, USB: svirt.USBAddress{Vendor: 0x951, Product: 0x1666}}}
	}, warn: []string{"absent"}},
	{name: "two USB devices where one may be missing", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostUSB, Optional: true, USB: svirt.USBAddress{Vendor: 0x1234, Product: 0xbeef}}}
	}, reason: svirt.ReasonAmbiguous, tenant: svirt.ReasonAmbiguous},
	{name: "devices of a container", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostStorage, Node: "/dev/sdb1"}, {Kind: svirt.HostMisc, Node: "/dev/input/event0"}, {Kind: svirt.HostNet}}
	}, want: `
"/dev/input/event0" rw, # hostdev 1
"/dev/sdb1" rw, # hostdev 0
`, tenant: svirt.ReasonNoRoot},
	{name: "memory as a device of a container", set: func(d *svirt.Domain) {
		d.Devices.HostDevices = []svirt.HostDevice{{Kind: svirt.HostMisc, Node: "/dev/mem"}}
	}, reason: svirt.ReasonRestricted, tenant: svirt.ReasonRestricted},
	{name: "network interfaces", set: func(d *svirt.Domain) {
		d.Devices.Nets = []svirt.Net{{Backend: "passt", Log: "/srv/passt.log"}, {ID: "net9", Backend: "passt"}, {MACVTap: true}, {MACVTap: true, TapNode: "/dev/tap5"}, {VHost: true, VHostNode: "/dev/vhost-net"}}
	}, want: `
"/dev/tap5" rw, # net 3
"/dev/vhost-net" rw, # net 4
"/run/libvirt/qemu/passt/7-vm-net0.socket" rw, # net 0
"/run/libvirt/qemu/passt/7-vm-net9.socket" rw, # net net9
"/srv/passt.log" w, # net 0
`, warn: []string{"unknown-path /dev/tapN"}, tenant: svirt.ReasonNoRoot},
	{name: "labels", set: func(d *svirt.Domain) {
		d.Label = svirt.Label{Type: "static", Profile: "libvirt-" + uuid}
	}},
	{name: "another label", set: func(d *svirt.Domain) { d.Label = svirt.Label{Type: "static", Profile: "unconfined"} }, reason: svirt.ReasonLabel, tenant: svirt.ReasonLabel},
	{name: "no label", set: func(d *svirt.Domain) { d.Label = svirt.Label{Type: "none"} }, reason: svirt.ReasonLabel, tenant: svirt.ReasonLabel},
	{name: "a dynamic label", set: func(d *svirt.Domain) { d.Label = svirt.Label{Type: "dynamic"} }},
	{name: "a driver disc", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "sdb", ReadOnly: true, Image: svirt.Image{Path: "/usr/share/virtio-win/virtio-win.iso"}}}
	}, want: `
"/usr/share/virtio-win/virtio-win.iso" rk, # disk sdb
`, tenant: svirt.ReasonNoRoot},
	{name: "a disc among data", set: func(d *svirt.Domain) {
		d.Devices.Disks = []svirt.Disk{{ID: "sdb", ReadOnly: true, Image: svirt.Image{Path: "/usr/share/x.iso"}}}
	}, reason: svirt.ReasonRestricted, tenant: svirt.ReasonRestricted},
	{name: "shares of directories of nodes", set: func(d *svirt.Domain) {
		d.Devices.Extra = []svirt.PathGrant{{Path: "/dev/snd", Perms: "rw", Recursive: true}}
	}, reason: svirt.ReasonContains, tenant: svirt.ReasonContains},
	{name: "a directory in shared memory", set: func(d *svirt.Domain) {
		d.Devices.Extra = []svirt.PathGrant{{Path: "/dev/shm/vm", Perms: "rw", Recursive: true}}
	}, want: `
"/dev/shm/vm/" r, # extra 0
"/dev/shm/vm/**" rw, # extra 0
`, tenant: svirt.ReasonNoRoot},
}

// allRoots open what tests name.
var allRoots = svirt.Roots{
	Images: []string{"/"}, Shares: []string{"/"}, Sockets: []string{"/"}, Logs: []string{"/"}, Firmware: []string{"/"}, Devices: []string{"/"}, Extra: []string{"/"},
}

// withoutRuntime is plainText without the rules of every machine.
func withoutRuntime(t *testing.T, r *svirt.Rules) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(plainText(t, r)) {
		if !strings.HasSuffix(line, " # domain machine\n") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func TestDevices(t *testing.T) {
	host := fixture.New(deviceHost)
	for _, test := range deviceTests {
		t.Run(test.name, func(t *testing.T) {
			seven := 7
			machine := func() *svirt.Domain {
				d := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm"}
				test.set(d)
				return d
			}
			o := svirt.Options{}
			if test.opts != nil {
				o = *test.opts
			}
			o.FS, o.Live = host, true
			d := machine()
			d.ID = &seven
			wantReason(t, "a manager's", d, o, test.reason)

			wantReason(t, "a tenant's", machine(), svirt.Options{Origin: svirt.FromTenant, FS: host}, test.tenant)
			if test.reason != "" {
				return
			}
			rules := derived(t, d, o)
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), withoutRuntime(t, rules)); diff != "" {
				t.Error(diff)
			}
			var warned []string
			for _, w := range rules.Warnings() {
				warned = append(warned, strings.TrimSuffix(string(w.Code)+" "+w.Path, " "))
				if w.Text == "" || w.Add == "" || w.Device.Kind == "" {
					t.Errorf("a warning says too little: %v", w)
				}
			}
			if diff := cmp.Diff(test.warn, warned); diff != "" {
				t.Error(diff)
			}
			// What is written is read back.
			text := rules.AppendFile(nil)
			back, err := svirt.ParseRules(context.Background(), "x.files", text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(back.AppendFile(nil))); diff != "" {
				t.Errorf("read back: %s", diff)
			}
			// A tenant may have it all where the manager opened the roots, but
			// what is named after the machine's number.
			tenant := svirt.Options{Origin: svirt.FromTenant, FS: host, Roots: allRoots, Backing: []string{"/"}}
			if d := machine(); d.Emulator == "" {
				wantReason(t, "a tenant's with all roots", d, tenant, "")
			}
			asksKernel(t, d, rules)
		})
	}
}

// asksKernel compiles the rules and asks for what they grant, and for what has
// similar names.
func asksKernel(t *testing.T, d *svirt.Domain, rules *svirt.Rules) {
	t.Helper()
	policy := compiled(t, source(t, d, rules, svirt.PolicyFS()), "6.12")
	p, ok := query.Open(policy).Profile("libvirt-" + uuid)
	if !ok {
		t.Fatal("the policy does not define the machine's profile")
	}
	var trees []string
	for _, r := range rules.List() {
		if dir, _, ok := strings.Cut(string(r.Path), "{"); ok {
			trees = append(trees, path.Dir(dir+"x"))
		}
		if dir, _, ok := strings.Cut(string(r.Path), "*"); ok {
			trees = append(trees, path.Dir(dir+"x"))
		}
	}
	for _, r := range rules.List() {
		name, ok := r.Path.Unescape()
		if !ok {
			continue
		}
		want := query.Perms(0)
		for perm, q := range map[ast.FilePerm]query.Perms{ast.FileRead: query.Read, ast.FileWrite: query.Write, ast.FileLock: query.Lock, ast.FileMmap: query.Mmap} {
			if r.Perms&perm != 0 {
				want |= q
			}
		}
		if r.Exec == ast.ExecInherit {
			want |= query.Exec
		}
		if !p.Allows(query.File{Path: name, Perms: want}) {
			t.Errorf("%v of %s is denied", want, name)
		}
		if r.Perms&ast.FileWrite == 0 && p.Allows(query.File{Path: name, Perms: query.Write}) && !slices.ContainsFunc(rules.List(), func(o svirt.Rule) bool { return o.Path == r.Path && o.Perms&ast.FileWrite != 0 }) {
			t.Errorf("%s may be written", name)
		}
		if r.Exec != ast.ExecInherit && p.Allows(query.File{Path: name, Perms: query.Exec}) {
			t.Errorf("%s may be executed", name)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		for _, other := range []string{name + "-other", path.Dir(name) + "/another", path.Dir(path.Dir(name)) + "/another"} {
			if slices.ContainsFunc(trees, func(dir string) bool { return strings.HasPrefix(other, strings.TrimSuffix(dir, "/")+"/") }) {
				continue
			}
			if p.Allows(query.File{Path: other, Perms: query.Write}) {
				t.Errorf("%s may be written", other)
			}
			if p.Allows(query.File{Path: other, Perms: query.Exec}) {
				t.Errorf("%s may be executed", other)
			}
		}
	}
}
