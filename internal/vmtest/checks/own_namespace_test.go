// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
)

const ownNamespace = "libvirt-session-1000"

// enterNamespace is a user's program that starts itself again in a policy
// namespace, with loader.Tasks.StartInNamespace. The first argument is the
// namespace, the second what to do there.
func enterNamespace(args []string) int {
	tasks, err := loader.OpenTasks(loader.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	cmd := exec.Command("/init")
	cmd.Args = append([]string{"namespace " + args[1]}, args[2:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	var started loader.Started
	err = tasks.StartInNamespace(context.Background(), cmd, args[0], loader.StartOptions{Started: &started})
	if err != nil {
		fmt.Printf("start: %v, user namespace %v, not there %v\n", err, errors.Is(err, loader.ErrUserNamespace), errors.Is(err, loader.ErrNotExist))
		return 1
	}
	fmt.Printf("# started under %v, stacked %v\n", started.Label, started.Stacked)
	if err := cmd.Wait(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// namespaceManager manages machines in a policy namespace of its own: all that it
// finds wrong is printed. The argument is what opening a disk comes to that the
// machine has and a profile outside may deny.
func namespaceManager(args []string) int {
	bad := 0
	fail := func(format string, a ...any) {
		bad++
		fmt.Printf(format+"\n", a...)
	}
	ctx := context.Background()
	k, err := loader.Open(loader.Options{OwnUserNamespace: true})
	if err != nil {
		fail("open: %v", err)
		return 1
	}
	defer k.Close()
	// Profiles by themselves.
	set, err := k.Features(ctx)
	if err != nil {
		fail("features: %v", err)
	}
	out, err := compile.Text(ctx, "own", "profile own { /home/** r, profile child { /a r, } }", compile.Source{Kernel: set, Options: compile.Options{Degrade: compile.Report}})
	if err != nil {
		fail("compile: %v", err)
		return 1
	}
	if err := k.Load(ctx, out.Policy); err != nil {
		fail("load: %v", err)
	}
	if err := k.Load(ctx, out.Policy); !errors.Is(err, loader.ErrExist) {
		fail("load again: %v", err)
	}
	_, err = k.Ensure(ctx, out.Policy)
	fmt.Printf("# the mode of the kernel: %v\n", err)
	if !errors.Is(err, loader.ErrPermission) {
		fail("the mode of the kernel can be read: %v", err)
	}
	unread := loader.Accept{Unverified: true}
	if changed, err := k.EnsureWith(ctx, out.Policy, unread); err != nil || changed {
		fail("ensure: %v, %v", changed, err)
	}
	if same, err := k.Holds(ctx, out.Policy); err != nil || !same {
		fail("holds: %v, %v", same, err)
	}
	if err := k.Replace(ctx, out.Policy); err != nil {
		fail("replace: %v", err)
	}
	list, err := k.Profiles(ctx)
	if want := []loader.Profile{{Name: "own", Mode: "enforce"}, {Name: "own//child", Mode: "enforce"}}; err != nil || !cmp.Equal(list, want) {
		fail("profiles: %v, %v", list, err)
	}
	if err := k.Retire(ctx, "own", loader.RetireOptions{}); err != nil {
		fail("retire: %v", err)
	}
	if _, err := k.Namespace(ctx, "below", true); !errors.Is(err, loader.ErrPermission) {
		fail("a namespace below: %v", err)
	}
	namespaceMachine(ctx, k, args[0], fail)
	if list, err := k.Profiles(ctx); err != nil || len(list) != 0 {
		fail("profiles that are left: %v, %v", list, err)
	}
	return min(bad, 100)
}

// namespaceMachine plays the life of a machine.
func namespaceMachine(ctx context.Context, k *loader.Kernel, more string, fail func(string, ...any)) {
	unread := loader.Accept{Unverified: true}
	for _, o := range []svirt.ManagerOptions{
		{Dir: "/home/alice/policy"}, // / belongs to nobody who is seen here
		{Dir: "/home", AncestorsChecked: true},
	} {
		o.Driver = &svirt.AppArmor{Kernel: k, Degrade: compile.Report}
		if m, err := svirt.New(ctx, o); !errors.Is(err, svirt.ErrUnsafeDir) {
			fail("%s: %v, %v", o.Dir, m, err)
		}
	}
	if err := svirt.CheckDirectory("/home/alice/policy"); !errors.Is(err, svirt.ErrUnsafeDir) {
		fail("the directory: %v", err)
	}
	m, err := svirt.New(ctx, svirt.ManagerOptions{
		Dir: "/home/alice/policy", Driver: &svirt.AppArmor{Kernel: k, Degrade: compile.Report}, AncestorsChecked: true,
		Derive: svirt.Options{Roots: svirt.Roots{Images: []string{"/home/alice"}}},
	})
	if err != nil {
		fail("new: %v", err)
		return
	}
	defer m.Close()
	disk := func(id, path string) svirt.Disk {
		return svirt.Disk{ID: id, Image: svirt.Image{Path: path, Format: "raw"}}
	}
	d := &svirt.Domain{UUID: aliceMachine, Name: "m", Devices: svirt.Devices{
		Disks: []svirt.Disk{disk("vda", "/home/alice/disk.img")}, Programs: []svirt.Program{{ID: "vmm", Path: brokerVMM}},
	}}
	if err := m.CreateWith(ctx, d, unread); err != nil {
		fail("create: %v", err)
		return
	}
	if all, err := m.List(ctx); err != nil || len(all) != 1 || !all[0].Loaded {
		fail("list: %+v, %v", all, err)
	}
	paths := []string{"/home/alice/disk.img", "/home/alice/more.img", "/home/alice/private"}
	start := func(want ...string) (*exec.Cmd, io.Closer) {
		cmd, in, dec, err := attemptCommand(paths...)
		if err == nil {
			err = m.StartWith(ctx, aliceMachine, cmd, svirt.StartOptions{Accept: unread})
		}
		if err != nil {
			fail("start: %v", err)
			return nil, nil
		}
		got := map[string]string{}
		if err := dec.Decode(&got); err != nil {
			fail("the VMM says nothing: %v", err)
		}
		for i, path := range paths {
			if got[path] != want[i] {
				fail("%s: %s, want %s", path, got[path], want[i])
			}
		}
		l, err := k.Label(cmd.Process.Pid)
		if err != nil || l.String() != "libvirt-"+aliceMachine+" (enforce)" {
			fail("label: %v, %v", l, err)
		}
		if got["uid"] != "0" {
			fail("user %s", got["uid"])
		}
		return cmd, in
	}
	cmd, in := start("ok", "EACCES", "EACCES")
	if cmd == nil {
		return
	}
	if _, err := m.Update(ctx, aliceMachine, svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{disk("vdb", "/home/alice/more.img")}}}); err != nil {
		fail("update: %v", err)
	}
	if err := m.Remove(ctx, aliceMachine); !errors.Is(err, loader.ErrInUse) {
		fail("remove while it runs: %v", err)
	}
	if users, err := k.Users(ctx, "libvirt-"+aliceMachine); err != nil || len(users) == 0 || users[0].PID != cmd.Process.Pid {
		fail("users: %v, %v", users, err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		fail("the VMM: %v", err)
	}
	if cmd, in = start("ok", more, "EACCES"); cmd != nil {
		if err := m.RemoveWith(ctx, aliceMachine, svirt.RemoveOptions{Retire: loader.RetireOptions{Kill: true}}); err != nil {
			fail("remove and kill: %v", err)
		}
		_, _ = in.Close(), cmd.Wait() // it was killed
	}
}

// namespaceClient asks the broker for something.
func namespaceClient([]string) int {
	_, err := (&broker.Client{}).List(context.Background())
	fmt.Printf("%v: refused %v\n", err, errors.Is(err, broker.ErrNoPeer))
	return 0
}

// removeAlices removes a profile of the policy namespace that it runs in.
func removeAlices() error {
	k, err := loader.Open(loader.Options{})
	if err != nil {
		return err
	}
	defer k.Close()
	return k.Remove(context.Background(), "alices")
}

// namespaceOther is another user's program in the same policy namespace.
func namespaceOther([]string) int {
	if json.NewEncoder(os.Stdout).Encode(errnoOf(removeAlices())) != nil {
		return 1
	}
	return 0
}

// namespaceRefused changes policy where the kernel takes none.
func namespaceRefused([]string) int {
	err := removeAlices()
	fmt.Printf("%v, no policy %v\n", err, errors.Is(err, loader.ErrUserPolicy) && errors.Is(err, loader.ErrPermission))
	return 0
}

// TestOwnNamespace has a user manage machines in a policy namespace that root has
// made, without root.
func TestOwnNamespace(t *testing.T) {
	k := kernel(t)
	usersFiles(t)
	err := errors.Join(os.MkdirAll("/home/alice/policy", 0o700), os.Chown("/home/alice/policy", aliceUID, aliceUID), os.Mkdir("/home/libvirt", 0o755))
	if err != nil {
		t.Fatal(err)
	}
	other(t, brokerVMM)
	ns := namespace(t, k, ownNamespace)
	run := func(uid uint32, label string, args ...string) string {
		t.Helper()
		cmd := guest.Command(t, "enter namespace", args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = &said, &said
		err := k.StartWith(t.Context(), cmd, label, loader.StartOptions{Accept: loader.Accept{Unconfined: true}})
		if err == nil {
			err = cmd.Wait()
		}
		t.Logf("user %d under %s, %v:\n%s", uid, label, args, &said)
		if err != nil {
			said.WriteString(err.Error())
		}
		return said.String()
	}
	wrong := func(said string) bool {
		for line := range strings.Lines(said) {
			if !strings.HasPrefix(line, "#") {
				return true
			}
		}
		return said == ""
	}
	if said := run(aliceUID, loader.Unconfined, ownNamespace, "manager", "ok"); wrong(said) {
		t.Errorf("not confined: %s", said)
	}
	// Under a profile outside that keeps one file from all of it.
	loadText(t, k, `profile holder flags=(attach_disconnected) {
		file, capability, unix, signal, ptrace, userns, network, dbus, io_uring, mqueue,
		change_profile, deny /home/alice/more.img rw,
	}`)
	if said := run(aliceUID, "holder", ownNamespace, "manager", "EACCES"); wrong(said) {
		t.Errorf("under a profile: %s", said)
	}

	if said := run(aliceUID, loader.Unconfined, "missing", "manager"); !strings.Contains(said, "not there true") {
		t.Errorf("a missing namespace: %s", said)
	}
	// Kernels know no owner of a policy namespace: whoever may enter it may have
	// its policy. A profile that does not let others in is what keeps them out.
	load(t, ns, encode(t, minimal("alices")))
	loadText(t, k, `profile outsider flags=(attach_disconnected) {
		file, capability, unix, signal, ptrace, userns, network, change_profile -> plain-*,
	}`)
	if said := run(bobUID, "outsider", ownNamespace, "other"); !strings.Contains(said, "EACCES") && !strings.Contains(said, "permission denied") {
		t.Errorf("another user, confined: %s", said)
	}
	wantLoaded(t, k, "holder (enforce)", "outsider (enforce)", ":"+ownNamespace+":alices (enforce)")

	const switchFile = "/proc/sys/kernel/unprivileged_userns_apparmor_policy"
	if err := os.WriteFile(switchFile, []byte("0"), 0o644); err != nil {
		t.Errorf("the switch: %v", err)
	} else {
		if said := run(aliceUID, loader.Unconfined, ownNamespace, "refused"); !strings.Contains(said, "no policy true") {
			t.Errorf("switched off: %s", said)
		}
		if err := os.WriteFile(switchFile, []byte("1"), 0o644); err != nil {
			t.Error(err)
		}
	}
	const most = "/proc/sys/user/max_user_namespaces"
	had, err := os.ReadFile(most)
	if err == nil {
		err = os.WriteFile(most, []byte("0"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if said := run(aliceUID, loader.Unconfined, ownNamespace, "manager"); !strings.Contains(said, "user namespace true") {
		t.Errorf("no user namespaces: %s", said)
	}
	if err := os.WriteFile(most, had, 0o644); err != nil {
		t.Error(err)
	}
	if said := run(bobUID, loader.Unconfined, ownNamespace, "other"); !strings.Contains(said, `"ok"`) {
		t.Errorf("another user, not confined: %s", said)
	}
	if list, err := k.Profiles(t.Context()); err != nil || hasProfile(list, ":"+ownNamespace+":alices") {
		t.Errorf("%v, %v", list, err)
	}
}

func hasProfile(list []loader.Profile, name string) bool {
	for _, p := range list {
		if p.Name == name || ":"+p.Namespace+":"+p.Name == name {
			return true
		}
	}
	return false
}
