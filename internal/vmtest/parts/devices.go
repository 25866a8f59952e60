// SPDX-License-Identifier: Apache-2.0

//go:build linux

package parts

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/svirt"
)

const (
	uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	qemu = "/usr/bin/qemu-system-x86_64"
	dir  = "/srv/vm"
	qmp  = dir + "/qmp.sock"
	home = "/var/lib/libvirt" // of Debian's user libvirt-qemu
)

// Device is a device of a machine that is described, or is not.
type Device struct {
	Name string
	// Before makes what the device is of, unconfined.
	Before func(tb testing.TB)
	// Open opens what QEMU gets as descriptor 3.
	Open func(tb testing.TB) *os.File
	// Describe puts it into the description.
	Describe func(d *svirt.Domain)
	// Args are QEMU's. What is needed before QEMU starts runs as companions.
	Args []string
	// Companions are programs with their arguments, by ID.
	Companions map[string][]string
	// Connects says that QEMU only connects to a socket, which kernels before
	// those that mediate unix sockets do not mediate by its name.
	Connects bool
	// Holds is a link of a descriptor. QEMU need only open what that leads to, and
	// is not asked anything.
	Holds string
	// Named are what is denied although it is described, and which it does without.
	Named []string
	// Module says that the kernel needs modules for it.
	Module bool
	// Denied is what the log names when QEMU is run without the device in the
	// description; empty: there is nothing to deny.
	Denied string
}

