// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	firstMap = "         0          0 4294967295\n"
	userMap  = "         0       1000          1\n"
	rootDir  = "sys/kernel/security/apparmor/"
)

// inUserNamespace makes the files of policy namespaces those of somebody else, as
// the kernel does in a user namespace.
func (f *fake) inUserNamespace() {
	f.file("proc/self/uid_map", userMap)
	f.namespace("namespaces/below/")
	f.unreadable = map[string]error{}
	for _, name := range []string{".load", ".replace", ".remove"} {
		f.file(rootDir+name, "")
		f.unreadable[policyDir+name] = syscall.EACCES
		f.unreadable[policyDir+"namespaces/below/"+name] = syscall.EACCES
	}
}

// TestUserNamespaceWrite changes policy where only the file that belongs to no
// namespace can be written.
func TestUserNamespaceWrite(t *testing.T) {
	f := newFake(t)
	f.inUserNamespace()
	f.load(named(t, "q"), SHA256)
	k, p := f.open(nil), named(t, "p")
	below, err := k.Namespace(t.Context(), "below", false)
	if err != nil {
		t.Fatal(err)
	}
	defer below.Close()
	for _, step := range []struct {
		do   func() error
		want string // the file
	}{
		{func() error { return k.Load(t.Context(), p) }, ".load"},
		{func() error { return k.Replace(t.Context(), p) }, ".replace"},
		{func() error { _, err := k.Ensure(t.Context(), p); return err }, ".replace"},
		{func() error { return k.Remove(t.Context(), "p") }, ".remove"},
		{func() error { return k.Seal(t.Context(), "q") }, ".replace"},
	} {
		f.writes = nil
		if err := step.do(); err != nil || len(f.writes) != 1 || !strings.HasPrefix(f.writes[0], rootDir+step.want+": ") {
			t.Errorf("%s: %v, %q", step.want, err, f.writes)
		}
	}
	// That file is not for namespaces below.
	f.writes = nil
	if err := below.Replace(t.Context(), p); !errors.Is(err, ErrPermission) || len(f.writes) != 0 {
		t.Errorf("below: %v, %q", err, f.writes)
	}
	// The thread may be somewhere else by now.
	f.remove(strings.TrimSuffix(policyDir, "/"))
	f.namespace("")
	var own *Error
	if err := k.Replace(t.Context(), p); !errors.Is(err, ErrThread) || !errors.As(err, &own) || len(f.writes) != 0 {
		t.Errorf("another namespace: %v, %q", err, f.writes)
	}
}

// TestUserNamespaceRefused tells a user namespace in which the kernel takes no
// policy from a caller without the right.
func TestUserNamespaceRefused(t *testing.T) {
	for text, want := range map[string]bool{userMap: true, firstMap: false, "": true, "0 1000 1\n1 100000 65536\n": true} {
		f := newFake(t)
		f.inUserNamespace()
		f.file("proc/self/uid_map", text)
		k := f.open(nil)
		f.err = syscall.EACCES
		err := k.Replace(t.Context(), named(t, "p"))
		if !errors.Is(err, ErrPermission) || errors.Is(err, ErrUserPolicy) != want {
			t.Errorf("%q: %v", text, err)
		}
		var own *Error
		if !errors.As(err, &own) || want != strings.Contains(own.Hint, "unprivileged_userns_apparmor_policy") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestOwnUserNamespace looks for processes where those outside do not show what
// they run under.
func TestOwnUserNamespace(t *testing.T) {
	f := newFake(t)
	f.inUserNamespace()
	f.process(10, task{label: "p (enforce)"})
	f.process(11, task{label: "p (enforce)"})
	f.process(12, task{label: "p (enforce)"})
	f.unreadable["proc/10/task/10/attr/apparmor/current"] = syscall.EACCES
	f.unreadable["proc/12/task/12/attr/apparmor/current"] = syscall.EPERM
	if _, err := f.open(nil).Users(t.Context(), "p"); !errors.Is(err, ErrPermission) {
		t.Errorf("without the option: %v", err)
	}
	own := func(o *Options) { o.OwnUserNamespace = true }
	got, err := f.open(own).Users(t.Context(), "p")
	if want := []User{{11, 11, Label{"p", "enforce"}}}; err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	f.unreadable["proc/12/task/12/attr/apparmor/current"] = syscall.EIO
	if _, err := f.open(own).Users(t.Context(), "p"); !errors.Is(err, syscall.EIO) {
		t.Errorf("an error that is not about permission: %v", err)
	}
	f.file("proc/self/uid_map", firstMap)
	o := f.options()
	o.OwnUserNamespace = true
	if _, err := open(o, f.system()); !errors.Is(err, ErrUserNamespace) {
		t.Errorf("in the first user namespace: %v", err)
	}
	f.remove("proc/self/uid_map")
	if _, err := open(o, f.system()); !errors.Is(err, ErrNotExist) {
		t.Errorf("no uid_map: %v", err)
	}
}

func TestStartInNamespace(t *testing.T) {
	f := newFake(t)
	k := f.open(nil)
	for name, want := range map[string]error{"": ErrName, "a/b": ErrName, "a:b": ErrName, "..": ErrName, " a": ErrName, "a\nb": ErrName} {
		if err := k.StartInNamespace(t.Context(), exec.Command("/bin/true"), name, StartOptions{}); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	err := k.StartInNamespace(t.Context(), exec.Command("/bin/true"), "ns", StartOptions{Content: FingerprintOf(named(t, "p"))})
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("content: %v", err)
	}
	// The command reaches the kernel before a process is made.
	cmd := exec.Command(filepath.Join(f.dir, "missing"))
	err = k.StartInNamespace(t.Context(), cmd, "ns", StartOptions{})
	if !errors.Is(err, ErrNotExist) || errors.Is(err, ErrUserNamespace) {
		t.Errorf("a missing program: %v", err)
	}
	want := []string{"proc/thread-self/attr/apparmor/exec: stack :ns:unconfined"}
	if diff := cmp.Diff(want, f.writes); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if cmd.SysProcAttr.Cloneflags&syscall.CLONE_NEWUSER == 0 || len(cmd.SysProcAttr.UidMappings) != 1 || cmd.SysProcAttr.UidMappings[0].ContainerID != 0 {
		t.Errorf("%+v", cmd.SysProcAttr)
	}
	for err, want := range map[error]bool{
		syscall.EPERM: true, syscall.ENOSPC: true, syscall.EUSERS: true, syscall.EINVAL: true,
		syscall.EACCES: false, syscall.ENOENT: false, syscall.ENOMEM: false,
	} {
		if got := noUserNamespace(err); errors.Is(got, ErrUserNamespace) != want || !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
