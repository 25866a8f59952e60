// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goarmor/apparmor/vmtest"
)

// The programs, where the real ones cannot be had: Debian has neither of the
// VMMs. Each does what its documentation says that it does with files.
func TestMain(m *testing.M) {
	os.Exit(vmtest.Main(m, vmtest.Commands{
		"cloud-hypervisor": status(cloudHypervisor),
		"firecracker":      status(firecracker),
		"jailer":           status(jailer),
		"virtiofsd":        status(server),
		"swtpm":            status(server),
		"passt":            status(server),
	}))
}

func status(f func(args []string) error) func(args []string) int {
	return func(args []string) int {
		if err := f(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}
}

// option returns the value of an option, or of a key in it.
func option(args []string, name, key string) string {
	for i, arg := range args {
		value, ok := strings.CutPrefix(arg, name+"=")
		if !ok && (arg != name || i+1 == len(args)) {
			continue
		} else if !ok {
			value = args[i+1]
		}
		if key == "" {
			return value
		}
		for part := range strings.SplitSeq(value, ",") {
			if value, ok := strings.CutPrefix(part, key+"="); ok {
				return value
			}
		}
	}
	return ""
}

// opens opens files as a VMM does, and one that is not the machine's.
func opens(api, log, kernel, disk, other string) error {
	l, err := net.Listen("unix", api)
	if err != nil {
		return err
	}
	defer l.Close()
	var errs []error
	open := func(name string, flags int) error {
		f, err := os.OpenFile(name, flags, 0o600)
		if err == nil {
			err = f.Close()
		}
		return err
	}
	errs = append(errs, open(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND), open(kernel, os.O_RDONLY), open(disk, os.O_RDWR))
	for _, device := range []string{"/dev/kvm", "/dev/net/tun"} {
		// The device may be missing, not closed.
		if err := open(device, os.O_RDWR); errors.Is(err, fs.ErrPermission) {
			errs = append(errs, err)
		}
	}
	if os.Getenv("UNCONFINED") == "" {
		for _, name := range []string{other, kernel} {
			if err := open(name, os.O_RDWR); !errors.Is(err, fs.ErrPermission) {
				errs = append(errs, fmt.Errorf("%s: %v, want it to be denied", name, err)) //nolint:errorlint // it may be nil
			}
		}
	}
	return errors.Join(errs...)
}

// cloudHypervisor: docs/api.md, docs/fs.md and others of its repository.
func cloudHypervisor(args []string) error {
	disk := option(args, "--disk", "path")
	err := opens(option(args, "--api-socket", "path"), option(args, "--log-file", ""), option(args, "--kernel", ""), disk, filepath.Dir(disk)+"/other.img")
	for _, device := range []string{"--fs", "--tpm", "--net"} {
		socket := option(args, device, "socket")
		switch real := os.Getenv("UNCONFINED") == ""; {
		case socket == "":
		case real && device == "--fs":
			text, ferr := readShare(socket, "note")
			if ferr == nil && text != shared {
				ferr = fmt.Errorf("virtiofsd serves %q", text)
			}
			err = errors.Join(err, ferr)
		case real && device == "--net":
			err = errors.Join(err, askNetwork(socket))
		default:
			err = errors.Join(err, ask(device, socket))
		}
	}
	return err
}

// shared is what the directory that is served has in its file note.
const shared = "from the host"

// ask asks a companion something that it answers once it serves: for the features
// of vhost-user (docs/interop/vhost-user.rst of QEMU), or for the capabilities of
// a TPM (swtpm_ioctls(3)).
func ask(device, socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	question, answer := []byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 20)
	if device == "--tpm" {
		question, answer = []byte{0, 0, 0, 1}, make([]byte, 8)
	}
	if err := c.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return err
	}
	if _, err := c.Write(question); err != nil {
		return err
	}
	if _, err := io.ReadFull(c, answer); err != nil {
		return fmt.Errorf("what serves %s does not answer: %w", device, err)
	}
	return nil
}

// firecracker runs in the root that the jailer has made.
func firecracker(args []string) error {
	if _, err := os.ReadFile(option(args, "--config-file", "")); err != nil {
		return err
	}
	return opens(option(args, "--api-sock", ""), option(args, "--log-path", ""), "/vmlinux", "/root.img", "/other.img")
}

// jailer: docs/jailer.md of Firecracker; it gives the folders of the root to the
// machine's user.
func jailer(args []string) error {
	runtime.LockOSThread()
	rest := args[slices.Index(args, "--")+1:]
	program := option(args, "--exec-file", "")
	root := filepath.Join("/srv/jailer", filepath.Base(program), option(args, "--id", ""), "root")
	uid, err := strconv.Atoi(option(args, "--uid", ""))
	if err != nil {
		return err
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	name := filepath.Base(program)
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"copy", func() error { return os.WriteFile(filepath.Join(root, name), data, 0o755) }},
		{"unshare", func() error { return syscall.Unshare(syscall.CLONE_NEWNS) }},
		{"slave", func() error { return syscall.Mount("", "/", "", syscall.MS_SLAVE|syscall.MS_REC, "") }},
		{"bind", func() error { return syscall.Mount(root, root, "", syscall.MS_BIND|syscall.MS_REC, "") }},
		{"chdir", func() error { return syscall.Chdir(root) }},
		{"mkdir", func() error { return syscall.Mkdir("old_root", 0o700) }},
		{"pivot_root", func() error { return syscall.PivotRoot(".", "old_root") }},
		{"chdir /", func() error { return syscall.Chdir("/") }},
		{"umount", func() error { return syscall.Unmount("old_root", syscall.MNT_DETACH) }},
		{"rmdir", func() error { return syscall.Rmdir("old_root") }},
		{"folders", func() error {
			var errs []error
			for _, dir := range []string{"/", "/dev", "/dev/net", "/run"} {
				errs = append(errs, os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700), os.Chown(dir, uid, uid))
			}
			return errors.Join(errs...)
		}},
		{"mknod kvm", func() error { return syscall.Mknod("/dev/kvm", syscall.S_IFCHR|0o600, 10<<8|232) }},
		{"mknod tun", func() error { return syscall.Mknod("/dev/net/tun", syscall.S_IFCHR|0o600, 10<<8|200) }},
		{"chown", func() error {
			return errors.Join(os.Chown("/dev/kvm", uid, uid), os.Chown("/dev/net/tun", uid, uid))
		}},
		{"setgid", func() error { return syscall.Setgid(uid) }},
		{"setuid", func() error { return syscall.Setuid(uid) }},
		{"exec", func() error { return syscall.Exec("/"+name, append([]string{name}, rest...), os.Environ()) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("jailer: %s: %w", step.name, err)
		}
	}
	return nil
}

// server listens, as a companion does, until it is ended.
func server(args []string) error {
	socket := option(args, "--socket-path", "") + option(args, "--ctrl", "path") + option(args, "--socket", "")
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	defer l.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		_, _ = c.Read(make([]byte, 64)) // whatever it says
		_, _ = c.Write(make([]byte, 20))
		_ = c.Close()
	}
}
