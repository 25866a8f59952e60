// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/goarmor/apparmor/svirt"
)

// Machine is what a user wants.
type Machine struct {
	UUID string `json:"uuid"`
	// VMM is cloud-hypervisor, or firecracker, which runs in a jail.
	VMM string `json:"vmm"`
	// Dir has all that belongs to the machine alone. In it are vmlinux, the
	// guest's kernel, and root.img, its disk. Under Firecracker it is
	// /srv/jailer/firecracker/UUID/root, which becomes the root of the VMM.
	Dir string `json:"dir"`
	// Share is a directory for the guest, by virtiofsd.
	Share string `json:"share,omitempty"`
	// TPM is for a TPM of swtpm, with its state in Dir.
	TPM bool `json:"tpm,omitempty"`
	// Net is for a network by passt, without any privilege.
	Net bool `json:"net,omitempty"`
	// User is what the jailer makes the VMM.
	User int `json:"user,omitempty"`
}

func (m *Machine) file(name string) string { return filepath.Join(m.Dir, name) }

// companion is a program beside the VMM.
type companion struct {
	args   []string
	socket string // that it listens on when it is ready
}

// describe returns what the machine may have of the host, what runs beside the
// VMM, by ID, and the VMM's command line. What a companion serves is described
// as a device of the machine: the VMM gets the socket and the companion the
// rest.
func (m *Machine) describe() (*svirt.Domain, map[string]companion, []string, error) {
	d := &svirt.Domain{
		UUID: m.UUID,
		Name: m.UUID,
		Type: m.VMM, // which names the template
		Boot: svirt.Boot{Kernel: m.file("vmlinux")},
		Devices: svirt.Devices{
			Disks: []svirt.Disk{{ID: "root", Image: svirt.Image{Path: m.file("root.img"), Format: "raw"}}},
		},
		Monitor: svirt.Monitor{API: []string{m.file("api.sock")}, Logs: []string{m.file("vmm.log")}},
	}
	switch m.VMM {
	case "firecracker":
		return m.jailed(d)
	case "cloud-hypervisor":
	default:
		return nil, nil, nil, fmt.Errorf("the VMM %q is neither cloud-hypervisor nor firecracker", m.VMM)
	}
	args := []string{"/usr/bin/cloud-hypervisor",
		"--api-socket", "path=" + m.file("api.sock"), "--log-file", m.file("vmm.log"),
		"--kernel", m.file("vmlinux"), "--disk", "path=" + m.file("root.img"), "--memory", "size=512M,shared=on"}
	beside := map[string]companion{}
	add := func(kind svirt.CompanionKind, serves svirt.Device, c companion) {
		d.Companions = append(d.Companions, svirt.Companion{Kind: kind, Serves: serves})
		beside[string(kind)] = c
	}
	if m.Share != "" {
		socket := m.file("fs.sock")
		d.Devices.Filesystems = []svirt.Filesystem{{ID: "share", Source: m.Share, Driver: "virtiofs", Socket: socket}}
		// In a mount namespace of its own no profile could tell the directory
		// from the host's root, so it stays in the host's.
		add(svirt.CompanionVirtiofsd, svirt.Device{Kind: svirt.DeviceFilesystem, ID: "share"}, companion{
			[]string{"/usr/libexec/virtiofsd", "--sandbox=none", "--socket-path=" + socket, "--shared-dir=" + m.Share}, socket})
		args = append(args, "--fs", "tag=share,socket="+socket)
	}
	if m.TPM {
		socket := m.file("tpm.sock")
		d.Devices.TPMs = []svirt.TPM{{ID: "tpm", Backend: "emulator", Path: socket, State: m.file("tpm")}}
		add(svirt.CompanionSWTPM, svirt.Device{Kind: svirt.DeviceTPM, ID: "tpm"}, companion{
			[]string{"/usr/bin/swtpm", "socket", "--tpm2", "--tpmstate", "dir=" + m.file("tpm"), "--ctrl", "type=unixio,path=" + socket}, socket})
		args = append(args, "--tpm", "socket="+socket)
	}
	if m.Net {
		socket := m.file("net.sock")
		d.Devices.Nets = []svirt.Net{{ID: "net", Backend: "passt", Socket: socket, Log: m.file("passt.log")}}
		add(svirt.CompanionPasst, svirt.Device{Kind: svirt.DeviceNet, ID: "net"}, companion{
			[]string{"/usr/bin/passt", "--foreground", "--vhost-user", "--socket", socket, "--log-file", m.file("passt.log")}, socket})
		args = append(args, "--net", "vhost_user=true,socket="+socket)
	}
	return d, beside, args, nil
}

// jailed is for Firecracker. The jailer makes the machine's directory the root
// of the VMM, so the kernel knows the files in it by other names than the host.
func (m *Machine) jailed(d *svirt.Domain) (*svirt.Domain, map[string]companion, []string, error) {
	if m.Share != "" || m.TPM || m.Net {
		return nil, nil, nil, fmt.Errorf("machine %s: Firecracker has no companions", m.UUID)
	}
	if want := filepath.Join("/srv/jailer/firecracker", m.UUID, "root"); m.Dir != want {
		return nil, nil, nil, fmt.Errorf("machine %s: the jailer takes its files from %s", m.UUID, want)
	}
	d.Monitor.Jail = m.Dir
	d.Monitor.Config = []string{m.file("vm.json")}
	user := strconv.Itoa(m.User)
	return d, nil, []string{"/usr/bin/jailer", "--id", m.UUID, "--uid", user, "--gid", user, "--exec-file", "/usr/bin/firecracker",
		"--", "--api-sock", "/api.sock", "--log-path", "/vmm.log", "--config-file", "/vm.json"}, nil
}
