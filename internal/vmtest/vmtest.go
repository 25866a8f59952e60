// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// Config says what to run in guests.
type Config struct {
	// Package is the package of guest tests, as an import path or relative to
	// the directory of the test; empty: the calling one, whose TestMain then
	// hands over to guest.Main.
	Package string
	// Files returns the files to put into the guest of a kernel, by name; nil
	// for none. Guests run at the same time, so it must be safe for concurrent
	// use.
	Files func(tb testing.TB, k Kernel) map[string][]byte
	// Root returns more files of the guest's root file system, by their paths
	// without the first slash, such as programs; nil for none. It is called as
	// Files is.
	Root func(tb testing.TB, k Kernel) map[string]RootFile
	// Modules are modules of the kernel that are loaded before the tests, by
	// their names, with what they depend on.
	Modules []string
	// Generic boots the kernels for any machine, which have drivers for hardware,
	// instead of those for clouds.
	Generic bool
	// Hardware are further options of the QEMU that guests run in, and Boot
	// further parameters of their kernels, after the others.
	Hardware []string
	Boot     string
	// Memory of a guest in MiB; zero is 512.
	Memory int
	// Arch is the architecture of the guests, by Go's name; empty for amd64.
	// Another one than the host's is emulated.
	Arch string
	// Roles of the kernels to boot; nil for all of Kernels.
	Roles []string
	// Args are further flags for the test binary.
	Args []string
	// Timeout ends a guest that takes longer, boot included; zero is three
	// minutes.
	Timeout time.Duration
}

const (
	defaultTimeout = 3 * time.Minute
	defaultMemory  = 512
)

// RootFile is a file of a guest's root file system: a regular one, or a
// symbolic link whose target is Data.
type RootFile struct {
	Mode fs.FileMode
	Data []byte
}

// Run boots each kernel, in parallel, and shows the tests of the guest as
// subtests of t, below the role that the kernel has first. What is missing on
// the host skips a kernel, see testenv.Missing.
func Run(t *testing.T, c Config) {
	t.Helper()
	a, ok := arches[c.Arch]
	if !ok {
		t.Fatalf("unknown architecture %q", c.Arch)
	}
	a.generic = c.Generic
	var binary []byte
	if c.Package == "" {
		binary = own(t, a)
	} else {
		binary = build(t, c.Package, a)
	}
	if run := os.Getenv("APPARMOR_TEST_VMRUN"); run != "" {
		c.Args = append(slices.Clone(c.Args), "-test.run="+run)
	}
	each(t, a, c.Roles, func(t *testing.T, k Kernel) {
		r, err := c.boot(t, k, binary)
		t.Logf("%s, %v of processor time", r.accel, r.cpu.Round(time.Second))
		show(t, r.output)
		if err != nil {
			t.Errorf("%v\n%s", err, tail(r.console, 60))
		} else if r.exit != 0 && !t.Failed() {
			t.Errorf("the tests ended with status %d", r.exit)
		}
	})
}

// own returns the calling test binary, or the same tests linked statically if
// it needs libraries or is for another machine.
func own(t testing.TB, a arch) []byte {
	t.Helper()
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	linked := slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if linked || a.name != runtime.GOARCH {
		return build(t, ".", a)
	}
	return data
}

// build compiles the tests of a package into a static binary for guests.
func build(t testing.TB, pkg string, a arch) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "init")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-o", out, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+a.name, "GOFLAGS=")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, msg)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	readSources(t, pkg)
	return data
}

