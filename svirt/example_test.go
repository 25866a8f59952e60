// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"fmt"
	"os"

	"github.com/goarmor/apparmor/svirt"
)

// A VMM that runs without libvirt lists what its machine uses. What has no
// field of its own is a PathGrant.
func ExampleDerive() {
	d := &svirt.Domain{
		UUID: "6d8c1494-16d5-5675-9439-85dd7dfec85d",
		Name: "web-1",
		Boot: svirt.Boot{Kernel: "/srv/kernels/vmlinux"},
		Devices: svirt.Devices{
			Disks: []svirt.Disk{
				{ID: "root", Image: svirt.Image{Path: "/srv/vm/web-1/root.img"}},
				{ID: "data", Image: svirt.Image{Path: "/srv/shared/data.img"}, ReadOnly: true},
			},
			Extra: []svirt.PathGrant{{ID: "api", Path: "/run/web-1/api.sock", Perms: "rw"}},
		},
	}
	rules, err := svirt.Derive(context.Background(), d, svirt.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s", rules.AppendText(nil))
	// Output:
	//   "/run/web-1/api.sock" rw, # extra api
	//   "/srv/kernels/vmlinux" r, # boot kernel
	//   "/srv/shared/data.img" rk, # disk data
	//   "/srv/vm/web-1/root.img" rwk, # disk root
}

// What a machine must not have is refused, with the device and the reason.
func ExampleDerive_refused() {
	_, err := svirt.Derive(context.Background(), &svirt.Domain{
		UUID: "6d8c1494-16d5-5675-9439-85dd7dfec85d",
		Name: "web-1",
		Devices: svirt.Devices{Disks: []svirt.Disk{
			{ID: "root", Image: svirt.Image{Path: "/srv/*"}},
			{ID: "data", Image: svirt.Image{Path: "/etc/shadow"}},
		}},
	}, svirt.Options{})
	fmt.Println(err)
	// Output:
	// disk root: the path has a byte that is special in policy ("/srv/*"): Options.EscapeSpecial takes it
	// disk data: the path is restricted to the system ("/etc/shadow")
}

// A VMM keeps the profiles of its machines with a Manager. The driver None
// is for a host without AppArmor; by default it is the running kernel's, and
// New fails where there is none.
func ExampleManager() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-") // /etc/apparmor.d on a host
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Println(err)
		}
	}()
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: svirt.None{}, Templates: svirt.TemplatesOwn})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer manager.Close()

	machine := &svirt.Domain{
		UUID: "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11",
		Name: "web",
		Type: "kvm",
		Devices: svirt.Devices{
			Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/vm/web.img", Format: "raw"}}},
		},
	}
	if err := manager.Create(ctx, machine); err != nil {
		fmt.Println(err)
		return
	}
	// manager.Start(ctx, machine.UUID, cmd) starts the machine confined. While
	// it runs it gets another disk:
	more := svirt.Devices{Disks: []svirt.Disk{{ID: "vdb", Image: svirt.Image{Path: "/srv/vm/data.img", Format: "raw"}}}}
	if _, err := manager.Update(ctx, machine.UUID, svirt.Change{Add: more}); err != nil {
		fmt.Println(err)
		return
	}
	machines, err := manager.List(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range machines {
		fmt.Println(m.Profile, m.Driver, m.HasFiles)
	}
	fmt.Println(manager.Remove(ctx, machine.UUID))
	// Output:
	// libvirt-7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11 none true
	// <nil>
}
