// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
)

const (
	brokerPath = "/usr/libexec/apparmor-broker"
	bobUID     = 1001
	brokerVMM  = "/usr/bin/session-vmm"

	aliceMachine = "00000000-0000-4000-8000-000000000001"
	bobMachine   = "00000000-0000-4000-8000-000000000002"
)

// serveBroker is the daemon.
func serveBroker([]string) int {
	b, err := broker.New(context.Background(), broker.Options{
		Limits: broker.Limits{Machines: 2, RequestBytes: 32 << 10},
		Namespaces: func(p broker.Peer) error {
			if p.UID != aliceUID {
				return broker.ErrNoPeer
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "broker:", err)
		return 1
	}
	l, err := broker.Listen(broker.DefaultSocket)
	if err == nil {
		fmt.Println("ready")
		err = b.Serve(context.Background(), l)
	}
	fmt.Fprintln(os.Stderr, "broker:", err)
	return 1
}

// attempts tries to read files, says what became of each, and waits for its end.
func attempts(args []string) int {
	out := map[string]string{"uid": strconv.Itoa(os.Getuid())}
	for _, path := range args {
		out[path] = errnoOf(func() error { f, err := os.Open(path); _ = f.Close(); return err }())
	}
	// Kernels that do not mediate sockets with names let it connect; then the
	// broker knows it by its label.
	switch _, err := new(broker.Client).List(context.Background()); {
	case errors.Is(err, broker.ErrNoPeer) && strings.Contains(err.Error(), "the profile of a machine"):
		out["broker"] = "refused by label"
	default:
		out["broker"] = errnoOf(err)
	}
	out["change"] = errnoOf(os.WriteFile("/proc/thread-self/attr/apparmor/exec", []byte("exec apparmor-broker"), 0))
	if json.NewEncoder(os.Stdout).Encode(out) != nil {
		return 1
	}
	_, _ = os.Stdin.Read(make([]byte, 1))
	return 0
}

// brokerClient plays the manager of a user: as its own program, so that all of
// it has the user's credentials. It prints what went wrong.
func brokerClient(args []string) int {
	bad := 0
	fail := func(format string, a ...any) {
		bad++
		fmt.Printf(format+"\n", a...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	switch args[0] {
	case "create":
		if err := (&broker.Client{}).Create(ctx, sessionDomain(args[1], args[2])); err != nil {
			fail("create: %v", err)
		}
	case "life":
		brokerLife(ctx, args[1], fail)
	case "attacks":
		brokerAttacks(ctx, fail)
	case "held":
		// However little of the time is left for a look at all processes.
		for _, timeout := range []time.Duration{time.Millisecond, 5 * time.Second} {
			begun := time.Now()
			err := (&broker.Client{}).Remove(ctx, aliceMachine, broker.RemoveOptions{Kill: true, Timeout: timeout})
			fmt.Printf("# another user's process, within %v: %v, after %v\n", timeout, err, time.Since(begun))
			if !errors.Is(err, svirt.ErrInUse) {
				fail("another user's process runs under the profile: %v", err)
			}
		}
	case "namespace":
		name, err := (&broker.Client{}).Namespace(ctx)
		if args[1] != "refused" && (err != nil || name != args[1]) || args[1] == "refused" && !errors.Is(err, broker.ErrNoPeer) {
			fail("namespace: %q, %v", name, err)
		}
	case "remove":
		if err := (&broker.Client{}).Remove(ctx, args[1], broker.RemoveOptions{Kill: true}); err != nil {
			fail("remove: %v", err)
		}
	}
	return min(bad, 100)
}

func sessionDomain(uuid, disk string) *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "m" + uuid[len(uuid)-1:], Devices: svirt.Devices{
		Disks:    []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: disk, Format: "raw"}}},
		Programs: []svirt.Program{{ID: "vmm", Path: brokerVMM}},
	}}
}

// attemptCommand runs attempts as the VMM.
func attemptCommand(paths ...string) (*exec.Cmd, io.WriteCloser, *json.Decoder, error) {
	cmd := exec.Command(brokerVMM)
	cmd.Args = append([]string{"attempts"}, paths...)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	cmd.Stderr = os.Stdout
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	return cmd, in, json.NewDecoder(out), err
}

