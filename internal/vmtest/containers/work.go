// SPDX-License-Identifier: Apache-2.0

//go:build linux

package containers

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The programs of a container.
const (
	waitProgram  = "/bin/wait"  // says who it is, and ends when it is told to
	workProgram  = "/bin/work"  // tries everything
	labelProgram = "/bin/label" // prints its label
	// report is where a program writes what became of what it tried.
	report = "/report.json"
)

// Try is something that a process in a container tries.
type Try struct {
	Name string
	do   func() error
	// OCI and LXC are what comes of it by template: zero, it is done.
	OCI, LXC syscall.Errno
	// Logged says that the kernel logs that it was denied, which it does not do
	// where a rule says so. By template.
	OCILog, LXCLog string
	// Both says that the profile of the other container denies it, too.
	Both bool
}

// tries returns what the program tries. pid is a process of another container,
// or zero.
func tries(pid int) []Try {
	out := []Try{
		{Name: "read what it is", do: read("/proc/self/status")},
		{Name: "read what the kernel has", do: read("/proc/meminfo")},
		{Name: "read a device's setting", do: read("/sys/kernel/mm/transparent_hugepage/enabled")},
		{Name: "write below /tmp", do: files},
		{Name: "write a setting of its own process", do: write("/proc/self/oom_score_adj", "100")},
		{Name: "run a program", do: func() error { return exec.Command("/bin/true").Run() }},
		{Name: "run a program as another user", do: func() error {
			cmd := exec.Command("/bin/true")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
			return cmd.Run()
		}},
		{Name: "use a unix socket with a path", do: connect("unix", "/tmp/sock")},
		{Name: "use a unix socket with a name", do: connect("unix", "@name")},
		{Name: "use a network socket", do: connect("tcp4", "127.0.0.1:0")},
		{Name: "open a terminal", do: terminal},
		{Name: "use shared memory", do: write("/dev/shm/x", "x")},
		{Name: "use a message queue", do: queue},
		{Name: "signal its child", do: child(func(pid int) error { return unix.Kill(pid, unix.SIGUSR1) })},
		{Name: "trace its child", do: child(trace)},
		{Name: "make a user namespace", do: func() error {
			cmd := exec.Command("/bin/true")
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
			return cmd.Run()
		}},
		{Name: "set its host name", do: func() error { return unix.Sethostname([]byte("renamed")) }},
		{Name: "write a setting of its IPC namespace", do: write("/proc/sys/kernel/shmmni", "4095")},
		{Name: "mount a tmpfs", OCI: unix.EACCES, do: func() error { return unix.Mount("tmpfs", "/mnt", "tmpfs", 0, "") }},
		{Name: "mount procfs elsewhere", OCI: unix.EACCES, LXC: unix.EACCES, LXCLog: "mount",
			do: func() error { return unix.Mount("proc", "/opt", "proc", 0, "") }},
		{Name: "mount securityfs elsewhere", OCI: unix.EACCES, LXC: unix.EACCES, LXCLog: "mount",
			do: func() error { return unix.Mount("securityfs", "/opt", "securityfs", 0, "") }},
		{Name: "bind a directory of procfs", OCI: unix.EACCES, LXC: unix.EACCES, LXCLog: "mount",
			do: func() error { return unix.Mount("/proc/sys", "/opt", "", unix.MS_BIND, "") }},
		{Name: "pivot the root", OCI: unix.EACCES, LXC: unix.EACCES, LXCLog: "pivotroot",
			do: func() error { return unix.PivotRoot("/dev/shm", "/dev/shm") }},
		{Name: "write how cores are dumped", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/proc/sys/kernel/core_pattern", "|/bin/true")},
		{Name: "write which module loader there is", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/proc/sys/kernel/modprobe", "/bin/true")},
		{Name: "write a setting of memory", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/proc/sys/vm/swappiness", "61")},
		{Name: "write to sysrq-trigger", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/proc/sysrq-trigger", "h")},
		{Name: "read the kernel's memory", OCI: unix.EACCES, LXC: unix.EACCES, do: read("/proc/kcore")},
		{Name: "write to sysfs", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/sys/kernel/mm/transparent_hugepage/enabled", "never")},
		{Name: "write an event of a device", OCI: unix.EACCES, LXC: unix.EACCES, do: write("/sys/devices/system/cpu/uevent", "change")},
		{Name: "leave its profile", OCI: unix.EACCES, LXC: unix.EACCES, OCILog: "change_profile", LXCLog: "change_profile",
			do: leave},
	}
	if pid != 0 {
		out = append(out,
			Try{Name: "trace another container's process", OCI: unix.EACCES, LXC: unix.EACCES, OCILog: "ptrace", LXCLog: "ptrace", Both: true, do: func() error { return trace(pid) }},
			Try{Name: "signal another container's process", OCI: unix.EACCES, LXC: unix.EACCES, OCILog: "signal", LXCLog: "signal", Both: true, do: func() error { return unix.Kill(pid, unix.SIGUSR1) }},
			Try{Name: "look at another container's root", OCI: unix.EACCES, LXC: unix.EACCES, OCILog: "ptrace", LXCLog: "ptrace", Both: true, do: func() error {
				_, err := os.Readlink(fmt.Sprintf("/proc/%d/root", pid))
				return err
			}},
		)
	}
	return out
}

// work tries everything and writes what became of it.
func work(args []string) int {
	pid := 0
	if len(args) > 0 {
		pid, _ = strconv.Atoi(args[0])
	}
	found := map[string]string{"label": label()}
	for _, try := range tries(pid) {
		found[try.Name] = verdict(try.do())
	}
	return tell(found)
}

// wait says who it is, and waits for SIGTERM.
func wait([]string) int {
	end := make(chan os.Signal, 1)
	signal.Notify(end, unix.SIGTERM)
	if status := tell(map[string]string{"label": label(), "pid": strconv.Itoa(os.Getpid())}); status != 0 {
		return status
	}
	<-end
	return 0
}

// label is this process's.
func label() string {
	data, err := os.ReadFile("/proc/self/attr/apparmor/current")
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

func tell(found map[string]string) int {
	data, err := json.Marshal(found)
	if err == nil {
		err = os.WriteFile(report+".part", data, 0o644)
	}
	if err == nil {
		err = os.Rename(report+".part", report)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// verdict is the name of an error's number, if it has one.
func verdict(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return verdictOf(0)
	case errors.As(err, &errno):
		return verdictOf(errno)
	}
	return err.Error()
}

func verdictOf(errno syscall.Errno) string {
	if errno == 0 {
		return "done"
	}
	return unix.ErrnoName(errno)
}

func read(name string) func() error {
	return func() error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Read(make([]byte, 100))
		return err
	}
}

func write(name, text string) func() error {
	return func() error {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	}
}

// leave asks to be unconfined. The kernel takes that from the thread itself only
// (proc_pid_attr_write in Linux 6.12's fs/proc/base.c): if another had opened
// the file, it would refuse with the same error as the profile does, and log
// nothing.
func leave() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return write("/proc/thread-self/attr/current", "changeprofile unconfined")()
}

// files does what programs do with files.
func files() error {
	const dir = "/tmp/dir"
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, step := range []func() error{
		func() error { return os.Mkdir(dir, 0o700) },
		write(in("a"), "a"),
		func() error { return os.Link(in("a"), in("b")) },
		func() error { return os.Symlink("a", in("c")) },
		func() error { return os.Rename(in("b"), in("d")) },
		func() error { return os.Chmod(in("d"), 0o640) },
		func() error { return os.Chown(in("d"), 1000, 1000) },
		func() error { return unix.Mkfifo(in("fifo"), 0o600) },
		func() error {
			f, err := os.Open(in("c"))
			if err != nil {
				return err
			}
			defer f.Close()
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			// It has no name any more.
			if _, err := f.Read(make([]byte, 1)); err != nil {
				return err
			}
			again, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			if err != nil {
				return err
			}
			return again.Close()
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// connect listens at an address and connects to it.
func connect(network, address string) func() error {
	return func() error {
		if network == "tcp4" {
			if err := up("lo"); err != nil {
				return err
			}
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.DialTimeout(network, l.Addr().String(), 10*time.Second)
		if err != nil {
			return err
		}
		defer c.Close()
		server, err := l.Accept()
		if err != nil {
			return err
		}
		defer server.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			return err
		}
		_, err = server.Read(make([]byte, 1))
		return err
	}
}

// up switches an interface on, if its owner may.
func up(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, r); err != nil {
		return err
	}
	if r.Uint16()&unix.IFF_UP != 0 {
		return nil
	}
	r.SetUint16(r.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}

// terminal opens both ends of a terminal.
func terminal() error {
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return err
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	if err != nil {
		return err
	}
	s, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	return s.Close()
}

// queue makes a message queue of POSIX, and removes it.
func queue() error {
	name, err := unix.BytePtrFromString("queue")
	if err != nil {
		return err
	}
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_RDWR|unix.O_CREAT, 0o600, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if err := unix.Close(int(fd)); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// child does something to a child process.
func child(do func(pid int) error) func() error {
	return func() error {
		cmd := exec.Command("/bin/wait-child")
		if err := cmd.Start(); err != nil {
			return err
		}
		err := do(cmd.Process.Pid)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
}

// trace attaches to a process and lets it go.
func trace(pid int) error {
	// What is attached to is attached to this thread.
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and ends with it
		done <- unix.PtraceSeize(pid)
	}()
	return <-done
}

// commands are the programs of containers, which are all the test binary.
var commands = map[string]func([]string) int{
	"work":       work,
	"wait":       wait,
	"label":      func([]string) int { fmt.Println(label()); return 0 },
	"true":       func([]string) int { return 0 },
	"wait-child": func([]string) int { time.Sleep(time.Hour); return 0 },
}
