// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// TestMonitor derives machines of VMMs that run without libvirt.
func TestMonitor(t *testing.T) {
	host := fixture.New(fstest.MapFS{
		"srv/jailer/fc/1/root/firecracker":  {Mode: 0o755, Data: []byte("\x7fELF")},
		"srv/jailer/fc/1/root/rootfs.ext4":  {},
		"srv/jailer/fc/1/root/log.fifo":     {Mode: fs.ModeNamedPipe},
		"srv/jailer/fc/1/root/etc/passwd":   {},
		"srv/jailer/fc/1/root/dev/sdb":      {},
		"srv/jailer/fc/1/root/srv/x/dir/y":  {},
		"srv/jailer/fc/1/rootling/disk.img": {},
		"usr/bin/cloud-hypervisor":          {Mode: 0o755, Data: []byte("\x7fELF")},
		"dev/net/tun":                       {Mode: modeChar},
	})
	const jail = "/srv/jailer/fc/1/root"
	for _, test := range []struct {
		name   string
		domain svirt.Domain
		opts   svirt.Options
		want   string
		warn   []string
		reason svirt.Reason
	}{
		{name: "Cloud Hypervisor", domain: svirt.Domain{
			Emulator: "/usr/bin/cloud-hypervisor",
			Monitor:  svirt.Monitor{API: []string{"/run/vmm/" + uuid + "/api.sock"}, Logs: []string{"/var/log/vmm/" + uuid + "/log"}, Config: []string{"/srv/vm/config.json"}},
			Memory:   svirt.MemoryBacking{Source: "file", Dir: "/srv/vm/memory", HugePages: []svirt.HugePages{{Dir: "/dev/hugepages/vm"}, {}}},
			Devices: svirt.Devices{
				Nets:        []svirt.Net{{TapNode: "/dev/net/tun"}, {Backend: "passt"}, {Backend: "passt", Socket: "/srv/vm/passt.sock"}},
				Vsocks:      []svirt.Vsock{{Socket: "/srv/vm/vsock.sock", Ports: []uint32{1024, 5000}}},
				Filesystems: []svirt.Filesystem{{Driver: "virtiofs", Socket: "/srv/vm/fs.sock"}},
				TPMs:        []svirt.TPM{{Backend: "emulator", Path: "/srv/vm/tpm.sock"}},
				Graphics:    []svirt.Graphics{{Type: "dbus"}},
				Videos:      []svirt.Video{{VHostUser: true}},
			},
		}, want: `
"/dev/hugepages/vm/" r, # domain memory
"/dev/hugepages/vm/**" rw, # domain memory
"/dev/net/tun" rw, # net 0
"/run/vmm/6d8c1494-16d5-5675-9439-85dd7dfec85d/api.sock" rw, # monitor api
"/srv/vm/config.json" r, # monitor config
"/srv/vm/fs.sock" rw, # filesystem 0
"/srv/vm/memory/" r, # domain memory
"/srv/vm/memory/**" rw, # domain memory
"/srv/vm/passt.sock" rw, # net 2
"/srv/vm/tpm.sock" rw, # tpm 0
"/srv/vm/vsock.sock" rw, # vsock 0
"/srv/vm/vsock.sock_1024" rw, # vsock 0
"/srv/vm/vsock.sock_5000" rw, # vsock 0
"/usr/bin/cloud-hypervisor" mrix, # emulator program
"/var/log/vmm/6d8c1494-16d5-5675-9439-85dd7dfec85d/log" rw, # monitor log
`, warn: []string{"unknown-path", "unknown-path", "unknown-path", "unknown-path"}},
		{name: "Firecracker in its jail", domain: svirt.Domain{
			Emulator: jail + "/firecracker",
			Monitor:  svirt.Monitor{Jail: jail, API: []string{jail + "/run/api.sock"}, Logs: []string{jail + "/log.fifo"}},
			Boot:     svirt.Boot{Kernel: jail + "/vmlinux"},
			Devices: svirt.Devices{
				Disks:       []svirt.Disk{{ID: "rootfs", Image: svirt.Image{Path: jail + "/rootfs.ext4"}}, {ID: "out", Image: svirt.Image{Path: jail + "ling/disk.img"}}},
				Filesystems: []svirt.Filesystem{{ID: "s", Source: jail + "/srv/x/dir"}},
			},
		}, want: `
"/firecracker" mrix, # jail "emulator program"
"/log.fifo" rw, # jail "monitor log"
"/rootfs.ext4" rwk, # jail "disk rootfs"
"/run/api.sock" rw, # jail "monitor api"
"/srv/jailer/fc/1/root/firecracker" mrix, # emulator program
"/srv/jailer/fc/1/root/log.fifo" rw, # monitor log
"/srv/jailer/fc/1/root/rootfs.ext4" rwk, # disk rootfs
"/srv/jailer/fc/1/root/run/api.sock" rw, # monitor api
"/srv/jailer/fc/1/root/srv/x/dir/" r, # filesystem s
rwl "/srv/jailer/fc/1/root/srv/x/dir/**" -> "/srv/jailer/fc/1/root/srv/x/dir/**", # filesystem s
"/srv/jailer/fc/1/root/vmlinux" r, # boot kernel
"/srv/jailer/fc/1/rootling/disk.img" rwk, # disk out
"/srv/x/dir/" r, # jail "filesystem s"
rwl "/srv/x/dir/**" -> "/srv/x/dir/**", # jail "filesystem s"
"/vmlinux" r, # jail "boot kernel"
`},
		{name: "settings of the system by their name in the jail", domain: svirt.Domain{Monitor: svirt.Monitor{Jail: jail},
			Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: jail + "/etc/passwd"}}}}}, reason: svirt.ReasonRestricted},
		{name: "a device of the host by its name in the jail", domain: svirt.Domain{Monitor: svirt.Monitor{Jail: jail},
			Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: jail + "/dev/sdb"}}}}}, reason: svirt.ReasonRestricted},
		{name: "the root as a jail", domain: svirt.Domain{Monitor: svirt.Monitor{Jail: "/"}}, reason: svirt.ReasonContains},
		{name: "a tenant's jail", domain: svirt.Domain{Monitor: svirt.Monitor{Jail: jail}}, opts: svirt.Options{Origin: svirt.FromTenant, Roots: allRoots}, reason: svirt.ReasonTenant},
		{name: "a tenant's socket", domain: svirt.Domain{Monitor: svirt.Monitor{API: []string{"/srv/x"}}}, opts: svirt.Options{Origin: svirt.FromTenant}, reason: svirt.ReasonNoRoot},
		{name: "another VMM's socket", domain: svirt.Domain{Monitor: svirt.Monitor{API: []string{"/run/vmm/other/api.sock"}}}, reason: svirt.ReasonClosed},
		{name: "virtiofs without a socket", domain: svirt.Domain{Devices: svirt.Devices{Filesystems: []svirt.Filesystem{{Driver: "virtiofs", Source: "/srv"}}}}, reason: svirt.ReasonEmpty},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, o := test.domain, test.opts
			d.UUID, d.Name, o.FS = uuid, "vm", host
			wantReason(t, "the machine", &d, o, test.reason)
			if test.reason != "" {
				return
			}
			rules := derived(t, &d, o)
			if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), withoutRuntime(t, rules)); diff != "" {
				t.Error(diff)
			}
			var warned []string
			for _, w := range rules.Warnings() {
				warned = append(warned, strings.TrimSuffix(string(w.Code)+" "+w.Path, " "))
			}
			if diff := cmp.Diff(test.warn, warned); diff != "" {
				t.Error(diff)
			}
			text := string(rules.AppendFile(nil))
			back, err := svirt.ParseRules(context.Background(), "x.files", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(text, string(back.AppendFile(nil))); diff != "" {
				t.Errorf("read back: %s", diff)
			}
			asksKernel(t, &d, rules)
		})
	}
}

