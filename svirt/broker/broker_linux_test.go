// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/request"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// Two users who need no account.
const (
	alice = 41001
	bob   = 41002
	team  = 41099 // a group that alice is in
)

const (
	first  = "00000000-0000-4000-8000-000000000001"
	second = "00000000-0000-4000-8000-000000000002"
)

// host is a broker with users' files.
type host struct {
	*Broker
	kernel *svirttest.Kernel
	dir    string
	socket string
	log    bytes.Buffer
}

// newHost starts a broker with a kernel in memory. Whoever sets the broker's own
// fields does it in prepare, before anybody is served.
func newHost(t *testing.T, change func(*Options), prepare ...func(*Broker)) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("this takes the credentials of users: run it as root")
	}
	// Users must get to it, and not every TMPDIR lets them.
	dir, err := os.MkdirTemp("/tmp", "broker") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &host{kernel: svirttest.NewKernel(nil), dir: dir, socket: filepath.Join(dir, "socket")}
	h.do(t, os.Chmod(dir, 0o755))
	for name, uid := range map[string]int{"alice": alice, "bob": bob} {
		h.do(t, os.Mkdir(h.path(name), 0o700), os.Chown(h.path(name), uid, uid))
		for _, file := range []string{"disk.img", "more.img"} {
			h.file(t, name+"/"+file, uid, uid, 0o600)
		}
		h.do(t, os.Mkdir(h.path(name+"/share"), 0o755), os.Chown(h.path(name+"/share"), uid, uid))
	}
	h.file(t, "secret", 0, 0, 0o600)
	h.file(t, "readable", 0, 0, 0o644)
	h.file(t, "group", bob, team, 0o660)
	o := Options{
		Dir: filepath.Join(dir, "state"), Driver: h.kernel, Allow: func(Peer) error { return nil },
		Roots: func(Peer) (svirt.Roots, error) {
			all := []string{dir}
			return svirt.Roots{Images: all, Shares: all, Sockets: all, Logs: all, Firmware: all, Devices: []string{"/dev/zero", "/dev/tty"}, Programs: append(all, "/usr/bin"), Extra: all}, nil
		},
		Logger: slog.New(slog.NewTextHandler(&h.log, nil)),
	}
	if change != nil {
		change(&o)
	}
	if h.Broker, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	for _, f := range prepare {
		f(h.Broker)
	}
	l, err := Listen(h.socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- h.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(h.log.String())
		}
	})
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

func (h *host) do(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func (h *host) file(t *testing.T, name string, uid, gid int, mode fs.FileMode) {
	t.Helper()
	h.do(t, os.WriteFile(h.path(name), []byte("x"), 0o600), os.Chown(h.path(name), uid, gid), os.Chmod(h.path(name), mode))
}

// as returns a client of a user. The kernel notes who connects: a thread.
func (h *host) as(uid int, groups ...uint32) *Client {
	dial := func(context.Context) (net.Conn, error) {
		type result struct {
			c   net.Conn
			err error
		}
		done := make(chan result)
		go func() {
			runtime.LockOSThread() // and never unlocked
			c, err := connectAs(h.socket, uid, groups)
			done <- result{c, err}
		}()
		r := <-done
		return r.c, r.err
	}
	return &Client{dial: dial, Launch: func(_ context.Context, cmd *exec.Cmd, _ string, _ svirt.StartOptions) error { return cmd.Start() }}
}

// connectAs connects after the thread has become a user altogether.
func connectAs(socket string, uid int, groups []uint32) (net.Conn, error) {
	// Not as become does it: the kernel notes the effective user and group.
	groups = append(groups, uint32(uid))
	if _, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(groups)), uintptr(unsafe.Pointer(&groups[0])), 0); errno != 0 {
		return nil, errno
	}
	for _, call := range []uintptr{unix.SYS_SETRESGID, unix.SYS_SETRESUID} {
		if _, _, errno := unix.RawSyscall(call, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			return nil, errno
		}
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "connection")
	defer f.Close()
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		return nil, err
	}
	return net.FileConn(f)
}

func disk(id, path string) svirt.Disk {
	return svirt.Disk{ID: id, Image: svirt.Image{Path: path, Format: "raw"}}
}

// domain describes a machine with one disk.
func domain(uuid, path string) *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "m" + uuid[len(uuid)-1:], Devices: svirt.Devices{Disks: []svirt.Disk{disk("vda", path)}}}
}

