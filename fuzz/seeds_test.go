// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"io/fs"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goarmor/apparmor/internal/seeds"
	"github.com/goarmor/apparmor/internal/upstream"
)

// ours are texts to start from. They touch every construct of the language
// and every way to ask for more than there is.
var ours = []string{
	"",
	"/t { }",
	"/t {\n /a r,\n}\n",
	"@{V} = a \\\n \"b c\"\n$B = true and (not defined @{V} or @{V} in \"x\")\n",
	"abi <abi/4.0>,\ninclude if exists <tunables/global>\n#include \"x\"\nalias /a -> /b,\n",
	"profile p /{,usr/}bin/p xattrs=(a=b \"c\") + identities=(x) flags=(complain,attach_disconnected.path=/x) { ^h { } }\n",
	"/t { priority=-5 audit deny owner { if true { /a px -> b, } else if $B { rl /a -> /b, } else { file, } } }\n",
	"/t { network (send, receive) inet6 tcp ip=::1 port=1-2 peer=(ip=none label=x), }\n",
	"/t { unix (rw) type=stream addr=@a peer=(addr=none label=\"a,b\"), dbus send bus=session peer=(name=(a|b)), }\n",
	"/t { mount fstype=(a,b) options in (ro, bind) /a -> /b, set rlimit cpu <= 5min, signal set=(hup rtmin+3) peer=x, }\n",
	"/t { /a\\ b rwk,#c\n ! \"\n } } { , ] \\",
	"/t { { { { {",
	"if if if",
	"/t { if (((((((((",
	"\x00\xff\xfe",
	// Whole profiles.
	"/t { /a/** rwlk, deny /a/b x, /c px -> d, ^h { } }\n",
	"include ,\x12\\", // a path without quotes
	"  #include{\n",   // a brace for a path
	"/t xattrs=(a=(b=c) d) { }\n",
	"profile t /bin/{a,b*} xattrs=(user.a=x*) flags=(complain,attach_disconnected) { all, }\n",
	"profile t { mount options in (ro,bind) /a -> /b, remount, umount, pivot_root, }\n",
	"profile t { unix (connect) type=stream peer=(addr=@x label=y), network inet tcp, dbus, }\n",
	"profile t { change_profile unsafe /a -> &b//&c, signal set=(rtmin+3), ptrace peer=x, }\n",
	"profile t { priority=5 audit /[^a]*/** mrix, io_uring, userns, mqueue /q, set rlimit cpu <= 1, }\n",
	"@{V}=a b\n@{W}=/@{V}/ x\nprofile t /t { /q/@{W}/y r, @{exec_path} rix, signal peer=@{profile_name}, }\n",
	"alias /a -> /b,\n$B = true\nprofile t /a flags=(kill) { if $B { /a px -> c, } else { /a ux, } profile c { prompt /x r, } }\n",
	":ns:t { audit deny { owner { /a r, } network, } change_profile /a -> b, }\nprofile u { /c Cx -> d, profile d { } }\n",
	// Trees.
	"include <a>\n/t { include <b> include if exists <c> include <d> }\n-- a --\n@{A}=x\n-- b --\n/@{A} r,\n-- d/1 --\n/d r,\n-- d/2~ --\n!\n",
	"include <a>\n-- a --\ninclude <b>\n-- b --\ninclude <a>\n",
	"/t { include <a> include <a> }\n-- a --\ninclude <b>\ninclude <b>\n-- b --\ninclude <c>\ninclude <c>\n-- c --\n/x r,\n",
	"include <1>\n-- 1 --\ninclude <2>\n-- 2 --\ninclude <3>\n-- 3 --\ninclude <4>\n-- 4 --\ninclude <5>\n-- 5 --\ninclude <6>\n-- 6 --\n",
	// Few bytes that ask for much.
	"@{A}=a b c d\n@{B}=@{A}@{A}@{A}\n@{C}=@{B}@{B}@{B}\n@{D}=@{C}@{C}\n/t { /@{D}@{D} r, }\n",
	"@{A}=@{B}\n@{B}=@{A}\n/t { /@{A} r, }\n",
	"/t { /" + strings.Repeat("{a,b{c,d}}", 20) + " r, }\n",
	"/t { /" + strings.Repeat("{a,", 60) + strings.Repeat("}", 60) + " r, }\n",
	"/t { /**" + strings.Repeat("a?", 20) + " r, /**" + strings.Repeat("b?", 20) + " w, }\n",
	"/t { /**{a,b}??????????????c r, }\n",
	"/t { " + strings.Repeat("audit { ", 40) + "/a r, " + strings.Repeat("} ", 40) + "}\n",
	"/t { if " + strings.Repeat("not ", 80) + "true { /a r, } }\n",
	"alias / -> /a,\nalias /a -> /b,\nalias /b -> /,\n/t { /a/b r, /b/a w, / r, }\n",
	"/t { ^a { ^b { } } ^a { } }\n/t { }\n",
	// What has gone wrong.
	"$B = true and (not defined or @{V} in \"x\")\n",
	"@{exec_path}=/b\nprofile a @ex{ec_path} { @{exec_path} r, }\n",
	"@{V} = a \\\n \n$B = true\n",
	"/ { audit allow=mount, \"audit\" /a r, }",
	"/ { capability # c\nch own, }",
	"abi a\\\\b\\\\\n ,",
	"abi ,a/b ,\n",
	"/{ { audit deny io_uring, }",
	"$FOO=true $BAR=true\n",
	"$O=x==U\\\n$P=U\\==u\n",
	"profile t flags(c=hroot_attaco) { }",
	"profile octal {\n  \"/bin/a b \\\x00\x803 d e\" rix,\n}",
	"abi a\\\\ b\\c.\\\\\\d/\\\\\\\\z ,\n",
}

