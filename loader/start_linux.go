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

// Start is StartWith without options.
func (t *Tasks) Start(ctx context.Context, cmd *exec.Cmd, label string) error {
	return t.StartWith(ctx, cmd, label, StartOptions{})
}

// StartWith starts cmd under a label, as cmd.Start does without one. If it
// returns an error, no process is left that runs without the requested
// confinement; cmd has been waited for if it was started. Only a process that
// ended up under another profile that keeps the caller from signalling it
// cannot be killed; the error then says so.
//
// The label is set for the exec of a thread that does nothing else and ends
// afterwards. The kernel then gives the process that label at its exec, before
// the first instruction of the program, or lets the exec fail; a label that
// does not exist, or to which the caller's own profile does not let it change,
// fails before that. If the caller is confined and no_new_privs is set, the
// label is stacked on the caller's, because nothing else is allowed then.
//
// StartWith reads the label of the process back. It kills the process if the
// label is wrong (ErrLabel), or if its mode does not enforce and
// StartOptions.Accept does not accept it (ErrMode). That covers what the
// kernel does not guarantee: if the profile was removed between the two steps,
// the process is unconfined. The program may have run for a moment by then.
// With Options.Trace it has not: the process is held at the end of its exec
// until its label is verified. Without Trace, a program that changes its own
// profile, or executes another one that does, may be killed for that if it is
// faster than StartWith.
//
// Labels do not show that a kernel is in complain mode as a whole. A Kernel
// finds that; Tasks alone cannot.
//
// A caller that is confined needs change_profile for the label, and to read
// stat, status, cmdline and attr/apparmor/current of the process in /proc;
// before Linux 6.8 also to read its own attr/apparmor/current and to write
// attr/apparmor/exec.
//
// StartOptions says what the process inherits, and docs/start.md what happens
// to it on each kernel.
//
// StartWith looks at ctx before it begins. Use exec.CommandContext to end the
// process with a context.
func (t *Tasks) StartWith(ctx context.Context, cmd *exec.Cmd, label string, o StartOptions) error {
	if o.Content != (Fingerprint{}) {
		return &Error{Op: OpStart, Name: label, Err: errors.ErrUnsupported, Hint: "what a profile was loaded from is verified by a Kernel"}
	}
	return t.startWith(ctx, cmd, label, o, false, func(l Label) error {
		if l == (Label{Name: Unconfined}) && label == Unconfined || o.Accept.mode(l.Mode) {
			return nil
		}
		return fmt.Errorf("%w: it runs under %q", ErrMode, l)
	})
}

// Start is StartWith without options.
func (k *Kernel) Start(ctx context.Context, cmd *exec.Cmd, label string) error {
	return k.StartWith(ctx, cmd, label, StartOptions{})
}

// StartWith is Tasks.StartWith, and also verifies the mode of the kernel as a
// whole and what the profile was loaded from, before the process is started
// and again afterwards. The label is as Qualify returns it.
func (k *Kernel) StartWith(ctx context.Context, cmd *exec.Cmd, label string, o StartOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	verify := func() error {
		if o.Content == (Fingerprint{}) {
			if label == Unconfined {
				return nil
			}
			return k.kernelMode(ctx, o.Accept)
		}
		return k.confines(ctx, o.Content, o.Accept)
	}
	err := verify()
	if err == nil && o.Content != (Fingerprint{}) && !k.has(o.Content, label) {
		err = fmt.Errorf("%w: StartOptions.Content has no such profile", ErrName)
	}
	if err != nil {
		return &Error{Op: OpStart, Name: label, Err: err, Hint: errnoHint(OpStart, err)}
	}
	return k.startWith(ctx, cmd, label, o, false, func(l Label) error {
		if l == (Label{Name: Unconfined}) && label == Unconfined {
			return nil
		}
		// In a stack of different modes, the mode of the profile is known.
		if !(l.Mode == ModeMixed && o.Content != (Fingerprint{})) && !o.Accept.mode(l.Mode) {
			return fmt.Errorf("%w: it runs under %q", ErrMode, l)
		}
		return verify()
	})
}

// has reports whether a label is one of the profiles of f.
func (k *Kernel) has(f Fingerprint, label string) bool {
	for name := range f.profiles() {
		if own, err := k.label(name); err == nil && (Label{Name: label}).Is(own) {
			return true
		}
	}
	return false
}

