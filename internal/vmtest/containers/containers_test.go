// SPDX-License-Identifier: Apache-2.0

//go:build linux

package containers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

func TestMain(m *testing.M) { os.Exit(guest.Main(m, commands)) }

const (
	uuid1 = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a21"
	uuid2 = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a22"
)

// TestContainers runs two containers with each runtime, each under a profile of
// its own. Programs in them do what programs do, and are denied what the
// template says; what is logged as denied is what the table of tries names, and
// nothing else. The runtimes have the names that Debian's package apparmor gives
// them.
func TestContainers(t *testing.T) {
	if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	mkdir(t, "/usr/lib/x86_64-linux-gnu/lxc/rootfs")
	mkdir(t, "/etc/apparmor.d")
	nameRuntimes(t)
	for i := range Runtimes {
		r := &Runtimes[i]
		t.Run(r.Name, func(t *testing.T) { testRuntime(t, r) })
	}
}

// nameRuntimes loads profiles that allow everything and have a name.
func nameRuntimes(t *testing.T) {
	t.Helper()
	var text strings.Builder
	text.WriteString("abi <abi/5.0>,\n")
	for _, path := range []string{"/usr/bin/crun", "/usr/{s,}bin/runc", "/usr/bin/lxc-attach", "/usr/bin/lxc-execute", "/usr/bin/lxc-stop"} {
		fmt.Fprintf(&text, "profile %s %s flags=(unconfined) {\n  userns,\n}\n", filepath.Base(path), path)
	}
	load(t, text.String())
}

func testRuntime(t *testing.T, r *Runtime) {
	ctx := t.Context()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Types: []string{r.Type}})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	log := guest.OpenKernelLog(t)
	for _, uuid := range []string{uuid1, uuid2} {
		if err := manager.Create(ctx, &svirt.Domain{UUID: uuid, Name: r.Name + uuid[len(uuid)-1:], Type: r.Type}); err != nil {
			t.Fatal(err)
		}
	}
	first := start(t, r, &Container{Name: r.Name + "1", Label: "libvirt-" + uuid1, Args: []string{waitProgram}})
	found := first.report(t)
	if found["label"] != first.Label+" (enforce)" {
		t.Errorf("it is under %q", found["label"])
	}
	host := first.pid(t)

	second := start(t, r, &Container{Name: r.Name + "2", Label: "libvirt-" + uuid2, Args: []string{workProgram, found["pid"]}, PIDs: host})
	if err := second.wait(time.Minute); err != nil {
		t.Errorf("%v\n%s", err, second.said())
	}
	var logged []string // the profile and the operation
	results := second.report(t)
	if results["label"] != second.Label+" (enforce)" {
		t.Errorf("it is under %q", results["label"])
	}
	for _, try := range tries(1) {
		want, log := try.OCI, try.OCILog
		if r.Type == "lxc" {
			want, log = try.LXC, try.LXCLog
		}
		if got := results[try.Name]; got != verdictOf(want) {
			t.Errorf("%s: %s, want %s", try.Name, got, verdictOf(want))
		}
		if log != "" {
			logged = append(logged, second.Label+" "+log)
			if try.Both {
				logged = append(logged, first.Label+" "+log)
			}
		}
	}

	// Another program in it is under its profile, too.
	enter := r.Exec(&first.Container, labelProgram)
	out, err := exec.CommandContext(ctx, enter[0], enter[1:]...).CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != first.Label+" (enforce)" {
		t.Errorf("another program: %v: %s", err, got)
	}
	stop := r.Stop(&first.Container)
	if out, err := exec.CommandContext(ctx, stop[0], stop[1:]...).CombinedOutput(); err != nil {
		t.Errorf("%v: %v: %s", stop, err, out)
	}
	if err := first.wait(time.Minute); err != nil {
		t.Errorf("%v\n%s", err, first.said())
	}
	for _, uuid := range []string{uuid2, uuid1} {
		if err := manager.Remove(context.WithoutCancel(ctx), uuid); err != nil {
			t.Error(err)
		}
	}
	var denied []string
	for _, record := range log.Until(t, `operation="profile_remove"`, `name="libvirt-`+uuid1+`"`) {
		if !strings.Contains(record, `apparmor="DENIED"`) {
			continue
		}
		e, err := audit.Parse(record)
		if err != nil {
			t.Errorf("%s: %v", record, err)
			continue
		}
		i := slices.Index(logged, e.Profile+" "+e.Operation)
		if i < 0 {
			denied = append(denied, strings.TrimSpace(record))
			continue
		}
		logged = slices.Delete(logged, i, i+1)
	}
	if len(denied) > 0 {
		t.Errorf("denied, and not named:\n%s", strings.Join(denied, "\n"))
	}
	if len(logged) > 0 {
		t.Errorf("not logged as denied: %q", logged)
	}
}

