// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/policy"
)

// at places rules on consecutive lines of a file, as if they had been read.
func at(set *policy.Set) *policy.Set {
	for _, p := range set.Profiles {
		file := &ast.File{Name: "p", Src: strings.Repeat("r\n", len(p.Rules)+1)}
		p.Origin = policy.Origin{File: file, Pos: 1}
		for i := range p.Rules {
			p.Rules[i].Origin = policy.Origin{File: file, Pos: ast.Pos(2*i + 3)}
		}
	}
	return set
}

func execRule(path ast.Pattern, x ast.Exec) *ast.FileRule { return &ast.FileRule{Path: path, Exec: x} }

func TestExecConflicts(t *testing.T) {
	const (
		ix, px, ux = ast.ExecInherit, ast.ExecProfile, ast.ExecUnconfined
	)
	with := func(r *ast.FileRule, q ast.Qualifiers) *ast.FileRule {
		r.Qualifiers = q
		return r
	}
	owner, other := ast.Qualifiers{Owner: ast.OnlyOwner}, ast.Qualifiers{Owner: ast.OnlyOther}
	first := ast.Qualifiers{Priority: 1}
	tests := []struct {
		name     string
		rules    []ast.Rule
		conflict string // the places of the rules, empty for none
	}{
		{"same path", []ast.Rule{execRule("/a", px), execRule("/b", px), execRule("/a", ux)}, "4 2"},
		{"exact beats pattern", []ast.Rule{execRule("/a", px), execRule("/*", ux)}, ""},
		{"alternation is exact", []ast.Rule{execRule("/{a,b}", px), execRule("/a", ux)}, "3 2"},
		{"alternation beats pattern", []ast.Rule{execRule("/{a,b}", px), execRule("/*", ux)}, ""},
		{"patterns", []ast.Rule{execRule("/*", px), execRule("/**", ux)}, "3 2"},
		{"bare file", []ast.Rule{&ast.FileRule{All: true}, execRule("/*", px)}, "3 2"},
		{"all yields", []ast.Rule{&ast.AllRule{}, execRule("/*", px)}, ""},
		{"owner and other", []ast.Rule{with(execRule("/a", px), owner), with(execRule("/a", ux), other)}, ""},
		{"owner and everybody", []ast.Rule{with(execRule("/a", px), owner), execRule("/a", ix)}, "3 2"},
		{"priority", []ast.Rule{with(execRule("/a", px), first), execRule("/a", ux)}, ""},
		{"audit does not keep rules apart", []ast.Rule{execRule("/a", px), with(execRule("/a", ux), audit())}, "3 2"},
		{"denial", []ast.Rule{execRule("/a", px), with(execRule("/a", ast.ExecDeny), deny())}, ""},
		{"same text hidden by a denial", []ast.Rule{execRule("/a", px), execRule("/a", ux), with(execRule("/**", ast.ExecDeny), deny())}, "3 2"},
		{"classes are exact", []ast.Rule{execRule("/a[b]", px), execRule("/ab", ux)}, "3 2"},
		{"negated classes are not", []ast.Rule{execRule("/a[^c]", px), execRule("/ab", ux)}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compile.Compile(t.Context(), at(ruleSet(tt.rules...)), compile.Options{Kernel: oracle.FeatureSet(t, k61), Degrade: compile.Report})
			got := ""
			var d *diag.Diagnostic
			if errors.As(err, &d) {
				if d.Code != diag.CodeExecConflict || len(d.Related) != 1 {
					t.Fatalf("%+v", d)
				}
				got = fmt.Sprintf("%d %d", d.Pos.Line, d.Related[0].Line)
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.conflict {
				t.Errorf("conflict %q, want %q", got, tt.conflict)
			}
		})
	}
}

