package svirt

import (
	"embed"
	"io/fs"
)

//go:embed apparmor.d
var embedded embed.FS

// PolicyFS returns this package's own policy in the layout of
// /etc/apparmor.d: libvirt/TEMPLATE.*, and the abstractions and tunables that
// they include. It needs nothing besides.
//
// TEMPLATE.qemu covers what QEMU needs under libvirt, TEMPLATE.vmm what any
// other monitor does, TEMPLATE.lxc what a container may do.
func PolicyFS() fs.FS {
	sub, err := fs.Sub(embedded, "apparmor.d")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}
