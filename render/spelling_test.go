// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"strings"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// spellings are texts that say the same; the first one is canonical.
type spellings []string

// statements are those of a file.
var statements = []spellings{
	{`include <a/b>`, `#include <a/b>`, `include <"a/b">`, "include\t< a/b >"},
	{`include if exists <a>`, `#include if exists <a>`},
	{`include "/a b"`},
	{`include "a"`, `include a`, `#include "a"`},
	{`include <" a">`}, {`include a\b`, `#include a\b`}, {`include "a\b"`}, {`abi a\,b,`},
	{`abi <abi/4.0>,`, `abi <abi/4.0> ,`},
	{`abi "a",`, `abi a,`},
	{`alias /a -> "/b c",`, `rewrite "/a" -> "/b c",`, `alias /a -> /b\x20c,`},
	{`@{V} = a "b c" ""`, `@V=a "b\x20c" ""`, "@{V} = a \\\n  \"b c\" \"\""},
	{`@{V} += a`, `@{V}+=a`}, {`@{V} ?= a`, `@{V}?=a`}, {`@{V} := a`},
	{`@{V} = "a," "{b,c}" "#x" "-> "`, `@{V} = "a," {b,c} "#x" "->\x20"`},
	{`$B = true`, `${B}=TRUE`, `$B = "true"`},
	{`$B = not $A and (true or false)`, `$B=not ${A} and ( true or false )`},
	{"profile a {\n}", `profile "a" { }`, `profile a { # comment` + "\n}"},
	{"/a {\n}", `"/a" {}`},
	{"\"/a b\" {\n}", `"/a\x20b" {}`, `/a\040b {}`},
	{"profile \"flags\" {\n}", `profile flags {}`},
	{"profile :ns:a {\n}", `profile :ns://a {}`},
	{":ns:a {\n}", `":ns:a" {}`},
	{"profile \"a{b,,c}\" /b {\n}"},
	{"profile a /b{,c} {\n}", `profile a "/b{,c}" {}`},
	{"profile a @{V}/b {\n}"},
	{"profile a flags=(complain, audit) {\n}", `profile a flags=(complain audit) {}`, `profile a (complain,,audit,) {}`},
	{"profile a xattrs=(user.a=b, user.c=\"d e\", f) {\n}", `profile a xattrs=(user.a="b" user.c="d e" f) {}`},
	{"profile a /b xattrs=(c) + identities=(d e) flags=(kill) {\n}"},
	{"profile a flags=(attach_disconnected.path=/b) {\n}", `profile a flags=("attach_disconnected.path=/b") {}`},
	{"profile a flags=(\"attach_disconnected.path=/b c\", \"attach_disconnected.ipc=/{b,c}\") {\n}"},
	{"^h {\n}", `hat h {}`, `^"h" {}`}, {"hat \"h h\" {\n}", `^"h h" {}`},
	{"profile a {\n  ^h {\n    file,\n  }\n}"},
	{"profile a {\n  if $B {\n  } else if defined @{V} {\n    file,\n  } else {\n  }\n}",
		`profile a { if ${B} { } else if defined @V { file, } else { } }`},
	{"profile a {\n  if @{V} == b or not @{V} in \"in\" {\n  }\n}"},
	{"profile a {\n  if @{V} >= 1 and (defined $B or true) {\n  }\n}"},
	{"profile a {\n  audit deny owner {\n    /a r,\n  }\n  {\n    file,\n  }\n}", `profile a { audit deny user { /a r, } { file, } }`},
	{"profile a {\n  file,\n\n  profile b {\n  }\n\n  all,\n}", `profile a { file, profile b {} all, }`},
}