func TestDegrade(t *testing.T) {
	set := func() *policy.Set {
		return at(ruleSet(
			&ast.DBusRule{},
			&ast.UnixRule{Type: "stream"},
			&ast.UnixRule{Qualifiers: deny()},
			&ast.UsernsRule{},
			&ast.FileRule{Qualifiers: ast.Qualifiers{Access: ast.Prompt}, Path: "/a", Perms: ast.FileRead},
			&ast.NetworkRule{Family: "inet", Local: ast.NetEnd{Port: "80"}},
			&ast.FileRule{Path: "/a", Perms: ast.FileRead},
		))
	}
	abi, _ := features.ABI("3.0")
	tests := []struct {
		kernel string
		abi    *features.Set
		want   []string
	}{
		{k61, nil, []string{"2 dropped dbus kernel", "3 network_v9/af_unix kernel", "4 dropped network_v9/af_unix kernel",
			"5 dropped namespaces/mask/userns_create kernel", "6 dropped policy/permstable32_version/2 kernel", "7 network_v8/af_inet kernel"}},
		{k73, nil, []string{"7 network_v8/af_inet kernel"}},
		{afInet, nil, nil},
		{k73, abi, []string{"2 dropped network_v9/af_mask abi", "3 network_v9/af_unix abi", "4 dropped network_v9/af_unix abi",
			"5 dropped namespaces/mask/userns_create abi", "7 network_v8/af_inet kernel"}},
	}
	for _, tt := range tests {
		s := set()
		s.Profiles[0].ABI = tt.abi
		out, err := compile.Compile(t.Context(), s, compile.Options{Kernel: oracle.FeatureSet(t, tt.kernel), Degrade: compile.Report})
		if err != nil {
			t.Fatal(err)
		}
		var got, refused []string
		for _, d := range out.Degraded {
			dropped := ""
			if d.Dropped {
				dropped = "dropped "
			}
			got = append(got, fmt.Sprintf("%d %s%s %s", d.Pos.Line, dropped, d.Feature, d.Cause))
			if d.Cause != compile.ByABI {
				refused = append(refused, fmt.Sprint(d.Pos.Line))
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.kernel, d)
		}
		_, err = compile.Compile(t.Context(), s, compile.Options{Kernel: oracle.FeatureSet(t, tt.kernel)})
		var list diag.List
		if err != nil && !errors.As(err, &list) {
			t.Fatalf("strict: %v", err)
		}
		var lines []string
		for _, d := range list {
			if d.Code != "not-enforceable" {
				t.Errorf("%v", d)
			}
			lines = append(lines, fmt.Sprint(d.Pos.Line))
		}
		if d := cmp.Diff(refused, lines); d != "" {
			t.Errorf("%s, strict: %s", tt.kernel, d)
		}
	}
}

// TestAllIsNotDegraded: what is not mediated is allowed, which is what the
// rule asks for.
func TestAllIsNotDegraded(t *testing.T) {
	if _, err := compile.Compile(t.Context(), ruleSet(&ast.AllRule{}), compile.Options{Kernel: oracle.FeatureSet(t, k61)}); err != nil {
		t.Fatal(err)
	}
}

