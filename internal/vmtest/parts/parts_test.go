// SPDX-License-Identifier: Apache-2.0

//go:build linux

package parts

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/svirt"
)

func TestMain(m *testing.M) { os.Exit(guest.Main(m, nil)) }

const (
	uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	qemu = "/usr/bin/qemu-system-x86_64"
	dir  = "/srv/vm"
	qmp  = dir + "/qmp.sock"
)

// denials returns what was denied up to the removal of the machine's profile.
func denials(t *testing.T, l guest.KernelLog) []string {
	t.Helper()
	var out []string
	for _, record := range l.Until(t, `operation="profile_remove"`, `name="libvirt-`+uuid+`"`) {
		_, what, ok := strings.Cut(record, "apparmor=\"DENIED\" ")
		if !ok {
			continue
		}
		e, err := audit.Parse(record)
		if err != nil {
			t.Errorf("%s: %v", record, err)
			continue
		}
		what, _, _ = strings.Cut(what, "\n")
		out = append(out, strings.TrimPrefix(e.Profile, "libvirt-"+uuid)+" "+what)
	}
	return out
}

// part is a device that is there or not.
type part struct {
	name string
	// before makes what the device is of, unconfined.
	before func(t *testing.T)
	// device puts it into the description.
	device func(d *svirt.Domain)
	// args are QEMU's. What is needed before QEMU starts runs as companions.
	args []string
	// companions are programs with their arguments, by ID.
	companions map[string][]string
	// connects says that QEMU only connects to a socket, which kernels before
	// those that mediate unix sockets do not mediate by its name.
	connects bool
	// denied is what the log names when QEMU is run without the device in the
	// description; empty: it makes no difference.
	denied string
}

func file(name string) string { return filepath.Join(dir, name) }

// run runs a program that makes something.
func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

func write(t *testing.T, name string, size int) {
	t.Helper()
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

var parts = []part{
	{name: "nothing"},
	{name: "disk, raw", denied: file("a.img"),
		before: func(t *testing.T) { write(t, file("a.img"), 1<<20) },
		device: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("a.img"), Format: "raw"}}}
		},
		args: []string{"-blockdev", "driver=raw,node-name=a,file.driver=file,file.filename=" + file("a.img"), "-device", "virtio-blk-pci,drive=a"}},
	{name: "disk, qcow2 with two below it", denied: file("top.qcow2"),
		before: func(t *testing.T) {
			run(t, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", file("base.qcow2"), "1M")
			run(t, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", file("mid.qcow2"))
			run(t, "/usr/bin/qemu-img", "create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", file("top.qcow2"))
		},
		device: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: file("top.qcow2"), Format: "qcow2"}}}
		},
		args: []string{"-drive", "if=virtio,format=qcow2,file=" + file("top.qcow2")}},
	{name: "firmware of pflash with variables", denied: file("vars.fd"),
		before: func(t *testing.T) {
			data, err := os.ReadFile("/usr/share/OVMF/OVMF_VARS_4M.fd")
			if err == nil {
				err = os.WriteFile(file("vars.fd"), data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		device: func(d *svirt.Domain) {
			d.Boot.Loader = &svirt.Loader{Path: "/usr/share/OVMF/OVMF_CODE_4M.fd", Type: "pflash", ReadOnly: true}
			d.Boot.NVRAM = &svirt.Image{Path: file("vars.fd"), Format: "raw"}
		},
		args: []string{"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", "if=pflash,unit=1,format=raw,file=" + file("vars.fd")}},
	{name: "VNC at a socket", denied: file("vnc.sock"),
		device: func(d *svirt.Domain) {
			d.Devices.Graphics = []svirt.Graphics{{ID: "g", Type: "vnc", Sockets: []string{file("vnc.sock")}}}
		},
		args: []string{"-vnc", "unix:" + file("vnc.sock")}},
	{name: "TPM with its swtpm", connects: true, denied: file("tpm.sock"),
		before: func(t *testing.T) { mkdir(t, file("tpm")) },
		device: func(d *svirt.Domain) {
			d.Devices.TPMs = []svirt.TPM{{ID: "t", Backend: "emulator", Path: file("tpm.sock"), State: file("tpm")}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionSWTPM, Serves: svirt.Device{Kind: svirt.DeviceTPM, ID: "t"}}}
		},
		companions: map[string][]string{"swtpm": {"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + file("tpm"), "--ctrl", "type=unixio,path=" + file("tpm.sock")}},
		args:       []string{"-chardev", "socket,id=t,path=" + file("tpm.sock"), "-tpmdev", "emulator,id=t,chardev=t", "-device", "tpm-crb,tpmdev=t"}},
	{name: "vhost-user disk with its storage daemon", connects: true, denied: file("disk.sock"),
		before: func(t *testing.T) { write(t, file("served.img"), 1<<20) },
		device: func(d *svirt.Domain) {
			d.Devices.Disks = []svirt.Disk{{ID: "v", Image: svirt.Image{Type: svirt.ImageVHostUser, Path: file("disk.sock")}}}
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionStorageDaemon, Serves: svirt.Device{Kind: svirt.DeviceDisk, ID: "v"},
				Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "s", Image: svirt.Image{Path: file("served.img"), Format: "raw"}}}}}}
		},
		companions: map[string][]string{"qemu-storage-daemon": {"/usr/bin/qemu-storage-daemon", "--blockdev", "driver=file,node-name=f,filename=" + file("served.img"),
			"--export", "type=vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path=" + file("disk.sock")}},
		args: []string{"-object", "memory-backend-memfd,id=m,size=32M,share=on", "-machine", "memory-backend=m",
			"-chardev", "socket,id=v,path=" + file("disk.sock"), "-device", "vhost-user-blk-pci,chardev=v"}},
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

