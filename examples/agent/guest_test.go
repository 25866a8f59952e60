// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{"agent": pod, "web": web}))
}

// TestKernels runs TestGuest on the kernel of Debian 13 and on that of sid.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{Roles: []string{"trixie", "sid"}, Tests: "^TestGuest", Timeout: 25 * time.Minute})
}

// pod is the agent in a pod: the first process of a PID namespace, with a /proc
// of its own, and a /sys without anything of AppArmor.
func pod(args []string) int {
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
		syscall.Mount("tmpfs", "/sys", "tmpfs", 0, ""),
	)
	if err == nil {
		err = run(context.Background(), args, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// web is a workload: it says whether it can read /srv/secret, and waits.
func web([]string) int {
	_, err := os.ReadFile("/srv/secret")
	fmt.Println(errors.Is(err, fs.ErrPermission))
	_, err = io.Copy(io.Discard, os.Stdin)
	if err != nil {
		return 1
	}
	return 0
}

// TestGuest runs the agent as a pod has it, and a workload under a profile that
// it has loaded.
func TestGuest(t *testing.T) {
	vmtest.Guest(t)
	ctx := t.Context()
	for _, dir := range []string{"sys", "proc"} {
		err := os.MkdirAll("/host/"+dir, 0o755)
		if err == nil {
			err = syscall.Mount("/"+dir, "/host/"+dir, "", syscall.MS_BIND|syscall.MS_REC, "")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.MkdirAll("/srv", 0o755), os.WriteFile("/srv/secret", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	profiles := &configMap{dir: t.TempDir()}
	agent := func() (string, error) {
		t.Helper()
		cmd := vmtest.Command(t, "agent", "-every", "0", "-profiles", profiles.dir, "-sys", "/host/sys", "-proc", "/host/proc")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	kernel, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	loaded := func() string {
		t.Helper()
		list, err := kernel.Profiles(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, p := range list {
			names = append(names, p.Name)
		}
		return strings.Join(names, " ")
	}

	// A profile of another name is refused by the kernel that the agent opened.
	rules := "signal, /init mrix, deny /srv/secret r, /** r,"
	profiles.set(t, map[string]string{"web": profile("k8s-web", rules), "sshd": profile("sshd", "file,")})
	if out, err := agent(); err == nil || !strings.Contains(out, "sshd") || loaded() != "k8s-web" {
		t.Fatalf("%v: loaded %s\n%s", err, loaded(), out)
	}

	// The kubelet has the runtime start the workload under the label that the
	// pod names.
	cmd := vmtest.Command(t, "web")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.Start(ctx, cmd, "k8s-web"); err != nil {
		t.Fatal(err)
	}
	denied := make([]byte, 5)
	if n, err := io.ReadAtLeast(out, denied, 4); err != nil || string(denied[:4]) != "true" {
		t.Errorf("the workload reads the secret: %q, %v", denied[:n], err)
	}

	// Its profile goes after it.
	profiles.set(t, nil)
	if text, err := agent(); err == nil || loaded() != "k8s-web" {
		t.Errorf("while it runs: %v, loaded %q\n%s", err, loaded(), text)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	// On a busy host it takes more than one round until it is certain that
	// nothing runs under it.
	for range 20 {
		text, err := agent()
		if err == nil && loaded() == "" {
			return
		}
		t.Logf("%v\n%s", err, text)
	}
	t.Errorf("when it has ended: loaded %q", loaded())
}