func (h *host) allows(t *testing.T, profile, path string, perms query.Perms) bool {
	t.Helper()
	ok, err := h.kernel.Allows(profile, query.File{Path: path, Perms: perms})
	if err != nil {
		t.Error(err)
	}
	return ok
}

// TestLife goes through what a user does with a machine.
func TestLife(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	a, b := h.as(alice), h.as(bob)
	profile := fmt.Sprintf("libvirt-session-%d-%s", alice, first)
	if err := a.Create(ctx, domain(first, h.path("alice/disk.img"))); err != nil {
		t.Fatal(err)
	}
	if err := a.Create(ctx, domain(first, h.path("alice/disk.img"))); !errors.Is(err, svirt.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	// The same number is another machine.
	if err := b.Create(ctx, domain(first, h.path("bob/disk.img"))); err != nil {
		t.Fatal(err)
	}
	if !h.allows(t, profile, h.path("alice/disk.img"), query.Write) || h.allows(t, profile, h.path("alice/more.img"), query.Read) || h.allows(t, profile, h.path("bob/disk.img"), query.Read) {
		t.Error("the profile is another one")
	}
	add := svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{disk("vdb", h.path("alice/more.img"))}}, Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "vda"}}}
	h.kernel.SetFiles(profile, loader.File{PID: 7, Path: h.path("alice/disk.img"), Read: true})
	u, err := a.Update(ctx, first, add)
	if err != nil || u.HoldersErr != nil || len(u.Holders) != 1 || u.Holders[0].PID != 7 {
		t.Errorf("%+v, %v", u, err)
	}
	if !h.allows(t, profile, h.path("alice/more.img"), query.Write) || h.allows(t, profile, h.path("alice/disk.img"), query.Read) {
		t.Error("the update changed something else")
	}
	s, err := a.Status(ctx, first)
	if err != nil || s.Profile != profile || !s.Loaded || s.Mode != "enforce" || s.Stale {
		t.Errorf("%+v, %v", s, err)
	}
	all, err := a.List(ctx)
	if err != nil || len(all) != 1 || all[0].Profile != profile {
		t.Errorf("%+v, %v", all, err)
	}
	cmd := exec.Command("sleep", "60")
	if err := a.Start(ctx, first, cmd, svirt.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	_, _ = cmd.Process.Kill(), cmd.Wait()
	if err := a.Start(ctx, first, exec.Command("true"), svirt.StartOptions{Accept: loader.Accept{Complain: true}}); !errors.Is(err, svirt.ErrOptions) {
		t.Errorf("%v", err)
	}
	release := h.kernel.Use(profile)
	if err := a.Remove(ctx, first, RemoveOptions{}); !errors.Is(err, svirt.ErrInUse) {
		t.Errorf("in use: %v", err)
	}
	release()
	if err := a.Replace(ctx, domain(first, h.path("alice/disk.img"))); err != nil || !h.allows(t, profile, h.path("alice/disk.img"), query.Write) {
		t.Error(err)
	}
	if err := a.Remove(ctx, first, RemoveOptions{}); err != nil {
		t.Error(err)
	}
	for _, err := range []error{
		a.Remove(ctx, first, RemoveOptions{}), a.Replace(ctx, domain(first, h.path("alice/disk.img"))),
		func() error { _, err := a.Status(ctx, first); return err }(),
		func() error { _, err := a.Ready(ctx, first, ""); return err }(),
	} {
		if !errors.Is(err, svirt.ErrNotFound) {
			t.Errorf("a machine that is gone: %v", err)
		}
	}
	if all, err := b.List(ctx); err != nil || len(all) != 1 || !all[0].Loaded {
		t.Errorf("another user lost something: %+v, %v", all, err)
	}
}

