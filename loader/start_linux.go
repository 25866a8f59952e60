// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Start starts cmd under a label, as cmd.Start does without one. When it
// returns an error, no process is left that runs without the confinement that
// was asked for; cmd has been waited for if it was started. Only a process
// that ended up under another profile, one that keeps the caller from sending
// signals to it, cannot be killed; the error says so then.
//
// The label is set for the exec of a thread that does nothing else and ends
// afterwards. From there on the kernel gives the process that label at its
// exec, before the first instruction of the program, or lets the exec fail;
// a label that does not exist, or that the caller's own profile does not let it
// change to, fails before that. If the caller is confined and no_new_privs is
// set, the label is stacked on the caller's, which is all that is allowed then.
//
// Start reads the label of the process back and kills it if it is not what it
// should be. That finds what the kernel does not promise: that the profile was
// not removed between the two steps, which leaves the process unconfined. The
// program may have run for a moment by then. With Options.Trace it has not:
// the process is held at the end of its exec until its label is verified.
// Without Trace, a program that changes its own profile, or executes another
// one that does, may be killed for it when it is faster than Start.
//
// A caller that is confined needs change_profile for the label, and to read
// stat, cmdline and attr/apparmor/current of the process in /proc; before
// Linux 6.8 also to read its own attr/apparmor/current and to write
// attr/apparmor/exec.
//
// Start looks at ctx before it begins. Use exec.CommandContext to end the
// process with a context.
func (t *Tasks) Start(ctx context.Context, cmd *exec.Cmd, label string) error {
	err := ctx.Err()
	switch {
	case err != nil:
		return err
	case checkName(label) != nil:
		err = ErrName
	case cmd.SysProcAttr != nil && cmd.SysProcAttr.Ptrace:
		err = errors.New("a process with Ptrace set would lose its tracer")
	}
	if err != nil {
		return &Error{Op: OpStart, Name: label, Err: err}
	}
	result := make(chan error)
	go func() {
		// Never unlocked: the thread, which keeps the label for its next
		// exec, ends with the goroutine.
		runtime.LockOSThread()
		pidfd, err := t.start(cmd, label)
		result <- err
		if pidfd >= 0 {
			waitExit(pidfd)
		}
	}()
	if err := <-result; err != nil {
		if cmd.Process != nil {
			err = errors.Join(err, kill(cmd, t.trace))
		}
		return &Error{Op: OpStart, Name: label, Err: err, Hint: errnoHint(OpStart, err)}
	}
	return nil
}

// start does the work of Start on the calling thread. If the thread has to
// outlive the process, it returns a descriptor for it, else -1.
func (t *Tasks) start(cmd *exec.Cmd, label string) (pidfd int, err error) {
	want, verb := label, "exec"
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return -1, os.NewSyscallError("prctl", err)
	}
	if nnp != 0 {
		self, err := t.Self()
		if err != nil {
			return -1, err
		}
		if self != (Label{Name: Unconfined}) {
			want, verb = self.Name+"//&"+label, "stack"
		}
	}
	if err := t.write(attrExec, verb+" "+label); err != nil {
		return -1, err
	}
	if t.trace {
		attr := syscall.SysProcAttr{}
		if cmd.SysProcAttr != nil {
			attr = *cmd.SysProcAttr
		}
		attr.Ptrace = true
		cmd.SysProcAttr = &attr
	}
	if err := cmd.Start(); err != nil {
		return -1, err
	}
	if err := t.confirm(cmd.Process.Pid, want); err != nil {
		return -1, err
	}
	if attr := cmd.SysProcAttr; attr != nil && attr.Pdeathsig != 0 {
		// The signal comes when the thread that forked ends, not the process.
		pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
		return pidfd, os.NewSyscallError("pidfd_open", err)
	}
	return -1, nil
}

// confirm verifies the label of a process that has been started.
func (t *Tasks) confirm(pid int, want string) error {
	if t.trace {
		// Until the process is let go, its first thread is stopped by the
		// signal that ends a traced exec.
		var status unix.WaitStatus
		if _, err := retry(func() (int, error) { return unix.Wait4(pid, &status, unix.WALL, nil) }); err != nil {
			return os.NewSyscallError("wait4", err)
		}
		if !status.Stopped() || status.StopSignal() != unix.SIGTRAP {
			return fmt.Errorf("the process did not stop at its exec: %#x", status)
		}
		// When this thread ends, so does the process, whatever its profile
		// says about signals.
		if err := unix.PtraceSetOptions(pid, unix.PTRACE_O_EXITKILL); err != nil {
			return os.NewSyscallError("ptrace", err)
		}
	} else if err := t.waitExec(pid); err != nil {
		return err
	}
	// Nobody has waited for the process, so its number is still its own.
	got, err := t.Label(pid)
	if err != nil {
		return err
	}
	if !got.Is(want) {
		return fmt.Errorf("%w: it runs under %q", ErrLabel, got)
	}
	if t.trace {
		return os.NewSyscallError("ptrace", unix.PtraceDetach(pid))
	}
	return nil
}

// maxExec is how long the end of an exec may take after the file descriptors
// have been closed: the kernel is not interrupted between the two, but by other
// tasks.
const maxExec = time.Minute

// waitExec waits until the exec of a process is done. exec.Cmd.Start does not:
// it returns when the kernel closes file descriptors, which is before it gives
// the process its new memory, or its new label.
//
// First the process loses a flag, with its new memory in place, then it gets
// its label, then the arguments of the program are put into the memory, where
// procfs shows them.
func (t *Tasks) waitExec(pid int) error {
	proc := strconv.Itoa(pid)
	for end, wait := time.Now().Add(maxExec), 20*time.Microsecond; ; wait = min(2*wait, 10*time.Millisecond) {
		stat, err := t.proc.read(proc + "/stat")
		if err != nil {
			return err
		}
		state, flags, err := parseStat(string(stat))
		if err != nil || state == "Z" || state == "X" {
			return err // with the label that it ended with
		}
		if flags&forkNoExec == 0 {
			args, err := t.proc.read(proc + "/cmdline")
			if err != nil || len(args) > 0 {
				return err
			}
		}
		if time.Now().After(end) {
			return errors.New("the exec does not come to an end")
		}
		time.Sleep(wait)
	}
}

// forkNoExec is the flag of a process that has not executed anything since it
// was forked.
const forkNoExec = 0x40

// parseStat returns state and flags of a process from /proc/PID/stat.
func parseStat(s string) (state string, flags uint64, err error) {
	// The name of the program may hold anything.
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 7 {
		return "", 0, fmt.Errorf("%w: %q", errAnswer, s)
	}
	flags, err = strconv.ParseUint(fields[6], 10, 64)
	return fields[0], flags, err
}

// kill ends the process, without waiting long for what it has started. One
// that is traced ends anyhow.
func kill(cmd *exec.Cmd, traced bool) error {
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) && !traced {
		return fmt.Errorf("it cannot be killed: %w", err)
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = time.Second
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	return nil
}

// waitExit waits until a process ends.
func waitExit(pidfd int) {
	defer unix.Close(pidfd)
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err != unix.EINTR {
			return
		}
	}
}
