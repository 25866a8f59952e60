// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"
)

// TestGrant asks somebody else about the rules of a machine before anything is
// changed.
func TestGrant(t *testing.T) {
	var asked []Rule
	refused := errors.New("not this")
	var answer error
	dir, s := t.TempDir(), newServed(t)
	m, err := New(t.Context(), ManagerOptions{
		Dir: dir, Driver: helperOf(s), Derive: Options{FS: emptyFS{}},
		Grant: func(_ context.Context, _ string, rules []Rule) error { asked = rules; return answer },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d := testDomain()
	answer = refused
	if err := m.Create(t.Context(), d); !errors.Is(err, refused) || len(s.loaded) != 0 {
		t.Errorf("%v, %d loaded", err, len(s.loaded))
	}
	if list, err := os.ReadDir(dir + "/libvirt"); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	answer = nil
	if err := m.Create(t.Context(), d); err != nil || len(asked) == 0 {
		t.Fatalf("%v, asked about %v", err, asked)
	}
	had := len(asked)
	before := s.loaded["libvirt-"+d.UUID]
	add := Change{Add: Devices{Disks: []Disk{{ID: "new", Image: Image{Path: "/srv/new.img", Format: "raw"}}}}}
	if _, err := m.Update(t.Context(), d.UUID, add); err != nil || len(asked) <= had {
		t.Errorf("%v, asked about %d rules", err, len(asked))
	}
	if s.loaded["libvirt-"+d.UUID] == before {
		t.Error("nothing is loaded")
	}
	before, answer = s.loaded["libvirt-"+d.UUID], refused
	add.Add.Disks[0].ID = "more"
	if _, err := m.Update(t.Context(), d.UUID, add); !errors.Is(err, refused) || s.loaded["libvirt-"+d.UUID] != before {
		t.Errorf("an update that is refused: %v", err)
	}
}

// TestHostFSBy looks at the file system within a function.
func TestHostFSBy(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	looks, fail := 0, error(nil)
	f := HostFSBy(func(look func()) error {
		if fail != nil {
			return fail
		}
		looks++
		look()
		return nil
	})
	if one, two := HostFS(), HostFS(); one != two || one == f {
		t.Error("HostFS cannot be told from another file system")
	}
	d := &Domain{UUID: testDomain().UUID, Name: "n", Devices: Devices{Disks: []Disk{{Image: Image{Path: dir + "/f", Format: "raw"}}}}}
	o := Options{FS: f, Roots: Roots{Images: []string{dir}}}
	rules, err := Derive(t.Context(), d, o)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("this system has none")
	}
	if err != nil || looks == 0 || len(rules.List()) != 1 {
		t.Fatalf("%v, %d looks, %v", rules, looks, err)
	}
	fail = fs.ErrPermission
	before := looks
	if _, err := Derive(t.Context(), d, o); !errors.Is(err, fs.ErrPermission) || looks != before {
		t.Errorf("%v, %d looks", err, looks)
	}
}
