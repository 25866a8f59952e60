// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// vmm is where the test binary plays the virtual machine monitor: a path that
// the template of libvirt's QEMU driver knows.
const vmm = "/usr/bin/qemu-system-x86_64"

// machine is a virtual machine with its files in a directory of its own.
type machine struct {
	*svirt.Domain
	dir string
	*probe
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }
func (m *machine) profile() string         { return "libvirt-" + m.UUID }

// newMachine describes a machine and makes its files. The template is that of
// libvirt's QEMU driver.
func newMachine(t *testing.T, name, uuid string) *machine {
	t.Helper()
	m := &machine{dir: filepath.Join("/srv", name)}
	if err := os.MkdirAll(m.file("snapshots"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(m.dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"disk.img", "seed.iso", "late.img"} {
		if err := os.WriteFile(m.file(name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m.Domain = &svirt.Domain{
		UUID: uuid,
		Name: name,
		Type: "kvm",
		Devices: svirt.Devices{
			Disks: []svirt.Disk{
				{ID: "vda", Image: svirt.Image{Path: m.file("disk.img"), Format: "raw"}},
				{ID: "sda", Image: svirt.Image{Path: m.file("seed.iso"), Format: "raw"}, ReadOnly: true},
			},
			Serials: []svirt.Chardev{{ID: "serial0", Type: svirt.ChardevFile, Path: m.file("serial.log")}},
			Extra:   []svirt.PathGrant{{ID: "snapshots", Path: m.file("snapshots"), Perms: "rwkl", Recursive: true}},
		},
	}
	return m
}

// start runs a probe under the machine's profile.
func (m *machine) start(t *testing.T, manager *svirt.Manager) {
	t.Helper()
	m.probe = newProbe(t, vmm, func(cmd *exec.Cmd) error { return manager.Start(t.Context(), m.UUID, cmd) })
}

// newManager returns a manager as on any host: the running kernel's AppArmor,
// /etc/apparmor.d, which has no templates here, and so the templates of the
// package.
func newManager(t *testing.T) *svirt.Manager {
	t.Helper()
	if err := os.MkdirAll("/etc/apparmor.d", 0o755); err != nil {
		t.Fatal(err)
	}
	return newManagerWith(t, svirt.ManagerOptions{})
}

func newManagerWith(t *testing.T, o svirt.ManagerOptions) *svirt.Manager {
	t.Helper()
	manager, err := svirt.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Close(); err != nil {
			t.Error(err)
		}
	})
	return manager
}

// create creates the machine and removes it with the test.
func (m *machine) create(t *testing.T, manager *svirt.Manager) {
	t.Helper()
	if err := manager.Create(t.Context(), m.Domain); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := manager.Remove(background, m.UUID); err != nil {
			t.Error(err)
		}
	})
}

// step is an attempt and what becomes of it under a machine's profile. Without
// confinement it always succeeds.
type step struct {
	want syscall.Errno
	op   string
	args []string
}

func allow(op string, args ...string) step { return step{0, op, args} }
func deny(op string, args ...string) step  { return step{syscall.EACCES, op, args} }

// TestMachines runs two machines beside each other, and a process that is not
// confined: what it can do shows that a denial is AppArmor's.
func TestMachines(t *testing.T) {
	guest.Scenario(t)
	t.Run("own templates", func(t *testing.T) {
		from := templates{exists: syscall.EACCES}
		// They are written for an ABI that knows of both.
		set, err := kernel(t).Features(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(set.Words("namespaces/mask"), "userns_create") {
			from.userns = syscall.EACCES
		}
		if set.Unix() {
			from.abstract = syscall.EACCES
		}
		tryMachines(t, newManager(t), from)
	})
	// With what Debian has in /etc/apparmor.d. That of sid has a profile for passt
	// below a machine's.
	for _, host := range []struct {
		name, files string
		from        templates
	}{
		{"Debian's templates", "debian", templates{}},
		{"sid's templates", "libvirt", templates{children: []string{"//passt"}}},
	} {
		t.Run(host.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "apparmor.d")
			if err := os.CopyFS(dir, os.DirFS(filepath.Join(guest.FilesDir, host.files))); err != nil {
				t.Fatal(err)
			}
			tryMachines(t, newManagerWith(t, svirt.ManagerOptions{Dir: dir, Templates: svirt.TemplatesHost}), host.from)
		})
	}
}

