// SPDX-License-Identifier: Apache-2.0

package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/seeds"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// FuzzVerdicts holds our verdict on a text against those of Debian's
// apparmor_parser. The text is a rule or a statement of real policy, of which
// the fuzzer changes bytes, and words by edits.
//
// What is known to be judged differently is left out: see unlike. So is what
// the reference does not answer: it is another program's trouble.
func FuzzVerdicts(f *testing.F) {
	j := newJudges(f)
	rules := seeds.Rules(f, 50)
	for i, text := range append(rules, seeds.Statements(f, 15)...) {
		f.Add(text, i < len(rules), []byte(nil))
		f.Add(text, i < len(rules), []byte{byte(i), byte(i / 5), byte(i / 3)})
	}
	f.Fuzz(func(t *testing.T, text string, rule bool, edits []byte) {
		watch(t)
		if len(text) > 512 || len(edits) > 24 {
			return
		}
		// One reference for each text: a run takes as long as a thousand inputs of
		// other targets.
		one := *j
		one.reference = j.reference[len(text)%2:][:1]
		one.judge(t, j.edited(text, rule, edits), one.ask)
	})
}

// TestVerdicts is a sample of FuzzVerdicts: two edits of each of many rules.
func TestVerdicts(t *testing.T) {
	j := newJudges(t)
	n := 150
	if testing.Short() {
		n = 40
	}
	rules := seeds.Rules(t, n)
	r := rand.New(rand.NewPCG(1, 1))
	agreed := map[bool]int{}
	for i, text := range append(rules, seeds.Statements(t, n/4)...) {
		for range 2 {
			edits := make([]byte, 3*(1+r.IntN(4)/3))
			for k := range edits {
				edits[k] = byte(r.Uint32())
			}
			if accepted, ok := j.judge(t, j.edited(text, i < len(rules), edits), j.remembered); ok {
				agreed[accepted]++
			}
		}
	}
	t.Logf("%d accepted and %d refused by all", agreed[true], agreed[false])
	if agreed[true] < n/4 || agreed[false] < n/4 {
		t.Error("less than a quarter is accepted, or refused, by all")
	}
}

// judges are the programs whose verdicts are compared.
type judges struct {
	kernel    *features.Set
	file      string // of the kernel's features
	dir       string // empty
	reference []oracle.ApparmorParser
	words     []string
}

func newJudges(tb testing.TB) *judges {
	tb.Helper()
	j := &judges{words: append([]string{
		"audit", "deny", "allow", "owner", "file", "r", "w", "rwk", "px", "Cx", "ix", "->", ",", "(", ")", "=", "{", "}", "\"", "*", "**", "?", "[a-c]", "[^/]",
		"{a,b}", "{,a}", "\\", "@{V}", "@{profile_name}", "peer=", "peer=(label=x)", "label=x", "addr=@a", "set=(hup,term)", "send", "receive", "bus=session",
		"options=(ro)", "fstype=ext4", "inet", "stream", "tcp", "signal", "ptrace", "unix", "dbus", "mount", "umount", "pivot_root", "capability", "network",
		"set", "rlimit", "data", "hup", "all", "bind", "trace", "read", "tracedby", "cap_chown", "chown", "sys_admin", "dgram", "raw", "unspec", "inet6", "netlink",
		"rw", "ra", "wa", "rm", "mrix", "pux", "Pix", "cux", "ux", "Ux", "pix", "rx", "x", "k", "l", "rl", "m", "rpx", "rcx", "wix", "lk", "remount", "session", "system",
		"path=/a", "interface=a.b", "member=M", "name=a.b", "peer=(name=a)", "type=stream", "protocol=0", "option=rw", "options=(ro,bind)", "fstype=(a,b)", "peer=a",
		"peer=(addr=none)", "addr=none", "opt=ip", "set=(rtmin+3)", "set=rtmin+33", "label=\"a b\"", "flags=(complain)", "flags=(a)", "xattrs=(a=b)", "ip=::1", "port=1-2",
		"change_profile", "userns", "io_uring", "mqueue", "priority=1", "include", "if", "true", "not", "#", "\n", "<=", "1", "MB", "^h", ":ns:", "&a", "//",
	}, seeds.Words(tb, 150)...)}
	for _, suite := range []string{oracle.Trixie, oracle.Newest} {
		j.reference = append(j.reference, oracle.ParserOf(tb, suite))
	}
	j.kernel = oracle.FeatureSet(tb, "features.all")
	j.file = oracle.Features(tb, "features.all")
	j.dir = tb.TempDir()
	return j
}