// rules are those of a profile.
var rules = []spellings{
	{`file,`, "file\t,"}, {`audit file,`},
	{`/a r,`, `r /a,`, `"/a" r,`, `file /a r,`, `file r /a,`, `/a R,`},
	{`"/a b" rw,`, `/a\x20b wr,`, `/a\x20b rww,`, `rw /a\040b,`}, {`"/a\ b" rw,`, `/a\ b rw,`},
	{`"/a{b,,c}" r,`, `r "/a{b,,c}",`}, {`/a{,b} r,`, `"/a{,b}" r,`},
	{`foo r,`, `r foo,`, `file foo r,`}, {`@{V} r,`, `"@{V}" r,`}, {`"@{V}=x" r,`},
	{`/a{b,c}[d]*? r,`, `"/a{b,c}[d]*?" r,`},
	{`/\*\[\]\{\}\?\\x r,`, `"/\x2a\[\]\{\}\?\\x" r,`},
	{`"/a#\"!\n\t\x01\x7f" r,`, "\"/a#\\\"!\\x0a\t\\001\x7f\" r,"},
	{`/é r,`, `/\xc3\xa9 r,`}, {`"/\xff\xe2\x80\xae" r,`, "\"/\xff\u202e\" r,"}, {`/\000 r,`, `"/\000" r,`},
	{`/a mrwlk,`, `/a klwrm,`}, {`/a ra,`, `ar /a,`},
	{`/a ix,`, `/a Ix,`, `/a ixix,`}, {`/a mrix,`, `/a rixm,`},
	{`/a px,`, `unsafe /a px,`, `file unsafe /a px,`}, {`/a Px,`, `safe /a px,`}, {`/a PUx,`, `/a Pux,`, `safe /a pux,`},
	{`/a ux,`}, {`/a Ux,`}, {`/a cx,`}, {`/a Cx,`}, {`/a pix,`}, {`/a Pix,`, `/a PIx,`}, {`/a cix,`}, {`/a Cix,`},
	{`/a pux,`, `/a pUx,`}, {`/a cux,`}, {`/a CUx,`},
	{`/a px -> b,`, `px /a -> b,`, `/a px -> "b",`}, {`/a px -> "b c",`}, {`/a px -> :ns:b,`}, {`/a px -> &b,`, `/a px -> "&b",`},
	{`/a cx -> b//c,`}, {`deny /a x,`}, {`deny /a mrwlkx,`, `deny /a xklwrm,`},
	{`priority=-5 audit deny owner /a w,`, `priority = -5 audit deny user /a w,`}, {`/a r,`, `priority=0 /a r,`},
	{`allow other /a r,`}, {`prompt /a r,`},
	{`rl /a -> /b,`, `lr "/a" -> "/b",`},
	{`link /a -> /b,`, `l /a -> /b,`, `link "/a" -> /b,`}, {`link subset /a -> "/b c",`, `l subset /a -> /b\x20c,`},
	{`link foo -> "{,}",`, `link foo -> "",`}, {`ptrace peer="{,}",`, `ptrace peer="",`},
	{`capability,`}, {`capability chown kill,`, "capability  chown\n kill,"}, {`audit deny capability kill,`},
	{`network,`}, {`network inet,`}, {`network inet stream,`}, {`network tcp,`}, {`network unix dgram,`}, {`network packet packet,`},
	{`network (send, receive) inet stream ip=127.0.0.1 port=80 interface=eth0 peer=(ip=::1 port=1-2),`,
		`network (receive send) inet stream ip=127.0.0.1 port=80 interface="eth0" peer=(ip=::1, port=1-2),`},
	{`network send,`, `network (send),`, `network w,`},
	{`unix,`, `unix (),`}, {`unix (send, receive) type=stream,`, `unix rw type=stream,`, `unix (receive,send,) type=(stream),`},
	{`unix connect type=stream addr="@a b" peer=(addr=none label="/x{y,z}"),`, `unix (connect) type=stream addr="@a b" peer=(label="/x{y,z}",addr=none),`},
	{`unix bind addr=@a/b,`, `unix (bind) addr="@a/b",`}, {`unix addr=@{V} peer=(addr=@a label="b,c"),`},
	{`dbus,`}, {`dbus (send, receive) bus=session path=/a/{b,c} interface=d member="{E,F}" peer=(name="{g,h}" label=i),`,
		`dbus (receive, send) member={E,F} interface=d path=/a/{b,c} bus="session" peer=(label=i, name="{g,h}"),`},
	{`dbus bind bus=system name=a.b,`, `dbus (bind) name=a.b bus=system,`}, {`dbus eavesdrop,`},
	{`signal,`}, {`signal send set=term peer=a,`, `signal (send) set=(term) peer="a",`, `signal w set=("term") peer=a,`},
	{`signal (send, receive) set=(hup, rtmin+3) peer=@{V}//b,`, `signal rw set=(hup rtmin+3) peer=@{V}//b,`},
	{`ptrace,`}, {`ptrace (trace, read) peer="a,b",`, `ptrace (read trace) peer="a,b",`, `ptrace rw peer=a,b,`}, {`ptrace readby,`},
	{`mount,`}, {`mount fstype=ext4 options=(ro, nosuid) /dev/sda -> /mnt/,`, `mount fstype=(ext4) options=(ro nosuid) "/dev/sda" -> "/mnt/",`},
	{`mount fstype=(a, "b,c") options in (rw) none -> "/a b",`, `mount vfstype=("a" "b,c") option in (rw) none -> /a\x20b,`},
	{`mount options=rw -> /a,`, `mount options=(rw) -> /a,`}, {`mount "" -> /a,`, `mount detached -> /a,`}, {`mount "options" -> /a,`},
	{`remount options=ro /a,`}, {`umount /a,`, `unmount /a,`}, {`umount,`},
	{`pivot_root,`}, {`pivot_root oldroot=/a /b -> c,`, `pivot_root oldroot="/a" "/b" -> "c",`},
	{`change_profile,`}, {`change_profile /a -> b,`, `change_profile "/a" -> "b",`}, {`change_profile unsafe /a,`}, {`change_profile safe "/a b" -> :ns:c,`},
	{`change_profile -> "{b,c}",`, `change_profile -> {b,c},`},
	{`set rlimit nofile <= 10,`, "set rlimit nofile<=10,"}, {`set rlimit as <= 10M,`, `set rlimit as <= 10 M,`},
	{`set rlimit cpu <= 5 min,`, `set rlimit cpu <= 5min,`}, {`set rlimit nice <= -5,`}, {`set rlimit core <= infinity,`},
	{`mqueue,`}, {`mqueue (create, open) type=posix label=a /b,`, `mqueue (open create) type=posix label="a" "/b",`}, {`mqueue read 17,`, `mqueue r 17,`},
	{`io_uring,`}, {`io_uring (sqpoll, override_creds) label=a,`, `io_uring (override_creds sqpoll) label="a",`},
	{`userns,`}, {`userns create,`}, {`all,`}, {`audit deny all,`},
}

