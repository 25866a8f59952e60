// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// forkChain is a program that forks and ends, again and again, so that it is
// over before anybody has looked at it, and tries the secret each time, or each
// so many times as its argument says. It prints E when it could read it.
func forkChain(args []string) int {
	runtime.LockOSThread()
	every, err := strconv.Atoi(args[0])
	path, err2 := unix.BytePtrFromString("/files/secret")
	if err := errors.Join(err, err2); err != nil {
		return 1
	}
	if _, err := unix.Write(1, []byte("up\n")); err != nil {
		return 1
	}
	chain(uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(unsafe.StringData("E\n"))), every)
	return 1
}

// chain does not end by itself. After a fork there is one thread, which must
// not come back to the runtime.
//
//go:nosplit
//go:norace
func chain(path, escaped uintptr, every int) {
	const here = ^uintptr(99) // AT_FDCWD
	for i := 1; ; i++ {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno == 0 && pid != 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		if i%every != 0 {
			continue
		}
		fd, _, errno := syscall.RawSyscall6(syscall.SYS_OPENAT, here, path, 0, 0, 0, 0)
		if errno == 0 {
			_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, 1, escaped, 2)
			_, _, _ = syscall.RawSyscall(syscall.SYS_EXIT_GROUP, fd, 0, 0)
		}
	}
}

// cgroups mounts cgroup version 2 and returns where.
func cgroups(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// cgroup is a cgroup of a test.
type cgroup string

func newCgroup(t *testing.T, below, name string) cgroup {
	t.Helper()
	dir := filepath.Join(below, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return cgroup(dir)
}

func (c cgroup) populated(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(text), "populated 1")
}

// end kills what is in it and waits for its end. One kill should do. With kernel
// 7.2.13 in a busy guest a zombie once stayed in the cgroup until the next kill,
// so it is repeated.
func (c cgroup) end(t *testing.T) {
	t.Helper()
	const each, most = 5 * time.Second, 12
	for range most {
		if err := os.WriteFile(filepath.Join(string(c), "cgroup.kill"), []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		for begun := time.Now(); time.Since(begun) < each; time.Sleep(time.Millisecond) {
			if !c.populated(t) {
				return
			}
		}
		t.Logf("%s: populated %v after cgroup.kill: %s", c, each, c.tasks(t))
	}
	t.Fatalf("%s: populated after %d times cgroup.kill", c, most)
}

// tasks tells of the processes in it, for messages.
func (c cgroup) tasks(t *testing.T) string {
	t.Helper()
	pids, err := os.ReadFile(filepath.Join(string(c), "cgroup.procs"))
	if err != nil {
		t.Fatal(err)
	}
	events, err := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	if err != nil {
		t.Fatal(err)
	}
	said := fmt.Sprintf("%q", events)
	for _, pid := range strings.Fields(string(pids)) {
		// One that has ended meanwhile is told by its error.
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		said += fmt.Sprintf("; %s: %q, %v", pid, stat, err)
	}
	return said
}

// put has a command start in the cgroup.
func (c cgroup) put(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	dir, err := os.Open(string(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, dir) })
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
}

// TestForkChain retires the profile of what forks and ends without a pause:
// when that is done nothing is left of it. How often, the host says.
func TestForkChain(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(guest.FilesDir, "rounds"))
	if err != nil {
		t.Skip("takes minutes; TestForkChain of package vmtest runs it")
	}
	rounds, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	k, below := kernel(t), cgroups(t)
	_, out := newCompiler(t).output(t, "text", "profile chain { /init mr, }")
	type count struct{ retired, inUse, sealed, lost int }
	counts := map[string]*count{}
	for round := range rounds {
		if err := k.Load(t.Context(), out.Policy); err != nil {
			t.Fatal(err)
		}
		group := newCgroup(t, below, strconv.Itoa(round))
		variant, every := [...]string{"wait", "kill", "kill by cgroup", "wait for cgroup"}[round%4], 1
		if round%8 >= 4 {
			variant, every = variant+", rarely", 50
		}
		o := loader.RetireOptions{Timeout: 200 * time.Millisecond, Kill: strings.HasPrefix(variant, "kill")}
		if strings.Contains(variant, "cgroup") {
			o.Cgroup = string(group)
			if o.Kill {
				o.Timeout = time.Minute // nothing outruns it
			}
		}
		n := counts[variant]
		if n == nil {
			n = new(count)
			counts[variant] = n
		}

		cmd := guest.Command(t, "forkchain", strconv.Itoa(every))
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = w
		group.put(t, cmd)
		if err := k.Start(t.Context(), cmd, "chain"); err != nil {
			t.Fatal(err)
		}
		closeNow(t, w)
		in := bufio.NewReader(r)
		if line, err := in.ReadString('\n'); line != "up\n" {
			t.Fatalf("%q, %v", line, err)
		}
		if err := cmd.Wait(); err != nil { // for its first process
			t.Errorf("round %d: %v", round, err)
		}

		err = k.Retire(t.Context(), "chain", o)
		lost := false
		switch {
		case err == nil:
			n.retired++
			// Nothing may be left that the profile has confined.
			lost = group.populated(t)
			if lost {
				time.Sleep(10 * time.Millisecond) // for what it can do now
			}
		case errors.Is(err, loader.ErrInUse):
			n.inUse++
			if strings.Contains(err.Error(), "allows nothing") {
				n.sealed++
			}
			if _, err := k.Profile(t.Context(), "chain"); err != nil {
				t.Errorf("round %d: in use, and the profile: %v", round, err)
			}
		default:
			t.Errorf("round %d, %s: %v", round, variant, err)
		}
		group.end(t)
		said, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		closeNow(t, r)
		if lost || len(said) > 0 {
			n.lost++
			t.Errorf("round %d, %s: a process was left, and said %q", round, variant, said)
		}
		// Once all have ended, the next call is done at once.
		if err := k.Retire(t.Context(), "chain", loader.RetireOptions{Cgroup: string(group)}); err != nil && !isNotExist(err) {
			t.Errorf("round %d, %s: once all have ended: %v", round, variant, err)
		}
		if err := os.Remove(string(group)); err != nil {
			t.Error(err)
		}
	}
	for variant, n := range counts {
		t.Logf("%s: %+v", variant, *n)
		if strings.HasPrefix(variant, "kill by cgroup") && n.inUse > 0 {
			t.Errorf("%s: in use %d times", variant, n.inUse)
		}
	}
	wantLoaded(t, k)
}

