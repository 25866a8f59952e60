// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// transition is what becomes of a program that a confined one executes.
type transition struct {
	program string // in /usr/bin/t; it is also the end of the rule's path
	rule    string // what follows the path in the rule; empty: there is none
	label   string // empty: the exec is denied
	secure  bool   // whether the kernel tells the program not to trust its environment
}

// transitions are all ways to say what an executed program runs under.
var transitions = []transition{
	{program: "none"},
	{program: "ix", rule: "ix", label: "t"},
	{program: "px", rule: "px", label: "attached"},
	{program: "px-safe", rule: "Px", label: "attached", secure: true},
	{program: "px-none", rule: "px"},
	{program: "px-to", rule: "px -> named", label: "named"},
	{program: "px-to-safe", rule: "Px -> named", label: "named", secure: true},
	{program: "px-to-gone", rule: "px -> gone"},
	{program: "px-to-child", rule: "px -> t//sub", label: "t//sub"},
	{program: "px-to-ns", rule: "px -> :tns:inside", label: ":tns:inside"},
	// What the path leads to, and the profile that is named with it.
	{program: "px-stack", rule: "px -> &named"},
	{program: "px-stacked", rule: "px -> &named", label: "attached//&named"},
	{program: "pix-stack", rule: "pix -> &named", label: "t//&named"},
	{program: "cx", rule: "cx", label: "t//child"},
	{program: "cx-safe", rule: "Cx", label: "t//child", secure: true},
	{program: "cx-none", rule: "cx"},
	{program: "cx-to", rule: "cx -> sub", label: "t//sub"},
	{program: "cx-to-safe", rule: "Cx -> sub", label: "t//sub", secure: true},
	{program: "ux", rule: "ux", label: "unconfined"},
	{program: "ux-safe", rule: "Ux", label: "unconfined", secure: true},
	{program: "pix", rule: "pix", label: "attached"},
	{program: "pix-safe", rule: "Pix", label: "attached", secure: true},
	{program: "pix-none", rule: "pix", label: "t"},
	{program: "pix-to", rule: "pix -> named", label: "named"},
	{program: "pix-to-gone", rule: "pix -> gone", label: "t"},
	{program: "pux", rule: "pux", label: "attached"},
	{program: "pux-safe", rule: "PUx", label: "attached", secure: true},
	{program: "pux-none", rule: "pux", label: "unconfined"},
	{program: "pux-none-safe", rule: "PUx", label: "unconfined", secure: true},
	{program: "pux-to-gone", rule: "pux -> gone", label: "unconfined"},
	{program: "cix", rule: "cix", label: "t//child"},
	{program: "cix-safe", rule: "Cix", label: "t//child", secure: true},
	{program: "cix-none", rule: "cix", label: "t"},
	{program: "cix-to", rule: "cix -> sub", label: "t//sub"},
	{program: "cux", rule: "cux", label: "t//child"},
	{program: "cux-safe", rule: "CUx", label: "t//child", secure: true},
	{program: "cux-none", rule: "cux", label: "unconfined"},
	{program: "cux-none-safe", rule: "CUx", label: "unconfined", secure: true},
	{program: "denied", rule: "ix,\ndeny /usr/bin/t/denied x"},
	// The exact path outweighs the pattern.
	{program: "exact", rule: "px -> named,\n/usr/bin/t/exac? ix", label: "named"},
	{program: "pattern", rule: "px -> named,\npriority=1 /usr/bin/t/patter? ix", label: "t"},
}

// programs returns a pattern for the programs of which the name begins with
// one of the words.
func programs(words ...string) string {
	return "/usr/bin/t/{" + strings.Join(words, ",") + "}{,-safe}"
}

