// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{
		// vmm FILE: opens a file for writing.
		"vmm": func(args []string) int {
			f, err := os.OpenFile(args[0], os.O_RDWR, 0)
			if err == nil {
				err = f.Close()
			}
			if err != nil {
				return 1
			}
			return 0
		},
	}))
}

// TestKernels runs TestGuest on the kernel of Debian 13 and on that of sid.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{Roles: []string{"trixie", "sid"}, Tests: "^TestGuest", Timeout: 25 * time.Minute})
}

// TestGuest has the kernel deny something to a machine while it is watched.
func TestGuest(t *testing.T) {
	vmtest.Guest(t)
	manager, disk := machine(t, svirt.ManagerOptions{Dir: t.TempDir(), Templates: svirt.TemplatesOwn})
	_, err := manager.Update(t.Context(), uuid, svirt.Change{Add: svirt.Devices{Programs: []svirt.Program{{ID: "vmm", Path: "/init"}}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 15*time.Minute)
	defer stop()
	r, w := io.Pipe()
	go func() {
		// Where it listens from now on is not known before it has begun, so
		// the machine tries again until it is heard.
		w.CloseWithError(explain(ctx, manager, audit.Watch(ctx, audit.WatchOptions{}), w))
	}()
	go func() {
		for ctx.Err() == nil {
			cmd := vmtest.Command(t, "vmm", disk)
			if err := manager.Start(ctx, uuid, cmd); err != nil {
				return // the context has ended
			}
			_ = cmd.Wait() // 1: it is denied
			time.Sleep(200 * time.Millisecond)
		}
	}()
	var text strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(text.String(), string(svirt.AdviceDevice)) {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			t.Fatalf("%v after\n%s", err, text.String())
		}
	}
	t.Log(text.String())
	if !strings.Contains(text.String(), "nearest device: disk vda") {
		t.Error("the device is not named")
	}
}