// brokerLife creates, starts, updates and removes a machine; met is what the
// machine meets when it asks the broker for something.
func brokerLife(ctx context.Context, met string, fail func(string, ...any)) {
	c := &broker.Client{}
	d := sessionDomain(aliceMachine, "/home/alice/disk.img")
	if err := c.Create(ctx, d); err != nil {
		fail("create: %v", err)
		return
	}
	profile := fmt.Sprintf("libvirt-session-%d-%s", aliceUID, aliceMachine)
	paths := []string{"/home/alice/disk.img", "/home/alice/more.img", "/home/alice/private", "/home/bob/disk.img"}
	started := func(disk, more string) (*exec.Cmd, io.WriteCloser) {
		cmd, in, dec, err := attemptCommand(paths...)
		if err == nil {
			err = c.Start(ctx, aliceMachine, cmd, svirt.StartOptions{})
		}
		if err != nil {
			fail("start: %v", err)
			return nil, nil
		}
		got := map[string]string{}
		if err := dec.Decode(&got); err != nil {
			fail("the VMM says nothing: %v", err)
		}
		label, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/attr/apparmor/current")
		if err != nil {
			fail("%v", err)
		}
		got["label"] = strings.TrimSpace(string(label))
		for name, want := range map[string]string{
			"label": profile + " (enforce)", "uid": strconv.Itoa(aliceUID), paths[0]: disk, paths[1]: more, paths[2]: "EACCES", paths[3]: "EACCES",
			"broker": met, "change": "EACCES",
		} {
			if got[name] != want {
				fail("%s: %s, want %s", name, got[name], want)
			}
		}
		return cmd, in
	}
	end := func(cmd *exec.Cmd, in io.Closer) {
		if cmd == nil {
			return
		}
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			fail("the VMM: %v", err)
		}
	}
	end(started("ok", "EACCES"))
	if _, err := c.Update(ctx, aliceMachine, svirt.Change{
		Add:    svirt.Devices{Disks: []svirt.Disk{{ID: "vdb", Image: svirt.Image{Path: "/home/alice/more.img", Format: "raw"}}}},
		Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "vda"}},
	}); err != nil {
		fail("update: %v", err)
	}
	cmd, in := started("EACCES", "ok")
	// What the VMM has open does not keep the broker from looking at it.
	if u, err := c.Update(ctx, aliceMachine, svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "vdb"}}}); err != nil || u.HoldersErr != nil {
		fail("update while it runs: %v, %v", err, u.HoldersErr)
	}
	if err := c.Remove(ctx, aliceMachine, broker.RemoveOptions{}); !errors.Is(err, svirt.ErrInUse) {
		fail("remove while it runs: %v", err)
	}
	if s, err := c.Status(ctx, aliceMachine); err != nil || !s.Loaded || s.Mode != "enforce" || s.Stale {
		fail("status: %+v, %v", s, err)
	}
	if err := c.Remove(ctx, aliceMachine, broker.RemoveOptions{Kill: true}); err != nil {
		fail("remove and kill: %v", err)
	}
	if cmd != nil {
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			fail("the VMM: %v", err)
		}
		_ = in.Close()
	}
	if all, err := c.List(ctx); err != nil || len(all) != 0 {
		fail("list: %+v, %v", all, err)
	}
}

