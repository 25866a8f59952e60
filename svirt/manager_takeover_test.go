// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
)

// compiling is a driver that compiles for a kernel and keeps what it would
// load.
type compiling struct {
	svirt.None
	apparmor *svirt.AppArmor
	loaded   map[string]*blob.Policy // by the name of the profile
}

func (d *compiling) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	return d.apparmor.Compile(ctx, src)
}

func (d *compiling) Load(_ context.Context, c svirt.Compiled, _ loader.Accept) error {
	p := c.(*blob.Policy)
	d.loaded[p.Names()[0]] = p
	return nil
}

func (d *compiling) Unload(_ context.Context, profile string, _ loader.RetireOptions) error {
	delete(d.loaded, profile)
	return nil
}

func (d *compiling) List(context.Context) ([]svirt.Loaded, error) {
	var out []svirt.Loaded
	for name := range d.loaded {
		out = append(out, svirt.Loaded{Name: name, Mode: "enforce"})
	}
	return out, nil
}

// TestTakeOver has a Manager go on with the machines of release v0.1.0: it
// lists and loads them, changes their devices, keeps what they had, and removes
// them.
func TestTakeOver(t *testing.T) {
	const web, box, all = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11", "6d8c1494-16d5-5675-9439-85dd7dfec85d", "b5e3a8f0-52a8-4c39-8f0e-6d1a3f7c2e44"
	ctx := t.Context()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/v0.1.0")); err != nil {
		t.Fatal(err)
	}
	kernel, _ := features.Kernel("6.12")
	d := &compiling{loaded: map[string]*blob.Policy{}, apparmor: &svirt.AppArmor{Features: kernel, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}}
	host := fstest.MapFS{
		"srv/vm/top.qcow2": {Data: qcow2(2, "mid.qcow2", "qcow2", "")}, "srv/vm/mid.qcow2": {Data: qcow2(2, "base.qcow2", "qcow2", "")},
		"srv/vm/base.qcow2": {Data: qcow2(2, "", "", "")}, "srv/vm/other.qcow2": {Data: qcow2(2, "", "", "")}, "srv/share/x": {},
	}
	m, err := svirt.New(ctx, svirt.ManagerOptions{Dir: dir, Driver: d, Templates: svirt.TemplatesOwn, Derive: svirt.Options{FS: host}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	list, err := m.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range list {
		got = append(got, s.UUID)
		if !s.HasProfile || s.HasFiles != (s.UUID != box) {
			t.Errorf("status %+v", s)
		}
	}
	if diff := cmp.Diff([]string{box, web, all}, got); diff != "" {
		t.Fatal(diff)
	}

	// answers are what the profile in force says of a path.
	answers := func(uuid, path string) (read, write bool) {
		t.Helper()
		p, ok := (*query.Profile)(nil), false
		if b := d.loaded["libvirt-"+uuid]; b != nil {
			p, ok = query.Open(b).Profile("libvirt-" + uuid)
		}
		if !ok {
			t.Fatalf("the profile of %s is not loaded", uuid)
		}
		return p.Allows(query.File{Path: path, Perms: query.Read}), p.Allows(query.File{Path: path, Perms: query.Write})
	}
	hold := func(uuid, path string, read, write bool) {
		t.Helper()
		if r, w := answers(uuid, path); r != read || w != write {
			t.Errorf("%s: read %v, write %v; want %v, %v", path, r, w, read, write)
		}
	}
	if err := m.Load(ctx, box); err != nil {
		t.Fatal(err)
	}
	hold(box, "/srv/box/etc/passwd", true, true)
	if err := m.Load(ctx, web); err != nil {
		t.Fatal(err)
	}
	hold(web, "/srv/vm/web.img", true, true)
	hold(web, "/srv/vm/seed.iso", true, false)
	hold(web, "/srv/vm/vmlinuz", true, false)
	hold(web, "/srv/vm/new.img", false, false)

	if err := m.Load(ctx, all); err != nil {
		t.Fatal(err)
	}
	hold(all, "/srv/vm/base.qcow2", true, false)
	hold(all, "/srv/vm/with space.img", true, true)
	hold(all, "/var/lib/libvirt/qemu/domain-7-all of it/monitor.sock", true, true)
	// What the image named then is remembered: it may name nothing else now,
	// whether the disk comes again or the whole description does.
	id := 7
	chain := svirt.Devices{Disks: []svirt.Disk{{ID: "vda", Image: svirt.Image{Path: "/srv/vm/top.qcow2", Format: "qcow2"}}}}
	whole := &svirt.Domain{UUID: all, Name: "all of it", ID: &id, Type: "kvm", Devices: chain}
	host["srv/vm/top.qcow2"].Data = qcow2(2, "other.qcow2", "qcow2", "")
	_, uerr := m.Update(ctx, all, svirt.Change{Add: chain})
	for what, err := range map[string]error{"update": uerr, "replace": m.Replace(ctx, whole)} {
		if r := reasons(err); !slices.Equal(r, []svirt.Reason{svirt.ReasonChain}) {
			t.Errorf("%s with another chain: %v", what, err)
		}
	}
	hold(all, "/srv/vm/other.qcow2", false, false)
	host["srv/vm/top.qcow2"].Data = qcow2(2, "mid.qcow2", "qcow2", "")
	// Its name, number and images have an owner.
	for what, d := range map[string]*svirt.Domain{
		"name":  {UUID: "00000000-0000-4000-8000-000000000001", Name: "all of it", Type: "kvm"},
		"image": {UUID: "00000000-0000-4000-8000-000000000001", Name: "thief", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/vm/with space.img", Format: "raw"}}}}},
		"chain": {UUID: "00000000-0000-4000-8000-000000000001", Name: "thief", Type: "kvm", Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/srv/vm/mid.qcow2", Format: "qcow2"}}}}},
	} {
		if err := m.Create(ctx, d); err == nil {
			t.Errorf("another machine got its %s", what)
		}
	}
	if _, err := m.Reconcile(ctx, []*svirt.Domain{whole}, svirt.ReconcileOptions{Replace: true}); err != nil {
		t.Error(err)
	}
	hold(all, "/srv/vm/base.qcow2", true, false)
	hold(all, "/srv/vm/with space.img", false, false) // the description has it no more

	// A device more, and one less: what is left has the names of v0.1.0.
	_, err = m.Update(ctx, web, svirt.Change{
		Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "sda"}},
		Add:    svirt.Devices{Disks: []svirt.Disk{{ID: "vdb", Image: svirt.Image{Path: "/srv/vm/new.img", Format: "raw"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	hold(web, "/srv/vm/web.img", true, true)
	hold(web, "/srv/vm/new.img", true, true)
	hold(web, "/srv/vm/seed.iso", false, false)
	hold(web, "/srv/vm/web.serial", true, true)
	files := filepath.Join(dir, "libvirt", "libvirt-"+web+".files")
	text, err := os.ReadFile(files)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "seed.iso") || !strings.Contains(string(text), "web.img") {
		t.Errorf("the rules are now\n%s", text)
	}

	for _, uuid := range []string{web, box, all} {
		if err := m.Remove(ctx, uuid); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := m.List(ctx); err != nil || len(left) != 0 {
		t.Errorf("%v, %v are left", left, err)
	}
	if _, err := os.Stat(files); !os.IsNotExist(err) {
		t.Errorf("the rules are still there: %v", err)
	}
}
