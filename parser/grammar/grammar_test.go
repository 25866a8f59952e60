// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"context"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
)

// TestEBNF holds the printed grammar against docs/grammar.ebnf, which is the
// grammar to read. With UPDATE_GOLDEN set it is written anew.
func TestEBNF(t *testing.T) {
	if _, err := fileParser(); err != nil {
		t.Fatal(err)
	}
	if _, err := fragmentParser(); err != nil {
		t.Fatal(err)
	}
	const golden = "../../docs/grammar.ebnf"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, []byte(EBNF()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), EBNF()); diff != "" {
		t.Error(diff)
	}
}

// samples have every statement, with every field of it set somewhere.
var samples = []struct {
	where parser.Context
	text  string
}{
	{parser.ContextFile, `abi <abi/4.0>,
abi "x y",
abi bare,
include <tunables/global>
include if exists <a b>
include if exists "/etc/x"
include <"q">
include < spaced >
include /bare/path
include if
#include <old>
#include if	exists <old>
alias /a -> "/b c",
rewrite /c -> /d,
@{V} = a "b c" \
  d\x41
@W += ""
@{W} ?= x
@{W} := y
$B = true
${C} ?= not not defined @{V} or ($B and "a" == @V) or x in @{W} and 1 <= 2
$C := FALSE or defined ${B} or a != b or a > b and a >= b or a < b
/path/profile{,s} { }
profile p /{,usr/}bin/p xattrs=(user.a=b, user.e user.f=("g")) + identities=(x /y\ z) + identities=(w) flags=(complain, attach_disconnected.path=/x complain error=EPERM) { }
:ns://q @{V}/x (enforce) { ^h { } hat i flags=(kill) { } profile "j k" { } }
`},
	{parser.ContextFile, `/t {
 /a r,
 priority=-5 audit deny owner /b wlkm,
 allow other "/c d"w,
 prompt user @{V} a,
 file,
 file /d rpux -> e,
 unsafe /e Pix,
 safe ux /f -> "g h",
 unsafe Cx /g -> &h,
 /h ix,
 deny /i x,
 RWl /j,
 rl /a -> /b,
 l /c -> "",
 l subset /c -> /d,
 link subset /e -> /f,
 audit link @{V} -> /f,
 audit deny { deny owner { } /k r, }
 if $B { /a r, } else if not true { include <x> } else if x == y { } else { }
 if true { } else { file, }
}
`},
	{parser.ContextBody, `abi <x>,
include <y>
set rlimit cpu <= 5min,
set rlimit nofile <= infinity,
capability,
capability chown sys_admin,
network,
network (send, receive) inet tcp ip=::1 port=1-+02 interface=eth0 label=l peer=(ip=none port="7" label:=x),
network create unix stream,
network rw dgram,
network wr icmp,
network inet6 ip=(1::2 1::3),
unix,
unix (rw) type=stream addr=@a peer=(addr=none label="a,b"),
unix bind addr="@",
dbus send bus=session path=/a interface=b member=c peer=(name=(d|e), label="m" ),
dbus (bind) name=x bus=(system),
dbus eavesdrop,
signal send set=(hup rtmin+3, "rtmin+") set=kill peer=x,
signal peer="",
ptrace (readby tracedby) peer=@{V},
ptrace r,
mount fstype=(a,b) options in (ro, bind) vfstype=c option=rw /a -> /b,
mount "" -> /c,
mount detached -> "",
mount "/x y",
remount options=(ro) /a,
umount /b,
unmount,
pivot_root oldroot=/o /n -> t,
pivot_root oldroot="" @{V},
change_profile,
change_profile unsafe /a -> "",
change_profile safe @{V} -> b,
mqueue (create, r) type=posix label=x /q,
mqueue delete 12,
io_uring (sqpoll, unknown) label=x,
io_uring override_creds peer=(label=y),
userns,
userns create,
all,
deny all,
profile p { }
^h { }
`},
}

// TestCheck takes every statement, of which both parsers make the same.
func TestCheck(t *testing.T) {
	for _, s := range samples {
		tree, err := Check(t.Context(), parser.Config{Context: s.where}, "sample", s.text)
		if err != nil {
			t.Fatal(err)
		}
		want, err := parser.Config{Context: s.where}.Parse(t.Context(), "sample", s.text)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(tree.Stmts, want.Stmts) {
			t.Error("the tree differs from the parser's")
		}
	}
}

