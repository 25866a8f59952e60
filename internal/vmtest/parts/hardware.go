// SPDX-License-Identifier: Apache-2.0

//go:build linux

package parts

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/svirt"
)

// Hardware are the devices that TestPartsHardware runs, in a guest that has what
// HardwareArgs say. They come after Devices in the table.
var Hardware = []Device{
	{Name: "USB device of the host", Denied: "/dev/bus/usb/001/002",
		Before: func(tb testing.TB) {
			appear(tb, "/dev/bus/usb/001/002")
			// By this libudev knows that udev runs.
			mkdir(tb, "/run/udev")
			write(tb, "/run/udev/control", 0)
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.HostDevices = []svirt.HostDevice{{ID: "u", Kind: svirt.HostUSB, USB: svirt.USBAddress{Vendor: 0x0627, Product: 0x0001}}}
		},
		Args:  []string{"-device", "qemu-xhci", "-device", "usb-host,hostdevice=/dev/bus/usb/001/002"},
		Named: []string{`capname="net_admin"`}}, // libudev asks for a larger buffer, and does without
	{Name: "NVMe device of the host, by VFIO", Denied: "/dev/vfio/",
		Before: func(tb testing.TB) { vfio(tb, "0000:00:11.0") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "n", Image: svirt.Image{Type: svirt.ImageNVMe, NVMe: &svirt.NVMe{PCI: svirt.PCIAddress{Slot: 0x11}}}}}
		},
		Args: []string{"-blockdev", "driver=nvme,node-name=n,device=0000:00:11.0,namespace=1", "-device", "virtio-blk-pci,drive=n"},
		// The emulated one loses the interrupt of the first command more often than not.
		Holds: "anon_inode:[vfio-device]"},
	{Name: "PCI device of the host, by VFIO", Denied: "/dev/vfio/",
		Before: func(tb testing.TB) { vfio(tb, "0000:00:10.0") },
		Describe: func(d *svirt.Domain) {
			d.Devices.HostDevices = []svirt.HostDevice{{ID: "p", Kind: svirt.HostPCI, PCI: svirt.PCIAddress{Slot: 0x10}}}
		},
		Args: []string{"-device", "vfio-pci,host=0000:00:10.0"}},
	{Name: "input device of the host", Denied: "/dev/input/event0",
		Before:   func(tb testing.TB) { appear(tb, "/dev/input/event0") },
		Describe: func(d *svirt.Domain) { d.Devices.Inputs = []svirt.Input{{ID: "i", Path: "/dev/input/event0"}} },
		Args:     []string{"-object", "input-linux,id=i,evdev=/dev/input/event0"}},
	{Name: "sound card, by ALSA", Denied: "/usr/share/alsa/",
		Before: func(tb testing.TB) { appear(tb, "/dev/snd/pcmC0D0p") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Audios = []svirt.Audio{{ID: "a", Type: "alsa", Devices: []string{"hw:0,0"}}}
		},
		Args: []string{"-audiodev", "alsa,id=a,out.dev=hw:0,in.dev=hw:0", "-device", "AC97,audiodev=a"}},
	{Name: "sound card, by OSS", Denied: "/dev/dsp",
		Before: func(tb testing.TB) { appear(tb, "/dev/dsp") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Audios = []svirt.Audio{{ID: "a", Type: "oss", Devices: []string{"/dev/dsp"}}}
		},
		Args: []string{"-audiodev", "oss,id=a,out.dev=/dev/dsp,in.dev=/dev/dsp", "-device", "AC97,audiodev=a"}},
	{Name: "sound by PulseAudio", Denied: "/etc/pulse/",
		Before: func(tb testing.TB) {
			background(tb, "/usr/bin/pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
				"-L", "module-null-sink", "-L", "module-native-protocol-unix auth-anonymous=1 socket="+file("pulse.sock"))
			appear(tb, file("pulse.sock"))
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Audios = []svirt.Audio{{ID: "a", Type: "pulseaudio", Server: "unix:" + file("pulse.sock")}}
		},
		Args: []string{"-audiodev", "pa,id=a,server=unix:" + file("pulse.sock"), "-device", "AC97,audiodev=a"},
		// It would share memory, and have a cookie; the server takes it without.
		Named: []string{`name="/dev/shm/"`, `name="` + home + "/.config/pulse/"}},
	{Name: "sound by PipeWire", Denied: "/usr/share/pipewire/",
		Before: func(tb testing.TB) {
			background(tb, "/usr/bin/pipewire")
			appear(tb, file("pipewire-0"))
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Audios = []svirt.Audio{{ID: "a", Type: "pipewire", RuntimeDir: dir}}
		},
		Args: []string{"-audiodev", "pipewire,id=a", "-device", "AC97,audiodev=a"},
		// It would know the machine, and run with priority.
		Named: []string{`name="/sys/devices/virtual/dmi/id/`, `capname="sys_nice"`}},
	{Name: "SPICE at a socket", Denied: file("spice.sock"),
		Describe: func(d *svirt.Domain) {
			d.Devices.Graphics = []svirt.Graphics{{ID: "g", Type: "spice", Sockets: []string{file("spice.sock")}}}
		},
		Args: []string{"-spice", "unix=on,disable-ticketing=on,addr=" + file("spice.sock"), "-device", "qxl-vga"}},
	{Name: "display by D-Bus", Connects: true, Denied: file("bus"),
		Before: func(tb testing.TB) {
			background(tb, "/usr/bin/dbus-daemon", "--session", "--nofork", "--nopidfile", "--address=unix:path="+file("bus"))
			appear(tb, file("bus"))
			// What the warning of the description says.
			const local = "/etc/apparmor.d/local/abstractions"
			mkdir(tb, local)
			if err := os.WriteFile(local+"/libvirt-qemu", []byte("dbus bus=session,\n"), 0o644); err != nil {
				tb.Fatal(err)
			}
			tb.Cleanup(func() {
				if err := os.RemoveAll(local); err != nil {
					tb.Error(err)
				}
			})
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Graphics = []svirt.Graphics{{ID: "g", Type: "dbus", Address: "unix:path=" + file("bus")}}
		},
		Args: []string{"-display", "dbus,addr=unix:path=" + file("bus"), "-device", "VGA"}},
	{Name: "display of GL on a render node", Denied: "/dev/dri/renderD128",
		Before: func(tb testing.TB) { appear(tb, "/dev/dri/renderD128") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Graphics = []svirt.Graphics{{ID: "g", Type: "egl-headless", GL: true, RenderNode: "/dev/dri/renderD128"}}
		},
		Args:  []string{"-display", "egl-headless,rendernode=/dev/dri/renderD128", "-device", "virtio-vga-gl"},
		Named: []string{`capname="sys_admin"`, `name="/dev/udmabuf"`}}, // Mesa draws in software here
	{Name: "video card that shares memory", Denied: "/dev/udmabuf",
		Before:   func(tb testing.TB) { appear(tb, "/dev/udmabuf") },
		Describe: func(d *svirt.Domain) { d.Devices.Videos = []svirt.Video{{ID: "v", Blob: true}} },
		Args:     []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m", "-device", "virtio-gpu-pci,blob=on,hostmem=16M"}},
	{Name: "video card by vhost-user", Connects: true, Denied: file("gpu.sock"),
		Before: func(tb testing.TB) {
			background(tb, "/usr/lib/qemu/vhost-user-gpu", "--socket-path="+file("gpu.sock"))
			appear(tb, file("gpu.sock"))
		},
		Describe: func(d *svirt.Domain) {
			d.Devices.Videos = []svirt.Video{{ID: "v", VHostUser: true, Socket: file("gpu.sock")}}
		},
		Args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m",
			"-chardev", "socket,id=g,path=" + file("gpu.sock"), "-device", "vhost-user-vga,chardev=g"}},
	{Name: "vDPA device, of VDUSE", Denied: "/dev/vhost-vdpa-0",
		Before: vduse,
		Describe: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "v", Image: svirt.Image{Type: svirt.ImageVHostVDPA, Path: "/dev/vhost-vdpa-0"}}}
		},
		Args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m", "-device", "vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0"}},
	{Name: "SCSI by vhost", Denied: "/dev/vhost-scsi",
		Before: target,
		Describe: func(d *svirt.Domain) {
			d.Devices.HostDevices = []svirt.HostDevice{{ID: "s", Kind: svirt.HostSCSIHost}}
		},
		Args: []string{"-device", "vhost-scsi-pci,wwpn=" + wwpn}},
	{Name: "TPM of the host", Denied: "/dev/tpm0",
		Before: vtpm,
		Describe: func(d *svirt.Domain) {
			d.Devices.TPMs = []svirt.TPM{{ID: "t", Backend: "passthrough", Path: "/dev/tpm0"}}
		},
		Args: []string{"-tpmdev", "passthrough,id=t,path=/dev/tpm0,cancel-path=/dev/null", "-device", "tpm-tis,tpmdev=t"}},
	{Name: "serial port of the host", Denied: "/dev/ttyS2",
		Describe: func(d *svirt.Domain) {
			d.Devices.Serials = []svirt.Chardev{{ID: "s", Type: svirt.ChardevDev, Path: "/dev/ttyS2"}}
		},
		Args: []string{"-chardev", "serial,id=s,path=/dev/ttyS2", "-device", "isa-serial,chardev=s"}},
	{Name: "parallel port of the host", Denied: "/dev/parport0",
		Before: func(tb testing.TB) { appear(tb, "/dev/parport0") },
		Describe: func(d *svirt.Domain) {
			d.Devices.Parallels = []svirt.Chardev{{ID: "p", Type: svirt.ChardevDev, Path: "/dev/parport0"}}
		},
		Args: []string{"-chardev", "parallel,id=p,path=/dev/parport0", "-device", "isa-parallel,chardev=p"}},
	{Name: "interface by macvtap, as a descriptor",
		Before:   macvtap,
		Open:     func(tb testing.TB) *os.File { return open(tb, tapNode(tb)) },
		Describe: func(d *svirt.Domain) { d.Devices.Nets = []svirt.Net{{ID: "n", MACVTap: true}} },
		Args:     []string{"-netdev", "tap,id=n,fd=3", "-device", "virtio-net-pci,netdev=n,romfile="}},
}

