// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// Equality is texts of which the first means the same as each other one, or
// not.
type Equality struct {
	ID, Op   string // Op is equal or not_equal
	Profiles []string
	Features string // name of a feature file
}

// equalitySample is how many of the 44,000 cases are run where not everything
// is: most are the same with other priorities.
const equalitySample = 1500

// recordEquality has upstream's script of cases name them instead of running
// a parser. It cannot define its functions that run one: they are there and
// cannot be changed. Those that compare priorities are replaced because they
// start a process for each number.
const recordEquality = `
verify_binary() { printf '%s\0%s\0%s\0' "$1" "$features_file" "$(($#-2))"; shift 2; printf '%s\0' "$@"; }
verify_binary_equality() { verify_binary equality "$@"; }
verify_binary_inequality() { verify_binary inequality "$@"; }
verify_binary_xequality() { verify_binary xequality "$@"; }
verify_binary_xinequality() { verify_binary xinequality "$@"; }
number() { REPLY=${1#priority=}; REPLY=${REPLY:-0}; }
priority_eq() { number "$1"; local a=$REPLY; number "$2"; [ "$a" -eq "$REPLY" ]; }
priority_lt() { number "$1"; local a=$REPLY; number "$2"; [ "$a" -lt "$REPLY" ]; }
priority_gt() { number "$1"; local a=$REPLY; number "$2"; [ "$a" -gt "$REPLY" ]; }
readonly -f verify_binary verify_binary_equality verify_binary_inequality
readonly -f verify_binary_xequality verify_binary_xinequality priority_eq priority_lt priority_gt
printf() { case "$1" in *'\0'*) builtin printf "$@";; esac; }
echo() { :; }
source ./equality.sh
`

// EqualityCases returns upstream's cases on texts of equal meaning: those
// without priorities and a sample of the others, see testenv.Full.
func EqualityCases(tb testing.TB) []Equality {
	tb.Helper()
	src := source(tb)
	bash := testenv.Command(tb, "bash", "bash")
	all := deriveValue(tb, "equality-"+upstreamName(src), func() ([]Equality, error) {
		cmd := exec.Command(bash, "-c", recordEquality)
		cmd.Dir = src
		cmd.Env = append(os.Environ(), "TMPDIR="+tb.TempDir())
		out, err := cmd.Output()
		if err != nil && len(out) == 0 {
			return nil, err // it says with its status that nothing was equal
		}
		return parseEquality(out)
	})
	if len(all) < 40_000 {
		tb.Fatalf("only %d cases", len(all))
	}
	var plain, prioritized []Equality
	for _, c := range all {
		if strings.Contains(strings.Join(c.Profiles, ""), "priority=") {
			prioritized = append(prioritized, c)
		} else {
			plain = append(plain, c)
		}
	}
	cases := append(plain, sample(prioritized, equalitySample)...)
	if _, ok := testenv.ExtraCorpus(); ok {
		file := "equality_core.jsonl.gz"
		if testenv.Full() {
			file = "equality.jsonl.gz"
		}
		for _, c := range testenv.CorpusLines[Equality](tb, file) {
			c.ID = "extra-" + c.ID
			cases = append(cases, c)
		}
	}
	return cases
}

func parseEquality(out []byte) ([]Equality, error) {
	var all []Equality
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for len(words) > 0 {
		if len(words) < 3 {
			return nil, fmt.Errorf("the recording ends with %q", words)
		}
		n, err := strconv.Atoi(words[2])
		if err != nil || n < 2 || len(words) < 3+n {
			return nil, fmt.Errorf("the recording has %q for the number of profiles", words[2])
		}
		op := map[string]string{"equality": "equal", "inequality": "not_equal"}[words[0]]
		if op != "" { // else upstream expects that it fails
			all = append(all, Equality{fmt.Sprintf("e%05d", len(all)), op, words[3 : 3+n], words[1]})
		}
		words = words[3+n:]
	}
	return all, nil
}

