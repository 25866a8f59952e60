// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// TestArguments lists what options of QEMU are given. Each line of args is an
// option and its value; env and properties are of the other two kinds.
func TestArguments(t *testing.T) {
	host := fixture.New(deviceHost)
	property := func(name, value string) []svirt.Property {
		return []svirt.Property{{Device: "ua-x", Name: name, Value: value}}
	}
	for _, test := range []struct {
		name   string
		args   string
		env    []string
		props  []svirt.Property
		want   string
		warn   []string
		reason svirt.Reason
	}{
		{name: "arguments without paths", args: "-nodefaults\n-enable-kvm\n-cpu host,+x\n-m 1G\n-smp 4\n-device e1000,netdev=n,mac=52:54:00:00:00:01\n-object iothread,id=i\n-name a,debug-threads=on\n-rtc base=utc\n" +
			"-global kvm-pit.lost_tick_policy=delay\n-netdev user,id=n\n-display none\n-vnc :1\n-monitor stdio\n-serial mon:stdio\n-qmp tcp:localhost:4444,server\n-machine q35,accel=kvm\n-boot menu=on\n-audiodev none,id=a"},
		{name: "fw_cfg", args: "-fw_cfg name=opt/com.coreos/config,file=/srv/config.ign\n-fw_cfg opt/x,string=/not/a/path\n-fw_cfg opt/y,file=/srv/a,,b", want: `
"/srv/a\,b" r, # argument -fw_cfg
"/srv/config.ign" r, # argument -fw_cfg
`},
		{name: "memory", args: "-object memory-backend-file,id=m,mem-path=/dev/kvmfr0,size=32M,share=yes\n-device ivshmem-plain,id=s,memdev=m\n-object {\"qom-type\":\"memory-backend-file\",\"id\":\"x\",\"mem-path\":\"/dev/shm/looking-glass\",\"readonly\":true}\n" +
			"-mem-path /dev/hugepages/libvirt/qemu/7-vm\n-object memory-backend-memfd,id=q,size=1G", want: `
"/dev/hugepages/libvirt/qemu/7-vm/" r, # argument -mem-path
"/dev/hugepages/libvirt/qemu/7-vm/**" rw, # argument -mem-path
"/dev/kvmfr0" rw, # argument -object
"/dev/shm/looking-glass" r, # argument -object
`},
		{name: "memory of all machines", args: "-object memory-backend-file,id=m,mem-path=/dev/hugepages", reason: svirt.ReasonContains},
		{name: "objects", args: "-object rng-random,id=r,filename=/dev/urandom\n-object rng-random,id=r2,filename=/dev/random\n-object secret,id=s,file=/srv/secret\n-object input-linux,id=k,evdev=/dev/input/event0\n-object filter-dump,id=f,netdev=n,file=/srv/dump.pcap\n" +
			"-object tls-creds-x509,id=t,dir=/srv/pki,endpoint=server\n-object tls-creds-x509,id=t2,dir=/etc/pki/qemu\n-object sev-guest,id=sev,session-file=/srv/session\n-object iommufd,id=i\n-object pr-manager-helper,id=p,path=/run/qemu-pr-helper.sock\n" +
			"-object {\"qom-type\":\"tdx-guest\",\"quote-generation-socket\":{\"type\":\"unix\",\"path\":\"/run/tdx-qgs/qgs.socket\"}}\n-object memory-backend-epc,id=e\n-object igvm-cfg,id=g,file=/srv/igvm\n-object cryptodev-backend-lkcf,id=l\n-object future,id=z,thing=/srv/thing", want: `
"/dev/input/event0" rw, # argument -object
"/dev/iommu" rw, # argument -object
"/dev/sev" rw, # argument -object
"/dev/sgx_vepc" rw, # argument -object
"/run/qemu-pr-helper.sock" rw, # argument -object
"/run/tdx-qgs/qgs.socket" rw, # argument -object
"/srv/dump.pcap" w, # argument -object
"/srv/igvm" r, # argument -object
"/srv/pki/" r, # argument -object
"/srv/pki/*" r, # argument -object
"/srv/secret" r, # argument -object
"/srv/session" r, # argument -object
`, warn: []string{"other-rule cryptodev-backend-lkcf", "unknown-argument /srv/thing"}},
		{name: "character devices", args: "-chardev socket,id=a,path=/srv/a.sock,server=on,wait=off\n-chardev file,id=b,path=/srv/b.log\n-chardev pipe,id=c,path=/srv/c\n-chardev pipe,id=c2,path=/srv/fifo\n-chardev parport,id=d,path=/dev/parport0\n-chardev pty,id=e,logfile=/srv/e.log\n" +
			"-serial file:/srv/f\n-serial unix:/srv/g,server,nowait\n-monitor pipe:/srv/h\n-parallel /dev/parport0\n-qmp unix:/srv/i,server\n-chardev socket,id=x,path=abstract,abstract=on\n-serial what:ever", want: `
"/dev/parport0" rw, # argument -chardev, argument -parallel
"/srv/a.sock" rw, # argument -chardev
"/srv/b.log" rw, # argument -chardev
"/srv/c.in" rw, # argument -chardev
"/srv/c.out" rw, # argument -chardev
"/srv/e.log" w, # argument -chardev
"/srv/f" rw, # argument -serial
"/srv/fifo" rw, # argument -chardev
"/srv/g" rw, # argument -serial
"/srv/h.in" rw, # argument -monitor
"/srv/h.out" rw, # argument -monitor
"/srv/i" rw, # argument -qmp
`, warn: []string{"unknown-argument what:ever"}},
		{name: "disks", args: "-drive file=/srv/raw.img,format=raw,if=none,id=d\n-drive file=/srv/cd.iso,media=cdrom,format=raw\n-drive if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE.fd\n-drive if=pflash,format=raw,file=/srv/vars.fd\n" +
			"-drive file=nbd:unix:/srv/nbd.sock:exportname=x,format=raw\n-hda /srv/hda.img\n-cdrom /srv/a.iso\n-drive file=/dev/sdb1,format=raw\n-drive file=/srv/top.qcow2,format=qcow2\n-drive file=https://example.org/x,format=raw", want: `
"/dev/sdb1" rwk, # argument -drive
"/srv/a.iso" rk, # argument -cdrom
"/srv/base.qcow2" rk, # argument -drive
"/srv/cd.iso" rk, # argument -drive
"/srv/hda.img" rwk, # argument -hda
"/srv/nbd.sock" rw, # argument -drive
"/srv/raw.img" rwk, # argument -drive
"/srv/top.qcow2" rwk, # argument -drive
"/srv/vars.fd" rwk, # argument -drive
"/usr/share/OVMF/OVMF_CODE.fd" rk, # argument -drive
`, warn: []string{"unknown-path /srv/a.iso", "unknown-path /srv/hda.img"}},
		{name: "block devices", args: "-blockdev driver=file,node-name=f,filename=/srv/a.img\n-blockdev {\"driver\":\"qcow2\",\"node-name\":\"q\",\"read-only\":true,\"file\":{\"driver\":\"file\",\"filename\":\"/srv/b.qcow2\"}}\n" +
			"-blockdev driver=qcow2,node-name=z,file.driver=file,file.filename=/srv/c.qcow2,backing.driver=raw,backing.file.driver=file,backing.file.filename=/srv/d.img\n" +
			"-blockdev {\"driver\":\"nbd\",\"node-name\":\"n\",\"server\":{\"type\":\"unix\",\"path\":\"/srv/nbd.sock\"}}\n-blockdev driver=host_device,node-name=h,filename=/dev/sdb1\n-blockdev driver=virtio-blk-vhost-user,node-name=v,path=/srv/vhu\n-blockdev driver=future,node-name=y,where=/srv/where", want: `
"/dev/sdb1" rwk, # argument -blockdev
"/srv/a.img" rwk, # argument -blockdev
"/srv/b.qcow2" rk, # argument -blockdev
"/srv/c.qcow2" rwk, # argument -blockdev
"/srv/d.img" rk, # argument -blockdev
"/srv/nbd.sock" rw, # argument -blockdev
"/srv/vhu" rw, # argument -blockdev
`, warn: []string{"unknown-argument /srv/where"}},
		{name: "files that a machine starts from", args: "-kernel /boot/vmlinuz\n-initrd /srv/initrd\n-append root=/dev/vda\n-dtb /srv/dtb\n-bios /usr/share/seabios/bios.bin\n-bios bios-256k.bin\n-pflash /usr/share/OVMF/OVMF_CODE.fd\n-acpitable file=/srv/slic:/srv/ssdt\n-smbios file=/srv/smbios\n-smbios type=1,serial=x\n" +
			"-option-rom /srv/rom\n-boot menu=on,splash=/srv/splash\n-L /usr/share/seabios\n-machine q35,firmware=/srv/fw/OVMF.fd", want: `
"/boot/vmlinuz" r, # argument -kernel
"/srv/dtb" r, # argument -dtb
"/srv/fw/OVMF.fd" r, # argument -machine
"/srv/initrd" r, # argument -initrd
"/srv/rom" r, # argument -option-rom
"/srv/slic" r, # argument -acpitable
"/srv/smbios" r, # argument -smbios
"/srv/splash" r, # argument -boot
"/srv/ssdt" r, # argument -acpitable
"/usr/share/OVMF/OVMF_CODE.fd" rk, # argument -pflash
"/usr/share/seabios/bios.bin" r, # argument -bios
`, warn: []string{"unknown-path /usr/share/OVMF/OVMF_CODE.fd"}},
		{name: "devices", args: "-device vfio-pci,host=01:00.0,romfile=/srv/gpu.rom\n-device vfio-pci,host=0000:03:00.0,iommufd=i\n-device usb-host,hostbus=1,hostaddr=4\n-device loader,file=/srv/blob,addr=0\n-device vhost-vsock-pci,guest-cid=3\n-device vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-1\n-device virtio-gpu-pci,blob=on\n-device virtio-thing,stuff=/srv/stuff\n-device {\"driver\":\"e1000\",\"romfile\":\"/srv/pxe.rom\"}\n-device e1000,romfile=", want: `
"/dev/bus/usb/001/004" rw, # argument -device
"/dev/iommu" rw, # argument -device
"/dev/udmabuf" rw, # argument -device
"/dev/vfio/12" rw, # argument -device
"/dev/vfio/devices/vfio5" rw, # argument -device
"/dev/vfio/vfio" rw, # argument -device
"/dev/vhost-vdpa-1" rw, # argument -device
"/dev/vhost-vsock" rw, # argument -device
"/srv/blob" r, # argument -device
"/srv/gpu.rom" r, # argument -device
"/srv/pxe.rom" r, # argument -device
`, warn: []string{"unknown-argument /srv/stuff"}},
		{name: "networks", args: "-netdev tap,id=t,ifname=tap0,script=no,downscript=/srv/down,vhost=on\n-netdev user,id=u,tftp=/srv/tftp,bootfile=pxelinux.0,smb=/srv/smb\n-netdev stream,id=s,addr.type=unix,addr.path=/srv/net.sock\n-netdev vhost-vdpa,id=v,vhostdev=/dev/vhost-vdpa-0\n-netdev bridge,id=b,br=br0\n-netdev passt,id=p", want: `
"/dev/vhost-net" rw, # argument -netdev
"/dev/vhost-vdpa-0" rw, # argument -netdev
"/srv/net.sock" rw, # argument -netdev
"/srv/tftp/" r, # argument -netdev
"/srv/tftp/**" r, # argument -netdev
`, warn: []string{"companion", "companion", "unknown-argument downscript=/srv/down", "unknown-argument smb=/srv/smb"}},
		{name: "other arguments", args: "-fsdev local,id=f,path=/srv/share,security_model=none\n-virtfs local,path=/srv/ro,readonly=on,mount_tag=x\n-tpmdev passthrough,id=t,path=/dev/tpm0\n-tpmdev emulator,id=e,chardev=c\n-audiodev oss,id=a,in.dev=/dev/dsp,out.dev=/dev/dsp1\n-audiodev wav,id=w,path=/srv/a.wav\n" +
			"-display egl-headless,rendernode=/dev/dri/renderD128\n-spice unix=on,addr=/srv/spice.sock,disable-ticketing=on\n-vnc unix:/srv/vnc.sock,password=on\n-pidfile /srv/pid\n-D /srv/qemu.log\n-trace events=/srv/events,file=/srv/trace\n-incoming unix:/srv/in.sock\n-readconfig /srv/q35.cfg\n-chroot /srv/jail\n-plugin /srv/x.so\n-display gtk,gl=on", want: `
"/dev/dri/renderD128" rw, # argument -display
"/dev/dsp" rw, # argument -audiodev
"/dev/dsp1" rw, # argument -audiodev
"/dev/tpm0" rw, # argument -tpmdev
"/srv/a.wav" rw, # argument -audiodev
"/srv/events" r, # argument -trace
"/srv/in.sock" rw, # argument -incoming
"/srv/pid" rw, # argument -pidfile
"/srv/q35.cfg" r, # argument -readconfig
"/srv/qemu.log" rw, # argument -D
"/srv/ro/" r, # argument -virtfs
"/srv/ro/**" r, # argument -virtfs
"/srv/share/" r, # argument -fsdev
rwl "/srv/share/**" -> "/srv/share/**", # argument -fsdev
"/srv/spice.sock" rw, # argument -spice
"/srv/trace" w, # argument -trace
"/srv/vnc.sock" rw, # argument -vnc
`, warn: []string{"other-rule /srv/jail", "unknown-path gtk,gl=on", "unknown-argument -plugin /srv/x.so", "unknown-argument /srv/q35.cfg"}},
		{name: "a program", args: "-incoming exec:cat /etc/shadow", warn: []string{"unknown-argument exec:cat /etc/shadow"}},
		{name: "an option without a value", args: "-drive", warn: []string{"unknown-argument -drive"}},
		{name: "an unknown option", args: "-frobnicate /srv/x", warn: []string{"unknown-argument -frobnicate /srv/x"}},
		{name: "malformed JSON", args: "-blockdev {\"driver\"", warn: []string{"unknown-argument {\"driver\""}},
		{name: "the system", args: "-drive file=/etc/shadow,format=raw", reason: svirt.ReasonRestricted},
		{name: "a service", args: "-chardev socket,id=a,path=/run/docker.sock", reason: svirt.ReasonClosed},
		{name: "a home", args: "-fw_cfg name=x,file=/home/u/.ssh/id_rsa", reason: svirt.ReasonClosed},
		{name: "a relative path", args: "-kernel vmlinuz", reason: svirt.ReasonRelative},
		{name: "a pattern", args: "-kernel /srv/*", reason: svirt.ReasonGlob},
		{name: "another kind of file", args: "-object input-linux,id=k,evdev=/dev/tpm0", reason: svirt.ReasonClosed},
		{name: "a device by a path outside of sysfs", args: "-device vfio-pci,sysfsdev=/srv/x", reason: svirt.ReasonNoDevice},
		{name: "a device by a name with a path", args: "-device vfio-pci,host=../../x", reason: svirt.ReasonName},
		{name: "a USB device elsewhere", args: "-device usb-host,hostdevice=/dev/mem", reason: svirt.ReasonFileType},
		{name: "the environment", env: []string{"PATH=/usr/bin", "PULSE_SERVER=unix:/srv/pulse", "QEMU_WAV_PATH=/srv/x.wav", "PIPEWIRE_RUNTIME_DIR=/srv/pw", "LD_PRELOAD=/srv/x.so", "DISPLAY=:0", "QEMU_AUDIO_DRV=alsa", "XAUTHORITY=/home/u/.Xauthority"}, want: `
"/etc/machine-id" r, # argument PULSE_SERVER
"/etc/pipewire/{,**}" r, # argument PIPEWIRE_RUNTIME_DIR
"/etc/pulse/client.conf" r, # argument PULSE_SERVER
"/etc/pulse/client.conf.d/{,*}" r, # argument PULSE_SERVER
"/home/u/.Xauthority" r, # argument XAUTHORITY
"/srv/pulse" rw, # argument PULSE_SERVER
"/srv/pw/pipewire-0" rw, # argument PIPEWIRE_RUNTIME_DIR
"/srv/x.wav" rw, # argument QEMU_WAV_PATH
"/usr/share/pipewire/{,**}" r, # argument PIPEWIRE_RUNTIME_DIR
`, warn: []string{"unknown-path :0", "unknown-argument LD_PRELOAD=/srv/x.so"}},
		{name: "a ROM", props: property("romfile", "/srv/x.rom"), want: `
"/srv/x.rom" r, # argument ua-x.romfile
`},
		{name: "another property", props: property("x-thing", "/srv/x"), warn: []string{"unknown-argument x-thing=/srv/x"}},
		{name: "a property without a path", props: property("x-vga", "on")},
	} {
		t.Run(test.name, func(t *testing.T) {
			seven := 7
			machine := func() *svirt.Domain {
				d := &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm"}
				for line := range strings.SplitSeq(test.args, "\n") {
					if option, value, ok := strings.Cut(line, " "); ok {
						d.CommandLine.Args = append(d.CommandLine.Args, option, value)
					} else if line != "" {
						d.CommandLine.Args = append(d.CommandLine.Args, line)
					}
				}
				d.CommandLine.Env, d.CommandLine.Properties = test.env, test.props
				return d
			}
			d := machine()
			d.ID = &seven
			o := svirt.Options{FS: host, Live: true, Backing: []string{"/srv"}}
			wantReason(t, "a tenant's", machine(), svirt.Options{FS: host, Origin: svirt.FromTenant, Roots: allRoots}, svirt.ReasonTenant)
			wantReason(t, "a manager's", d, o, test.reason)
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
			}
			if diff := cmp.Diff(test.warn, warned); diff != "" {
				t.Error(diff)
			}
			if _, err := svirt.ParseRules(context.Background(), "x.files", rules.AppendFile(nil)); err != nil {
				t.Error(err)
			}
			asksKernel(t, d, rules)
		})
	}
}

