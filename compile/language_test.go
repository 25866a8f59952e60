// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

// language is what apparmor_parser 6.0 takes and refuses, by topic, in the
// order in which the language is described: words, files, profiles, rules,
// globs. TestVerdictsUnlikeReference has what we decide otherwise.
var language = []struct {
	topic     string
	good, bad []string
}{
	{
		topic: "white space",
		good: slices.Concat(
			inProfile(
				"/é r,",
			),
			[]string{
				"/t\t{ /a\tr,\r\n}\r", "/t {\r\n  /a r,\r\n}\r",
			},
		),
		bad: slices.Concat(
			inProfile(
				"\f/a r,",
			),
			[]string{
				"\f/t { }",
			},
		),
	},
	{
		topic: "comments",
		good: slices.Concat(
			inProfile(
				"/a#c r,", "/a r #c\n,", "link /a #c\n -> /b,", "capability #c\n chown,", "io_uring #c\n,", "mount #c\n,",
			),
			[]string{
				"alias /a #c\n -> /b,\n/t { }", "profile t #c\n { }", "@{V}=a #c\n/t { }",
			},
		),
		bad: slices.Concat(
			inProfile(
				"change_profile #c\n,", "network #c\n,", "unix #c\n,", "dbus #c\n,", "signal #c\n,", "ptrace #c\n,", "mqueue #c\n,", "set rlimit #c\n cpu <= 1,",
				"userns #c\n,", "set rlimit cpu #c\n <= 1,", "signal set=( #c\n hup),", "if #c\n true { }",
			),
			[]string{
				"profile #c\n t { }", "abi #c\n <kernel>,\n/t { }", "profile t flags=( #c\n audit) { }",
			},
		),
	},
	{
		topic: "the end of a rule",
		good: slices.Concat(
			inProfile(
				"/a r,/b w,",
			),
			[]string{
				"/t { signal,}", "/t { capability chown,}", "/t { set rlimit cpu <= 1,}", "/t { userns,}", "/t { file,}", "/t { signal set=(hup),}", "/t { /a r,}",
			},
		),
		bad: slices.Concat(
			inProfile(
				"/a r,,", " , ", "if true { },", "include if exists <x>,",
			),
			[]string{
				"/t { dbus send,}", "/t { network inet,}", "/t { /a px -> b,}", "/t { unix addr=@a,}", "/t { mount /a -> /b,}", "alias /a -> /b,/t { }", "/t { },",
				"@{V}=a,\n/t { }",
			},
		),
	},
	{
		topic: "words",
		good: slices.Concat(
			inProfile(
				`/a\!b r,`, `"/a!b" r,`, `/a\ b r,`, "/a\\\tb r,", `/a\"b r,`, `/a\,b r,`, "/a,b r,", ":ns:a r,", "&a r,", "foo r,",
			),
			[]string{
				"/t {}", "profile t {}", "@{V}=a \\\n b\n/t { }", `"/a b" { }`,
			},
		),
		bad: slices.Concat(
			inProfile(
				"/a!b r,", "! r,", "/a\\\nb r,",
			),
			[]string{
				"/t{ }", "profile t{ }",
			},
		),
	},
	{
		topic: "quotes",
		good: inProfile(
			`"/a b" r,`, "\"/a\nb\" r,", `"/a\"b" r,`, `"@{profile_name}" r,`, `":ns:a" r,`, `"&a" r,`, `"/a*" r,`,
		),
		bad: inProfile(
			`"foo" r,`, `capability "chown",`, `"" r,`,
		),
	},
	{
		topic: "escapes",
		good: inProfile(
			`"/\"" r,`, `/\a\e\f\n\r\t r,`, `/\101 r,`, `/\7 r,`, `/\377 r,`, `/\d65 r,`, `/\x41 r,`, `/\xf r,`, `/\x2a r,`, `/\000 r,`, `/\x00 r,`, `/\z r,`,
			`/\- r,`,
		),
		bad: inProfile(
			`/a\ r,`,
		),
	},
	{
		topic: "keywords",
		good: slices.Concat(
			inProfile(
				"user /a r,", "unmount /a,", "umount /a,", "mount option=ro /a,", "mount options=ro /a,", "mount vfstype=ext4 /a,", "mount fstype=ext4 /a,",
				"quiet r,", "FILE r,",
			),
			[]string{
				"rewrite /a -> /b,\n/t { }", "alias /a -> /b,\n/t { }",
			},
		),
		bad: inProfile(
			"CAPABILITY,", "Audit /a r,", "Network,",
		),
	},
	{
		topic: "the structure of a file",
		good: slices.Concat(
			inProfile(
				"}\n/u {", "abi <kernel>,",
			),
			[]string{
				"", "\n", "# only a comment", "abi <kernel>,", "@{V}=a", "alias /a -> /b,\n@{V}=a\nabi <kernel>,\n/t { }",
			},
		),
		bad: slices.Concat(
			inProfile(
				"alias /a -> /b,",
			),
			[]string{
				"/t { }\nalias /a -> /b,", "/t { }\n@{V}=a", "/t { }\nabi <kernel>,", "/t { }\n$B=true", "network,", "/t { @{V}=a\n}",
			},
		),
	},
	{
		topic: "abi",
		good: []string{
			"abi <kernel>,\n/t { }", "abi <default>,\n/t { }", "abi <\"kernel\">,\n/t { }", "abi <kernel>,\nabi <default>,\n/t { }",
		},
		bad: []string{
			"abi < \"kernel\">,\n/t { }", "abi <kernel>\n/t { }", "abi <nope>,\n/t { }", "abi nope,\n/t { }", "abi \"nope\",\n/t { }", "abi,\n/t { }",
		},
	},
	{
		topic: "variables",
		good: []string{
			"@{V}=a\n/t { }", "@V=a\n/t { /@{V} r, }", "@{V_1}=a b \"c d\"\n/t { /@{V_1} r, }", "@{V}=\"\"\n/t { /@{V} r, }", "@{V} = a\n/t { }",
			"@{V}=a\n@{V}+=b\n/t { }", "@{V}?=a\n/t { /@{V} r, }", "@{V} := a\n/t { /@{V} r, }", "@{V}=a\n@{V} ?= b\n@{V} := c\n/t { }", "@{V}=@{W}\n/t { }",
			"@{V}=@{V}\n/t { }",
		},
		bad: slices.Concat(
			inProfile(
				"/@{V} r,",
			),
			[]string{
				"@{1}=a\n/t { }", "@{_V}=a\n/t { }", "@{V-x}=a\n/t { }", "@{V}=\n/t { }", "@{V}=a\n@{V}=b\n/t { }", "@{V}+=a\n/t { }", "@{V}:=a\n/t { }",
				"@{V}=#a\n/t { }", "@{V}=@{W}\n/t { /@{V} r, }", "@{V}=@{V}\n/t { /@{V} r, }", "@{V}=@{W}\n@{W}=@{V}\n/t { /@{V} r, }",
			},
		),
	},
	{
		topic: "booleans",
		good: []string{
			"$B=true\n/t { }", "${B}=true\n/t { }", "$B = TRUE\n/t { }", "$B = False\n/t { }", "$B = true and not false\n/t { }", "$B ?= true or false\n/t { }",
			"$B=true\n$B := false\n/t { }",
		},
		bad: []string{
			"$B += true\n/t { }", "$B=true\n$B=false\n/t { }", "$B=true\n@{B}=a\n/t { }", "@{B}=a\n$B=true\n/t { }", "$B=yes\n/t { }",
		},
	},
	{
		topic: "alias",
		good: []string{
			"alias \"/a b\" -> \"/c d\",\n/t { }", "alias /a -> /b,\nalias /a -> /b,\n/t { }",
		},
		bad: []string{
			"alias a -> /b,\n/t { }", "alias /a /b,\n/t { }", "alias /a -> /b\n/t { }", "alias /a -> /b,\n/t { /a px, /b ux, }",
		},
	},
	{
		topic: "built-in variables",
		good: slices.Concat(
			inProfile(
				"@{profile_name} r, @{exec_path} r, @{attach_path} r,",
			),
			[]string{
				"profile t { /@{profile_name} r, }", "@{profile_name}=x\n/t { @{profile_name} r, }",
			},
		),
		bad: []string{
			"profile t { @{exec_path} r, }", "profile t { @{attach_path} r, }", "/t { if @{exec_path} == /t { } }",
		},
	},
	{
		topic: "names",
		good: slices.Concat(
			inProfile(
				"",
			),
			[]string{
				"profile t { }", "hat t { }", "^t { }", ":ns:t { }", ":ns://t { }", "profile :ns:t { }", `"/t u" { }`, `profile "t u" { }`,
				"@{V}=/t\nprofile @{V} { }", "profile /t* { }", "/t{a,b} { }",
			},
		),
		bad: []string{
			"t { }", "@{V}=/t\n@{V} { }", "profile &t { }", "&t { }", "::t { }", ":ns: { }", ":ns { }", "profile t u { }", "profile t{a { }",
			`profile "t[a" { }`, "profile { }", "profile t /a /b { }",
		},
	},
	{
		topic: "attachments",
		good: []string{
			"profile t /a { }", "@{V}=a\nprofile t @{V} { }", `profile t "/a b" { }`, "profile t /a{b,c}* { }",
		},
		bad: []string{
			"profile t a { }", "profile t /a[ { }", `profile t "a" { }`,
		},
	},
	{
		topic: "xattrs",
		good: []string{
			`profile t xattrs=(a=b c="d e", f) { }`, "profile t xattrs=() { }", "profile t /t xattrs=(a) flags=(audit) { }", "/t xattrs=(a=b*) { }",
		},
		bad: slices.Concat(
			inProfile(
				"hat h xattrs=(a) { }", "^h xattrs=(a) { }",
			),
			[]string{
				"profile t flags=(audit) xattrs=(a) { }", "profile t xattrs=(a { }",
			},
		),
	},
	{
		topic: "identities",
		good: []string{
			`profile t + identities=(a b "/p q") { }`, "profile t + identities=(a) + identities=(b) { }",
			"profile t xattrs=(a) + identities=(b) flags=(audit) { }",
		},
		bad: []string{
			"profile t flags=(audit) + identities=(a) { }", `profile t + identities=("p q") { }`, "profile t + identities=(a) xattrs=(b) { }",
			"profile t identities=(a) { }",
		},
	},
	{
		topic: "flags",
		good: slices.Concat(
			[]string{
				"profile t (audit) { }", "profile t flags=(audit complain) { }", "profile t flags=(audit,complain) { }", "profile t flags=(audit,,complain,) { }",
				"profile t flags=(audit audit) { }", "profile t flags=(complain complain) { }", "@{V}=/p\nprofile t flags=(attach_disconnected.path=@{V}) { }",
			},
			each("profile t flags=(%s) { }", "enforce complain kill unconfined prompt default_allow"),
			each("profile t flags=(%s) { }", "audit mediate_deleted delegate_deleted attach_disconnected no_attach_disconnected chroot_relative namespace_relative chroot_attach chroot_no_attach debug interruptible attach_disconnected.path=/p attach_disconnected.ipc attach_disconnected.ipc=/p kill.signal=hup error=EPERM error=eperm"),
		),
		bad: slices.Concat(
			[]string{
				"profile t flags=() { }", "profile t flags=(audit) flags=(complain) { }", "profile t flags=(nope) { }", "profile t flags=(Audit) { }",
				"profile t flags=(error=1) { }", "profile t flags=(error=ENOPE) { }", "profile t flags=(kill.signal=nope) { }",
				"profile t flags=(attach_disconnected.path=p) { }", "@{V}=p\nprofile t flags=(attach_disconnected.path=@{V}) { }",
				"profile t flags=(attach_disconnected.ipc=p) { }",
			},
			each("profile t flags=(%s) { }", "enforce complain", "complain kill", "unconfined kill", "prompt complain", "default_allow enforce", "mediate_deleted delegate_deleted", "attach_disconnected no_attach_disconnected", "attach_disconnected.ipc no_attach_disconnected", "chroot_relative namespace_relative", "chroot_attach chroot_no_attach", "attach_disconnected.path=/a attach_disconnected.path=/b", "kill.signal=hup kill.signal=int", "error=EPERM error=EACCES"),
		),
	},
	{
		topic: "children and hats",
		good: slices.Concat(
			inProfile(
				"profile c { }", "^h { }", "hat h { }", "profile c { profile d { ^h { } } }", "profile c /c xattrs=(a) flags=(audit) { }",
			),
			[]string{
				"^h { }",
			},
		),
		bad: slices.Concat(
			inProfile(
				"^ h { }", "audit profile c { }", "deny ^h { }", "^h,", "change_hat h,", "profile c { } profile c { }", "^c { } profile c { }", "/c { }", "c { }",
			),
			[]string{
				"/t { }\n/t { }",
			},
		),
	},
	{
		topic: "conditionals",
		good: slices.Concat(
			inProfile(
				"if true { if false { } }", "if not defined @{V} { /a r, } else { /b r, }",
			),
			[]string{
				"$B=true\n/t { if $B { /a r, } }", "$B=true\n/t { if ${B} { } else { } }", "@{V}=a b\n/t { if @{V} == a { } else if a in @{V} { } else { } }",
				"$B=true\n/t { if defined $B { } }",
			},
			each("/t { if %s { } }", "true", "false", "TRUE", `"true"`, "not true", "true and false or not true", "(true)", "(true or false) and true", "defined @{V}", "a == a", "a != b", "1 > 2", "1 >= 010", "1 < 2", "1 <= 2", "a in a", "a > b"),
		),
		bad: slices.Concat(
			inProfile(
				"audit if true { }", "if true{ }", "if 1 > a { }", "if $B { }", "if @{V} == a { }", "if { }", "if true /a r,", "else { }", "if maybe { }",
				"if true and { }", "if (true { }",
			),
			[]string{
				"if true { }\n/t { }",
			},
		),
	},
	{
		topic: "blocks",
		good: inProfile(
			"{ /a r, }", "audit { /a r, }", "allow { /a r, }", "deny { /a r, }", "prompt { /a r, }", "owner { /a r, }", "other { /a r, }",
			"audit deny owner { /a r, }", "{ { audit { /a r, } } }", "priority=0 { /a r, }", "deny { deny /a r, }", "audit { audit /a r, }",
			"audit { link /a -> /b, }",
		),
		bad: inProfile(
			"priority=1 { /a r, }", "allow { deny /a r, }", "deny { allow /a r, }", "prompt { deny /a r, }", "deny audit { /a r, }",
		),
	},
	{
		topic: "qualifiers",
		good: slices.Concat(
			inProfile(
				"priority=5 audit deny owner /a r,", "priority=-1000 /a r,", "priority=1000 /a r,", "priority = +5 /a r,", "allow /a r,", "prompt /a r,",
				"other /a r,", "user /a r,", "owner link /a -> /b,", "priority=1 link /a -> /b,", "priority=1 capability chown,", "audit capability chown,",
				"deny capability chown,", "audit deny capability chown,", "prompt capability chown,", "priority=0 network,", "priority=0 all,",
				"audit deny network,", "prompt all,", "priority=1 change_profile,", "audit change_profile,", "deny change_profile,", "prompt change_profile,",
			),
			each("/t { priority=1 %s, }", "unix dbus signal ptrace mount remount umount pivot_root mqueue io_uring userns"),
			each("/t { audit deny %s, }", "unix dbus signal ptrace mount remount umount pivot_root mqueue io_uring userns"),
			each("/t { prompt %s, }", "unix dbus signal ptrace mount remount umount pivot_root mqueue io_uring userns"),
		),
		bad: slices.Concat(
			inProfile(
				"priority=1001 /a r,", "priority=-1001 /a r,", "priority=x /a r,", "priority=1 priority=1 /a r,", "audit audit /a r,", "deny deny /a r,",
				"allow deny /a r,", "owner owner /a r,", "owner other /a r,", "deny audit /a r,", "owner deny /a r,", "audit priority=1 /a r,",
				"owner capability chown,", "priority=1 network,", "priority=1 all,", "owner network,", "owner all,", "owner change_profile,",
				"audit set rlimit cpu <= 1s,", "priority=1 set rlimit cpu <= 1s,", "deny set rlimit cpu <= 1s,", "priority=1 profile c { }",
				"audit include if exists <x>", "audit abi <kernel>,", "owner if true { }",
			),
			each("/t { owner %s, }", "unix dbus signal ptrace mount remount umount pivot_root mqueue io_uring userns"),
		),
	},
	{
		topic: "file rules",
		good: slices.Concat(
			inProfile(
				"/a r,", "r /a,", "file,", "file /a r,", "file r /a,", "deny all,", "safe /a px,", "unsafe /a px,", "file safe /a px,", "unsafe px /a,",
				"deny /a x,", "deny /a rwx,", "/a w,\n/a a,", "/a rwlkm,", "/a RWLM,", "/a pxpx,", "/a mix,", "/a Ix,",
			),
			each("/t { /a %s, }", "ix ux Ux px Px cx Cx pix Pix cix Cix pux PUx cux CUx Pux pUx Cux cUx"),
		),
		bad: inProfile(
			"deny file,", "file /a,", "/a,", "/a x,", "/a X,", "deny /a px,", "deny /a ix,", "/a wa,", "/a A,", "/a K,", "/a pxux,", "/a pxix,", "safe /a r,",
			"unsafe file,", "/a xr,", "/a q,", "/a r w,", "safe unsafe /a px,", "/a x -> b,",
		),
	},
	{
		topic: "exec targets",
		good: inProfile(
			"/a px -> b,", "/a px -> :ns:b,", "/a px -> :ns://b,", "/a px -> &b,", "/a px -> a//b,", `/a px -> "b c",`, "/a r -> b,", "/a px -> @{NOT_SET},",
			"px /a -> b,", "/a cx -> c,", "/a pix -> b,",
		),
		bad: inProfile(
			"/a px ->,", "/a px -> b c,", "-> b,",
		),
	},
	{
		topic: "links",
		good: inProfile(
			"link /a -> /b,", "link subset /a -> /b,", "l /a -> /b,", "rl /a -> /b,", "l subset /a -> /b,", "/a l,", "/a l -> /b,", "/a lpx -> t,",
			"file l /a -> /b,", "owner link subset /a -> /b,",
		),
		bad: inProfile(
			"link /a,", "link /a -> ,", "link -> /b,", "link <= /a -> /b,", "rl subset /a -> /b,", "lpx /a -> t,", "link subset /a,",
		),
	},
	{
		topic: "exec conflicts",
		good: slices.Concat(
			inProfile(
				"/a px, /a px,", "/a px, /* ux,", "owner /a px, other /a ux,", "/a px, priority=1 /a ux,", "/a px, deny /a x,", "/{a,b} px, /* ux,", "all, /* px,",
				"/a px -> b, /a px -> b,",
			),
			[]string{
				"@{V}=a\n/t { /@{V} px, /a px, }",
			},
		),
		bad: slices.Concat(
			inProfile(
				"/a px, /a ux,", "/* px, /** ux,", "/a px, audit /a ux,", "/a[b] px, /ab ux,", "/{a,b} px, /a ux,", "file, /* px,", "/a px -> b, /a px -> c,",
				"/a px, /a Px,", "/a px, /a pix,",
			),
			[]string{
				"@{V}=a\n/t { /@{V} px, /a ux, }",
			},
		),
	},
	{
		topic: "capability",
		good: inProfile(
			"capability,", "capability chown,", "capability chown kill,", "capability bpf perfmon checkpoint_restore,",
		),
		bad: inProfile(
			"capability CHOWN,", "capability chown, kill,", "capability (chown),", "capability chown,kill,", "capability nope,", "capability cap_chown,",
		),
	},
	{
		topic: "network",
		good: slices.Concat(
			inProfile(
				"network,", "network stream,", "network tcp,", "network inet6 tcp,", "network (send, receive) inet,", "network send inet stream,",
				"network () inet,",
			),
			each("/t { network %s, }", "unspec unix inet ax25 ipx appletalk netrom bridge atmpvc x25 inet6 rose netbeui security key netlink packet ash econet atmsvc rds sna irda pppox wanpipe llc ib mpls can tipc bluetooth iucv rxrpc isdn phonet ieee802154 caif alg nfc vsock kcm qipcrtr smc xdp mctp"),
			each("/t { network inet %s, }", "stream dgram seqpacket rdm raw packet tcp udp icmp"),
			each("/t { network %s inet, }", "create bind listen accept connect shutdown getattr setattr getopt setopt send receive read write r w rw"),
		),
		bad: inProfile(
			"network inet dccp,", "network inet6 icmp,", "network inet raw tcp,", "network stream inet,", "network INET,", "network nope,",
			"network send receive inet,", "network (nope) inet,", "network inet inet6,", "network tcp stream,", "network unix tcp,",
		),
	},
	{
		topic: "network conditions",
		good: inProfile(
			"network inet ip=1.2.3.4,", "network inet6 ip=::1,", "network inet ip=none,", "network inet ip=::1,", "network inet port=0,",
			"network inet port=65535,", "network inet port=1-2,", "network inet interface=eth*,", "network inet label=a*,",
			"network inet ip=1.2.3.4 port=1 peer=(ip=2.3.4.5 port=2),", "network ip=1.2.3.4,", "network peer=(label=a),", "network peer=(label:=a),",
			"network connect inet peer=(ip=1.2.3.4),", "network inet ip=(1.2.3.4 2.3.4.5),", "network inet peer=(),",
		),
		bad: slices.Concat(
			inProfile(
				"network inet ip=1.2.3.4/8,", "network inet ip=@{V},", "network inet port=65536,", "network inet port=2-1,", "network inet port=-1,",
				"network inet port=http,", "network inet peer=(interface=eth0),", "network inet label:=a,", "network inet peer=(ip=1.2.3.4) ip=1.2.3.4,",
				"network unix ip=1.2.3.4,", "network netlink port=1,", "network inet port=1 port=2,", "network inet ip=1.2.3.4 ip=1.2.3.4,",
				"network ip=1.2.3.4 inet,",
			),
			each("/t { network %s inet peer=(ip=1.2.3.4), }", "create bind listen shutdown getattr setattr getopt setopt"),
			each("/t { network %s inet peer=(port=1), }", "create bind listen shutdown getattr setattr getopt setopt"),
		),
	},
	{
		topic: "unix",
		good: slices.Concat(
			inProfile(
				"unix,", "unix send,", "unix (send receive),", "unix type=stream,", "unix addr=@a,", "unix addr=none,", "unix addr=auto,",
				"unix peer=(addr=@a label=b),", "unix peer=(label=b),", `unix peer=(label="/a{b,c}"),`, "unix (bind) type=stream addr=@a,", "unix type=(stream),",
			),
			each("/t { unix type=%s, }", "stream dgram raw rdm seqpacket dccp packet none"),
		),
		bad: inProfile(
			"unix type=nope,", "unix addr=/a,", "unix label=a,", "unix protocol=0,", "unix opt=a,", "unix attr=a,", "unix type=stream type=dgram,",
			"unix addr=(@a @b),", "unix send receive,", "unix peer=(label=/a{b,c}),", "unix peer=(type=stream),",
		),
	},
	{
		topic: "dbus",
		good: inProfile(
			"dbus,", "dbus send bus=session path=/a interface=b member=c peer=(name=d label=e),", "dbus bind bus=session name=a,",
			"dbus eavesdrop bus=session,", "dbus eavesdrop,", "dbus (send, receive),", "dbus rw,", "dbus read,", "dbus write,", "dbus member={A,B},",
			`dbus peer=(name="org.{a,b}"),`, "dbus send peer=(bus=session path=/a interface=b member=c),",
		),
		bad: inProfile(
			"dbus bind path=/a,", "dbus bind interface=a,", "dbus bind member=a,", "dbus bind peer=(name=a),", "dbus send name=a,", "dbus receive name=a,",
			"dbus eavesdrop path=/a,", "dbus eavesdrop name=a,", "dbus name=a path=/b,", "dbus label=a,", "dbus peer=(name=org.{a,b}),", "dbus nope,",
			"dbus bus=a bus=b,",
		),
	},
	{
		topic: "signal",
		good: slices.Concat(
			inProfile(
				"signal,", "signal set=(hup int),", "signal set=(hup,int),", "signal set=hup set=int,", "signal send peer=a*,", "signal (send receive),",
				"signal rw set=hup peer=a,", "signal read,", "signal w,",
			),
			each("/t { signal set=%s, }", "hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term stkflt chld cont stop stp tstp ttin ttou urg xcpu xfsz vtalrm prof winch io poll pwr sys emt exists rtmin+ rtmin+0 rtmin+32"),
		),
		bad: inProfile(
			"signal set=HUP,", "signal set=9,", "signal set=rtmin+33,", "signal peer=(a),", "signal send receive,", "signal set=nope,", "signal nope,",
			"signal peer=a peer=b,",
		),
	},
	{
		topic: "ptrace",
		good: inProfile(
			"ptrace,", "ptrace trace,", "ptrace tracedby,", "ptrace read,", "ptrace readby,", "ptrace r,", "ptrace w,", "ptrace write,", "ptrace rw,",
			"ptrace (trace, read) peer=a{b,c},",
		),
		bad: inProfile(
			"ptrace nope,", "ptrace trace read,", "ptrace peer=a peer=b,", "ptrace send,",
		),
	},
	{
		topic: "mount",
		good: slices.Concat(
			inProfile(
				"mount,", "mount /a,", "mount -> /b,", "mount /a -> /b,", "mount a -> /b,", `mount "" -> /b,`, "mount detached -> /b,",
				"mount fstype=ext4 options=ro /a -> /b,", "mount fstype=(ext4 xfs),", "mount fstype in (ext4, xfs),", "mount options in (ro nosuid),",
				"mount options=(ro, nosuid) options=noexec /a -> /b,", "mount fstype=ext4,ext3 /a -> /b,", "mount options=(rw) /a -> /b,", "remount,",
				"remount options=ro /a,", "umount,", "umount /a,", "umount options=ro fstype=ext4 /a,", "mount options=rslave /a,", "mount options=rslave -> /a,",
				"mount options=bind /a -> /b,", "mount options=move /a -> /b,",
			),
			each("/t { mount options=%s, }", "ro r read-only rw w suid nosuid dev nodev exec noexec sync async remount mand nomand dirsync atime noatime diratime nodiratime bind B move M rbind R verbose silent loud acl noacl unbindable make-unbindable runbindable make-runbindable private make-private rprivate make-rprivate slave make-slave rslave make-rslave shared make-shared rshared make-rshared relatime norelatime iversion noiversion strictatime user nouser symfollow nosymfollow nostrictatime lazytime nolazytime"),
		),
		bad: inProfile(
			"mount /a options=ro,", "mount /a -> /b options=ro,", "mount options=ro,nosuid,", "mount options in ro,", "mount options=nope,",
			"mount options=(ro,rw),", "mount options=(suid nosuid),", "mount nope=1,", "mount /a -> ,", "remount /a -> /b,", "umount /a -> /b,",
			"mount options=bind fstype=ext4 /a -> /b,", "mount options=remount fstype=ext4 /a,", "mount options=rslave fstype=ext4 /a,",
			"mount options=move fstype=ext4 /a -> /b,", "mount options=remount /a -> /b,", "mount options=rslave /a -> /b,",
		),
	},
	{
		topic: "pivot_root",
		good: inProfile(
			"pivot_root,", "pivot_root /a,", "pivot_root oldroot=/a,", "pivot_root oldroot=/a /b,", "pivot_root oldroot=/a /b -> c,", "pivot_root -> c,",
			"pivot_root oldroot=/a oldroot=/b,",
		),
		bad: inProfile(
			"pivot_root a,", "pivot_root /a /b,", "pivot_root /a oldroot=/b,",
		),
	},
	{
		topic: "change_profile",
		good: inProfile(
			"change_profile,", "change_profile -> b,", "change_profile /a,", "change_profile /a -> b,", "change_profile safe /a -> b,",
			"change_profile unsafe /a -> b,", "change_profile -> :ns:b,", "change_profile -> :ns://b,", "change_profile -> b*,",
			"change_profile @{profile_name} -> b,",
		),
		bad: inProfile(
			"change_profile a -> b,", "change_profile safe -> b,", "change_profile unsafe,", "change_profile b,", "change_profile ->,",
		),
	},
	{
		topic: "rlimit",
		good: slices.Concat(
			inProfile(
				"set rlimit cpu <= 1,", "set rlimit cpu <= 1000ms,", "set rlimit cpu <= 1000000us,", "set rlimit rttime <= 1us,", "set rlimit rttime <= 1ms,",
				"set rlimit rttime <= 1,", "set rlimit cpu <= 5 min,", "set rlimit cpu <= infinity,", "set rlimit nofile <= infinity,", "set rlimit data <= 010,",
				"set rlimit nice <= -20,", "set rlimit nice <= 19,",
			),
			each("/t { set rlimit cpu <= 1%s, }", "s sec second seconds min minute minutes h hour hours d day days week weeks"),
			each("/t { set rlimit rttime <= 1%s, }", "s sec second seconds min minute minutes h hour hours d day days week weeks"),
			each("/t { set rlimit %s <= 1, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1K, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1KB, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1M, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1MB, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1G, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1GB, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1, }", "nofile ofile nproc locks sigpending rtprio"),
		),
		bad: slices.Concat(
			inProfile(
				"set rlimit cpu <= 1w,", "set rlimit cpu <= 999ms,", "set rlimit cpu <= 999us,", "set rlimit cpu <= 1K,", "set rlimit rttime <= 1w,",
				"set rlimit data <= 0x10,", "set rlimit nope <= 1,", "set rlimit cpu = 1,", "set rlimit cpu < 1,", "rlimit cpu <= 1,", "set rlimit nice <= -21,",
				"set rlimit nice <= 20,", "set rlimit nice <= 1s,",
			),
			each("/t { set rlimit %s <= 1k, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1B, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1s, }", "fsize data stack core rss as memlock msgqueue"),
			each("/t { set rlimit %s <= 1K, }", "nofile ofile nproc locks sigpending rtprio"),
			each("/t { set rlimit %s <= 1s, }", "nofile ofile nproc locks sigpending rtprio"),
		),
	},
	{
		topic: "mqueue",
		good: slices.Concat(
			inProfile(
				"mqueue,", "mqueue (create, read) type=posix label=a /q,", "mqueue type=sysv 123,", "mqueue /q*,", "mqueue 0,", "mqueue label=a,",
				"mqueue type=posix,", `mqueue "/a b",`,
			),
			[]string{
				"@{V}=q\n/t { mqueue /@{V}, }",
			},
			each("/t { mqueue %s, }", "create open delete read write getattr setattr r w rw"),
		),
		bad: slices.Concat(
			inProfile(
				"mqueue type=sysv /q,", "mqueue type=posix 1,", "mqueue q,", "mqueue type=nope,", "mqueue nope /q,", "mqueue read write /q,", "mqueue /a /b,",
			),
			[]string{
				"@{V}=/q\n/t { mqueue @{V}, }",
			},
		),
	},
	{
		topic: "io_uring",
		good: inProfile(
			"io_uring,", "io_uring sqpoll,", "io_uring override_creds,", "io_uring (sqpoll, override_creds) label=a,", "io_uring label=a,", "io_uring (nope),",
		),
		bad: inProfile(
			"io_uring nope,", "io_uring sqpoll override_creds,", "io_uring label=a label=b,",
		),
	},
	{
		topic: "userns and all",
		good: inProfile(
			"userns,", "userns create,", "all,", "audit all,", "deny all,", "allow all,",
		),
		bad: inProfile(
			"userns (create),", "userns nope,", "all /a,", "all r,",
		),
	},
	{
		topic: "lists of permissions",
		good: inProfile(
			"signal (send receive),", "signal (send, receive),", "signal (send,,receive),", "signal (),", "unix (),", "dbus (),", "ptrace (),", "network (),",
			"mqueue (),", "io_uring (),",
		),
		bad: inProfile(
			"signal (send,", "signal send, receive,",
		),
	},
	{
		topic: "globbing",
		good:  each("/t { %s r, }", `/* /** /*** /? /[abc] /[a-c] /[c-a] /[^abc] /[{},^$.] /{a,b} /{,a} /{,} /{a,{b,c}} /a.+|()^$ /a\* /[*] /[a?] /[-a] //a ///a /a//b`),
		bad: inProfile(
			"/{} r,", "/{a} r,", "/{a r,", "/a} r,", "/[a r,", "/a] r,", "/[] r,", "/[^] r,", "/[a-] r,", `/a\ r,`, "/{a,b}} r,",
		),
	},
	{
		topic: "depth of alternations",
		good:  inProfile("/" + strings.Repeat("{a,", 49) + "b" + strings.Repeat("}", 49) + " r,"),
		bad:   inProfile("/" + strings.Repeat("{a,", 51) + "b" + strings.Repeat("}", 51) + " r,"),
	},
}

