// SPDX-License-Identifier: Apache-2.0

// Session is a manager of virtual machines that runs as an ordinary user; see
// README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "session:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	set := flag.NewFlagSet("session", flag.ContinueOnError)
	socket := set.String("socket", "", "the `socket` of a broker; without one everything is in memory")
	disk := set.String("disk", "", "the `file` of the disk")
	vmm := set.String("vmm", "", "the `program` to start")
	if err := set.Parse(args); err != nil {
		return err
	}
	if *socket == "" {
		return inMemory(ctx, w)
	}
	client := &broker.Client{Socket: *socket}
	d := machine(*disk)
	d.Devices.Programs = []svirt.Program{{ID: "vmm", Path: *vmm}}
	if err := client.Create(ctx, d); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, *vmm, set.Args()...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w, os.Stderr
	err := client.Start(ctx, uuid, cmd, svirt.StartOptions{})
	if err == nil {
		_, err = fmt.Fprintf(w, "process %d is confined\n", cmd.Process.Pid)
		err = errors.Join(err, cmd.Wait())
	}
	return errors.Join(err, client.Remove(ctx, uuid, broker.RemoveOptions{Kill: true}))
}

// machine describes a machine with one disk.
func machine(disk string) *svirt.Domain {
	return &svirt.Domain{UUID: uuid, Name: "web", Devices: svirt.Devices{
		Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: disk, Format: "raw"}}},
	}}
}

// inMemory is broker, manager and kernel in one process.
func inMemory(ctx context.Context, w io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "session")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	kernel := svirttest.NewKernel(nil)
	b, err := broker.New(ctx, broker.Options{
		Dir: filepath.Join(dir, "state"), Driver: kernel,
		Allow: func(broker.Peer) error { return nil }, // whoever runs this
		Roots: func(broker.Peer) (svirt.Roots, error) { return svirt.Roots{Images: []string{dir, "/srv"}}, nil },
	})
	if err != nil {
		return err
	}
	socket := filepath.Join(dir, "socket")
	l, err := broker.Listen(socket)
	if err != nil {
		return errors.Join(err, b.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	served := make(chan error)
	go func() { served <- b.Serve(ctx, l) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-served, b.Close())
	}()

	client := &broker.Client{Socket: socket}
	disk := filepath.Join(dir, "disk.img")
	if err := client.Create(ctx, machine(disk)); err != nil {
		return err
	}
	profile, err := client.Ready(ctx, uuid, "")
	if err != nil {
		return err
	}
	for _, path := range []string{disk, filepath.Join(dir, "other.img"), "/etc/passwd"} {
		allowed, err := kernel.Allows(profile, query.File{Path: path, Perms: query.Write})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "write %s: %v\n", filepath.Base(path), allowed); err != nil {
			return err
		}
	}
	err = client.Replace(ctx, machine("/etc/shadow"))
	if _, err := fmt.Fprintf(w, "/etc/shadow as a disk is refused: %v\n", errors.Is(err, broker.ErrRefused)); err != nil {
		return err
	}
	if err := client.Remove(ctx, uuid, broker.RemoveOptions{}); err != nil {
		return err
	}
	all, err := client.List(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "machines that are left: %d\n", len(all))
	return err
}
