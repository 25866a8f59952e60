// SPDX-License-Identifier: Apache-2.0

package command

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

// TestProfile asks the profile of this program what it grants: no program, no
// socket, and no writing but to machines' profiles and the kernel's load files.
func TestProfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "cmd", "virt-aa-helper", "usr.lib.libvirt.virt-aa-helper"))
	if err != nil {
		t.Fatal(err)
	}
	kernel, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("the features of 6.12 are unknown")
	}
	roots := []fs.FS{os.DirFS(testenv.DebianTree(t))}
	unit, err := parser.Config{Roots: roots}.ParseTree(t.Context(), "virt-aa-helper", string(text))
	if err != nil {
		t.Fatal(err)
	}
	set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Compile(t.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
	if err != nil {
		t.Fatal(err)
	}
	own, ok := query.Open(out.Policy).Profile("virt-aa-helper")
	if !ok {
		t.Fatal("the policy does not define profile virt-aa-helper")
	}
	ask := func(want bool, r query.Request) {
		t.Helper()
		d, err := own.Ask(r)
		if err != nil || d.Allowed() != want {
			t.Errorf("%v: %v %v, want %v", r, d, err, want)
		}
	}
	const machine = "/etc/apparmor.d/libvirt/" + profile
	for _, path := range []string{machine, machine + ".files", machine + ".new", machine + ".files.new", machine + ".lock", "/dev/null", "/etc/apparmor.d/libvirt/virt-aa-helper-0123456789abcdef.base", "/.load", "/.replace", "/.remove"} {
		ask(true, query.File{Path: path, Perms: query.Write})
	}
	for _, path := range []string{
		"/etc/apparmor.d/libvirt/TEMPLATE.qemu", "/etc/apparmor.d/libvirt/virt-aa-helper.conf", "/etc/apparmor.d/libvirt/sub/" + profile,
		"/etc/apparmor.d/abstractions/base", "/etc/apparmor.d/usr.sbin.libvirtd", "/etc/apparmor.d/local/x", "/etc/passwd", "/tmp/x", "/run/x",
		"/var/lib/libvirt/images/a.qcow2", "/srv/a.img", "/proc/sys/kernel/core_pattern", "/sys/module/apparmor/parameters/mode",
		"/sys/fs/cgroup/machine.slice/cgroup.kill", "/sys/kernel/security/apparmor/profiles", "/usr/lib/libvirt/virt-aa-helper",
	} {
		ask(false, query.File{Path: path, Perms: query.Write})
		ask(false, query.File{Path: path, Perms: query.Append})
	}
	for _, path := range []string{
		machine, "/etc/apparmor.d/libvirt/TEMPLATE.qemu", "/etc/apparmor.d/libvirt/virt-aa-helper.conf", "/etc/apparmor.d/abstractions/base", "/etc/apparmor.d/libvirt/virt-aa-helper-0123456789abcdef.base",
		"/etc/apparmor.d/tunables/home.d/x", "/var/lib/libvirt/images/pool/a", "/srv/a", "/pool/a.qcow2", "/sys/kernel/security/apparmor/features/caps/mask",
		"/usr/bin/qemu-system-x86_64", "/usr/bin/kvm", "/sys/bus/usb/devices/", "/sys/devices/pci0000:00/x/vendor", "/dev/dri/",
	} {
		ask(true, query.File{Path: path, Perms: query.Read})
	}
	for _, path := range []string{"/etc/shadow", "/root/a.img", "/usr/bin/su", "/root/.ssh/id", "/home/a/.ssh/a.img", "/dev/sda", "/dev/vda1", "/dev/mapper/vg-lv", "/etc/libvirt/secrets/x", "/proc/1/environ"} {
		ask(false, query.File{Path: path, Perms: query.Read})
	}
	for _, path := range []string{"/usr/bin/true", "/usr/sbin/apparmor_parser", "/sbin/apparmor_parser", "/usr/lib/libvirt/virt-aa-helper", "/srv/a.img", machine} {
		ask(false, query.Execute{Path: path})
	}
	for _, family := range []string{"inet", "inet6", "netlink", "packet", "unix"} {
		ask(false, query.Network{Family: family, Type: "stream"})
		ask(false, query.Network{Family: family, Type: "dgram"})
	}
	for _, name := range []string{"mac_admin", "dac_read_search"} {
		ask(true, query.Capability(name))
	}
	for _, name := range []string{"sys_admin", "mac_override", "sys_ptrace", "sys_module", "setuid", "kill", "net_admin", "mknod", "fowner", "chown"} {
		ask(false, query.Capability(name))
	}
	ask(false, query.Ptrace{Peer: "unconfined", Perms: query.ReadPeer})
	ask(false, query.Signal{Peer: "unconfined", Signal: "kill", Perms: query.Send})
	ask(false, query.ChangeProfile{Target: profile})
}