// field is a field somewhere in a tree, and what it is of.
type field struct {
	of    reflect.Type
	name  string
	value reflect.Value
}

// fields lists those of all structs in a tree.
func fields(v reflect.Value, out *[]field) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fields(v.Elem(), out)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fields(v.Index(i), out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			*out = append(*out, field{of: v.Type(), name: f.Name, value: v.Field(i)})
			fields(v.Field(i), out)
		}
	}
}

// TestEveryField changes each field of the grammar's tree in turn, of which
// every change must be found. The samples set every field that there is, so
// that nothing is compared that both leave out.
func TestEveryField(t *testing.T) {
	set := map[reflect.Type]map[string]bool{}
	for _, s := range samples {
		tree, err := parser.Config{Context: s.where}.Parse(t.Context(), "sample", s.text)
		if err != nil {
			t.Fatal(err)
		}
		stmts, err := parse(s.text, s.where)
		if err != nil {
			t.Fatal(err)
		}
		var all []field
		fields(reflect.ValueOf(stmts), &all)
		for _, f := range all {
			if set[f.of] == nil {
				set[f.of] = map[string]bool{}
			}
			set[f.of][f.name] = set[f.of][f.name] || !f.value.IsZero()
			old := reflect.ValueOf(f.value.Interface())
			switch f.value.Kind() {
			case reflect.Bool:
				f.value.SetBool(!f.value.Bool())
			case reflect.String:
				f.value.SetString(f.value.String() + "~")
			case reflect.Int16:
				f.value.SetInt(f.value.Int() + 1)
			case reflect.Uint8, reflect.Uint16:
				f.value.SetUint(f.value.Uint() ^ 1)
			case reflect.Uint32:
				if span := f.of == reflect.TypeFor[ast.Span](); span && f.value.Uint() == 0 {
					continue // places that are not compared
				}
				f.value.SetUint(f.value.Uint() + 1)
			case reflect.Slice, reflect.Interface:
				if f.value.IsZero() {
					continue
				}
				f.value.SetZero()
			case reflect.Struct:
				continue // its fields are in the list
			default:
				t.Fatalf("%v.%s: no change known for %v", f.of, f.name, f.value.Kind())
			}
			d := sameTree(tree, stmts)
			f.value.Set(old)
			if d == nil && !(f.of == reflect.TypeFor[ast.Span]() && f.name == "To") {
				t.Errorf("a change of %v.%s is not seen", f.of, f.name)
			} else if d != nil && (d.Field == "" || d.Parser == d.Grammar || !d.Pos.IsValid()) {
				t.Errorf("%v.%s: %+v", f.of, f.name, d)
			}
		}
		if d := sameTree(tree, stmts); d != nil {
			t.Fatal(d)
		}
	}
	listed := map[ast.Class]bool{}
	for _, n := range []any{
		ast.Include{}, ast.ABI{}, ast.Alias{}, ast.VarAssign{}, ast.BoolAssign{}, ast.Profile{}, ast.Xattr{}, ast.Flag{},
		ast.Block{}, ast.If{}, ast.BinaryExpr{}, ast.NotExpr{}, ast.ParenExpr{}, ast.BoolLit{}, ast.BoolVar{},
		ast.DefinedExpr{}, ast.CompareExpr{}, ast.Qualifiers{}, ast.FileRule{}, ast.LinkRule{}, ast.CapabilityRule{},
		ast.NetEnd{}, ast.NetworkRule{}, ast.UnixEnd{}, ast.UnixRule{}, ast.DBusRule{}, ast.SignalRule{}, ast.PtraceRule{},
		ast.MountCond{}, ast.MountRule{}, ast.PivotRootRule{}, ast.ChangeProfileRule{}, ast.RlimitRule{}, ast.MqueueRule{},
		ast.IOUringRule{}, ast.UsernsRule{}, ast.AllRule{},
	} {
		typ := reflect.TypeOf(n)
		if r, ok := reflect.New(typ).Interface().(ast.Rule); ok {
			listed[r.Class()] = true
		}
		for i := range typ.NumField() {
			name := typ.Field(i).Name
			if !set[typ][name] && name != "Span" && name != "Qualifiers" {
				t.Errorf("no sample sets %v.%s", typ, name)
			}
		}
	}
	for c := range ast.Classes() {
		if !listed[c] {
			t.Errorf("the type of %s rules is not in this list", c)
		}
	}
}

