// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// closedPaths are files of a host that give it or other machines away, by what
// their names are.
var closedPaths = []string{
	"/run/docker.sock", "/run/containerd/containerd.sock", "/run/snapd.socket", "/run/crio/crio.sock", "/var/run/docker.sock",
	"/run/podman/podman.sock", "/var/lib/incus/unix.socket", "/var/lib/lxd/unix.socket",
	"/run/libvirt/libvirt-sock", "/run/libvirt/common/system.token", "/run/libvirt/qemu/other.pid",
	"/run/user/0/bus", "/run/sudo/ts/root", "/run/utmp", "/run/initctl", "/run/lvm/lvmpolld.socket",
	"/var/lib/libvirt/qemu/domain-1-other/monitor.sock", "/var/lib/libvirt/qemu/domain-1-other/master-key.aes",
	"/var/lib/libvirt/qemu/nvram/other_VARS.fd", "/var/lib/libvirt/qemu/channel/target/other.agent",
	"/var/lib/libvirt/secrets/x.base64", "/var/lib/libvirt/swtpm/x/tpm2/tpm2-00.permall",
	"/root/.ssh/authorized_keys", "/home/u/.ssh/id_ed25519", "/var/spool/cron/crontabs/root", "/var/spool/cron/root", "/var/backups/shadow.bak",
	"/var/lib/systemd/random-seed", "/var/lib/polkit-1/localauthority/x", "/var/lib/sss/db/cache.ldb",
	"/var/lib/kubelet/pki/kubelet-client-current.pem", "/var/lib/docker/x", "/var/lib/snapd/state.json", "/var/lib/postgresql/16/main/x",
	"/opt/x/bin/daemon", "/var/lib/dkms/x", "/usr/src/linux/x", "/nix/store/x/bin/sh", "/snap/core/current/bin/sh", "/var/log/auth.log",
	"/dev/tty1", "/dev/console", "/dev/pts/0", "/dev/input/event0", "/dev/uinput", "/dev/uhid", "/dev/fuse", "/dev/loop-control",
	"/dev/nvram", "/dev/watchdog", "/dev/tpm0", "/dev/tpmrm0", "/dev/ipmi0", "/dev/btrfs-control", "/dev/snapshot", "/dev/sda", "/dev/nvme0",
	"/dev/vfio/vfio", "/dev/vfio/7", "/dev/log", "/dev/initctl", "/dev/rfkill", "/dev/vcs1", "/dev/userfaultfd", "/dev/hwrng", "/dev/ppp",
	"/dev/kvm", "/dev/shm/x", "/dev/mem", "/dev/mapper/control", "/dev/fd/0", "/dev",
}

var closedShares = []string{
	"/root", "/home", "/home/u", "/opt", "/srv", "/data", "/var/lib/libvirt/images", "/var/lib/libvirt/images/sub", "/var/lib/libvirt/qemu",
	"/var/lib/libvirt/secrets", "/var/lib/libvirt/swtpm", "/run/libvirt/qemu", "/run/libvirt/common", "/run/user/0", "/run/docker",
	"/var/spool/cron", "/var/backups", "/var/lib/docker", "/var/log", "/usr/local/share", "/usr/local/src", "/usr/local", "/tmp", "/var/tmp",
	"/nix", "/snap", "/var/spool", "/dev", "/dev/shm", "/", "/var", "/var/lib",
}