// edit changes the words of a text: each three bytes say how, where, and with
// what. Half of the ways put a word in the place of one of its kind, so that
// most of what comes out is close to what is valid. The comma at the end of a
// rule stays, but for the edits that say otherwise.
func (j *judges) edit(text string, edits []byte) string {
	text, comma := strings.CutSuffix(text, ",")
	words := strings.Fields(text)
	for ; len(edits) >= 3 && len(words) > 0; edits = edits[3:] {
		at, by := int(edits[1])%len(words), int(edits[2])
		word := j.words[by%len(j.words)]
		switch edits[0] % 16 {
		case 0:
			words = append(words[:at], words[at+1:]...)
		case 1:
			words[at] = word
		case 2:
			words = slices.Insert(words, at+1, word)
		case 3:
			words[at] += word
		case 4:
			words[at] = word + words[at]
		case 5:
			other := by % len(words)
			words[at], words[other] = words[other], words[at]
		case 6:
			cut := by % (len(words[at]) + 1)
			words[at] = words[at][:cut] + words[at][min(cut+1, len(words[at])):]
		case 7:
			cut := by % (len(words[at]) + 1)
			words[at] = words[at][:cut] + word + words[at][cut:]
		case 8:
			comma = !comma
		case 9:
			words = slices.Insert(words, 0, qualifiers[by%len(qualifiers)])
		default:
			words[at] = j.like(words[at], by)
		}
	}
	if text = strings.Join(words, " "); comma {
		text += ","
	}
	return text
}

// qualifiers may be before most rules.
var qualifiers = []string{"audit", "deny", "allow", "owner", "priority=3", "priority=-1001", "audit deny", "quiet", "prompt", "other", "access"}

// kinds tell words apart that are in the places of each other.
var kinds = []*regexp.Regexp{
	regexp.MustCompile(`^["]?[/@]`), regexp.MustCompile(`^[rwaklmixpPcCuU]+$`), regexp.MustCompile(`=`), regexp.MustCompile(`^[a-z_]+$`),
}

// like returns a word of the kind that a word is.
func (j *judges) like(word string, by int) string {
	for _, k := range kinds {
		if !k.MatchString(word) {
			continue
		}
		for i := range j.words {
			if w := j.words[(by*7+i)%len(j.words)]; w != word && k.MatchString(w) {
				return w
			}
		}
	}
	return j.words[by%len(j.words)]
}

// edited is a text with edits, as policy: a rule in a profile, and before it the
// variables that it names.
func (j *judges) edited(text string, rule bool, edits []byte) string {
	text = j.edit(text, edits)
	if !rule {
		return text + "\n"
	}
	var b strings.Builder
	names := variable.FindAllString(text, -1)
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(builtin, name) })
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		fmt.Fprintf(&b, "%s=/v /w/x\n", name)
	}
	return b.String() + "profile t /t {\n" + text + "\n}\n"
}

// builtin are variables that are there without a definition.
var builtin = []string{"@{profile_name}", "@{exec_path}", "@{attach_path}"}

var variable = regexp.MustCompile(`@\{[A-Za-z][A-Za-z0-9_]*\}`)

// judge compares the verdicts. It returns ours, and whether all agree.
func (j *judges) judge(t *testing.T, text string, ask func(*testing.T, int, string) (string, bool)) (accepted, agreed bool) {
	// Files are another matter: the reference may read those of the machine.
	if strings.Contains(text, "include") || strings.Contains(text, "abi") {
		return false, false
	}
	ours := j.ours(t.Context(), text)
	if errors.Is(ours, diag.ErrLimit) || errors.Is(ours, context.Canceled) {
		return false, false
	}
	for i := range j.reference {
		message, ok := ask(t, i, text)
		if !ok {
			return false, false
		}
		if (ours == nil) == (message == "") {
			continue
		}
		if name := unlike(text, ours == nil); name != "" {
			return false, false
		}
		t.Errorf("%s\nours: %v\n%s: %s", text, ours, j.reference[i].Version(), message)
		return false, false
	}
	return ours == nil, true
}

