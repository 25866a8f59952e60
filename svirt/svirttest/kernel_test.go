// SPDX-License-Identifier: Apache-2.0

package svirttest_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const (
	uuid    = "3f0a9c4e-6a3c-4a57-9d2b-0f4c1e2d3a4b"
	profile = "libvirt-" + uuid
)

// A test of a machine manager, on a kernel in memory.
func ExampleKernel() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "policy")
	if err != nil {
		log.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			log.Print(err)
		}
	}()
	kernel := svirttest.NewKernel(nil)
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: kernel, Derive: svirt.Options{FS: images}})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	machine := &svirt.Domain{UUID: uuid, Name: "web", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{disk("/srv/web.raw")}}}
	if err := manager.Create(ctx, machine); err != nil {
		log.Fatal(err)
	}
	if err := manager.Load(ctx, uuid); err != nil {
		log.Fatal(err)
	}
	for _, path := range []string{"/srv/web.raw", "/srv/db.raw"} {
		allowed, err := kernel.Allows(uuid, query.File{Path: path, Perms: query.Write})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(path, allowed)
	}
	// Output:
	// /srv/web.raw true
	// /srv/db.raw false
}

// images are the files of the host.
var images = fstest.MapFS{"srv/web.raw": {Data: make([]byte, 512)}, "srv/db.raw": {Data: make([]byte, 512)}}

func disk(path string) svirt.Disk {
	return svirt.Disk{ID: strings.TrimPrefix(path, "/srv/"), Image: svirt.Image{Path: path, Format: "raw"}}
}

func machine(disks ...string) *svirt.Domain {
	d := &svirt.Domain{UUID: uuid, Name: "web", Type: "kvm"}
	for _, path := range disks {
		d.Devices.Disks = append(d.Devices.Disks, disk(path))
	}
	return d
}

