// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// Corner is a policy that asks one question of the language, with the answer
// of the newest parser in Debian for the features of upstream's tests.
type Corner struct {
	ID, Group, Profile string
	Accept             bool
	Message            string // with which the reference refuses it
}

// rules are those that a profile may have, by class, with what is nearly one.
var rules = map[string][]string{
	"file": {
		"/srv/data r", "/srv/data w", "/srv/data a", "/srv/data rw", "/srv/data wa", "/srv/data rwklm", "/srv/data rr", "/srv/data",
		"/srv/data z", "/srv/data RW", "r /srv/data", "rw /srv/data", "r /srv/data w", "file", "file r", "file /srv/data r", "file r /srv/data",
		"file rwx", "srv/data r", "\"/srv/my data\" r", "/srv/my\\ data r", "/srv/{a,b} r", "/srv/{a} r", "/srv/{a,b r", "/srv/a,b} r",
		"/srv/[ab] r", "/srv/[a r", "/srv/a] r", "/srv/[^ab]* r", "/srv/** rwk", "/srv/*** r", "/srv/? r", "/ r", "/** r", "@{UNSET}/a r",
		"/srv/data -> /srv/other r", "/srv/data r -> other", "/srv//data/ r", "/srv/\\* r", "/srv/\"data\" r", "/srv/'data' r", "file /srv/data",
	},
	"exec": {
		"/srv/run ix", "/srv/run px", "/srv/run Px", "/srv/run cx", "/srv/run Cx", "/srv/run ux", "/srv/run Ux", "/srv/run x", "/srv/run rix",
		"/srv/run pix", "/srv/run Pix", "/srv/run cix", "/srv/run CIX", "/srv/run pux", "/srv/run PUx", "/srv/run cux", "/srv/run Cux",
		"/srv/run px -> other", "/srv/run Cx -> child", "/srv/run ix -> other", "/srv/run ux -> other", "/srv/run px -> &other",
		"/srv/run px -> @{profile_name}", "/srv/run px -> ", "/srv/run px -> :ns:other", "/srv/run pxix", "/srv/run ixux", "/srv/run pcx",
		"safe /srv/run px", "unsafe /srv/run px", "safe /srv/run ix", "unsafe /srv/run r", "/srv/run px ix", "/srv/run mrpx", "px /srv/run -> other",
		"/srv/r* ix, /srv/run px", "/srv/r* ix, /srv/r?n ux", "/srv/run px -> a, /srv/run px -> b", "/srv/{a,b} ix, /srv/{b,c} px",
	},
	"link": {
		"link /srv/a -> /srv/b", "link subset /srv/a -> /srv/b", "link /srv/a", "/srv/a l -> /srv/b", "/srv/a rl -> /srv/b", "l /srv/a -> /srv/b",
		"link /srv/a -> srv/b", "link srv/a -> /srv/b", "link -> /srv/b", "link subset", "link /srv/{a,b} -> /srv/**", "subset link /srv/a -> /srv/b",
	},
	"capability": {
		"capability", "capability chown", "capability chown kill", "capability CHOWN", "capability nonsense", "capability cap_chown",
		"capability (chown)", "capability chown, capability kill", "capability bpf perfmon checkpoint_restore", "capability 3", "capability chown=1",
	},
	"network": {
		"network", "network inet", "network inet stream", "network inet tcp", "network tcp", "network stream", "network inet6 dgram", "network inet udp",
		"network unix", "network unix stream", "network netlink raw", "network packet", "network nonsense", "network inet nonsense", "network inet inet6",
		"network stream inet", "network inet raw", "network inet tcp udp", "network bluetooth", "network mctp", "network send", "network (send receive)",
		"network (send, receive) inet", "network create inet stream", "network inet port=22", "network inet ip=127.0.0.1", "network inet ip=::1",
		"network inet6 ip=::1", "network inet ip=none", "network inet ip=127.0.0.1/8", "network inet port=22-80", "network inet port=80-22",
		"network inet port=70000", "network inet peer=(ip=10.1.2.3)", "network inet peer=(port=53)", "network inet peer=(label=other)",
		"network inet ip=300.1.1.1", "network peer=(nonsense=1)", "network inet icmp", "network smc",
	},
	"unix": {
		"unix", "unix send", "unix (send receive)", "unix (send, receive)", "unix rw", "unix r", "unix type=stream", "unix type=nonsense", "unix type=(stream dgram)",
		"unix protocol=3", "unix addr=@bus", "unix addr=none", "unix addr=auto", "unix addr=/run/bus", "unix addr=bus", "unix addr=@{UNSET}", "unix label=other", "unix peer=(label=other)",
		"unix peer=(addr=@bus)", "unix peer=(addr=@bus label=other)", "unix peer=(addr=@bus, label=other)", "unix peer=(type=stream)", "unix peer=", "unix peer=()",
		"unix bind peer=(addr=@bus)", "unix (create) addr=@bus", "unix connect addr=@bus peer=(addr=@x)", "unix getattr setattr", "unix (getattr setattr getopt setopt)",
		"unix shutdown", "unix nonsense", "unix opt=1", "unix attr=1", "unix addr=\"@a b\"", "unix addr=@[ab]*", "unix addr=@[ab", "unix bind listen", "unix accept addr=@{a,b}",
	},
	"dbus": {
		"dbus", "dbus send", "dbus receive", "dbus bind", "dbus eavesdrop", "dbus (send receive)", "dbus (send, receive, bind)", "dbus rw", "dbus bus=system", "dbus bus=session send",
		"dbus send bus=system path=/org/x", "dbus send interface=org.x", "dbus send member=Get", "dbus send peer=(name=org.x)", "dbus send peer=(label=other)",
		"dbus send peer=(name=org.x label=other)", "dbus bind name=org.x", "dbus bind path=/org/x", "dbus send name=org.x", "dbus eavesdrop path=/org/x", "dbus eavesdrop bus=session",
		"dbus bind peer=(label=other)", "dbus nonsense", "dbus bus=", "dbus bus=(system session)", "dbus send bus=system bus=session", "dbus path=/org/{a,b}", "dbus path=/org/{a", "dbus path=[a",
		"dbus send member=\"Get\" bus=\"system\"", "dbus (bind) bus=system name=org.x", "dbus (send bind) peer=(label=other)", "dbus interface=a member=b path=/c",
	},
	"signal": {
		"signal", "signal send", "signal receive", "signal (send receive)", "signal (send, receive)", "signal rw", "signal r", "signal set=kill", "signal set=(kill term)", "signal set=(kill, term)",
		"signal set=(hup) set=(int)", "signal set=nonsense", "signal set=9", "signal set=rtmin+0", "signal set=rtmin+32", "signal set=rtmin+33", "signal set=rtmin", "signal set=SIGKILL", "signal set=exists",
		"signal peer=other", "signal send peer=other set=kill", "signal send set=kill peer=other", "signal peer=:ns:other", "signal peer=@{profile_name}", "signal peer=/srv/**", "signal peer=[ab", "signal peer=",
		"signal nonsense", "signal set=", "signal set=()", "signal send receive", "signal peer=(label=other)", "signal set=stkflt", "signal set=emt",
	},
	"ptrace": {
		"ptrace", "ptrace trace", "ptrace read", "ptrace (read trace)", "ptrace (readby, tracedby)", "ptrace rw", "ptrace r", "ptrace w", "ptrace peer=other", "ptrace trace peer=other", "ptrace nonsense",
		"ptrace peer=", "ptrace peer=(other)", "ptrace readby tracedby", "ptrace peer=@{profile_name}", "ptrace trace peer=/srv/{a,b}", "ptrace peer=/srv/{a", "ptrace ()",
	},
	"mount": {
		"mount", "mount /dev/sda -> /mnt/", "mount /dev/sda", "mount -> /mnt/", "mount fstype=ext4", "mount fstype=(ext3 ext4)", "mount fstype in (ext3, ext4)", "mount options=ro", "mount options=(ro nosuid)",
		"mount options=(ro, nosuid) /dev/sda -> /mnt/", "mount options in (ro, nosuid)", "mount options=nonsense", "mount fstype=ext4 options=ro /dev/sda -> /mnt/", "mount options=bind /a -> /b",
		"mount options=(bind, rec) /a -> /b", "mount options=rbind /a -> /b", "mount options=(rw, bind)", "mount options=move /a -> /b", "mount options=(move, bind)", "mount options=shared /b", "mount options=(make-private) /b",
		"mount options=(rslave) -> /b", "mount options=(private, bind)", "mount options=remount /b", "mount options=(remount, ro) -> /b", "remount /b", "remount", "remount options=ro /b", "remount fstype=ext4 /b",
		"umount", "umount /b", "umount fstype=ext4 /b", "unmount /b", "umount options=ro /b", "umount /a -> /b", "mount options=(ro, rw)", "mount options=(noatime, relatime)", "mount fstype=", "mount options=",
		"mount options=(rw, nosymfollow)", "mount options=(silent, loud)", "mount options=(bind) fstype=ext4 /a -> /b", "mount [a -> /b", "mount /a{ -> /b", "mount \"\" -> /b", "mount none -> /b", "mount options=(runbindable) /b", "mount options=slave fstype=ext4 /b",
	},
	"pivot_root": {
		"pivot_root", "pivot_root /new/", "pivot_root oldroot=/old/ /new/", "pivot_root oldroot=/old/", "pivot_root /new/ -> other", "pivot_root oldroot=/old/ /new/ -> other", "pivot_root -> other",
		"pivot_root oldroot=old /new/", "pivot_root oldroot=/old/ oldroot=/x/", "pivot_root /new", "pivot_root new/", "pivot_root /{a,b", "pivot_root /new/ /old/",
	},
	"change_profile": {
		"change_profile", "change_profile -> other", "change_profile /srv/run -> other", "change_profile /srv/run", "change_profile -> :ns:other", "change_profile -> &other", "change_profile safe /srv/run -> other",
		"change_profile unsafe /srv/run -> other", "change_profile -> **", "change_profile -> other extra", "change_profile srv -> other", "change_profile -> @{profile_name}", "change_profile -> {a,b}", "change_profile -> {a,b", "change_profile -> a//b", "change_profile safe -> other",
	},
	"rlimit": {
		"set rlimit nofile <= 1024", "set rlimit nofile = 1024", "set rlimit nofile 1024", "set rlimit nofile <= infinity", "set rlimit nofile <= -1", "set rlimit nofile <= 1K", "set rlimit data <= 100M", "set rlimit data <= 1KB", "set rlimit data <= 1G",
		"set rlimit data <= 1T", "set rlimit data <= 100", "set rlimit cpu <= 10", "set rlimit cpu <= 10s", "set rlimit cpu <= 2min", "set rlimit cpu <= 1hour", "set rlimit cpu <= 10ms", "set rlimit rttime <= 10ms", "set rlimit rttime <= 10us", "set rlimit rttime <= 10",
		"set rlimit nice <= -5", "set rlimit nice <= 19", "set rlimit nice <= 20", "set rlimit nice <= -21", "set rlimit rtprio <= 99", "set rlimit nonsense <= 1", "set rlimit nproc <= 5 M", "rlimit nofile <= 5", "set rlimit nofile <= ", "set rlimit as <= 1.5G", "set rlimit core <= 0",
		"set rlimit nofile <= 5, set rlimit nofile <= 6", "set rlimit cpu <= 1week", "set rlimit cpu <= 3days", "set rlimit memlock <= 64MB", "set rlimit sigpending <= 3", "set rlimit msgqueue <= 10K", "set rlimit locks <= 2", "set rlimit fsize <= 1M", "set rlimit stack <= 8M", "set rlimit rss <= 8M",
	},
	"mqueue": {
		"mqueue", "mqueue /queue", "mqueue r /queue", "mqueue (read write) /queue", "mqueue (create, delete) /queue", "mqueue type=posix /queue", "mqueue type=sysv 123", "mqueue type=sysv", "mqueue type=posix 123", "mqueue type=sysv /queue", "mqueue 123",
		"mqueue type=nonsense", "mqueue label=other", "mqueue label=other /queue", "mqueue queue", "mqueue getattr setattr /queue", "mqueue nonsense /queue", "mqueue /queue /other", "mqueue /{a,b}", "mqueue open /queue", "mqueue type=posix read label=other /queue",
	},
	"io_uring": {
		"io_uring", "io_uring sqpoll", "io_uring override_creds", "io_uring (sqpoll override_creds)", "io_uring (sqpoll, override_creds)", "io_uring label=other", "io_uring sqpoll label=other", "io_uring nonsense", "io_uring (nonsense)", "io_uring label=", "io_uring override_creds label=/srv/**",
	},
	"userns": {"userns", "userns create", "userns (create)", "userns nonsense", "userns create create", "userns /x", "userns = create"},
	"all":    {"all", "all r", "all /x", "all all"},
}

