// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// source is where policy text comes from.
type source struct {
	roots []fs.FS       // of includes and ABIs
	abi   *features.Set // of policy that names none; nil: that of the reference
}

// resolve takes text all the way to resolved profiles.
func (s source) resolve(tb testing.TB, name, text string) (*policy.Set, error) {
	tb.Helper()
	unit, err := parser.Config{Roots: s.roots}.ParseTree(tb.Context(), name, text)
	if err != nil {
		return nil, err
	}
	return policy.Resolve(tb.Context(), unit, policy.Options{Roots: s.roots, Default: s.abi})
}

// compile takes text all the way to binary policy.
func (s source) compile(tb testing.TB, kernel *features.Set, name, text string) (*compile.Output, error) {
	tb.Helper()
	set, err := s.resolve(tb, name, text)
	if err != nil {
		return nil, err
	}
	return compile.Compile(tb.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
}

// TestReferenceBlobs compiles upstream's profiles and compares the result with
// what upstream's parser makes of them.
func TestReferenceBlobs(t *testing.T) {
	for _, release := range upstream.Releases(t) {
		t.Run(release.Name, func(t *testing.T) { compareRelease(t, release) })
	}
}

func compareRelease(t *testing.T, release upstream.Release) {
	src := source{roots: []fs.FS{release.FS}}
	names := release.Sample()
	for short, kernel := range map[string]string{"6.1": k61, "6.12": k612, "7.3": k73} {
		t.Run(short, func(t *testing.T) {
			equal, total := 0, 0
			size, reference := 0, 0
			for _, name := range names {
				want := release.Compiled(t, short, name)
				total++
				if t.Run(name, func(t *testing.T) {
					text, err := fs.ReadFile(release.FS, name)
					if err != nil {
						t.Fatal(err)
					}
					ours, err := src.compile(t, oracle.FeatureSet(t, kernel), name, string(text))
					if err != nil {
						t.Fatalf("%+v", err)
					}
					size += ours.Policy.Len()
					reference += len(want)
					theirs := inspect(t, want)
					// No two ways of packing are the better one for every automaton.
					if ours.Policy.Len() > len(want)+len(want)/100 && !diffAttachment(theirs) {
						t.Errorf("%d bytes, the reference's are %d", ours.Policy.Len(), len(want))
					}
					ds, err := blob.DiffPolicy(ours.Policy, theirs, blob.DiffOptions{Ignore: func(d blob.Difference) bool {
						return deadString(d) || unknownSocket(d) || short == "6.1" && d.Member == "disconnected"
					}})
					if err != nil {
						t.Error(err)
					}
					for _, d := range ds {
						t.Errorf("%v", d)
					}
				}) {
					equal++
				}
			}
			t.Logf("%d of %d equal, %d bytes, the reference's are %d", equal, total, size, reference)
			if size > reference {
				t.Error("our policy is larger than the reference's")
			}
			if total == 0 {
				t.Error("nothing was compared")
			}
		})
	}
}

// diffAttachment reports whether an attachment is differentially encoded, which
// is shorter, but not what kernels look executables up by.
func diffAttachment(p *blob.Policy) bool {
	return slices.ContainsFunc(p.Profiles(), func(p *blob.Profile) bool {
		return p.XMatch != nil && p.XMatch.DFA.Flags&blob.FlagDiff != 0
	})
}

// deadString leaves out the string that 6.0 writes with the digit 1 where the
// byte 01 was meant. No kernel asks for it.
func deadString(d blob.Difference) bool {
	return d.Part == blob.PartPolicydb && d.Input.String() == blob.BytesInput("\x0f\x001").String()
}

// unknownSocket leaves out unix sockets of a type that does not exist: a rule
// without a type grants every number, in 5.0.2 those of types that there are, up to
// packet, 10.
func unknownSocket(d blob.Difference) bool {
	in, ok := d.Input.Bytes()
	return ok && d.Part == blob.PartPolicydb && len(in) >= 5 && string(in[:3]) == "\x0f\x00\x01" && int(in[3])<<8|int(in[4]) > 10
}

// TestDebian compiles Debian's profiles and compares the result with what
// Debian's parser makes of them.
func TestDebian(t *testing.T) {
	dir := testenv.DebianTree(t)
	tree := os.DirFS(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	on := kernels
	if testing.Short() {
		on = kernels[:1]
	}
	for _, kernel := range on {
		src := source{roots: []fs.FS{tree}, abi: oracle.FeatureSet(t, kernel)}
		equal, total := 0, 0
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			total++
			if t.Run(e.Name(), func(t *testing.T) {
				text, err := fs.ReadFile(tree, e.Name())
				if err != nil {
					t.Fatal(err)
				}
				compareWithDebian(t, src, kernel, dir, e.Name(), string(text))
			}) {
				equal++
			}
		}
		t.Logf("%s: %d of %d equal", kernel, equal, total)
	}
}

// TestStrict: what a kernel cannot enforce is named, at the rules in whatever
// file they are.
func TestStrict(t *testing.T) {
	tree := os.DirFS(testenv.DebianTree(t))
	const name = "usr.sbin.dnsmasq"
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		t.Fatal(err)
	}
	set, err := source{roots: []fs.FS{tree}}.resolve(t, name, string(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = compile.Compile(t.Context(), set, compile.Options{Kernel: oracle.FeatureSet(t, k61)})
	var list diag.List
	if !errors.As(err, &list) {
		t.Fatalf("got %v, want a list", err)
	}
	files := map[string]bool{}
	for _, d := range list {
		files[d.Pos.File] = true
		if d.Code != "not-enforceable" || d.Pos.Line == 0 || d.Pos.File != name && len(d.Via) == 0 {
			t.Errorf("%+v", d)
		}
	}
	for _, want := range []string{"abstractions/base", "abstractions/dbus-strict"} {
		if !files[want] {
			t.Errorf("nothing in %s is named, only in %v", want, slices.Sorted(maps.Keys(files)))
		}
	}
}

func compareWithDebian(t *testing.T, src source, kernel, dir, name, text string) {
	t.Helper()
	ours, err := src.compile(t, oracle.FeatureSet(t, kernel), name, text)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	data, err := oracle.Parser(t).Compile(oracle.Job{Text: text, Features: oracle.Features(t, kernel), Base: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range diff308(t, ours.Policy, inspect(t, data)) {
		t.Errorf("%v", d)
	}
}

// vmProfile is what libvirt loads for one machine.
func vmProfile(tb testing.TB) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(testenv.DebianTree(tb), "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		tb.Fatal(err)
	}
	const name = "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac"
	text := strings.ReplaceAll(string(data), "LIBVIRT_TEMPLATE", name)
	files := `
  "/var/log/libvirt/**/vm.log" w,
  "/var/lib/libvirt/qemu/domain-vm/monitor.sock" rw,
  "/var/lib/libvirt/qemu/domain-1-vm/*" rw,
  "/run/libvirt/**/vm.pid" rwk,
  "/run/libvirt/**/*.tunnelmigrate.dest.vm" rw,
  "/var/lib/libvirt/images/vm.qcow2" rwk,
  "/dev/vhost-net" rw,
`
	i := strings.LastIndexByte(text, '}')
	if i < 0 {
		tb.Fatal("no closing brace in TEMPLATE.qemu")
	}
	return text[:i] + files + text[i:]
}

// TestLibvirt compiles a machine's profile.
func TestLibvirt(t *testing.T) {
	dir := testenv.DebianTree(t)
	for _, kernel := range kernels {
		src := source{roots: []fs.FS{os.DirFS(dir)}, abi: oracle.FeatureSet(t, kernel)}
		compareWithDebian(t, src, kernel, dir, "vm", vmProfile(t))
	}
}

// TestEquality takes upstream's cases of texts that mean the same, or not.
func TestEquality(t *testing.T) {
	passed := 0
	cases := upstream.EqualityCases(t)
	sets := map[string]*features.Set{}
	for _, c := range cases {
		kernel := sets[c.Features]
		if kernel == nil {
			kernel = oracle.FeatureSet(t, c.Features)
			sets[c.Features] = kernel
		}
		if t.Run(c.ID, func(t *testing.T) {
			var first *blob.Policy
			for i, text := range c.Profiles {
				out, err := source{abi: kernel}.compile(t, kernel, "p", text+"\n")
				if err != nil {
					t.Fatalf("%s: %+v", text, err)
				}
				if i == 0 {
					first = out.Policy
					continue
				}
				ds, err := blob.DiffPolicy(first, out.Policy, blob.DiffOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if (len(ds) == 0) != (c.Op == "equal") {
					t.Errorf("not %s:\n%s\n%s", c.Op, c.Profiles[0], text)
					for _, d := range ds {
						t.Logf("%v", d)
					}
				}
			}
		}) {
			passed++
		}
	}
	t.Logf("%d of %d", passed, len(cases))
}

// ownPairs are the pairs that we do not decide as 6.0 does, and why.
func ownPairs() map[string]string {
	const lost = "6.0 loses what a block holds, unless it is of a file"
	own := map[string]string{
		"p032": "6.0 loses rlimits in a conditional",
		"p036": "6.0 forgets the network rules before a block",
		"p038": "6.0 gives the network rules of one profile to those after it",
		"p144": "port 0 is any port, for which 6.0 requires the bind of a privileged one",
		"p205": "differs in a target that nothing leads to",
	}
	for _, id := range []string{
		"p000", "p002", "p004", "p006", "p008", "p010", "p012", "p014", // network to capability
		"p016", "p018", "p020", // deny unix, rlimit, all
		"p022", "p024", // a child, a hat
		"p026", "p028", "p030", // userns, mqueue, io_uring
	} {
		own[id] = lost
	}
	return own
}

func TestPairs(t *testing.T) {
	passed := 0
	own := ownPairs()
	cases := upstream.Pairs(t)
	for _, c := range cases {
		if t.Run(c.ID, func(t *testing.T) {
			kernel := oracle.FeatureSet(t, c.Features)
			src := source{abi: kernel}
			a, errA := src.compile(t, kernel, "p", c.A)
			b, errB := src.compile(t, kernel, "p", c.B)
			if errA != nil || errB != nil {
				t.Fatal(errors.Join(errA, errB))
			}
			ds, err := blob.DiffPolicy(a.Policy, b.Policy, blob.DiffOptions{})
			if err != nil {
				t.Fatal(err)
			}
			same, why := len(ds) == 0, own[c.ID]
			switch like := same == c.Same; {
			case like && why != "":
				t.Errorf("decided as in 6.0, although %s", why)
			case !like && why == "":
				t.Errorf("same: %t, for the reference %t (%s):\n%s\n%s", same, c.Same, c.Note, c.A, c.B)
				for _, d := range ds {
					t.Logf("%v", d)
				}
			}
		}) {
			passed++
		}
	}
	t.Logf("%d of %d, %d of them decided unlike 6.0 for a reason", passed, len(cases), len(own))
}

// TestMinimize counts the states that grant or note something, in the automata
// of a profile.
func TestMinimize(t *testing.T) {
	for _, c := range upstream.MinimizeCases(t) {
		t.Run(c.ID, func(t *testing.T) {
			kernel := oracle.FeatureSet(t, c.Features)
			set, err := source{abi: kernel}.resolve(t, "p", c.Profile+"\n")
			if err != nil {
				t.Fatal(err)
			}
			out, err := compile.Compile(t.Context(), set, compile.Options{
				Kernel: kernel, Degrade: compile.Report, KeepDenials: slices.Contains(c.Optimize, "no-filter-deny"),
			})
			if err != nil {
				t.Fatal(err)
			}
			p := out.Policy.Profiles()[0]
			got := acceptingStates(p.File)
			if p.Policydb != nil {
				got += acceptingStates(p.Policydb)
			}
			if got != c.Expected {
				t.Errorf("%d accepting states, want %d: %x %x", got, c.Expected, p.File.DFA.Accept, p.File.DFA.Accept2)
			}
		})
	}
}

// acceptingStates counts the states with permissions, or with an entry that is
// not the one for none.
func acceptingStates(db *blob.PolicyDB) int {
	n := 0
	for s, a := range db.DFA.Accept {
		if db.Perms == nil && db.DFA.Accept2 != nil {
			a |= db.DFA.Accept2[s]
		}
		if a != 0 {
			n++
		}
	}
	return n
}
