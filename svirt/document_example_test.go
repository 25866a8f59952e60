// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/svirt"
)

// A monitor that libvirt does not know has a template of its own, made of
// values: its program, and what every machine of it needs. A Manager takes it
// among its Parts, and machines whose Type is "firecracker" get it.
func ExampleNewTemplate() {
	template, err := svirt.NewTemplate("libvirt/TEMPLATE.firecracker",
		[]ast.Flag{{Name: "attach_disconnected"}},
		&ast.Include{Path: "abstractions/libvirt-vmm"},
		&ast.FileRule{Path: "/usr/bin/firecracker", Perms: ast.FileRead | ast.FileMmap, Exec: ast.ExecInherit},
		&ast.CapabilityRule{Names: []string{"net_admin"}},
		&ast.NetworkRule{Qualifiers: ast.Qualifiers{Access: ast.Deny}, Family: "inet6"},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	profile, err := template.Instantiate(ctx, "6d8c1494-16d5-5675-9439-85dd7dfec85d", true)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s:\n%s", profile.Name(), profile.Text())
	// Output:
	// libvirt/libvirt-6d8c1494-16d5-5675-9439-85dd7dfec85d:
	// abi <abi/5.0>,
	// include <tunables/global>
	//
	// profile libvirt-6d8c1494-16d5-5675-9439-85dd7dfec85d flags=(attach_disconnected) {
	//   include <abstractions/libvirt-vmm>
	//   /usr/bin/firecracker mrix,
	//   capability net_admin,
	//   deny network inet6,
	//
	//   include if exists <libvirt/libvirt-6d8c1494-16d5-5675-9439-85dd7dfec85d.files>
	// }
}

// A template of the host is changed and written back with all else as it was.
func ExampleTemplate_With() {
	ctx := context.Background()
	template, err := svirt.ReadTemplate(ctx, []fs.FS{svirt.PolicyFS()}, "libvirt/TEMPLATE.vmm")
	if err != nil {
		fmt.Println(err)
		return
	}
	template, err = template.With(&ast.FileRule{Path: "/opt/vmm/bin/vmm", Perms: ast.FileRead | ast.FileMmap, Exec: ast.ExecInherit})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(template.Text())
	// Output:
	// # The profile of one virtual machine of a monitor that runs without libvirt,
	// # made from this template: its name is the machine's UUID, and what is granted
	// # to the machine alone, the monitor's program among it, is included at its end.
	//
	// abi <abi/5.0>,
	//
	// include <tunables/global>
	//
	// profile LIBVIRT_TEMPLATE flags=(attach_disconnected) {
	//   include <abstractions/libvirt-vmm>
	//
	//   # Its companions, by sockets without a name that one of them handed over.
	//   unix (receive, send) type=stream peer=(label=LIBVIRT_TEMPLATE-*),
	//   /opt/vmm/bin/vmm mrix,
	// }
}

// What an administrator changed in a machine's profile is seen.
func ExampleTemplate_Made() {
	ctx := context.Background()
	const uuid = "6d8c1494-16d5-5675-9439-85dd7dfec85d"
	template, err := svirt.ReadTemplate(ctx, []fs.FS{svirt.PolicyFS()}, "libvirt/TEMPLATE.qemu")
	if err != nil {
		fmt.Println(err)
		return
	}
	made, err := template.Instantiate(ctx, uuid, true)
	if err != nil {
		fmt.Println(err)
		return
	}
	edited, err := svirt.ParseMachineProfile(ctx, uuid, made.Text()+"# A site's own note.\n")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(template.Made(made, true), template.Made(edited, true))
	// Output: true false
}
