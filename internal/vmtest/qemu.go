// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// helloTime is how long a guest may take to say hello under KVM before the
// same boot is tried with TCG. A guest that works needs two seconds.
const helloTime = 20 * time.Second

// machine is one guest before it boots.
type machine struct {
	arch
	qemu    string
	kernel  string
	initrd  string
	accel   string // "kvm", "tcg", or empty: try
	timeout time.Duration
	memory  int      // in MiB
	more    []string // options, after the others
	boots   string   // more parameters of the kernel
	dir     string   // for the log of the console
}

// report is what a boot left.
type report struct {
	accel   string
	release string // of the kernel, as the guest sees it
	shown   string // features of the kernel
	output  []byte // of the test binary
	exit    int
	console []byte // the kernel's messages
	cpu     time.Duration
}

// errNoHello says that the guest's init did not begin.
var errNoHello = errors.New("the guest did not start")

// boot runs the guest until it is done. The report is complete when err is
// nil and holds what there is otherwise.
func (m machine) boot(ctx context.Context) (report, error) {
	if m.accel != "" {
		return m.bootWith(ctx, m.accel, m.timeout)
	}
	if m.name == runtime.GOARCH && kvmOpens() {
		r, err := m.bootWith(ctx, "kvm", helloTime)
		if !errors.Is(err, errNoHello) {
			return r, err
		}
	}
	return m.bootWith(ctx, "tcg", m.timeout)
}

// kvmOpens reports whether /dev/kvm may be used. That says little of whether
// it works.
func kvmOpens() bool {
	fd, err := unix.Open("/dev/kvm", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	return unix.Close(fd) == nil
}

func (m machine) bootWith(ctx context.Context, accel string, hello time.Duration) (r report, err error) {
	r.accel = accel
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, fmt.Errorf("the guest is not done after %v", m.timeout))
	defer cancel()
	noHello := time.AfterFunc(hello, cancel)
	defer noHello.Stop()

	console := filepath.Join(m.dir, "console")
	// Without cx16, because 6.12 panics at random around cmpxchg16b under TCG;
	// without the check of the timer, which fails on a host too busy to deliver
	// its ticks and is a panic, too.
	args := append(slices.Clone(m.machine), "-accel", accel, "-m", strconv.Itoa(m.memory), "-smp", "1",
		"-kernel", m.kernel, "-initrd", m.initrd,
		"-append", "console="+m.console+" quiet panic=-1 no_timer_check apparmor=1 lsm=capability,apparmor "+m.boots,
		"-nodefaults", "-display", "none", "-no-reboot")
	if m.port == m.console {
		args = append(args, "-serial", "stdio")
	} else {
		args = append(args, "-serial", "file:"+console, "-serial", "stdio")
	}
	args = append(args, m.more...)
	cmd := exec.CommandContext(ctx, m.qemu, args...)
	// A test binary that is killed must not leave guests running. The signal
	// comes when the thread that started the guest ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	frames, err := cmd.StdoutPipe()
	if err != nil {
		return r, err
	}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	end, readErr := r.read(frames, m.port == m.console, func() { noHello.Stop() })
	cause := context.Cause(ctx) // before cancelling for our own reasons
	if end {
		cancel() // what comes after the last frame is of no interest
	}
	waitErr := cmd.Wait()
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if m.port != m.console {
		r.console, _ = os.ReadFile(console)
	}
	switch {
	case end:
		return r, errors.Join(readErr, kernelError(r.console))
	case r.release == "":
		return r, errors.Join(fmt.Errorf("%w (%s): %s", errNoHello, accel, bytes.TrimSpace(stderr.Bytes())), cause, waitErr)
	case cause != nil:
		return r, cause
	default:
		return r, errors.Join(errors.New("the guest ended before its tests did"), readErr, waitErr, kernelError(r.console))
	}
}

// kernelError returns what a kernel that came to harm says first.
func kernelError(console []byte) error {
	for line := range strings.Lines(string(console)) {
		for _, mark := range []string{"Kernel panic", "Oops", "general protection fault", "BUG:"} {
			if strings.Contains(line, mark) {
				return errors.New("the kernel says: " + strings.TrimSpace(line))
			}
		}
	}
	return nil
}

// read collects frames. It reports whether the last frame of the guest came;
// then the error, if any, is the guest's.
func (r *report) read(frames io.Reader, shared bool, hello func()) (end bool, err error) {
	for lines := bufio.NewReader(frames); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		var f guest.Frame
		if err := json.Unmarshal(line, &f); err != nil {
			if shared && !bytes.HasPrefix(line, []byte("{")) {
				r.console = append(r.console, line...)
				continue
			}
			return false, fmt.Errorf("bad frame from the guest: %q", line)
		}
		switch {
		case f.Hello != "":
			r.release = f.Hello
			hello()
		case f.Features != "":
			r.shown = f.Features
		case f.Fatal != "":
			return true, errors.New("guest: " + f.Fatal)
		case f.Exit != nil:
			r.exit = *f.Exit
			return true, nil
		default:
			r.output = append(r.output, f.Out...)
		}
	}
}
