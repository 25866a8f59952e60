// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{"vmm": vmm}))
}

// TestKernels runs TestGuest on the kernel of Debian 13 and on that of sid, with
// Debian's docker-registry.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{
		Roles: []string{"trixie", "sid"}, Tests: "^TestGuest", Timeout: 25 * time.Minute,
		Packages: []string{"docker-registry"}, Programs: []string{"usr/bin/docker-registry"},
		Files: map[string]vmtest.File{"etc/registry.yml": {Data: []byte("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: /var/registry}}\nhttp: {addr: '127.0.0.1:5000'}\n")}},
	})
}

// vmm says which files it can write.
func vmm(args []string) int {
	for _, name := range args {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			err = f.Close()
		}
		fmt.Println(name, err == nil, errors.Is(err, fs.ErrPermission))
	}
	return 0
}

// loopback brings the loopback interface up.
func loopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// TestGuest pushes to a registry for the kernel of the guest, pulls by digest,
// confines two machines, and runs the program of one.
func TestGuest(t *testing.T) {
	vmtest.Guest(t)
	ctx := t.Context()
	if err := loopback(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, "/usr/bin/docker-registry", "serve", "/etc/registry.yml")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
		if t.Failed() {
			t.Log(said.String())
		}
	})
	for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		c, err := net.Dial("tcp", "127.0.0.1:5000")
		if err == nil {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the registry does not answer: %v\n%s", err, &said)
		}
	}
	kernel, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	set, err := kernel.Features(ctx)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	feats := filepath.Join(dir, "features")
	if err := os.WriteFile(feats, []byte(set.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(ctx, []string{"push", "-to", "127.0.0.1:5000/policy/machine:v1", "-kernels", "6.1," + feats}, &out, os.Stderr); err != nil {
		t.Fatal(err)
	}
	reference := strings.TrimSpace(out.String())

	machines := filepath.Join(dir, "machines")
	if err := errors.Join(os.Mkdir(machines, 0o755), os.MkdirAll("/srv", 0o755), os.MkdirAll("/usr/bin", 0o755)); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile("/init")
	if err == nil {
		err = os.WriteFile("/usr/bin/vmm", self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		data, err := json.Marshal(domain(i))
		if err == nil {
			err = errors.Join(os.WriteFile(filepath.Join(machines, domain(i).UUID+".json"), data, 0o600), os.WriteFile(fmt.Sprintf("/srv/vm%d.raw", i), make([]byte, 512), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func() string {
		t.Helper()
		var log bytes.Buffer
		if err := run(ctx, []string{"load", "-from", reference, "-cache", filepath.Join(dir, "cache"), "-machines", machines}, &out, &log); err != nil {
			t.Fatalf("%v\n%s", err, &log)
		}
		return log.String()
	}
	if log := load(); strings.Count(log, "changed=true") != 2 || strings.Contains(log, "compiling") {
		t.Errorf("the first time: %s", log)
	}
	// Without the registry nothing changes.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if log := load(); strings.Count(log, "changed=false") != 2 || strings.Contains(log, "compiling") {
		t.Errorf("without the registry: %s", log)
	}

	run := vmtest.Command(t, "vmm", "/srv/vm0.raw", "/srv/vm1.raw")
	run.Path = "/usr/bin/vmm"
	var seen bytes.Buffer
	run.Stdout = &seen
	if err := kernel.Start(ctx, run, prefix+domain(0).UUID); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil || seen.String() != "/srv/vm0.raw true false\n/srv/vm1.raw false true\n" {
		t.Errorf("%v: %s", err, &seen)
	}
}