// TestReload loads after a restart of the host, and asks again what the user may
// have.
func TestReload(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	a := h.as(alice)
	if err := a.Create(ctx, domain(first, h.path("alice/disk.img"))); err != nil {
		t.Fatal(err)
	}
	profile := fmt.Sprintf("libvirt-session-%d-%s", alice, first)
	h.kernel.Drop(profile)
	h.do(t, os.Chown(h.path("alice/disk.img"), bob, bob))
	if _, err := a.Ready(ctx, first, ""); !errors.Is(err, ErrRefused) || h.kernel.Policy(profile) != nil {
		t.Errorf("a file that is not the user's any more: %v", err)
	}
	h.do(t, os.Chown(h.path("alice/disk.img"), alice, alice))
	if got, err := a.Ready(ctx, first, ""); err != nil || got != profile || h.kernel.Policy(profile) == nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := a.Ready(ctx, first, "swtpm"); !errors.Is(err, svirt.ErrNotFound) {
		t.Errorf("a companion that the machine does not have: %v", err)
	}
	// Somebody has put other policy in force under the name.
	h.do(t, a.Create(ctx, domain(second, h.path("alice/more.img"))))
	other, err := blob.Encode([]*blob.Profile{{Name: profile}})
	if err != nil {
		t.Fatal(err)
	}
	h.kernel.Put(other)
	if _, err := a.Ready(ctx, first, ""); !errors.Is(err, loader.ErrContent) {
		t.Errorf("another profile of the name: %v", err)
	}
	if err := a.Start(ctx, first, exec.Command("true"), svirt.StartOptions{}); !errors.Is(err, loader.ErrContent) {
		t.Errorf("another profile of the name: %v", err)
	}
}

