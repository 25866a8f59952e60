// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/vmtest"
)

func TestMain(m *testing.M) { os.Exit(vmtest.Main(m, vmtest.Commands{"program": program})) }

// TestKernels runs the tests below on the kernel of Debian 13 and on that of
// sid.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Options{Roles: []string{"trixie", "sid"}, Tests: "^TestGuest", Timeout: 25 * time.Minute})
}

// program is what runs in the container: it says under which label it runs and
// which files it can read, until its input ends.
func program(args []string) int {
	for _, name := range args {
		if f, err := os.Open(name); err == nil {
			_ = f.Close() // only read
			_, _ = os.Stdout.WriteString(name + "\n")
		} else if !errors.Is(err, fs.ErrPermission) {
			_, _ = os.Stdout.WriteString(err.Error() + "\n")
		}
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	return 7
}

// root makes a root directory with the program and two files.
func root(t *testing.T) string {
	t.Helper()
	dir := "/srv/root"
	for name, text := range map[string]string{"public": "", "secret": ""} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(dir+"/"+name, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.ReadFile("/init")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/program", self, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestGuestRun runs a container with its profile alone, stacked with that of a
// service, and with policy of its own. A file outside is open to the container
// by a hole in its root, a file system of the host that is mounted there.
func TestGuestRun(t *testing.T) {
	vmtest.Guest(t)
	ctx := t.Context()
	kernel, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	service(t, "profile service { file, signal, deny /srv/root/public r, }")
	dir := root(t)
	for _, c := range []struct {
		name  string
		label string
		Container
		want string // what it reads
	}{
		{"onexec", "container-web", Container{}, "/public /secret"},
		{"stacked", "container-web//&service", Container{Stack: "service"}, "/secret"},
		{"namespace", "container-web//&:container-web:init", Container{Policy: "profile init { file, signal, deny /srv/root/secret r, }"}, "/public"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.ID, c.Root = "web", dir
			cmd := exec.CommandContext(ctx, "/program", "/public", "/secret")
			cmd.Args[0] = "program"
			cmd.Env = nil
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out := &strings.Builder{}
			cmd.Stdout, cmd.Stderr = out, out
			// What runs is looked at, then ended.
			looked, ended := make(chan string, 1), make(chan struct{})
			go func() {
				defer in.Close()
				looked <- running(t, kernel, ended)
			}()
			code, err := c.run(ctx, kernel, cmd)
			close(ended)
			if label := <-looked; !loader.ParseLabel(label).Is(c.label) {
				t.Errorf("it runs under %q, want %q", label, c.label)
			}
			if code != 7 || err != nil {
				t.Errorf("status %d, %v", code, err)
			}
			if got := strings.Join(strings.Fields(out.String()), " "); got != c.want {
				t.Errorf("it reads %q, want %q", got, c.want)
			}
			if _, err := kernel.Profile(ctx, "container-web"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("its profile is left: %v", err)
			}
			if _, err := kernel.Namespace(ctx, "container-web", false); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("its namespace is left: %v", err)
			}
		})
	}
}

// running waits for a process of the container and returns its label.
func running(t *testing.T, kernel *loader.Kernel, ended <-chan struct{}) string {
	for {
		users, err := kernel.Users(t.Context(), "container-web")
		if err == nil && len(users) > 0 {
			return users[0].Label.String()
		}
		select {
		case <-ended:
			return "" // it did not start
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// service loads the profile of somebody else.
func service(t *testing.T, text string) {
	t.Helper()
	kernel, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	set, err := kernel.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Text(t.Context(), "service", text, compile.Source{Kernel: set})
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.Load(t.Context(), out.Policy); err != nil {
		t.Fatal(err)
	}
}

// TestGuestTaken: what runs keeps its profile, and a second container of its ID
// is refused and does not take the first one's profile away.
func TestGuestTaken(t *testing.T) {
	vmtest.Guest(t)
	ctx := t.Context()
	kernel, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	c := Container{ID: "web", Root: root(t)}
	label, err := c.load(ctx, kernel)
	if err != nil {
		t.Fatal(err)
	}
	cmd := vmtest.Command(t, "program")
	cmd.Path = c.Root + "/program"
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := kernel.Start(ctx, cmd, label); err != nil {
		t.Fatal(err)
	}
	if err := c.remove(ctx, kernel); !errors.Is(err, loader.ErrInUse) {
		t.Errorf("removed while it runs: %v", err)
	}
	if code, err := c.run(ctx, kernel, exec.CommandContext(ctx, "/program")); code != 125 || !errors.Is(err, loader.ErrExist) {
		t.Errorf("a second one: status %d, %v", code, err)
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // 7
	if _, err := kernel.Profile(ctx, "container-web"); err != nil {
		t.Errorf("the first one's profile: %v", err)
	}
	if err := c.remove(ctx, kernel); err != nil {
		t.Error(err)
	}
}
