// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/svirt"
)

// linked is a machine with a libvirt of the version that the link names.
func linked(dir, target string) fs.ReadLinkFS {
	return fstest.MapFS{dir + "/libvirt.so.0": {Mode: fs.ModeSymlink | 0o777, Data: []byte(target)}}
}

func TestHostMethod(t *testing.T) {
	for _, tt := range []struct {
		dir, target string
		want        svirt.Method
		found       bool
	}{
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.9000.0", svirt.Compat90, true},
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.8000.0", svirt.Compat90, true},
		{"usr/lib/x86_64-linux-gnu", "libvirt.so.0.11002.9", svirt.Compat90, true},
		{"usr/lib/aarch64-linux-gnu", "libvirt.so.0.11003.0", svirt.Compat113, true},
		{"usr/lib64", "libvirt.so.0.12007.0", svirt.Compat113, true},
		{"usr/lib", "libvirt.so.0.12008.0", svirt.Compat128, true},
		{"usr/lib", "libvirt.so.0.12009.1", svirt.Compat129, true},
		{"usr/lib", "/usr/lib/libvirt.so.0.13001.0", svirt.Compat129, true},
		{"usr/lib", "libvirt.so.0.x", svirt.Compat128, false},
		{"opt/lib", "libvirt.so.0.9000.0", svirt.Compat128, false},
	} {
		if got, ok := hostMethod(linked(tt.dir, tt.target)); got != tt.want || ok != tt.found {
			t.Errorf("%s -> %s: %v %v, want %v %v", tt.dir, tt.target, got, ok, tt.want, tt.found)
		}
	}
}

// TestSettings: an option goes before the file of settings, and that before
// what the host has.
func TestSettings(t *testing.T) {
	for _, tt := range []struct {
		name, file, args, host string
		want                   svirt.Method
		loader, err            string
	}{
		{"nothing", "", "", "", svirt.Compat128, "auto", ""},
		{"host", "", "", "libvirt.so.0.11003.0", svirt.Compat113, "auto", ""},
		{"file", "# ours\npolicy strict # why\n\n\tloader  own\n", "", "libvirt.so.0.11003.0", svirt.Strict, "own", ""},
		{"argument", "policy strict\n", "--policy 9.0 ", "libvirt.so.0.11003.0", svirt.Compat90, "auto", ""},
		{"relative sockets", "sockets run/x\n", "", "", 0, "", "conf:1: sockets \"run/x\""},
		{"unclean sockets", "policy strict\nsockets /run/../x\n", "", "", 0, "", "conf:2: sockets"},
		{"sockets everywhere", "sockets /\n", "", "", 0, "", "conf:1: sockets"},
		{"unknown setting", "policy strict\nmode x\n", "", "", 0, "", `conf:2: unknown setting "mode"`},
		{"unknown value", "policy lax\n", "", "", 0, "", `conf:1: unknown policy "lax"`},
		{"no value", "policy\n", "", "", 0, "", "has 0 values"},
		{"two values", "loader own parser\n", "", "", 0, "", "has 2 values"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			s := store{filepath.Join(base, "libvirt")}
			write(t, s.dir, nil)
			if tt.file != "" {
				write(t, s.dir, map[string]string{settingsFile: tt.file})
			}
			hostFS := linked("usr/lib64", tt.host)
			if tt.args == "" {
				o, err := s.settings(hostFS)
				if tt.err == "" && (err != nil || o.method != tt.want || o.loader != tt.loader) {
					t.Errorf("%v %q %v", o.method, o.loader, err)
				}
				if tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
					t.Errorf("%v, want %q", err, tt.err)
				}
			}
			// The command refuses to run with settings that it does not know.
			var stdout, stderr bytes.Buffer
			status := Run(t.Context(), strings.Fields(tt.args+"-d -c -u "+profile), Env{
				Stdin: strings.NewReader(xml("kvm", "/srv/a.img")), Stdout: &stdout, Stderr: &stderr, Base: base, Host: hostFS, Loader: &fakeLoader{},
			})
			if (status != 0) != (tt.err != "") || !strings.Contains(stderr.String(), tt.err) {
				t.Errorf("status %d: %s", status, stderr.String())
			}
			// Only libvirt's rules have this one.
			if lax := strings.Contains(stdout.String(), "/run/libvirt/**/vm1.pid"); tt.err == "" && lax != (tt.want != svirt.Strict || tt.args != "") {
				t.Errorf("rules are\n%s", stdout.String())
			}
		})
	}
}

// TestSockets: under the strict policy a machine has a directory of its own for
// sockets, if the settings say where. Others are as libvirt's helper.
func TestSockets(t *testing.T) {
	for _, tt := range []struct{ file, args, want, err string }{
		{"policy strict\n", "", "", ""},
		{"policy strict\nsockets /run/s\n", "", "\"/run/s/" + uuid + "/**\" rw,", ""},
		{"sockets /run/s\npolicy strict\n", "", "\"/run/s/" + uuid + "/\" r,", ""},
		{"policy strict\nsockets /run/s\n", "--policy 12.8 ", "", ""},
		{"policy strict\nsockets /run/s*\n", "", "", "special in policy"},
		{"policy strict\nsockets /etc/x\n", "", "", "virt-aa-helper.conf: extra sockets"},
	} {
		base := t.TempDir()
		write(t, filepath.Join(base, "libvirt"), map[string]string{settingsFile: tt.file})
		var stdout, stderr bytes.Buffer
		status := Run(t.Context(), strings.Fields(tt.args+"-d -c -u "+profile), Env{
			Stdin: strings.NewReader(xml("kvm", "/srv/a.img")), Stdout: &stdout, Stderr: &stderr, Base: base, Host: newHost(t), Loader: &fakeLoader{},
		})
		if tt.err != "" {
			if status != 1 || !strings.Contains(stderr.String(), tt.err) {
				t.Errorf("%q: status %d %s, want %s", tt.file, status, stderr.String(), tt.err)
			}
			continue
		}
		if status != 0 || strings.Contains(stdout.String(), "/run/s") != (tt.want != "") || !strings.Contains(stdout.String(), tt.want) {
			t.Errorf("%q: status %d %s, rules\n%swant %s", tt.file, status, stderr.String(), stdout.String(), tt.want)
		}
	}
}