// environ has QEMU and PipeWire meet.
var environ = []string{"PIPEWIRE_RUNTIME_DIR=" + dir, "HOME=" + home}

// HardwareArgs are options of the QEMU that the guest of Hardware runs in.
var HardwareArgs = []string{
	"-machine", "q35", "-device", "intel-iommu",
	"-device", "qemu-xhci,id=xhci", "-device", "usb-tablet,bus=xhci.0",
	"-device", "e1000e,addr=0x10,romfile=",
	"-blockdev", "driver=null-co,node-name=nvme,size=67108864,read-zeroes=on", "-device", "nvme,serial=1,drive=nvme,addr=0x11",
	"-device", "virtio-keyboard-pci",
	"-device", "virtio-gpu-pci",
	"-serial", "null", "-parallel", "null",
}

// HardwareBoot are parameters of its kernel.
const HardwareBoot = "intel_iommu=on"

// HardwareModules are modules of its kernel.
var HardwareModules = []string{
	"vfio_iommu_type1", "vfio_pci", "xhci_pci", "virtio_input", "evdev", "snd_dummy", "snd_pcm_oss", "virtio_gpu",
	"vduse", "vhost_vdpa", "vhost_scsi", "tpm_vtpm_proxy", "dummy", "macvtap", "parport_pc", "ppdev",
}

