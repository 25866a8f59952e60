// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"

// machine creates a machine with one disk that it only reads.
func machine(t *testing.T, o svirt.ManagerOptions) (*svirt.Manager, string) {
	t.Helper()
	dir := t.TempDir()
	disk := filepath.Join(dir, "disk.img")
	if err := os.WriteFile(disk, make([]byte, 512), 0o644); err != nil {
		t.Fatal(err)
	}
	manager, err := svirt.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := manager.Create(t.Context(), &svirt.Domain{UUID: uuid, Name: "web", Devices: svirt.Devices{
		Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: disk, Format: "raw"}, ReadOnly: true}},
	}}); err != nil {
		t.Fatal(err)
	}
	return manager, disk
}

// record is a line of a log.
func record(fields string) string {
	return `audit: type=1400 audit(1.000:1): apparmor="DENIED" ` + fields + ` pid=7 comm="vmm" fsuid=0 ouid=0` + "\n"
}

// TestExplain explains a log with denials of a machine, of others, and what is
// no denial.
func TestExplain(t *testing.T) {
	manager, disk := machine(t, svirt.ManagerOptions{Dir: t.TempDir(), Driver: svirttest.NewKernel(nil)})
	of := `profile="libvirt-` + uuid + `" `
	log := record(`operation="open" class="file" `+of+`name="`+disk+`" requested_mask="w" denied_mask="w"`) +
		"systemd[1]: Started something.\n" +
		record(`operation="open" class="file" `+of+`name="`+disk+`" requested_mask="w" denied_mask="w"`) +
		record(`operation="open" class="file" profile="nginx" name="/etc/shadow" requested_mask="r" denied_mask="r"`) +
		record(`operation="open" class="file" `+of+`name="/etc/shadow" requested_mask="r" denied_mask="r"`) +
		record(`operation="capable" class="cap" `+of+`capability=21 capname="sys_admin"`) +
		record(`operation="open" class="file" `+of+`name="/unfinished`)
	out := &strings.Builder{}
	if err := explain(t.Context(), manager, parse(strings.NewReader(log)), out); err != nil {
		t.Fatal(err)
	}
	var codes []string
	for line := range strings.Lines(out.String()) {
		for _, code := range []svirt.AdviceCode{svirt.AdviceDevice, svirt.AdviceRefused, svirt.AdviceTemplate, "warning"} {
			if strings.HasPrefix(strings.TrimSpace(line), string(code)+":") {
				codes = append(codes, string(code))
			}
		}
	}
	if got := strings.Join(codes, " "); got != "change-device refused template warning" || !strings.Contains(out.String(), "nearest device: disk vda") {
		t.Errorf("advice %s in\n%s", got, out)
	}
}

// TestEnd: an error of the source ends it, lost records do not.
func TestEnd(t *testing.T) {
	manager, _ := machine(t, svirt.ManagerOptions{Dir: t.TempDir(), Driver: svirttest.NewKernel(nil)})
	broken := errors.New("the source is gone")
	out := &strings.Builder{}
	err := explain(t.Context(), manager, func(yield func(*audit.Event, error) bool) {
		if yield(nil, &audit.LostError{Count: 3, Why: "a full buffer"}) {
			yield(nil, broken)
		}
	}, out)
	if !errors.Is(err, broken) || !strings.HasPrefix(out.String(), "warning: ") {
		t.Errorf("%v, %q", err, out)
	}
}
