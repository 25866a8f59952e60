// SPDX-License-Identifier: Apache-2.0

package broker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// A user's manager asks a broker to confine a machine. Here both are one process,
// and the kernel is one in memory.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dir, err := os.MkdirTemp("", "broker")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()

	// What runs as root.
	kernel := svirttest.NewKernel(nil)
	b, err := broker.New(ctx, broker.Options{
		Dir: filepath.Join(dir, "state"), Driver: kernel,
		Allow: func(broker.Peer) error { return nil }, // whoever runs the example
		Roots: func(broker.Peer) (svirt.Roots, error) { return svirt.Roots{Images: []string{dir}}, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	l, err := broker.Listen(filepath.Join(dir, "socket"))
	if err != nil {
		fmt.Println(err)
		return
	}
	served := make(chan error)
	go func() { served <- b.Serve(ctx, l) }()

	// What runs as the user.
	client := &broker.Client{Socket: filepath.Join(dir, "socket")}
	disk := filepath.Join(dir, "disk.img")
	err = client.Create(ctx, &svirt.Domain{
		UUID: "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11", Name: "web",
		Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: disk, Format: "raw"}}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	profile, err := client.Ready(ctx, "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{disk, "/etc/passwd"} {
		allowed, err := kernel.Allows(profile, query.File{Path: path, Perms: query.Write})
		fmt.Println(filepath.Base(path), allowed, err)
	}
	cancel()
	fmt.Println(<-served, b.Close())

	// Output:
	// disk.img true <nil>
	// passwd false <nil>
	// <nil> <nil>
}