// open returns a manager on a kernel.
func open(t *testing.T, k *svirttest.Kernel) *svirt.Manager {
	t.Helper()
	m, err := svirt.New(t.Context(), svirt.ManagerOptions{Dir: t.TempDir(), Driver: k, Derive: svirt.Options{FS: images}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantDisk checks whether the machine may write an image.
func wantDisk(t *testing.T, k *svirttest.Kernel, path string, want bool) {
	t.Helper()
	for _, name := range []string{uuid, profile} {
		got, err := k.Allows(name, query.File{Path: path, Perms: query.Read | query.Write})
		if err != nil || got != want {
			t.Errorf("%s of %s: %v, %v, want %v", path, name, got, err, want)
		}
	}
}

// TestLifecycle plays the life of a machine.
func TestLifecycle(t *testing.T) {
	ctx := t.Context()
	k := svirttest.NewKernel(nil)
	m := open(t, k)
	if _, err := k.Allows(uuid, query.Userns{}); !errors.Is(err, svirt.ErrNotLoaded) {
		t.Errorf("before it is loaded: %v", err)
	}
	wantError(t, "create", m.Create(ctx, machine("/srv/web.raw")), nil)
	wantError(t, "load", m.Load(ctx, uuid), nil)
	wantDisk(t, k, "/srv/web.raw", true)
	wantDisk(t, k, "/srv/db.raw", false)
	if _, err := k.Allows(uuid, query.Capability("fly")); err == nil {
		t.Error("an unknown capability is not an error")
	}

	// What processes have open of a removed disk is told.
	k.SetFiles(profile, loader.File{PID: 7, Path: "/srv/db.raw", Write: true}, loader.File{PID: 7, Path: "/etc/passwd", Read: true})
	if _, err := m.Update(ctx, uuid, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{disk("/srv/db.raw")}}}); err != nil {
		t.Fatal(err)
	}
	wantDisk(t, k, "/srv/db.raw", true)
	wantError(t, "replace", m.Replace(ctx, machine("/srv/web.raw")), nil)
	wantDisk(t, k, "/srv/db.raw", false)

	// A process, and one that the test only claims.
	cmd := exec.CommandContext(ctx, "sleep", "1000")
	started := svirt.StartOptions{Started: &loader.Started{NoNewPrivs: true}, KeepEnv: true}
	wantError(t, "start", m.StartWith(ctx, uuid, cmd, started), nil)
	if started.Started.NoNewPrivs {
		t.Error("the result of the start is not filled in")
	}
	wantError(t, "unload with a process", m.Unload(ctx, uuid), svirt.ErrInUse)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	release := k.Use(profile)
	wantError(t, "remove with a user", m.Remove(ctx, uuid), svirt.ErrInUse)
	release()
	release()
	wantError(t, "remove", m.Remove(ctx, uuid), nil)
	if k.Policy(uuid) != nil {
		t.Error("the profile is still there after its removal")
	}

	var ops []svirttest.Op
	for _, c := range k.Calls() {
		if c.Op == svirttest.OpLoad || c.Op == svirttest.OpUnload || c.Op == svirttest.OpStart {
			ops = append(ops, c.Op)
			if c.Profile != profile || c.Op == svirttest.OpStart && (c.Path != cmd.Path || !c.Start.KeepEnv) {
				t.Errorf("call %+v", c)
			}
		}
	}
	load, unload, start := svirttest.OpLoad, svirttest.OpUnload, svirttest.OpStart
	if want := []svirttest.Op{load, load, load, load, start, unload, unload, unload}; !slices.Equal(ops, want) {
		t.Errorf("calls %v, want %v", ops, want)
	}
}

// TestKill removes a machine whose process runs, and one with a process that is
// not found.
func TestKill(t *testing.T) {
	ctx := t.Context()
	k := svirttest.NewKernel(nil)
	m := open(t, k)
	wantError(t, "create", m.Create(ctx, machine("/srv/web.raw")), nil)
	wantError(t, "load", m.Load(ctx, uuid), nil)
	cmd := exec.CommandContext(ctx, "sleep", "1000")
	wantError(t, "start", m.Start(ctx, uuid, cmd), nil)
	release := k.Use(profile)
	kill := loader.RetireOptions{Kill: true}
	wantError(t, "kill with a user left", k.Unload(ctx, profile, kill), svirt.ErrInUse)
	if err := cmd.Wait(); err == nil {
		t.Error("the process was not killed")
	}
	if sealed, err := k.Sealed(ctx, profile); !sealed || err != nil {
		t.Errorf("sealed %v, %v", sealed, err)
	}
	if k.Policy(uuid) != nil {
		t.Error("a sealed profile has policy")
	}
	wantError(t, "start under a profile that allows nothing", k.Start(ctx, exec.CommandContext(ctx, "true"), svirt.Confinement{Profile: profile}, svirt.StartOptions{}), loader.ErrContent)
	release()
	wantError(t, "kill", k.Unload(ctx, profile, kill), nil)
	wantError(t, "kill again", k.Unload(ctx, profile, kill), fs.ErrNotExist)
}

// TestForeign changes what is in force without the manager.
func TestForeign(t *testing.T) {
	ctx := t.Context()
	kernel, _ := features.Kernel("7.2")
	k := svirttest.NewKernel(kernel)
	k.Launch = func(*exec.Cmd) error { return nil }
	m := open(t, k)
	wantError(t, "create", m.Create(ctx, machine("/srv/web.raw")), nil)
	wantError(t, "load", m.Load(ctx, uuid), nil)
	mine := k.Policy(uuid)
	cmd := exec.CommandContext(ctx, "true")
	wantError(t, "start", m.Start(ctx, uuid, cmd), nil)

	for _, text := range []string{
		"profile " + profile + " { /** rw, }",
		"profile foreign { /a r, }",
	} {
		out, err := compile.Text(ctx, "text", text, compile.Source{Kernel: kernel, Options: compile.Options{Degrade: compile.Report}})
		if err != nil {
			t.Fatal(err)
		}
		k.Put(out.Policy)
	}
	wantError(t, "start under other policy", m.Start(ctx, uuid, cmd), loader.ErrContent)
	all, err := k.List(ctx)
	if err != nil || !slices.Contains(all, svirt.Loaded{Name: "foreign", Mode: "enforce"}) {
		t.Errorf("%v, %v", all, err)
	}
	if machines, err := m.List(ctx); err != nil || len(machines) != 1 {
		t.Errorf("the manager lists %v, %v", machines, err)
	}
	k.Put(mine)
	wantError(t, "start", m.Start(ctx, uuid, cmd), nil)
	k.Drop(profile)
	wantError(t, "start under nothing", m.Start(ctx, uuid, cmd), svirt.ErrNotLoaded)

	// A profile that only complains confines nothing.
	out, err := compile.Text(ctx, "text", "profile "+profile+" flags=(complain) { /a r, }", compile.Source{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	k.Put(out.Policy)
	c := svirt.Confinement{Profile: profile, Mark: k.Mark(out.Policy)}
	wantError(t, "start in complain mode", k.Start(ctx, cmd, c, svirt.StartOptions{}), loader.ErrMode)
	wantError(t, "change to complain mode", k.ChangeProfile(ctx, c, loader.Accept{}), loader.ErrMode)
	wantError(t, "accepted", k.Start(ctx, cmd, c, svirt.StartOptions{Accept: loader.Accept{Complain: true}}), nil)
}

// TestIntercept makes each call of a machine's life fail, and lets the manager
// try again.
func TestIntercept(t *testing.T) {
	ctx := t.Context()
	fault := errors.New("the kernel says no")
	life := func(m *svirt.Manager) error {
		for _, step := range []func() error{
			func() error {
				err := m.Create(ctx, machine("/srv/web.raw"))
				if errors.Is(err, fs.ErrExist) {
					err = m.Replace(ctx, machine("/srv/web.raw"))
				}
				return err
			},
			func() error { return m.Load(ctx, uuid) },
			func() error { return m.Start(ctx, uuid, exec.CommandContext(ctx, "true")) },
			func() error { return m.Remove(ctx, uuid) },
		} {
			if err := step(); err != nil {
				return err
			}
		}
		return nil
	}
	for n := 1; ; n++ {
		k := svirttest.NewKernel(nil)
		k.Launch = func(*exec.Cmd) error { return nil }
		calls, failing := 0, false
		k.Intercept = func(_ context.Context, c svirttest.Call) error {
			if calls++; calls == n {
				failing = true
				return fault
			}
			return nil
		}
		m := open(t, k)
		err := life(m)
		if !failing {
			if n < 5 {
				t.Errorf("only %d calls", n)
			}
			break
		}
		wantError(t, fmt.Sprintf("call %d", n), err, fault)
		if err := m.Remove(ctx, uuid); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("call %d: removal afterwards: %v", n, err)
		}
		if k.Policy(uuid) != nil {
			t.Errorf("call %d: the profile is left", n)
		}
	}

	gone, cancel := context.WithCancel(ctx)
	cancel()
	k := svirttest.NewKernel(nil)
	_, err := k.List(gone)
	wantError(t, "with a context that ended", err, context.Canceled)
	if err := k.Load(ctx, 7, loader.Accept{}); err == nil {
		t.Error("data that is not policy was loaded")
	}
}