// texts returns our texts, about most of the corpora and, where they are at
// hand, about most pieces of Debian's policy. Long ones are left out: what a
// fuzzer does with a text takes time in proportion to its length.
func texts(tb testing.TB, most int) []string {
	tb.Helper()
	out := ours
	if testing.Short() {
		return out
	}
	texts := upstream.Texts(tb)
	for i := range share(len(texts), most) {
		if len(texts[i]) <= maxSeed {
			out = append(out, texts[i])
		}
	}
	for _, rule := range seeds.Rules(tb, most) {
		out = append(out, "/t {\n  "+rule+"\n}\n")
	}
	for _, text := range seeds.Statements(tb, most/2) {
		out = append(out, text+"\n")
	}
	return out
}

// maxSeed is the longest text to start from that is not our own.
const maxSeed = 512

// share returns about most of the numbers below n, evenly spread.
func share(n, most int) func(func(int) bool) {
	step := max(1, n/max(most, 1))
	return func(yield func(int) bool) {
		for i := 0; i < n; i += step {
			if !yield(i) {
				return
			}
		}
	}
}

// split takes a text apart into the main file and those that it brings.
func split(text string) (string, fstest.MapFS) {
	var main strings.Builder
	tree := fstest.MapFS{}
	var file *fstest.MapFile
	for line := range strings.Lines(text) {
		name, ok := strings.CutPrefix(line, "-- ")
		if ok {
			name, ok = strings.CutSuffix(name, " --\n")
		}
		switch {
		case ok && fs.ValidPath(name) && name != ".":
			file = &fstest.MapFile{Mode: 0o644}
			tree[name] = file
		case file != nil:
			file.Data = append(file.Data, line...)
		default:
			main.WriteString(line)
		}
	}
	return main.String(), tree
}

// watch ends the process, with the stacks of all goroutines, when the test
// takes longer than any input does on the busiest machine: package testing does
// not notice one that hangs.
func watch(t *testing.T) {
	const long = 10 * time.Minute
	timer := time.AfterFunc(long, func() {
		debug.SetTraceback("all")
		panic("one input takes more than " + long.String())
	})
	t.Cleanup(func() { timer.Stop() })
}