// TestSealed takes everything from a process that was allowed everything.
func TestSealed(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/sealed")
	for _, name := range []string{"file", "spare", "mnt/x"} {
		if err := os.MkdirAll(filepath.Dir(dir+"/"+name), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, dir+"/"+name)
	}
	loadText(t, k, "abi <kernel>,\nprofile all { file, capability, network, signal, ptrace, unix, mount, umount, pivot_root, change_profile, /** rwmlkix, }\nprofile seen { file, signal, ptrace, }")
	p, peer := confine(t, k, "all"), confine(t, k, "seen")
	other(t, "/usr/bin/sealed")
	winch := strconv.Itoa(int(unix.SIGWINCH))
	file, mnt := dir+"/file", dir+"/mnt"
	steps := []step{
		allow("read", file), allow("write", file), allow("append", file), allow("lock", file), allow("map", file),
		allow("list", dir), allow("rename", file, file), allow("chmod", file), allow("chown", file), allow("run", "/usr/bin/sealed"),
		{syscall.EPERM, "hostname", []string{"sealed"}},
		allow("mount", mnt), allow("bind", dir, mnt), {syscall.EPERM, "umount", []string{mnt}},
		allow("kill", peer.pid(), winch), allow("trace", peer.pid()),
		allow("socket", strconv.Itoa(unix.AF_INET), strconv.Itoa(unix.SOCK_STREAM), "0"),
		allow("socket", strconv.Itoa(unix.AF_NETLINK), strconv.Itoa(unix.SOCK_RAW), "0"),
		allow("socket", strconv.Itoa(unix.AF_UNIX), strconv.Itoa(unix.SOCK_DGRAM), "0"),
		allow("listen", strconv.Itoa(unix.AF_INET), strconv.Itoa(unix.SOCK_STREAM), "0"),
		allow("abstract bind", "sealed"),
	}
	for _, s := range steps {
		p.want(t, 0, s.op, s.args...)
	}
	// What can be done once.
	once := func(want syscall.Errno, n string) {
		t.Helper()
		p.want(t, want, "create", dir+"/new"+n)
		p.want(t, want, "link", dir+"/spare", dir+"/link"+n)
		p.want(t, want, "mkdir", dir+"/dir"+n)
	}
	once(0, "1")
	p.want(t, 0, "remove", dir+"/new1")
	for range 2 {
		p.want(t, 0, "umount", mnt)
		if unix.Unmount(mnt, 0) != nil {
			break
		}
	}
	if sealed, err := k.Sealed(t.Context(), "all"); sealed != false || err != nil {
		t.Errorf("sealed %v, %v", sealed, err)
	}
	if err := k.Seal(t.Context(), "all"); err != nil {
		t.Fatal(err)
	}
	if sealed, err := k.Sealed(t.Context(), "all"); sealed != true || err != nil {
		t.Errorf("sealed %v, %v", sealed, err)
	}
	if l, err := k.Label(p.cmd.Process.Pid); err != nil || l.String() != "all (enforce)" {
		t.Errorf("label %q, %v", l, err)
	}
	for _, s := range steps {
		want := s.want
		if want == 0 {
			want = syscall.EACCES
		}
		p.want(t, want, s.op, s.args...)
	}
	once(syscall.EACCES, "2")
	p.want(t, syscall.EACCES, "remove", dir+"/spare")
	p.want(t, syscall.EACCES, "label", "seen")
	if guest.Since(6, 8) {
		p.want(t, syscall.EACCES, "label by call", "seen")
		p.want(t, syscall.EACCES, "label by call", "unconfined")
	}
}