// appears waits for a socket or a node.
func appears(name string, ended <-chan struct{}) error {
	for range 300 {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("it ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not appear", name)
}

// appear waits for a node.
func appear(tb testing.TB, name string) {
	tb.Helper()
	if err := appears(name, nil); err != nil {
		tb.Fatal(err)
	}
}

func put(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(name, []byte(text), 0); err != nil {
		tb.Fatal(err)
	}
}

// vfio hands a PCI device to the driver for VMMs.
func vfio(tb testing.TB, address string) {
	tb.Helper()
	device := "/sys/bus/pci/devices/" + address
	if driver, err := os.Readlink(device + "/driver"); err == nil && filepath.Base(driver) == "vfio-pci" {
		return
	}
	put(tb, device+"/driver_override", "vfio-pci")
	put(tb, "/sys/bus/pci/drivers_probe", address)
	driver, err := os.Readlink(device + "/driver")
	if err != nil || filepath.Base(driver) != "vfio-pci" {
		tb.Fatalf("its driver is %q, %v", driver, err)
	}
}

// background runs a program until the end of the test.
func background(tb testing.TB, args ...string) *exec.Cmd {
	tb.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), environ...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if tb.Failed() {
			tb.Logf("%s says: %s", args[0], &out)
		}
	})
	return cmd
}

