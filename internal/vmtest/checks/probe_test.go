// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// probeEnv is set for processes that are probes.
const probeEnv = "GOARMOR_VMTEST_PROBE"

// attempt asks a probe to do something.
type attempt struct {
	Op   string
	Args []string
}

func (a attempt) String() string { return fmt.Sprint(append([]string{a.Op}, a.Args...)) }

// outcome is what became of an attempt.
type outcome struct {
	Errno syscall.Errno // zero: it was done
	Error string        // what else went wrong
	Out   string
}

// probe is a process that tries what it is told, one thing after the other.
type probe struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
}

// newProbe starts a probe. The start may confine it.
func newProbe(t *testing.T, path string, start func(*exec.Cmd) error) *probe {
	t.Helper()
	p := &probe{cmd: probeCommand(path)}
	p.cmd.Stderr = os.Stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in, p.enc, p.dec = in, json.NewEncoder(in), json.NewDecoder(out)
	if err := start(p.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	return p
}

// end lets the probe end and waits for it.
func (p *probe) end(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	closeNow(t, p.in)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("probe: %v", err)
	}
}

func (p *probe) pid() string { return strconv.Itoa(p.cmd.Process.Pid) }

// try has the probe do something.
func (p *probe) try(t *testing.T, op string, args ...string) outcome {
	t.Helper()
	var o outcome
	a := attempt{op, args}
	if err := p.enc.Encode(a); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	if err := p.dec.Decode(&o); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	if o.Error != "" {
		t.Errorf("%v: %s", a, o.Error)
	}
	return o
}

// want has the probe do something and compares the error.
func (p *probe) want(t *testing.T, want syscall.Errno, op string, args ...string) outcome {
	t.Helper()
	o := p.try(t, op, args...)
	if o.Error == "" && o.Errno != want {
		t.Errorf("%v: %v, want %v", attempt{op, args}, verdict(o.Errno), verdict(want))
	}
	return o
}

func verdict(e syscall.Errno) string {
	if e == 0 {
		return "success"
	}
	return unix.ErrnoName(e)
}

// probeCommand returns the command for a probe. The path is /init or another
// name of it.
func probeCommand(path string) *exec.Cmd {
	cmd := exec.Command(path, "-test.run=^TestProbe$")
	cmd.Args[0] = "probe"
	// The scheduler's own signals would be one more thing to be mediated.
	cmd.Env = append(os.Environ(), probeEnv+"=1", "GODEBUG=asyncpreemptoff=1")
	return cmd
}

// TestProbe is the body of probes. As a test it checks that an attempt and its
// outcome get through, and that what fails is told.
func TestProbe(t *testing.T) {
	if os.Getenv(probeEnv) != "" {
		runProbe()
	}
	p := newProbe(t, "/init", (*exec.Cmd).Start)
	p.want(t, 0, "read", "/files/secret")
	p.want(t, syscall.ENOENT, "read", "/files/nothing")
	p.want(t, syscall.EINVAL, "nothing")
}

// runProbe does what comes in on standard input until that ends.
func runProbe() {
	children := map[string]*child{}
	dec, enc := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var a attempt
		if err := dec.Decode(&a); err == io.EOF {
			os.Exit(0)
		} else if err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(1)
		}
		var o outcome
		// Some attempts change the thread; it ends with them.
		onThread(func() {
			out, err := a.do(children)
			o.Out = out
			if err != nil && !errors.As(err, &o.Errno) {
				o.Error = err.Error()
			}
		})
		if enc.Encode(o) != nil {
			os.Exit(1)
		}
	}
}

// child is a process that a probe has started.
type child struct {
	cmd    *exec.Cmd
	in     io.Closer
	secure string // its answer to "secure"
}

func (a attempt) do(children map[string]*child) (out string, err error) {
	arg := func(i int) string {
		if i < len(a.Args) {
			return a.Args[i]
		}
		return ""
	}
	switch a.Op {
	case "start", "run", "userns":
		// The second argument is for the thread to do on its next exec.
		if arg(1) != "" {
			if err := os.WriteFile("/proc/thread-self/attr/apparmor/exec", []byte(arg(1)), 0); err != nil {
				return "", err
			}
		}
		out, err = startChild(children, a.Op, arg(0))
	case "stop":
		err = stopChild(children, arg(0))
	case "kill", "trace", "socket", "listen":
		var n [3]int
		for i, text := range a.Args {
			if n[i], err = strconv.Atoi(text); err != nil {
				return "", err
			}
		}
		err = withNumbers(a.Op, n[0], n[1], n[2])
	case "was secure":
		if c := children[arg(0)]; c != nil {
			return c.secure, nil
		}
		err = syscall.ESRCH
	default:
		if f := operations[a.Op]; f != nil {
			return f(a.Args)
		}
		err = withPaths(a.Op, arg(0), arg(1))
	}
	return out, err
}

