// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// aliceUID is a user without privileges.
const aliceUID = 1000

// errnoOf names the error number of an error.
func errnoOf(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &errno):
		return unix.ErrnoName(errno)
	}
	return err.Error()
}

// inNamespace says what a process that is root in a user namespace of its own may
// do to policy.
func inNamespace(args []string) int {
	out := map[string]string{}
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			return errnoOf(err)
		}
		return strings.TrimSpace(string(text))
	}
	const at = "/sys/kernel/security/apparmor/"
	out["label"] = read("/proc/self/attr/apparmor/current")
	out["level"], out["name"], out["stacked"] = read(at+".ns_level"), read(at+".ns_name"), read(at+".stacked")
	policy, err := os.ReadFile(args[0])
	if err != nil {
		out["file"] = err.Error()
	}
	write := func(name string, data []byte) string {
		f, err := os.OpenFile(at+name, os.O_WRONLY, 0)
		if err != nil {
			return "open: " + errnoOf(err)
		}
		defer f.Close()
		_, err = f.Write(data)
		return errnoOf(err)
	}
	out[".replace"], out["policy/.replace"] = write(".replace", policy), write("policy/.replace", policy)
	out["change"] = errnoOf(os.WriteFile("/proc/thread-self/attr/apparmor/exec", []byte("exec own"), 0))
	out["mkdir"] = errnoOf(os.Mkdir(at+"policy/namespaces/below", 0o755))
	if json.NewEncoder(os.Stdout).Encode(out) != nil {
		return 1
	}
	return 0
}

// outOfNamespace starts inNamespace in a user namespace of its own, as a user
// without privileges, after it has stacked what the second argument names.
func outOfNamespace(args []string) int {
	tasks, err := loader.OpenTasks(loader.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command("/init")
	cmd.Args = []string{"in namespace", args[0]}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	onThread(func() {
		if len(args) > 1 {
			if err = tasks.StackOnExec(args[1]); err != nil {
				return
			}
		}
		err = cmd.Run()
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestUserNamespacePolicy finds out whether a user without privileges may have
// policy of its own: in a user namespace, with and without a policy namespace that
// root has made for it.
func TestUserNamespacePolicy(t *testing.T) {
	k := kernel(t)
	namespace(t, k, "session-1000")
	if err := os.WriteFile("/tmp/own", encode(t, minimal("own")).Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	removeLater(t, "/tmp/own")
	try := func(args ...string) map[string]string {
		cmd := guest.Command(t, "out of namespace", append([]string{"/tmp/own"}, args...)...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: aliceUID, Gid: aliceUID}}
		out := map[string]string{}
		said, err := cmd.CombinedOutput()
		if err == nil {
			err = json.Unmarshal(said, &out)
		}
		if err != nil {
			t.Errorf("%v: %v: %s", args, err, said)
		}
		t.Logf("%v: %v", args, out)
		return out
	}
	for _, c := range []struct {
		args []string
		want map[string]string
	}{
		// The level of the user namespace is not that of the policy namespace.
		{nil, map[string]string{
			"label": "unconfined", "level": "0", "name": "root", "stacked": "no",
			".replace": "EACCES", "policy/.replace": "open: EACCES", "change": "ENOENT", "mkdir": "EACCES",
		}},
		// Root has made the policy namespace, and the user stacks it. Policy is
		// loaded by the file that belongs to nobody's namespace; those of the policy
		// namespace are root's.
		{[]string{":session-1000:unconfined"}, map[string]string{
			"label": "unconfined", "level": "1", "name": "session-1000", "stacked": "yes",
			".replace": "ok", "policy/.replace": "open: EACCES", "change": "ok", "mkdir": "EACCES",
		}},
	} {
		if diff := cmp.Diff(c.want, try(c.args...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.args, diff)
		}
	}
	wantLoaded(t, k, ":session-1000:own (enforce)")
}