// FuzzArguments hands the parser of options anything. What it grants is below
// what was written.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{"-drive\nfile=/srv/a,format=raw", "-object\n{\"qom-type\":\"memory-backend-file\",\"mem-path\":\"/dev/shm/x\"}", "-chardev\nsocket,path=/srv/s", "-device\nvfio-pci,host=01:00.0", "-netdev\nuser,tftp=/srv", "/srv/a", "-blockdev\n{\"driver\":\"nbd\",\"server\":{\"path\":\"/srv/n\"}}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := &svirt.Domain{UUID: uuid, Name: "vm"}
		d.CommandLine.Args = strings.Split(text, "\n")
		rules, err := svirt.Derive(context.Background(), d, svirt.Options{})
		if err != nil {
			return
		}
		again, err := svirt.Derive(context.Background(), d, svirt.Options{})
		if err != nil || string(again.AppendFile(nil)) != string(rules.AppendFile(nil)) || len(again.Warnings()) != len(rules.Warnings()) {
			t.Errorf("derived again: %v\n%s\n%s", err, rules.AppendFile(nil), again.AppendFile(nil))
		}
		for _, r := range rules.List() {
			p, ok := r.Path.Unescape()
			for _, dir := range []string{"/etc/", "/proc/", "/sys/", "/usr/", "/root/", "/home/", "/boot/", "/dev/mem"} {
				if ok && strings.HasPrefix(p, dir) && r.Perms&ast.FileWrite != 0 {
					t.Errorf("%s may be written", p)
				}
			}
		}
	})
}