// TestTransitions executes programs by rules of every kind.
func TestTransitions(t *testing.T) {
	k := kernel(t)
	ns := namespace(t, k, "tns")
	loadText(t, ns, "abi <kernel>,\nprofile inside {"+inTransition+"}")
	var text strings.Builder
	text.WriteString("abi <kernel>,\nprofile attached " + programs("px", "px-stacked", "pix", "pux") + " {" + inTransition + "}\n")
	text.WriteString("profile named {" + inTransition + "/usr/bin/t/ix px -> sibling,\n/usr/bin/t/pux-none ix,\n}\n")
	text.WriteString("profile sibling {" + inTransition + "}\n")
	text.WriteString("profile t {" + inTransition)
	for _, c := range transitions {
		if c.rule != "" {
			text.WriteString("/usr/bin/t/" + c.program + " " + c.rule + ",\n")
		}
	}
	text.WriteString("profile child " + programs("cx", "cix", "cux") + " {" + inTransition + "}\n")
	text.WriteString("profile sub {" + inTransition + "}\n")
	text.WriteString("}\n")
	loadText(t, k, text.String())
	for _, c := range transitions {
		other(t, "/usr/bin/t/"+c.program)
	}
	subject, free := confine(t, k, "t"), unconfined(t)

	for _, c := range transitions {
		t.Run(c.program, func(t *testing.T) {
			wantTransition(t, k, subject, c)
			if c.label == "" {
				wantTransition(t, k, free, transition{program: c.program, label: "unconfined"})
			}
		})
	}
	t.Run("attached from outside", func(t *testing.T) {
		// What a program that is not confined executes is confined by the
		// profile that has its path, and may trust its environment.
		wantTransition(t, k, free, transition{program: "pix", label: "attached"})
		wantTransition(t, k, free, transition{program: "cix", label: "unconfined"})
	})
	t.Run("stacked", func(t *testing.T) {
		// Each profile of the stack goes its own way, and all must allow it.
		both := confine(t, k, "t//&named")
		wantTransition(t, k, both, transition{program: "ix", label: "t//&sibling"})
		wantTransition(t, k, both, transition{program: "pux-none", label: "named//&unconfined"})
		wantTransition(t, k, both, transition{program: "pix"})
	})
	t.Run("owner", func(t *testing.T) {
		loadText(t, k, "abi <kernel>,\nprofile keeper {"+inTransition+"owner /usr/bin/t/copy px -> named,\n}")
		keeper := confine(t, k, "keeper")
		data, err := os.ReadFile("/init")
		if err != nil {
			t.Fatal(err)
		}
		const path = "/usr/bin/t/copy"
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
		removeLater(t, path)
		wantTransition(t, k, keeper, transition{program: "copy", label: "named"})
		if err := os.Chown(path, 1, 1); err != nil {
			t.Fatal(err)
		}
		wantTransition(t, k, keeper, transition{program: "copy"})
		wantTransition(t, k, free, transition{program: "copy", label: "unconfined"})
	})
}

// inTransition is what programs need on either side of an exec.
const inTransition = base + `
	/usr/bin/t/* mr,
	signal,
	ptrace,
`

// wantTransition has a probe execute a program, and looks at what became of
// it.
func wantTransition(t *testing.T, k *loader.Kernel, p *probe, c transition, onExec ...string) {
	t.Helper()
	args := append([]string{"/usr/bin/t/" + c.program}, onExec...)
	if c.label == "" {
		p.want(t, syscall.EACCES, "start", args...)
		return
	}
	o := p.want(t, 0, "start", args...)
	pid, err := strconv.Atoi(o.Out)
	if err != nil {
		t.Fatalf("%s: no process", c.program)
	}
	if l, err := k.Label(pid); err != nil || !l.Is(c.label) {
		t.Errorf("%s runs under %q, %v; want %q", c.program, l, err, c.label)
	}
	if got := p.want(t, 0, "was secure", o.Out).Out; got != strconv.FormatBool(c.secure) {
		t.Errorf("%s: secure %s, want %v", c.program, got, c.secure)
	}
	p.want(t, 0, "stop", o.Out)
}