// TestNoNumber: what libvirt names after the number of a machine is a warning
// for one that has none.
func TestNoNumber(t *testing.T) {
	d := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Memory: svirt.MemoryBacking{Source: "file", HugePages: []svirt.HugePages{{}}}, Devices: svirt.Devices{
		Disks:       []svirt.Disk{{ID: "sda", Reservations: &svirt.Reservations{}}},
		Filesystems: []svirt.Filesystem{{Driver: "virtiofs"}},
		Graphics:    []svirt.Graphics{{Type: "vnc", AutoSocket: true}, {Type: "dbus"}},
		Nets:        []svirt.Net{{Backend: "passt"}},
		TPMs:        []svirt.TPM{{Backend: "emulator"}},
	}}
	var got []string
	for _, w := range derived(t, d, svirt.Options{}).Warnings() {
		if w.Code != svirt.WarnNumber {
			t.Errorf("another warning: %v", w)
		}
		got = append(got, w.Device.String()+" "+w.Path)
	}
	want := []string{
		"disk sda /var/lib/libvirt/qemu/domain-ID-vm/pr-helper0.sock",
		"domain memory /dev/hugepages/libvirt/qemu/ID-vm",
		"domain memory /var/lib/libvirt/qemu/ram/ID-vm",
		"filesystem 0 /var/lib/libvirt/qemu/domain-ID-vm/fs0-fs.sock",
		"graphics 0 /var/lib/libvirt/qemu/domain-ID-vm/vnc.sock",
		"graphics 1 /run/libvirt/qemu/dbus/ID-vm-dbus.sock",
		"net 0 /run/libvirt/qemu/passt/ID-vm-net0.socket",
		"tpm 0 /run/libvirt/qemu/swtpm/ID-vm-swtpm.sock",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSpecialNames gives machines names that mean something in policy. Each
// gets its own files and no other's.
func TestSpecialNames(t *testing.T) {
	for _, name := range []string{"[prod] web", "*star", "{a,b}", "vm^x", `back\slash`, `quo"te`, "@{HOME}", "question?", "vm,x", "a**"} {
		five := 5
		d := &svirt.Domain{UUID: uuid, Name: name, Type: "kvm", ID: &five, Devices: svirt.Devices{
			Disks:       []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/vm/Win 11 (x64) [v2], final#1.img"}, Transient: true}},
			TPMs:        []svirt.TPM{{Backend: "emulator"}},
			Filesystems: []svirt.Filesystem{{Driver: "virtiofs"}},
		}}
		var ie *svirt.IdentityError
		_, err := svirt.Derive(context.Background(), d, svirt.Options{Live: true})
		if name != "vm,x" && (!errors.As(err, &ie) || !strings.Contains(err.Error(), "Options.EscapeSpecial")) {
			t.Errorf("%s: %v", name, err)
		}
		var pe *svirt.PathError
		if name == "vm,x" && (!errors.As(err, &pe) || pe.Reason != svirt.ReasonGlob || !strings.Contains(err.Error(), "Options.EscapeSpecial")) {
			t.Errorf("%s: %v", name, err)
		}
		o := svirt.Options{Live: true, EscapeSpecial: true}
		rules := derived(t, d, o)
		text := rules.AppendFile(nil)
		back, err := svirt.ParseRules(context.Background(), "x", text)
		if err != nil || string(back.AppendFile(nil)) != string(text) {
			t.Errorf("%s: read back: %v", name, err)
		}
		policy := compiled(t, source(t, d, rules, svirt.PolicyFS()), "6.12")
		p, _ := query.Open(policy).Profile("libvirt-" + uuid)
		write := func(path string) bool { return p.Allows(query.File{Path: path, Perms: query.Write}) }
		for _, path := range []string{"/var/log/libvirt/qemu/%.log", "/var/lib/libvirt/qemu/domain-5-%/monitor.sock", "/var/log/swtpm/libvirt/qemu/%-swtpm.log", "/var/lib/libvirt/qemu/domain-5-%/fs0-fs.sock",
			"/srv/vm/Win 11 (x64) [v2], final#1.img.TRANSIENT-%"} {
			if own := strings.Replace(path, "%", name, 1); !write(own) {
				t.Errorf("%s: %s is denied", name, own)
			}
			for _, other := range []string{"p web", "xstar", "a", "b", "vmx", "backslash", "questionx", "axx", "x"} {
				if path := strings.Replace(path, "%", other, 1); write(path) {
					t.Errorf("%s: %s may be written", name, path)
				}
			}
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\nb", "a\x00b", strings.Repeat("x", 201)} {
		var ie *svirt.IdentityError
		if _, err := svirt.Derive(context.Background(), &svirt.Domain{UUID: uuid, Name: name}, svirt.Options{EscapeSpecial: true}); !errors.As(err, &ie) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestWithoutFS derives what needs no look at the host, and refuses the rest.
func TestWithoutFS(t *testing.T) {
	for _, test := range deviceTests {
		seven := 7
		d := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", ID: &seven}
		test.set(d)
		o := svirt.Options{}
		if test.opts != nil {
			o = *test.opts
		}
		o.Live = true
		_, err := svirt.Derive(context.Background(), d, o)
		for _, r := range reasons(err) {
			if test.reason == "" && r != svirt.ReasonNoDevice {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		switch test.reason {
		case "", svirt.ReasonOthers, svirt.ReasonBroken, svirt.ReasonBacking, svirt.ReasonNoDevice: // only the host can tell
		default:
			if err == nil {
				t.Errorf("%s: it is taken", test.name)
			}
		}
	}
	nix := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Emulator: "/run/libvirt/nix-emulators/qemu-system-x86_64"}
	if w := derived(t, nix, svirt.Options{}).Warnings(); len(w) != 1 || w[0].Code != svirt.WarnUnknown {
		t.Errorf("a link that nobody followed: %v", w)
	}
}
