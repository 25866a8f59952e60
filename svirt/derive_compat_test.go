// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// TestCompatEach has two devices of each kind: a list does not end with its first.
func TestCompatEach(t *testing.T) {
	d := domain(svirt.Devices{
		Disks:       []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/disk1"}}, {ID: "vdb", Image: svirt.Image{Path: "/srv/disk2"}}},
		Filesystems: []svirt.Filesystem{{Source: "/srv/fs1"}, {Source: "/srv/fs2"}},
		Graphics:    []svirt.Graphics{{Sockets: []string{"/srv/vnc1", "/srv/vnc2"}}, {Sockets: []string{"/srv/vnc3"}}},
		Inputs:      []svirt.Input{{Path: "/srv/input1"}, {Path: "/srv/input2"}},
		Memory:      []svirt.Memory{{Model: "nvdimm", Path: "/srv/memory1"}, {Model: "nvdimm", Path: "/srv/memory2"}},
		Nets:        []svirt.Net{{Socket: "/srv/net1"}, {Socket: "/srv/net2"}},
		Shmem:       []svirt.Shmem{{Name: "a", Model: "ivshmem-plain"}, {Server: "/srv/shmem"}, {Name: "b"}},
		Smartcards:  []svirt.Smartcard{{Mode: "host"}, {Mode: "host-certificates", Database: "/srv/certificates"}},
	})
	d.Boot.FWCfg = []string{"/srv/cfg1", "/srv/cfg2"}
	want := []string{
		"/srv/disk1", "/srv/disk2", "/srv/fs1/", "/srv/fs2/", "/srv/vnc1", "/srv/vnc2", "/srv/vnc3", "/srv/input1", "/srv/input2",
		"/srv/memory1", "/srv/memory2", "/srv/net1", "/srv/net2", "/dev/shm/a", "/srv/shmem", "/var/lib/libvirt/shmem-b-sock",
		"/etc/pki/nssdb/{,*}", "/srv/certificates/{,*}", "/srv/cfg1", "/srv/cfg2",
	}
	for _, m := range []svirt.Method{svirt.Compat90, svirt.Compat113, svirt.Compat128, svirt.Compat129} {
		got := map[ast.Pattern]bool{}
		for _, r := range derived(t, d, svirt.Options{Method: m, FS: fixture.New(fstest.MapFS{})}).List() {
			got[r.Path] = true
		}
		for _, path := range want {
			if !got[ast.Pattern(path)] {
				t.Errorf("%s: no rule for %s", m, path)
			}
		}
	}
}