// TestStrictFile appends what libvirtd asks for, under the strict policy: the
// machine's own directories and saved memory, nodes of the host, images; and not
// what is another machine's or the system's.
func TestStrictFile(t *testing.T) {
	host := fstest.MapFS{
		"srv/a.img": {}, "srv/b.img": {}, "dev/sdx": {Mode: fs.ModeDevice | 0o600}, "dev/sg0": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/userfaultfd": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600}, "dev/mem": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		"dev/shm/x": {}, "dev/uinput": {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600}, "var/lib/libvirt/qemu/domain-3-vm1/x": {}, "var/lib/libvirt/qemu/domain-4-vm2/x": {},
	}
	for _, tt := range []struct{ path, want, err string }{
		{"/srv/b.img", "  \"/srv/b.img\" rwk, # extra file\n", ""},
		{"/var/lib/libvirt/qemu/domain-3-vm1/{,**}", "  \"/var/lib/libvirt/qemu/domain-3-vm1/\" r, # extra file\n  \"/var/lib/libvirt/qemu/domain-3-vm1/**\" rwk, # extra file\n", ""},
		{"/var/lib/libvirt/qemu/save/vm1.save", "  \"/var/lib/libvirt/qemu/save/vm1.save\" rwk, # extra file\n", ""},
		{"/dev/userfaultfd", "  \"/dev/userfaultfd\" rwk, # extra file\n", ""},
		{"/dev/sg0", "  \"/dev/sg0\" rwk, # extra file\n", ""},
		{"/dev/sdx", "  \"/dev/sdx\" rwk, # disk file\n", ""},
		{"/var/lib/libvirt/qemu/domain-4-vm2/{,**}", "", "closed unless"},
		{"/var/lib/libvirt/qemu/save/vm2.save", "", "closed unless"},
		{"/dev/{,**}", "", "restricted to the system"},
		{"/dev/mem", "", "restricted to the system"},
		{"/dev/uinput", "", "closed unless"},
		{"/dev/sdz", "", "no such device"},
		{"/dev/shm/x", "  \"/dev/shm/x\" rwk, # extra file\n", ""},
		{"/etc/shadow", "", "restricted to the system"},
		{"/srv/*.img", "", "special in policy"},
	} {
		for _, option := range []string{"-F ", "-f "} {
			base := t.TempDir()
			write(t, filepath.Join(base, "libvirt"), map[string]string{profile: "", settingsFile: "policy strict\n"})
			var stdout, stderr bytes.Buffer
			status := Run(t.Context(), strings.Fields("-d -r -u "+profile+" "+option+tt.path), Env{
				Stdin: strings.NewReader(xml("kvm", "/srv/a.img")), Stdout: &stdout, Stderr: &stderr, Base: base, Host: host, Loader: &fakeLoader{},
			})
			if (status != 0) != (tt.err != "") || !strings.Contains(stderr.String(), tt.err) || !strings.Contains(stdout.String(), tt.want) {
				t.Errorf("%s%s: status %d %s, rules\n%swant\n%s%s", option, tt.path, status, stderr.String(), stdout.String(), tt.want, tt.err)
			}
			// What is appended is no more than that.
			if got := strings.Count(stdout.String(), "a.img"); tt.err == "" && (got == 0) != (option == "-F ") {
				t.Errorf("%s%s: the machine's disk is there %d times", option, tt.path, got)
			}
		}
	}
}

// TestBacking: a backing file that only the image names is refused under the
// strict policy until the settings name its directory.
func TestBacking(t *testing.T) {
	name := "/srv/base.img"
	head := make([]byte, 104+len(name))
	copy(head, "QFI\xfb\x00\x00\x00\x03")
	head[15], head[19] = 104, byte(len(name))
	head[103] = 104
	copy(head[104:], name)
	host := fstest.MapFS{"srv/a.img": {Data: head}, "srv/base.img": {Data: make([]byte, 512)}, "other/x": {}}
	text := strings.Replace(xml("kvm", "/srv/a.img"), "type='raw'", "type='qcow2'", 1)
	for _, tt := range []struct{ settings, err string }{
		{"", "\"backing DIR\" in"},
		{"backing /other\n", "\"backing DIR\" in"},
		{"backing /other\nbacking /srv\n", ""},
		{"backing srv\n", "conf:2: backing \"srv\""},
	} {
		base := t.TempDir()
		write(t, filepath.Join(base, "libvirt"), map[string]string{settingsFile: "policy strict\n" + tt.settings})
		var stdout, stderr bytes.Buffer
		status := Run(t.Context(), strings.Fields("-d -c -u "+profile), Env{
			Stdin: strings.NewReader(text), Stdout: &stdout, Stderr: &stderr, Base: base, Host: host, Loader: &fakeLoader{},
		})
		if (status != 0) != (tt.err != "") || !strings.Contains(stderr.String(), tt.err) || strings.Contains(stdout.String(), "base.img\" rk,") != (tt.err == "") {
			t.Errorf("%q: status %d %s, rules\n%s", tt.settings, status, stderr.String(), stdout.String())
		}
	}
}