func TestCapabilities(t *testing.T) {
	caps := func(q ast.Qualifiers, names ...string) ast.Rule {
		return &ast.CapabilityRule{Qualifiers: q, Names: names}
	}
	auditDeny := ast.Qualifiers{Access: ast.Deny, Audit: true}
	tests := []struct {
		name, kernel string
		rules        []ast.Rule
		want         blob.Caps
	}{
		{"mixed", k61, []ast.Rule{
			caps(ast.Qualifiers{}, "net_admin"), caps(audit(), "chown"), caps(deny(), "kill"), caps(auditDeny, "sys_admin"), caps(ast.Qualifiers{}, "bpf"),
		}, blob.Caps{Allow: 0x80_00001001, Audit: 1, Quiet: 0x20}},
		{"all", k61, []ast.Rule{caps(ast.Qualifiers{})}, blob.Caps{Allow: ^uint64(0)}},
		{"all but", k61, []ast.Rule{caps(ast.Qualifiers{}), caps(auditDeny, "chown"), caps(deny(), "kill"), caps(audit(), "net_admin")},
			blob.Caps{Allow: ^uint64(0x21), Audit: 0x1000, Quiet: 0x20}},
		{"audit of a denied one", k61, []ast.Rule{caps(audit(), "kill"), caps(deny(), "kill")}, blob.Caps{Quiet: 0x20}},
		{"split off sys_admin", suite, []ast.Rule{caps(ast.Qualifiers{}, "bpf", "checkpoint_restore")}, blob.Caps{Allow: 1 << 21}},
	}
	for _, tt := range tests {
		got := mustCompile(t, tt.kernel, ruleSet(tt.rules...)).Policy.Profiles()[0].Caps
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}

func TestAttachment(t *testing.T) {
	value := func(s string) policy.Xattr {
		return policy.Xattr{Name: "user.a", Value: ast.Pattern(s), HasValue: true}
	}
	tests := []struct {
		attach     ast.Pattern
		alternates []ast.Pattern
		xattrs     []policy.Xattr
		length     uint32
		match      string
		yes, no    []string
	}{
		{"/usr/bin/nameonly", nil, nil, 17, "", []string{"/usr/bin/nameonly"}, []string{"/usr/bin/name", "/usr/bin/nameonly/"}},
		{"/usr/bin/{foo,ba*}", nil, nil, 11, "", []string{"/usr/bin/foo", "/usr/bin/ba", "/usr/bin/bar"}, []string{"/usr/bin/fo", "/usr/bin/ba/"}},
		{"/opt/**", nil, nil, 6, "", []string{"/opt/a", "/opt/a/b/"}, []string{"/opt/", "/opt"}},
		{"/usr/exact", []ast.Pattern{"/bin/e*"}, nil, 6, "", []string{"/usr/exact", "/bin/ex"}, []string{"/usr/ex"}},
		{"/bin/a", nil, []policy.Xattr{value("f*"), {Name: "user.b"}}, 6, "", []string{"/bin/a"}, []string{"/bin/a\x00f"}},
	}
	for _, tt := range tests {
		set := &policy.Set{Profiles: []*policy.Profile{{Name: "t", Attachment: tt.attach, Alternates: tt.alternates, Xattrs: tt.xattrs}}}
		for _, k := range kernels {
			p := mustCompile(t, k, set).Policy.Profiles()[0]
			if p.XMatchLen != tt.length {
				t.Errorf("%s: xmatch_len %d, want %d", tt.attach, p.XMatchLen, tt.length)
			}
			if p.XMatch.Perms != nil || p.XMatch.DFA.Flags&blob.FlagDiff != 0 {
				t.Errorf("%s: xmatch is not in the old, plain form", tt.attach)
			}
			for _, s := range tt.yes {
				if got := grants(p, blob.PartXMatch, s); got != "1 unsafe" && got != "1" {
					t.Errorf("%s does not match %q: %s", tt.attach, s, got)
				}
			}
			for _, s := range tt.no {
				if got := grants(p, blob.PartXMatch, s); got != "0" {
					t.Errorf("%s matches %q: %s", tt.attach, s, got)
				}
			}
		}
	}
}

// TestXattrs walks the values of extended attributes: in reverse order of the
// text, each after an out-of-band step and a NUL.
func TestXattrs(t *testing.T) {
	set := &policy.Set{Profiles: []*policy.Profile{{Name: "t", Attachment: "/a", Xattrs: []policy.Xattr{
		{Name: "user.one", Value: "f*o", HasValue: true}, {Name: "user.two"},
	}}}}
	p := mustCompile(t, k61, set).Policy.Profiles()[0]
	if d := cmp.Diff([]string{"user.two", "user.one"}, p.Xattrs); d != "" {
		t.Error(d)
	}
	d := p.XMatch.DFA
	s := d.StepOOB(d.MatchString(blob.StartState, "/a"))
	s = d.MatchString(s, "\x00any\x00thing/")
	if d.Accept[s]&1 == 0 {
		t.Error("the first value is not accepted by itself")
	}
	s = d.StepOOB(s)
	if s == blob.TrapState {
		t.Fatal("the automaton does not go on to the second value")
	}
	for value, want := range map[string]uint32{"fo": 1, "f\x00o": 1, "fxo": 1, "f/o": 0, "f": 0, "": 0} {
		if got := d.Accept[d.MatchString(s, "\x00"+value)] & 1; got != want {
			t.Errorf("second value %q: %d, want %d", value, got, want)
		}
	}
}

func TestProfileFields(t *testing.T) {
	parent := &policy.Profile{Name: "p", Namespace: "ns", Flags: policy.Flags{
		Mode: policy.Complain, Audit: true, PathWords: true, AttachDisconnected: true, MediateDeleted: true,
	}, Rlimits: []policy.Rlimit{{Name: "cpu", Value: 10}, {Name: "nice", Value: 15}, {Name: "as", Value: ^uint64(0)}}}
	hat := &policy.Profile{Name: "p//h", Namespace: "ns", Hat: true, Parent: parent}
	plain := &policy.Profile{Name: "q", Namespace: "ns", Flags: policy.Flags{Mode: policy.DefaultAllow, PathWords: true}}
	parent.Children = []*policy.Profile{hat}
	out := mustCompile(t, k73, &policy.Set{Profiles: []*policy.Profile{parent, hat, plain}})
	ps := out.Policy.Profiles()
	if d := cmp.Diff([]string{"p", "p//h", "q"}, out.Policy.Names()); d != "" {
		t.Fatal(d)
	}
	p := ps[0]
	if p.Namespace != "ns" || p.Mode != blob.Complain || !p.Audit || p.Hat || !p.HasPathFlags || p.PathFlags != 0x10004 {
		t.Errorf("%+v", p)
	}
	if p.RlimitMask != 1|1<<13|1<<9 || p.Rlimits[0] != 10 || p.Rlimits[13] != 15 || p.Rlimits[9] != ^uint64(0) {
		t.Errorf("rlimits %x %v", p.RlimitMask, p.Rlimits)
	}
	if !ps[1].Hat || ps[1].HasPathFlags {
		t.Errorf("%+v", ps[1])
	}
	if got := grants(ps[1], blob.PartFile, "/proc/12/attr/current"); got != "3372 | 200" {
		t.Errorf("implied rule of a hat: %s", got)
	}
	if ps[2].Mode != blob.Unconfined || !ps[2].HasPathFlags || ps[2].PathFlags != 0 || ps[2].File != nil {
		t.Errorf("%+v", ps[2])
	}
	if ps[2].Mediates(blob.ClassSignal) || !ps[2].Mediates(blob.ClassNamespaces) {
		t.Error("an unconfined profile mediates signals, or does not mediate user namespaces")
	}
}

func TestRefusals(t *testing.T) {
	twice := &policy.Set{Profiles: []*policy.Profile{{Name: "a"}, {Name: "a"}}}
	mixed := &policy.Set{Profiles: []*policy.Profile{{Name: "a"}, {Name: "b", Namespace: "n"}}}
	targets := func() *policy.Set {
		var rules []ast.Rule
		for i := range 13 {
			rules = append(rules, &ast.FileRule{Path: ast.Pattern(fmt.Sprintf("/%d", i)), Exec: ast.ExecProfile, Target: fmt.Sprintf("t%d", i)})
		}
		return at(ruleSet(rules...))
	}()
	if sets := compile.ByNamespace(mixed); len(sets) != 2 || sets[0].Profiles[0].Name != "a" || sets[1].Profiles[0].Name != "b" {
		t.Errorf("%+v", sets)
	}
	mount := func(conds ...ast.MountCond) *policy.Set {
		return ruleSet(&ast.MountRule{Conds: conds, Source: "/a", Target: "/b"})
	}
	options := func(words ...ast.Pattern) ast.MountCond { return ast.MountCond{Options: true, Values: words} }
	tests := []struct {
		name string
		set  *policy.Set
		code diag.Code
	}{
		{"duplicate", twice, "duplicate-profile"},
		{"namespaces", mixed, "mixed-namespaces"},
		{"targets", targets, "too-many-exec-targets"},
		{"mount type and bind", mount(options("bind"), ast.MountCond{Values: []ast.Pattern{"ext4"}}), "impossible-mount"},
		{"mount remount of a source", mount(options("remount")), "impossible-mount"},
		{"mount propagation of two paths", mount(options("shared")), "impossible-mount"},
		{"mount contradiction", mount(options("ro", "rw")), "invalid-mount-flag"},
		{"mount word", mount(options("data=x")), "invalid-mount-flag"},
		{"capability", ruleSet(&ast.CapabilityRule{Names: []string{"x"}}), "unknown-capability"},
		{"signal", ruleSet(&ast.SignalRule{Signals: []string{"x"}}), "unknown-signal"},
		{"family", ruleSet(&ast.NetworkRule{Family: "x"}), "unknown-network"},
		{"socket type", ruleSet(&ast.NetworkRule{Type: "x"}), "unknown-network"},
		{"protocol", ruleSet(&ast.NetworkRule{Protocol: "x"}), "unknown-network"},
		{"addresses", ruleSet(&ast.NetworkRule{Local: ast.NetEnd{IP: "1.2.3", Port: "x"}, Peer: ast.NetEnd{IP: "x"}}), "invalid-address"},
		{"unix type", ruleSet(&ast.UnixRule{Type: "x"}), "unknown-network"},
		{"signals", ruleSet(&ast.SignalRule{Signals: []string{"x", "y"}}), "unknown-signal"},
		{"nil rule", ruleSet((*ast.MountRule)(nil)), "invalid-rule"},
		{"no rule", ruleSet(nil), "invalid-rule"},
		{"unix address", ruleSet(&ast.UnixRule{Local: ast.UnixEnd{Addr: "x"}}), "invalid-address"},
		{"name", &policy.Set{Profiles: []*policy.Profile{{Name: "a{b"}}}, "bad-pattern"},
		{"pattern", ruleSet(&ast.FileRule{Path: "/{a", Perms: ast.FileRead}), "bad-pattern"},
		{"rlimit", &policy.Set{Profiles: []*policy.Profile{{Name: "a", Rlimits: []policy.Rlimit{{Name: "x"}}}}}, "invalid-rlimit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kernel := k73
			if tt.name == "targets" {
				if _, err := compile.Compile(t.Context(), tt.set, compile.Options{Kernel: oracle.FeatureSet(t, k73)}); err != nil {
					t.Errorf("13 targets in a permission table: %v", err)
				}
				kernel = k61
			}
			_, err := compile.Compile(t.Context(), tt.set, compile.Options{Kernel: oracle.FeatureSet(t, kernel), Degrade: compile.Report})
			var d *diag.Diagnostic
			if !errors.As(err, &d) || d.Code != tt.code {
				t.Errorf("got %v, want code %s", err, tt.code)
			}
			// Package ast says whether a rule is valid, and compile repeats
			// that, once.
			if len(tt.set.Profiles) != 1 || len(tt.set.Profiles[0].Rules) != 1 {
				return
			}
			var invalid *ast.CheckError
			if !errors.As(ast.CheckRule(tt.set.Profiles[0].Rules[0].Rule, ast.State{Expanded: true}), &invalid) {
				return
			}
			if list := (diag.List)(nil); !errors.As(err, &list) || len(list) != 1 || d.Message != invalid.Problem || d.Hint != invalid.Hint || d.Err == nil {
				t.Errorf("got %v, want %v, once", err, invalid)
			}
		})
	}
	if _, err := compile.Compile(t.Context(), targets, compile.Options{Kernel: oracle.FeatureSet(t, k61)}); !errors.Is(err, diag.ErrLimit) {
		t.Errorf("%v is not a limit", err)
	}
	if _, err := compile.Compile(t.Context(), twice, compile.Options{}); !errors.Is(err, compile.ErrNoKernel) {
		t.Errorf("without a kernel: %v", err)
	}
	if _, err := compile.Compile(t.Context(), &policy.Set{}, compile.Options{Kernel: oracle.FeatureSet(t, k61)}); !errors.Is(err, compile.ErrNoProfiles) {
		t.Errorf("without profiles: %v", err)
	}
}

