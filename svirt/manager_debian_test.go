// SPDX-License-Identifier: Apache-2.0

//go:build unix

package svirt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
)

// hostTree returns a copy of a suite's policy that machines' profiles are made of.
// Without passt it is that of a host where the package is not installed.
func hostTree(tb testing.TB, suite string, passt bool) string {
	tb.Helper()
	from, dir := testenv.LibvirtTree(tb, suite), tb.TempDir()
	for _, part := range []string{"abi", "abstractions", "tunables", "local", "libvirt"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(from, part))); err != nil {
			tb.Fatal(err)
		}
	}
	if !passt {
		if err := os.Remove(filepath.Join(dir, "abstractions", "passt")); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}

// judge is a driver that holds all that it compiles against what compiling the whole
// text makes.
type judge struct {
	*forgetful
	t      *testing.T
	kernel string
	last   *blob.Policy
}

func newJudge(t *testing.T, kernel string) *judge {
	t.Helper()
	f := newForgetful(t)
	var ok bool
	if f.Features, ok = features.Kernel(kernel); !ok {
		t.Fatal(kernel)
	}
	f.Logger = slog.New(slog.DiscardHandler)
	return &judge{forgetful: f, t: t, kernel: kernel}
}

func (j *judge) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	c, err := j.forgetful.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	j.last = c.(*blob.Policy)
	alike(j.t, j.last, src, j.kernel)
	// What is in force is known by its digest, so it must not matter what was
	// compiled before.
	fresh := &svirt.AppArmor{Features: j.Features, Degrade: j.Degrade, Logger: j.Logger}
	again, err := fresh.Compile(ctx, src)
	if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), j.last.Bytes()) {
		j.t.Errorf("%s: another driver makes other bytes, %v", src.Profile, err)
	}
	return c, nil
}

// judged is a Manager of a tree of policy.
type judged struct {
	*svirt.Manager
	*judge
	dir string
}

func newJudged(t *testing.T, kernel string, o svirt.ManagerOptions) *judged {
	t.Helper()
	j := newJudge(t, kernel)
	o.Driver = j
	if o.Derive.FS == nil {
		o.Derive.FS = newImages()
	}
	m, err := svirt.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return &judged{m, j, o.Dir}
}

// made checks that a machine was compiled of a base, and which ones there are.
func (h *judged) made(what string, err error) []any {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%s: %v", what, err)
	}
	if !based(h.last) {
		h.t.Errorf("%s: %v is compiled as a whole", what, h.last.Names())
	}
	return h.Bases()
}

// withImages is a machine with some disks.
func withImages(i, disks int, typ string) *svirt.Domain {
	d := &svirt.Domain{UUID: machineUUID(i), Name: fmt.Sprint("m", i), Type: typ}
	for n := range disks {
		if typ == "lxc" || typ == "oci" {
			break // which have no rules of their own
		}
		d.Devices.Disks = append(d.Devices.Disks, image(fmt.Sprint("disk", n), i*100+n))
	}
	return d
}

// TestDebianTemplates creates, changes and loads machines of the templates of
// Debian's releases, on hosts with and without passt, by libvirt's own rules and by
// this package's. Each policy is made of a base and means what the whole text means.
func TestDebianTemplates(t *testing.T) {
	methods := map[string]svirt.Method{"bookworm": svirt.Compat90, "trixie": svirt.Compat113, "sid": svirt.Compat129}
	for _, suite := range suites {
		for _, passt := range []bool{true, false} {
			kernels, rules := []string{"6.1", "6.12", "7.3"}, []svirt.Method{svirt.Strict, methods[suite]}
			switch {
			case !passt && testing.Short():
				continue
			case testing.Short():
				kernels, rules = kernels[1:2], rules[:1]
			case !passt:
				kernels = kernels[1:2]
			}
			for _, kernel := range kernels {
				for _, method := range rules {
					t.Run(fmt.Sprintf("%s/passt=%t/%s/%s", suite, passt, kernel, method), func(t *testing.T) {
						h := newJudged(t, kernel, svirt.ManagerOptions{
							Dir: hostTree(t, suite, passt), Templates: svirt.TemplatesHost, Types: []string{"kvm", "lxc"},
							Derive: svirt.Options{Method: method, FS: newImages()},
						})
						for i, disks := range []int{0, 1, 8, 40} {
							h.made("create", h.Create(t.Context(), withImages(i, disks, "kvm")))
						}
						h.made("container", h.Create(t.Context(), withImages(9, 0, "lxc")))
						before := h.Bases()
						_, err := h.Update(t.Context(), machineUUID(1), svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{image("hot", 1)}}})
						h.made("plug", err)
						h.made("load", h.Load(t.Context(), machineUUID(1)))
						_, err = h.Update(t.Context(), machineUUID(1), svirt.Change{Remove: []svirt.Device{{Kind: svirt.DeviceDisk, ID: "hot"}}})
						h.made("unplug", err)
						h.made("load a container", h.Load(t.Context(), machineUUID(9)))
						if after := h.Bases(); len(before) != 2 || len(after) != 2 || !slices.Contains(before, after[0]) || !slices.Contains(before, after[1]) {
							t.Errorf("there are %d bases, and later %d others", len(before), len(after))
						}
					})
				}
			}
		}
	}
}

