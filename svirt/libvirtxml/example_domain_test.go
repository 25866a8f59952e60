// SPDX-License-Identifier: Apache-2.0

package libvirtxml_test

import (
	"context"
	"fmt"

	"libvirt.org/go/libvirtxml"

	"github.com/goarmor/apparmor/svirt"
	svirtxml "github.com/goarmor/apparmor/svirt/libvirtxml"
)

// A program that has its machines in the Go form of libvirt converts them. Both
// packages have one name, so one of them gets another.
func ExampleFromDomain() {
	domain := &libvirtxml.Domain{
		Type: "kvm",
		Name: "mail",
		UUID: "a22e3930-d87a-584e-22b2-1d8950212bac",
		OS:   &libvirtxml.DomainOS{Type: &libvirtxml.DomainOSType{Type: "hvm"}},
		Devices: &libvirtxml.DomainDeviceList{
			Disks: []libvirtxml.DomainDisk{{
				Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: "/srv/vm/mail.img"}},
				Target: &libvirtxml.DomainDiskTarget{Dev: "vda", Bus: "virtio"},
			}},
			Audios: []libvirtxml.DomainAudio{{ID: 1, PulseAudio: &libvirtxml.DomainAudioPulseAudio{}}},
		},
	}
	machine, err := svirtxml.FromDomain(domain)
	if err != nil {
		fmt.Println(err)
		return
	}
	rules, err := svirt.Derive(context.Background(), machine, svirt.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range rules.Warnings() {
		fmt.Println(w)
	}
	// Output:
	// audio audio1: the socket of PulseAudio is where the user of the VMM has it: set Audio.Server
}