// TestAttacks is about what a manager that was taken over may ask for. The table
// in docs/threat-model.md lists it.
func TestAttacks(t *testing.T) {
	h, ctx := newHost(t, func(o *Options) { o.Limits.RequestBytes = 64 << 10 }), t.Context()
	a, b := h.as(alice), h.as(bob)
	h.do(t, b.Create(ctx, domain(second, h.path("bob/disk.img"))), a.Create(ctx, domain(first, h.path("alice/disk.img"))))
	// A program that anybody may execute, and that would be root's.
	h.file(t, "setuid", 0, 0, 0o755|fs.ModeSetuid)
	h.file(t, "linked", 0, 0, 0o600)
	h.do(t, os.Mkdir(h.path("rootdir"), 0o755))
	h.do(t,
		os.Symlink(h.path("secret"), h.path("alice/link")), os.Link(h.path("linked"), h.path("alice/hard")),
		os.Symlink(h.path("bob"), h.path("alice/dirlink")), os.Symlink("/etc", h.path("alice/etc")))
	h.file(t, "alice/tool", alice, alice, 0o755)
	third := func(d svirt.Devices) func() error {
		return func() error {
			return a.Create(ctx, &svirt.Domain{UUID: "00000000-0000-4000-8000-000000000003", Name: "m3", Devices: d})
		}
	}
	image := func(path string) func() error { return third(svirt.Devices{Disks: []svirt.Disk{disk("vda", path)}}) }
	raw := func(text string) func() error {
		return func() error { _, err := a.send(ctx, []byte(text)); return err }
	}
	extra := func(path, perms string, recursive bool) func() error {
		return third(svirt.Devices{Extra: []svirt.PathGrant{{ID: "x", Path: path, Perms: perms, Recursive: recursive}}})
	}
	before := h.state(t)
	for _, tt := range []struct {
		name string
		do   func() error
		want string // part of the error
	}{
		{"another user's machine: status", func() error { _, err := a.Status(ctx, second); return err }, "no such machine"},
		{"another user's machine: removal", func() error { return a.Remove(ctx, second, RemoveOptions{Kill: true}) }, "no such machine"},
		{"another user's machine: update", func() error { _, err := a.Update(ctx, second, svirt.Change{}); return err }, "no such machine"},
		{"another user's machine: start", func() error { _, err := a.Ready(ctx, second, ""); return err }, "no such machine"},
		{"a name of the system's", func() error { return a.Create(ctx, domain("libvirt-"+first[:8], h.path("alice/disk.img"))) }, "uuid"},
		{"a name with a slash", func() error { _, err := a.Status(ctx, "../../x"); return err }, "uuid"},
		{"a companion's name with a slash", func() error { _, err := a.Ready(ctx, first, "../x"); return err }, ""},
		{"/etc/shadow", image("/etc/shadow"), "restricted"},
		{"a file of root's", image(h.path("secret")), string(ReasonUser)},
		{"a link to it", image(h.path("alice/link")), string(ReasonUser)},
		{"a hard link to it", image(h.path("alice/hard")), "more than one name"},
		{"a directory that is a link", image(h.path("alice/etc/shadow")), "restricted"},
		{"another user's image", image(h.path("bob/disk.img")), "cannot be examined"},
		{"another user's image by a link", image(h.path("alice/dirlink/disk.img")), "cannot be examined"},
		{"whether a file is there that the user cannot see", image(h.path("bob/nothing")), "cannot be examined"},
		{"to write what may be read", image(h.path("readable")), string(ReasonUser)},
		{"a group that the user is not in", image(h.path("group")), string(ReasonUser)},
		{"to make a file where the user may not", image(h.path("new.img")), string(ReasonUser)},
		{"another user's directory", extra(h.path("bob/share"), "r", true), ""},
		{"a directory of root's", extra(h.path("rootdir"), "r", true), string(ReasonUser)},
		{"a backing file of root's", third(svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{
			Path: h.path("alice/disk.img"), Format: "qcow2", Backing: &svirt.Image{Path: h.path("secret"), Format: "raw"},
		}}}}), string(ReasonUser)},
		{"a set-user-ID program", third(svirt.Devices{Programs: []svirt.Program{{ID: "x", Path: h.path("setuid")}}}), "right to become"},
		{"a node without a right to it", third(svirt.Devices{HostDevices: []svirt.HostDevice{{ID: "x", Kind: svirt.HostMisc, Node: "/dev/mem"}}}), ""},
		{"another template", func() error {
			d := domain("00000000-0000-4000-8000-000000000003", h.path("alice/disk.img"))
			d.Type = "lxc"
			return a.Create(ctx, d)
		}, "type"},
		{"a companion", func() error {
			d := domain("00000000-0000-4000-8000-000000000003", h.path("alice/disk.img"))
			d.Companions = []svirt.Companion{{Kind: svirt.CompanionPasst}}
			return a.Create(ctx, d)
		}, "companion"},
		{"no confinement", func() error {
			d := domain("00000000-0000-4000-8000-000000000003", h.path("alice/disk.img"))
			d.Label.Type = "none"
			return a.Create(ctx, d)
		}, "confined"},
		{"arguments for the VMM", func() error {
			d := domain("00000000-0000-4000-8000-000000000003", h.path("alice/disk.img"))
			d.CommandLine.Args = []string{"-drive", "file=/etc/shadow"}
			return a.Create(ctx, d)
		}, "tenant"},
		{"a pattern", image(h.path("alice/*")), "special in policy"},
		{"raw rules", raw(`{"op":"create","domain":{"uuid":"` + first + `","name":"x","rules":"/** rwx,"}}`), "unknown field"},
		{"a template in the request", raw(`{"op":"create","template":"x","domain":{}}`), "unknown field"},
		{"a compiled policy", raw(`{"op":"load","profile":"libvirt-session-41001-` + first + `","policy":"AAAA"}`), "not served"},
		{"to unload by name", raw(`{"op":"unload","profile":"libvirt-` + first + `","retire":{}}`), "not served"},
		{"the files of others' processes", raw(`{"op":"files","profile":"libvirt-` + first + `"}`), "not served"},
		{"to be another user", raw(`{"op":"list","uid":0}`), "unknown field"},
		{"a profile with the machine", raw(`{"op":"status","machine":"` + first + `","profile":"libvirt-x"}`), "must not have profile"},
		{"a kernel that does not enforce", raw(`{"op":"create","accept":{"Complain":true},"domain":{}}`), "must not have accept"},
		{"a cgroup of another", raw(`{"op":"remove","machine":"` + first + `","retire":{"Cgroup":"/sys/fs/cgroup","Kill":true}}`), "not believed"},
		{"content that is not verified", raw(`{"op":"remove","machine":"` + first + `","retire":{"Unverified":true}}`), "verified"},
		{"half a request", raw(`{"op":"remove","machine":"` + first), "cannot be read"},
		{"two requests", raw(`{"op":"list"}{"op":"list"}`), "follows"},
		{"nothing", raw(""), "not a JSON object"},
		{"a long request", raw(`{"op":"list"` + strings.Repeat(" ", 64<<10) + `}`), "bytes of a request"},
		{"a description that is not one", raw(`{"op":"create","domain":[]}`), "not a JSON object"},
		{"a change that is not one", raw(`{"op":"update","machine":"` + first + `","change":{"Add":{"Disks":[{"x":1}]}}}`), "cannot be read"},
	} {
		err := tt.do()
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if after := h.state(t); after != before {
			t.Errorf("%s: it is now\n%s, was\n%s", tt.name, after, before)
			before = after
		}
	}
	// What is not an attack, so that the above are refused for what they are.
	for _, tt := range []struct {
		name string
		do   func() error
	}{
		{"a new file", image(h.path("alice/new.img"))},
		{"what may be read", extra(h.path("readable"), "r", false)},
		{"the own directory", extra(h.path("alice/share"), "rw", true)},
		{"a program", third(svirt.Devices{Programs: []svirt.Program{{ID: "x", Path: h.path("alice/tool")}}})},
		{"a node", third(svirt.Devices{Serials: []svirt.Chardev{{ID: "x", Type: svirt.ChardevDev, Path: "/dev/zero"}}})},
		{"a group that the user is in", func() error {
			return h.as(alice, team).Create(ctx, domain("00000000-0000-4000-8000-000000000003", h.path("group")))
		}},
	} {
		if err := tt.do(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if err := a.Remove(ctx, "00000000-0000-4000-8000-000000000003", RemoveOptions{}); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// state is what is loaded, and the files of all machines.
func (h *host) state(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	all, err := h.kernel.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range all {
		fmt.Fprintf(&out, "%s %x\n", l.Name, len(h.kernel.Policy(l.Name).Bytes()))
	}
	err = filepath.WalkDir(h.path("state"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			text, rerr := os.ReadFile(path)
			fmt.Fprintf(&out, "%s %d\n", path, len(text))
			return rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestSwapped swaps a file for a link between the derivation of rules and their
// check.
func TestSwapped(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	path := h.path("alice/disk.img")
	literal, err := ast.Literal(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func() error {
		var n atomic.Int64
		th, err := newThread(Peer{UID: alice, GID: alice}, &n)
		if err != nil {
			t.Fatal(err)
		}
		defer th.end()
		var out error
		if err := th.run(func() {
			out = mayHave(ctx, alice, []svirt.Rule{{Path: literal, Perms: ast.FileRead | ast.FileWrite}})
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}
	h.do(t, os.Remove(path), os.Symlink(h.path("alice/more.img"), path))
	if err := check(); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link, even to a file of the user's: %v", err)
	}
	h.do(t, os.Remove(path), os.Symlink(h.path("alice"), h.path("alice/self")))
	literal = ast.Pattern(h.path("alice/self/more.img"))
	if err := check(); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link on the way: %v", err)
	}
}

// TestSwapsAtOnce swaps a file for a link to another's all the time.
func TestSwapsAtOnce(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	a, path, stop := h.as(alice), h.path("alice/swap"), make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			next := path + ".next"
			if i%2 == 0 {
				_ = os.WriteFile(next, nil, 0o600)
				_ = os.Chown(next, alice, alice)
			} else {
				_ = os.Symlink(h.path("secret"), next)
			}
			_ = os.Rename(next, path)
		}
	}()
	profile := fmt.Sprintf("libvirt-session-%d-%s", alice, first)
	made := 0
	for range 40 {
		if err := a.Create(ctx, domain(first, path)); err != nil {
			continue
		}
		made++
		if h.allows(t, profile, h.path("secret"), query.Read) || h.allows(t, profile, h.path("secret"), query.Write) {
			t.Error("what the link leads to is granted")
		}
		if err := a.Remove(ctx, first, RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
	t.Logf("%d of 40 were made", made)
}

// TestThread looks at the credentials of a thread, and that others keep theirs.
func TestThread(t *testing.T) {
	h := newHost(t, nil)
	var alive atomic.Int64
	th, err := newThread(Peer{UID: alice, GID: alice, Groups: []uint32{team}}, &alive)
	if err != nil {
		t.Fatal(err)
	}
	var tid int
	err = th.run(func() {
		tid = unix.Gettid()
		for path, want := range map[string]error{"secret": fs.ErrPermission, "bob/disk.img": fs.ErrPermission, "alice/disk.img": nil, "group": nil, "readable": nil} {
			if _, err := os.ReadFile(h.path(path)); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", path, err, want)
			}
		}
		if err := os.Chown(h.path("alice/disk.img"), bob, bob); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("the thread has capabilities: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(h.path("secret")); err != nil {
		t.Errorf("another thread lost something: %v", err)
	}
	// The user cannot signal it, which would be a signal for the whole process.
	kill := exec.Command("sh", "-c", "kill -0 "+strconv.Itoa(tid))
	kill.Dir, kill.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: alice, Gid: alice}}
	if out, err := kill.CombinedOutput(); err == nil || !strings.Contains(string(out), "not permitted") {
		t.Errorf("a signal of the user's: %v: %s", err, out)
	}
	th.end()
	if err := th.run(func() { t.Error("it runs") }); !errors.Is(err, errThreadEnded) {
		t.Errorf("%v", err)
	}
	if n := alive.Load(); n != 0 {
		t.Errorf("%d threads live on", n)
	}
}

// TestQuotas reaches every limit.
func TestQuotas(t *testing.T) {
	h, ctx := newHost(t, func(o *Options) {
		o.Limits = Limits{Machines: 2, Rules: 3, InFlight: 2, Connections: 3, Users: 1, ReadTimeout: 30 * time.Second}
	}), t.Context()
	a, b := h.as(alice), h.as(bob)
	want := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrQuota) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want the limit of %s", err, what)
		}
	}
	uuid := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }
	h.do(t, a.Create(ctx, domain(uuid(1), h.path("alice/1"))), a.Create(ctx, domain(uuid(2), h.path("alice/2"))))
	want("machines", a.Create(ctx, domain(uuid(3), h.path("alice/3"))))
	// It is not the other's limit, and users who ask for nothing are forgotten.
	h.do(t, b.Create(ctx, domain(uuid(3), h.path("bob/disk.img"))))
	big := domain(uuid(2), h.path("alice/2"))
	for i := range 4 {
		big.Devices.Disks = append(big.Devices.Disks, disk("x"+strconv.Itoa(i), h.path("alice/"+strconv.Itoa(10+i))))
	}
	want("rules", a.Replace(ctx, big))
	h.do(t, a.Remove(ctx, uuid(2), RemoveOptions{}), a.Create(ctx, domain(uuid(4), h.path("alice/4"))))

	// Connections that say nothing.
	var open []net.Conn
	hang := func(c *Client) {
		conn, err := c.dial(ctx)
		h.do(t, err)
		open = append(open, conn)
		time.Sleep(50 * time.Millisecond) // until it is counted
	}
	hang(a)
	hang(a)
	_, err := a.List(ctx)
	want("connections at a time", err)
	hang(b)
	_, err = b.List(ctx)
	want("connections of all users", err)
	for _, c := range open {
		h.do(t, c.Close())
	}
	for range 100 {
		if _, err = a.List(ctx); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("connections that ended still count: %v", err)
}

// TestPolicyBytes counts what is in force, also after a restart of the broker.
func TestPolicyBytes(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	a := h.as(alice)
	h.do(t, a.Create(ctx, domain(first, h.path("alice/1"))))
	one := int64(len(h.kernel.Policy(fmt.Sprintf("libvirt-session-%d-%s", alice, first)).Bytes()))
	h.users[alice].driver.limit = 2*one - 10
	if err := a.Create(ctx, domain(second, h.path("alice/2"))); !errors.Is(err, ErrQuota) || !strings.Contains(err.Error(), "bytes of policy") {
		t.Errorf("%v", err)
	}
	h.mu.Lock()
	err := h.users[alice].close()
	delete(h.users, alice)
	h.limits.PolicyBytes = 2*one - 10
	h.mu.Unlock()
	h.do(t, err)
	if err := a.Create(ctx, domain(second, h.path("alice/2"))); !errors.Is(err, ErrQuota) {
		t.Errorf("after a restart: %v", err)
	}
	h.do(t, a.Remove(ctx, first, RemoveOptions{}), a.Create(ctx, domain(second, h.path("alice/2"))))
}

// TestSlow has clients that hang hold up nobody else, and end.
func TestSlow(t *testing.T) {
	h, ctx := newHost(t, func(o *Options) { o.Limits.ReadTimeout = 3 * time.Second }), t.Context()
	a := h.as(alice)
	conn, err := a.dial(ctx)
	h.do(t, err)
	defer conn.Close()
	if _, err := conn.Write([]byte(`{"op":`)); err != nil {
		t.Fatal(err)
	}
	h.do(t, h.as(alice).Create(ctx, domain(first, h.path("alice/disk.img"))), h.as(bob).Create(ctx, domain(first, h.path("bob/disk.img"))))
	var r reply
	if err := json.NewDecoder(conn).Decode(&r); err != nil || !strings.Contains(r.Failure.Error, "timeout") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection stays: %v", err)
	}
}

// TestTime ends a request that takes too long, and one that waits for it.
func TestTime(t *testing.T) {
	h, ctx := newHost(t, func(o *Options) { o.Limits.RequestTimeout = 2 * time.Second }), t.Context()
	h.kernel.Intercept = func(ctx context.Context, c svirttest.Call) error {
		if c.Op == svirttest.OpLoad {
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	failed := make(chan error, 2)
	for _, uuid := range []string{first, second} {
		go func() { failed <- h.as(alice).Create(ctx, domain(uuid, h.path("alice/more.img"))) }()
	}
	for range 2 {
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	}
}

// TestTurns has a user who waits hold up nobody else.
func TestTurns(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	inside, free := make(chan struct{}), make(chan struct{})
	h.kernel.Intercept = func(ctx context.Context, c svirttest.Call) error {
		if c.Op == svirttest.OpLoad && strings.Contains(c.Profile, strconv.Itoa(alice)) {
			close(inside)
			<-free
		}
		return nil
	}
	made := make(chan error)
	go func() { made <- h.as(alice).Create(ctx, domain(first, h.path("alice/disk.img"))) }()
	<-inside
	h.do(t, h.as(bob).Create(ctx, domain(first, h.path("bob/disk.img"))))
	close(free)
	h.do(t, <-made)
}

// TestPeers is about who is served.
func TestPeers(t *testing.T) {
	h, ctx := newHost(t, func(o *Options) { o.Allow = nil }), t.Context()
	for _, uid := range []int{0, 33, alice, 65534} {
		if _, err := h.as(uid).List(ctx); !errors.Is(err, ErrNoPeer) {
			t.Errorf("user %d: %v", uid, err)
		}
	}
	// What a machine asks for.
	var label atomic.Pointer[string]
	h = newHost(t, nil, func(b *Broker) {
		b.label = func(int) (loader.Label, error) {
			if l := label.Load(); l != nil {
				return loader.Label{Name: *l}, nil
			}
			return loader.Label{}, fs.ErrNotExist
		}
	})
	if _, err := h.as(alice).List(ctx); !errors.Is(err, ErrNoPeer) {
		t.Errorf("a process whose label is not known: %v", err)
	}
	for name, ok := range map[string]bool{
		"unconfined": true, "manager": true, "libvirt-" + first: false, "manager//&libvirt-session-41001-" + first: false, "libvirt-session-41001-" + first + "//child": false,
		"unconfined//&:libvirt-session-41001:unconfined": false, ":libvirt-session-41001:any//&manager": false, ":container:manager": true,
	} {
		label.Store(&name)
		if _, err := h.as(alice).List(ctx); (err == nil) != ok || err != nil && !errors.Is(err, ErrNoPeer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "passwd")
	text := "root:x:0:0::/root:/bin/sh\nalice:x:41001:41001:A:/home/alice:/bin/sh\nbad:x:41002:41002::relative:/bin/sh\nup:x:41003:1::/home/../etc:/bin/sh\nshort:x:41004\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if dir, err := home(file, 41001); err != nil || dir != "/home/alice" {
		t.Errorf("%q, %v", dir, err)
	}
	for _, uid := range []uint32{41002, 41003, 41004, 41005} {
		if dir, err := home(file, uid); err == nil {
			t.Errorf("user %d has %q", uid, dir)
		}
	}
	for _, uid := range []uint32{0, 999, 65534} {
		if err := Accounts(Peer{UID: uid}); !errors.Is(err, ErrNoPeer) {
			t.Errorf("user %d: %v", uid, err)
		}
	}
}

// TestKill ends the processes of a user under a profile, and no others.
func TestKill(t *testing.T) {
	h, ctx := newHost(t, nil), t.Context()
	var cmds []*exec.Cmd
	var pids []int
	for _, uid := range []uint32{alice, bob} {
		cmd := exec.Command("sleep", "60")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		h.do(t, cmd.Start())
		cmds, pids = append(cmds, cmd), append(pids, cmd.Process.Pid)
		defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	}
	a := h.as(alice)
	h.do(t, a.Create(ctx, domain(first, h.path("alice/disk.img"))))
	if err := a.Remove(ctx, first, RemoveOptions{Kill: true}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("who runs is not known: %v", err)
	}
	profile := fmt.Sprintf("libvirt-session-%d-%s", alice, first)
	release := h.kernel.Use(profile)
	h.processes = func(_ context.Context, name string) ([]int, error) {
		if name != profile {
			t.Errorf("processes of %s", name)
		}
		return pids, nil
	}
	if err := a.Remove(ctx, first, RemoveOptions{Kill: true, Timeout: 2 * time.Second}); !errors.Is(err, svirt.ErrInUse) {
		t.Errorf("another user's process is left: %v", err)
	}
	// The look at all processes takes longer than there is time.
	look := h.processes
	h.processes = func(ctx context.Context, _ string) ([]int, error) { <-ctx.Done(); return nil, ctx.Err() }
	if err := a.Remove(ctx, first, RemoveOptions{Kill: true, Timeout: time.Millisecond}); !errors.Is(err, svirt.ErrInUse) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no time to look: %v", err)
	}
	h.processes = look
	if err := cmds[0].Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the user's own process: %v", err)
	}
	if err := cmds[1].Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another user's process: %v", err)
	}
	pids = slices.Delete(pids, 0, 1)
	release()
	if err := a.Remove(ctx, first, RemoveOptions{Kill: true}); err != nil {
		t.Error(err)
	}
}

