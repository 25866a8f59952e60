// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

// source makes the policy of a machine from the template for its type.
func source(tb testing.TB, d *svirt.Domain, rules *svirt.Rules, roots ...fs.FS) *svirt.Source {
	tb.Helper()
	name, err := svirt.TemplateFor(d.Type)
	if err != nil {
		tb.Fatal(err)
	}
	t, err := svirt.ReadTemplate(context.Background(), roots, name)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := t.Instantiate(context.Background(), d.UUID, rules != nil)
	if err != nil {
		tb.Fatal(err)
	}
	src := &svirt.Source{Profile: "libvirt-" + d.UUID, File: p.File(), Roots: roots}
	if rules != nil {
		if src.Rules, err = rules.File(context.Background(), p.Files()); err != nil {
			tb.Fatal(err)
		}
	}
	return src
}

// compiled compiles a machine's policy for a kernel.
func compiled(tb testing.TB, src *svirt.Source, kernel string) *blob.Policy {
	tb.Helper()
	set, ok := features.Kernel(kernel)
	if !ok {
		tb.Fatalf("no kernel %s", kernel)
	}
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report}
	c, err := a.Compile(context.Background(), src)
	if err != nil {
		tb.Fatal(err)
	}
	return c.(*blob.Policy)
}

func derived(tb testing.TB, d *svirt.Domain, o svirt.Options) *svirt.Rules {
	tb.Helper()
	rules, err := svirt.Derive(context.Background(), d, o)
	if err != nil {
		tb.Fatal(err)
	}
	return rules
}

// everything is a machine with one of each.
func everything() *svirt.Domain {
	id := 3
	return &svirt.Domain{UUID: uuid, Name: "my vm #1", Type: "kvm", ID: &id, Devices: svirt.Devices{
		Disks: []svirt.Disk{
			{ID: "vda", Image: svirt.Image{Path: "/srv/images/a b.img"}},
			{ID: "sda", Image: svirt.Image{Path: "/srv/images/cd,1.iso"}, ReadOnly: true},
			{ID: "sdb", Image: svirt.Image{Path: "/srv/images/é#@.iso"}, ReadOnly: true},
			{ID: "sdc", Image: svirt.Image{Path: "/srv/images/é#@.iso"}},
		},
		Serials:     []svirt.Chardev{{ID: "serial0", Type: "pty", Path: "/dev/pts/9"}},
		Graphics:    []svirt.Graphics{{ID: "a", Type: "spice", RenderNode: "/dev/dri/renderD128", GL: true}, {ID: "b", Type: "dbus", GL: true}},
		Filesystems: []svirt.Filesystem{{ID: "fs\"0\n", Source: "/srv/share"}},
		Programs:    []svirt.Program{{ID: "vmm", Path: "/usr/local/bin/my vmm"}, {ID: "iso", Path: "/srv/images/cd,1.iso"}},
		Extra:       []svirt.PathGrant{{Path: "/srv/extra", Perms: "rwkm"}, {Path: "/srv/links", Perms: "rwlkm", Recursive: true}},
	}}
}

// TestOwnABI holds the file of the abi that the templates name against what the
// compiler has for it.
func TestOwnABI(t *testing.T) {
	text, err := fs.ReadFile(svirt.PolicyFS(), "abi/5.0")
	if err != nil {
		t.Fatal(err)
	}
	if abi, _ := features.ABI("5.0"); string(text) != abi.String() {
		t.Errorf("abi/5.0 is not\n%s", abi)
	}
}