// templates is in what templates differ.
type templates struct {
	exists   syscall.Errno // asking whether any process exists
	userns   syscall.Errno // a user namespace
	abstract syscall.Errno // a unix socket with an abstract name
	children []string      // profiles below a machine's
}

func tryMachines(t *testing.T, manager *svirt.Manager, from templates) {
	k := kernel(t)
	other(t, vmm)
	other(t, "/usr/bin/stranger")
	web := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	mail := newMachine(t, "mail", "a22e3930-d87a-584e-22b2-1d8950212bac")
	web.create(t, manager)
	mail.create(t, manager)
	var want []string
	for _, m := range []*machine{web, mail} {
		for _, child := range append([]string{""}, from.children...) {
			want = append(want, m.profile()+child+" (enforce)")
		}
	}
	wantLoaded(t, k, want...)
	web.start(t, manager)
	mail.start(t, manager)
	free := newProbe(t, vmm, (*exec.Cmd).Start)
	for _, m := range []*machine{web, mail} {
		l, err := k.Label(m.cmd.Process.Pid)
		if err != nil || !l.Is(m.profile()) || l.Mode != "enforce" {
			t.Errorf("%s runs under %q, %v", m.Name, l, err)
		}
	}

	for _, pair := range [][2]*machine{{web, mail}, {mail, web}} {
		m, stranger := pair[0], pair[1]
		t.Run(m.Name, func(t *testing.T) {
			t.Run("files", func(t *testing.T) { tryFiles(t, m, stranger, free) })
			t.Run("exec", func(t *testing.T) { tryExec(t, k, m, free) })
			t.Run("system", func(t *testing.T) { trySystem(t, m, free, from) })
			t.Run("sockets", func(t *testing.T) { trySockets(t, m, stranger, free, from) })
			t.Run("processes", func(t *testing.T) { tryProcesses(t, m, stranger, free, from) })
		})
	}
	t.Run("access", func(t *testing.T) {
		var paths []string
		for _, m := range []*machine{web, mail} {
			for _, name := range []string{"disk.img", "seed.iso", "late.img", "serial.log", "snapshot", "disk.img/", "disk.im", ""} {
				paths = append(paths, m.file(name), m.file(name)+"\x00"+m.file("disk.img"))
			}
		}
		checkAccess(t, k, kernelPolicy(t, web.profile()).Profiles(), map[string][]string{web.profile(): paths}, 400)
	})
}

// both has the machine and the free process do the same.
func both(t *testing.T, m *machine, free *probe, steps ...step) {
	t.Helper()
	for _, s := range steps {
		m.want(t, s.want, s.op, s.args...)
		if s.want != 0 {
			free.want(t, 0, s.op, s.args...)
		}
	}
}

func tryFiles(t *testing.T, m, stranger *machine, free *probe) {
	disk, seed := m.file("disk.img"), m.file("seed.iso")
	snapshot, copied := m.file("snapshots/one"), m.file("snapshots/two")
	both(t, m, free,
		allow("read", disk), allow("write", disk), allow("append", disk), allow("lock", disk),
		allow("chmod", disk), deny("map", disk), deny("list", m.dir),
		allow("read", seed), allow("lock", seed), deny("write", seed), deny("chmod", seed), deny("map", seed),
		allow("create", m.file("serial.log")), allow("write", m.file("serial.log")),
		deny("create", m.file("more")), deny("remove", m.file("more")), deny("mkdir", m.file("dir")),

		allow("create", snapshot), allow("link", snapshot, copied), allow("read", copied), allow("remove", copied),
		deny("link", snapshot, m.file("elsewhere")), deny("remove", m.file("elsewhere")), allow("remove", snapshot),
		// A link would be a way to what is not the machine's own, or not in
		// this manner.
		deny("link", stranger.file("disk.img"), snapshot), allow("remove", snapshot),
		deny("link", disk, snapshot), allow("remove", snapshot),
		deny("link", seed, snapshot), allow("remove", snapshot),
		deny("rename", seed, snapshot),
	)
	free.want(t, 0, "rename", snapshot, seed) // back again
	for _, name := range []string{"disk.img", "seed.iso"} {
		file := stranger.file(name)
		both(t, m, free,
			deny("read", file), deny("write", file), deny("append", file), deny("lock", file), deny("map", file),
			deny("chmod", file), deny("rename", file, file),
		)
		m.want(t, syscall.EACCES, "chown", file)
	}
	both(t, m, free,
		deny("create", stranger.file("more")), deny("remove", stranger.file("more")),
		deny("list", stranger.dir), deny("read", "/files/secret"),
	)
	m.want(t, syscall.EACCES, "remove", stranger.file("disk.img"))
}

