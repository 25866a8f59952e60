// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// The first thread never ends, and would keep the label that a test gives it.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	os.Exit(guest.Main(m, guest.Commands{
		"report":          report,
		"mark":            mark,
		"nnp":             startUnderNoNewPrivs,
		"forkchain":       forkChain,
		"inherited":       inherited,
		"start inherited": startInherited,
		"split manager":   splitMain,
		"split reader":    splitReader,

		"broker":        serveBroker,
		"broker client": brokerClient,
		"attempts":      attempts,

		"in namespace": inNamespace, "out of namespace": outOfNamespace,
		"enter namespace": enterNamespace, "namespace manager": namespaceManager,
		"namespace other": namespaceOther, "namespace refused": namespaceRefused, "namespace client": namespaceClient,
	}))
}

// kernel opens the loader and closes it with the test.
func kernel(t *testing.T) *loader.Kernel {
	t.Helper()
	k, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

// encode makes a policy of profiles that allow nothing, or the given ones.
func encode(t *testing.T, profiles ...*blob.Profile) *blob.Policy {
	t.Helper()
	p, err := blob.Encode(profiles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func minimal(name string) *blob.Profile { return &blob.Profile{Name: name} }

// reference returns a policy that apparmor_parser has compiled for the kernel.
func reference(t *testing.T, name string) *blob.Policy {
	t.Helper()
	p, err := blob.Inspect(guest.File(t, "reference/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// load replaces the policy, and removes what it brought with the test.
func load(t *testing.T, k *loader.Kernel, p *blob.Policy) {
	t.Helper()
	if err := k.Replace(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, name := range p.Names() {
			if blob.ParentName(name) != "" {
				continue // goes with its parent
			}
			if err := k.Remove(background, name); err != nil && !isNotExist(err) {
				t.Error(err)
			}
		}
	})
}

// onThread runs f on a thread that ends afterwards.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// Report is what the program "report" finds about itself.
type Report struct {
	Label      string
	Secret     string // what reading a denied file ends with
	NoNewPrivs bool
}

// report prints a Report.
func report([]string) int {
	label, err := os.ReadFile("/proc/self/attr/apparmor/current")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r := Report{Label: strings.TrimSpace(string(label)), Secret: "read"}
	if _, err := os.ReadFile("/files/secret"); err != nil {
		r.Secret = err.Error()
		if failed := (*os.PathError)(nil); errors.As(err, &failed) {
			r.Secret = failed.Err.Error()
		}
	}
	nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	r.NoNewPrivs = err == nil && nnp == 1
	if json.NewEncoder(os.Stdout).Encode(r) != nil {
		return 1
	}
	return 0
}

// mark leaves a file, to show that it ran, and waits for its end.
func mark(args []string) int {
	if err := os.WriteFile(args[0], nil, 0o644); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is closed
	return 0
}

// TestGuest checks that the guest is what the other tests rely on.
func TestGuest(t *testing.T) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		t.Fatal(err)
	}
	release := unix.ByteSliceToString(uts.Release[:])
	if release != guest.Release() {
		t.Errorf("kernel %s, want %s", release, guest.Release())
	}
	if self, err := os.ReadFile("/proc/self/attr/apparmor/current"); err != nil || string(self) != "unconfined\n" {
		t.Errorf("the tests run under %q, %v", self, err)
	}
}
