// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
)

// suites are the releases of Debian whose templates are compiled.
var suites = []string{"bookworm", "trixie", "sid"}

// based reports whether every profile of a policy was made of a base: its automata are still to
// be decoded.
func based(p *blob.Policy) bool {
	return !slices.ContainsFunc(p.Heads(), func(h *blob.Profile) bool { return h.File != nil || h.Policydb != nil })
}

func numbered(d *svirt.Domain, i int) *svirt.Domain {
	c := *d
	c.UUID, c.Type = fmt.Sprintf("7d3e5a34-1c0f-4f4e-9d0a-%012d", i), "kvm"
	return &c
}

// alike holds a policy against that which a driver without bases makes.
func alike(t *testing.T, got *blob.Policy, src *svirt.Source, kernel string) {
	t.Helper()
	set, _ := features.Kernel(kernel)
	var stream []byte
	for _, of := range append([]*svirt.Source{src}, src.Companions...) {
		profiles, err := of.Resolve(t.Context(), set, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := compile.Compile(t.Context(), profiles, compile.Options{Kernel: set, Degrade: compile.Report})
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, out.Policy.Bytes()...)
	}
	want, err := blob.Inspect(stream)
	if err != nil {
		t.Fatal(err)
	}
	found, err := blob.DiffPolicy(got, want, blob.DiffOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		t.Errorf("instance | whole: %v", d)
	}
	if inspected, err := blob.Inspect(got.Bytes()); err != nil || !slices.Equal(inspected.Names(), want.Names()) {
		t.Errorf("the policy is of %v and the whole one of %v, %v", got.Names(), want.Names(), err)
	}
}

// accompanied is a machine with a companion of each kind.
func accompanied(i int) *svirt.Domain {
	at := func(name string) string { return fmt.Sprintf("/data/run/%d.%s", i, name) }
	serves := func(kind svirt.DeviceKind, id string) svirt.Device { return svirt.Device{Kind: kind, ID: id} }
	return &svirt.Domain{UUID: fmt.Sprintf("7d3e5a34-1c0f-4f4e-9d0a-%012d", i), Name: fmt.Sprint("m", i), Devices: svirt.Devices{
		Disks: []svirt.Disk{
			{ID: "vda", Image: svirt.Image{Path: at("a"), Format: "raw"}},
			{ID: "vdb", Image: svirt.Image{Type: svirt.ImageVHostUser, Path: at("vdb.sock")}},
		},
		Filesystems: []svirt.Filesystem{{ID: "fs0", Driver: "virtiofs", Source: fmt.Sprintf("/data/share%d", i), Socket: at("fs0.sock")}},
		TPMs:        []svirt.TPM{{ID: "tpm0", Backend: "emulator", Path: at("tpm.sock"), State: fmt.Sprintf("/data/tpm%d", i)}},
		Nets:        []svirt.Net{{ID: "net0", Backend: "passt", Socket: at("net0.sock"), Log: at("passt.log")}},
	}, Companions: []svirt.Companion{
		{Kind: svirt.CompanionVirtiofsd, ID: "fs0", Serves: serves(svirt.DeviceFilesystem, "fs0")},
		{Kind: svirt.CompanionSWTPM, Serves: serves(svirt.DeviceTPM, "tpm0")},
		{Kind: svirt.CompanionPasst, Serves: serves(svirt.DeviceNet, "net0")},
		{Kind: svirt.CompanionBridgeHelper},
		{Kind: svirt.CompanionStorageDaemon, Serves: serves(svirt.DeviceDisk, "vdb"), Devices: svirt.Devices{
			Disks: []svirt.Disk{{ID: "b", Image: svirt.Image{Path: at("b"), Format: "raw"}}},
		}},
	}}
}

// domainsOfTests are machines with every kind of device that rules are derived
// for, and with few and many.
func domainsOfTests() []*svirt.Domain {
	list := []*svirt.Domain{disk("/srv/a"), share("/srv/share"), {Name: "none"}}
	for _, n := range []int{1, 8, 40, 300} {
		list = append(list, manyDisks(n))
	}
	return append(list, everything())
}

