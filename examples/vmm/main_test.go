// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{"qemu-system-x86_64": qemu, "qemu-img": img, "reader": reader}))
}

// qemu says what QEMU says, and opens nothing.
func qemu(args []string) int {
	socket := args[slices.Index(args, "-qmp")+1]
	socket, _, _ = strings.Cut(strings.TrimPrefix(socket, "unix:"), ",")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return 1
	}
	c, err := l.Accept()
	if err != nil {
		return 1
	}
	events := map[string][]string{
		"device_del": {"DEVICE_DELETED"}, "block-commit": {"BLOCK_JOB_READY"}, "block-job-complete": {"BLOCK_JOB_COMPLETED"},
	}
	_, _ = fmt.Fprintln(c, `{"QMP": {}}`)
	for in := bufio.NewScanner(c); in.Scan(); {
		var command struct{ Execute string }
		if err := json.Unmarshal(in.Bytes(), &command); err != nil {
			return 1
		}
		for _, e := range events[command.Execute] {
			_, _ = fmt.Fprintf(c, "{\"event\": %q}\n", e)
		}
		if command.Execute == os.Getenv("REFUSE") {
			_, _ = fmt.Fprintln(c, `{"error": {"class": "GenericError", "desc": "refused"}}`)
			continue
		}
		_, _ = fmt.Fprintln(c, `{"return": {}}`)
		if command.Execute == "quit" {
			return 0
		}
	}
	return 1
}

// img makes an empty image of each kind, which is all that is looked at.
func img(args []string) int {
	i := slices.Index(args, "-f")
	name := args[i+2]
	data := make([]byte, 1<<20)
	if args[i+1] == "qcow2" {
		copy(data, "QFI\xfb\x00\x00\x00\x03")
		if b := slices.Index(args, "-b"); b >= 0 {
			data[15], data[19] = 112, byte(len(args[b+1]))
			copy(data[112:], args[b+1])
		}
		data[103] = 104 // the header's length
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		return 1
	}
	return 0
}

// programs installs the stubs and returns the path of the one for QEMU.
func programs(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := errors.Join(os.Symlink(self, dir+"/qemu-system-x86_64"), os.Symlink(self, dir+"/qemu-img")); err != nil {
		t.Fatal(err)
	}
	return dir + "/qemu-system-x86_64"
}

// TestPlay looks at what the machine may do after each step.
func TestPlay(t *testing.T) {
	kernel := svirttest.NewKernel(nil)
	dir := t.TempDir()
	var steps []string
	err := play(t.Context(), svirt.ManagerOptions{Dir: t.TempDir(), Driver: kernel}, programs(t), dir, func(step string, v *VM, _ *monitor) error {
		var may []string
		for _, name := range []string{"vda.qcow2", "vda.snapshot.qcow2", "data.img"} {
			for _, p := range []query.Perms{query.Write, query.Read} {
				ok, err := kernel.Allows(uuid, query.File{Path: filepath.Join(dir, name), Perms: p})
				if err != nil {
					return err
				}
				if ok {
					may = append(may, map[query.Perms]string{query.Read: "reads ", query.Write: "writes "}[p]+strings.TrimSuffix(name, filepath.Ext(name)))
					break
				}
			}
		}
		steps = append(steps, step+": "+strings.Join(may, ", "))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"started: writes vda",
		"attached: writes vda, writes data",
		"restarted: writes vda, writes data",
		"detached: writes vda",
		"snapshot: reads vda, writes vda.snapshot",
		"committed: writes vda",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("steps\n%s\nwant\n%s", strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
	if left, err := kernel.List(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestRefused: if QEMU does not take a disk, the profile loses it again.
func TestRefused(t *testing.T) {
	t.Setenv("REFUSE", "device_add")
	kernel := svirttest.NewKernel(nil)
	err := play(t.Context(), svirt.ManagerOptions{Dir: t.TempDir(), Driver: kernel}, programs(t), t.TempDir(), func(string, *VM, *monitor) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "attached: device_add: refused") {
		t.Errorf("%v", err)
	}
	compiled := 0
	for _, c := range kernel.Calls() {
		if c.Op == svirttest.OpLoad {
			compiled++
		}
	}
	if compiled != 3 { // created, attached, taken away
		t.Errorf("%d loads", compiled)
	}
}