// prefixes of rules. Not every one goes with every rule.
var prefixes = []string{"", "audit ", "deny ", "audit deny ", "allow ", "owner ", "priority=5 ", "priority=-3 audit ", "quiet ", "deny allow ", "prompt ", "audit owner ", "deny owner ", "other "}

// units are whole policies.
var units = []string{
	"profile t { }", "profile t {", "profile t }", "profile { }", "/t { }", "t { }", "profile \"a b\" { }", "profile t /srv/t { }", "profile t srv/t { }", "profile t /srv/{a,b} { }", "profile t /srv/{a,b { }",
	"profile :ns:t { }", ":ns:t { }", ":ns:/t { }", "profile :ns: { }", "profile ::t { }", "profile t { profile c { } }", "profile t { ^h { } }", "profile t { hat h { } }", "profile t { hat h /x { } }", "^h { }", "hat h { }",
	"profile t { profile c { profile d { } } }", "profile t { ^h { ^i { } } }", "profile t//c { }", "profile t//c//d { }", "profile t flags=(complain) { }", "profile t flags=(enforce) { }", "profile t flags=(kill) { }", "profile t flags=(unconfined) { }",
	"profile t flags=(default_allow) { }", "profile t flags=(prompt) { }", "profile t flags=(complain kill) { }", "profile t flags=(complain, complain) { }", "profile t flags=(nonsense) { }", "profile t flags=complain { }", "profile t (complain) { }",
	"profile t flags=(attach_disconnected) { }", "profile t flags=(attach_disconnected, no_attach_disconnected) { }", "profile t flags=(attach_disconnected.path=/x) { }", "profile t flags=(attach_disconnected.path=x) { }", "profile t flags=(chroot_relative, namespace_relative) { }",
	"profile t flags=(chroot_attach, chroot_no_attach) { }", "profile t flags=(mediate_deleted, delegate_deleted) { }", "profile t flags=(audit) { }", "profile t flags=(kill.signal=term) { }", "profile t flags=(kill.signal=nonsense) { }", "profile t flags=(error=EPERM) { }", "profile t flags=(error=NONSENSE) { }",
	"profile t flags=(interruptible) { }", "profile t flags=(debug) { }", "profile t xattrs=(user.a=b) { }", "profile t /t xattrs=(user.a=b) { }", "profile t /t xattrs=(user.a=b user.c=*) { }", "profile t /t xattrs=(user.a) { }", "profile t /t xattrs=() { }", "profile t /t xattrs=(user.a=b) flags=(complain) { }", "profile t /t flags=(complain) xattrs=(user.a=b) { }",
	"@{V}=a\nprofile t { /@{V} r, }", "@{V}=a b\nprofile t { /@{V} r, }", "@{V}=\nprofile t { /@{V} r, }", "@{V}=a\n@{V}=b\nprofile t { }", "@{V}+=a\nprofile t { }", "@{V}=a\n@{V}+=b\nprofile t { /@{V} r, }", "@{V}=@{V}\nprofile t { /@{V} r, }", "@{V}=@{W}\n@{W}=a\nprofile t { /@{V} r, }", "@{V}=@{W}\n@{W}=@{V}\nprofile t { /@{V} r, }",
	"$B=true\nprofile t { if $B { /a r, } }", "$B=false\nprofile t { if $B { /a r, } else { /b r, } }", "$B=maybe\nprofile t { }", "profile t { if $B { /a r, } }", "$B=true\nprofile t { if not $B { /a r, } }", "$B=true\n$C=false\nprofile t { if $B and $C { /a r, } else if $B or $C { /b r, } }", "@{V}=a\nprofile t { if defined @{V} { /a r, } }", "profile t { if defined @{V} { /a r, } }", "profile t { if not defined $B { /a r, } }", "$B=true\nprofile t { if @{B} { } }",
	"@{V}=1\nprofile t { if @{V} == 1 { /a r, } }", "@{V}=1\nprofile t { if @{V} < 2 { /a r, } }", "@{V}=a\nprofile t { if @{V} < 2 { /a r, } }", "@{V}=a b\nprofile t { if a in @{V} { /a r, } }", "profile t { if { /a r, } }", "profile t { else { /a r, } }",
	"alias /a -> /b,\nprofile t { /a/x r, }", "alias /a /b,\nprofile t { }", "alias /a -> /b\nprofile t { }", "abi <nothing>,\nprofile t { }", "abi nothing,\nprofile t { }", "include <nothing>\nprofile t { }", "include if exists <nothing>\nprofile t { }", "profile t { include if exists <nothing> }", "#include if exists <nothing>\nprofile t { }", "#include nothing else\nprofile t { }",
	"profile t { /a r }", "profile t { /a r,, }", "profile t { , }", "profile t { /a r, } profile t { /b r, }", "profile t { } profile u { }", "profile t { # comment }\n}", "profile t { } # comment", "profile t { /a r, # comment\n }", "profile t\n{\n/a\nr\n,\n}", "profile t { { /a r, } }", "profile t { audit { /a r, deny /b w, } }", "profile t { owner { /a r, capability kill, } }", "profile t { deny { /a r, } }", "profile t { /a px, /a px, }", "profile t { /a px, /a ux, }", "profile t { ^h { /a r, } ^h { /b r, } }",
	"profile t { profile c { } profile c { } }", "profile t { /srv/{,a} r, }", "profile t { /srv/{,} r, }", "profile t { /srv/{{a,b},c} r, }", "profile t { /srv/[a-] r, }", "profile t { /srv/[-a] r, }", "profile t { /srv/\\101 r, }", "profile t { /srv/\\x41 r, }", "profile t { /srv/\\ r, }", "profile t { \"/srv/a r, }", "profile t { /srv/é r, }", "profile t { /srv/a\\,b r, }", "profile t { /srv/a,b r, }", "profile @{profile_name} { }", "profile t/* { }", "profile unconfined { }", "profile - { }", "profile = { }", "profile t flags=() { }",
}