// TestBases compiles machines one after the other, from what they have in common, of
// this package's template and of Debian's. A driver that has compiled nothing before
// makes the same bytes.
func TestBases(t *testing.T) {
	for _, suite := range append([]string{""}, suites...) {
		if suite != "" && testing.Short() {
			break
		}
		t.Run(cmp.Or(suite, "own"), func(t *testing.T) {
			kernels, policy := []string{"6.1", "6.12", "7.2", "7.3"}, svirt.PolicyFS()
			if suite != "" {
				kernels, policy = kernels[1:2], os.DirFS(testenv.LibvirtTree(t, suite))
			}
			for _, kernel := range kernels {
				testBases(t, kernel, policy)
			}
		})
	}
}

func testBases(t *testing.T, kernel string, policy fs.FS) {
	t.Helper()
	set, ok := features.Kernel(kernel)
	if !ok {
		t.Fatal(kernel)
	}
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	for i, d := range domainsOfTests() {
		d = numbered(d, i)
		src := source(t, d, derived(t, d, svirt.Options{Live: true}), policy)
		c, err := a.Compile(t.Context(), src)
		if err != nil {
			t.Fatal(err)
		}
		p := c.(*blob.Policy)
		if !based(p) {
			t.Errorf("%d, %s on %s: compiled as a whole", i, d.Name, kernel)
		}
		if p.Names()[0] != src.Profile {
			t.Errorf("the policy is of %v", p.Names())
		}
		fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
		for _, driver := range []*svirt.AppArmor{a, fresh} {
			again, err := driver.Compile(t.Context(), src)
			if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), p.Bytes()) {
				t.Errorf("%s on %s: other bytes the second time, %v", d.Name, kernel, err)
			}
		}
		alike(t, p, src, kernel)
	}
	if n := len(a.Bases()); n != 1 {
		t.Errorf("%d bases on %s", n, kernel)
	}
}

// TestBaseContent changes what machines have in common, and one machine's
// profile.
func TestBaseContent(t *testing.T) {
	set, _ := features.Kernel("6.12")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	tree := fstest.MapFS{}
	if err := fs.WalkDir(svirt.PolicyFS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			data, err := fs.ReadFile(svirt.PolicyFS(), name)
			tree[name] = &fstest.MapFile{Data: data}
			return err
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n := 0
	next := func() *svirt.Source {
		n++
		d := numbered(disk("/srv/a"), n)
		return source(t, d, derived(t, d, svirt.Options{}), tree)
	}
	run := func(step string, src *svirt.Source, want bool) {
		t.Helper()
		c, err := a.Compile(t.Context(), src)
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		// What is in force is known by its digest, so it must not matter what
		// was compiled before.
		fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
		again, err := fresh.Compile(t.Context(), src)
		if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), c.(*blob.Policy).Bytes()) {
			t.Errorf("%s: another driver makes other bytes, %v", step, err)
		}
		if got := based(c.(*blob.Policy)); got != want {
			t.Errorf("%s: from a base: %t", step, got)
		}
		alike(t, c.(*blob.Policy), src, "6.12")
	}
	change := func(name, from, to string) {
		t.Helper()
		text := string(tree[name].Data)
		if !strings.Contains(text, from) {
			t.Fatalf("%s has no %s", name, from)
		}
		tree[name] = &fstest.MapFile{Data: []byte(strings.Replace(text, from, to, 1))}
	}
	run("first", next(), true)
	run("second", next(), true)
	edited := next()
	edit := func(from, to string) {
		t.Helper()
		text := strings.Replace(edited.File.Src, from, to, 1)
		file, err := parser.Config{}.Parse(context.Background(), edited.File.Name, text)
		if err != nil || text == edited.File.Src {
			t.Fatal(err, text)
		}
		edited.File = file
	}
	edit("\n}\n", "\n  deny /srv/a w,\n}\n")
	run("an edited profile", edited, true)
	run("third", next(), true)
	change("abstractions/libvirt-qemu", "capability chown,", "capability chown,\n  /opt/new r,")
	run("an abstraction has changed", next(), true)
	run("the machine after that", next(), true)
	change("tunables/global", "\n", "\n@{new}=/opt/new\n")
	run("a tunable has changed", next(), true)
	run("the machine after that", next(), true)
	change("libvirt/TEMPLATE.qemu", "flags=(attach_disconnected)", "flags=(attach_disconnected, complain)")
	run("the template has changed", next(), true)
	run("the machine after that", next(), true)
	change("tunables/global", "\n", "\nalias /srv/ -> /data/,\n")
	for range 3 {
		run("aliases change the rules of machines", next(), false)
	}
	change("tunables/global", "alias /srv/ -> /data/,\n", "")
	run("the alias is gone", next(), true)

	// Whoever makes a base and gives up leaves the others as they were.
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	change("tunables/global", "\n", "\n@{newer}=/opt/newer\n")
	if _, err := a.Compile(gone, next()); err == nil {
		t.Error("compiled with a context that has ended")
	}
	run("after a compilation that gave up", next(), true)
}

