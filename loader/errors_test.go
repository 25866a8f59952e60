// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestErrorIs(t *testing.T) {
	for _, c := range []struct {
		errno syscall.Errno
		op    Op
		want  error
		hint  string
	}{
		{syscall.EPROTO, OpReplace, ErrProtocol, "malformed"},
		{syscall.EPROTONOSUPPORT, OpLoad, ErrProtocol, "version"},
		{syscall.EEXIST, OpLoad, ErrExist, ""},
		{syscall.EEXIST, OpReplace, ErrExist, "blocks the namespace"},
		{syscall.ENOENT, OpReplace, ErrNotExist, "parent"},
		{syscall.ENOENT, OpRemove, ErrNotExist, "loaded"},
		{syscall.EACCES, OpReplace, ErrPermission, "CAP_MAC_ADMIN"},
		{syscall.EPERM, OpReplace, ErrPermission, "cannot be changed"},
		{syscall.ENAMETOOLONG, OpLoad, syscall.ENAMETOOLONG, "too long"},
		{syscall.EINVAL, OpLoad, syscall.EINVAL, ""},
		{syscall.ENOMEM, OpLoad, syscall.ENOMEM, ""},
		{syscall.EACCES, OpCreateNamespace, ErrPermission, "CAP_MAC_ADMIN"},
		{syscall.ENOENT, OpChangeProfile, ErrNotExist, "loaded"},
		{syscall.EACCES, OpStart, ErrPermission, "change_profile"},
		{syscall.EPERM, OpChangeOnExec, ErrPermission, "no_new_privs"},
		{syscall.EPERM, OpChangeHat, ErrPermission, "hat"},
		{syscall.ENOENT, OpChangeHat, ErrNotExist, "hats"},
	} {
		cause := os.NewSyscallError("write", c.errno)
		var err error = &Error{Op: c.op, Name: "name", NS: "ns", Err: cause, Hint: errnoHint(c.op, cause)}
		if !errors.Is(err, c.want) || !errors.Is(err, c.errno) {
			t.Errorf("%v is not %v and %v", err, c.want, c.errno)
		}
		if !errors.Is(c.want, ErrProtocol) && errors.Is(err, ErrProtocol) {
			t.Errorf("%v is ErrProtocol", err)
		}
		for _, part := range []string{"apparmor: " + string(c.op) + " name in namespace ns: write: ", c.hint} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %q", part, err)
			}
		}
		if c.hint == "" && strings.Contains(err.Error(), "; ") {
			t.Errorf("hint in %q", err)
		}
	}
	if errnoHint(OpLoad, fs.ErrClosed) != "" {
		t.Error("hint for an error without number")
	}
}
