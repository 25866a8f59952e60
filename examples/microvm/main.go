// SPDX-License-Identifier: Apache-2.0

// Command microvm runs a machine of Cloud Hypervisor with its companions, or
// one of Firecracker in the jail of its jailer: each process under a profile of
// its own, made for this machine.
//
//	microvm MACHINE.json
//
// It needs root, a kernel with AppArmor, and the programs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

// The first thread of a program never ends, and would keep a label for good; see
// startJailer. With the main goroutine locked to it, no other one runs there.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "microvm:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: microvm MACHINE.json")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	m := new(Machine)
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	manager, err := svirt.New(ctx, options())
	if err != nil {
		return err
	}
	defer manager.Close()
	return m.Run(ctx, manager)
}

// options are those of a Manager for machines of both VMMs. Types name the
// templates that machines may have.
func options() svirt.ManagerOptions {
	return svirt.ManagerOptions{
		Types:     []string{"cloud-hypervisor", "firecracker"},
		Templates: svirt.TemplatesOwn,
	}
}

// Run runs the machine until its VMM ends, or the context does, and leaves
// nothing of it in the kernel.
func (m *Machine) Run(ctx context.Context, manager *svirt.Manager) (err error) {
	d, companions, args, err := m.describe()
	if err != nil {
		return err
	}
	if err := manager.Create(ctx, d); err != nil {
		return err // an error says which device is refused, and why
	}
	// Whatever happens, nothing runs on under the profiles, and they go.
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err = errors.Join(err, manager.RemoveWith(end, m.UUID, svirt.RemoveOptions{Retire: loader.RetireOptions{Kill: true}}))
	}()
	ctx, stop := context.WithCancel(ctx) // ends what is left
	defer stop()
	for _, c := range d.Companions {
		id := string(c.Kind)
		cmd := command(ctx, companions[id].args)
		if err := manager.StartWith(ctx, m.UUID, cmd, svirt.StartOptions{Companion: id}); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if err := appears(ctx, companions[id].socket, ended); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	cmd := command(ctx, args)
	if m.VMM == "firecracker" {
		err = startJailer(ctx, manager, m.UUID, cmd)
	} else {
		err = manager.Start(ctx, m.UUID, cmd)
	}
	if err != nil {
		return err
	}
	return cmd.Wait()
}

func command(ctx context.Context, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Env = "/", []string{"PATH=/usr/sbin:/usr/bin"}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

// startJailer starts the jailer as an execution by the machine's own profile,
// which sends it to a child profile that may make a root and nodes. That one
// sends Firecracker back. So the jailer never runs with more than it needs, and
// Firecracker never with what the jailer may.
func startJailer(ctx context.Context, manager *svirt.Manager, uuid string, cmd *exec.Cmd) error {
	started := make(chan error, 1)
	go func() {
		// The label is the thread's. It ends with this goroutine, because that
		// does not unlock it.
		runtime.LockOSThread()
		if err := manager.ChangeProfile(ctx, uuid); err != nil {
			started <- err
			return
		}
		started <- cmd.Start()
	}()
	return <-started
}

// appears waits until something listens on a socket. It does not connect to see:
// who is connected to once and left ends, as virtiofsd does.
func appears(ctx context.Context, name string, ended <-chan error) error {
	for {
		if ok, err := listens(name); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("it has ended before it listens: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// listens reports whether something listens on a socket. That its file is there
// says less: passt makes it long before.
func listens(name string) (bool, error) {
	// Of a socket that listens the flags are 00010000; proc_net_unix(5).
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(sockets)) {
		// Num RefCount Protocol Flags Type St Inode Path
		f := strings.Fields(line)
		if len(f) > 7 && f[3] == "00010000" && strings.HasSuffix(strings.TrimSuffix(line, "\n"), " "+name) {
			return true, nil
		}
	}
	return false, nil
}