// degradations lists what is left out of a policy, in order.
func degradations(out *compile.Output) []string {
	var list []string
	for _, d := range out.Degraded {
		list = append(list, d.String())
	}
	slices.Sort(list)
	return list
}

// TestBaseShapes compiles profiles of shapes that templates may have, two machines of
// each, in a driver and from a base that was saved.
func TestBaseShapes(t *testing.T) {
	const machine, other = "libvirt-7d3e5a34-1c0f-4f4e-9d0a-000000000001", "libvirt-7d3e5a34-1c0f-4f4e-9d0a-000000000002"
	for _, tt := range []struct {
		name, head, text string
		whole            bool // there can be no base
	}{
		{name: "a child says the name", text: "profile c { signal peer=@{profile_name}, /c/NAME r, /x r, }"},
		{name: "children of a child", text: "profile c { /c r, profile d { ptrace peer=NAME//c, profile e { unix peer=(label=@{profile_name}), } } }"},
		{name: "two that say the name, and one that does not", text: "profile a { /a r, /NAME/a r, } profile b { /b r, } profile c { /c r, /NAME/c r, } signal peer=NAME//a,"},
		{name: "hats", text: "^h { /h/NAME r, } hat g { /g rw, }"},
		{name: "a child that is gone to", text: "/bin/c cx -> c, profile c { /bin/c mr, /NAME r, }"},
		{name: "a child that goes to its own", text: "/bin/c cx -> c, profile c { /bin/d cx -> d, profile d { /d r, /NAME r, } }"},
		{name: "a child named in full", text: "/bin/c px -> NAME//c, profile c { /c r, change_profile -> NAME, }"},
		{name: "a child that goes back", text: "/bin/c cx -> c, profile c { /bin/m px -> NAME, /c r, }"},
		{name: "a child that changes to the machine", text: "change_profile -> NAME//c, profile c { /c r, change_profile -> c, change_profile -> @{profile_name}//d, }"},
		{name: "a child that attaches", text: "/bin/* cx, profile c /bin/c* { /c r, /NAME r, }"},
		{name: "children that attach to different programs", text: "/bin/* cx, profile c /bin/c* { /c r, /NAME r, } profile d /bin/d* { /d r, }"},
		{name: "children that attach to the same program", text: "/bin/* cx, profile c /bin/c*x { /c r, /NAME r, } profile d /bin/c*y* { /d r, }"},
		{name: "children between which kernels cannot choose", text: "/bin/* cx, profile c /bin/c* { /c r, /NAME r, } profile d /bin/c** { /d r, }", whole: true},
		{name: "a child of other flags and limits", text: "profile c flags=(complain, attach_disconnected) { set rlimit nofile <= 5, /c r, /NAME r, capability chown, }"},
		{name: "a limit that says nothing of the name", text: "set rlimit nofile <= 5, profile c { /c r, /NAME r, }"},
		{name: "a child without rules", text: "profile c { } /NAME r,"},
		{name: "a child with mounts", text: "profile c { mount options=(rw) /NAME -> /mnt/, mount fstype=tmpfs, umount /mnt/, pivot_root /NAME/, }"},
		{name: "denials", text: "deny /NAME w, audit deny /x w, profile c { deny /c w, deny /NAME w, audit /NAME r, }"},
		{name: "a name within another one", text: "signal peer=NAME-*, profile c { signal peer=NAMEx, }"},
		{name: "a child that has files by the name alone", text: "profile c { /NAME r, }", whole: true},
		{name: "a child that attaches to the name", text: "profile c /NAME/c { /c r, }", whole: true},
		{name: "a child named by the name", text: "profile NAME-c { /c r, }", whole: true},
		{name: "the text of a base", text: "/" + svirt.BaseName + " r, /NAME r,", whole: true},
		{name: "a second profile", head: "profile x { /x r, }", whole: true},
		{name: "a variable of the name", head: "@{own}=/srv/NAME\n", text: "profile c { /c r, @{own}/* rw, }"},
		{name: "a condition", head: "$a=true\n", text: "if $a { /a r, }", whole: true},
	} {
		for _, kernel := range []string{"6.1", "6.12", "7.3"} {
			t.Run(tt.name+"/"+kernel, func(t *testing.T) {
				set, _ := features.Kernel(kernel)
				o := compile.Options{Kernel: set, Degrade: compile.Report}
				source := func(name string) *svirt.Source {
					t.Helper()
					text := strings.ReplaceAll(tt.head+"profile NAME flags=(attach_disconnected) {\n  /m r,\n  "+tt.text+"\n  include if exists <rules>\n}\n", "NAME", name)
					f, err := parser.Config{}.Parse(t.Context(), name, text)
					if err != nil {
						t.Fatal(err)
					}
					r, err := parser.Config{Context: parser.ContextBody}.Parse(t.Context(), "rules", "/srv/"+name+" rwk,\n/bin/own ix,\n")
					if err != nil {
						t.Fatal(err)
					}
					return &svirt.Source{Profile: name, File: f, Rules: r}
				}
				if tt.name == "a second profile" {
					// It belongs to another program, and the base is refused.
					if _, err := svirt.NewMachineBase(t.Context(), source(machine), o); !errors.Is(err, svirt.ErrNoBase) {
						t.Error(err)
					}
					return
				}
				a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
				b, err := svirt.NewMachineBase(t.Context(), source(machine), o)
				if tt.whole != errors.Is(err, svirt.ErrNoBase) {
					t.Fatalf("saved: %v", err)
				}
				var data []byte
				unsaved := b
				if b != nil {
					if data, err = b.AppendBinary(nil); err == nil {
						b, err = svirt.OpenMachineBase(t.Context(), data, o)
					}
				}
				if b != nil && err != nil {
					t.Fatal(err)
				}
				for _, name := range []string{machine, other} {
					src := source(name)
					c, err := a.Compile(t.Context(), src)
					if err != nil {
						t.Fatal(err)
					}
					p := c.(*blob.Policy)
					if based(p) == tt.whole {
						t.Errorf("of a base: %t", based(p))
					}
					alike(t, p, src, kernel)
					if b == nil {
						continue
					}
					out, err := b.Compile(t.Context(), name, src.Rules, set)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(out.Policy.Bytes(), p.Bytes()) || len(out.Stats) != len(p.Names()) {
						t.Errorf("an opened base makes other bytes, or statistics of %d profiles", len(out.Stats))
					}
					// What a kernel leaves out is told with its place.
					out, err = unsaved.Compile(t.Context(), name, src.Rules, set)
					if err != nil {
						t.Fatal(err)
					}
					profiles, err := src.Resolve(t.Context(), set, nil)
					if err != nil {
						t.Fatal(err)
					}
					whole, err := compile.Compile(t.Context(), profiles, o)
					if err != nil {
						t.Fatal(err)
					}
					// A base that is alone knows the file of the first machine only.
					want := degradations(whole)
					for i, text := range want {
						want[i] = strings.Replace(text, other+":", machine+":", 1)
					}
					if diff := gocmp.Diff(want, degradations(out)); diff != "" {
						t.Errorf("what is left out, as a whole and of a base: %s", diff)
					}
				}
			})
		}
	}
}