// TestUsersUnreadable has a manager that may not read the labels of others: it
// must not take what it cannot read for ended.
func TestUsersUnreadable(t *testing.T) {
	other(t, vmm)
	manager := newManager(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	m.start(t, manager)
	k := kernel(t)
	loadText(t, k, "profile confined-manager flags=(attach_disconnected) { file, capability, signal, ptrace, network, unix, change_profile, deny /proc/[0-9]*/task/[0-9]*/attr/** r, }")
	onThread(func() {
		if err := k.ChangeProfile("confined-manager"); err != nil {
			t.Error(err)
			return
		}
		err := manager.Unload(t.Context(), m.UUID)
		wantError(t, err, loader.ErrPermission)
	})
	wantLoaded(t, k, "confined-manager (enforce)", m.profile()+" (enforce)")
	m.want(t, syscall.EACCES, "read", "/files/secret")
	wantError(t, manager.Unload(t.Context(), m.UUID), svirt.ErrInUse)
	m.end(t)
}

// TestUsersThreads puts one thread of a process under a machine's profile, and
// under a stack with it in a namespace.
func TestUsersThreads(t *testing.T) {
	manager, k := newManager(t), kernel(t)
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	ns := namespace(t, k, "stacked")
	loadText(t, ns, "profile one { file, signal, unix, }\nprofile two { file, signal, unix, }")
	during := func(label string, change func() error, look func()) {
		t.Helper()
		ready, done := make(chan bool), make(chan bool)
		go func() {
			runtime.LockOSThread()
			if err := change(); err != nil {
				t.Errorf("%s: %v", label, err)
			}
			close(ready)
			<-done
		}()
		<-ready
		look()
		close(done)
	}
	during("machine", func() error { return manager.ChangeProfile(t.Context(), m.UUID) }, func() {
		wantError(t, manager.Unload(t.Context(), m.UUID), svirt.ErrInUse)
		users, err := k.Users(t.Context(), m.profile())
		if err != nil || len(users) != 1 || users[0].PID != os.Getpid() || users[0].TID == os.Getpid() {
			t.Errorf("users %+v, %v", users, err)
		}
		wantLoaded(t, k, m.profile()+" (enforce)", ":stacked:one (enforce)", ":stacked:two (enforce)")
	})
	stack := ns.Qualify("one") + "//&" + ns.Qualify("two")
	during(stack, func() error { return k.ChangeProfile(stack) }, func() {
		for _, name := range []string{"one", "two"} {
			users, err := ns.Users(t.Context(), name)
			if err != nil || len(users) != 1 {
				t.Errorf("users of %s: %+v, %v", name, users, err)
			} else {
				t.Logf("a stack in a namespace is %q", users[0].Label)
			}
			wantError(t, ns.Retire(t.Context(), name, loader.RetireOptions{}), loader.ErrInUse)
		}
	})
}

// TestStartMode has a profile of the name in force that confines nothing, or
// less than the machine's.
func TestStartMode(t *testing.T) {
	const mode = "/sys/module/apparmor/parameters/mode"
	other(t, vmm)
	manager, k, ctx := newManager(t), kernel(t), t.Context()
	m := newMachine(t, "web", "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11")
	m.create(t, manager)
	start := func(what string, want error, accept loader.Accept) {
		t.Helper()
		cmd := probeCommand(vmm)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		err = manager.StartWith(ctx, m.UUID, cmd, svirt.StartOptions{Accept: accept})
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", what, err, want)
		}
		if want == nil && err == nil {
			closeNow(t, in)
			if err := cmd.Wait(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		} else if cmd.Process != nil {
			t.Errorf("%s: a process was started", what)
		}
		if want != nil {
			onThread(func() {
				if err := manager.ChangeProfile(ctx, m.UUID); accept == (loader.Accept{}) && !errors.Is(err, want) {
					t.Errorf("%s: change profile: %v", what, err)
				}
				wantSelf(t, k.Tasks, "unconfined")
			})
		}
	}
	start("as it should be", nil, loader.Accept{})
	for _, name := range []string{"complain", "unconfined"} {
		if err := os.WriteFile(mode, []byte(name), 0); err != nil {
			t.Fatal(err)
		}
		if err := manager.Load(ctx, m.UUID); !errors.Is(err, loader.ErrMode) {
			t.Errorf("load into a kernel in mode %s: %v", name, err)
		}
		if err := manager.LoadWith(ctx, m.UUID, loader.Accept{Complain: name == "complain", Unconfined: name == "unconfined"}); err != nil {
			t.Errorf("load into a kernel in mode %s, accepted: %v", name, err)
		}
		start("kernel in mode "+name, loader.ErrMode, loader.Accept{Prompt: true})
		start("kernel in mode "+name+", accepted", nil, loader.Accept{Complain: true, Unconfined: true})
	}
	if err := os.WriteFile(mode, []byte("enforce"), 0); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{" flags=(complain) { }", " flags=(unconfined) { }", " { file, capability, }"} {
		_, out := newCompiler(t).output(t, "text", "profile "+m.profile()+text)
		if err := k.Replace(ctx, out.Policy); err != nil {
			t.Fatal(err)
		}
		want := loader.ErrContent
		if strings.Contains(text, "flags") {
			want = loader.ErrMode
		}
		start("replaced by"+text, want, loader.Accept{})
		start("replaced by"+text+", all accepted", loader.ErrContent, loader.Accept{Complain: true, Unconfined: true, Prompt: true, Unverified: true})
	}
	if err := manager.Load(ctx, m.UUID); err != nil {
		t.Fatal(err)
	}
	start("loaded again", nil, loader.Accept{})
	d, err := k.Digest(ctx, m.profile())
	if want := map[bool]loader.Algorithm{true: loader.SHA256, false: loader.SHA1}[guest.Since(6, 8)]; err != nil || d.Algorithm != want {
		t.Errorf("digest %v, %v", d, err)
	}
}

// TestProfileNames loads profiles of names that a list could not show.
func TestProfileNames(t *testing.T) {
	k := kernel(t)
	for _, name := range []string{"a (enforce)", "blanks and (brackets)", "x [y] {z}", "a (enforce) b (kill)"} {
		load(t, k, encode(t, minimal(name), minimal(name+"//c (d)")))
		wantLoaded(t, k, name+" (enforce)", name+"//c (d) (enforce)")
		if p, err := k.Profile(t.Context(), name+"//c (d)"); err != nil || p.Mode != loader.ModeEnforce {
			t.Errorf("%+v, %v", p, err)
		}
		if err := k.Retire(t.Context(), name, loader.RetireOptions{}); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestRetireWaiting ends what waits and does nothing that its profile could deny,
// and lets root end what is under a profile that allows nothing.
func TestRetireWaiting(t *testing.T) {
	k := kernel(t)
	ns := namespace(t, k, "waiting")
	start := func(label string) *exec.Cmd {
		t.Helper()
		cmd := guest.Command(t, "attempts")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = in.Close() })
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := k.Start(t.Context(), cmd, label); err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(out).Decode(&map[string]string{}); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	killed := func(cmd *exec.Cmd) {
		t.Helper()
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("the process ended with %v", err)
		}
	}
	for _, in := range []*loader.Kernel{k, ns} {
		loadText(t, in, "profile waits { file, signal, }")
		cmd := start(in.Qualify("waits"))
		if err := in.Retire(t.Context(), "waits", loader.RetireOptions{Kill: true}); err != nil {
			t.Errorf("%q: %v", in.NS(), err)
			_ = cmd.Process.Kill()
		}
		killed(cmd)
	}
	loadText(t, k, "profile waits { file, signal, }")
	cmd := start("waits")
	if err := k.Seal(t.Context(), "waits"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); !errors.Is(err, syscall.EACCES) {
		t.Errorf("SIGTERM: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed(cmd)
}