func tryExec(t *testing.T, k *loader.Kernel, m *machine, free *probe) {
	both(t, m, free, deny("start", "/usr/bin/stranger"), deny("start", "/init"))
	o := m.want(t, 0, "start", vmm)
	pid, err := strconv.Atoi(o.Out)
	if err != nil {
		t.Fatal(err)
	}
	if l, err := k.Label(pid); err != nil || !l.Is(m.profile()) {
		t.Errorf("the program that the machine starts runs under %q, %v", l, err)
	}
	m.want(t, 0, "stop", o.Out)
}

func trySystem(t *testing.T, m *machine, free *probe, from templates) {
	mnt := m.file("mnt")
	free.want(t, 0, "mkdir", mnt)
	both(t, m, free,
		allow("chown", m.file("serial.log")), // by a capability
		step{syscall.EPERM, "hostname", []string{"probe"}},
		deny("mount", mnt), deny("bind", m.dir, mnt),
		step{syscall.EPERM, "umount", []string{mnt}}, // for want of a capability
		deny("label", "unconfined"),
		step{from.userns, "userns", []string{vmm}},
	)
	free.want(t, 0, "umount", mnt)
	if guest.Since(6, 8) {
		// A way on which no file is in between.
		both(t, m, free, deny("label by call", "unconfined"))
	}
}

func trySockets(t *testing.T, m, stranger *machine, free *probe, from templates) {
	socket := func(want syscall.Errno, family, typ int) step {
		return step{want, "socket", []string{strconv.Itoa(family), strconv.Itoa(typ), "0"}}
	}
	both(t, m, free,
		socket(0, unix.AF_INET, unix.SOCK_STREAM), socket(0, unix.AF_INET, unix.SOCK_DGRAM),
		socket(0, unix.AF_INET6, unix.SOCK_STREAM), socket(0, unix.AF_UNIX, unix.SOCK_STREAM),
		socket(syscall.EACCES, unix.AF_PACKET, unix.SOCK_RAW),
		// QEMU has no USB devices of the host without.
		socket(0, unix.AF_NETLINK, unix.SOCK_RAW),
		allow("listen", strconv.Itoa(unix.AF_INET), strconv.Itoa(unix.SOCK_STREAM), "0"),
	)

	// Policy for an ABI that knows unix sockets by family and type only does not
	// tell abstract sockets apart.
	name := "goarmor-" + stranger.Name
	listenAbstract(t, name)
	both(t, m, free,
		step{from.abstract, "abstract connect", []string{name}},
		step{from.abstract, "abstract bind", []string{"goarmor-" + m.Name}},
	)
}

// listenAbstract listens on an abstract socket.
func listenAbstract(t *testing.T, name string) {
	t.Helper()
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, l) })
}

func tryProcesses(t *testing.T, m, stranger *machine, free *probe, from templates) {
	none, winch := "0", strconv.Itoa(int(unix.SIGWINCH)) // which is ignored
	own := m.want(t, 0, "start", vmm)
	both(t, m, free,
		allow("kill", own.Out, none), allow("kill", own.Out, winch),
		step{from.exists, "kill", []string{stranger.pid(), none}}, deny("kill", stranger.pid(), winch),
		deny("trace", stranger.pid()),
		deny("label", stranger.profile()),
	)
	m.want(t, 0, "stop", own.Out)
	m.want(t, syscall.EACCES, "kill", free.pid(), winch)
	m.want(t, from.exists, "kill", "1", none)
	m.want(t, syscall.EACCES, "kill", "1", winch)
	m.want(t, syscall.EACCES, "trace", free.pid())
	// Unconfined processes look after machines.
	free.want(t, 0, "kill", m.pid(), winch)
	free.want(t, 0, "trace", m.pid())
}