func brokerAttacks(ctx context.Context, fail func(string, ...any)) {
	c := &broker.Client{}
	const third = "00000000-0000-4000-8000-000000000003"
	image := func(path string) func() error {
		return func() error { return c.Create(ctx, sessionDomain(third, path)) }
	}
	raw := func(text string, whole bool) func() error {
		return func() error {
			conn, err := net.Dial("unix", broker.DefaultSocket)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, _ = conn.Write([]byte(text)) // it need not be read to its end
			if whole {
				_ = conn.(*net.UnixConn).CloseWrite()
			}
			var reply struct {
				Error string `json:"error"`
			}
			if err := json.NewDecoder(conn).Decode(&reply); err != nil {
				return fmt.Errorf("no reply: %w", err)
			}
			if reply.Error == "" {
				return nil
			}
			return errors.New("broker: " + reply.Error)
		}
	}
	for _, tt := range []struct {
		name string
		do   func() error
		want string
	}{
		{"another user's machine", func() error { return c.Remove(ctx, bobMachine, broker.RemoveOptions{Kill: true}) }, "no such machine"},
		{"a name of the system's", func() error { return c.Create(ctx, sessionDomain("libvirt-x", "/home/alice/disk.img")) }, "uuid"},
		{"/etc/shadow", image("/etc/shadow"), "restricted"},
		{"a link to it", image("/home/alice/shadow"), "restricted"},
		{"a hard link", image("/home/alice/hard"), "more than one name"},
		{"another user's image", image("/home/bob/disk.img"), ""},
		{"a file of root's at home", image("/home/alice/roots"), string(broker.ReasonUser)},
		{"raw rules", raw(`{"op":"create","domain":{"uuid":"`+third+`","name":"x","rules":"/** rwx,"}}`, true), "unknown field"},
		{"a compiled policy", raw(`{"op":"load","profile":"libvirt-session-1000-`+third+`","policy":"AAAA"}`, true), "not served"},
		{"a long request", raw(`{"op":"list"`+strings.Repeat(" ", 64<<10)+`}`, true), "bytes of a request"},
		{"half a request", raw(`{"op":"list`, true), "cannot be read"},
		{"a request that does not end", raw(`{"op":"list`, false), "timeout"},
	} {
		if err := tt.do(); err == nil || !strings.Contains(err.Error(), "broker: ") || !strings.Contains(err.Error(), tt.want) {
			fail("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	if err := c.Create(ctx, sessionDomain(aliceMachine, "/home/alice/disk.img")); err != nil {
		fail("create: %v", err)
	}
	if err := c.Create(ctx, sessionDomain(third, "/home/alice/more.img")); err != nil {
		fail("create: %v", err)
	}
	if err := c.Create(ctx, sessionDomain("00000000-0000-4000-8000-000000000004", "/home/alice/new.img")); !errors.Is(err, broker.ErrQuota) {
		fail("more than the quota: %v", err)
	}
	if err := c.Remove(ctx, third, broker.RemoveOptions{}); err != nil {
		fail("remove: %v", err)
	}
	// What the kernel itself keeps from a user.
	for _, name := range []string{".load", ".replace", ".remove", "policy/.load", "policy/.replace", "policy/.remove"} {
		f, err := os.OpenFile("/sys/kernel/security/apparmor/"+name, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.Write([]byte("libvirt-session-1001-" + bobMachine))
			_ = f.Close()
		}
		if err == nil {
			fail("the user may write %s", name)
		}
		fmt.Printf("# as a user: %s: %s\n", name, errnoOf(err))
	}
	if got := errnoOf(os.Mkdir("/sys/kernel/security/apparmor/policy/namespaces/alice", 0o755)); got == "ok" {
		fail("the user may make a policy namespace")
	} else {
		fmt.Printf("# as a user: a policy namespace: %s\n", got)
	}
	// To claim to be another to the kernel.
	conn, err := net.Dial("unix", broker.DefaultSocket)
	if err != nil {
		fail("%v", err)
		return
	}
	defer conn.Close()
	forged := unix.UnixCredentials(&unix.Ucred{Pid: 1, Uid: 0, Gid: 0})
	if _, _, err := conn.(*net.UnixConn).WriteMsgUnix([]byte(`{}`), forged, nil); !errors.Is(err, unix.EPERM) {
		fail("forged credentials: %v", err)
	}
}

// TestBroker has users' managers ask a broker that runs under its own profile.
func TestBroker(t *testing.T) {
	guest.Scenario(t)
	k := kernel(t)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := compile.Text(t.Context(), "usr.libexec.apparmor-broker", string(guest.File(t, "broker.aa")), compile.Source{
		Kernel: set, Roots: []fs.FS{os.DirFS(filepath.Join(guest.FilesDir, "debian"))}, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil {
		t.Fatal(err)
	}
	load(t, k, out.Policy)
	usersFiles(t)
	for _, path := range []string{brokerPath, brokerVMM} {
		other(t, path)
	}
	daemon := exec.Command(brokerPath)
	daemon.Args = []string{"broker"}
	daemon.Stderr = os.Stderr
	stdout, err := daemon.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := k.StartWith(t.Context(), daemon, "apparmor-broker", loader.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = daemon.Process.Kill(), daemon.Wait() })
	if _, err := io.ReadFull(stdout, make([]byte, len("ready"))); err != nil {
		t.Fatalf("the broker does not begin: %v", err)
	}
	as := func(uid uint32, args ...string) {
		t.Helper()
		cmd := guest.Command(t, "broker client", args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		said, err := cmd.CombinedOutput()
		t.Logf("user %d, %v:\n%s", uid, args, said)
		if err != nil {
			t.Errorf("user %d, %v: %v", uid, args, err)
		}
	}
	as(bobUID, "create", bobMachine, "/home/bob/disk.img")
	met := "refused by label"
	if set.Unix() {
		met = "EACCES" // of connect
	}
	as(aliceUID, "life", met)
	as(aliceUID, "attacks")
	// Every process that is not confined may enter any profile, also another
	// user's. It is not ended by that user, and keeps the profile in force.
	cmd, in, dec, err := attemptCommand("/home/alice/disk.img")
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: bobUID, Gid: bobUID}}
	if err := k.StartWith(t.Context(), cmd, "libvirt-session-1000-"+aliceMachine, loader.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	if err := dec.Decode(&got); err != nil || got["/home/alice/disk.img"] != "EACCES" {
		t.Errorf("another user under the profile: %v, %v", got, err)
	}
	as(aliceUID, "held")
	if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("another user's process: %v", err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
	as(aliceUID, "remove", aliceMachine)
	as(bobUID, "remove", bobMachine)

	// A policy namespace, and whoever is in it.
	as(bobUID, "namespace", "refused")
	if list, err := k.Namespaces(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("namespaces %q, %v", list, err)
	}
	for range 2 {
		as(aliceUID, "namespace", ownNamespace)
	}
	t.Cleanup(func() {
		if err := k.RemoveNamespace(background, ownNamespace); err != nil {
			t.Error(err)
		}
	})
	inside := guest.Command(t, "enter namespace", ownNamespace, "client")
	inside.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: aliceUID, Gid: aliceUID}}
	if said, err := inside.CombinedOutput(); err != nil || !strings.Contains(string(said), "refused true") {
		t.Errorf("a process in the policy namespace: %v: %s", err, said)
	}
	profiles, err := k.Profiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range profiles {
		if strings.HasPrefix(p.Name, "libvirt-session-") {
			t.Errorf("%s is left", p.Name)
		}
	}
}

// usersFiles makes two users with homes.
func usersFiles(t *testing.T) {
	t.Helper()
	check := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	fresh(t, "/home")
	fresh(t, "/var/lib/apparmor-broker")
	check(os.MkdirAll("/etc", 0o755), os.WriteFile("/etc/passwd", []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n"), 0o644),
		os.WriteFile("/etc/shadow", []byte("secret"), 0o600), os.WriteFile("/home/other", nil, 0o600))
	removeLater(t, "/etc/passwd")
	removeLater(t, "/etc/shadow")
	for name, uid := range map[string]int{"alice": aliceUID, "bob": bobUID} {
		home := "/home/" + name
		check(os.Mkdir(home, 0o700), os.Chown(home, uid, uid))
		for _, file := range []string{"disk.img", "more.img", "private"} {
			check(os.WriteFile(home+"/"+file, []byte("x"), 0o600), os.Chown(home+"/"+file, uid, uid))
		}
	}
	check(os.WriteFile("/home/alice/roots", nil, 0o600), os.Symlink("/etc/shadow", "/home/alice/shadow"), os.Link("/home/other", "/home/alice/hard"))
}
