// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// The XML of a domain becomes a machine, and the machine the rules that it
// needs.
func ExampleParse() {
	machine, err := libvirtxml.Parse([]byte(`<domain type='kvm'>
  <name>mail</name>
  <uuid>a22e3930-d87a-584e-22b2-1d8950212bac</uuid>
  <memory>524288</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='/srv/vm/mail.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>`))
	var bad *libvirtxml.Error
	switch {
	case errors.As(err, &bad):
		fmt.Println(bad)
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	fmt.Println(machine.Name, machine.Type, machine.Devices.Disks[0].Image.Path)
	rules, err := svirt.Derive(context.Background(), machine, svirt.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(string(rules.AppendText(nil)))
	// Output:
	// mail kvm /srv/vm/mail.img
	//   "/run/libvirt/qemu/mail.pid" rwk, # domain machine
	//   "/run/libvirt/qemu/qemu.tunnelmigrate.dest.mail" rw, # domain machine
	//   "/srv/vm/mail.img" rwk, # disk vda
	//   "/var/log/libvirt/qemu/mail.log" w, # domain machine
}