// vduse makes a device of vDPA that a process serves.
func vduse(tb testing.TB) {
	tb.Helper()
	write(tb, file("vduse.img"), 1<<20)
	background(tb, "/usr/bin/qemu-storage-daemon", "--blockdev", "driver=file,node-name=f,filename="+file("vduse.img"),
		"--export", "type=vduse-blk,id=e,node-name=f,writable=on,name=vduse0")
	appear(tb, "/dev/vduse/vduse0")
	run(tb, "/usr/sbin/vdpa", "dev", "add", "name", "vduse0", "mgmtdev", "vduse")
	tb.Cleanup(func() { run(tb, "/usr/sbin/vdpa", "dev", "del", "vduse0") })
	appear(tb, "/dev/vhost-vdpa-0")
}

const wwpn = "naa.5001405cf7a2a0d1"

// target makes a target of SCSI for vhost.
func target(tb testing.TB) {
	tb.Helper()
	const config = "/sys/kernel/config"
	if _, err := os.Stat(config + "/target"); err != nil {
		if err := unix.Mount("configfs", config, "configfs", 0, ""); err != nil {
			tb.Fatal(err)
		}
	}
	store, group := config+"/target/core/rd_mcp_0/ram", config+"/target/vhost/"+wwpn+"/tpgt_1"
	if _, err := os.Stat(group); err == nil {
		return
	}
	mkdir(tb, store)
	put(tb, store+"/control", "rd_pages=256")
	put(tb, store+"/enable", "1")
	mkdir(tb, group+"/lun/lun_0")
	put(tb, group+"/nexus", wwpn)
	if err := os.Symlink(store, group+"/lun/lun_0/ram"); err != nil {
		tb.Fatal(err)
	}
}

// vtpm makes a TPM that a process serves.
func vtpm(tb testing.TB) {
	tb.Helper()
	mkdir(tb, file("vtpm"))
	background(tb, "/usr/bin/swtpm", "chardev", "--vtpm-proxy", "--tpm2", "--tpmstate", "dir="+file("vtpm"))
	appear(tb, "/dev/tpm0")
}

// macvtap makes an interface that has a node.
func macvtap(tb testing.TB) {
	tb.Helper()
	run(tb, "/usr/bin/ip", "link", "add", "parent0", "type", "dummy")
	run(tb, "/usr/bin/ip", "link", "add", "link", "parent0", "name", "macvtap0", "type", "macvtap", "mode", "bridge")
	tb.Cleanup(func() { run(tb, "/usr/bin/ip", "link", "del", "parent0") })
	appear(tb, tapNode(tb))
}

// tapNode is the node of that interface.
func tapNode(tb testing.TB) string {
	tb.Helper()
	data, err := os.ReadFile("/sys/class/net/macvtap0/ifindex")
	if err != nil {
		tb.Fatal(err)
	}
	return "/dev/tap" + strings.TrimSpace(string(data))
}

func open(tb testing.TB, name string) *os.File {
	tb.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}