// byReference returns what a reference makes of a machine with this package's
// policy.
func byReference(t *testing.T, reference oracle.ApparmorParser, src *svirt.Source, rules *svirt.Rules, kernel string) *blob.Policy {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, svirt.PolicyFS()); err != nil {
		t.Fatal(err)
	}
	if rules != nil {
		if err := os.WriteFile(filepath.Join(dir, src.Rules.Name), rules.AppendFile(nil), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	set, _ := features.Kernel(kernel)
	shown := filepath.Join(t.TempDir(), "features")
	if err := os.WriteFile(shown, []byte(set.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	data, err := reference.Compile(oracle.Job{Text: src.File.Src, Features: shown, Base: dir})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	return theirs
}

// TestOwnPolicy compiles this package's policy, alone and beside Debian's,
// from values, and compares it with what apparmor_parser makes of the text. That
// of Debian 12 does not know all rules of those for containers.
func TestOwnPolicy(t *testing.T) {
	reference := oracle.Parser(t)
	for _, virtType := range []string{"kvm", "", "firecracker", "cloud-hypervisor"} {
		for _, kernel := range features.Kernels() {
			if strings.HasPrefix(kernel, "ubuntu") {
				continue // apparmor_parser of Debian 12 does not know what these mediate
			}
			t.Run("type="+virtType+"/"+kernel, func(t *testing.T) {
				d := everything()
				d.Type = virtType
				rules := derived(t, d, svirt.Options{Live: true})
				src := source(t, d, rules, svirt.PolicyFS())
				ours := compiled(t, src, kernel)
				theirs := byReference(t, reference, src, rules, kernel)
				for _, d := range oracle.Compare(t, ours, theirs) {
					t.Error(d)
				}
			})
		}
	}
}

// TestOwnPolicyNewest compiles every template for a machine and compares with what
// Debian sid's apparmor_parser makes of the files, with nothing but these: it
// knows all of their rules. Those of companions are in TestReadable.
func TestOwnPolicyNewest(t *testing.T) {
	reference := oracle.ParserOf(t, oracle.Newest)
	compare := func(t *testing.T, src *svirt.Source, rules *svirt.Rules, kernel string) {
		t.Helper()
		ours := compiled(t, src, kernel)
		theirs := byReference(t, reference, src, rules, kernel)
		found, err := blob.DiffPolicy(ours, theirs, blob.DiffOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range found {
			t.Error(d)
		}
	}
	for _, virtType := range []string{"kvm", "", "lxc", "oci", "firecracker", "cloud-hypervisor"} {
		for _, kernel := range []string{"6.12", "7.3"} {
			t.Run("type="+virtType+"/"+kernel, func(t *testing.T) {
				d := everything()
				d.Type = virtType
				rules := derived(t, d, svirt.Options{Live: true})
				if virtType == "lxc" || virtType == "oci" {
					rules = nil
				}
				compare(t, source(t, d, rules, svirt.PolicyFS()), rules, kernel)
			})
		}
	}
}

// TestHostPolicy compiles machines with Debian's own templates.
func TestHostPolicy(t *testing.T) {
	host := os.DirFS(testenv.DebianTree(t))
	d := everything()
	ours := compiled(t, source(t, d, derived(t, d, svirt.Options{Live: true}), host, svirt.PolicyFS()), "6.12")
	p, ok := query.Open(ours).Profile("libvirt-" + uuid)
	if !ok {
		t.Fatal("the policy does not define the machine's profile")
	}
	if !p.Allows(query.File{Path: "/srv/images/a b.img", Perms: query.Read | query.Write | query.Lock}) {
		t.Error("the policy denies the machine its disk")
	}
}

// TestOwnPolicyGrants asks what a machine may do beside what it is given.
func TestOwnPolicyGrants(t *testing.T) {
	const all = query.Read | query.Write | query.Lock
	d := everything()
	policy := compiled(t, source(t, d, derived(t, d, svirt.Options{Live: true}), svirt.PolicyFS()), "7.3")
	p, ok := query.Open(policy).Profile("libvirt-" + uuid)
	if !ok {
		t.Fatal("the policy does not define the machine's profile")
	}
	for _, test := range []struct {
		path   string
		access query.Perms
		want   bool
	}{
		// What QEMU needs.
		{"/dev/kvm", query.Read | query.Write, true},
		{"/dev/net/tun", query.Read | query.Write, true},
		{"/dev/null", query.Read | query.Write, true},
		{"/dev/urandom", query.Read, true},
		{"/dev/ptmx", query.Read | query.Write, true},
		{"/etc/ld.so.cache", query.Read | query.Mmap, true},
		{"/etc/localtime", query.Read, true},
		{"/etc/nsswitch.conf", query.Read, true},
		{"/etc/passwd", query.Read, true},
		{"/lib/x86_64-linux-gnu/libc.so.6", query.Read | query.Mmap, true},
		{"/usr/lib/x86_64-linux-gnu/libc.so.6", query.Read | query.Mmap, true},
		{"/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so", query.Read | query.Mmap, true},
		{"/usr/bin/qemu-system-x86_64", query.Read | query.Mmap | query.Exec, true},
		{"/usr/bin/qemu-system-aarch64", query.Read | query.Exec, true},
		{"/usr/bin/swtpm", query.Exec, true},
		{"/usr/share/seabios/bios-256k.bin", query.Read, true},
		{"/usr/share/qemu/vgabios-virtio.bin", query.Read, true},
		{"/usr/share/OVMF/OVMF_CODE_4M.fd", query.Read | query.Lock, true},
		{"/proc/self/auxv", query.Read, false}, // the kernel asks for the number
		{"/proc/1234/task/1235/comm", query.Write, false},
		{"/sys/devices/system/cpu/cpu0/cache/index0/size", query.Read, true},
		{"/sys/devices/system/node/node0/meminfo", query.Read, true},
		{"/sys/module/kvm/parameters/ignore_msrs", query.Read, true},
		{"/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/block/sda/queue/max_segments", query.Read, true},
		// What the machine was given.
		{"/srv/images/a b.img", all, true},
		{"/srv/images/cd,1.iso", query.Read | query.Lock, true},
		{"/srv/images/cd,1.iso", query.Write, false},
		{"/srv/images/é#@.iso", all, true},
		{"/srv/share/x/y", query.Read | query.Write, true},
		{"/dev/pts/9", query.Read | query.Write, true},
		{"/usr/local/bin/my vmm", query.Read | query.Mmap | query.Exec, true},
		{"/usr/local/bin/my vmm", query.Write, false},
		{"/usr/local/bin/my", query.Exec, false},
		{"/srv/images/cd,1.iso", query.Exec, true},
		{"/srv/images/a b.img", query.Exec, false},
		{"/dev/dri/renderD128", query.Read | query.Write, true},
		// What belongs to others.
		{"/srv/images/", query.Read, false},
		{"/srv/images/a", query.Read, false},
		{"/srv/images/other.img", query.Read, false},
		{"/dev/pts/10", query.Read, false},
		{"/dev/sda", query.Read, false},
		{"/dev/mem", query.Read, false},
		{"/dev/vfio/vfio", query.Read, false},
		{"/dev/vhost-net", query.Read, false},
		{"/dev/snd/pcmC0D0p", query.Read, false},
		{"/dev/snd/pcmC0D0p", query.Write, false},
		{"/tmp/", query.Read, false},
		{"/var/tmp/", query.Read, false},
		{"/tmp/x", query.Write, false},
		{"/dev/shm/spice.1", query.Write, false},
		{"/", query.Read, false},
		{"/root/.pulse-cookie", query.Read, false},
		{"/var/lib/libvirt/qemu/nvram/other_VARS.fd", query.Read, false},
		{"/var/lib/libvirt/images/other.qcow2", query.Read, false},
		{"/proc/1/cmdline", query.Read, false},
		{"/proc/sysrq-trigger", query.Write, false},
		{"/etc/shadow", query.Read, false},
		{"/etc/passwd", query.Write, false},
		{"/bin/bash", query.Exec, false},
		{"/usr/bin/dd", query.Exec, false},
		{"/sys/kernel/security/apparmor/.load", query.Write, false},
		{"/sys/devices/system/cpu/cpu0/online", query.Write, false},
		{"/run/libvirt/libvirt-sock", query.Write, false},
	} {
		if got := p.Allows(query.File{Path: test.path, Perms: test.access}); got != test.want {
			t.Errorf("%v of %s: got %v, want %v", test.access, test.path, got, test.want)
		}
	}
	for _, test := range []struct {
		request query.Request
		want    bool
	}{
		{query.File{Path: "/proc/1234/task/1235/comm", Perms: query.Write, Owner: true}, true},
		{query.Capability("setuid"), true},
		{query.Capability("sys_admin"), false},
		{query.Capability("sys_rawio"), false},
		{query.Capability("kill"), false},
		{query.Capability("mac_admin"), false},
		{query.Capability("net_admin"), false},
		{query.Mount{Source: "/dev/sda", Target: "/mnt/", FSType: "ext4"}, false},
		{query.ChangeProfile{Target: "unconfined"}, false},
	} {
		if got := p.Allows(test.request); got != test.want {
			t.Errorf("%v: got %v, want %v", test.request, got, test.want)
		}
	}
}

// BenchmarkCompile is the way of a machine from values to a binary policy.
func BenchmarkCompile(b *testing.B) {
	set, _ := features.Kernel("6.12")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report}
	d := manyDisks(8)
	d.Type = "kvm"
	src := source(b, d, derived(b, d, svirt.Options{}), svirt.PolicyFS())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Compile(context.Background(), src); err != nil {
			b.Fatal(err)
		}
	}
}

// Links stay within the directory that they were granted for, whoever owns
// what is linked.
func TestLinks(t *testing.T) {
	d := everything()
	policy := compiled(t, source(t, d, derived(t, d, svirt.Options{Live: true}), svirt.PolicyFS()), "6.12")
	p, ok := query.Open(policy).Profile("libvirt-" + uuid)
	if !ok {
		t.Fatal("the policy does not define the machine's profile")
	}
	for _, test := range []struct {
		path, target string
		want         bool
	}{
		{"/srv/links/a", "/srv/links/b", true},
		{"/srv/links/a", "/srv/links/deep/b", true},
		{"/srv/share/a", "/srv/share/b", true},
		{"/srv/links/a", "/srv/share/b", false},
		{"/srv/links/a", "/srv/images/a b.img", false},
		{"/srv/links/a", "/srv/images/another.img", false},
		{"/srv/links/a", "/etc/shadow", false},
		{"/srv/elsewhere", "/srv/links/b", false},
		{"/srv/extra", "/srv/extra", false},
	} {
		for _, owner := range []bool{true, false} {
			r := query.Link{Path: test.path, Target: test.target, Owner: owner}
			if got := p.Allows(r); got != test.want {
				t.Errorf("%v, owner %v: %v, want %v", r, owner, got, test.want)
			}
		}
	}
}
