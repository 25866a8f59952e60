// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

// sample makes a machine and the files that it uses: a disk on top of a base
// image, which only the disk's own header names, an installer's image, a
// kernel, and the socket of a serial port. The disk of another machine lies
// beside them.
func sample(dir string) (*svirt.Domain, error) {
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o755); err != nil {
		return nil, err
	}
	at := func(name string) string { return filepath.Join(images, name) }
	for name, data := range map[string][]byte{
		"web.qcow2":    qcow2("debian.qcow2"),
		"debian.qcow2": qcow2(""),
		"seed.iso":     []byte("seed"),
		"vmlinuz":      []byte("kernel"),
		"mail.qcow2":   qcow2(""),
	} {
		if err := os.WriteFile(at(name), data, 0o600); err != nil {
			return nil, err
		}
	}
	return &svirt.Domain{
		UUID: "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11",
		Name: "web",
		Boot: svirt.Boot{Kernel: at("vmlinuz")},
		Devices: svirt.Devices{
			Disks: []svirt.Disk{
				{ID: "vda", Image: svirt.Image{Path: at("web.qcow2"), Format: "qcow2"}},
				{ID: "sda", Image: svirt.Image{Path: at("seed.iso"), Format: "raw"}, ReadOnly: true},
			},
			Serials: []svirt.Chardev{{ID: "serial0", Type: svirt.ChardevUnix, Path: at("web.serial")}},
		},
	}, nil
}

// qcow2 returns the header of an image with a backing file of its format.
func qcow2(backing string) []byte {
	const (
		headerLen     = 72
		formatExt     = 0xe2792aca // names the format of the backing file
		backingOffset = 96
	)
	b := make([]byte, 512)
	copy(b, "QFI\xfb")
	binary.BigEndian.PutUint32(b[4:], 2) // version
	if backing != "" {
		binary.BigEndian.PutUint64(b[8:], backingOffset)
		binary.BigEndian.PutUint32(b[16:], uint32(len(backing)))
		binary.BigEndian.PutUint32(b[headerLen:], formatExt)
		binary.BigEndian.PutUint32(b[headerLen+4:], uint32(len("qcow2")))
		copy(b[headerLen+8:], "qcow2")
		copy(b[backingOffset:], backing)
	}
	return b
}

// question is a row of the table.
type question struct {
	text    string
	request query.Request
}

// questions are about what the machine has and what no machine should have.
func questions(d *svirt.Domain) []question {
	var qs []question
	ask := func(text string, r query.Request) { qs = append(qs, question{text, r}) }
	file := func(verb, path string, access query.Perms) {
		ask(verb+" "+path, query.File{Path: path, Perms: access})
	}
	seen := map[string]bool{}
	for i := range d.Devices.Disks {
		disk := &d.Devices.Disks[i]
		for image := &disk.Image; image != nil && image.Path != ""; image = image.Backing {
			path := image.Path
			if real, err := filepath.EvalSymlinks(path); err == nil {
				path = real // rules are for what the kernel sees
			}
			if seen[path] {
				continue
			}
			seen[path] = true
			file("read", path, query.Read)
			file("write", path, query.Write)
			file("run", path, query.Exec)
			other := filepath.Join(filepath.Dir(path), "mail.qcow2")
			if !seen[other] {
				seen[other] = true
				file("read", other, query.Read)
				ask("link it as "+other, query.Link{Path: other, Target: path})
			}
		}
	}
	if d.Boot.Kernel != "" {
		file("read", d.Boot.Kernel, query.Read)
		file("write", d.Boot.Kernel, query.Write)
	}
	for _, c := range d.Devices.Serials {
		if c.Path != "" {
			file("write", c.Path, query.Write)
		}
	}
	file("read", "/dev/kvm", query.Read)
	file("read", "/etc/shadow", query.Read)
	file("write", "/usr/bin/qemu-system-x86_64", query.Write)
	file("run", "/bin/sh", query.Exec)
	ask("capability sys_admin", query.Capability("sys_admin"))
	ask("capability sys_module", query.Capability("sys_module"))
	ask("socket inet stream", query.Network{Family: "inet", Type: "stream"})
	ask("socket packet raw", query.Network{Family: "packet", Type: "raw"})
	ask("signal kill from unconfined", query.Signal{Signal: "kill", Perms: query.Receive, Peer: "unconfined"})
	ask("signal kill to unconfined", query.Signal{Signal: "kill", Perms: query.Send, Peer: "unconfined"})
	ask("ptrace unconfined", query.Ptrace{Perms: query.Trace, Peer: "unconfined"})
	ask("mount /dev/sda1 on /mnt", query.Mount{Source: "/dev/sda1", Target: "/mnt/", FSType: "ext4"})
	ask("change to unconfined", query.ChangeProfile{Target: "unconfined"})
	return qs
}