// TestClosedPlaces asks for what is closed as a disk and as a share. It stays
// closed where there is no file system to look at.
func TestClosedPlaces(t *testing.T) {
	refused := func(what string, d *svirt.Domain) {
		t.Helper()
		if _, err := svirt.Derive(context.Background(), d, svirt.Options{}); len(reasons(err)) == 0 {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for _, p := range closedPaths {
		refused("disk "+p, disk(p))
		block := disk(p)
		block.Devices.Disks[0].Image.Type = svirt.ImageBlock
		if p != "/dev/sda" { // which is one
			refused("block disk "+p, block)
		}
		refused("boot from "+p, &svirt.Domain{UUID: uuid, Name: "vm", Boot: svirt.Boot{Kernel: p}})
		refused("socket "+p, domain(svirt.Devices{Channels: []svirt.Chardev{{ID: "c", Type: svirt.ChardevUnix, Path: p}}}))
		refused("log "+p, domain(svirt.Devices{Serials: []svirt.Chardev{{ID: "c", Type: svirt.ChardevFile, Path: p}}}))
	}
	for _, p := range closedShares {
		refused("share of "+p, share(p))
	}
}

// TestOpenPlaces lists what an ordinary description by a manager names.
func TestOpenPlaces(t *testing.T) {
	seven := 7
	machine := func(boot svirt.Boot, dev svirt.Devices) *svirt.Domain {
		return &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", ID: &seven, Boot: boot, Devices: dev}
	}
	for _, p := range []string{"/var/lib/libvirt/images/vm.qcow2", "/srv/vm.img", "/data/vms/vm.img", "/mnt/nfs/vm.img", "/images/vm.img", "/tmp/vm.img", "/var/lib/nova/instances/x/disk", "/var/lib/vm/disk"} {
		wantReason(t, p, machine(svirt.Boot{}, svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: p}}}}), svirt.Options{Live: true}, "")
	}
	for _, p := range []string{"/dev/sdb", "/dev/sdb1", "/dev/vg0/vm", "/dev/mapper/vg0-vm", "/dev/dm-3", "/dev/nvme0n1p2", "/dev/disk/by-id/ata-X", "/dev/zvol/tank/vm", "/dev/loop7", "/dev/rbd/pool/vm"} {
		wantReason(t, p, machine(svirt.Boot{}, svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Type: svirt.ImageBlock, Path: p}}}}), svirt.Options{Live: true}, "")
	}
	for _, p := range []string{
		"/var/lib/libvirt/qemu/channel/target/domain-7-vm/org.qemu.guest_agent.0", "/run/libvirt/qemu/channel/7-vm/org.qemu.guest_agent.0",
		"/var/lib/libvirt/qemu/channel/target/vm.agent", "/srv/vm/serial.sock", "/run/vm/api.sock", "/var/run/vm/api.sock", "/run/vmm/" + uuid + "/api.sock",
		"/run/libvirt/qemu/dbus/7-vm-dbus.sock", "/var/lib/libvirt/qemu/domain-7-vm/vnc.sock",
	} {
		wantReason(t, p, machine(svirt.Boot{}, svirt.Devices{Channels: []svirt.Chardev{{ID: "a", Type: svirt.ChardevUnix, Path: p}}}), svirt.Options{Live: true}, "")
	}
	extra := func(path string, recursive bool) *svirt.Domain {
		return machine(svirt.Boot{}, svirt.Devices{Extra: []svirt.PathGrant{{ID: "a", Path: path, Perms: "rw", Recursive: recursive}}})
	}
	for _, p := range []string{"/var/lib/libvirt/qemu/domain-7-vm", "/run/libvirt/qemu/channel/7-vm", "/var/lib/libvirt/qemu/ram/7-vm", "/var/run/libvirt/qemu/channel/7-vm"} {
		wantReason(t, p, extra(p, true), svirt.Options{Live: true}, "")
		wantReason(t, p+" shared", machine(svirt.Boot{}, svirt.Devices{Filesystems: []svirt.Filesystem{{ID: "f", Source: p}}}), svirt.Options{Live: true}, svirt.ReasonClosed)
		wantReason(t, p+"2", extra(p+"2", true), svirt.Options{Live: true}, svirt.ReasonClosed)
	}
	wantReason(t, "its saved memory", extra("/var/lib/libvirt/qemu/save/vm.save", false), svirt.Options{Live: true}, "")
	wantReason(t, "another's saved memory", extra("/var/lib/libvirt/qemu/save/vm2.save", false), svirt.Options{Live: true}, svirt.ReasonClosed)
	for _, p := range []string{"/var/log/libvirt/qemu/vm-serial0.log", "/var/log/vm/console.log", "/srv/vm/console.log"} {
		wantReason(t, p, machine(svirt.Boot{}, svirt.Devices{Serials: []svirt.Chardev{{ID: "a", Type: svirt.ChardevFile, Path: p}}}), svirt.Options{Live: true}, "")
	}
	wantReason(t, "firmware", machine(svirt.Boot{
		Loader: &svirt.Loader{Path: "/usr/share/OVMF/OVMF_CODE.fd", ReadOnly: true}, NVRAM: &svirt.Image{Path: "/var/lib/libvirt/qemu/nvram/vm_VARS.fd"},
		Kernel: "/boot/vmlinuz", Initrd: "/var/lib/libvirt/boot/initrd",
	}, svirt.Devices{
		Nets:        []svirt.Net{{ID: "n", Socket: "/run/openvswitch/vhost-user1"}},
		Graphics:    []svirt.Graphics{{ID: "g", Type: "sdl", XAuth: "/home/u/.Xauthority"}},
		Filesystems: []svirt.Filesystem{{ID: "f", Source: "/srv/share"}},
		Inputs:      []svirt.Input{{ID: "i", Path: "/dev/input/by-id/kbd-event-kbd"}},
	}), svirt.Options{Live: true}, "")
	for what, d := range map[string]*svirt.Domain{
		"the switch itself":    domain(svirt.Devices{Nets: []svirt.Net{{ID: "n", Socket: "/run/openvswitch/db.sock"}}}),
		"another's cookies":    domain(svirt.Devices{Graphics: []svirt.Graphics{{ID: "g", Type: "sdl", XAuth: "/home/u/.ssh/id"}}}),
		"another number":       machine(svirt.Boot{}, svirt.Devices{Channels: []svirt.Chardev{{ID: "a", Type: svirt.ChardevUnix, Path: "/run/libvirt/qemu/channel/8-vm/x"}}}),
		"a longer name":        machine(svirt.Boot{}, svirt.Devices{Channels: []svirt.Chardev{{ID: "a", Type: svirt.ChardevUnix, Path: "/run/libvirt/qemu/channel/7-vm2/x"}}}),
		"another's variables":  machine(svirt.Boot{NVRAM: &svirt.Image{Path: "/var/lib/libvirt/qemu/nvram/vm_VARS.fd_VARS.fd"}}, svirt.Devices{}),
		"a directory at home":  domain(svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/home/vm/x"}}}}),
		"root's own directory": domain(svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/root/vm/x"}}}}),
	} {
		wantReason(t, what, d, svirt.Options{Live: true}, svirt.ReasonClosed)
	}
}

// TestRoots opens what is closed by custom, keeps closed what is the system's,
// and bounds what a tenant may name.
func TestRoots(t *testing.T) {
	host := fixture.New(fstest.MapFS{
		"home/u/vm.img": {}, "data/images/a.img": {}, "srv/b.img": {},
		"images": {Mode: fs.ModeSymlink, Data: []byte("data/images")}, "data/images/out.img": {Mode: fs.ModeSymlink, Data: []byte("/srv/b.img")},
		"proc/self/fd/0": {Mode: fs.ModeSymlink, Data: []byte("/data/images/a.img")},
	})
	images := func(dirs ...string) svirt.Options { return svirt.Options{FS: host, Roots: svirt.Roots{Images: dirs}} }
	tenant := func(o svirt.Options) svirt.Options { o.Origin = svirt.FromTenant; return o }
	for _, test := range []struct {
		what string
		d    *svirt.Domain
		o    svirt.Options
		want svirt.Reason
	}{
		{"at home", disk("/home/u/vm.img"), images(), svirt.ReasonClosed},
		{"at home, opened", disk("/home/u/vm.img"), images("/home/u"), ""},
		{"at home, another's opened", disk("/home/u/vm.img"), images("/home/uu"), svirt.ReasonOutside},
		{"outside", disk("/srv/b.img"), images("/data"), svirt.ReasonOutside},
		{"a root by a link", disk("/data/images/a.img"), images("/images"), ""},
		{"a path by a link", disk("/images/a.img"), images("/data/images/"), ""},
		{"a link out of the root", disk("/data/images/out.img"), images("/data/images"), svirt.ReasonOutside},
		{"the system", disk("/etc/shadow"), images("/"), svirt.ReasonRestricted},
		{"memory", disk("/dev/mem"), svirt.Options{Roots: svirt.Roots{Images: []string{"/dev"}}}, svirt.ReasonRestricted},
		{"a file that the manager has open", disk("/proc/self/fd/0"), images(), svirt.ReasonRestricted},
		{"a share with the system in it", share("/usr/local"), svirt.Options{Roots: svirt.Roots{Shares: []string{"/"}}}, svirt.ReasonContains},
		{"a share, opened", share("/home/u"), svirt.Options{Roots: svirt.Roots{Shares: []string{"/home/u"}}}, ""},
		{"private", disk("/srv/vmm/x"), svirt.Options{Private: []string{"/srv/vmm/"}}, svirt.ReasonPrivate},
		{"around a private directory", share("/srv/y"), svirt.Options{Private: []string{"/srv/y/vmm"}}, svirt.ReasonContains},
		{"private, in a root", disk("/srv/vmm/x"), svirt.Options{Private: []string{"/srv/vmm"}, Roots: svirt.Roots{Images: []string{"/srv/vmm"}}}, svirt.ReasonPrivate},

		{"a tenant without roots", disk("/srv/b.img"), tenant(images()), svirt.ReasonNoRoot},
		{"a tenant's image", disk("/data/images/a.img"), tenant(images("/data/images")), ""},
		{"a tenant's firmware", &svirt.Domain{UUID: uuid, Name: "vm", Boot: svirt.Boot{Initrd: "/boot/initrd"}}, tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's share", share("/srv/x"), tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's socket", domain(svirt.Devices{Channels: []svirt.Chardev{{ID: "a", Type: "unix", Path: "/srv/x"}}}), tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's log", domain(svirt.Devices{Serials: []svirt.Chardev{{ID: "a", Type: "file", Path: "/srv/x"}}}), tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's terminal", domain(svirt.Devices{Serials: []svirt.Chardev{{ID: "a", Type: "pty", Path: "/dev/pts/1"}}}), tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's program", domain(svirt.Devices{Programs: []svirt.Program{{ID: "a", Path: "/usr/bin/qemu"}}}), tenant(images("/srv")), svirt.ReasonNoRoot},
		{"a tenant's extra", domain(svirt.Devices{Extra: []svirt.PathGrant{{ID: "a", Path: "/srv/x", Perms: "r"}}}), tenant(images("/srv")), svirt.ReasonNoRoot},
	} {
		wantReason(t, test.what, test.d, test.o, test.want)
	}
	// Host devices are nodes of the host.
	usb := domain(svirt.Devices{HostDevices: []svirt.HostDevice{{ID: "u", Kind: svirt.HostUSB, USB: svirt.USBAddress{Bus: 1, Device: 4}}}})
	pci := domain(svirt.Devices{HostDevices: []svirt.HostDevice{{ID: "p", Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 1}}}})
	cdev := domain(svirt.Devices{HostDevices: []svirt.HostDevice{{ID: "p", Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Bus: 1}, IOMMUFD: true}}})
	o := svirt.Options{FS: fixture.New(hostFiles)}
	for _, test := range []struct {
		what  string
		d     *svirt.Domain
		roots []string
		want  svirt.Reason
	}{
		{"USB", usb, nil, svirt.ReasonNoRoot}, {"USB", usb, []string{"/dev/bus/usb/001/005"}, svirt.ReasonOutside}, {"USB", usb, []string{"/dev/bus/usb/001/004"}, ""},
		{"PCI", pci, nil, svirt.ReasonNoRoot}, {"PCI", pci, []string{"/dev/vfio/12"}, ""}, {"PCI", pci, []string{"/dev/vfio/1"}, svirt.ReasonOutside},
		{"PCI by descriptor", cdev, nil, svirt.ReasonOutside}, {"PCI by descriptor", cdev, []string{"/sys/devices/pci0000:00/0000:01:00.0"}, ""},
	} {
		wantReason(t, test.what, test.d, o, "")
		o := tenant(o)
		o.Roots.Devices = test.roots
		wantReason(t, "a tenant's "+test.what, test.d, o, test.want)
	}

	seven := 7
	d := disk("/srv/b.img")
	d.ID = &seven
	live := tenant(images("/srv"))
	live.Live = true
	for what, o := range map[string]svirt.Options{
		"a tenant's number": tenant(images("/srv")), "a tenant's number that is said to be live": live,
		"a number that nobody vouches for": images("/srv"),
	} {
		var ie *svirt.IdentityError
		if _, err := svirt.Derive(context.Background(), d, o); !errors.As(err, &ie) || ie.What != "number" {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, o := range map[string]svirt.Options{
		"a tenant under compat": {Origin: svirt.FromTenant, Method: svirt.Compat128},
		"a relative root":       images("srv"),
		"a root with dots":      images("/srv/../etc"),
		"an empty root":         {Roots: svirt.Roots{Extra: []string{""}}},
		"a relative directory":  {Backing: []string{"srv"}},
		"a private directory":   {Private: []string{"."}},
	} {
		if rules, err := svirt.Derive(context.Background(), disk("/srv/b.img"), o); !errors.Is(err, svirt.ErrOptions) || rules != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