// otherwise are the corners on which we do not go by the newest parser in
// Debian: those on which AppArmor 6.0 says something else, and those on which
// no release makes of a policy what it says.
var otherwise = map[string]struct {
	accept  bool
	message string // of the kind that the reference refuses such a policy with
	why     string
}{
	"profile t { remount fstype=ext4 /b, }": {false, "Encoding of mount rule failed", "no kernel remounts by the type of the file system"},
}

// cornerPolicies returns the corners without answers.
func cornerPolicies() []Corner {
	var list []Corner
	var groups []string
	for group := range rules {
		groups = append(groups, group)
	}
	slices.Sort(groups)
	for _, group := range groups {
		for _, rule := range rules[group] {
			list = append(list, Corner{Group: group, Profile: "profile t { " + rule + ", }\n"})
		}
		for i, prefix := range prefixes[1:] {
			rule := rules[group][i%3]
			list = append(list, Corner{Group: group, Profile: "profile t { " + prefix + rule + ", }\n"})
		}
	}
	for _, text := range units {
		list = append(list, Corner{Group: "unit", Profile: text + "\n"})
	}
	return list
}

// Texts returns texts of policy that fetch nothing: the corners, and the policy
// tests written by hand if they are in the cache.
func Texts(tb testing.TB) []string {
	tb.Helper()
	var out []string
	for _, c := range cornerPolicies() {
		out = append(out, c.Profile)
	}
	if t, ok := (debian.Source{Name: "apparmor", Suite: oracle.Trixie}).Cached(testenv.CacheDir(tb)); ok {
		for _, test := range testsOf(readTree(tb, filepath.Join(t.Dir, "parser", "tst"), "simple_tests")) {
			out = append(out, test.Text)
		}
	}
	return out
}