// startWith does what all have in common. With stack, the label is stacked on
// the caller's. Accept is called with the label of the process.
func (t *Tasks) startWith(ctx context.Context, cmd *exec.Cmd, label string, o StartOptions, stack bool, accept func(Label) error) error {
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
	s := starting{tasks: t, cmd: cmd, label: label, stack: stack, o: o, accept: accept}
	if !o.KeepEnv {
		env, removed := cleanEnv(cmd.Environ())
		if s.result.Environment = removed; len(removed) > 0 {
			cmd.Env = env
		}
	}
	if !o.KeepFiles {
		if err := t.sys.closeOnExec(); err != nil {
			return &Error{Op: OpStart, Name: label, Err: os.NewSyscallError("close_range", err), Hint: "StartOptions.KeepFiles does without"}
		}
	}
	result := make(chan error)
	go func() {
		// It is never unlocked: the thread, which keeps the label for its next
		// exec, ends with the goroutine.
		runtime.LockOSThread()
		pidfd, err := s.start()
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
	if o.Started != nil {
		*o.Started = s.result
	}
	return nil
}

// starting holds the state of one start.
type starting struct {
	tasks  *Tasks
	cmd    *exec.Cmd
	label  string
	stack  bool // on the caller's
	o      StartOptions
	accept func(Label) error
	result Started
}

// start works on the calling thread. If the thread has to outlive the process,
// it returns a descriptor for the process, otherwise -1.
func (s *starting) start() (pidfd int, err error) {
	t, cmd := s.tasks, s.cmd
	want, verb := s.label, "exec"
	if s.o.NoNewPrivs {
		// Of this thread, from which the process inherits it.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return -1, os.NewSyscallError("prctl", err)
		}
	}
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	if err != nil {
		return -1, os.NewSyscallError("prctl", err)
	}
	if nnp != 0 || s.stack {
		self, err := t.Self()
		if err != nil {
			return -1, err
		}
		if s.stack || self != (Label{Name: Unconfined}) {
			want, verb, s.result.Stacked = self.Name+"//&"+s.label, "stack", true
		}
	}
	if err := t.write(attrExec, verb+" "+s.label); err != nil {
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
		if s.stack {
			err = noUserNamespace(err)
		}
		return -1, err
	}
	if err := s.confirm(cmd.Process.Pid, want); err != nil {
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
func (s *starting) confirm(pid int, want string) error {
	t := s.tasks
	if t.trace {
		// Until the process is released, its first thread is stopped by the
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
	// Nobody has waited for the process yet, so its number is still its own.
	got, err := t.Label(pid)
	if err != nil {
		return err
	}
	if !got.Is(want) {
		return fmt.Errorf("%w: it runs under %q", ErrLabel, got)
	}
	if err := s.accept(got); err != nil {
		return err
	}
	s.result.Label = got
	if err := s.status(pid); err != nil {
		return err
	}
	if t.trace {
		return os.NewSyscallError("ptrace", unix.PtraceDetach(pid))
	}
	return nil
}

// status reads what Started says about a process.
func (s *starting) status(pid int) error {
	if s.o.Started == nil {
		return nil
	}
	text, err := s.tasks.sys.readOnce(s.tasks.proc, strconv.Itoa(pid)+"/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "NoNewPrivs":
			s.result.NoNewPrivs = value != "0"
		case "SigIgn":
			s.result.Ignored, err = strconv.ParseUint(value, 16, 64)
		case "SigBlk":
			s.result.Blocked, err = strconv.ParseUint(value, 16, 64)
		}
		if err != nil {
			return fmt.Errorf("%w: %q", errAnswer, line)
		}
	}
	return nil
}

// maxExec is how long the end of an exec may take after the file descriptors
// have been closed: only other tasks interrupt the kernel between the two.
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
		state, flags, err := t.stat(proc)
		if err != nil || state == "Z" || state == "X" {
			return err // with its last label
		}
		if flags&forkNoExec == 0 {
			args, err := t.sys.readOnce(t.proc, proc+"/cmdline")
			if err != nil || len(args) > 0 {
				return err
			}
		}
		if time.Now().After(end) {
			return errors.New("the exec does not end")
		}
		time.Sleep(wait)
	}
}

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

// kill ends the process, without waiting long for processes that it has
// started. One that is traced ends anyway.
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
