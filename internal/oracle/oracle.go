// SPDX-License-Identifier: Apache-2.0

// Package oracle runs the reference programs of Debian for tests:
// apparmor_parser of a suite, and libvirt's virt-aa-helper. What they do is
// what this module's own packages are held against. The programs come out of
// packages in the cache folder, with the libraries that they were built for;
// where they cannot be fetched the test is skipped, see package testenv.
//
// Every run has a temporary directory of its own for working directory and
// base directory, reads no configuration and writes no cache of policy. What a
// parser said is kept in the cache folder under everything that it depends on:
// the version, the arguments, the text, the features and the files that may be
// included. A second run of a test asks there.
package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// DefaultTimeout is how long a run may take unless its Job says otherwise.
const DefaultTimeout = 2 * time.Minute

// Suites of Debian by the release of apparmor_parser that they have. Only the
// first two never move.
const (
	Bookworm = "bookworm" // 3.0.8
	Trixie   = "trixie"   // 4.1.0
	Newest   = "sid"      // 5.0.2 in November 2026
)

// ApparmorParser is Debian's apparmor_parser. It is safe for concurrent use.
type ApparmorParser struct {
	tb      testing.TB
	command []string
	version string
	plain   bool // compresses unless it is told not to
	answers answers
}

// Parser fetches apparmor_parser 3.0.8, or skips the test.
func Parser(tb testing.TB) ApparmorParser {
	tb.Helper()
	return ParserOf(tb, Bookworm)
}

// ParserOf fetches the apparmor_parser of a suite, or skips the test.
func ParserOf(tb testing.TB, suite string) ApparmorParser {
	tb.Helper()
	tree := testenv.Packages(tb, debian.Binary{Suite: suite, Names: []string{"apparmor"}, Libraries: true})
	command, err := tree.Command("/sbin/apparmor_parser")
	if err != nil {
		tb.Fatal(err)
	}
	cache := testenv.CacheDir(tb)
	return ApparmorParser{tb, command, tree.Version(), suite == Newest, answers{filepath.Join(cache, "answers", "apparmor_parser-"+tree.Version()), cache}}
}

// Command returns the program with its first arguments.
func (p ApparmorParser) Command() []string { return p.command }

// Job is what a run of the parser works on. Beside the text everything is
// optional.
type Job struct {
	Text     string   // given on standard input, unless File is set
	File     string   // name of a file
	Features string   // feature file of the kernel; needed by Compile and Accepts
	Base     string   // directory of `-b`, below which <magic> includes are found; empty: an empty one
	Include  []string // directories that are searched before it
	Dir      string   // working directory; empty: an empty one
	Args     []string // further arguments
	Timeout  time.Duration
}

// Error is a run that failed.
type Error struct {
	Args   []string
	Exit   int // exit status; -1 when the program was killed
	Stderr string
	Err    error
}

// Error returns the status and the last line of what the program said.
func (e *Error) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Stderr), "\n")
	return fmt.Sprintf("%s: %v: %s", e.Args[0], e.Err, lines[len(lines)-1])
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Features returns the path of a feature file: what a kernel of Debian shows,
// by names such as "kernel-6.12", or a file of upstream's tests, such as
// "features.all".
func Features(tb testing.TB, name string) string {
	tb.Helper()
	if !strings.HasPrefix(name, "kernel-") {
		return filepath.Join(testenv.Source(tb, Trixie, "apparmor"), "parser", "tst", "features_files", name)
	}
	file := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(file, []byte(FeatureSet(tb, name).String()+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return file
}

// FeatureSet returns the features of that name. Of a kernel's release only
// the series counts.
func FeatureSet(tb testing.TB, name string) *features.Set {
	tb.Helper()
	if release, ok := strings.CutPrefix(name, "kernel-"); ok {
		number := strings.SplitN(release, ".", 3)
		s, ok := features.Kernel(strings.Join(number[:min(2, len(number))], "."))
		if !ok {
			tb.Fatalf("no features of %s are known", name)
		}
		return s
	}
	data, err := os.ReadFile(Features(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	s, err := features.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Compile returns the binary policy of the job as one plain stream, and an
// *Error when the parser refuses it.
func (p ApparmorParser) Compile(j Job) ([]byte, error) {
	p.tb.Helper()
	flags := []string{"-Q", "-K", "-S", "-q"}
	if p.plain {
		flags = append(flags, "-c0")
	}
	return p.Run(j, flags...).result()
}

// Accepts compiles and throws away: the parser's verdict on a policy.
func (p ApparmorParser) Accepts(j Job) error {
	p.tb.Helper()
	_, err := p.Run(j, "-Q", "-K", "-q").result()
	return err
}

// Preprocess returns the text with its includes put in place, as `-p` prints
// it: each include is followed by a comment that begins with `##included`.
func (p ApparmorParser) Preprocess(j Job) (string, error) {
	p.tb.Helper()
	out, err := p.Run(j, "-Q", "-K", "-q", "-p").result()
	return string(out), err
}

// Names returns the full names of the profiles, as `-N` lists them.
func (p ApparmorParser) Names(j Job) ([]string, error) {
	p.tb.Helper()
	out, err := p.Run(j, "-Q", "-K", "-q", "-N").result()
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

// Version returns the package's version, such as "3.0.8-3".
func (p ApparmorParser) Version() string { return p.version }

// Run runs the parser with other flags and returns how it ended.
func (p ApparmorParser) Run(j Job, flags ...string) Answer {
	p.tb.Helper()
	flags = append(flags, "--config-file=/dev/null")
	key, err := p.answers.key(j, flags)
	if err != nil {
		p.tb.Fatal(err)
	}
	if a, ok := p.answers.get(key); ok {
		return a
	}
	args := append(p.command[1:len(p.command):len(p.command)], flags...)
	base := j.Base
	if base == "" {
		base = p.tb.TempDir()
	}
	args = append(args, "-b", base)
	for _, dir := range j.Include {
		args = append(args, "-I", dir)
	}
	if j.Features != "" {
		args = append(args, "-M", j.Features)
	}
	args = append(args, j.Args...)
	if j.File != "" {
		args = append(args, j.File)
	}
	out, msg, err := run(p.tb, j, p.command[0], args...)
	a := Answer{Stdout: out, Stderr: string(msg)}
	if e := (*Error)(nil); errors.As(err, &e) {
		a.Exit, a.Failed = e.Exit, e.Err.Error()
		if errors.Is(e, context.DeadlineExceeded) || errors.Is(e, context.Canceled) {
			return a // it says nothing about the program
		}
	}
	p.answers.put(key, a)
	return a
}

// run starts a program and returns what it printed on both outputs.
func run(tb testing.TB, j Job, path string, args ...string) (stdout, stderr []byte, err error) {
	tb.Helper()
	timeout := j.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(tb.Context(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = j.Dir
	if cmd.Dir == "" {
		cmd.Dir = tb.TempDir()
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "LC_ALL=C"}
	if j.File == "" {
		cmd.Stdin = strings.NewReader(j.Text)
	}
	var out, msg bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &msg
	if err := cmd.Run(); err != nil {
		e := &Error{Args: append([]string{path}, args...), Exit: -1, Stderr: msg.String(), Err: err}
		if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
			e.Exit = ee.ExitCode()
		}
		if ctx.Err() != nil {
			e.Err = ctx.Err()
		}
		return out.Bytes(), msg.Bytes(), e
	}
	return out.Bytes(), msg.Bytes(), nil
}
