// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
)

// withCompanions is a machine with a companion of each kind.
func withCompanions() *Domain {
	return &Domain{UUID: testUUID, Name: "vm", Devices: Devices{
		Disks:       []Disk{{ID: "vda", Image: Image{Path: "/srv/a"}}, {ID: "vdb", Image: Image{Type: ImageVHostUser, Path: "/srv/run/vdb.sock"}}},
		Filesystems: []Filesystem{{ID: "fs0", Driver: "virtiofs", Source: "/srv/share", Socket: "/srv/run/fs0.sock"}},
		TPMs:        []TPM{{ID: "tpm0", Backend: "emulator", Path: "/srv/run/tpm.sock", State: "/srv/tpm"}},
		Nets:        []Net{{ID: "net0", Backend: "passt", Socket: "/srv/run/net0.sock", Log: "/srv/log/passt.log"}},
	}, Companions: []Companion{
		{Kind: CompanionVirtiofsd, ID: "fs0", Serves: Device{DeviceFilesystem, "fs0"}},
		{Kind: CompanionSWTPM, Serves: Device{DeviceTPM, "tpm0"}},
		{Kind: CompanionPasst, Serves: Device{DeviceNet, "net0"}},
		{Kind: CompanionBridgeHelper},
		{Kind: CompanionStorageDaemon, Serves: Device{DeviceDisk, "vdb"}, Devices: Devices{Disks: []Disk{{ID: "b", Image: Image{Path: "/srv/b"}}}}},
	}}
}

