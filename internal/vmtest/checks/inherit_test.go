// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
)

// Inheritance is what a process finds that it was started with.
type Inheritance struct {
	Secret, Allowed string // what is where descriptors of these files were inherited
	LD              bool   // LD_PRELOAD is in the environment
	Secure          bool   // AT_SECURE, for the dynamic linker
	DeathSignal     int
	NoNewPrivs      bool
	HangupIgnored   bool
}

// inherited prints an Inheritance. Its argument is the number of the first of
// the two descriptors.
func inherited(args []string) int {
	first, err := strconv.Atoi(args[0])
	if err != nil {
		return 1
	}
	i := Inheritance{Secret: descriptor(first), Allowed: descriptor(first + 1), LD: os.Getenv("LD_PRELOAD") != ""}
	auxv, err := os.ReadFile("/proc/self/auxv")
	if err != nil {
		return 1
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == 23 { // AT_SECURE
			i.Secure = binary.NativeEndian.Uint64(auxv[8:]) != 0
		}
	}
	var death int32
	if err := unix.Prctl(unix.PR_GET_PDEATHSIG, uintptr(unsafe.Pointer(&death)), 0, 0, 0); err != nil {
		return 1
	}
	i.DeathSignal = int(death)
	if json.NewEncoder(os.Stdout).Encode(i) != nil {
		return 1
	}
	return 0
}

// descriptor says what a descriptor leads to.
func descriptor(fd int) string {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == unix.EBADF {
		return "closed"
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return err.Error()
	}
	if strings.HasPrefix(link, "anon_inode:") {
		return "closed" // the program's own, by now
	}
	if _, err := unix.Pread(fd, make([]byte, 1), 0); err != nil {
		errno := syscall.Errno(0)
		errors.As(err, &errno)
		return link + ", " + unix.ErrnoName(errno)
	}
	return link
}

// startInherited is a program that starts "inherited" under the profile helper
// with the options that its argument has, and prints what came of it.
func startInherited(args []string) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, err); return 1 }
	var o loader.StartOptions
	if err := json.Unmarshal([]byte(args[0]), &o); err != nil {
		return fail(err)
	}
	signal.Ignore(unix.SIGHUP)
	if err := os.Setenv("LD_PRELOAD", "/nothing"); err != nil {
		return fail(err)
	}
	var files []*os.File
	for _, name := range []string{"/files/secret", "/files/features"} {
		f, err := os.Open(name)
		if err != nil {
			return fail(err)
		}
		files = append(files, f)
	}
	tasks, err := loader.OpenTasks(loader.Options{})
	if err != nil {
		return fail(err)
	}
	defer tasks.Close()
	cmd := exec.Command("/init")
	first := 3
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGTERM}
	if args[1] == "extra" {
		cmd.ExtraFiles = files
	} else {
		first = 30
		for i, f := range files {
			// As a program in C leaves them open.
			if err := unix.Dup3(int(f.Fd()), first+i, 0); err != nil {
				return fail(err)
			}
		}
	}
	cmd.Args = []string{"inherited", strconv.Itoa(first)}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fail(err)
	}
	o.Started = new(loader.Started)
	if err := tasks.StartWith(context.Background(), cmd, "helper", o); err != nil {
		return fail(err)
	}
	text, err := io.ReadAll(out)
	if err != nil {
		return fail(err)
	}
	if err := cmd.Wait(); err != nil {
		return fail(err)
	}
	var i Inheritance
	if err := json.Unmarshal(text, &i); err != nil {
		return fail(err)
	}
	i.NoNewPrivs = o.Started.NoNewPrivs
	i.HangupIgnored = o.Started.Ignored&(1<<(unix.SIGHUP-1)) != 0
	if err := json.NewEncoder(os.Stdout).Encode(i); err != nil {
		return fail(err)
	}
	return 0
}

// TestStartInherits is the table of docs/start.md.
func TestStartInherits(t *testing.T) {
	k := kernel(t)
	load(t, k, reference(t, "helper"))
	load(t, k, reference(t, "starter"))
	const secret, allowed = "/files/secret", "/files/features"
	refused := "closed"
	if !guest.Since(6, 12) {
		refused = "/apparmor/.null, EACCES" // which is what reading it gives
	}
	for _, c := range []struct {
		starter string // label of the program that starts the other one
		o       loader.StartOptions
		how     string
		want    Inheritance
	}{
		// From a program without a profile.
		{"unconfined", loader.StartOptions{}, "leak", Inheritance{Secret: "closed", Allowed: "closed"}},
		{"unconfined", loader.StartOptions{}, "extra", Inheritance{Secret: secret, Allowed: allowed}},
		{"unconfined", loader.StartOptions{KeepFiles: true}, "leak", Inheritance{Secret: secret, Allowed: allowed}},
		{"unconfined", loader.StartOptions{KeepEnv: true}, "extra", Inheritance{Secret: secret, Allowed: allowed, LD: true}},
		{"unconfined", loader.StartOptions{NoNewPrivs: true}, "extra", Inheritance{Secret: secret, Allowed: allowed, NoNewPrivs: true}},
		// From one with a profile, which has opened the files under it.
		{"starter", loader.StartOptions{}, "leak", Inheritance{Secret: "closed", Allowed: "closed", Secure: true}},
		{"starter", loader.StartOptions{}, "extra", Inheritance{Secret: refused, Allowed: allowed, Secure: true}},
		{"starter", loader.StartOptions{KeepFiles: true, KeepEnv: true}, "leak", Inheritance{Secret: refused, Allowed: allowed, LD: true, Secure: true}},
	} {
		o, err := json.Marshal(c.o)
		if err != nil {
			t.Fatal(err)
		}
		c.want.HangupIgnored = true
		cmd := guest.Command(t, "start inherited", string(o), c.how)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := k.Start(t.Context(), cmd, c.starter); err != nil {
			t.Fatal(err)
		}
		var got Inheritance
		if err := json.NewDecoder(out).Decode(&got); err != nil {
			t.Errorf("%s, %s, %s: %v", c.starter, o, c.how, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s, %s, %s: %v", c.starter, o, c.how, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s, %s, %s (-want +got):\n%s", c.starter, o, c.how, diff)
		}
	}
}