// TestBaseRandom compiles profiles that are put together at random, with profiles below
// them, two machines of each.
func TestBaseRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rules := []string{
		"/a r,", "/a/** rw,", "/NAME r,", "owner /run/NAME/** rwk,", "deny /a w,", "deny /NAME/* w,", "audit /a r,", "/b/{NAME,x} r,",
		"capability chown,", "deny capability kill,", "network inet,", "signal peer=NAME,", "signal (send) set=(term) peer=NAME//*,",
		"signal (receive) peer=@{profile_name},", "ptrace peer=@{profile_name},", "unix (send, receive) type=stream peer=(label=NAME),",
		"unix bind addr=@NAME*,", "/bin/a ix,", "/bin/b px,", "/bin/c px -> NAME,", "/bin/d cx -> c0,", "/bin/e cx -> c1,", "/bin/f ux,", "change_profile -> NAME//c0,",
		"change_profile -> c1,", "change_profile,", "mount options=(ro) /NAME -> /mnt/,", "mount fstype=tmpfs -> /mnt/,", "umount /mnt/NAME/,",
		"set rlimit nofile <= 100,", "mqueue (read) /NAME,", "userns,", "io_uring,", "dbus bus=system peer=(label=NAME),", "pivot_root /NAME/,", "link /NAME -> /b,",
	}
	heads := []string{"profile c%d", "profile c%d flags=(complain)", "profile c%d flags=(attach_disconnected, mediate_deleted)", "profile c%d /bin/c%[1]d*", "hat h%d", "^h%d"}
	var body func(depth int) string
	body = func(depth int) string {
		var b strings.Builder
		for range 1 + r.IntN(8) {
			b.WriteString(rules[r.IntN(len(rules))] + "\n")
		}
		for i := range r.IntN(3) {
			head := fmt.Sprintf(heads[r.IntN(len(heads))], i)
			if depth == 2 {
				break
			}
			below := depth + 1
			if strings.HasPrefix(head, "hat") || strings.HasPrefix(head, "^") {
				below = 2 // hats have none
			}
			b.WriteString(head + " {\n" + body(below) + "}\n")
		}
		return b.String()
	}
	n, bases, children := 400, 0, 0
	if testing.Short() {
		n = 100
	}
	for i := range n {
		text := "profile NAME {\n/m r,\n" + body(0) + "include if exists <rules>\n}\n"
		kernel := []string{"6.1", "6.12", "7.3"}[i%3]
		set, _ := features.Kernel(kernel)
		a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
		for _, name := range []string{"libvirt-7d3e5a34-1c0f-4f4e-9d0a-000000000001", "libvirt-7d3e5a34-1c0f-4f4e-9d0a-000000000002"} {
			f, err := parser.Config{}.Parse(t.Context(), name, strings.ReplaceAll(text, "NAME", name))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			own, err := parser.Config{Context: parser.ContextBody}.Parse(t.Context(), "rules", "/srv/"+name+" rwk,\n")
			if err != nil {
				t.Fatal(err)
			}
			src := &svirt.Source{Profile: name, File: f, Rules: own}
			c, err := a.Compile(t.Context(), src)
			if err != nil {
				// Rules that were put together may contradict each other.
				set, rerr := src.Resolve(t.Context(), set, nil)
				if rerr == nil {
					_, rerr = compile.Compile(t.Context(), set, compile.Options{Kernel: a.Features, Degrade: compile.Report})
				}
				if rerr == nil || rerr.Error() != err.Error() {
					t.Errorf("%v, and as a whole %v\n%s", err, rerr, text)
				}
				break
			}
			p := c.(*blob.Policy)
			alike(t, p, src, kernel)
			if t.Failed() {
				t.Fatal(text)
			}
			if based(p) {
				bases++
				if len(p.Names()) > 1 {
					children++
				}
			}
		}
	}
	t.Logf("of %d policies, %d are made of a base, %d of them with profiles below", 2*n, bases, children)
	if bases < n/4 || children < n/8 {
		t.Error("too few are made of a base")
	}
}