// TestDeriveCompanion looks at what each kind of companion is granted, and at
// what of it the machine is not.
func TestDeriveCompanion(t *testing.T) {
	ctx := t.Context()
	d := withCompanions()
	text := func(r *Rules, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return string(r.AppendText(nil))
	}
	for id, want := range map[string]string{
		"fs0": `  "/srv/run/fs0.sock" rw, # chardev served
  "/srv/run/fs0.sock.pid" rwk, # chardev served
  "/srv/share/" r, # filesystem fs0
  rwlk "/srv/share/**" -> "/srv/share/**", # filesystem fs0
`,
		"swtpm": `  "/srv/run/tpm.sock" rw, # tpm tpm0
  "/srv/tpm/" r, # tpm tpm0
  "/srv/tpm/**" rwk, # tpm tpm0
`,
		"passt": `  "/srv/log/passt.log" rw, # net net0
  "/srv/run/net0.sock" rw, # net net0
  "/srv/run/net0.sock.repair" rw, # net net0
`,
		"qemu-bridge-helper":  "",
		"qemu-storage-daemon": "  \"/srv/b\" rwk, # disk b\n  \"/srv/run/vdb.sock\" rw, # chardev served\n",
	} {
		if diff := cmp.Diff(want, text(DeriveCompanion(ctx, d, id, Options{}))); diff != "" {
			t.Errorf("%s: %s", id, diff)
		}
	}
	if diff := cmp.Diff(`  "/srv/a" rwk, # disk vda
  "/srv/run/fs0.sock" rw, # filesystem fs0
  "/srv/run/net0.sock" rw, # net net0
  "/srv/run/tpm.sock" rw, # tpm tpm0
  "/srv/run/vdb.sock" rw, # disk vdb
`, text(Derive(ctx, d, Options{}))); diff != "" {
		t.Error(diff)
	}
	// Under libvirt a TPM that has a companion is that one's, too.
	d.Type = "kvm"
	if got := text(Derive(ctx, d, Options{})); strings.Contains(got, "swtpm") || strings.Contains(got, "/srv/tpm/") || !strings.Contains(got, "/srv/run/tpm.sock") {
		t.Errorf("under libvirt:\n%s", got)
	}
	// What is only read is only read by the companion.
	d.Devices.Filesystems[0].ReadOnly = true
	if got := text(DeriveCompanion(ctx, d, "fs0", Options{})); !strings.Contains(got, `"/srv/share/**" rk`) {
		t.Errorf("read-only:\n%s", got)
	}
	if _, err := DeriveCompanion(ctx, d, "fs1", Options{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("a missing companion: %v", err)
	}
}

// TestCompanionsRefused has descriptions of companions that are not accepted.
func TestCompanionsRefused(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	many := make([]Companion, maxCompanions+1)
	for i := range many {
		many[i] = Companion{Kind: CompanionBridgeHelper, ID: fmt.Sprint("b", i)}
	}
	fs0, tpm0 := Device{DeviceFilesystem, "fs0"}, Device{DeviceTPM, "tpm0"}
	for name, test := range map[string]struct {
		list   []Companion
		change func(d *Domain)
		want   Reason // empty: an *IdentityError
	}{
		"another kind":            {list: []Companion{{Kind: "lxc"}}},
		"no kind":                 {list: []Companion{{ID: "x"}}},
		"a slash":                 {list: []Companion{{Kind: CompanionBridgeHelper, ID: "a/b"}}},
		"a dot":                   {list: []Companion{{Kind: CompanionBridgeHelper, ID: "a.b"}}},
		"upper case":              {list: []Companion{{Kind: CompanionBridgeHelper, ID: "A"}}},
		"a long ID":               {list: []Companion{{Kind: CompanionBridgeHelper, ID: strings.Repeat("a", 33)}}},
		"too many":                {list: many},
		"twice":                   {list: []Companion{{Kind: CompanionBridgeHelper}, {Kind: CompanionBridgeHelper}}, want: ReasonDuplicate},
		"serves nothing":          {list: []Companion{{Kind: CompanionVirtiofsd}}, want: ReasonNoDevice},
		"serves a missing device": {list: []Companion{{Kind: CompanionVirtiofsd, Serves: Device{DeviceFilesystem, "fs1"}}}, want: ReasonNoDevice},
		"serves another kind":     {list: []Companion{{Kind: CompanionVirtiofsd, Serves: tpm0}}, want: ReasonUnsupported},
		"a socket of libvirt's":   {list: []Companion{{Kind: CompanionVirtiofsd, Serves: fs0}}, change: func(d *Domain) { d.Type, d.Devices.Filesystems[0].Socket, d.Devices.TPMs = "kvm", "", nil }, want: ReasonEmpty},
		"a TPM without a state":   {list: []Companion{{Kind: CompanionSWTPM, Serves: tpm0}}, change: func(d *Domain) { d.Devices.TPMs[0].State = "" }, want: ReasonEmpty},
		"the system's directory":  {list: []Companion{{Kind: CompanionVirtiofsd, Serves: fs0}}, change: func(d *Domain) { d.Devices.Filesystems[0].Source = "/usr/share" }, want: ReasonRestricted},
		"a restricted image":      {list: []Companion{{Kind: CompanionBridgeHelper, Devices: Devices{Disks: []Disk{{Image: Image{Path: "/proc/kcore"}}}}}}, want: ReasonRestricted},
		"a writable program":      {list: []Companion{{Kind: CompanionVirtiofsd, Serves: fs0, Program: "/srv/share/virtiofsd"}}, want: ReasonWritable},
	} {
		d := withCompanions()
		d.Companions = test.list
		if test.change != nil {
			test.change(d)
		}
		err := f.Create(ctx, d)
		var ie *IdentityError
		switch {
		case err == nil:
			t.Errorf("%s: it is accepted", name)
		case test.want == "" && !errors.As(err, &ie):
			t.Errorf("%s: %v", name, err)
		case test.want != "" && !slices.Contains(reasonsOf(err), test.want):
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
		if s := f.state(t); len(s) != 0 {
			t.Fatalf("%s: left %v", name, slices.Sorted(maps.Keys(s)))
		}
	}
	d := withCompanions()
	d.Type = "kvm"
	if _, err := DeriveCompanion(ctx, d, "fs0", Options{Method: Compat128}); !errors.Is(err, ErrOptions) {
		t.Errorf("compat: %v", err)
	}
}

// TestCompanionsLife creates, starts, changes and removes companions with their
// machine.
func TestCompanionsLife(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	d := withCompanions()
	if err := f.Create(ctx, d); err != nil {
		t.Fatal(err)
	}
	ids := []string{"fs0", "passt", "qemu-bridge-helper", "qemu-storage-daemon", "swtpm"}
	s := f.state(t)
	if len(s) != 18 {
		t.Errorf("there are %v", slices.Sorted(maps.Keys(s)))
	}
	for _, id := range ids {
		name := testProfile + "-" + id
		if s["loaded "+name] != s["loaded "+testProfile] || s["loaded "+name] == "" || !strings.Contains(s[name], "<libvirt/"+name+".files>") {
			t.Errorf("%s: %q\n%s", id, s["loaded "+name], s[name])
		}
		if err := f.StartWith(ctx, testUUID, exec.Command("true"), StartOptions{Companion: id}); err != nil {
			t.Errorf("start %s: %v", id, err)
		}
	}
	if err := f.Start(ctx, testUUID, exec.Command("true")); err != nil {
		t.Error(err)
	}
	if want := []string{testProfile + "-fs0", testProfile + "-passt", testProfile + "-qemu-bridge-helper", testProfile + "-qemu-storage-daemon", testProfile + "-swtpm", testProfile}; !slices.Equal(f.driver.started, want) {
		t.Errorf("started %v", f.driver.started)
	}
	for _, id := range []string{"x", "..", "fs0/../x"} {
		if err := f.StartWith(ctx, testUUID, exec.Command("true"), StartOptions{Companion: id}); !errors.Is(err, ErrNotFound) {
			t.Errorf("start %s: %v", id, err)
		}
	}
	status, err := f.Status(ctx, testUUID)
	if err != nil || len(status.Companions) != 5 || status.Stale {
		t.Fatalf("status %+v, %v", status, err)
	}
	if want := (CompanionStatus{ID: "fs0", Profile: testProfile + "-fs0", HasProfile: true, HasFiles: true, Loaded: true, Mode: "enforce"}); status.Companions[0] != want {
		t.Errorf("%+v", status.Companions[0])
	}
	if list, err := f.List(ctx); err != nil || !cmp.Equal(list, []Status{status}) {
		t.Errorf("list %+v, %v", list, err)
	}
	if r, err := f.Reconcile(ctx, []*Domain{d}, ReconcileOptions{}); err != nil || r[0].Differs || r[0].Stale || r[0].InUse {
		t.Errorf("reconcile: %+v, %v", r, err)
	}
	// Another machine may not have what a companion has.
	thief := &Domain{UUID: "00000000-0000-4000-8000-000000000001", Name: "thief", Devices: Devices{Disks: []Disk{{ID: "a", Image: Image{Path: "/srv/b"}}}}}
	if err := f.Create(ctx, thief); !slices.Contains(reasonsOf(err), ReasonShared) {
		t.Errorf("the image of a companion: %v", err)
	}

	// A companion that is lost in the kernel is seen.
	name := testProfile + "-passt"
	digest := f.driver.loaded[name]
	delete(f.driver.loaded, name)
	if s, err := f.Status(ctx, testUUID); err != nil || !s.Stale || s.Companions[1].Loaded {
		t.Errorf("without the profile of a companion: %+v, %v", s, err)
	}
	f.driver.loaded[name] = digest

	// Update changes the machine, and leaves companions alone; or changes them.
	one := f.state(t)
	if err := f.update(ctx, testUUID, Change{Add: Devices{Disks: []Disk{{ID: "vdc", Image: Image{Path: "/srv/c"}}}}}); err != nil {
		t.Fatal(err)
	}
	two := f.state(t)
	if two[testProfile+"-fs0.files"] != one[testProfile+"-fs0.files"] || two["loaded "+testProfile] == one["loaded "+testProfile] || two["loaded "+name] != two["loaded "+testProfile] {
		t.Error("the update changed the rules of a companion, or did not load both profiles")
	}
	f.driver.used[name] = true
	if err := f.update(ctx, testUUID, Change{RemoveCompanions: []string{"passt"}}); !errors.Is(err, ErrInUse) {
		t.Errorf("removing one in use: %v", err)
	}
	if diff := cmp.Diff(two, f.state(t)); diff != "" {
		t.Error(diff)
	}
	f.driver.used = map[string]bool{}
	if err := f.update(ctx, testUUID, Change{
		RemoveCompanions: []string{"passt", "none"},
		Add:              Devices{Filesystems: []Filesystem{{ID: "fs1", Driver: "virtiofs", Source: "/srv/other", Socket: "/srv/run/fs1.sock"}}},
		AddCompanions:    []Companion{{Kind: CompanionVirtiofsd, ID: "fs1", Serves: Device{DeviceFilesystem, "fs1"}}},
	}); err != nil {
		t.Fatal(err)
	}
	s = f.state(t)
	if s["loaded "+name] != "" || s[name] != "" || s[name+".files"] != "" || s["loaded "+testProfile+"-fs1"] == "" || !strings.Contains(s[testProfile+"-fs1.files"], "/srv/other") {
		t.Errorf("after the update there are %v", slices.Sorted(maps.Keys(s)))
	}

	// Replace drops what is not in the description.
	d.Companions = d.Companions[:1]
	d.Devices.Disks = d.Devices.Disks[:1]
	if r, err := f.Reconcile(ctx, []*Domain{d}, ReconcileOptions{}); err != nil || !r[0].Differs {
		t.Errorf("reconcile: %+v, %v", r, err)
	}
	if err := f.Replace(ctx, d); err != nil {
		t.Fatal(err)
	}
	if s := f.state(t); len(s) != 6 {
		t.Errorf("after replacing there are %v", slices.Sorted(maps.Keys(s)))
	}
	if err := f.Create(ctx, thief); err != nil {
		t.Errorf("the image of a companion is not free: %v", err)
	}

	// A machine whose companion runs is not removed, in no part.
	f.driver.used[testProfile+"-fs0"] = true
	before := f.state(t)
	for what, op := range map[string]func(context.Context, string) error{"unload": f.Unload, "remove": f.Remove} {
		if err := op(ctx, testUUID); !errors.Is(err, ErrInUse) {
			t.Errorf("%s: %v", what, err)
		}
		if diff := cmp.Diff(before, f.state(t)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	if r, err := f.Reconcile(ctx, []*Domain{thief}, ReconcileOptions{Remove: true}); err != nil || !r[1].InUse || r[1].Did.Remove {
		t.Errorf("reconcile: %+v, %v", r, err)
	}
	f.driver.used = map[string]bool{}
	for _, uuid := range []string{testUUID, thief.UUID} {
		if err := f.Remove(ctx, uuid); err != nil {
			t.Fatal(err)
		}
	}
	if s := f.state(t); len(s) != 0 {
		t.Errorf("left %v", slices.Sorted(maps.Keys(s)))
	}
}

// TestCompanionsFaults makes each change of a file and each step of the kernel
// fail, of operations on a machine with companions: all is old or new.
func TestCompanionsFaults(t *testing.T) {
	ctx := t.Context()
	few := func() *Domain {
		d := withCompanions()
		d.Companions = d.Companions[:2]
		return d
	}
	next := few()
	next.Devices.Filesystems[0].Source = "/srv/elsewhere"
	next.Companions = append(next.Companions[:1:1], Companion{Kind: CompanionBridgeHelper, ID: "another"})
	for name, op := range map[string]struct {
		before *Domain
		do     func(f *fixture) error
	}{
		"create":  {nil, func(f *fixture) error { return f.Create(ctx, few()) }},
		"replace": {few(), func(f *fixture) error { return f.Replace(ctx, next) }},
		"update": {few(), func(f *fixture) error {
			return f.update(ctx, testUUID, Change{RemoveCompanions: []string{"swtpm"}, AddCompanions: []Companion{{Kind: CompanionBridgeHelper, ID: "another"}}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			start := func() *fixture {
				f := newFixture(t, ManagerOptions{})
				if op.before != nil {
					if err := f.Create(ctx, op.before); err != nil {
						t.Fatal(err)
					}
				}
				return f
			}
			good := start()
			if err := op.do(good); err != nil {
				t.Fatal(err)
			}
			want := good.state(t)
			steps := 0
			for ; ; steps++ {
				f := start()
				old := f.state(t)
				f.faults.after = steps
				err := op.do(f)
				if err == nil {
					break
				}
				if !errors.Is(err, errFault) || errors.Is(err, ErrInconsistent) {
					t.Errorf("step %d: %v", steps, err)
				}
				if diff := cmp.Diff(old, f.state(t)); diff != "" {
					t.Errorf("step %d: %s", steps, diff)
				}
				f.faults.after = -1
				if err := op.do(f); err != nil || !cmp.Equal(want, f.state(t)) {
					t.Errorf("again after step %d: %v", steps, err)
				}
			}
			if steps < 4 {
				t.Errorf("only %d steps", steps)
			}
			for _, method := range []string{"compile", "load", "unload", "inuse"} {
				f := start()
				old := f.state(t)
				f.driver.fail[method] = errFault
				err := op.do(f)
				if method == "load" && errors.Is(err, ErrInconsistent) {
					// Nothing can be loaded any more, so what went does not come back.
					f.driver.fail["load"] = nil
					if err := op.do(f); err != nil || !cmp.Equal(want, f.state(t)) {
						t.Errorf("again after load: %v", err)
					}
					continue
				}
				if err == nil {
					if name == "create" && (method == "unload" || method == "inuse") {
						continue // nothing goes
					}
					t.Errorf("%s: no error", method)
				}
				if diff := cmp.Diff(old, f.state(t)); diff != "" {
					t.Errorf("%s: %s", method, diff)
				}
			}
		})
	}
	// Remove may stop halfway, and goes on.
	for steps := 0; ; steps++ {
		f := newFixture(t, ManagerOptions{})
		if err := f.Create(ctx, few()); err != nil {
			t.Fatal(err)
		}
		f.faults.after = steps
		if err := f.Remove(ctx, testUUID); err == nil {
			if steps < 6 {
				t.Errorf("removing has %d steps", steps)
			}
			break
		}
		if err := f.Remove(ctx, testUUID); err != nil || len(f.state(t)) != 0 {
			t.Fatalf("again after step %d: %v, %v", steps, err, f.state(t))
		}
	}
}

// TestCompanionsPolicy asks the compiled profiles who may do what to whom, on a
// kernel that mediates all of it.
func TestCompanionsPolicy(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{Types: []string{"", "kvm"}})
	d := withCompanions()
	d.Type = "kvm"
	if err := f.Create(ctx, d); err != nil {
		t.Fatal(err)
	}
	set, ok := features.Kernel("7.3")
	if !ok {
		t.Fatal("the features of the kernel are unknown")
	}
	src, err := f.onDisk(ctx, testUUID)
	if err != nil {
		t.Fatal(err)
	}
	members, err := f.members(testUUID)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range members {
		of, err := f.onDisk(ctx, member)
		if err != nil {
			t.Fatal(err)
		}
		src.Companions = append(src.Companions, of)
	}
	driver := &AppArmor{Features: set, Degrade: 1}
	compiled, err := driver.Compile(ctx, src)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := driver.Compile(ctx, src); err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), compiled.(*blob.Policy).Bytes()) {
		t.Errorf("compiling it again gives other policy: %v", err)
	}
	const other = "libvirt-00000000-0000-4000-8000-000000000001"
	opened := query.Open(compiled.(*blob.Policy))
	stream := func(peer string) query.Request {
		return query.Unix{Perms: query.Send | query.Receive, Type: "stream", Peer: peer}
	}
	companion := func(id string) string { return testProfile + "-" + id }
	for _, test := range []struct {
		profile string
		request query.Request
		want    bool
	}{
		{testProfile, query.Userns{}, false},
		{testProfile, query.IOUring{}, false},
		{testProfile, query.IOUring{OverrideCreds: true, Label: testProfile}, false},
		{testProfile, query.Unix{Perms: query.Create, Type: "stream"}, true},
		{testProfile, stream("unconfined"), false},
		{testProfile, stream(other), false},
		{testProfile, stream(other + "-fs0"), false},
		{testProfile, stream(companion("fs0")), true},
		{testProfile, stream(companion("swtpm")), true},
		{testProfile, query.Unix{Perms: query.Send, Type: "dgram", Peer: companion("swtpm")}, false},
		{testProfile, query.Signal{Signal: "kill", Perms: query.Send, Peer: companion("fs0")}, false},
		{testProfile, query.Signal{Signal: "kill", Perms: query.Send, Peer: companion("passt")}, false},
		{testProfile, query.Signal{Signal: "term", Perms: query.Send, Peer: companion("passt")}, true},
		{testProfile, query.Signal{Signal: "term", Perms: query.Send, Peer: other + "-passt"}, false},
		{testProfile, query.Ptrace{Perms: query.ReadPeer, Peer: companion("fs0")}, false},
		{companion("passt"), query.Userns{}, true},
		{companion("passt"), query.Signal{Signal: "term", Perms: query.Receive, Peer: testProfile}, true},
		{companion("passt"), query.Signal{Signal: "term", Perms: query.Receive, Peer: other}, false},
		{companion("fs0"), query.Userns{}, false},
		{companion("fs0"), query.Signal{Signal: "term", Perms: query.Receive, Peer: "libvirtd"}, true},
		{companion("fs0"), query.Signal{Signal: "term", Perms: query.Receive, Peer: testProfile}, false},
		{companion("fs0"), query.Ptrace{Perms: query.Trace, Peer: testProfile}, false},
		{companion("fs0"), stream(testProfile), true},
		{companion("fs0"), stream(companion("swtpm")), false},
		{companion("fs0"), stream(other), false},
		{companion("fs0"), query.File{Path: "/srv/share/x", Perms: query.Read | query.Write}, true},
		{companion("fs0"), query.File{Path: "/srv/tpm/x", Perms: query.Read}, false},
		{companion("fs0"), query.File{Path: "/srv/a", Perms: query.Read}, false},
		{companion("qemu-bridge-helper"), query.Capability("net_admin"), true},
		{companion("qemu-storage-daemon"), query.File{Path: "/srv/b", Perms: query.Write}, true},
		{companion("qemu-storage-daemon"), query.Capability("net_admin"), false},
		{testProfile, query.File{Path: "/srv/b", Perms: query.Read}, false},
		{testProfile, query.File{Path: "/srv/share/x", Perms: query.Read}, false},
		{testProfile, query.File{Path: "/srv/tpm/x", Perms: query.Read}, false},
	} {
		p, ok := opened.Profile(test.profile)
		if !ok {
			t.Fatalf("no profile %s", test.profile)
		}
		d, err := p.Ask(test.request)
		if err != nil || d.Allowed() != test.want {
			t.Errorf("%s, %v: %v, %v", test.profile, test.request, d.Allowed(), err)
		}
	}
	p, _ := opened.Profile(testProfile)
	for path, want := range map[string]string{
		"/usr/bin/passt":                   companion("passt"),
		"/usr/lib/qemu/qemu-bridge-helper": companion("qemu-bridge-helper"),
		"/usr/lib/qemu/virtiofsd":          "",
	} {
		d, err := p.Ask(query.Execute{Path: path})
		if err != nil || d.Allowed() != (want != "") || want != "" && !strings.Contains(d.Exec.String(), want) {
			t.Errorf("%s: %v, %v, %v", path, d.Allowed(), d.Exec, err)
		}
	}
}

// unlisted is a store that does not list what it has.
type unlisted struct{ store }

func (unlisted) list() ([]string, error) { return nil, fs.ErrPermission }

// TestAccompanied: the directory is looked through for companions of a machine
// that has, or had, some, also if another Manager made them, and of no other.
func TestAccompanied(t *testing.T) {
	ctx := t.Context()
	f := newFixture(t, ManagerOptions{})
	alone := &Domain{UUID: "00000000-0000-4000-8000-000000000001", Name: "alone"}
	for _, d := range []*Domain{withCompanions(), alone} {
		if err := f.Create(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	check := func(f *fixture) {
		t.Helper()
		if members, err := f.members(testUUID); err != nil || len(members) != 5 {
			t.Errorf("%v, %v", members, err)
		}
		f.Manager.store = unlisted{f.Manager.store}
		if members, err := f.members(alone.UUID); err != nil || members != nil {
			t.Errorf("%v, %v", members, err)
		}
		if _, err := f.members(testUUID); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("not looked for: %v", err)
		}
	}
	check(f)
	closed(t, f)
	check(newFixture(t, ManagerOptions{Dir: f.dir}))
	shared := newFixture(t, ManagerOptions{Shared: true})
	shared.Manager.store = unlisted{shared.Manager.store}
	if _, err := shared.members(alone.UUID); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("others may have made companions, and are not looked for: %v", err)
	}
}
