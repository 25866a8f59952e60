// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Tasks reads and changes the confinement of tasks. It needs no privilege and
// is safe for concurrent use.
//
// Labels are given and returned as the caller's namespace sees them: a profile
// in a namespace below is :ns:profile.
type Tasks struct {
	sys   system
	proc  dir
	lsm   bool // use the system calls for the calling thread
	trace bool
	own   bool // Options.OwnProcesses
	below bool // Options.OwnUserNamespace
}

// OpenTasks opens procfs, after verifying that it is the kernel's. Close it
// after use.
func OpenTasks(o Options) (*Tasks, error) {
	return openTasks(o, linux())
}

func openTasks(o Options, sys system) (*Tasks, error) {
	proc, err := openDir(o.procFS())
	if err == nil {
		if err = proc.with(func(fd int) error { return sys.check(fd, unix.PROC_SUPER_MAGIC) }); err != nil {
			proc.close()
		}
	}
	if err != nil {
		return nil, &Error{Op: OpOpen, Name: o.procFS(), Err: err, Hint: "mount procfs"}
	}
	t := &Tasks{sys: sys, proc: proc, lsm: sys.lsm(), trace: o.Trace, own: o.OwnProcesses, below: o.OwnUserNamespace}
	if t.below {
		first, err := t.firstUserNamespace()
		if err == nil && first {
			err = ErrUserNamespace
		}
		if err != nil {
			proc.close()
			return nil, &Error{Op: OpOpen, Name: o.procFS(), Err: err, Hint: "Options.OwnUserNamespace is for a process that StartInNamespace has started"}
		}
	}
	return t, nil
}

func (t *Tasks) dup() (*Tasks, error) {
	proc, err := t.proc.dup()
	return &Tasks{sys: t.sys, proc: proc, lsm: t.lsm, trace: t.trace, own: t.own, below: t.below}, err
}

// Close closes the files that t holds.
func (t *Tasks) Close() error { return t.proc.close() }

// attribute is a file below attr/apparmor of a task, and its number for the
// system calls.
type attribute struct {
	name string
	id   uint
}

var (
	attrCurrent = attribute{"current", 100}
	attrExec    = attribute{"exec", 101}
)

// Label returns the label of a process: of its first thread, if its threads
// have different ones.
func (t *Tasks) Label(pid int) (Label, error) {
	text, err := t.readProc(strconv.Itoa(pid), attrCurrent)
	if err != nil {
		if errors.Is(err, unix.ESRCH) {
			err = fmt.Errorf("%w: %w", ErrNotExist, err)
		}
		return Label{}, &Error{Op: OpLabel, Name: "of process " + strconv.Itoa(pid), Err: err}
	}
	return ParseLabel(text), nil
}

// Self returns the label of the calling thread.
func (t *Tasks) Self() (Label, error) {
	l, _, err := t.get(attrCurrent)
	return l, err
}

// OnExec returns the label that the calling thread, which should be locked to
// the goroutine, will have after its next exec, as set with ChangeOnExec or
// StackOnExec. It reports whether there is one.
func (t *Tasks) OnExec() (Label, bool, error) {
	return t.get(attrExec)
}

func (t *Tasks) get(a attribute) (Label, bool, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var text string
	var err error
	if t.lsm {
		text, err = lsmGet(a)
	} else {
		text, err = t.readProc("thread-self", a)
	}
	switch {
	case err == nil:
		return ParseLabel(text), true, nil
	case a == attrExec && (errors.Is(err, unix.ENOENT) && t.lsm || errors.Is(err, unix.EINVAL)):
		return Label{}, false, nil // not set
	}
	return Label{}, false, &Error{Op: OpLabel, Name: "of the calling thread", Err: err}
}

func (t *Tasks) readProc(task string, a attribute) (string, error) {
	return t.sys.readOnce(t.proc, task+"/attr/apparmor/"+a.name)
}

// ChangeProfile puts the calling thread under a profile. If the thread is
// confined, its profile needs a change_profile rule for that. There may be no
// way back. See the package's note on threads.
func (t *Tasks) ChangeProfile(label string) error {
	return t.set(OpChangeProfile, attrCurrent, "changeprofile", label)
}

// Stack puts the calling thread under a profile in addition to its current
// ones: what one of them denies is denied.
func (t *Tasks) Stack(label string) error {
	return t.set(OpStack, attrCurrent, "stack", label)
}

// ChangeOnExec makes the next exec of the calling thread, or of a child that
// it forks, run under a profile. If the kernel cannot do that, the exec fails.
func (t *Tasks) ChangeOnExec(label string) error {
	return t.set(OpChangeOnExec, attrExec, "exec", label)
}

// StackOnExec is ChangeOnExec in addition to the profiles that the thread is
// under by then. no_new_privs allows it.
func (t *Tasks) StackOnExec(label string) error {
	return t.set(OpStackOnExec, attrExec, "stack", label)
}

// maxHats is how many hats one call may name.
const maxHats = 16

// ChangeHat puts the calling thread under the first of the hats that its
// profile has. Code that knows the token, which must not be zero and should be
// hard to guess, can leave the hat again; the kernel kills a thread that tries
// with another token. From within a hat it changes to a sibling.
func (t *Tasks) ChangeHat(token uint64, hats ...string) error {
	name := strings.Join(hats, ", ")
	switch {
	case token == 0 || len(hats) == 0:
		return &Error{Op: OpChangeHat, Name: name, Err: unix.EINVAL, Hint: "a token and a hat are needed"}
	case len(hats) > maxHats:
		return &Error{Op: OpChangeHat, Name: name, Err: unix.E2BIG, Hint: "no more than 16 hats"}
	}
	for _, h := range hats {
		if err := checkName(h); err != nil {
			return &Error{Op: OpChangeHat, Name: h, Err: err}
		}
	}
	return t.hat(name, token, strings.Join(hats, "\x00"))
}

// LeaveHat puts the calling thread back under the profile that it had before
// ChangeHat with the same token.
func (t *Tasks) LeaveHat(token uint64) error {
	if token == 0 {
		return &Error{Op: OpChangeHat, Err: unix.EINVAL, Hint: "the token of ChangeHat is needed"}
	}
	return t.hat("", token, "")
}

func (t *Tasks) hat(name string, token uint64, hats string) error {
	if err := t.write(attrCurrent, fmt.Sprintf("changehat %016x^%s", token, hats)); err != nil {
		return &Error{Op: OpChangeHat, Name: name, Err: err, Hint: errnoHint(OpChangeHat, err)}
	}
	return nil
}

func (t *Tasks) set(op Op, a attribute, verb, label string) error {
	err := checkName(label)
	if err == nil {
		err = t.write(a, verb+" "+label)
	}
	if err != nil {
		return &Error{Op: op, Name: label, Err: err, Hint: errnoHint(op, err)}
	}
	return nil
}

// write gives the kernel a command about the calling thread in one call.
func (t *Tasks) write(a attribute, command string) error {
	if t.lsm {
		return lsmSet(a, command)
	}
	// The file must be opened and written by the thread that it is about.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	f, err := t.proc.open("thread-self/attr/apparmor/"+a.name, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	return dir{f}.with(func(fd int) error {
		// Another file would silently take what was meant for the kernel.
		if err := t.sys.check(fd, unix.PROC_SUPER_MAGIC); err != nil {
			return err
		}
		_, err := t.sys.write(fd, []byte(command))
		return os.NewSyscallError("write", err)
	})
}