// Minimize is a profile with the number of accepting states that remain of
// its automata.
type Minimize struct {
	ID, Profile, Features string
	Optimize              []string
	Expected              int
}

var minimizeCase = regexp.MustCompile(`echo "([^"]*)" \| \$\{APPARMOR_PARSER\} -M features_files/(\S+) (.*?) 2>&1 .* -ne (\d+) \]`)

// MinimizeCases returns upstream's cases on the minimization of automata.
func MinimizeCases(tb testing.TB) []Minimize {
	tb.Helper()
	script, err := os.ReadFile(filepath.Join(source(tb), "minimize.sh"))
	if err != nil {
		tb.Fatal(err)
	}
	var cases []Minimize
	for i, m := range minimizeCase.FindAllSubmatch(script, -1) {
		n, err := strconv.Atoi(string(m[4]))
		if err != nil {
			tb.Fatal(err)
		}
		c := Minimize{ID: fmt.Sprintf("m%02d", i), Profile: string(m[1]), Features: string(m[2]), Expected: n}
		options := strings.Fields(string(m[3]))
		for i, o := range options {
			if o == "-O" && i+1 < len(options) && options[i+1] != "minimize" {
				c.Optimize = append(c.Optimize, options[i+1])
			}
		}
		cases = append(cases, c)
	}
	if len(cases) < 10 {
		tb.Fatalf("only %d cases", len(cases))
	}
	return cases
}

// Message is a policy file with what the reference says of it.
type Message struct {
	Args   []string
	Input  string // file in the folder
	Status int
	Stderr string
	// Where an error or warning is, if Stderr has one in the form that names
	// a file and line.
	Warning bool
	File    string
	Line    int
}

var (
	errorForm   = regexp.MustCompile(`^AppArmor parser error for .+ in profile (.+) at line (\d+): `)
	warningForm = regexp.MustCompile(`^Warning from .+ \((.+) line (\d+)\): `)
)

// Messages returns upstream's policy files on messages, and the folder that
// they are in with what they include, which is where a parser has to run.
func Messages(tb testing.TB) (dir string, cases []Message) {
	tb.Helper()
	dir = source(tb)
	reference := oracle.ParserOf(tb, oracle.Newest)
	names, err := filepath.Glob(filepath.Join(dir, "errors", "*.sd"))
	if err != nil || len(names) < 6 {
		tb.Fatalf("only %d files in %s: %v", len(names), filepath.Join(dir, "errors"), err)
	}
	features := filepath.Join(dir, "features_files", "features.all")
	for _, name := range names {
		c := Message{Input: "errors/" + filepath.Base(name)}
		if strings.HasPrefix(filepath.Base(name), "deprecation") {
			c.Args = []string{"--warn=deprecated"}
		}
		a := reference.Run(oracle.Job{
			File: c.Input, Dir: dir, Features: features, Include: []string{"errors"}, Args: c.Args,
		}, "-Q", "-K", "-S")
		c.Status, c.Stderr = a.Exit, a.Stderr
		form := errorForm
		if strings.HasPrefix(c.Stderr, "Warning") {
			c.Warning, form = true, warningForm
		}
		if m := form.FindStringSubmatch(c.Stderr); m != nil {
			c.File = m[1]
			c.Line, _ = strconv.Atoi(m[2])
		}
		cases = append(cases, c)
	}
	return dir, cases
}

// Directories returns upstream's cases on directories of profiles, copied to
// a temporary one with their links, and the names in the one that is good.
func Directories(tb testing.TB) (dir string, names []string) {
	tb.Helper()
	src := filepath.Join(source(tb), "dirtest")
	dir = tb.TempDir()
	err := filepath.WalkDir(src, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dir, rel)
		switch {
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case d.Type()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(target, to)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := os.ReadFile(filepath.Join(src, "dirtest.out"))
	if err != nil {
		tb.Fatal(err)
	}
	return dir, strings.Fields(string(bytes.TrimSpace(out)))
}
