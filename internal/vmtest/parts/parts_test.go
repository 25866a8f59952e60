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

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/svirt"
)

func TestMain(m *testing.M) { os.Exit(guest.Main(m, nil)) }

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

// TestParts runs QEMU with each device under the profile of a machine that has
// it: QEMU starts, opens it, answers, and ends when it is told to; the kernel
// denies nothing. Without the device in the description it is denied.
func TestParts(t *testing.T) { testDevices(t, Devices) }

// TestPartsHardware does the same with devices that take hardware.
func TestPartsHardware(t *testing.T) { testDevices(t, Hardware) }

func testDevices(t *testing.T, devices []Device) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), qemu, "--version").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	} else {
		first, _, _ := strings.Cut(string(out), "\n")
		t.Log(first)
	}
	for name, fs := range map[string]string{"/dev/pts": "devpts", "/dev/shm": "tmpfs"} {
		mkdir(t, name)
		if err := unix.Mount(fs, name, fs, 0, ""); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	for i := range devices {
		d := &devices[i]
		t.Run(d.Name, func(t *testing.T) {
			if _, err := os.Stat(guest.ModulesDir); d.Module && err != nil {
				t.Skip("its kernel has no modules here; APPARMOR_TEST_FULL=1 fetches them")
			}
			t.Run("described", func(t *testing.T) {
				m := machine()
				if d.Describe != nil {
					d.Describe(m)
				}
				d.fresh(t)
				denied, err := d.run(t, m, true)
				for _, name := range d.Named {
					is := func(s string) bool { return strings.Contains(s, name) }
					if !slices.ContainsFunc(denied, is) {
						t.Errorf("%s is not denied", name)
					}
					denied = slices.DeleteFunc(denied, is)
				}
				if err != nil || len(denied) > 0 {
					t.Errorf("%v\n%s", err, strings.Join(denied, "\n"))
				}
			})
			if t.Failed() || d.Denied == "" {
				return
			}
			t.Run("left out", func(t *testing.T) {
				d.fresh(t)
				denied, err := d.run(t, machine(), false)
				if d.Connects && !guest.Since(7, 0) {
					if err != nil || len(denied) > 0 {
						t.Errorf("this kernel mediates it: %v, denied\n%s", err, strings.Join(denied, "\n"))
					}
					return
				}
				if !slices.ContainsFunc(denied, func(s string) bool { return strings.Contains(s, `name="`+d.Denied) }) {
					t.Errorf("%v, denied\n%s", err, strings.Join(denied, "\n"))
				}
			})
		})
	}
}

// fresh makes what the device is of.
func (d *Device) fresh(t *testing.T) {
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
	mkdir(t, home)
	if d.Before != nil {
		d.Before(t)
	}
}

// run runs the machine and returns how QEMU failed, and what was denied.
func (d *Device) run(t *testing.T, m *svirt.Domain, companions bool) (denied []string, failed error) {
	t.Helper()
	ctx := t.Context()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	log := guest.OpenKernelLog(t)
	if err := manager.Create(ctx, m); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := manager.Remove(context.WithoutCancel(ctx), uuid); err != nil {
			t.Error(err)
		}
		denied = denials(t, log)
	}()
	for id, args := range d.Companions {
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
		if err := appears(d.Denied, ended); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	args := append([]string{"-nodefaults", "-display", "none", "-S", "-accel", "tcg,tb-size=8", "-machine", "pc", "-m", "32", "-qmp", "unix:" + qmp + ",server=on,wait=off"}, d.Args...)
	cmd := exec.CommandContext(ctx, qemu, args...)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Env = append(os.Environ(), environ...)
	if d.Open != nil {
		f := d.Open(t)
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	if err := manager.Start(ctx, uuid, cmd); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if d.Holds != "" {
		err = holds(cmd.Process.Pid, d.Holds, ended)
		_ = cmd.Process.Kill()
	} else {
		err = talk(ctx, ended)
	}
	if err != nil {
		_ = cmd.Process.Kill()
	}
	select {
	case status := <-ended:
		if err == nil && d.Holds == "" {
			err = status
		}
	case <-time.After(time.Minute):
		err = errors.Join(err, errors.New("it did not end"))
		_ = cmd.Process.Kill()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return nil, nil
}

// holds waits until a process has a descriptor of a file.
func holds(pid int, file string, ended chan error) error {
	dir := fmt.Sprintf("/proc/%d/fd/", pid)
	for range 600 {
		list, _ := os.ReadDir(dir)
		for _, e := range list {
			if at, err := os.Readlink(dir + e.Name()); err == nil && at == file {
				return nil
			}
		}
		select {
		case err := <-ended:
			ended <- err
			return errors.New("QEMU ended")
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("QEMU does not open %s", file)
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
