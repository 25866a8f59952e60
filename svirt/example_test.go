// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"fmt"
	"os"

	"github.com/goarmor/apparmor/svirt"
)

// A VMM that runs without libvirt lists what its machine uses. What has no
// field of its own is an Access.
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
	rules, err := svirt.Derive(d, svirt.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	os.Stdout.Write(rules.AppendText(nil))
	// Output:
	//   "/run/web-1/api.sock" rw, # extra api
	//   "/srv/kernels/vmlinux" r, # boot kernel
	//   "/srv/shared/data.img" rk, # disk data
	//   "/srv/vm/web-1/root.img" rwk, # disk root
}

// What a machine must not have is refused, with the device and the reason.
func ExampleDerive_refused() {
	_, err := svirt.Derive(&svirt.Domain{
		UUID: "6d8c1494-16d5-5675-9439-85dd7dfec85d",
		Name: "web-1",
		Devices: svirt.Devices{Disks: []svirt.Disk{
			{ID: "root", Image: svirt.Image{Path: "/srv/*"}},
			{ID: "data", Image: svirt.Image{Path: "/etc/shadow"}},
		}},
	}, svirt.Options{})
	fmt.Println(err)
	// Output:
	// disk root: the path has a byte that is special in policy ("/srv/*")
	// disk data: the path is restricted to the system ("/etc/shadow")
}