// differences are the rows of docs/differences-from-apparmor_parser.md on what is
// accepted and refused that edits of rules come to. Each has an example.
var differences = []struct {
	name    string
	ours    bool // whether we accept
	text    *regexp.Regexp
	example string
}{
	{"a variable before a parenthesis", true, regexp.MustCompile(`@\{\w+\} *\)`), "@{V}=a\nprofile t { if (true and @{V} == @{V}) { } }"},
	{"a variable alone in pivot_root", true, regexp.MustCompile(`pivot_root.*@\{\w+\}`), "@{V}=/a\nprofile t { pivot_root @{V}, }"},
	{"a question mark after a variable", true, regexp.MustCompile(`@\{\w+\}\?`), "@{V}=/a\nprofile t { @{V}?b r, }"},
	{"change_profile in a block", true, regexp.MustCompile(`\{[^}]*\{[^}]*change_profile`), "profile t { audit { change_profile /a -> b, } }"},
	{"a backslash after a comma", true, regexp.MustCompile(`,\\`), "profile t { /a,\\ b r, }"},
	{"mount options that fit no operation", true, regexp.MustCompile(`mount.*option`), "profile t { mount options=(rw,shared) /a -> /b, }"},
	{"an empty target", false, regexp.MustCompile(`-> *""`), "profile t { /a px -> \"\", }"},
	{"remount by type", false, regexp.MustCompile(`remount.*fstype`), "profile t { remount fstype=ext4 /a, }"},
	{"an empty class", false, regexp.MustCompile(`\[\^?\]`), "profile t { /a[][*] r, }"},
	{"addresses of variables", false, regexp.MustCompile(`addr *=.*@\{`), "@{V}=\"a b\"\nprofile t { unix addr=@{V}, }"},
	{"numbers of limits", false, regexp.MustCompile(`rlimit.*<=.*\d`), "profile t { set rlimit data <= 08, }"},
	{"an alias to a name that is not a path", false, regexp.MustCompile(`alias .*-> *"?[^/" ]`), "alias /a -> b,\nprofile t { }"},
	{"a NUL byte", false, regexp.MustCompile(`\x00`), "profile t {\n/\x00/ rw,\n}"},
	{"a rule that is lost in a block", false, regexp.MustCompile(`\{[^}]*\{[^}]*,`), "profile t { { dbus path=/a{b, } }"},
}

// unlike returns the difference that explains two verdicts, if one does.
func unlike(text string, accepted bool) string {
	for _, d := range differences {
		if d.ours == accepted && d.text.MatchString(text) {
			return d.name
		}
	}
	return ""
}

// TestVerdictsUnlike checks that each of the differences is one, with one of the
// references at least, and is told.
func TestVerdictsUnlike(t *testing.T) {
	j := newJudges(t)
	for _, d := range differences {
		text := d.example + "\n"
		err := j.ours(t.Context(), text)
		differs := false
		for i := range j.reference {
			message, ok := j.remembered(t, i, text)
			differs = differs || ok && (err == nil) != (message == "")
		}
		if (err == nil) != d.ours || !differs || unlike(text, d.ours) != d.name {
			t.Errorf("%s: ours %v, differs %v, told as %q", d.name, err, differs, unlike(text, d.ours))
		}
	}
}

// ours is why we refuse a text.
func (j *judges) ours(ctx context.Context, text string) error {
	unit, err := parser.Config{Limits: parseLimits}.ParseTree(ctx, "main", text)
	if err != nil {
		return err
	}
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: j.kernel, Limits: resolveLimits})
	if err != nil {
		return err
	}
	for _, p := range set.Profiles {
		p.ABI = nil // the kernel's set is the policy's, too
	}
	for _, s := range compile.ByNamespace(set) {
		if _, err := compile.Compile(ctx, s, compile.Options{Kernel: j.kernel, Degrade: compile.Report, Limits: compileLimits}); err != nil {
			return err
		}
	}
	return nil
}

// flags make the reference judge, and do nothing else.
var flags = []string{"-Q", "-K", "-q"}

// ask returns why a reference refuses a text, empty if it does not. It does not
// answer if it was killed or takes long.
func (j *judges) ask(t *testing.T, reference int, text string) (message string, ok bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := j.reference[reference].Command()
	args := append(command[1:len(command):len(command)], flags...)
	cmd := exec.CommandContext(ctx, command[0], append(args, "--config-file=/dev/null", "-b", j.dir, "-M", j.file)...)
	cmd.Dir = j.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + j.dir, "LC_ALL=C"}
	cmd.Stdin = strings.NewReader(text)
	var said bytes.Buffer
	cmd.Stderr = &said
	return verdict(cmd.Run() != nil, cmd.ProcessState.ExitCode(), said.String())
}

// remembered is ask with the answers that were given before.
func (j *judges) remembered(_ *testing.T, reference int, text string) (message string, ok bool) {
	a := j.reference[reference].Run(oracle.Job{Text: text, Features: j.file}, flags...)
	return verdict(a.Failed != "", a.Exit, a.Stderr)
}

func verdict(failed bool, exit int, said string) (message string, ok bool) {
	if !failed {
		return "", true
	}
	return fmt.Sprintf("status %d: %s", exit, said), exit > 0
}