// Devices are what TestParts runs, in the order of the table in docs/devices.md.
var Devices = []Device{
	{Name: "nothing"},
	{Name: "disk, raw", Denied: file("a.img"),
		Before: func(tb testing.TB) { write(tb, file("a.img"), 1<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("a.img"), Format: "raw"}}}
		},
		Args: []string{"-blockdev", "driver=raw,node-name=a,file.driver=file,file.filename=" + file("a.img"), "-device", "virtio-blk-pci,drive=a"}},
	{Name: "disk, qcow2 with two below it", Denied: file("top.qcow2"),
		Before: func(tb testing.TB) {
			run(tb, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", file("base.qcow2"), "1M")
			run(tb, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", file("mid.qcow2"))
			run(tb, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", file("top.qcow2"))
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("top.qcow2"), Format: "qcow2"}}}
		},
		Args: []string{"-drive", "if=virtio,format=qcow2,file=" + file("top.qcow2")}},
	{Name: "disk, under the template for any VMM", Denied: file("b.img"),
		Before: func(tb testing.TB) {
			write(tb, file("b.img"), 1<<20)
			// Firmware of its own: what is QEMU's is not in that template.
			for _, source := range []string{"/usr/share/seabios", "/usr/share/qemu"} {
				if err := os.CopyFS(file("firmware"), os.DirFS(source)); err != nil {
					tb.Fatal(err)
				}
			}
		},
		Describe: func(d *svirt.Domain) {
			d.Type = ""
			d.Devices.Programs = []svirt.Program{{ID: "q", Path: qemu}}
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("b.img"), Format: "raw"}}}
			d.Devices.Extra = []svirt.PathGrant{{ID: "f", Path: file("firmware"), Perms: "r", Recursive: true}}
		},
		Args:  []string{"-L", file("firmware"), "-blockdev", "driver=raw,node-name=b,file.driver=file,file.filename=" + file("b.img"), "-device", "virtio-blk-pci,drive=b"},
		Named: []string{`name="/proc/sys/vm/max_map_count"`}}, // TEMPLATE.qemu has it
	{Name: "cdrom", Denied: file("c.iso"),
		Before: func(tb testing.TB) { write(tb, file("c.iso"), 1<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "sda", Image: svirt.Image{Path: file("c.iso"), Format: "raw"}, ReadOnly: true}}
		},
		Args: []string{"-drive", "if=none,id=c,format=raw,readonly=on,file=" + file("c.iso"), "-device", "ide-cd,drive=c"}},
	{Name: "disk, asynchronous with io_uring", Denied: file("u.img"),
		Before: func(tb testing.TB) { write(tb, file("u.img"), 1<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("u.img"), Format: "raw"}}}
		},
		Args: []string{"-drive", "if=virtio,format=raw,aio=io_uring,file=" + file("u.img")}},
	{Name: "firmware of pflash with variables", Denied: file("vars.fd"),
		Before: func(tb testing.TB) {
			data, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
			if err == nil {
				err = os.WriteFile(file("vars.fd"), data, 0o600)
			}
			if err != nil {
				tb.Fatal(err)
			}
		},
		Describe: func(d *svirt.Domain) {
			d.Boot.Loader = &svirt.Loader{Path: "/usr/share/OVMF/OVMF_CODE_4M.fd", Type: "pflash", ReadOnly: true}
			d.Boot.NVRAM = &svirt.Image{Path: file("vars.fd"), Format: "raw"}
		},
		Args: []string{"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,unit=1,format=raw,file=" + file("vars.fd")}},
	{Name: "UEFI variables in JSON", Denied: file("vars.json"),
		Before:   func(tb testing.TB) { write(tb, file("vars.json"), 0) },
		Describe: func(d *svirt.Domain) { d.Boot.VarStore = file("vars.json") },
		Args:     []string{"-device", "uefi-vars-x64,jsonfile=" + file("vars.json")}},
	{Name: "kernel and initrd", Denied: file("vmlinuz"),
		Before: func(tb testing.TB) {
			if err := os.WriteFile(file("vmlinuz"), guest.File(tb, "vmlinuz"), 0o600); err != nil {
				tb.Fatal(err)
			}
			write(tb, file("initrd"), 4096)
		},
		Describe: func(d *svirt.Domain) { d.Boot.Kernel, d.Boot.Initrd = file("vmlinuz"), file("initrd") },
		Args:     []string{"-kernel", file("vmlinuz"), "-initrd", file("initrd")}},
	{Name: "fw_cfg and an ACPI table", Denied: file("table"),
		Before: func(tb testing.TB) {
			write(tb, file("ignition"), 100)
			table := make([]byte, 36) // a header with a length
			copy(table, "SSDT")
			table[4] = 36
			if err := os.WriteFile(file("table"), table, 0o600); err != nil {
				tb.Fatal(err)
			}
		},
		Describe: func(d *svirt.Domain) {
			d.Boot.FWCfg, d.Boot.ACPI = []string{file("ignition")}, []string{file("table")}
		},
		Args: []string{"-fw_cfg", "name=opt/x,file=" + file("ignition"), "-acpitable", "file=" + file("table")}},
	{Name: "serial port in a file, with a log", Denied: file("serial.log"),
		Describe: func(d *svirt.Domain) {
			c := chardev("s", svirt.ChardevFile, "serial.txt")
			c.Log = file("serial.log")
			d.Devices.Serials = []svirt.Chardev{c}
		},
		Args: []string{"-chardev", "file,id=s,path=" + file("serial.txt") + ",logfile=" + file("serial.log") + ",logappend=on", "-device", "isa-serial,chardev=s"}},
	{Name: "serial port at a socket", Denied: file("serial.sock"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Serials = []svirt.Chardev{chardev("s", svirt.ChardevUnix, "serial.sock")}
		},
		Args: []string{"-chardev", "socket,id=s,server=on,wait=off,path=" + file("serial.sock"), "-device", "isa-serial,chardev=s"}},
	{Name: "serial port at a pipe", Denied: file("pipe"),
		Before: func(tb testing.TB) {
			for _, name := range []string{"pipe.in", "pipe.out"} {
				if err := unix.Mkfifo(file(name), 0o600); err != nil {
					tb.Fatal(err)
				}
			}
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Serials = []svirt.Chardev{chardev("s", svirt.ChardevPipe, "pipe")}
		},
		Args: []string{"-chardev", "pipe,id=s,path=" + file("pipe"), "-device", "isa-serial,chardev=s"}},
	{Name: "serial port at a terminal of its own", Denied: "/dev/pts/",
		Describe: func(d *svirt.Domain) { d.Devices.Serials = []svirt.Chardev{{ID: "s", Type: svirt.ChardevPTY}} },
		Args:     []string{"-chardev", "pty,id=s", "-device", "isa-serial,chardev=s"}},
	{Name: "parallel port in a file", Denied: file("parallel.txt"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Parallels = []svirt.Chardev{chardev("p", svirt.ChardevFile, "parallel.txt")}
		},
		Args: []string{"-chardev", "file,id=p,path=" + file("parallel.txt"), "-device", "isa-parallel,chardev=p"}},
	{Name: "channel at a socket", Denied: file("agent.sock"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Channels = []svirt.Chardev{chardev("c", svirt.ChardevUnix, "agent.sock")}
		},
		Args: []string{"-chardev", "socket,id=c,server=on,wait=off,path=" + file("agent.sock"), "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=c,name=org.qemu.guest_agent.0"}},
	{Name: "VNC at a socket", Denied: file("vnc.sock"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Graphics = []svirt.Graphics{{ID: "g", Type: "vnc", Sockets: []string{file("vnc.sock")}}}
		},
		Args: []string{"-vnc", "unix:" + file("vnc.sock")}},
	{Name: "memory in files", Denied: file("ram"),
		Before: func(tb testing.TB) { mkdir(tb, file("ram/1-vm")) },
		Describe: func(d *svirt.Domain) {
			d.ID, d.Memory = new(1), svirt.MemoryBacking{Source: "file", Dir: file("ram")}
		},
		Args: []string{"-object", "memory-backend-file,id=m,size=32M,share=on,mem-path=" + file("ram/1-vm"), "-machine", "memory-backend=m"}},
	{Name: "memory in huge pages", Denied: file("huge"),
		Before: func(tb testing.TB) {
			mkdir(tb, file("huge"))
			if err := unix.Mount("hugetlbfs", file("huge"), "hugetlbfs", 0, "pagesize=2M"); err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() {
				if err := unix.Unmount(file("huge"), 0); err != nil {
					tb.Error(err)
				}
			})
			mkdir(tb, file("huge/libvirt/qemu/1-vm"))
			if err := os.WriteFile("/proc/sys/vm/nr_hugepages", []byte("20"), 0); err != nil {
				tb.Fatal(err)
			}
		},
		Describe: func(d *svirt.Domain) {
			d.ID, d.Memory = new(1), svirt.MemoryBacking{HugePages: []svirt.HugePages{{SizeKiB: 2048, Mount: file("huge")}}}
		},
		Args: []string{"-object", "memory-backend-file,id=m,size=32M,prealloc=on,mem-path=" + file("huge/libvirt/qemu/1-vm"), "-machine", "memory-backend=m"}},
	{Name: "memory of memfd",
		Args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m"}},
	{Name: "nvdimm and virtio-pmem", Denied: file("nvdimm"),
		Before: func(tb testing.TB) { write(tb, file("nvdimm"), 4<<20); write(tb, file("pmem"), 4<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Memory = []svirt.Memory{{ID: "n", Model: "nvdimm", Path: file("nvdimm")}, {ID: "p", Model: "virtio-pmem", Path: file("pmem")}}
		},
		Args: []string{"-machine", "nvdimm=on", "-m", "32,slots=4,maxmem=1G",
			"-object", "memory-backend-file,id=n,size=4M,share=on,mem-path=" + file("nvdimm"), "-device", "nvdimm,memdev=n",
			"-object", "memory-backend-file,id=p,size=4M,share=on,mem-path=" + file("pmem"), "-device", "virtio-pmem-pci,memdev=p"}},
	{Name: "shared memory", Denied: "/dev/shm/shared",
		Describe: func(d *svirt.Domain) {
			d.Devices.Shmem = []svirt.Shmem{{ID: "s", Name: "shared", Model: "ivshmem-plain"}}
		},
		Args: []string{"-object", "memory-backend-file,id=s,size=1M,share=on,mem-path=/dev/shm/shared", "-device", "ivshmem-plain,memdev=s"}},
	{Name: "9p", Denied: file("share"),
		Before: func(tb testing.TB) { mkdir(tb, file("share")) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Filesystems = []svirt.Filesystem{{ID: "f", Source: file("share")}}
		},
		Args: []string{"-fsdev", "local,id=f,security_model=mapped-xattr,path=" + file("share"), "-device", "virtio-9p-pci,fsdev=f,mount_tag=f"}},
	{Name: "random numbers of a socket and of the kernel", Connects: true, Denied: file("egd.sock"),
		Before: func(tb testing.TB) { listen(tb, file("egd.sock")) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Chardevs = []svirt.Chardev{chardev("r", svirt.ChardevUnix, "egd.sock")}
		},
		Args: []string{"-chardev", "socket,id=r,path=" + file("egd.sock"), "-object", "rng-egd,id=e,chardev=r", "-device", "virtio-rng-pci,rng=e",
			"-object", "rng-random,id=k,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=k"}},
	{Name: "records of crashes in a file", Denied: file("erst"),
		Before: func(tb testing.TB) { write(tb, file("erst"), 64<<10) },
		Describe: func(d *svirt.Domain) {
			d.Devices.PStores = []svirt.PStore{{ID: "p", Path: file("erst")}}
		},
		Args: []string{"-object", "memory-backend-file,id=e,size=64K,share=on,mem-path=" + file("erst"), "-device", "acpi-erst,memdev=e"}},
	{Name: "watchdog, panic notifier, balloon, crypto",
		Args: []string{"-device", "i6300esb", "-device", "pvpanic", "-device", "virtio-balloon-pci", "-object", "cryptodev-backend-builtin,id=c", "-device", "virtio-crypto-pci,cryptodev=c"}},
	{Name: "sound in a file", Denied: file("sound.wav"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Audios = []svirt.Audio{{ID: "a", Type: "file", Path: file("sound.wav")}}
		},
		Args: []string{"-audiodev", "wav,id=a,path=" + file("sound.wav"), "-device", "AC97,audiodev=a"}},
	{Name: "interface with a ROM file", Denied: file("rom.bin"),
		Before: func(tb testing.TB) { write(tb, file("rom.bin"), 4096) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Nets = []svirt.Net{{ID: "n", ROM: file("rom.bin")}}
		},
		Args: []string{"-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=" + file("rom.bin")}},
	{Name: "arguments of its own", Denied: file("own"),
		Before: func(tb testing.TB) { write(tb, file("own"), 100) },
		Describe: func(d *svirt.Domain) {
			d.CommandLine.Args = []string{"-fw_cfg", "name=opt/own,file=" + file("own")}
		},
		Args: []string{"-fw_cfg", "name=opt/own,file=" + file("own")}},
	{Name: "TPM with its swtpm", Connects: true, Denied: file("tpm.sock"),
		Before: func(tb testing.TB) { mkdir(tb, file("tpm")) },
		Describe: func(d *svirt.Domain) {
			d.Devices.TPMs = []svirt.TPM{{ID: "t", Backend: "emulator", Path: file("tpm.sock"), State: file("tpm")}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionSWTPM, Serves: svirt.Device{Kind: svirt.DeviceTPM, ID: "t"}}}
		},
		Companions: map[string][]string{"swtpm": {"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + file("tpm"), "--ctrl", "type=unixio,path=" + file("tpm.sock")}},
		Args:       []string{"-chardev", "socket,id=t,path=" + file("tpm.sock"), "-tpmdev", "emulator,id=t,chardev=t", "-device", "tpm-crb,tpmdev=t"}},
	{Name: "virtiofs with its virtiofsd", Connects: true, Denied: file("fs.sock"),
		Before: func(tb testing.TB) { mkdir(tb, file("shared")) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Filesystems = []svirt.Filesystem{{ID: "f", Driver: "virtiofs", Source: file("shared"), Socket: file("fs.sock")}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionVirtiofsd, Serves: svirt.Device{Kind: svirt.DeviceFilesystem, ID: "f"}}}
		},
		Companions: map[string][]string{"virtiofsd": {"/usr/libexec/virtiofsd", "--socket-path=" + file("fs.sock"), "--shared-dir=" + file("shared"), "--sandbox=chroot"}},
		Args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m",
			"-chardev", "socket,id=f,path=" + file("fs.sock"), "-device", "vhost-user-fs-pci,chardev=f,tag=f"}},
	{Name: "vhost-user disk with its storage daemon", Connects: true, Denied: file("disk.sock"),
		Before: func(tb testing.TB) { write(tb, file("served.img"), 1<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "v", Image: svirt.Image{Type: svirt.ImageVHostUser, Path: file("disk.sock")}}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionStorageDaemon, Serves: svirt.Device{Kind: svirt.DeviceDisk, ID: "v"},
				Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "s", Image: svirt.Image{Path: file("served.img"), Format: "raw"}}}}}}
		},
		Companions: map[string][]string{"qemu-storage-daemon": {"/usr/bin/qemu-storage-daemon", "--blockdev", "driver=file,node-name=f,filename=" + file("served.img"),
			"--export", "type=vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path=" + file("disk.sock")}},
		Args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m",
			"-chardev", "socket,id=v,path=" + file("disk.sock"), "-device", "vhost-user-blk-pci,chardev=v"}},
	{Name: "disk by NBD over a socket", Connects: true, Denied: file("nbd.sock"),
		Before: func(tb testing.TB) { write(tb, file("nbd.img"), 1<<20) },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "n", Image: svirt.Image{Type: svirt.ImageNetwork, Protocol: "nbd", Socket: file("nbd.sock")}}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionStorageDaemon, Devices: svirt.Devices{
				Disks:    []svirt.Disk{{ID: "s", Image: svirt.Image{Path: file("nbd.img"), Format: "raw"}}},
				Chardevs: []svirt.Chardev{chardev("n", svirt.ChardevUnix, "nbd.sock")},
			}}}
		},
		Companions: map[string][]string{"qemu-storage-daemon": {"/usr/bin/qemu-storage-daemon", "--blockdev", "driver=file,node-name=f,filename=" + file("nbd.img"),
			"--nbd-server", "addr.type=unix,addr.path=" + file("nbd.sock"), "--export", "type=nbd,id=f,node-name=f,writable=on"}},
		Args: []string{"-blockdev", "driver=nbd,node-name=n,export=f,server.type=unix,server.path=" + file("nbd.sock"), "-device", "virtio-blk-pci,drive=n"}},
	{Name: "disk with persistent reservations", Connects: true, Denied: file("pr.sock"),
		Before: func(tb testing.TB) {
			write(tb, file("pr.img"), 1<<20)
			background(tb, "/usr/bin/qemu-pr-helper", "-k", file("pr.sock"), "-f", file("pr.pid"))
			appear(tb, file("pr.sock"))
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "p", Image: svirt.Image{Path: file("pr.img"), Format: "raw"}, Reservations: &svirt.Reservations{Socket: file("pr.sock")}}}
		},
		// Not the disk: that would be denied first.
		Args: []string{"-object", "pr-manager-helper,id=pr,path=" + file("pr.sock")}},
	{Name: "interface with its passt", Connects: true, Denied: file("net.sock"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Nets = []svirt.Net{{ID: "n", Backend: "passt", Socket: file("net.sock"), Log: file("passt.log")}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionPasst, Serves: svirt.Device{Kind: svirt.DeviceNet, ID: "n"}}}
		},
		Companions: map[string][]string{"passt": {"/usr/bin/passt", "--foreground", "--runas", "0", "--socket", file("net.sock"), "--log-file", file("passt.log"), "-4", "-a", "10.0.2.15", "-g", "10.0.2.2", "-i", "lo"}},
		Args:       []string{"-netdev", "stream,id=n,addr.type=unix,addr.path=" + file("net.sock"), "-device", "virtio-net-pci,netdev=n,romfile="}},
	{Name: "disk, block device", Module: true, Denied: "/dev/loop0",
		Before: func(tb testing.TB) { write(tb, file("block.img"), 1<<20); loop(tb, file("block.img"), "/dev/loop0") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Type: svirt.ImageBlock, Path: "/dev/loop0", Format: "raw"}}}
		},
		Args: []string{"-blockdev", "driver=raw,node-name=a,file.driver=host_device,file.filename=/dev/loop0", "-device", "virtio-blk-pci,drive=a"}},
	{Name: "SCSI device of the host", Module: true, Denied: "/dev/sg0",
		Describe: func(d *svirt.Domain) {
			d.Devices.HostDevices = []svirt.HostDevice{{ID: "s", Kind: svirt.HostSCSI, SCSI: &svirt.SCSIAddress{}}}
		},
		Args: []string{"-blockdev", "driver=raw,node-name=s,file.driver=host_device,file.filename=/dev/sg0", "-device", "virtio-scsi-pci", "-device", "scsi-generic,drive=s"}},
	{Name: "interface by tap, as a descriptor", Module: true,
		Open:     func(tb testing.TB) *os.File { return tap(tb, "tap0") },
		Describe: func(d *svirt.Domain) { d.Devices.Nets = []svirt.Net{{ID: "n"}} },
		Args:     []string{"-netdev", "tap,id=n,fd=3", "-device", "virtio-net-pci,netdev=n,romfile="}},
	{Name: "interface by tap, with vhost-net", Module: true, Denied: "/dev/vhost-net",
		Open:     func(tb testing.TB) *os.File { return tap(tb, "tap0") },
		Describe: func(d *svirt.Domain) { d.Devices.Nets = []svirt.Net{{ID: "n", VHost: true}} },
		Args:     []string{"-netdev", "tap,id=n,fd=3,vhost=on", "-device", "virtio-net-pci,netdev=n,romfile="}},
	{Name: "interface by qemu-bridge-helper", Module: true, Denied: bridgeHelper,
		Before: func(tb testing.TB) {
			bridge(tb, "br0")
			mkdir(tb, "/etc/qemu")
			if err := os.WriteFile("/etc/qemu/bridge.conf", []byte("allow br0\n"), 0o644); err != nil {
				tb.Fatal(err)
			}
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Nets = []svirt.Net{{ID: "n"}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionBridgeHelper}}
		},
		Args: []string{"-netdev", "bridge,id=n,br=br0,helper=" + bridgeHelper, "-device", "virtio-net-pci,netdev=n,romfile="}},
	{Name: "vsock of the kernel", Module: true, Denied: "/dev/vhost-vsock",
		Describe: func(d *svirt.Domain) { d.Devices.Vsocks = []svirt.Vsock{{ID: "v"}} },
		Args:     []string{"-device", "vhost-vsock-pci,guest-cid=3"}},
}

