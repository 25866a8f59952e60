// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// mappings are those that a probe keeps, by the descriptors that they are of.
var mappings = map[string][]byte{}

// onHeld makes an operation of one on a descriptor that the probe holds.
func onHeld(f func(fd int) error) func([]string) (string, error) {
	return func(args []string) (string, error) {
		fd, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		return "", f(fd)
	}
}

func shared(fd int) ([]byte, error) {
	return unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
}

func init() {
	for name, f := range map[string]func([]string) (string, error){
		// Opens a file, says the descriptor, and keeps it.
		"hold": func(args []string) (string, error) {
			fd, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
			if err != nil {
				return "", err
			}
			m, err := shared(fd)
			mappings[strconv.Itoa(fd)] = m
			return strconv.Itoa(fd), err
		},
		"let go": onHeld(func(fd int) error {
			m := mappings[strconv.Itoa(fd)]
			delete(mappings, strconv.Itoa(fd))
			return errors.Join(unix.Munmap(m), unix.Close(fd))
		}),
		"read held":  onHeld(func(fd int) error { _, err := unix.Pread(fd, make([]byte, 1), 0); return err }),
		"write held": onHeld(func(fd int) error { _, err := unix.Pwrite(fd, []byte("x"), 0); return err }),
		"map held": onHeld(func(fd int) error {
			m, err := shared(fd)
			if err != nil {
				return err
			}
			m[0]++
			return unix.Munmap(m)
		}),
		// A fault would end the probe.
		"use mapping":   onHeld(func(fd int) error { mappings[strconv.Itoa(fd)][0]++; return nil }),
		"truncate held": onHeld(func(fd int) error { return unix.Ftruncate(fd, 4096) }),
		"reopen held": onHeld(func(fd int) error {
			return withOpen(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR, func(int) error { return nil })
		}),
	} {
		operations[name] = f
	}
}

// tryHeld does everything with a file that a probe holds. What needs the
// profile anew ends as given.
func tryHeld(t *testing.T, p *probe, fd, path string, anew syscall.Errno) {
	t.Helper()
	for _, op := range []string{"read held", "write held", "map held", "use mapping"} {
		p.want(t, 0, op, fd)
	}
	p.want(t, anew, "truncate held", fd)
	p.want(t, anew, "reopen held", fd)
	p.want(t, anew, "read", path)
	p.want(t, anew, "write", path)
}