func TestCancelled(t *testing.T) {
	set := ruleSet(execRule("/usr/{lib,share}/**/[ab]*/x", ast.ExecInherit))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := compile.Compile(ctx, set, compile.Options{Kernel: oracle.FeatureSet(t, k61)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestDeterministic compiles one policy many times, from several goroutines.
func TestDeterministic(t *testing.T) {
	set := ruleSet(
		&ast.AllRule{},
		execRule("/a/**", ast.ExecProfile), execRule("/a/b", ast.ExecChild), &ast.FileRule{Path: "/c/*", Exec: ast.ExecProfile, Target: "x"},
		&ast.FileRule{Path: "/d/*", Exec: ast.ExecProfile, Target: "y"},
		&ast.SignalRule{Qualifiers: deny(), Peer: "x"}, &ast.ChangeProfileRule{Target: "x*"},
	)
	for _, k := range kernels {
		kernel := oracle.FeatureSet(t, k)
		want := mustCompile(t, k, set).Policy.Bytes()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				out, err := compile.Compile(context.Background(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
				if err != nil {
					t.Error(err)
				} else if !bytes.Equal(out.Policy.Bytes(), want) {
					t.Errorf("%s: bytes differ from run to run", k)
				}
			})
		}
		wg.Wait()
	}
}

// TestForm checks that the form of the automata follows the features.
func TestForm(t *testing.T) {
	set := ruleSet(execRule("/a/**", ast.ExecInherit))
	for _, k := range kernels {
		p := mustCompile(t, k, set).Policy.Profiles()[0]
		table := k == k72 || k == k73
		if (p.File.Perms != nil) != table || (p.Policydb.Perms != nil) != table {
			t.Errorf("%s: permission tables: file %t, policydb %t", k, p.File.Perms != nil, p.Policydb.Perms != nil)
		}
		if table && (p.File.PermsVersion != 3 || p.File.DFA.Accept2 == nil || p.Policydb.PermsVersion != 0 || p.Policydb.DFA.Accept2 != nil) {
			t.Errorf("%s: permsv %d and %d", k, p.File.PermsVersion, p.Policydb.PermsVersion)
		}
		if p.File.DFA.Wide || p.File.DFA.EC != nil || p.Header != blob.DefaultHeader {
			t.Errorf("%s: wide %t, header %x", k, p.File.DFA.Wide, p.Header)
		}
	}
}

// TestAllWithoutEffect: what `all,` asks for beyond being allowed is lost
// where a class is not mediated.
func TestAllWithoutEffect(t *testing.T) {
	for _, q := range []ast.Qualifiers{audit(), deny()} {
		out := mustCompile(t, k61, ruleSet(&ast.AllRule{Qualifiers: q}))
		var got []string
		for _, d := range out.Degraded {
			got = append(got, d.What)
		}
		for _, want := range []string{"dbus rules", "userns rules", "io_uring rules"} {
			if !slices.Contains(got, want) {
				t.Errorf("%+v: %q is not in %q", q, want, got)
			}
		}
	}
}

// TestFlagsWithoutEffect: a flag that the kernel does not know is not
// enforced, rather than in part.
func TestFlagsWithoutEffect(t *testing.T) {
	s := ruleSet()
	s.Profiles[0].Flags = policy.Flags{KillSignal: "hup", Error: "EPERM", Interruptible: true}
	s.Profiles[0].Attachment = "/bin/x"
	s.Profiles[0].Xattrs = []policy.Xattr{{Name: "user.a"}}
	out := mustCompile(t, "features.dbus", s)
	var got []string
	for _, d := range out.Degraded {
		if !d.Dropped {
			t.Errorf("%v", d)
		}
		got = append(got, d.What)
	}
	slices.Sort(got)
	want := []string{"the attachment by extended attributes", "the flag error", "the flag interruptible", "the flag kill.signal"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestSafeChangeProfile: without stacking a kernel cannot keep the environment
// away from a profile that is entered on request.
func TestSafeChangeProfile(t *testing.T) {
	rule := &ast.ChangeProfileRule{Exec: "/a", Target: "b", Safety: ast.Safe}
	for kernel, want := range map[string]int{"features.dbus": 1, k61: 0} {
		out := mustCompile(t, kernel, ruleSet(rule))
		if len(out.Degraded) != want || want > 0 && out.Degraded[0].Dropped {
			t.Errorf("%s: %v", kernel, out.Degraded)
		}
	}
}

// TestMountSource: the one path of a rule on propagation is its mount point,
// wherever it is.
func TestMountSource(t *testing.T) {
	options := func(words ...ast.Pattern) []ast.MountCond { return []ast.MountCond{{Options: true, Values: words}} }
	for _, tt := range []struct {
		name string
		rule *ast.MountRule
		want bool
	}{
		{"any operation", &ast.MountRule{Source: "/a"}, true},
		{"propagation", &ast.MountRule{Source: "/a", Conds: options("rslave")}, true},
		{"rw alone", &ast.MountRule{Source: "/a", Conds: options("rw")}, true},
		{"with an arrow", &ast.MountRule{Target: "/a", Conds: options("rslave")}, false},
		{"source and target", &ast.MountRule{Source: "/a", Target: "/b"}, false},
		{"another operation", &ast.MountRule{Source: "/a", Conds: options("bind")}, false},
		{"new mount", &ast.MountRule{Source: "/a", Conds: options("ro")}, false},
	} {
		out := mustCompile(t, k61, at(ruleSet(tt.rule)))
		var got []string
		for _, w := range out.Warnings {
			got = append(got, fmt.Sprintf("%d %s %s %s", w.Pos.Line, w.Class, w.Code, w.Text))
		}
		var want []string
		if tt.want {
			want = []string{"2 deprecated mount-source /a"}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", tt.name, d)
		}
	}
}