// TestViews are the texts that one of two parsers refuses, and trees that
// differ in their length.
func TestViews(t *testing.T) {
	const text = "/t {\n /a r,\n}\n"
	tree, err := parser.Parse("f", text)
	if err != nil {
		t.Fatal(err)
	}
	stmts, err := parse("/t {\n /a r, /b w,\n}\n", parser.ContextFile)
	if err != nil {
		t.Fatal(err)
	}
	d := sameTree(tree, stmts)
	if d == nil {
		t.Fatal("different trees are equal")
	}
	want := "f:1:1: the parser and the grammar disagree on [0].Span: parser: ast.Span{From:0x1, To:0xe}; grammar: ast.Span{From:0x1, To:0x14}"
	if d.Error() != want {
		t.Errorf("got  %s\nwant %s", d, want)
	}
	stmts, err = parse("/t {\n /a w,\n}\n", parser.ContextFile)
	if err != nil {
		t.Fatal(err)
	}
	d = sameTree(tree, stmts)
	want = "f:2:2: the parser and the grammar disagree on [0].Body[0].Perms: parser: 0x1; grammar: 0x2"
	if d == nil || d.Error() != want {
		t.Errorf("got  %v\nwant %s", d, want)
	}
}

// TestRefused are texts that both parsers refuse, and those of which the
// parser alone decides.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		code diag.Code
	}{
		{"/t { /a r", diag.CodeSyntax},
		{"/t { /a r\n /b r, }", diag.CodeSyntax}, // the grammar takes other lines
		{"/t{ { }", diag.CodeSyntax},
		{"/t { ~ }", diag.CodeCharacter},
		{"/t { capability none, }", diag.CodeCapability},
		{"/t { signal set=none, }", diag.CodeSignal},
		{strings.Repeat("profile p { ", 300), diag.CodeLimit},
		{"/t { ~" + strings.Repeat("{ ", 5000), diag.CodeCharacter}, // deeper than the grammar goes
		{strings.Repeat("#", DefaultBytes) + "\n", diag.CodeLimit},
	} {
		tree, err := Check(t.Context(), parser.Config{Recover: 10}, "f", c.text)
		var list diag.List
		var d *DisagreementError
		if tree != nil || !errors.As(err, &list) || errors.As(err, &d) || list[0].Code != c.code {
			t.Errorf("%.40q: %v, %v; want %s", c.text, tree, err, c.code)
		}
	}
	// What the parser allows to nest deeper than the grammar may go.
	deep := strings.Repeat("/t { ", 1) + strings.Repeat("{ ", MaxDepth) + strings.Repeat("} ", MaxDepth) + "}"
	c := parser.Config{Limits: parser.Limits{Depth: 1 << 20}}
	var limit *diag.LimitError
	if _, err := Check(t.Context(), c, "f", deep); !errors.As(err, &limit) || limit.Limit != MaxDepth || limit.Got != MaxDepth+1 {
		t.Errorf("got %v", err)
	}
	if _, err := Check(t.Context(), c, "f", deep[len("/t { "):len(deep)-1]); err == nil {
		t.Error("a block outside of a profile is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Check(ctx, parser.Config{}, "f", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestDisagreement has a text that only the grammar takes: the parser is told
// that it was refused for its syntax.
func TestDisagreement(t *testing.T) {
	list := diag.List{{Code: diag.CodeSyntax, Message: "m"}}
	var err error = &DisagreementError{Pos: ast.Position{File: "f", Line: 1, Column: 2}, Parser: "m", Grammar: accepted, Err: list}
	if want := "f:1:2: the parser and the grammar disagree: parser: m; grammar: accepted"; err.Error() != want {
		t.Errorf("got %s, want %s", err, want)
	}
	var back diag.List
	if !errors.As(err, &back) || len(back) != 1 {
		t.Error("the parser's errors are lost")
	}
}

func BenchmarkCheck(b *testing.B) {
	text := strings.Repeat(samples[1].text, 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Check(b.Context(), parser.Config{}, "f", text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParserAlone(b *testing.B) {
	text := strings.Repeat(samples[1].text, 100)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := parser.Parse("f", text); err != nil {
			b.Fatal(err)
		}
	}
}
