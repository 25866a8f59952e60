// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
)

// query is a string and what one kernel's automata are to say to it.
type query struct {
	kernel string // empty: all
	in     string
	want   string // see grants
}

type classTest struct {
	name    string
	rules   []ast.Rule
	queries []query
}

func runClassTests(t *testing.T, part blob.Part, tests []classTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, k := range kernels {
				p := mustCompile(t, k, ruleSet(tt.rules...)).Policy.Profiles()[0]
				for _, q := range tt.queries {
					if q.kernel != "" && q.kernel != k {
						continue
					}
					if got := grants(p, part, q.in); got != q.want {
						t.Errorf("%s: %q: got %s, want %s", k, q.in, got, q.want)
					}
				}
			}
		})
	}
}

func deny() ast.Qualifiers  { return ast.Qualifiers{Access: ast.Deny} }
func audit() ast.Qualifiers { return ast.Qualifiers{Audit: true} }

func TestPolicydbClasses(t *testing.T) {
	runClassTests(t, blob.PartPolicydb, []classTest{
		{"mediates", nil, []query{
			{"", "\x02", "4"}, {"", "\x07", "4"}, {"", "\x09", "4"}, {"", "\x0a", "4"}, {"", "\x0e", "4"},
			{k61, "\x0f", "0"}, {k612, "\x0f", "0"}, {k72, "\x0f", "4"}, {k73, "\x0f", "4"},
			{k61, "\x15", "0"}, {k612, "\x15", "4"}, {k73, "\x15", "4"},
			{k61, "\x16", "0"}, {k612, "\x16", "4"}, {k73, "\x16", "4"},
			{k612, "\x20", "0"}, {k73, "\x20", "4"},
			{"", "\x04", "0"}, {"", "\x11", "0"},
		}},
		{"signal", []ast.Rule{
			&ast.SignalRule{Perms: ast.SignalSend, Signals: []string{"term"}, Peer: "foo"},
			&ast.SignalRule{Perms: ast.SignalReceive, Peer: "unconfined"},
			&ast.SignalRule{Qualifiers: audit(), Signals: []string{"exists", "rtmin+3"}, Peer: "a*"},
		}, []query{
			{"", "\x0a\x0ffoo", "2"}, {"", "\x0a\x0efoo", "0"}, {"", "\x0a\x0ffo", "0"},
			{"", "\x10\x0aunconfined", "4"}, {"", "\x0a\x01unconfined", "4"}, {"", "\x10\x0afoo", "0"},
			{"", "\x0a\x23ab", "6 audit 6"}, {"", "\x0a\x83a", "6 audit 6"}, {"", "\x0a\x83a/", "0"},
		}},
		{"signal any", []ast.Rule{&ast.SignalRule{}}, []query{
			{"", "\x0a\x01x", "6"}, {"", "\x0a\x01", "0"}, {"", "\x10\x0a/a/b", "6"}, {"", "\x0a\x00x", "6"},
		}},
		{"ptrace", []ast.Rule{
			&ast.PtraceRule{Perms: ast.PtraceRead | ast.PtraceTrace, Peer: "foo"},
			&ast.PtraceRule{Perms: ast.PtraceReadBy | ast.PtraceTracedBy, Peer: "bar"},
		}, []query{
			{"", "\x10\x09foo", "6"}, {"", "\x09foo", "6"}, {"", "\x10\x09bar", "18"}, {"", "\x10\x09x", "0"},
		}},
		{"ptrace denied", []ast.Rule{
			&ast.PtraceRule{},
			&ast.PtraceRule{Qualifiers: deny(), Perms: ast.PtraceRead, Peer: "foo"},
			&ast.PtraceRule{Qualifiers: ast.Qualifiers{Access: ast.Deny, Audit: true}, Perms: ast.PtraceRead, Peer: "bar"},
		}, []query{
			{"", "\x10\x09foo", "1a quiet 4"}, {"", "\x10\x09bar", "1a"}, {"", "\x10\x09x", "1e"},
		}},
		{"dbus", []ast.Rule{
			&ast.DBusRule{Perms: ast.DBusSend, Bus: "system", Path: "/org/x", Interface: "org.x.I", Member: "M", PeerName: "org.x", PeerLabel: "lx"},
			&ast.DBusRule{Perms: ast.DBusBind, Bus: "session", Name: "org.y"},
			&ast.DBusRule{Perms: ast.DBusEavesdrop, Bus: "session"},
		}, []query{
			{k73, "\x20system\x00org.x\x00lx\x00/org/x\x00org.x.I\x00M", "2"},
			{k73, "\x20session\x00org.y", "40"},
			{k73, "\x20session", "20"},
			{k612, "\x20session", "0"},
		}},
		{"network v8", []ast.Rule{
			&ast.NetworkRule{Family: "inet", Type: "stream"},
			&ast.NetworkRule{Family: "packet"},
			&ast.NetworkRule{Protocol: "udp"},
			&ast.NetworkRule{Qualifiers: deny(), Family: "inet6"},
			&ast.NetworkRule{Perms: ast.NetCreate, Family: "can"},
		}, []query{
			{k61, "\x0e\x00\x02\x00\x01", "3700376"}, {k61, "\x0e\x00\x02\x00\x02", "3700376"}, {k61, "\x0e\x00\x02\x00\x03", "0"},
			{k61, "\x0e\x00\x11\x77\x88", "3700376"}, {k61, "\x0e\x00\x0a\x00\x01", "0 quiet 3700376"},
			{k73, "\x0f\x00\x02\x00\x01", "3700376"}, {k73, "\x0e\x00\x02\x00\x01", "0"},
			{k61, "\x0e\x00\x1e\x00\x01", "0"}, {k612, "\x0e\x00\x1d\x00\x03", "10"},
		}},
		{"network all", []ast.Rule{&ast.NetworkRule{}}, []query{
			{k61, "\x0e\x00\x00\x00\x01", "3700376"}, {k61, "\x0e\x00\x2d\x12\x34", "3700376"}, {k61, "\x0e\x00\x2e\x00\x01", "0"},
			{k73, "\x0f\x00\x2d\x12\x34", "3700376"}, {k73, "\x0f\x00\x01\x00\x02\x00\x00", "10"},
		}},
		{"unix", []ast.Rule{
			&ast.UnixRule{Perms: ast.NetCreate | ast.NetBind, Type: "stream", Local: ast.UnixEnd{Addr: "@foo*"}},
			&ast.UnixRule{Perms: ast.NetSend | ast.NetReceive | ast.NetConnect, Type: "dgram", Local: ast.UnixEnd{Addr: "none"}, Peer: ast.UnixEnd{Addr: "@peer", Label: "bar"}},
			&ast.UnixRule{Perms: ast.NetBind, Type: "seqpacket", Local: ast.UnixEnd{Addr: "auto"}},
		}, []query{
			{k73, "\x0f\x00\x01\x00\x01\x00\x00", "10"},
			{k73, "\x0f\x00\x01\x00\x01\x00\x00\x00foobar\x00\x00", "200000"},
			{k73, "\x0f\x00\x01\x00\x01\x00\x00\x00foo\x00bar\x00\x00", "200000"},
			{k73, "\x0f\x00\x01\x00\x01\x00\x00\x00fox\x00\x00", "0"},
			{k73, "\x0f\x00\x01\x00\x02\x00\x00\x01\x00me\x00\x01\x00peer\x00bar", "46"},
			{k73, "\x0f\x00\x01\x00\x05\x00\x00\x00\x00", "200000"},
			{k61, "\x0e\x00\x01\x00\x01", "200010"},
			{k61, "\x0e\x00\x01\x00\x02", "46"},
		}},
		{"userns", []ast.Rule{&ast.UsernsRule{}}, []query{{k61, "\x15", "0"}, {k612, "\x15", "c"}, {k73, "\x15", "c"}}},
		{"userns denied", []ast.Rule{&ast.UsernsRule{Qualifiers: deny()}}, []query{{k612, "\x15", "4 quiet 8"}, {k73, "\x15", "4 quiet 8"}}},
		{"io_uring", []ast.Rule{
			&ast.IOUringRule{Perms: ast.IOUringSQPoll}, &ast.IOUringRule{Perms: ast.IOUringOverrideCreds, Label: "foo"},
		}, []query{{k612, "\x16", "1c"}, {k73, "\x16foo", "8"}, {k61, "\x16", "0"}}},
		{"io_uring bare", []ast.Rule{&ast.IOUringRule{}}, []query{{k612, "\x16", "1c"}, {k73, "\x16foo", "18"}}},
		{"mount", []ast.Rule{
			&ast.MountRule{
				Conds:  []ast.MountCond{{Values: []ast.Pattern{"ext4"}}, {Options: true, Values: []ast.Pattern{"noatime"}}},
				Source: "/dev/sda1", Target: "/mnt/",
			},
			&ast.MountRule{Op: ast.OpUmount, Target: "/um/"},
			&ast.PivotRootRule{NewRoot: "/new/", OldRoot: "/old/"},
			&ast.MountRule{Op: ast.OpRemount, Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro"}}}, Target: "/rm/"},
			&ast.MountRule{Conds: []ast.MountCond{{Options: true, Values: []ast.Pattern{"ro", "bind"}}}, Source: "/src/", Target: "/dst/"},
		}, []query{
			{"", "\x07/mnt/\x00/dev/sda1\x00ext4\x00\x0b", "2"}, {"", "\x07/mnt/\x00/dev/sda1\x00ext4\x00", "0"},
			{"", "\x07/um/", "4"}, {"", "\x07/new/\x00/old/", "1"},
			{"", "\x07/rm/\x00\x00\x00\x01\x06", "2"}, {"", "\x07/rm/\x00\x00\x00\x01", "0"},
			{"", "\x07/dst/\x00/src/\x00\x00\x0d", "2"}, {"", "\x07/dst/\x00/src/\x00\x00\x01\x0d", "0"}, {"", "\x07/dst/\x00/src/\x00\x00\x01", "0"},
		}},
	})
}

func TestFileClass(t *testing.T) {
	file := func(p ast.Pattern, perms ast.FilePerm, exec ast.Exec, scrub bool, target string) *ast.FileRule {
		return &ast.FileRule{Path: p, Perms: perms, Exec: exec, Scrub: scrub, Target: target}
	}
	rw := ast.FileRead | ast.FileWrite
	runClassTests(t, blob.PartFile, []classTest{
		{"read and write", []ast.Rule{
			file("/r", ast.FileRead, 0, false, ""),
			file("/w", ast.FileWrite, 0, false, ""),
			file("/a", ast.FileAppend, 0, false, ""),
			file("/k", ast.FileLock, 0, false, ""),
			file("/m", ast.FileMmap, 0, false, ""),
			&ast.FileRule{Qualifiers: ast.Qualifiers{Owner: ast.OnlyOwner}, Path: "/own", Perms: rw},
			&ast.FileRule{Qualifiers: ast.Qualifiers{Owner: ast.OnlyOther}, Path: "/oth", Perms: rw},
		}, []query{
			{"", "/r", "244"}, {"", "/w", "337a"}, {"", "/a", "208"}, {"", "/k", "8200"}, {"", "/m", "10200"},
			{"", "/own", "337e | 200"}, {"", "/oth", "200 | 337e"}, {"", "/x", "200"},
		}},
		{"exec", []ast.Rule{
			file("/ix", 0, ast.ExecInherit, false, ""),
			file("/ux", 0, ast.ExecUnconfined, false, ""),
			file("/Ux", 0, ast.ExecUnconfined, true, ""),
			file("/px", 0, ast.ExecProfile, false, ""),
			file("/Cx", 0, ast.ExecChild, true, ""),
			file("/pix", 0, ast.ExecProfileInherit, false, ""),
			file("/PUx", 0, ast.ExecProfileUnconfined, true, ""),
			file("/pn", 0, ast.ExecProfile, false, "named"),
			file("/cn", 0, ast.ExecChildInherit, false, "child"),
			file("/ns", 0, ast.ExecProfile, true, ":ns://nn"),
			file("/st", 0, ast.ExecProfile, true, "&stk"),
			file("/it", 0, ast.ExecInherit, false, "named"),
			file("/ut", 0, ast.ExecUnconfined, false, "named"),
			&ast.FileRule{Qualifiers: deny(), Path: "/dx", Exec: ast.ExecDeny},
		}, []query{
			{"", "/ix", "10201 ix"}, {"", "/ux", "201 ux"}, {"", "/Ux", "201 Ux"}, {"", "/px", "201 px"}, {"", "/Cx", "201 Cx"},
			{"", "/pix", "10201 pix"}, {"", "/PUx", "201 PUx"}, {"", "/pn", "201 px -> named"},
			{"", "/cn", "10201 pix -> t//child"}, {"", "/ns", "201 Px -> :ns:nn"}, {"", "/st", "201 Px -> &stk"},
			{"", "/it", "10201 Pix -> named"}, {"", "/ut", "201 px -> named"},
			{"", "/dx", "200 quiet 1"},
		}},
		{"levels", []ast.Rule{
			file("/p*", 0, ast.ExecInherit, false, ""),
			file("/p1", 0, ast.ExecProfile, false, ""),
			&ast.FileRule{Qualifiers: deny(), Path: "/p2", Exec: ast.ExecDeny},
			&ast.FileRule{Qualifiers: ast.Qualifiers{Priority: 1}, Path: "/d", Perms: ast.FileRead},
			&ast.FileRule{Qualifiers: deny(), Path: "/*", Perms: ast.FileRead},
			&ast.FileRule{Qualifiers: audit(), Path: "/w", Perms: rw},
		}, []query{
			{"", "/p1", "201 quiet 244 px"}, {"", "/px", "10201 quiet 244 ix"}, {"", "/p2", "200 quiet 245"},
			{"", "/d", "244"}, {"", "/w", "337a audit 317a quiet 244"},
		}},
		{"links", []ast.Rule{
			file("/l", ast.FileLink, 0, false, ""),
			&ast.LinkRule{From: "/f", To: "/t", Subset: true},
			&ast.LinkRule{From: "/g", To: "/t"},
		}, []query{
			{"", "/l", "40200"}, {"", "/l\x00/x", "48200 | 40200"}, {"", "/l\x00/", "200"},
			{"", "/f\x00/t", "48200 | 40200"}, {"", "/g\x00/t", "40200"}, {"", "/g", "40200"},
		}},
		{"change_profile", []ast.Rule{
			&ast.ChangeProfileRule{Safety: ast.Unsafe, Exec: "/exu", Target: "onexu"},
			&ast.ChangeProfileRule{Target: ":ns:x"},
		}, []query{
			{"", "/exu\x00onexu", "20000201 unsafe"}, {"", "/exu", "20000200"}, {"", "onexu", "60000200"},
			{"", ":ns:x", "60000200"}, {"", "/bin/y\x00:ns:x", "20000200"}, {"", "/bin/y", "20000200"}, {"", "/", "200"},
			{"", "/proc/1/attr/exec", "20003372 | 20000200"}, {"", "/proc/1/attr/apparmor/current", "20003372 | 20000200"},
			{"", "/proc/1/attr/apparmor/", "20000244 | 20000200"},
			{"", "/sys/module/apparmor/parameters/enabled", "20000244 | 20000200"},
		}},
		{"all", []ast.Rule{&ast.AllRule{}}, []query{
			{"", "/bin/x", "5b37f ix"}, {"", "/", "5b37f ix"},
		}},
		{"bare file", []ast.Rule{&ast.FileRule{All: true}}, []query{{"", "/bin/x", "5b37f ix"}}},
	})
}

// TestMqueue: no kernel of ours mediates message queues; a set of features of
// upstream's suite has those of POSIX.
func TestMqueue(t *testing.T) {
	p := mustCompile(t, afInet, ruleSet(
		&ast.MqueueRule{Perms: ast.MqueueRead | ast.MqueueOpen, Name: "/q*"},
		&ast.MqueueRule{Perms: ast.MqueueCreate, Type: "posix", Label: "foo"},
		&ast.MqueueRule{Perms: ast.MqueueDelete, Name: "123"},
		&ast.MqueueRule{Perms: ast.MqueueGetattr},
	)).Policy.Profiles()[0]
	for in, want := range map[string]string{
		"\x11": "214", "\x11/qa": "254", "\x11/qa\x00bar": "244", "\x11/x\x00foo": "210", "\x11/x\x00bar": "200",
		"\x12": "0", "\x12\x00\x00\x00\x7b": "200", "\x12\x00\x00\x00\x7b\x00foo": "200",
	} {
		if got := grants(p, blob.PartPolicydb, in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	_, err := compile.Compile(t.Context(), ruleSet(&ast.MqueueRule{Name: "12x"}), compile.Options{Kernel: oracle.FeatureSet(t, k73)})
	var d *diag.Diagnostic
	if !errors.As(err, &d) || d.Code != diag.CodeCondition {
		t.Errorf("invalid name: %v", err)
	}
}