// Corners returns policies that each ask one question of the language. They
// are our own words.
func Corners(tb testing.TB) []Corner {
	tb.Helper()
	list := cornerPolicies()
	reference := oracle.ParserOf(tb, oracle.Newest)
	features := oracle.Features(tb, "features.all")
	inParallel(len(list), func(i int) {
		c := &list[i]
		c.ID = fmt.Sprintf("%s-%03d", c.Group, i)
		err := reference.Accepts(oracle.Job{Text: c.Profile, Features: features})
		c.Accept, c.Message = err == nil, firstLine(err)
		if o, ok := otherwise[strings.TrimSpace(c.Profile)]; ok {
			if o.accept == c.Accept {
				tb.Errorf("%q: the newest parser decides it as we do, although %s", c.Profile, o.why)
			}
			c.Accept, c.Message = o.accept, o.message
		}
	})
	if _, ok := testenv.ExtraCorpus(); ok {
		for _, c := range testenv.CorpusLines[struct {
			ID, Group, Profile string
			Verdict            string `json:"upstream_6_0"`
			Message            string `json:"upstream_6_0_message"`
		}](tb, "corners.jsonl.gz") {
			list = append(list, Corner{c.ID, c.Group, c.Profile, c.Verdict == "accept", c.Message})
		}
	}
	return list
}

