// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	facts "github.com/goarmor/apparmor/internal/linux"
)

// StartInNamespace starts cmd as root of a user namespace of its own, under
// :name:unconfined of a policy namespace, stacked on what the caller runs
// under. There, a user without privileges has policy of its own: Open gives
// the namespace to the process, which loads, lists and removes profiles in it
// and starts programs under them. All of them stay confined by what the caller
// is confined by; what the namespace says can only take away.
//
// The caller needs no privilege. Somebody who has CAP_MAC_ADMIN must have made
// the policy namespace (see Kernel.Namespace), directly below the caller's,
// and the user namespace of the caller must be as many levels below the
// machine's first as its policy namespace is: the kernel gives policy to whoever
// is root and has CAP_MAC_ADMIN in a user namespace of the policy namespace's
// level, and knows no owner of either. So every process that is not confined,
// of whichever user, can have the policy of every such namespace.
//
// If cmd.SysProcAttr has no UidMappings or GidMappings, the user and the group
// of the caller are root in the user namespace, and there are no others.
// Otherwise it is as StartWith, without StartOptions.Content. The error
// matches ErrNotExist if there is no such policy namespace, and
// ErrUserNamespace if the kernel makes no user namespace for the caller. That
// a kernel takes no policy in user namespaces is not known here: changes of
// policy say so, with ErrUserPolicy.
//
// What is known of it was seen on Debian's kernels 6.1, 6.12, 7.2 and 7.3.
func (t *Tasks) StartInNamespace(ctx context.Context, cmd *exec.Cmd, name string, o StartOptions) error {
	label := qualify(name, Unconfined)
	err := checkNamespace(name)
	if err == nil && o.Content != (Fingerprint{}) {
		err = fmt.Errorf("%w: a policy namespace has no content of its own", errors.ErrUnsupported)
	}
	if err != nil {
		return &Error{Op: OpStart, Name: label, Err: err}
	}
	attr := syscall.SysProcAttr{}
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	if attr.UidMappings == nil {
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
	}
	if attr.GidMappings == nil {
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	cmd.SysProcAttr = &attr
	// Labels are compared with all of what is stacked; modes are the caller's.
	return t.startWith(ctx, cmd, label, o, true, func(Label) error { return nil })
}

// noUserNamespace says what the error of a start with a user namespace means:
// clone(2) and user_namespaces(7) name these error numbers, which executions do
// not end with. Where a profile denies it, the number is EACCES, as if the
// program may not be executed.
func noUserNamespace(err error) error {
	for _, errno := range []unix.Errno{unix.EPERM, unix.ENOSPC, unix.EUSERS, unix.EINVAL} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%w: %w", ErrUserNamespace, err)
		}
	}
	return err
}

// writeOwn writes to the policy file that belongs to no namespace: what is
// written is for the namespace of the thread. In a user namespace, where the
// namespace's own files are still those of the machine's root, there is no
// other way.
func (k *Kernel) writeOwn(name string, data []byte) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Threads of one process may be in different namespaces.
	here, err := k.root.resolve("policy", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer here.Close()
	same, err := sameFile(dir{here}, k.policy)
	if err != nil {
		return err
	}
	if !same {
		return ErrThread
	}
	err = k.writeTo(k.root, name, data)
	if errors.Is(err, unix.EACCES) {
		if first, ferr := k.Tasks.firstUserNamespace(); ferr == nil && !first {
			err = fmt.Errorf("%w: %w", ErrUserPolicy, err)
		}
	}
	return err
}

// sameFile reports whether two directories are the same one.
func sameFile(a, b dir) (bool, error) {
	var is [2]unix.Stat_t
	for i, d := range []dir{a, b} {
		if err := d.with(func(fd int) error { return unix.Fstat(fd, &is[i]) }); err != nil {
			return false, os.NewSyscallError("fstat", err)
		}
	}
	return is[0].Dev == is[1].Dev && is[0].Ino == is[1].Ino, nil
}

// firstUserNamespace reports whether the process is in the machine's first user
// namespace.
func (t *Tasks) firstUserNamespace() (bool, error) {
	text, err := t.sys.readOnce(t.proc, "self/uid_map")
	return facts.AllUsers(text), err
}