// inProfile puts each list of rules into a profile.
func inProfile(rules ...string) []string {
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = "/t { " + r + " }"
	}
	return texts
}

// each puts words, one after the other, into a text at %s. One argument alone
// holds them all, with blanks between.
func each(text string, words ...string) []string {
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	texts := make([]string, len(words))
	for i, w := range words {
		texts[i] = strings.Replace(text, "%s", w, 1)
	}
	return texts
}

// TestLanguage walks the language, and checks that every construct is taken
// and every near miss refused.
func TestLanguage(t *testing.T) {
	v := newVerdicts(t, upstream.PolicyTests(t, false))
	n := 0
	for _, l := range language {
		for want, texts := range map[bool][]string{true: l.good, false: l.bad} {
			for _, text := range texts {
				n++
				if err := v.check(t, "p", text+"\n"); (err == nil) != want {
					t.Errorf("%s: %q: %v, 6.0 accepts: %v", l.topic, text, err, want)
				}
			}
		}
	}
	t.Logf("%d texts", n)
}

// TestSameMeaning compares pairs of texts that apparmor_parser 6.0 makes the
// same of, or, further down, not the same.
func TestSameMeaning(t *testing.T) {
	same := [][2]string{
		{"/t { user /a r, }", "/t { owner /a r, }"},
		{"/t { unmount /a, }", "/t { umount /a, }"},
		{"/t { mount option=ro /a, }", "/t { mount options=ro /a, }"},
		{"/t { mount vfstype=ext4 /a, }", "/t { mount fstype=ext4 /a, }"},
		{"rewrite /a -> /b,\n/t { /a r, }", "alias /a -> /b,\n/t { /a r, }"},
		{"/t { /a Pux, }", "/t { /a PUx, }"},
		{"/t { /a pUx, }", "/t { /a pux, }"},
		{"/t { /a Cux, }", "/t { /a CUx, }"},
		{"/t { unsafe /a px, }", "/t { /a px, }"},
		{"/t { safe /a px, }", "/t { /a Px, }"},
		{"/t { unsafe /a Px, }", "/t { /a px, }"},
		{"/t { /a RW, }", "/t { /a rw, }"},
		{"/t { r /a, }", "/t { /a r, }"},
		{"/t { file r /a, }", "/t { /a r, }"},
		{"/t { rl /a -> /b, }", "/t { /a r, link /a -> /b, }"},
		{"/t { /a l -> /b, }", "/t { link /a -> /b, }"},
		{"/t { l subset /a -> /b, }", "/t { link subset /a -> /b, }"},
		{"/t { file, }", "/t { /{**,} rwlkm, /{**,} ix, }"},
		{"/t { /a cx -> c, }", "/t { /a px -> /t//c, }"},
		{"/t { /a ix, }", "/t { /a mix, }"},
		{"/t { /a w, /a a, }", "/t { /a w, }"},
		{":ns:t { }", ":ns://t { }"},
		{"/t { }", "profile /t { }"},
		{"/t { }", "profile /t /t { }"},
		{"profile t xattrs=() { }", "profile t { }"},
		{"profile t (audit) { }", "profile t flags=(audit) { }"},
		{"profile t flags=(enforce) { }", "profile t { }"},
		{"profile t flags=(error=eperm) { }", "profile t flags=(error=EPERM) { }"},
		{"/t { ^h { } }", "/t { hat h { } }"},
		{"^h { }", "hat h { }"},
		{"@{V}=\"q,r\" s\n/t { /@{V} r, }", "/t { /q r, /r r, /s r, }"},
		{"@{V}=\"q,r\"\n/t { /@{V} r, }", "/t { /q,r r, }"},
		{"@{V}=/a/\n/t { /x/@{V}/b r, }", "/t { /x/a/b r, }"},
		{"@{V}=/a/\n/t { /@{V}/b r, }", "/t { //a/b r, }"},
		{"@V=a\n/t { /@{V} r, }", "/t { /a r, }"},
		{"@{V}=a b a\n/t { /@{V} r, }", "/t { /a r, /b r, }"},
		{"@{V}=a\n@{V}+=b\n/t { /@{V} r, }", "/t { /{a,b} r, }"},
		{"@{V}=a\n@{V}?=b\n/t { /@{V} r, }", "/t { /a r, }"},
		{"@{V}=a\n@{V} := b\n/t { /@{V} r, }", "/t { /b r, }"},
		{"@{V}=\"\"\n/t { /a@{V} r, }", "/t { /a r, }"},
		{"@{V}=b\n/t { /a px -> @{V}, }", "/t { /a px -> @{V}, }"},
		{"/t { @{profile_name} r, }", "/t { /t r, }"},
		{"/t { @{exec_path} r, }", "/t { /t r, }"},
		{"@{profile_name}=x\n/t { @{profile_name} r, }", "/t { /t r, }"},
		{"profile /a* { @{profile_name} r, }", `profile /a* { /a\* r, }`},
		{"@{V}=*\n/t { /a/@{V} r, }", "/t { /a/* r, }"},
		{"@{V}=* x\n/t { /a/@{V} r, }", "/t { /a/{*,x} r, }"},
		{"@{V}=a \\\n b\n/t { /@{V} r, }", "/t { /{a,b} r, }"},
		{"alias /a -> /b,\n/t { /ax r, }", "/t { /ax r, /bx r, }"},
		{"alias /a -> /b,\n/t { /{a,c} r, }", "/t { /{a,c} r, }"},
		{"alias /a -> /b,\nalias /b -> /c,\n/t { /a r, }", "/t { /a r, /b r, }"},
		{"alias /a -> /b,\n/t { change_profile /a -> /a, mount /a, dbus path=/a, unix addr=@/a, }", "/t { change_profile /a -> /a, mount /a, dbus path=/a, unix addr=@/a, }"},
		{"alias /a -> /b,\n@{V}=/a\n/t { @{V} r, }", "/t { /a r, /b r, }"},
		{"/t { audit { /a r, { /b r, } } }", "/t { audit /a r, audit /b r, }"},
		{"/t { owner { deny { /a r, } } }", "/t { deny owner /a r, }"},
		{"/t { audit { link /a -> /b, } }", "/t { audit link /a -> /b, }"},
		{"/t { { } }", "/t {  }"},
		{"/t { if true { /a r, } else { /b r, } }", "/t { /a r, }"},
		{"/t { if false { /a r, } else if true { /b r, } else { /c r, } }", "/t { /b r, }"},
		{"/t { if true or false and false { /a r, } }", "/t { /a r, }"},
		{"/t { if (true or false) and false { /a r, } }", "/t {  }"},
		{"/t { if not true or true { /a r, } }", "/t { /a r, }"},
		{"/t { if 010 == 8 { /a r, } }", "/t {  }"},
		{"/t { if 010 >= 8 { /a r, } }", "/t { /a r, }"},
		{"/t { if a10 > a9 { /a r, } }", "/t {  }"},
		{"@{V}=a b\n@{W}=a b c\n/t { if @{V} in @{W} { /a r, } }", "/t { /a r, }"},
		{"$B=true\n/t { if defined $B { /a r, } }", "/t {  }"},
		{"/t { if defined @{exec_path} { /a r, } }", "/t {  }"},
		{`/t { if "true" { /a r, } }`, "/t { /a r, }"},
		{"$B=true and not false\n/t { if $B { /a r, } }", "/t { /a r, }"},
		{"/t { audit deny capability chown, }", "/t {  }"},
		{"/t { prompt capability chown, }", "/t { capability chown, }"},
		{"/t { priority=5 capability chown, }", "/t { capability chown, }"},
		{"/t { network inet tcp, }", "/t { network inet stream, }"},
		{"/t { network (send,,receive) inet, }", "/t { network (send receive) inet, }"},
		{"/t { network () inet, }", "/t { network inet, }"},
		{"/t { network inet ip=(1.2.3.4 2.3.4.5), }", "/t { network inet ip=1.2.3.4, }"},
		{"/t { network r inet, }", "/t { network read inet, }"},
		{"/t { network read inet, }", "/t { network receive inet, }"},
		{"/t { network w inet, }", "/t { network send inet, }"},
		{"/t { unix r type=stream, }", "/t { unix receive type=stream, }"},
		{"/t { dbus r bus=session, }", "/t { dbus receive bus=session, }"},
		{"/t { dbus () bus=session, }", "/t { dbus bus=session, }"},
		{"/t { dbus send peer=(bus=session path=/a), }", "/t { dbus send bus=session path=/a, }"},
		{"/t { signal set=(hup int), }", "/t { signal set=hup set=int, }"},
		{"/t { signal set=rtmin+, }", "/t { signal set=rtmin+0, }"},
		{"/t { signal r, }", "/t { signal receive, }"},
		{"/t { signal w, }", "/t { signal send, }"},
		{"/t { signal (), }", "/t { signal, }"},
		{"/t { signal set=stp, }", "/t { signal set=tstp, }"},
		{"/t { signal set=io, }", "/t { signal set=poll, }"},
		{"/t { ptrace r, }", "/t { ptrace read, }"},
		{"/t { ptrace w, }", "/t { ptrace trace, }"},
		{"/t { ptrace write, }", "/t { ptrace trace, }"},
		{"/t { ptrace rw, }", "/t { ptrace (read trace), }"},
		{`/t { mount "" -> /b, }`, "/t { mount detached -> /b, }"},
		{"/t { umount options=ro fstype=ext4 /a, }", "/t { umount /a, }"},
		{"/t { pivot_root oldroot=/a oldroot=/b /c, }", "/t { pivot_root oldroot=/b /c, }"},
		{"/t { pivot_root /a -> b, }", "/t { pivot_root /a, }"},
		{"/t { mount options=(ro) /a -> /b, }", "/t { mount options=r /a -> /b, }"},
		{"/t { mount options=make-rslave /a, }", "/t { mount options=rslave /a, }"},
		{"/t { mount options=(suid) /a -> /b, }", "/t { mount options=(rw) /a -> /b, }"},
		{"/t { mount options=rslave /a, }", "/t { mount options=rslave -> /a, }"},
		{"/t { change_profile, }", "/t { change_profile -> **, }"},
		{"/t { audit change_profile -> b, }", "/t { change_profile -> b, }"},
		{"/t { set rlimit cpu <= 1min, }", "/t { set rlimit cpu <= 60s, }"},
		{"/t { set rlimit cpu <= 1, }", "/t { set rlimit cpu <= 1s, }"},
		{"/t { set rlimit rttime <= 1, }", "/t { set rlimit rttime <= 1us, }"},
		{"/t { set rlimit rttime <= 1ms, }", "/t { set rlimit rttime <= 1000us, }"},
		{"/t { set rlimit data <= 1K, }", "/t { set rlimit data <= 1024, }"},
		{"/t { set rlimit data <= 1MB, }", "/t { set rlimit data <= 1024K, }"},
		{"/t { set rlimit nofile <= 010, }", "/t { set rlimit ofile <= 8, }"},
		{"/t { set rlimit cpu <= 1week, }", "/t { set rlimit cpu <= 7days, }"},
		{"/t { set rlimit data <= 1K, set rlimit data <= 2K, }", "/t { set rlimit data <= 2K, }"},
		{"/t { set rlimit cpu <= 1h, }", "/t { set rlimit cpu <= 60minutes, }"},
		{"/t { io_uring (nope), }", "/t { io_uring, }"},
		{"/t { mqueue r, }", "/t { mqueue read, }"},
		{"/t { userns, }", "/t { userns create, }"},
		{"/t { mqueue w /a, }", "/t { mqueue write /a, }"},
		{"/t { mount fstype=(ext4,xfs), }", "/t { mount fstype=(ext4 xfs), }"},
		{"/t { /*** r, }", "/t { /** r, }"},
		{"/t { ///a r, }", "/t { /a r, }"},
		{"/t { /a//b r, }", "/t { /a/b r, }"},
		{"/t { /[c-a] r, }", "/t { /[a-c] r, }"},
		{"/t { /{,a} r, }", "/t { / r, /a r, }"},
		{`/t { /\x41 r, }`, "/t { /A r, }"},
		{`/t { /\101\d66 r, }`, "/t { /AB r, }"},
		{`/t { /\x2a r, }`, `/t { /\* r, }`},
		{`/t { /\z r, }`, "/t { /z r, }"},
		{`/t { "/a*" r, }`, "/t { /a* r, }"},
		{`/t { /a\ b r, }`, `/t { "/a b" r, }`},
		{"/t { /a.+|()$ r, }", `/t { /a\.\+\|\(\)\$ r, }`},
		{"/t { /a#c r, }", `/t { "/a#c" r, }`},
	}
	different := [][2]string{
		{"/t { /a px, }", "/t { /a Px, }"},
		{"/t { /a pix, }", "/t { /a px, }"},
		{"/t { link /a -> /b, }", "/t { link subset /a -> /b, }"},
		{"/t { all, }", "/t { file, }"},
		{"/t { /a px -> b, }", "/t { /a px -> c, }"},
		{"/t { /a px -> b, }", "/t { /a px, }"},
		{"/t { /a pix -> b, }", "/t { /a px -> b, }"},
		{"/t { ^h { } }", "/t { profile h { } }"},
		{"/t { /a/* r, }", "/t { /a/{*,x} r, }"},
		{"/t { audit capability chown, }", "/t { capability chown, }"},
		{"/t { deny capability chown, }", "/t {  }"},
		{"/t { change_profile -> :ns:b, }", "/t { change_profile -> :ns://b, }"},
		{"/t { change_profile unsafe /a -> b, }", "/t { change_profile safe /a -> b, }"},
		{"/t { mount fstype=ext4,xfs, }", "/t { mount fstype=(ext4 xfs), }"},
		{"/t { //a r, }", "/t { /a r, }"},
		{"/t { /a/**b r, }", "/t { /a/**/b r, }"},
		{`/t { /\x2a r, }`, "/t { /* r, }"},
		{"/t { /[^a] r, }", "/t { /? r, }"},
	}
	for _, name := range []string{"features.extended-perms-policydb", afInet, k61, k73} {
		kernel := oracle.FeatureSet(t, name)
		src := source{abi: kernel}
		compiled := func(text string) *blob.Policy {
			out, err := src.compile(t, kernel, "p", text+"\n")
			if err != nil {
				t.Fatalf("%s: %+v", text, err)
			}
			return out.Policy
		}
		for _, pair := range same {
			if ds, err := blob.DiffPolicy(compiled(pair[0]), compiled(pair[1]), blob.DiffOptions{}); err != nil || len(ds) > 0 {
				t.Errorf("%s: %q and %q differ: %v %v", name, pair[0], pair[1], ds, err)
			}
		}
		if name == k61 { // which mediates less
			continue
		}
		for _, pair := range different {
			if ds, err := blob.DiffPolicy(compiled(pair[0]), compiled(pair[1]), blob.DiffOptions{}); err != nil || len(ds) == 0 {
				t.Errorf("%s: %q and %q are the same (%v)", name, pair[0], pair[1], err)
			}
		}
	}
}