// TestDebianEdits edits what machines of Debian's template are made of: a base is
// made anew for what has changed, and nothing else.
func TestDebianEdits(t *testing.T) {
	h := newJudged(t, "6.12", svirt.ManagerOptions{Dir: hostTree(t, "trixie", true), Templates: svirt.TemplatesHost})
	edit := func(name, from, to string) {
		t.Helper()
		path := filepath.Join(h.dir, name)
		text, err := os.ReadFile(path)
		if err != nil && (from != "" || !errors.Is(err, fs.ErrNotExist)) {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), from) {
			t.Fatalf("%s has no %q", name, from)
		}
		err = errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(strings.Replace(string(text), from, to, 1)), 0o644))
		if err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	create := func(what string) []any {
		t.Helper()
		n++
		return h.made(what, h.Create(t.Context(), withImages(n, 2, "kvm")))
	}
	first := create("the first")
	if again := create("the second"); len(first) != 1 || len(again) != 1 || again[0] != first[0] {
		t.Fatalf("two machines have %d bases", len(again))
	}
	for _, file := range []struct{ name, from, to string }{
		{"abstractions/libvirt-qemu", "capability kill,", "capability kill,\n  /opt/new r,"},
		{"abstractions/passt", "capability net_bind_service,", "capability net_bind_service,\n  /opt/passt r,"},
		{"abstractions/base", "@{PROC}/meminfo", "@{PROC}/{meminfo,new}"},
		{"tunables/global", "\n", "\n@{new}=/opt/new\n"},
		{"local/abstractions/libvirt-qemu", "", "/opt/local r,\n"},
	} {
		edit(file.name, file.from, file.to)
		changed := create(file.name)
		if len(changed) != 1 || changed[0] == first[0] {
			t.Errorf("%s has changed: %d bases, the first of which is the old one: %t", file.name, len(changed), changed[0] == first[0])
		}
		// A machine that was there takes what has changed, too.
		if loaded := h.made("load", h.Load(t.Context(), machineUUID(1))); len(loaded) != 1 || loaded[0] != changed[0] {
			t.Errorf("%s: the first machine is made of another base", file.name)
		}
		first = changed
	}

	// Machines keep the text that the template had when they were created.
	edit("libvirt/TEMPLATE.qemu", "flags=(attach_disconnected)", "flags=(attach_disconnected, mediate_deleted)")
	both := create("the template has changed")
	if len(both) != 2 || both[1] != first[0] {
		t.Fatalf("of two templates there are %d bases", len(both))
	}
	if old := h.made("a machine of the old one", h.Load(t.Context(), machineUUID(1))); len(old) != 2 || old[0] != first[0] {
		t.Error("a machine of the old template is made of another base")
	}

	// One machine's profile: it is compiled as a whole, as a base of its own that
	// its next changes are made of. Others stay as they are.
	edit("libvirt/libvirt-"+machineUUID(1), "#include <abstractions/libvirt-qemu>", "#include <abstractions/libvirt-qemu>\n  deny /srv/100 w,")
	own := h.made("an edited profile", h.Load(t.Context(), machineUUID(1)))
	if len(own) != 3 || own[1] != first[0] || own[2] != both[0] {
		t.Fatalf("with an edited profile there are %d bases", len(own))
	}
	_, err := h.Update(t.Context(), machineUUID(1), svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{image("hot", 1)}}})
	if hot := h.made("plug into an edited machine", err); len(hot) != 3 || hot[0] != own[0] {
		t.Error("an edited machine is made of another base the next time")
	}
	if other := h.made("another machine", h.Load(t.Context(), machineUUID(2))); len(other) != 3 || other[0] != first[0] {
		t.Error("another machine is made of another base than before")
	}
	// An edit that no base is made for.
	edit("libvirt/libvirt-"+machineUUID(1), "#include <tunables/global>", "#include <tunables/global>\nalias /srv/ -> /data/,")
	if err := h.Load(t.Context(), machineUUID(1)); err != nil || based(h.last) {
		t.Errorf("with an alias: %v, of a base: %t", err, based(h.last))
	}
	h.made("another machine after that", h.Load(t.Context(), machineUUID(2)))
	if list := h.Bases(); len(list) != 4 || list[0] != first[0] {
		t.Errorf("%d bases", len(list))
	}
}