// running is a container that runs.
type running struct {
	Container
	out   bytes.Buffer
	ended chan struct{}
	err   error
}

// start makes the root of a container, and runs it.
func start(t *testing.T, r *Runtime, c *Container) *running {
	t.Helper()
	if err := os.RemoveAll(c.dir()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bin", "proc", "sys", "dev", "tmp", "mnt", "opt"} {
		mkdir(t, filepath.Join(c.root(), name))
	}
	for name := range commands {
		if err := os.Link("/init", filepath.Join(c.root(), "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	args := r.Prepare(t, c)
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	run := &running{Container: *c, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &run.out, &run.out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(run.ended); run.err = cmd.Wait() }()
	t.Cleanup(func() {
		select {
		case <-run.ended:
		default:
			// Its processes end with the guest.
			_ = cmd.Process.Kill()
			<-run.ended
		}
	})
	return run
}

// wait waits for the container's end.
func (r *running) wait(d time.Duration) error {
	select {
	case <-r.ended:
		return r.err
	case <-time.After(d):
		return errors.New("it does not end")
	}
}

// said is what the runtime said, when it has ended.
func (r *running) said() string {
	select {
	case <-r.ended:
	default:
		return "it still runs"
	}
	log, _ := os.ReadFile(filepath.Join(r.dir(), "log"))
	return r.out.String() + string(log)
}

// report waits for what the container's program says.
func (r *running) report(t *testing.T) map[string]string {
	t.Helper()
	for range 600 {
		data, err := os.ReadFile(filepath.Join(r.root(), report))
		if err == nil {
			found := map[string]string{}
			if err := json.Unmarshal(data, &found); err != nil {
				t.Fatal(err)
			}
			return found
		}
		select {
		case <-r.ended:
			t.Fatalf("%s: %v\n%s", r.Name, r.err, r.said())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatalf("%s says nothing", r.Name)
	return nil
}

// pid finds the first process of the container, as the host numbers it.
func (r *running) pid(t *testing.T) int {
	t.Helper()
	list, err := filepath.Glob("/proc/[0-9]*/attr/apparmor/current")
	if err != nil {
		t.Fatal(err)
	}
	var found []int
	for _, name := range list {
		data, err := os.ReadFile(name)
		var pid int
		if _, scan := fmt.Sscanf(name, "/proc/%d/", &pid); err == nil && scan == nil && strings.HasPrefix(string(data), r.Label+" ") {
			found = append(found, pid)
		}
	}
	if len(found) == 0 {
		t.Fatalf("no process is under %s", r.Label)
	}
	return slices.Min(found)
}

func mkdir(t *testing.T, name string) {
	t.Helper()
	if err := os.MkdirAll(name, 0o755); err != nil {
		t.Fatal(err)
	}
}

// load loads profiles, which stay.
func load(t *testing.T, text string) {
	t.Helper()
	k, err := loader.Open(loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Text(t.Context(), "runtimes", text, compile.Source{
		Kernel: set, Roots: []fs.FS{svirt.PolicyFS()}, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Load(t.Context(), out.Policy); err != nil {
		t.Fatal(err)
	}
}

// TestNames holds the tries to distinct names.
func TestNames(t *testing.T) {
	names := map[string]int{}
	for _, try := range tries(1) {
		names[try.Name]++
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if names[name] != 1 {
			t.Errorf("%s: %d tries", name, names[name])
		}
	}
}
