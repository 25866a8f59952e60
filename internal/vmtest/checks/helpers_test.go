// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/loader"
)

// confine starts a probe under a label, at a path of its own.
func confine(t *testing.T, k *loader.Kernel, label string) *probe {
	t.Helper()
	path := other(t, "/usr/bin/confined-"+strings.Map(func(r rune) rune {
		if r == '/' || r == ':' || r == '&' {
			return '-'
		}
		return r
	}, label))
	// What each mode comes to is for the tests to find out.
	any := loader.Accept{Complain: true, Unconfined: true, Prompt: true}
	return newProbe(t, path, func(cmd *exec.Cmd) error {
		return k.StartWith(t.Context(), cmd, label, loader.StartOptions{Accept: any})
	})
}

// unconfined starts the control: what it can do and others cannot is denied by
// policy.
func unconfined(t *testing.T) *probe {
	t.Helper()
	return newProbe(t, "/init", (*exec.Cmd).Start)
}

// loadText compiles and loads a policy, without what the kernel cannot
// enforce, and returns what that is.
func loadText(t *testing.T, k *loader.Kernel, text string) []string {
	t.Helper()
	_, out := newCompiler(t).output(t, "text", text)
	load(t, k, out.Policy)
	var missing []string
	for _, d := range out.Degraded {
		missing = append(missing, d.String())
	}
	return missing
}

// base is what every probe needs.
const base = `
	/usr/bin/confined-* mr,
	/init mr,
	/dev/null rw,
	owner /proc/*/task/*/attr/apparmor/* rw,
	signal peer=@{profile_name},
`

// fresh returns a directory for a test.
func fresh(t *testing.T, dir string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// writeFile writes a file that root alone may use.
func writeFile(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// wantKilled has the probe do something that it does not survive.
func (p *probe) wantKilled(t *testing.T, want syscall.Signal, op string, args ...string) {
	t.Helper()
	a := attempt{op, args}
	if err := p.enc.Encode(a); err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	var o outcome
	if err := p.dec.Decode(&o); !errors.Is(err, io.EOF) {
		t.Errorf("%v: %+v, %v; want the end by %v", a, o, err, want)
		return
	}
	closeNow(t, p.in)
	err := p.cmd.Wait()
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != want {
		t.Errorf("%v: %v, want %v", a, err, want)
	}
}

// closeNow closes what a test has opened.
func closeNow(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// removeLater removes a file when the test ends.
func removeLater(t *testing.T, path string) {
	t.Helper()
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
}