// TestChangeRules changes the profile at the next exec, as change_profile
// rules with and without a program allow it.
func TestChangeRules(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile changer {`+inTransition+`
	change_profile /usr/bin/t/one -> named,
	change_profile unsafe /usr/bin/t/two -> named,
	change_profile safe /usr/bin/t/three -> named,
	change_profile -> anywhere,
	change_profile -> {prefix-,}pattern,
	change_profile -> &stacked,
}
profile denier {`+inTransition+`
	change_profile -> {prefix-,}pattern,
	deny change_profile -> prefix-pattern,
}
profile narrow {`+inTransition+`
	change_profile /usr/bin/t/one -> named,
}
profile named {`+inTransition+`}
profile anywhere {`+inTransition+`}
profile stacked {`+inTransition+`}
profile pattern {`+inTransition+`}
profile prefix-pattern {`+inTransition+`}
profile other {`+inTransition+`}
`)
	for _, name := range []string{"one", "two", "three", "four"} {
		other(t, "/usr/bin/t/"+name)
	}
	subject, denier, narrow, free := confine(t, k, "changer"), confine(t, k, "denier"), confine(t, k, "narrow"), unconfined(t)
	for _, c := range []struct {
		program, label string
		ok, secure     bool
	}{
		{"one", "named", true, true},
		{"two", "named", true, false},
		{"three", "named", true, true},
		{"four", "named", false, false},
		{"one", "anywhere", true, true},
		{"four", "anywhere", true, true},
		{"one", "prefix-pattern", true, true},
		{"one", "other", false, false},
		{"one", "unconfined", false, false},
	} {
		want := transition{program: c.program, secure: c.secure}
		if c.ok {
			want.label = c.label
		}
		wantTransition(t, k, subject, want, "exec "+c.label)
		wantTransition(t, k, free, transition{program: c.program, label: c.label}, "exec "+c.label)
	}
	t.Run("no rule for the program", func(t *testing.T) {
		wantTransition(t, k, narrow, transition{program: "one", label: "named", secure: true}, "exec named")
		// Kernels look whether any rule speaks of the program, and whatever
		// they find let the exec go on.
		wantTransition(t, k, narrow, transition{program: "four", label: "named"}, "exec named")
	})
	t.Run("change_profile at once", func(t *testing.T) {
		for label, want := range map[string]syscall.Errno{
			"anywhere": 0, "pattern": 0, "prefix-pattern": 0,
			// A rule with a program allows it without as well.
			"named": 0,
			"other": syscall.EACCES, "unconfined": syscall.EACCES, "gone": syscall.ENOENT,
		} {
			subject.want(t, want, "label", label)
		}
		denier.want(t, 0, "label", "pattern")
		denier.want(t, syscall.EACCES, "label", "prefix-pattern")
		free.want(t, 0, "label", "prefix-pattern")
	})
	t.Run("stack", func(t *testing.T) {
		for _, c := range []struct {
			label string
			want  syscall.Errno
		}{{"stacked", 0}, {"other", syscall.EACCES}, {"gone", syscall.ENOENT}} {
			subject.want(t, c.want, "stack", c.label)
		}
		free.want(t, 0, "stack", "other")
	})
}

// TestHats changes hats with right and wrong tokens.
func TestHats(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile hatted {`+inTransition+`
	/usr/bin/t/ix ix,
	^one {`+inTransition+`
		/usr/bin/t/ix ix,
		/usr/bin/t/px px -> hatted,
	}
	^two {`+inTransition+`}
	profile nohat {`+inTransition+`}
}
profile bare {`+inTransition+`}
`)
	const token, wrong = "0123456789abcdef", "0123456789abcdee"
	hatted := confine(t, k, "hatted")
	hatted.want(t, 0, "hats", "one", token, token)
	hatted.want(t, 0, "hats", "two", token, token)
	hatted.want(t, syscall.ENOENT, "hats", "three", token, token)
	hatted.want(t, syscall.EPERM, "hats", "nohat", token, token)
	hatted.want(t, 0, "hats", "three\x00two", token, token)
	hatted.want(t, syscall.EINVAL, "hats", "one", "0", "0")
	confine(t, k, "bare").want(t, syscall.ECHILD, "hats", "one", token, token)
	unconfined(t).want(t, syscall.EPERM, "hats", "one", token, token)

	// The kernel lets nobody try tokens.
	hatted.wantKilled(t, syscall.SIGKILL, "hats", "one", token, wrong)
}

// TestXattrAttachment has the kernel choose profiles by the extended
// attributes of programs.
func TestXattrAttachment(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile plain /usr/bin/t/x* {`+inTransition+`}
profile typed /usr/bin/t/x* xattrs=(trusted.type=server*) {`+inTransition+`}
profile both /usr/bin/t/x* xattrs=(trusted.type=server* trusted.level=?) {`+inTransition+`}
`)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !set.Supports(features.Xattrs) {
		t.Fatal("the kernel does not show features.Xattrs, which every kernel has")
	}
	path := other(t, "/usr/bin/t/xattr")
	free := unconfined(t)
	for _, c := range []struct{ kind, level, want string }{
		{"", "", "plain"},
		{"server1", "", "typed"},
		{"client", "", "plain"},
		{"server", "7", "both"},
		{"server", "77", "typed"},
	} {
		for name, value := range map[string]string{"trusted.type": c.kind, "trusted.level": c.level} {
			if value == "" {
				removeXattr(t, path, name)
			} else if err := unix.Setxattr(path, name, []byte(value), 0); err != nil {
				t.Fatal(err)
			}
		}
		wantTransition(t, k, free, transition{program: "xattr", label: c.want})
	}
	for _, name := range []string{"trusted.type", "trusted.level"} {
		removeXattr(t, path, name)
	}
}

func removeXattr(t *testing.T, path, name string) {
	t.Helper()
	if err := unix.Removexattr(path, name); err != nil && !errors.Is(err, unix.ENODATA) {
		t.Fatal(err)
	}
}

// TestLikeText asks kernels what two texts mean of which apparmor_parser 5.0.2 and
// 6.0 make something else: see docs/differences-from-apparmor_parser.md.
func TestLikeText(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile same {`+inTransition+`
	/files/secret r,
	change_profile -> /files/secret,
}
profile /files/secret {`+inTransition+`}
profile n {`+inTransition+`
	profile c {`+inTransition+`
		/usr/bin/t/nested cx -> g,
		profile g {`+inTransition+`}
	}
}
`)
	other(t, "/usr/bin/t/nested")
	same := confine(t, k, "same")
	same.want(t, 0, "read", "/files/secret")
	wantTransition(t, k, same, transition{program: "nested", label: "/files/secret", secure: true}, "exec /files/secret")
	wantTransition(t, k, confine(t, k, "n//c"), transition{program: "nested", label: "n//c//g"})
}