// withNumbers does what numbers say.
func withNumbers(op string, x, y, z int) error {
	switch op {
	case "kill":
		return unix.Kill(x, syscall.Signal(y))
	case "trace":
		// The tracer's thread ends with the attempt, and with it the tracing.
		return unix.PtraceSeize(x)
	case "socket", "listen":
		fd, err := unix.Socket(x, y, z)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if op == "listen" {
			if err := unix.Bind(fd, &unix.SockaddrInet4{}); err != nil {
				return err
			}
			return unix.Listen(fd, 1)
		}
	}
	return nil
}

// withPaths does what one or two texts say.
func withPaths(op, a, b string) error {
	open := func(flags int, f func(fd int) error) error {
		fd, err := unix.Open(a, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return f(fd)
	}
	switch op {
	case "read":
		return open(unix.O_RDONLY, func(fd int) error {
			_, err := unix.Read(fd, make([]byte, 1))
			return err
		})
	case "list":
		return open(unix.O_RDONLY|unix.O_DIRECTORY, func(int) error { return nil })
	case "write":
		return open(unix.O_WRONLY, func(fd int) error {
			_, err := unix.Write(fd, []byte("x"))
			return err
		})
	case "append":
		return open(unix.O_WRONLY|unix.O_APPEND, func(fd int) error {
			_, err := unix.Write(fd, []byte("x"))
			return err
		})
	case "create":
		return open(unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, func(int) error { return nil })
	case "lock":
		return open(unix.O_RDONLY, func(fd int) error { return unix.Flock(fd, unix.LOCK_SH) })
	case "map":
		return open(unix.O_RDONLY, func(fd int) error {
			m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
			if err != nil {
				return err
			}
			return unix.Munmap(m)
		})
	case "remove":
		return unix.Unlink(a)
	case "rename":
		return unix.Rename(a, b)
	case "link":
		return unix.Link(a, b)
	case "mkdir":
		return unix.Mkdir(a, 0o700)
	case "chmod":
		return unix.Chmod(a, 0o640)
	case "chown":
		return unix.Chown(a, 1, 1)
	case "hostname":
		return unix.Sethostname([]byte(a))
	case "mount":
		return unix.Mount("probe", a, "tmpfs", unix.MS_NOSUID, "")
	case "bind":
		return unix.Mount(a, b, "", unix.MS_BIND, "")
	case "umount":
		return unix.Unmount(a, 0)
	case "label":
		return os.WriteFile("/proc/thread-self/attr/apparmor/current", []byte("changeprofile "+a), 0)
	case "label by call":
		return setSelfAttr("changeprofile " + a)
	case "sqpoll":
		params := make([]uint32, 30) // struct io_uring_params
		params[2] = 2                // flags: IORING_SETUP_SQPOLL
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
		if errno != 0 {
			return errno
		}
		return unix.Close(int(fd))
	case "abstract bind", "abstract connect":
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if op == "abstract bind" {
			return unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + a})
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: "@" + a})
	}
	return syscall.EINVAL
}

// setSelfAttr is lsm_set_self_attr(2) for AppArmor's current label.
func setSelfAttr(text string) error {
	const current, apparmor, header = 100, 104, 32
	ctx := make([]byte, header+len(text)) // struct lsm_ctx: id, flags, len, ctx_len
	binary.NativeEndian.PutUint64(ctx, apparmor)
	binary.NativeEndian.PutUint64(ctx[16:], uint64(len(ctx)))
	binary.NativeEndian.PutUint64(ctx[24:], uint64(len(text)))
	copy(ctx[header:], text)
	if _, _, errno := unix.Syscall6(unix.SYS_LSM_SET_SELF_ATTR, current, uintptr(unsafe.Pointer(&ctx[0])), uintptr(len(ctx)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// startChild starts a probe below the probe, in a user namespace of its own for
// userns. Only start leaves it running and says its process number.
func startChild(children map[string]*child, op, path string) (string, error) {
	cmd := probeCommand(path)
	cmd.Stderr = os.Stderr
	if op == "userns" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	c := &child{cmd: cmd, in: in}
	// Its answer shows that the exec is over and its label the new one.
	if err := json.NewEncoder(in).Encode(attempt{Op: "secure"}); err != nil {
		return "", errors.Join(err, c.stop())
	}
	var o outcome
	if err := json.NewDecoder(answers).Decode(&o); err != nil {
		return "", errors.Join(err, c.stop())
	}
	c.secure = o.Out
	if op != "start" {
		return "", c.stop()
	}
	pid := strconv.Itoa(cmd.Process.Pid)
	children[pid] = c
	return pid, nil
}

func stopChild(children map[string]*child, pid string) error {
	c := children[pid]
	if c == nil {
		return syscall.ESRCH
	}
	delete(children, pid)
	return c.stop()
}

func (c *child) stop() error {
	return errors.Join(c.in.Close(), c.cmd.Wait())
}

// other returns another name for the test binary, at which policy can look.
func other(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link("/init", path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	return path
}