// Modules are the modules of the kernel that the devices need whose Module is
// set.
var Modules = []string{"loop", "scsi_debug", "sg", "tun", "bridge", "vhost_net", "vhost_vsock"}

const bridgeHelper = "/usr/lib/qemu/qemu-bridge-helper"

func file(name string) string { return filepath.Join(dir, name) }

// run runs a program that makes something.
func run(tb testing.TB, args ...string) {
	tb.Helper()
	// Some of them clean up, when the context of the test has ended.
	ctx := context.WithoutCancel(tb.Context())
	if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
		tb.Fatalf("%v: %v: %s", args, err, out)
	}
}

func write(tb testing.TB, name string, size int) {
	tb.Helper()
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		tb.Fatal(err)
	}
}

func mkdir(tb testing.TB, name string) {
	tb.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		tb.Fatal(err)
	}
}

// loop makes a block device of a file.
func loop(tb testing.TB, name, device string) {
	tb.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	d, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.IoctlSetInt(int(d.Fd()), unix.LOOP_SET_FD, int(f.Fd())); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		defer d.Close()
		if err := unix.IoctlSetInt(int(d.Fd()), unix.LOOP_CLR_FD, 0); err != nil {
			tb.Error(err)
		}
	})
}

// tap opens an interface, which is there as long as it is open.
func tap(tb testing.TB, name string) *os.File {
	tb.Helper()
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := unix.NewIfreq(name)
	if err != nil {
		tb.Fatal(err)
	}
	r.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, r); err != nil {
		tb.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name)
}

// bridge makes a bridge if there is none.
func bridge(tb testing.TB, name string) {
	tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCBRADDBR, r); err != nil && !errors.Is(err, unix.EEXIST) {
		tb.Fatal(err)
	}
}

// listen makes a socket that takes connections and says nothing.
func listen(tb testing.TB, name string) {
	tb.Helper()
	l, err := new(net.ListenConfig).Listen(context.WithoutCancel(tb.Context()), "unix", name)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
}

func chardev(id string, typ svirt.ChardevType, name string) svirt.Chardev {
	return svirt.Chardev{ID: id, Type: typ, Path: file(name)}
}

// machine returns the description of a machine without any device.
func machine() *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Monitor: svirt.Monitor{API: []string{qmp}}}
}
