// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
)

// TestReadable has a Manager write a machine of each type, and one with a
// companion of each kind, and Debian's apparmor_parsers read every file of it
// with nothing but the Manager's directory. The newest, which knows all classes of
// rules, makes of them what this package compiles.
func TestReadable(t *testing.T) {
	ctx := t.Context()
	types := []string{"", "kvm", "lxc", "oci", "firecracker", "cloud-hypervisor"}
	f := newFixture(t, ManagerOptions{Types: types, Templates: TemplatesOwn, Derive: Options{EscapeSpecial: true}})
	if err := Install(f.dir); err != nil {
		t.Fatal(err)
	}
	for i, virtType := range types {
		d := &Domain{UUID: strings.TrimRight(testUUID, "0123456789abcdef") + "00000000000" + string(rune('0'+i)), Name: "vm" + virtType, Type: virtType}
		switch virtType {
		case "kvm":
			of := *withCompanions()
			of.UUID, of.Name, of.Type = d.UUID, d.Name, virtType
			d = &of
		case "lxc", "oci":
		default:
			d.Devices.Disks = []Disk{{ID: "vda", Image: Image{Path: "/srv/" + d.Name + " [1], b.img"}}}
			d.Devices.Graphics = []Graphics{{ID: "a", Type: "egl-headless", GL: true, RenderNode: "/dev/dri/renderD128"}}
		}
		if err := f.Create(ctx, d); err != nil {
			t.Fatalf("%s: %v", virtType, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "libvirt", "libvirt-*"))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, file := range files {
		name := strings.TrimPrefix(filepath.Base(file), "libvirt-")
		if strings.Contains(name, ".") {
			continue // rules, or the lock
		}
		read++
		src, err := f.onDisk(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, suite := range []string{oracle.Bookworm, oracle.Trixie, oracle.Newest} {
			t.Run(name+"/"+suite, func(t *testing.T) {
				reference := oracle.ParserOf(t, suite)
				for _, kernel := range []string{"6.12", "7.3"} {
					job := oracle.Job{File: file, Base: f.dir, Features: oracle.Features(t, "kernel-"+kernel)}
					data, err := reference.Compile(job)
					if err != nil {
						if suite == oracle.Bookworm && newClasses(t, f.dir, src) {
							return // 3.0.8 does not know them in any policy
						}
						t.Fatal(err)
					}
					if suite != oracle.Newest {
						continue
					}
					theirs, err := blob.Inspect(data)
					if err != nil {
						t.Fatal(err)
					}
					compiled, err := (&AppArmor{Features: oracle.FeatureSet(t, "kernel-"+kernel), Degrade: 1}).Compile(ctx, src)
					if err != nil {
						t.Fatal(err)
					}
					found, err := blob.DiffPolicy(compiled.(*blob.Policy), theirs, blob.DiffOptions{})
					if err != nil {
						t.Fatal(err)
					}
					for _, d := range found {
						t.Errorf("%s: %v", kernel, d)
					}
				}
			})
		}
	}
	if want := len(types) + len(withCompanions().Companions); read != want {
		t.Errorf("%d files of profiles, want %d: %q", read, want, files)
	}
}

// newClasses reports whether a profile, or an abstraction that it includes, has
// rules of classes that came after apparmor_parser 3.0.8.
func newClasses(t *testing.T, dir string, src *Source) bool {
	t.Helper()
	text := src.File.Src
	for _, name := range []string{"libvirt-qemu", "libvirt-vmm", "libvirt-lxc", "base"} {
		if !strings.Contains(src.File.Src, "abstractions/"+name) {
			continue
		}
		more, err := os.ReadFile(filepath.Join(dir, "abstractions", name))
		if err != nil {
			t.Fatal(err)
		}
		text += string(more)
	}
	for _, word := range []string{"userns", "io_uring", "mqueue", "all,"} {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(strings.TrimSpace(line), word) {
				return true
			}
		}
	}
	return false
}