// readSources looks at the module's sources that went into the tests of a
// package. The go command takes note of the files that a test looks at, and runs it again
// when that has changed, instead of showing the result that it has kept.
func readSources(t testing.TB, pkg string) {
	t.Helper()
	const format = `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}	{{.}}
{{end}}{{range $.EmbedFiles}}{{$.Dir}}	{{.}}
{{end}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-test", "-f", format, pkg).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	read := 0
	for line := range strings.Lines(string(out)) {
		dir, file, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || filepath.IsAbs(file) {
			continue // what the go command makes is in its cache
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Fatal(err)
		}
		read++
	}
	if read == 0 {
		t.Fatalf("%s has no sources", pkg)
	}
}

// boot runs one guest.
func (c Config) boot(t testing.TB, k Kernel, binary []byte) (report, error) {
	t.Helper()
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if testenv.Full() {
		c.Timeout *= 4 // hours of other tests run beside
	}
	a := k.arch
	m := machine{
		arch:    a,
		qemu:    testenv.Command(t, a.qemu, a.qemuPackage),
		accel:   os.Getenv("APPARMOR_TEST_ACCEL"),
		kernel:  k.Image,
		timeout: c.Timeout,
		memory:  cmp.Or(c.Memory, defaultMemory),
		more:    c.Hardware,
		boots:   c.Boot,
		dir:     t.TempDir(),
	}
	m.initrd = filepath.Join(m.dir, "initrd")
	var files map[string][]byte
	if c.Files != nil {
		files = c.Files(t, k)
	}
	var root map[string]RootFile
	if c.Root != nil {
		root = c.Root(t, k)
	}
	loaded, err := modules(t, k, c.Modules)
	if err != nil {
		testenv.Missing(t, err.Error(), "tests fetch the modules of kernels with apt from Debian's mirror")
	}
	if len(loaded) > 0 {
		if root = maps.Clone(root); root == nil {
			root = map[string]RootFile{}
		}
		for i, data := range loaded {
			root[fmt.Sprintf("%s/%03d", strings.TrimPrefix(guest.ModulesDir, "/"), i)] = RootFile{0o644, data}
		}
	}
	if err := c.writeInitrd(m.initrd, k, binary, files, root); err != nil {
		t.Fatal(err)
	}
	return m.boot(t.Context())
}

// writeInitrd writes the guest's root file system.
func (c Config) writeInitrd(name string, k Kernel, binary []byte, files map[string][]byte, root map[string]RootFile) error {
	args := []string{
		"-test.v=test2json",
		"-test.paniconexit0",
		// Shorter than the host's patience, for the stacks that it prints.
		fmt.Sprintf("-test.timeout=%v", c.Timeout*3/4),
	}
	conf, err := json.Marshal(guest.Config{
		Release:   k.Release,
		Port:      "/dev/" + k.arch.port,
		Scenarios: testenv.Full() || slices.ContainsFunc(k.Roles, func(role string) bool { return slices.Contains(scenarioRoles, role) }),
		Args:      append(args, c.Args...),
	})
	if err != nil {
		return err
	}
	entries := []cpioEntry{
		{name: "dev", mode: cpioDir | 0o755},
		{name: "dev/console", mode: cpioChar | 0o600, major: 5, minor: 1},
		{name: "init", mode: cpioReg | 0o755, data: binary},
		{name: strings.TrimPrefix(guest.ConfigFile, "/"), mode: cpioReg | 0o644, data: conf},
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		entries = append(entries, cpioEntry{
			name: strings.TrimPrefix(guest.FilesDir, "/") + "/" + name,
			mode: cpioReg | 0o644,
			data: files[name],
		})
	}
	for _, name := range slices.Sorted(maps.Keys(root)) {
		mode := uint32(cpioReg)
		if root[name].Mode&fs.ModeSymlink != 0 {
			mode = cpioLink
		}
		entries = append(entries, cpioEntry{name: name, mode: mode | uint32(root[name].Mode.Perm()), data: root[name].Data})
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	err = writeCpio(w, entries)
	return errors.Join(err, w.Flush(), f.Close())
}

// show turns the output of a test binary into subtests of t.
func show(t *testing.T, output []byte) {
	t.Helper()
	events, err := convert(t.Context(), output)
	if err != nil {
		t.Fatal(err)
	}
	root := newResult(events)
	if len(root.sub) == 0 {
		t.Error("the guest ran no tests")
	}
	root.show(t)
}

// convert runs the output of a test binary through go tool test2json.
func convert(ctx context.Context, output []byte) ([]event, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", "test2json", "-t")
	cmd.Stdin = bytes.NewReader(output)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool test2json: %w: %s", err, stderr.Bytes())
	}
	var events []event
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var e event
		if err := dec.Decode(&e); err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return events, nil
}

// tail returns the last n lines.
func tail(b []byte, n int) string {
	lines := strings.Split(strings.ReplaceAll(string(b), "\r", ""), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
