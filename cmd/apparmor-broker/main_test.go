// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// TestProfile asks the profile of this program what it grants: no program, no file
// of a user's, no network, and no writing but to its own directory and the
// kernel's load files.
func TestProfile(t *testing.T) {
	text, err := os.ReadFile("usr.libexec.apparmor-broker")
	if err != nil {
		t.Fatal(err)
	}
	kernel, ok := features.Kernel("6.12")
	if !ok {
		t.Fatal("no features of 6.12")
	}
	out, err := compile.Text(t.Context(), "usr.libexec.apparmor-broker", string(text), compile.Source{
		Kernel: kernel, Roots: []fs.FS{os.DirFS(testenv.DebianTree(t))}, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil {
		t.Fatal(err)
	}
	own, ok := query.Open(out.Policy).Profile("apparmor-broker")
	if !ok {
		t.Fatal("no profile")
	}
	ask := func(want bool, r query.Request) {
		t.Helper()
		d, err := own.Ask(r)
		if err != nil || d.Allowed() != want {
			t.Errorf("%v: %v %v, want %v", r, d, err, want)
		}
	}
	const machine = "libvirt-session-1000-00000000-0000-4000-8000-000000000001"
	for _, path := range []string{"/var/lib/apparmor-broker/libvirt-session-1000/" + machine, "/.load", "/.replace", "/.remove", "/run/apparmor-broker.sock", "/namespaces/libvirt-session-1000/"} {
		ask(true, query.File{Path: path, Perms: query.Write})
	}
	for _, path := range []string{
		"/etc/apparmor.d/usr.sbin.libvirtd", "/etc/apparmor.d/libvirt/x", "/etc/passwd", "/home/alice/disk.img", "/srv/a.img", "/tmp/x", "/run/x", "/run/user/1000/x", "/dev/null",
		"/dev/kvm", "/proc/1/attr/current", "/proc/1/attr/apparmor/exec", "/proc/sys/kernel/core_pattern", "/proc/1/oom_score_adj", "/sys/module/apparmor/parameters/mode",
		"/sys/fs/cgroup/user.slice/cgroup.kill", "/sys/kernel/security/apparmor/profiles", "/usr/libexec/apparmor-broker", "/var/lib/apparmor-broker2/x", "/namespaces/other/", "/namespaces/libvirt-session-x/", "/namespaces/libvirt-session-1000/.replace", "/namespaces/libvirt-session-1000/namespaces/x/",
	} {
		ask(false, query.File{Path: path, Perms: query.Write})
		ask(false, query.File{Path: path, Perms: query.Append})
	}
	for _, path := range []string{"/etc/passwd", "/sys/kernel/security/apparmor/features/caps/mask", "/proc/7/task/8/attr/apparmor/current", "/proc/7/fd/"} {
		ask(true, query.File{Path: path, Perms: query.Read})
	}
	for _, path := range []string{
		"/etc/shadow", "/home/alice/disk.img", "/home/alice/.ssh/id", "/root/x", "/srv/a.img", "/run/user/1000/x", "/dev/sda", "/dev/mem", "/etc/ssh/ssh_host_rsa_key",
		"/proc/7/environ", "/proc/7/mem", "/proc/7/cmdline", "/proc/7/maps", "/var/lib/libvirt/images/x", "/etc/apparmor.d/libvirt/x",
	} {
		ask(false, query.File{Path: path, Perms: query.Read})
	}
	for _, path := range []string{"/usr/bin/true", "/usr/sbin/apparmor_parser", "/usr/libexec/apparmor-broker", "/home/alice/x", "/var/lib/apparmor-broker/x"} {
		ask(false, query.Execute{Path: path})
	}
	for _, family := range []string{"inet", "inet6", "netlink", "packet", "vsock"} {
		ask(false, query.Network{Family: family, Type: "stream"})
		ask(false, query.Network{Family: family, Type: "dgram"})
	}
	for _, name := range []string{"mac_admin", "setuid", "setgid", "sys_ptrace", "dac_read_search", "kill"} {
		ask(true, query.Capability(name))
	}
	for _, name := range []string{"dac_override", "sys_admin", "mac_override", "sys_module", "net_admin", "mknod", "fowner", "chown", "sys_rawio", "sys_chroot"} {
		ask(false, query.Capability(name))
	}
	ask(true, query.Ptrace{Peer: machine, Perms: query.ReadPeer})
	ask(false, query.Ptrace{Peer: machine, Perms: query.Trace})
	ask(true, query.Signal{Peer: machine, Signal: "kill", Perms: query.Send})
	ask(false, query.Signal{Peer: machine, Signal: "term", Perms: query.Send})
	for _, peer := range []string{"unconfined", "libvirt-00000000-0000-4000-8000-000000000001", "/usr/sbin/sshd"} {
		ask(false, query.Signal{Peer: peer, Signal: "kill", Perms: query.Send})
	}
	ask(false, query.ChangeProfile{Target: machine})
	ask(false, query.ChangeProfile{Target: "unconfined"})
}

func TestConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	text := `{"roots":{"images":["%h","/srv/vm/%u"],"logs":["/var/log/vm/%u"]},"types":["","firecracker"],"companions":["passt"],"namespaces":[1000,1002],"limits":{"machines":16}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var o broker.Options
	if err := readConfig(path, &o); err != nil || o.Limits.Machines != 16 || len(o.Types) != 2 || len(o.Companions) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
	for uid, ok := range map[uint32]bool{0: false, 1000: true, 1001: false, 1002: true} {
		if err := o.Namespaces(broker.Peer{UID: uid}); (err == nil) != ok || !ok && !errors.Is(err, broker.ErrNoPeer) {
			t.Errorf("user %d: %v", uid, err)
		}
	}
	got, err := expand(svirt.Roots{Images: []string{"%h", "/srv/vm/%u"}, Logs: []string{"/var/log/vm/%u"}}, broker.Peer{UID: 1000},
		func(broker.Peer) (svirt.Roots, error) { return svirt.Roots{Images: []string{"/home/a"}}, nil })
	want := svirt.Roots{Images: []string{"/home/a", "/srv/vm/1000"}, Logs: []string{"/var/log/vm/1000"}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	for _, bad := range []string{"", "{", `{"root":{}}`} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := readConfig(path, &o); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// TestRun serves with a kernel in memory until it is to end.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "socket")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log bytes.Buffer
	done := make(chan error)
	go func() {
		done <- run(ctx, []string{"-socket", socket, "-dir", filepath.Join(dir, "state")}, &log, svirttest.NewKernel(nil))
	}()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	// Who runs tests, as root or otherwise, may have no account that is served; a
	// reply is one all the same.
	_, err := (&broker.Client{Socket: socket}).List(t.Context())
	if err != nil && !strings.Contains(err.Error(), "broker: ") {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := run(t.Context(), []string{"more"}, &log, nil); err == nil {
		t.Error("an argument is taken")
	}
}