// TestOptions is about what a broker does not begin with.
func TestOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"a prefix without an end": {Prefix: "libvirt-session"},
		"a negative limit":        {Limits: Limits{Rules: -1}},
	} {
		o.Dir, o.Driver = t.TempDir(), svirttest.NewKernel(nil)
		if _, err := New(t.Context(), o); !errors.Is(err, svirt.ErrOptions) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwns is about which names the kernel's driver takes at all.
func TestOwns(t *testing.T) {
	b := &Broker{options: Options{Prefix: "libvirt-session-"}}
	for name, want := range map[string]bool{
		"libvirt-session-1000-" + first:            true,
		"libvirt-session-1000-" + first + "-swtpm": true,
		"libvirt-session-1000-" + first + "//x":    true,
		"libvirt-" + first:                         false,
		"libvirt-session-" + first:                 false,
		"libvirt-session-01000-" + first:           false,
		"libvirt-session--1-" + first:              false,
		"libvirt-session-99999999999-" + first:     false,
		"libvirt-session-1000-" + first + "x":      false,
		"libvirt-session-1000-":                    false,
		"sshd":                                     false,
		":ns:libvirt-session-1000-" + first:        false,
	} {
		if got := b.owns(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestActivated takes sockets over from systemd.
func TestActivated(t *testing.T) {
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()+1))
	t.Setenv("LISTEN_FDS", "1")
	if l, err := Activated(); err != nil || l != nil {
		t.Errorf("sockets of another process: %v, %v", l, err)
	}
	if os.Getenv("LISTEN_FDS") != "" {
		t.Error("children would get the variables")
	}
	t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	for _, n := range []string{"", "-1", "x", "65"} {
		t.Setenv("LISTEN_FDS", n)
		t.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
		if _, err := Activated(); err == nil {
			t.Errorf("%q is a number of sockets", n)
		}
	}
}

// TestListen takes the place of a socket that is left, and of nothing else.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("somebody listens there")
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = Listen(path); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(path); err == nil {
		t.Error("a file is replaced")
	}
}

// FuzzAnswer holds that whatever a user sends, what is loaded is that user's.
func FuzzAnswer(f *testing.F) {
	dir := f.TempDir()
	kernel := svirttest.NewKernel(nil)
	uid := uint32(os.Geteuid())
	if uid == 0 {
		uid = alice
	}
	var log bytes.Buffer
	b, err := New(f.Context(), Options{
		Dir: dir, Driver: kernel, Allow: func(Peer) error { return nil },
		Roots: func(Peer) (svirt.Roots, error) { return svirt.Roots{Images: []string{"/tmp"}}, nil },
	})
	if err != nil {
		f.Fatal(err)
	}
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	text, err := json.Marshal(domain(first, "/tmp/fuzz.img"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{
		`{"op":"create","domain":` + string(text) + `}`, `{"op":"replace","domain":` + string(text) + `}`, `{"op":"list"}`,
		`{"op":"update","machine":"` + first + `","change":{"Add":{"disks":[{"id":"x","image":{"path":"/tmp/y"}}]}}}`,
		`{"op":"remove","machine":"` + first + `","retire":{"Kill":true}}`, `{"op":"start","machine":"` + first + `"}`,
		`{"op":"load","profile":"sshd","policy":"AAAA"}`, `{"op":`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		peer := Peer{UID: uid, GID: uid}
		q, err := request.Read(bytes.NewReader(data), b.limits.RequestBytes)
		if err == nil {
			_, err = b.answer(t.Context(), peer, q) // either may be
		}
		log.Reset()
		b.record(t.Context(), peer, q, err)
		if strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%q", log.String())
		}
		all, err := kernel.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range all {
			if !b.owns(l.Name) || !strings.HasPrefix(l.Name, b.prefixOf(uid)) {
				t.Errorf("%q is loaded", l.Name)
			}
		}
	})
}
