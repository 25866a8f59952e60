// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/blob"
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
		t.Error("an error without a number has a hint")
	}
}

// TestFingerprintText: a fingerprint reads back what it says, and nothing else.
func TestFingerprintText(t *testing.T) {
	p, err := blob.Encode([]*blob.Profile{{Name: "a b"}, {Name: "a b//c\""}})
	if err != nil {
		t.Fatal(err)
	}
	f := FingerprintOf(p)
	text, err := f.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var g Fingerprint
	if err := g.UnmarshalText(text); err != nil || g != f {
		t.Errorf("%s: %v", text, err)
	}
	for _, bad := range []string{"", " ", string(text[:64]), string(text[1:]), string(text[:len(text)-1]), "z" + string(text[1:]), strings.Replace(string(text), " ", "x", 1)} {
		before := g
		if err := g.UnmarshalText([]byte(bad)); err == nil || g != before {
			t.Errorf("%q is a fingerprint", bad)
		}
	}
}
