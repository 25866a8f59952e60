// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// Programs of the example of a manager that may not touch the kernel's policy.
const (
	splitManager = "/usr/sbin/manager"
	splitHelper  = "/usr/libexec/manager-helper"
)

// SplitReport is what the program "manager" finds.
type SplitReport struct {
	Label   string   // its own
	Policy  string   // what opening the kernel's policy ends with
	Replace string   // what loading policy itself ends with
	Machine string   // the label of the machine's process
	Disk    []string // what the machine reads: its disk, that which comes later, another's
	Later   []string // the same after the disk has come
	Loaded  []string
	Stays   bool // whether Remove refused while the machine ran
	Left    []string
	Err     string
}

// splitMain is the manager: it plays a machine's life and prints a report.
func splitMain([]string) int {
	var r SplitReport
	if err := r.play(context.Background()); err != nil {
		r.Err = err.Error()
	}
	if json.NewEncoder(os.Stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

func (r *SplitReport) play(ctx context.Context) error {
	label, err := os.ReadFile("/proc/self/attr/apparmor/current")
	if err != nil {
		return err
	}
	r.Label = strings.TrimSpace(string(label))
	_, err = os.ReadFile("/sys/kernel/security/apparmor/profiles")
	r.Policy = errText(err)
	f, err := os.OpenFile("/sys/kernel/security/apparmor/.replace", os.O_WRONLY, 0)
	r.Replace = errText(err)
	if err == nil {
		_ = f.Close() // it should not have opened
	}
	helper, err := svirt.OpenHelper(ctx, splitHelper, "--serve")
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer helper.Tasks.Close()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Driver: helper})
	if err != nil {
		return fmt.Errorf("new: %w", err)
	}
	defer manager.Close()
	const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	image := func(id string) svirt.Disk {
		return svirt.Disk{ID: id, Image: svirt.Image{Path: "/srv/split/" + id, Format: "raw"}}
	}
	if err := manager.Create(ctx, &svirt.Domain{UUID: uuid, Name: "split", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{image("vda")}}}); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	cmd := exec.CommandContext(ctx, vmm)
	cmd.Args = []string{"split reader"}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := manager.Start(ctx, uuid, cmd); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	answers := json.NewDecoder(out)
	ask := func(into *[]string) error {
		if _, err := io.WriteString(in, "\n"); err != nil {
			return err
		}
		return answers.Decode(into)
	}
	life := func() error {
		if label, err := helper.Tasks.Label(cmd.Process.Pid); err != nil {
			return err
		} else {
			r.Machine = label.String()
		}
		if err := ask(&r.Disk); err != nil {
			return err
		}
		if _, err := manager.Update(ctx, uuid, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{image("vdb")}}}); err != nil {
			return fmt.Errorf("update: %w", err)
		}
		if err := ask(&r.Later); err != nil {
			return err
		}
		list, err := helper.List(ctx)
		if err != nil {
			return err
		}
		for _, l := range list {
			r.Loaded = append(r.Loaded, l.Name)
		}
		r.Stays = errors.Is(manager.Remove(ctx, uuid), loader.ErrInUse)
		return nil
	}
	err = errors.Join(life(), in.Close(), cmd.Wait())
	if err == nil {
		if err = manager.Remove(ctx, uuid); err != nil {
			err = fmt.Errorf("remove: %w", err)
		}
	}
	left, listErr := helper.List(ctx)
	for _, l := range left {
		r.Left = append(r.Left, l.Name)
	}
	return errors.Join(err, listErr)
}

// splitReader is the machine: for each line it says what reading files ends with.
func splitReader([]string) int {
	for buf := make([]byte, 1); ; {
		if _, err := os.Stdin.Read(buf); err != nil {
			return 0
		}
		var out []string
		for _, name := range []string{"vda", "vdb", "other"} {
			_, err := os.ReadFile("/srv/split/" + name)
			out = append(out, errText(err))
		}
		if json.NewEncoder(os.Stdout).Encode(out) != nil {
			return 1
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// TestSplit plays a machine's life with a manager whose profile denies it the
// kernel's policy, and with a helper that has a profile, too: those of the example
// beside cmd/virt-aa-helper.
func TestSplit(t *testing.T) {
	guest.Scenario(t)
	k := kernel(t)
	if err := os.MkdirAll("/etc/apparmor.d", 0o755); err != nil {
		t.Fatal(err)
	}
	const local = "/etc/apparmor.d/local/abstractions/libvirt-qemu"
	// The example says that machines need this.
	half := "  signal (receive) peer=manager,\n  ptrace (readby) peer={manager,manager-helper},\n"
	if err := errors.Join(os.MkdirAll(filepath.Dir(local), 0o755), os.WriteFile(local, []byte(half), 0o644)); err != nil {
		t.Fatal(err)
	}
	removeLater(t, local)
	for _, name := range []string{splitManager, vmm} {
		other(t, name)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(splitHelper), 0o755), os.WriteFile(splitHelper, guest.File(t, "virt-aa-helper"), 0o755)); err != nil {
		t.Fatal(err)
	}
	removeLater(t, splitHelper)
	fresh(t, "/srv/split")
	for _, name := range []string{"vda", "vdb", "other"} {
		writeFile(t, filepath.Join("/srv/split", name))
	}
	log := guest.OpenKernelLog(t)
	_, out := newCompiler(t, svirt.PolicyFS()).output(t, "manager.example", string(guest.File(t, "manager.example")))
	if err := k.Replace(t.Context(), out.Policy); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), splitManager)
	cmd.Args = []string{"split manager"}
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	err := k.Start(t.Context(), cmd, "manager")
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Errorf("%v: %s", err, stderr.String())
	}
	names := out.Policy.Names()
	for _, name := range names {
		if err := k.Remove(background, name); err != nil {
			t.Error(err)
		}
	}
	var r SplitReport
	if err := json.Unmarshal([]byte(stdout.String()), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	const denied, machine = "permission denied", "libvirt-7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"
	if r.Err != "" {
		t.Errorf("the manager: %s", r.Err)
	}
	if r.Label != "manager (enforce)" || r.Policy != denied || r.Replace != denied {
		t.Errorf("%s reads the kernel's policy: %q, writes: %q", r.Label, r.Policy, r.Replace)
	}
	if r.Machine != machine+" (enforce)" || !slices.Equal(r.Loaded, []string{machine}) || !r.Stays || r.Left != nil {
		t.Errorf("%+v", r)
	}
	if !slices.Equal(r.Disk, []string{"", denied, denied}) || !slices.Equal(r.Later, []string{"", "", denied}) {
		t.Errorf("the machine reads %q, and with the disk %q", r.Disk, r.Later)
	}
	// What was not meant to be denied. The machine is a program of Go here, which
	// looks for its control group.
	for _, record := range log.Until(t, `operation="profile_remove"`, `name="`+names[len(names)-1]+`"`) {
		if strings.Contains(record, `apparmor="DENIED"`) && !strings.Contains(record, "/sys/kernel/security/apparmor/") && !strings.Contains(record, `name="/srv/split/`) && !strings.Contains(record, `/cgroup" pid=`) {
			t.Errorf("denied: %s", record)
		}
	}
}
