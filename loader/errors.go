// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
)

// What errors of this package match with errors.Is, besides the error numbers
// of the kernel (syscall.ENOENT and so on), those of package blob, and
// errors.ErrUnsupported.
var (
	// ErrNotExist: no such profile, namespace, label or task.
	ErrNotExist = fs.ErrNotExist
	// ErrExist: Load of a profile that is loaded; see also Error.Hint.
	ErrExist = fs.ErrExist
	// ErrPermission: the caller may not do that, or its own profile does not
	// allow it.
	ErrPermission = fs.ErrPermission
	// ErrProtocol: the kernel does not understand the policy.
	ErrProtocol = errors.New("the kernel does not accept the form of the policy")
	// ErrDisabled: the kernel has no AppArmor, or it is switched off.
	ErrDisabled = errors.New("AppArmor is not enabled")
	// ErrFileSystem: what is mounted is not the kernel's file system, or
	// nothing is.
	ErrFileSystem = errors.New("not the file system of the kernel")
	// ErrParent: a profile of the set is a child or hat of a profile that is
	// neither in the set nor loaded.
	ErrParent = errors.New("the parent profile is not loaded")
	// ErrNotAllowed: Options.OnlyNames does not accept the name.
	ErrNotAllowed = errors.New("the name is not allowed by Options.OnlyNames")
	// ErrName: the text cannot be the name of a profile or namespace, or a
	// label.
	ErrName = errors.New("not a valid name")
	// ErrLabel: a process does not run under the requested label.
	ErrLabel = errors.New("the process does not run under the requested label")
	// ErrMode: a profile, or the kernel as a whole, is in a mode that does not
	// enforce and was not accepted.
	ErrMode = errors.New("the profile is not enforced")
	// ErrContent: a profile of the name is loaded, but from other policy.
	ErrContent = errors.New("the profile is loaded from other policy")
	// ErrNoDigest: the kernel does not show what a profile was loaded from,
	// because it was built or started to keep neither a digest nor a copy.
	ErrNoDigest = errors.New("the kernel does not show what the profile was loaded from")
	// ErrInUse: a task runs under the profile and would be unconfined without
	// it, or it could not be shown that none does.
	ErrInUse = errors.New("a process runs under the profile")
	// ErrThread: the calling thread is in another policy namespace than the one
	// that opened the Kernel, in a user namespace, where a thread can write no
	// policy but that of its own.
	ErrThread = errors.New("the thread is in another policy namespace")
	// ErrUserNamespace: the kernel makes no user namespace for the caller, or,
	// with Options.OwnUserNamespace, the caller is not in one.
	ErrUserNamespace = errors.New("no user namespace")
	// ErrUserPolicy: the caller is in a user namespace, and the kernel does not
	// take its policy there.
	ErrUserPolicy = errors.New("the kernel takes no policy in this user namespace")
	// ErrProcesses: procfs does not show every process of the machine, so it
	// is unknown what runs under a profile.
	ErrProcesses = errors.New("procfs does not show all processes")
)

// Op is what was tried when an error occurred.
type Op string

// The operations.
const (
	OpOpen            Op = "open"
	OpFeatures        Op = "read features"
	OpLoad            Op = "load"
	OpReplace         Op = "replace"
	OpRemove          Op = "remove"
	OpEnsure          Op = "ensure"
	OpList            Op = "list profiles"
	OpNamespace       Op = "open namespace"
	OpCreateNamespace Op = "create namespace"
	OpRemoveNamespace Op = "remove namespace"
	OpRevision        Op = "read revision"
	OpQuery           Op = "query"
	OpLabel           Op = "read label"
	OpChangeProfile   Op = "change profile"
	OpChangeOnExec    Op = "change profile on exec"
	OpStack           Op = "stack profile"
	OpStackOnExec     Op = "stack profile on exec"
	OpChangeHat       Op = "change hat"
	OpStart           Op = "start confined"
	OpDigest          Op = "compare what is loaded"
	OpMode            Op = "read the mode of the kernel"
	OpConfines        Op = "verify confinement"
	OpUsers           Op = "look for processes"
	OpFiles           Op = "look for open files"
	OpSeal            Op = "seal"
	OpRetire          Op = "retire"
)