// TestMachineUpdate changes what a machine may have while it runs.
func TestMachineUpdate(t *testing.T) {
	guest.Scenario(t)
	k, ctx := kernel(t), t.Context()
	manager := newManager(t)
	other(t, vmm)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	m.start(t, manager)
	late := m.file("late.img")
	update := func(c svirt.Change) {
		t.Helper()
		// The machine closes what it has tried.
		if changed, err := manager.Update(ctx, m.UUID, c); err != nil {
			t.Fatal(err)
		} else if changed.HoldersErr != nil || len(changed.Holders) > 0 {
			t.Errorf("holders %+v, %v", changed.Holders, changed.HoldersErr)
		}
	}
	disk := func(readOnly bool) svirt.Devices {
		return svirt.Devices{Disks: []svirt.Disk{
			{ID: "vdb", Image: svirt.Image{Path: late, Format: "raw"}, ReadOnly: readOnly},
		}}
	}

	m.want(t, syscall.EACCES, "read", late)
	update(svirt.Change{Add: disk(true)})
	m.want(t, 0, "read", late)
	m.want(t, syscall.EACCES, "write", late)
	update(svirt.Change{Add: disk(false)})
	m.want(t, 0, "write", late)
	update(svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "vdb"}}})
	m.want(t, syscall.EACCES, "read", late)
	m.want(t, 0, "read", m.file("disk.img"))

	// One that is refused changes nothing.
	before, err := k.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, err = manager.Update(ctx, m.UUID, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{
		{ID: "vdc", Image: svirt.Image{Path: "/etc/shadow", Format: "raw"}},
	}}})
	if refused := new(svirt.PathError); !errors.As(err, &refused) {
		t.Errorf("a disk of the system: %v", err)
	}
	if after, err := k.Revision(ctx); after != before || err != nil {
		t.Errorf("revision %d after %d, %v", after, before, err)
	}
	m.want(t, 0, "read", m.file("disk.img"))
}

// TestMachineLifecycle takes a machine's profile out of force and back.
func TestMachineLifecycle(t *testing.T) {
	guest.Scenario(t)
	k, ctx := kernel(t), t.Context()
	manager := newManager(t)
	other(t, vmm)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	must := func(f func(context.Context, string) error) {
		t.Helper()
		if err := f(ctx, m.UUID); err != nil {
			t.Fatal(err)
		}
	}
	wantFiles := func(want ...string) {
		t.Helper()
		entries, err := os.ReadDir("/etc/apparmor.d/libvirt")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Name())
		}
		if !slices.Equal(got, want) {
			t.Errorf("files %q, want %q", got, want)
		}
	}
	loaded := m.profile() + " (enforce)"
	files := []string{m.profile(), m.profile() + ".files"}

	wantLoaded(t, k)
	if err := manager.Create(ctx, m.Domain); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, loaded)
	wantFiles(files...)
	wantError(t, manager.Start(ctx, "a22e3930-d87a-584e-22b2-1d8950212bac", probeCommand(vmm)), svirt.ErrNotLoaded)

	m.start(t, manager)
	wantError(t, manager.Unload(ctx, m.UUID), svirt.ErrInUse)
	wantError(t, manager.Remove(ctx, m.UUID), svirt.ErrInUse)
	m.want(t, syscall.EACCES, "read", "/files/secret")
	m.end(t)

	must(manager.Unload)
	wantLoaded(t, k)
	wantFiles(files...)
	wantError(t, manager.Start(ctx, m.UUID, probeCommand(vmm)), svirt.ErrNotLoaded)
	must(manager.Unload) // is not an error

	// From what is on disk, by a manager that did not write it.
	if _, err := svirt.New(ctx, svirt.ManagerOptions{}); !errors.Is(err, svirt.ErrLocked) {
		t.Errorf("a second manager of the directory: %v", err)
	}
	if err := manager.Close(); err != nil {
		t.Fatal(err)
	}
	again := newManager(t)
	if err := again.Load(ctx, m.UUID); err != nil {
		t.Fatal(err)
	}
	wantLoaded(t, k, loaded)
	m.start(t, again)
	m.want(t, 0, "read", m.file("disk.img"))
	m.want(t, syscall.EACCES, "read", "/files/secret")
	m.end(t)

	must(again.Remove)
	wantLoaded(t, k)
	wantFiles()
	must(again.Remove) // is not an error
	wantError(t, again.Load(ctx, m.UUID), svirt.ErrNotFound)
}
