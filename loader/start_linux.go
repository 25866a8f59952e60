package loader

import (
	"context"
	"errors"
	"fmt"
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
// was asked for; cmd has been waited for if it was started.
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
// the process is held at the end of its exec until its label is verified. This
// takes ptrace rules where the caller is confined, and takes the privileges of
// set-user-ID programs away unless the caller has CAP_SYS_PTRACE. Without
// Trace, a program that changes its own profile, or executes another one that
// does, may be killed for it when it is faster than Start.
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
		return -1, fmt.Errorf("prctl: %w", err)
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
	if err := t.confirm(cmd, want); err != nil {
		return -1, errors.Join(err, kill(cmd))
	}
	if attr := cmd.SysProcAttr; attr != nil && attr.Pdeathsig != 0 {
		// The signal comes when the thread that forked ends, not the process.
		if pidfd, err = unix.PidfdOpen(cmd.Process.Pid, 0); err != nil {
			return -1, errors.Join(fmt.Errorf("pidfd_open: %w", err), kill(cmd))
		}
		return pidfd, nil
	}
	return -1, nil
}

// confirm verifies the label of a process that has been started.
func (t *Tasks) confirm(cmd *exec.Cmd, want string) error {
	pid := cmd.Process.Pid
	if t.trace {
		// Until the process is let go, its first thread is stopped by the
		// signal that ends a traced exec.
		var status unix.WaitStatus
		if _, err := retry(func() (int, error) { return unix.Wait4(pid, &status, unix.WALL, nil) }); err != nil {
			return fmt.Errorf("wait4: %w", err)
		}
		if !status.Stopped() || status.StopSignal() != unix.SIGTRAP {
			return fmt.Errorf("the process did not stop at its exec: %#x", status)
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
		if err := unix.PtraceDetach(pid); err != nil {
			return fmt.Errorf("ptrace: %w", err)
		}
	}
	return nil
}

// maxExec is how long the end of an exec may take after the file descriptors
// have been closed: the kernel is not interrupted between the two, but by other
// tasks.
const maxExec = 10 * time.Second

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

// kill ends the process, without waiting long for what it has started.
func kill(cmd *exec.Cmd) error {
	err := cmd.Process.Kill()
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = time.Second
	}
	var exit *exec.ExitError
	if werr := cmd.Wait(); werr != nil && !errors.As(werr, &exit) {
		err = errors.Join(err, werr)
	}
	return err
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