// Error says what went wrong with one operation. All errors of this package
// are of this type, except those of contexts.
type Error struct {
	Op   Op     // what was to be done
	Name string // of the profiles, the namespace, the label or the file
	NS   string // the namespace, as seen from the caller's; empty: the caller's
	Err  error  // a syscall.Errno, one of the package's ErrXxx values, or an error that wraps one
	Hint string // the likely reason, if it is known
}

// Error returns operation, name, cause and hint in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("apparmor: ")
	b.WriteString(string(e.Op))
	if e.Name != "" {
		b.WriteByte(' ')
		b.WriteString(e.Name)
	}
	if e.NS != "" {
		b.WriteString(" in namespace ")
		b.WriteString(e.NS)
	}
	b.WriteString(": ")
	b.WriteString(e.Err.Error())
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is ErrProtocol and the cause one of the error
// numbers with which kernels refuse the form of a policy.
func (e *Error) Is(target error) bool {
	return target == ErrProtocol && (errors.Is(e.Err, syscall.EPROTO) || errors.Is(e.Err, syscall.EPROTONOSUPPORT))
}

// errnoHint says what an error number of an operation means.
func errnoHint(op Op, err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return ""
	}
	switch {
	case errors.Is(err, ErrUserPolicy):
		return hintUserPolicy
	case errors.Is(err, ErrUserNamespace):
		return hintUserNamespace
	}
	switch op {
	case OpLoad, OpReplace, OpEnsure, OpRemove:
		return policyHint(op, errno)
	case OpCreateNamespace, OpRemoveNamespace:
		if errno == syscall.EACCES || errno == syscall.EPERM {
			return hintAdmin
		}
	case OpChangeProfile, OpChangeOnExec, OpStack, OpStackOnExec, OpStart:
		switch errno {
		case syscall.ENOENT:
			return "no such profile is loaded"
		case syscall.EACCES:
			return "the caller's profile has no change_profile rule for it, or the thread is not the caller's"
		case syscall.EPERM:
			return "no_new_privs allows only stacking"
		}
	case OpChangeHat:
		switch errno {
		case syscall.ENOENT:
			return "the profile has none of these hats"
		case syscall.ECHILD:
			return "the profile has no hats and no children"
		case syscall.EPERM:
			return "the caller is unconfined, or the child is not a hat"
		}
	}
	return ""
}

const hintAdmin = "it needs CAP_MAC_ADMIN, root in the user namespace, and `capability mac_admin` in the caller's profile if it has one"

const (
	hintUserNamespace = "see user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns of sysctl(8), and `userns` in the caller's profile if it has one"
	hintUserPolicy    = "it needs a policy namespace of the user namespace's level, as StartInNamespace gives it, and kernel.unprivileged_userns_apparmor_policy=1, see sysctl(8)"
)

func policyHint(op Op, errno syscall.Errno) string {
	switch errno {
	case syscall.EPROTO:
		return "the kernel finds the stream malformed; its audit log has the offset"
	case syscall.EPROTONOSUPPORT:
		return "the kernel does not know the version of the policy, or cannot read it compressed"
	case syscall.EACCES:
		return hintAdmin
	case syscall.EPERM:
		return "the profile cannot be changed"
	case syscall.ENAMETOOLONG:
		return "the name of a profile is too long"
	case syscall.EEXIST:
		if op != OpLoad {
			// Some kernels leave the directory of a failed load in place.
			return "an earlier load has failed half-way and blocks the namespace until any profile in it is removed"
		}
	case syscall.ENOENT:
		if op == OpRemove {
			return "no such profile is loaded in this namespace; one below is named :namespace:profile"
		}
		return "a parent profile is not loaded"
	}
	return ""
}