// TestBaseCompanions compiles companions whose profiles say the names of both, their
// own and their machine's.
func TestBaseCompanions(t *testing.T) {
	set, _ := features.Kernel("7.3")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	parse := func(name, text string) *ast.File {
		t.Helper()
		f, err := parser.Config{}.Parse(t.Context(), name, text)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for i, text := range []string{
		"unix (receive, send) type=stream peer=(label=MACHINE),",
		"signal peer=MACHINE-*, /run/NAME/* rw,",
		"/run/MACHINE/NAME/** rw, /run/NAME/MACHINE r,",
		"profile c { /c r, ptrace peer=MACHINE, change_profile -> NAME, }",
	} {
		var bases []any
		for _, n := range []string{"1", "2"} {
			machine := "libvirt-7d3e5a34-1c0f-4f4e-9d0a-00000000000" + n
			src := &svirt.Source{Profile: machine, File: parse(machine, "profile "+machine+" { /m r, signal peer="+machine+"-*, }\n")}
			for _, id := range []string{"-a", "-b"} {
				own := strings.NewReplacer("NAME", machine+id, "MACHINE", machine).Replace("profile NAME { /x r, " + text + " }\n")
				src.Companions = append(src.Companions, &svirt.Source{Profile: machine + id, File: parse(machine+id, own)})
			}
			c, err := a.Compile(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			if !based(c.(*blob.Policy)) {
				t.Errorf("%d: as a whole", i)
			}
			alike(t, c.(*blob.Policy), src, "7.3")
			if bases == nil {
				bases = a.Bases()
			}
		}
		if after := a.Bases(); len(after) != len(bases) || len(after) != i+2 {
			t.Errorf("%d: there are %d bases and then %d, want %d", i, len(bases), len(after), i+2)
		}
	}
	// A companion that says nothing of its machine has the base of a machine that has
	// the same text.
	const own = "libvirt-7d3e5a34-1c0f-4f4e-9d0a-000000000003"
	text := "profile NAME { /x r, signal peer=NAME, /run/NAME/* rw, }\n"
	src := &svirt.Source{Profile: own, File: parse(own, strings.ReplaceAll(text, "NAME", own))}
	src.Companions = []*svirt.Source{{Profile: own + "-a", File: parse(own+"-a", strings.ReplaceAll(text, "NAME", own+"-a"))}}
	before := len(a.Bases())
	c, err := a.Compile(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	alike(t, c.(*blob.Policy), src, "7.3")
	if after := len(a.Bases()); after != before+1 {
		t.Errorf("there are %d bases after %d", after, before)
	}
}

// TestBasesConcurrently compiles machines of two templates at the same time.
func TestBasesConcurrently(t *testing.T) {
	set, _ := features.Kernel("6.12")
	a := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			fresh := &svirt.AppArmor{Features: set, Degrade: compile.Report, Logger: slog.New(slog.DiscardHandler)}
			for i := range 6 {
				d := numbered(disk(fmt.Sprintf("/srv/%d", w)), 10*w+i)
				src := source(t, d, derived(t, d, svirt.Options{}), svirt.PolicyFS())
				c, err := a.Compile(t.Context(), src)
				if err != nil {
					t.Error(err)
					return
				}
				again, err := fresh.Compile(t.Context(), src)
				if err != nil || !bytes.Equal(again.(*blob.Policy).Bytes(), c.(*blob.Policy).Bytes()) {
					t.Errorf("other bytes by another driver, %v", err)
				}
				if _, err := blob.Inspect(c.(*blob.Policy).Bytes()); err != nil || c.(*blob.Policy).Names()[0] != src.Profile {
					t.Errorf("%v, error %v", c.(*blob.Policy).Names(), err)
				}
			}
		})
	}
	wg.Wait()
}