// machine returns the description of a machine without any device.
func machine() *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "vm", Type: "kvm", Monitor: svirt.Monitor{API: []string{qmp}}}
}

// TestParts runs QEMU with each device under the profile of a machine that has
// it: QEMU starts, opens it, answers, and ends when it is told to; the kernel
// denies nothing. Without the device in the description it is denied.
func TestParts(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), qemu, "--version").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	} else {
		first, _, _ := strings.Cut(string(out), "\n")
		t.Log(first)
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			with := machine()
			if p.device != nil {
				p.device(with)
			}
			p.fresh(t)
			if denied, err := p.run(t, with, true); err != nil || len(denied) > 0 {
				t.Errorf("with the device: %v\n%s", err, strings.Join(denied, "\n"))
				return
			}
			if p.denied == "" {
				return
			}
			without := machine()
			p.fresh(t)
			denied, err := p.run(t, without, false)
			if p.connects && !guest.Since(7, 0) {
				if err != nil || len(denied) > 0 {
					t.Errorf("this kernel mediates it: %v, denied\n%s", err, strings.Join(denied, "\n"))
				}
				return
			}
			if !slices.ContainsFunc(denied, func(s string) bool { return strings.Contains(s, `name="`+p.denied) }) {
				t.Errorf("without the device: %v, denied\n%s", err, strings.Join(denied, "\n"))
			}
		})
	}
}

// fresh makes what the device is of.
func (p *part) fresh(t *testing.T) {
	t.Helper()
	list, _ := filepath.Glob(dir + "/*")
	for _, name := range list {
		if err := os.RemoveAll(name); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(t, dir)
	mkdir(t, "/etc/apparmor.d")
	mkdir(t, "/var/log/libvirt/qemu")
	if p.before != nil {
		p.before(t)
	}
}

// run runs the machine and returns how QEMU failed, and what was denied.
func (p *part) run(t *testing.T, d *svirt.Domain, companions bool) (denied []string, failed error) {
	t.Helper()
	ctx := t.Context()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	log := guest.OpenKernelLog(t)
	if err := manager.Create(ctx, d); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := manager.Remove(context.WithoutCancel(ctx), uuid); err != nil {
			t.Error(err)
		}
		denied = denials(t, log)
	}()
	for id, args := range p.companions {
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, out
		if companions {
			err = manager.StartWith(ctx, uuid, cmd, svirt.StartOptions{Companion: id})
		} else {
			err = cmd.Start()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); _ = cmd.Wait() }()
		defer func() {
			_ = cmd.Process.Kill() // it may have ended with QEMU
			<-ended
			if failed != nil {
				failed = fmt.Errorf("%w\n%s says: %s", failed, id, out)
			}
		}()
		if err := appears(p.denied, ended); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	args := append([]string{"-nodefaults", "-display", "none", "-S", "-accel", "tcg,tb-size=8", "-machine", "pc", "-m", "32", "-qmp", "unix:" + qmp + ",server=on,wait=off"}, p.args...)
	cmd := exec.CommandContext(ctx, qemu, args...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := manager.Start(ctx, uuid, cmd); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = talk(ctx, ended)
	if err != nil {
		_ = cmd.Process.Kill()
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	select {
	case err = <-ended:
	case <-time.After(time.Minute):
		err = errors.New("the program did not end")
		_ = cmd.Process.Kill()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return nil, nil
}

// appears waits for a socket.
func appears(name string, ended <-chan struct{}) error {
	for range 300 {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
		select {
		case <-ended:
			return errors.New("the program ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not appear", name)
}

// talk asks QEMU how it is, and has it end.
func talk(ctx context.Context, ended chan error) error {
	var c net.Conn
	for range 600 {
		var err error
		if c, err = new(net.Dialer).DialContext(ctx, "unix", qmp); err == nil {
			break
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("QEMU ended: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	if c == nil {
		return errors.New("QEMU does not listen")
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	in := bufio.NewScanner(c)
	for _, command := range []string{"", "qmp_capabilities", "query-status", "quit"} {
		if command != "" {
			if err := json.NewEncoder(c).Encode(map[string]string{"execute": command}); err != nil {
				return err
			}
		}
		for {
			if !in.Scan() {
				return fmt.Errorf("%q: no answer: %w", command, in.Err())
			}
			var answer struct {
				QMP, Return, Error, Event any
			}
			if err := json.Unmarshal(in.Bytes(), &answer); err != nil {
				return err
			}
			if answer.Error != nil {
				return fmt.Errorf("%q: %s", command, in.Bytes())
			}
			if answer.Event == nil {
				break
			}
		}
	}
	return nil
}