func TestSpellings(t *testing.T) {
	check := func(group spellings, parse func(string) (ast.Node, error)) {
		for _, text := range group {
			n, err := parse(text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			got, err := render.Append([]byte("> "), n)
			if err != nil {
				t.Errorf("%s: %v", text, err)
			} else if want := "> " + group[0]; strings.TrimSuffix(string(got), "\n") != want {
				t.Errorf("%s\n got %q\nwant %q", text, got, want)
			}
		}
	}
	for _, group := range statements {
		check(group, func(text string) (ast.Node, error) {
			return parser.Parse("", text+"\n")
		})
	}
	for _, group := range rules {
		check(group, func(text string) (ast.Node, error) {
			r, err := parser.ParseRule(text)
			return r, err
		})
	}
}

// The parser and ast.Check must agree on which bare words name a file.
func TestBareFiles(t *testing.T) {
	words := []string{"foo", "a1", "a_b", "_a", "A", "K", "ra", "ix", "i", "pi", "pux", "pX", "cu", "xx", "rwpx", "rwpy", "all", "quiet",
		"flags", "xattrs", "true", "or", "and", "priority", "peer", "send", "owner", "mqueue", "io_uring", "exec", "label"}
	for _, w := range words {
		_, err := parser.ParseRule("file " + w + " r,")
		checked := ast.Check(&ast.FileRule{Path: ast.Pattern(w), Perms: ast.FileRead})
		if (err == nil) != (checked == nil) {
			t.Errorf("%s: parser %v, Check %v", w, err, checked)
		}
	}
}