// TestHeld takes a file away from a process that has it open and mapped: by a
// profile that does not have it, by one that allows nothing, and by an update
// of its machine, which says who has it.
func TestHeld(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	dir := fresh(t, "/srv/held")
	file := dir + "/file"
	page := []byte(strings.Repeat("x", 4096))
	again := func() {
		t.Helper()
		if err := os.WriteFile(file, page, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again()
	const with, without = "profile holder { " + base + "\n/srv/held/file rw,\n/proc/self/fd/ r,\n}", "profile holder { " + base + " }"
	for what, take := range map[string]func() error{
		"replaced": func() error { loadText(t, k, without); return nil },
		"sealed":   func() error { return k.Seal(ctx, "holder") },
	} {
		t.Run(what, func(t *testing.T) {
			again()
			loadText(t, k, with)
			p := confine(t, k, "holder")
			fd := p.want(t, 0, "hold", file).Out
			tryHeld(t, p, fd, file, 0)
			if err := take(); err != nil {
				t.Fatal(err)
			}
			tryHeld(t, p, fd, file, syscall.EACCES)
			p.want(t, 0, "let go", fd)
		})
	}

	t.Run("machine", func(t *testing.T) {
		other(t, vmm)
		manager := newManager(t)
		m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
		late := m.file("late.img")
		if err := os.WriteFile(late, page, 0o600); err != nil {
			t.Fatal(err)
		}
		vdb := svirt.Device{Kind: svirt.DeviceDisk, ID: "vdb"}
		m.Devices.Disks = append(m.Devices.Disks, svirt.Disk{ID: vdb.ID, Image: svirt.Image{Path: late, Format: "raw"}})
		m.create(t, manager)
		m.start(t, manager)
		fd := m.want(t, 0, "hold", late).Out
		kept := m.want(t, 0, "hold", m.file("disk.img")).Out
		tryHeld(t, m.probe, fd, late, 0)
		changed, err := manager.Update(ctx, m.UUID, svirt.Change{Remove: []svirt.Device{vdb}})
		if err != nil || changed.HoldersErr != nil {
			t.Fatal(err, changed.HoldersErr)
		}
		want := []svirt.Holder{{PID: m.cmd.Process.Pid, Path: late, Device: vdb, Read: true, Write: true}}
		if diff := cmp.Diff(want, changed.Holders); diff != "" {
			t.Error(diff)
		}
		tryHeld(t, m.probe, fd, late, syscall.EACCES)
		holders, err := manager.Holders(ctx, m.UUID, changed.Removed)
		if diff := cmp.Diff(want, holders); diff != "" || err != nil {
			t.Error(diff, err)
		}
		m.want(t, 0, "let go", fd)
		if holders, err := manager.Holders(ctx, m.UUID, changed.Removed); err != nil || len(holders) > 0 {
			t.Errorf("after it was closed: %+v, %v", holders, err)
		}
		m.want(t, 0, "read held", kept)
	})
}

// TestSealedMachine has in force for a running machine what a Remove leaves that
// could not be brought to its end. What is to go on with the machine puts its
// own profile back, and nothing else does.
func TestSealedMachine(t *testing.T) {
	k, ctx := kernel(t), t.Context()
	other(t, vmm)
	manager := newManager(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	m.start(t, manager)
	disk := m.file("disk.img")
	for what, back := range map[string]func() error{
		"load":    func() error { return manager.Load(ctx, m.UUID) },
		"replace": func() error { return manager.Replace(ctx, m.Domain) },
		"reconcile": func() error {
			list, err := manager.Reconcile(ctx, []*svirt.Domain{m.Domain}, svirt.ReconcileOptions{Load: true})
			if len(list) != 1 || !list[0].Did.Load || list[0].Stale {
				t.Errorf("reconciled to %+v", list)
			}
			return err
		},
	} {
		m.want(t, 0, "read", disk)
		if err := k.Seal(ctx, m.profile()); err != nil {
			t.Fatal(err)
		}
		m.want(t, syscall.EACCES, "read", disk)
		if s, err := manager.Status(ctx, m.UUID); err != nil || !s.Loaded || !s.Stale {
			t.Errorf("%s: status %+v, %v", what, s, err)
		}
		list, err := manager.Reconcile(ctx, []*svirt.Domain{m.Domain}, svirt.ReconcileOptions{})
		if err != nil || len(list) != 1 || !list[0].Stale || !list[0].InUse {
			t.Errorf("%s: reconcile says %+v, %v", what, list, err)
		}
		_, err = manager.Update(ctx, m.UUID, svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "sda"}}})
		wantError(t, err, svirt.ErrRemoving)
		wantError(t, manager.Remove(ctx, m.UUID), svirt.ErrInUse)
		wantError(t, manager.Start(ctx, m.UUID, probeCommand(vmm)), loader.ErrContent)
		m.want(t, syscall.EACCES, "read", disk)
		if err := back(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	m.want(t, 0, "read", disk)
	m.want(t, syscall.EACCES, "read", "/files/secret")
}

// TestForkChainRemove removes machines whose process forks and ends without a
// pause, by Manager.RemoveWith. TestForkChain does so often, one level below.
func TestForkChainRemove(t *testing.T) {
	k, below, ctx := kernel(t), cgroups(t), t.Context()
	other(t, vmm)
	manager := newManager(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	removed := 0
	for round := range 8 {
		if err := manager.Create(ctx, m.Domain); err != nil && !errors.Is(err, svirt.ErrExists) {
			t.Fatal(err)
		}
		group := newCgroup(t, below, strconv.Itoa(round))
		o := loader.RetireOptions{Timeout: 200 * time.Millisecond, Kill: round%2 == 1}
		if round%4 == 3 {
			o.Cgroup, o.Timeout = string(group), time.Minute
		}
		cmd := probeCommand(vmm)
		cmd.Args = []string{"forkchain", "1"}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = w
		group.put(t, cmd)
		if err := manager.Start(ctx, m.UUID, cmd); err != nil {
			t.Fatal(err)
		}
		closeNow(t, w)
		in := bufio.NewReader(r)
		if line, err := in.ReadString('\n'); line != "up\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if err := cmd.Wait(); err != nil { // for its first process
			t.Errorf("round %d: %v", round, err)
		}
		err = manager.RemoveWith(ctx, m.UUID, svirt.RemoveOptions{Retire: o})
		switch {
		case err == nil:
			removed++
			if group.populated(t) {
				t.Errorf("round %d: a process was left", round)
			}
			if _, err := manager.Status(ctx, m.UUID); !errors.Is(err, svirt.ErrNotFound) {
				t.Errorf("round %d: the machine was removed: %v", round, err)
			}
		case o.Cgroup != "" || !errors.Is(err, svirt.ErrInUse):
			t.Errorf("round %d: %v", round, err)
		default:
			// Nothing of it has gone.
			if s, err := manager.Status(ctx, m.UUID); err != nil || !s.Loaded || !s.HasFiles || !s.HasProfile {
				t.Errorf("round %d: in use: %+v, %v", round, s, err)
			}
		}
		group.end(t)
		said, err := io.ReadAll(in)
		if err != nil || len(said) > 0 {
			t.Errorf("round %d: it said %q, %v", round, said, err)
		}
		closeNow(t, r)
		if err := manager.RemoveWith(ctx, m.UUID, svirt.RemoveOptions{Retire: loader.RetireOptions{Cgroup: string(group)}}); err != nil {
			t.Errorf("round %d: once all have ended: %v", round, err)
		}
		if err := os.Remove(string(group)); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of 8 removed at once", removed)
	wantLoaded(t, k)
}