// TestBaseMemory looks at what the base of Debian's largest template takes, and that
// a driver keeps a bounded number of bases however many profiles are edited.
func TestBaseMemory(t *testing.T) {
	const most = 3 << 20
	f := newForgetful(t)
	dir := hostTree(t, "sid", true)
	m, err := svirt.New(t.Context(), svirt.ManagerOptions{Dir: dir, Templates: svirt.TemplatesHost, Driver: f, Derive: svirt.Options{FS: newImages()}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	empty := heap()
	if err := m.Create(t.Context(), withImages(1, 2, "kvm")); err != nil {
		t.Fatal(err)
	}
	one := heap()
	t.Logf("%d bytes for the first base, with the files that it is made of", one-empty)
	if one-empty > most {
		t.Errorf("the first base takes %d bytes, want %d at most", one-empty, most)
	}
	path := filepath.Join(dir, "libvirt", "libvirt-"+machineUUID(1))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	full := int64(0)
	for i := range 3 * svirt.MaxBases {
		edited := strings.Replace(string(text), "{\n", fmt.Sprintf("{\n  /opt/%d r,\n", i), 1)
		if err := os.WriteFile(path, []byte(edited), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := m.Load(t.Context(), machineUUID(1)); err != nil {
			t.Fatal(err)
		}
		if i == svirt.MaxBases {
			full = heap()
		}
	}
	if n := len(f.Bases()); n != svirt.MaxBases {
		t.Errorf("%d bases are kept, want %d", n, svirt.MaxBases)
	}
	after := heap()
	t.Logf("%d bytes for %d bases", after-empty, svirt.MaxBases)
	if after-empty > svirt.MaxBases*most || after-full > most {
		t.Errorf("%d bytes, and %d after as many edits again, want %d at most", full-empty, after-empty, svirt.MaxBases*most)
	}
	runtime.KeepAlive(m)
}

// TestDebianConcurrently creates machines at the same time while what they are made
// of changes.
func TestDebianConcurrently(t *testing.T) {
	f := newForgetful(t)
	dir := hostTree(t, "sid", true)
	m, err := svirt.New(t.Context(), svirt.ManagerOptions{Dir: dir, Templates: svirt.TemplatesHost, Driver: f, Derive: svirt.Options{FS: newImages()}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 8 {
				if err := m.Create(t.Context(), withImages(10*w+i, 2, "kvm")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for i := range 4 {
			// A file is replaced, as package managers do.
			name := filepath.Join(dir, "abstractions", "libvirt-qemu.d")
			err := errors.Join(os.MkdirAll(name, 0o755), os.WriteFile(name+".new", fmt.Appendf(nil, "/opt/%d r,\n", i), 0o644), os.Rename(name+".new", filepath.Join(name, "site")))
			if err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// TestTemplates creates two machines, or containers, of each template that this
// package has or had, with a companion of each kind. All are made of bases, which the
// second one shares with the first.
func TestTemplates(t *testing.T) {
	t.Run("now", func(t *testing.T) { testTemplates(t, svirt.PolicyFS()) })
	t.Run("v0.1.0", func(t *testing.T) { testTemplates(t, os.DirFS("released/v0.1.0")) })
}

func testTemplates(t *testing.T, from fs.FS) {
	t.Helper()
	templates, err := fs.Glob(from, "libvirt/TEMPLATE.*")
	if err != nil || len(templates) == 0 {
		t.Fatal(templates, err)
	}
	companions := map[string]bool{}
	for _, c := range accompanied(0).Companions {
		companions[string(c.Kind)] = true
	}
	for _, name := range templates {
		typ := strings.TrimPrefix(name, "libvirt/TEMPLATE.")
		if companions[typ] {
			continue
		}
		if typ == "vmm" {
			typ = ""
		}
		for _, kernel := range []string{"6.12", "6.1", "7.3"} { // the first one with -short
			if testing.Short() && kernel != "6.12" {
				break
			}
			t.Run(fmt.Sprintf("%s/%s", strings.TrimPrefix(name, "libvirt/"), kernel), func(t *testing.T) {
				dir := t.TempDir()
				text, err := fs.ReadFile(from, name)
				if err == nil {
					err = os.Mkdir(filepath.Join(dir, "libvirt"), 0o755)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
				h := newJudged(t, kernel, svirt.ManagerOptions{Dir: dir, Templates: svirt.TemplatesHost, Types: []string{typ}})
				machine := func(i int) *svirt.Domain {
					if typ == "" {
						return accompanied(i)
					}
					return withImages(i, 2, typ)
				}
				first := h.made("the first", h.Create(t.Context(), machine(1)))
				second := h.made("the second", h.Create(t.Context(), machine(2)))
				if want := 1 + len(machine(1).Companions); len(first) != want || len(second) != want {
					t.Fatalf("one machine is made of %d bases, and two are of %d, want %d", len(first), len(second), want)
				}
				for _, b := range second {
					if !slices.Contains(first, b) {
						t.Error("a base was made again for the second machine")
					}
				}
			})
		}
	}
}

// BenchmarkTemplates creates, changes and loads machines of the templates of
// Debian's releases, and of this package's own. The kernel is not asked; files
// are written and synced, so TMPDIR is to be on a tmpfs.
func BenchmarkTemplates(b *testing.B) {
	for _, suite := range append([]string{"own"}, suites...) {
		for _, typ := range []string{"kvm", "lxc"} {
			b.Run(suite+"/"+typ, func(b *testing.B) {
				o := svirt.ManagerOptions{Driver: newForgetful(b), Types: []string{typ}, Derive: svirt.Options{FS: newImages()}}
				if suite == "own" {
					o.Dir = b.TempDir()
				} else {
					o.Dir, o.Templates = hostTree(b, suite, true), svirt.TemplatesHost
				}
				benchmarkTemplate(b, o, func(i int) *svirt.Domain { return withImages(i, disksEach, typ) })
			})
		}
	}
	b.Run("own/companions", func(b *testing.B) {
		o := svirt.ManagerOptions{Dir: b.TempDir(), Driver: newForgetful(b), Derive: svirt.Options{FS: newImages()}}
		benchmarkTemplate(b, o, accompanied)
	})
}

func benchmarkTemplate(b *testing.B, o svirt.ManagerOptions, numbered func(int) *svirt.Domain) {
	m, err := svirt.New(b.Context(), o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := m.Close(); err != nil {
			b.Error(err)
		}
	}()
	n := 0
	machine := func() *svirt.Domain {
		n++
		return numbered(n)
	}
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	first := machine()
	must(m.Create(b.Context(), first))
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			d := machine()
			must(m.Create(b.Context(), d))
			b.StopTimer()
			must(m.Remove(b.Context(), d.UUID))
			b.StartTimer()
		}
	})
	if first.Type != "lxc" {
		b.Run("hotplug", func(b *testing.B) {
			b.ReportAllocs()
			c := svirt.Change{}
			for i := 0; b.Loop(); i++ {
				c.Remove = []svirt.Device{{Kind: "disk", ID: fmt.Sprint("hot", i-1)}}
				c.Add.Disks = []svirt.Disk{image(fmt.Sprint("hot", i), -1-i)}
				_, err := m.Update(b.Context(), first.UUID, c)
				must(err)
			}
		})
	}
	b.Run("load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			must(m.Load(b.Context(), first.UUID))
		}
	})
}

func image(id string, i int) svirt.Disk {
	return svirt.Disk{ID: id, Image: svirt.Image{Path: fmt.Sprintf("/srv/%d", i), Format: "raw"}}
}