// Match is a path of a file rule with the strings that the reference's
// automaton of it accepts, and those that it does not.
type Match struct {
	Pattern        string
	OK             bool // the reference accepts the rule
	Match, NoMatch []string
}

var patterns = []string{
	"/", "/*", "/**", "/***", "/?", "/a", "/a/", "/a/*", "/a/**", "/a/***", "/a/*/", "/a/**/", "/*a", "/**a", "/a*", "/a**", "/a*b", "/a**b", "/*/b", "/**/b", "/a/*/b", "/a/**/b", "/*/*", "/**/**", "/*/**", "/**/*",
	"/?b", "/a?", "/??", "/?/?", "/a/?", "/[ab]", "/[a-c]", "/[^a]", "/[^ab]b", "/[^/]", "/[a-]", "/[-a]", "/[]a]", "/[a]", "/[]", "/[^]", "/a[b/]c", "/[a-c]*", "/[^a-c]**", "/{a,b}", "/{a,b}/", "/{,a}", "/{a,}b", "/{a,{b,c}}", "/{a}", "/{}", "/{,}", "/{a,b", "/a}", "/{a,b}{a,b}", "/{*,a}", "/{**,a}/b", "/{a,b/*}", "/a{,/}", "/a{,/**}", "/{/,a}b", "/a{b,c,}d",
	`/\*`, `/\?`, `/\[a`, `/\{a,b`, `/a\}`, `/a\,b`, `/\\b`, `/\101`, `/\x41`, `/\a`, `/a\`, `"/a b"`, `/a\ b`, `"/a\"b"`, "/a.b", "/a+b", "/a(b)", "/a|b", "/a$b", "/a^b", "/^a", "/a#b", "/a=b", "/a:b", "/a@b", "/a~", "/a!", "/é", "//a", "/a//b", "///a", "/a//*", "/a/./b", "@{profile_name}", "a", "*",
}

var matched = []string{
	"", "/", "//", "///", "/a", "/b", "/c", "/d", "/A", "/ab", "/ba", "/abc", "/abd", "/acd", "/ad", "/bb", "/cb", "/aa", "/a/", "/a//", "/b/", "/a/a", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/", "/b/b", "/b/a", "/b/c", "/c/b", "/x/y/b", "/a/x/y/b", "/a//b", "//a", "//b", "///a", "/.", "/..", "/a/./b", "/a/.", "/-", "/]", "/[", "/[a", "/*", "/?", "/{a,b", "/{a,b}", "/a}", "/a,b", "/\\", "/\\b", "/a\\", "/\\a", "/\\101", "/\\x41", "/x41", "/a b", "/a\"b", "/a.b", "/axb", "/a+b", "/aab", "/a(b)", "/a|b", "/a$b", "/a^b", "/^a", "/^", "/a#b", "/a=b", "/a:b", "/a@b", "/a~", "/a!", "/a[b/]c", "/abc/", "/a/c", "/\u00c3\u00a9", "/\u00e9", "/\x00", "/a\x00", "a", "b", "ab", "t", "/t", "/t/x", "t/x", "/a\nb", "/\u00ff", "/a\u00ffb", "/ab/", "/a*b", "/a**b", "/aXb", "/a/b/c/d/e", "/cd", "/cab", "/bcd",
}

// Matches returns what the automata of the newest parser in Debian accept, of
// strings with a rune for each byte. Patterns and strings are our own words.
func Matches(tb testing.TB) []Match {
	tb.Helper()
	reference := oracle.ParserOf(tb, oracle.Newest)
	features := oracle.Features(tb, "kernel-6.12")
	list := make([]Match, len(patterns))
	inParallel(len(patterns), func(i int) {
		m := &list[i]
		m.Pattern = patterns[i]
		data, err := reference.Compile(oracle.Job{Text: "profile t { " + m.Pattern + " r, }\n", Features: features})
		if err != nil {
			return
		}
		m.OK = true
		p, err := blob.Inspect(data)
		if err != nil {
			tb.Errorf("%s: %v", m.Pattern, err)
			return
		}
		first := p.Profiles()[0]
		db, start := first.FileDB()
		for _, s := range matched {
			if db != nil && first.FilePerms(db.DFA.Match(start, latin1(s)), true).Allow&blob.PermRead != 0 {
				m.Match = append(m.Match, s)
			} else {
				m.NoMatch = append(m.NoMatch, s)
			}
		}
	})
	if _, ok := testenv.ExtraCorpus(); ok {
		list = append(list, testenv.CorpusLines[Match](tb, "aare_match.jsonl.gz")...)
	}
	return list
}

// latin1 makes bytes of a string with a rune for each.
func latin1(s string) []byte {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return b
}

// Pair is two policies, and whether they are the same to the newest parser in
// Debian.
type Pair struct {
	ID, A, B, Features string
	Same               bool
	Note               string
}

// pairs are bodies of a profile that are the same to a reader, or not.
var pairs = [][2]string{
	{"/a r, /b w,", "/b w, /a r,"}, {"/a rw,", "/a r, /a w,"}, {"/a w,", "/a a,"}, {"/{a,b} r,", "/a r, /b r,"}, {"/[ab] r,", "/{a,b} r,"}, {"/a* r,", "/a** r,"}, {"/a/** r,", "/a/* r, /a/*/** r,"}, {"/a r,", "owner /a r,"},
	{"/a r, owner /a r,", "/a r,"}, {"deny /a r,", ""}, {"/a r, deny /a r,", "deny /a r,"}, {"audit /a r,", "/a r,"}, {"audit deny /a r,", "deny /a r,"}, {"allow /a r,", "/a r,"}, {"/a ix,", "/a rix,"}, {"/a px,", "/a Px,"}, {"/a px,", "/a pix,"}, {"/a px -> x,", "/a px -> y,"}, {"/a cx -> c,", "/a px -> t//c,"},
	{"/a px,", "safe /a px,"}, {"/a Px,", "safe /a px,"}, {"/a l,", "link /a -> /**,"}, {"link /a -> /b,", "link subset /a -> /b,"}, {"/a l -> /b,", "link /a -> /b,"}, {"/a k,", "/a l,"}, {"/a m,", "/a r,"}, {"file,", "/** rwlkmix,"}, {"file,", "/{**,} rwlkmix,"}, {"/a//b r,", "/a/b r,"}, {"\"/a\" r,", "/a r,"}, {`/\a r,`, "/a r,"},
	{"capability kill,", "capability chown,"}, {"capability kill chown,", "capability kill, capability chown,"}, {"capability kill, deny capability kill,", ""}, {"capability,", "capability kill,"}, {"audit capability kill,", "capability kill,"},
	{"network,", "network inet,"}, {"network inet stream,", "network inet tcp,"}, {"network tcp,", "network inet tcp, network inet6 tcp,"}, {"network inet, network inet6,", "network inet6, network inet,"}, {"deny network inet,", ""}, {"network inet dgram,", "network inet udp,"}, {"network inet raw,", "network inet dgram,"},
	{"signal send,", "signal w,"}, {"signal,", "signal (send receive),"}, {"signal set=kill,", "signal set=term,"}, {"signal set=(kill term),", "signal set=(term kill),"}, {"signal set=(kill term),", "signal set=kill, signal set=term,"}, {"signal peer=a,", "signal peer=b,"}, {"signal peer=t,", "signal peer=@{profile_name},"}, {"signal send peer=a, signal receive peer=a,", "signal peer=a,"},
	{"ptrace trace,", "ptrace w,"}, {"ptrace read,", "ptrace r,"}, {"ptrace,", "ptrace (trace read tracedby readby),"}, {"ptrace readby,", "ptrace read,"}, {"ptrace trace peer=a,", "ptrace trace,"},
	{"unix,", "unix (send receive),"}, {"unix type=stream,", "unix type=dgram,"}, {"unix addr=@a,", "unix addr=@b,"}, {"unix r,", "unix receive,"}, {"unix send peer=(label=a),", "unix send,"}, {"unix addr=none,", "unix,"}, {"unix bind addr=@a,", "unix addr=@a,"}, {"deny unix,", ""},
	{"dbus send,", "dbus w,"}, {"dbus,", "dbus (send receive bind eavesdrop),"}, {"dbus bus=system,", "dbus bus=session,"}, {"dbus send path=/a,", "dbus send path=/b,"}, {"dbus bind name=a,", "dbus name=a,"}, {"dbus send peer=(name=a),", "dbus send peer=(label=a),"}, {"dbus send interface=a,", "dbus send member=a,"}, {"deny dbus,", ""},
	{"mount,", "mount options=ro,"}, {"mount options=(ro nosuid),", "mount options=(nosuid ro),"}, {"mount options=ro,", "mount options in (ro),"}, {"mount /a -> /b,", "mount -> /b,"}, {"mount fstype=ext4,", "mount fstype=ext3,"}, {"mount options=bind /a -> /b,", "mount options=rbind /a -> /b,"}, {"mount options=rw /a -> /b,", "mount options=ro /a -> /b,"},
	{"umount,", "umount /a,"}, {"umount /a,", "unmount /a,"}, {"pivot_root,", "pivot_root /n/,"}, {"pivot_root oldroot=/o/ /n/,", "pivot_root /n/,"}, {"pivot_root /n/,", "pivot_root /n/ -> x,"}, {"mount options=shared /b,", "mount options=make-shared /b,"}, {"mount options=shared /b,", "mount options=rshared /b,"},
	{"change_profile,", "change_profile -> **,"}, {"change_profile -> a,", "change_profile -> b,"}, {"change_profile /x -> a,", "change_profile -> a,"}, {"change_profile safe /x -> a,", "change_profile /x -> a,"}, {"change_profile unsafe /x -> a,", "change_profile /x -> a,"},
	{"set rlimit cpu <= 60,", "set rlimit cpu <= 1min,"}, {"set rlimit data <= 1024K,", "set rlimit data <= 1M,"}, {"set rlimit nofile <= 5,", "set rlimit nofile <= 6,"}, {"set rlimit nofile <= infinity,", ""}, {"set rlimit nice <= 0,", "set rlimit nice <= 1,"}, {"set rlimit cpu <= 1hour,", "set rlimit cpu <= 60min,"},
	{"userns,", "userns create,"}, {"userns,", ""}, {"deny userns,", "userns,"}, {"io_uring,", "io_uring (sqpoll override_creds),"}, {"io_uring sqpoll,", "io_uring override_creds,"}, {"io_uring override_creds label=a,", "io_uring override_creds,"}, {"mqueue /a,", "mqueue /b,"}, {"mqueue,", "mqueue type=posix, mqueue type=sysv,"}, {"mqueue type=posix,", "mqueue type=sysv,"}, {"mqueue r /a,", "mqueue read /a,"},
	{"priority=1 /a r,", "/a r,"}, {"priority=1 /a r, deny /a r,", "/a r,"}, {"priority=-1 deny /a r, /a r,", "/a r,"}, {"^h { /a r, }", "hat h { /a r, }"}, {"^h { /a r, }", "^h { /b r, }"}, {"profile c { /a r, }", "^c { /a r, }"}, {"{ /a r, }", "/a r,"}, {"audit { /a r, }", "audit /a r,"}, {"deny { /a r, }", "deny /a r,"},
}

// Pairs returns pairs of policies, which are our own words.
func Pairs(tb testing.TB) []Pair {
	tb.Helper()
	reference := oracle.ParserOf(tb, oracle.Newest)
	names := []string{"features.all", "kernel-6.1", "kernel-7.3"}
	list := make([]Pair, len(pairs)*len(names))
	file := map[string]string{}
	for _, name := range names {
		file[name] = oracle.Features(tb, name)
	}
	inParallel(len(list), func(i int) {
		p, name := pairs[i%len(pairs)], names[i/len(pairs)]
		text := func(body string) string { return "profile t { " + body + " }\n" }
		one, err := reference.Compile(oracle.Job{Text: text(p[0]), Features: file[name]})
		other, err2 := reference.Compile(oracle.Job{Text: text(p[1]), Features: file[name]})
		if err != nil || err2 != nil {
			tb.Errorf("%q: %v, %v", p, err, err2)
			return
		}
		list[i] = Pair{ID: fmt.Sprintf("%s-%03d", name, i%len(pairs)), A: text(p[0]), B: text(p[1]), Features: name, Same: string(one) == string(other)}
	})
	if _, ok := testenv.ExtraCorpus(); ok {
		for _, c := range testenv.CorpusLines[struct {
			ID, A, B, Features, Note string
			Binary                   string `json:"upstream_6_0_binary"`
		}](tb, "pairs.jsonl.gz") {
			list = append(list, Pair{c.ID, c.A + "\n", c.B + "\n", c.Features, c.Binary == "same", c.Note})
		}
	}
	return list
}
