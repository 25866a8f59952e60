// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/testenv"
)

// suitesEnv names the suites whose libvirtd is tested.
const suitesEnv = "APPARMOR_TEST_LIBVIRTD"

// suites returns the suites to test, or skips the test.
func suites(t *testing.T) []string {
	t.Helper()
	list := strings.FieldsFunc(os.Getenv(suitesEnv), func(r rune) bool { return r == ',' || r == ' ' })
	if len(list) == 0 {
		t.Skipf("an extra, since it takes long: set %s=trixie, or run make libvirtd", suitesEnv)
	}
	return list
}

// disk is what a machine boots from.
type disk struct {
	dir      string
	versions map[string]string // of packages, and of the kernel
}

// openDisk returns the disk of a suite, and makes it if there is none, or one of
// another image.sh. Its kind is
// none, for libvirtd, or "managers".
func openDisk(t *testing.T, suite string, kind ...string) disk {
	t.Helper()
	name := strings.Join(append([]string{suite}, kind...), "-")
	d := disk{dir: filepath.Join(testenv.CacheDir(t), "libvirtd", name), versions: map[string]string{}}
	if d.read(); d.versions["image"] != imageSum(t) {
		testenv.Command(t, "mmdebstrap", "mmdebstrap")
		testenv.Command(t, "mke2fs", "e2fsprogs")
		testenv.Command(t, "cpio", "cpio")
		if os.Getuid() != 0 {
			testenv.Missing(t, "root, to make a disk", "run ./internal/libvirtd/image.sh as root once")
		}
		cmd := exec.CommandContext(t.Context(), "./image.sh", append([]string{suite, d.dir}, kind...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("image.sh %s: %v\n%s", suite, err, out)
		}
	}
	if d.read(); d.versions["image"] != imageSum(t) {
		t.Fatalf("image.sh made %s, of which it says: %v", d.dir, d.versions)
	}
	return d
}

// read reads what a disk has; if there is none, it has nothing.
func (d disk) read() {
	text, _ := os.ReadFile(filepath.Join(d.dir, "versions"))
	for line := range strings.Lines(string(text)) {
		name, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		d.versions[name] = version
	}
}

// imageSum is the sum of what disks are made by, in the form of image.sh.
func imageSum(t *testing.T) string {
	t.Helper()
	h := sha256.New()
	for _, name := range []string{"image.sh", "guest/first", "guest/script.service"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = h.Write(text) // which never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// result is what a script printed and left.
type result struct {
	steps  []step
	first  []string          // "name text", seen before all steps
	seen   map[string]string // by name; the last of a name
	times  []string          // "name milliseconds milliseconds"
	denied []string          // lines of the kernel's, in order
	files  map[string][]byte // what it left in /guest/out
	output string
}

// step is one command of a script.
type step struct {
	name   string
	status int
	took   time.Duration
	output []string
	seen   []string // "name text", after it
	denied []string // lines of the kernel's
}

// run boots a machine from the disk, of which nothing is changed, and runs a
// script with files in /guest. What it prints is logged while it runs.
func (d disk) run(t *testing.T, script string, files map[string][]byte, timeout time.Duration) result {
	t.Helper()
	qemu := testenv.Command(t, "qemu-system-x86_64", "qemu-system-x86")
	dir := t.TempDir()
	in, out, console := filepath.Join(dir, "in"), filepath.Join(dir, "out"), filepath.Join(dir, "console")
	all := map[string][]byte{"script": []byte(script), "now": []byte(strconv.FormatInt(time.Now().Unix(), 10))}
	own, err := filepath.Glob("guest/*")
	if err != nil || len(own) == 0 {
		t.Fatalf("guest: %d files, %v", len(own), err)
	}
	for _, name := range own {
		if all[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range files {
		all[name] = data
	}
	if err := writeTar(in, all); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(out, nil, 0o600), os.Truncate(out, 256<<20)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), timeout, fmt.Errorf("the machine is not done after %v", timeout))
	defer cancel()
	drive := func(file, format, more string) string {
		return "file=" + file + ",format=" + format + ",if=virtio,cache=unsafe" + more
	}
	// Without cx16, because 6.12 panics at random around cmpxchg16b under TCG.
	// The machine's clock counts its instructions, one a nanosecond, so that how
	// long libvirtd waits for a program is the same on a machine that is busy.
	cmd := exec.CommandContext(ctx, qemu, "-accel", "tcg,thread=single,tb-size=512", "-icount", "shift=0,sleep=on", "-rtc", "clock=vm",
		"-cpu", "max,-cx16", "-m", "3072", "-smp", "1",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(d.dir, "vmlinuz"), "-initrd", filepath.Join(d.dir, "initrd"),
		"-append", "console=ttyS0 quiet panic=-1 no_timer_check audit=1 audit_backlog_limit=8192 log_buf_len=8M apparmor=1",
		"-drive", drive(filepath.Join(d.dir, "root.img"), "raw", ",snapshot=on"),
		"-drive", drive(in, "raw", ",readonly=on"), "-drive", drive(out, "raw", ""),
		"-device", "virtio-rng-pci", "-serial", "file:"+console, "-serial", "stdio")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	cmd.SysProcAttr = &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	lines, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := result{seen: map[string]string{}}
	ended := r.read(t, lines)
	err = cmd.Wait()
	if !ended {
		text, _ := os.ReadFile(console)
		t.Fatalf("the machine ended before its script: %v %v %s\n%s", context.Cause(ctx), err, stderr.Bytes(), text[max(0, len(text)-4000):])
	}
	if r.files, err = readTar(out); err != nil {
		t.Fatal(err)
	}
	return r
}

// read reads what a script prints, and reports whether it ended.
func (r *result) read(t *testing.T, lines io.Reader) bool {
	t.Helper()
	var text strings.Builder
	defer func() { r.output = text.String() }()
	var output []string
	mark := ""
	for s := bufio.NewScanner(lines); s.Scan(); {
		line := strings.TrimRight(s.Text(), "\r")
		text.WriteString(line + "\n")
		t.Log(line)
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "@step":
			one := step{output: output}
			var ms int
			if _, err := fmt.Sscanf(rest, "%s %d %d", &one.name, &one.status, &ms); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			one.took = time.Duration(ms) * time.Millisecond
			r.steps, output = append(r.steps, one), nil
		case "@see":
			name, text, _ := strings.Cut(rest, " ")
			r.seen[name] = text
			if n := len(r.steps); n > 0 {
				r.steps[n-1].seen = append(r.steps[n-1].seen, rest)
			} else {
				r.first = append(r.first, rest)
			}
		case "@time":
			r.times = append(r.times, rest)
		case "@mark":
			mark = rest
		case "@denied":
			r.denied = append(r.denied, rest)
			for i := range r.steps {
				if one := &r.steps[i]; one.name == mark && !slices.Contains(one.denied, rest) {
					one.denied = append(one.denied, rest)
				}
			}
		case "@end":
			return true
		default:
			if line = strings.TrimSpace(line); line != "" {
				output = append(output, line)
			}
		}
	}
	return false
}

// writeTar writes files, which may be run, in order of their names.
func writeTar(name string, files map[string][]byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	w := tar.NewWriter(f)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	// A block device is whole sectors, and tar reads whole records.
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return f.Truncate((size + 1<<20) &^ (1<<20 - 1))
}

// readTar reads all files of an archive.
func readTar(name string) (map[string][]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	out := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if h.FileInfo().Mode()&fs.ModeType != 0 {
			continue
		}
		if out[strings.TrimPrefix(h.Name, "./")], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}

// buildCommand builds one of our commands for a machine.
func buildCommand(t *testing.T, command string) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), command)
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", name, "github.com/goarmor/apparmor/cmd/"+command)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// buildHelper builds cmd/virt-aa-helper for a machine.
func buildHelper(t *testing.T) map[string][]byte {
	t.Helper()
	profile, err := os.ReadFile(filepath.Join(testenv.Root(t), "cmd", "virt-aa-helper", "usr.lib.libvirt.virt-aa-helper"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"virt-aa-helper": buildCommand(t, "virt-aa-helper"), "profile": profile}
}
