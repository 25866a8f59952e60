// SPDX-License-Identifier: Apache-2.0

// Package oracle runs the reference programs of Debian for tests:
// apparmor_parser (3.0.8 in Debian 12) and libvirt's virt-aa-helper. What they
// do is what this module's own packages are held against. Where a program is
// missing the test is skipped, see package testenv.
//
// Every run has a temporary directory of its own for working directory and
// base directory, reads no configuration and writes no cache.
package oracle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
)

// DefaultTimeout is how long a run may take unless its Job says otherwise.
const DefaultTimeout = 2 * time.Minute

// ApparmorParser is Debian's apparmor_parser. It is safe for concurrent use.
type ApparmorParser struct {
	tb   testing.TB
	path string
}

// Parser finds apparmor_parser, or skips the test.
func Parser(tb testing.TB) ApparmorParser {
	tb.Helper()
	return ApparmorParser{tb, testenv.Command(tb, "apparmor_parser", "apparmor")}
}

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

// Features returns the path of a feature file of the corpus, such as
// "kernel-6.1.192" or "features.all".
func Features(tb testing.TB, name string) string {
	tb.Helper()
	return testenv.Corpus(tb, "features/"+name)
}

// FeatureSet reads that file.
func FeatureSet(tb testing.TB, name string) *features.Set {
	tb.Helper()
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
	return p.run(j, "-Q", "-K", "-S", "-q")
}

// Accepts compiles and throws away: the parser's verdict on a policy.
func (p ApparmorParser) Accepts(j Job) error {
	p.tb.Helper()
	_, err := p.run(j, "-Q", "-K", "-q")
	return err
}

// Preprocess returns the text with its includes put in place, as `-p` prints
// it: each include is followed by a comment that begins with `##included`.
func (p ApparmorParser) Preprocess(j Job) (string, error) {
	p.tb.Helper()
	out, err := p.run(j, "-Q", "-K", "-q", "-p")
	return string(out), err
}

// Names returns the full names of the profiles, as `-N` lists them.
func (p ApparmorParser) Names(j Job) ([]string, error) {
	p.tb.Helper()
	out, err := p.run(j, "-Q", "-K", "-q", "-N")
	if err != nil {
		return nil, err
	}
	text := strings.TrimSuffix(string(out), "\n")
	if text == "" {
		return nil, nil
	}
	return strings.Split(text, "\n"), nil
}

// Version returns the parser's version, such as "3.0.8".
func (p ApparmorParser) Version() string {
	p.tb.Helper()
	out, _, err := run(p.tb, Job{}, p.path, "--version")
	if err != nil {
		p.tb.Fatal(err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	fields := strings.Fields(line)
	if len(fields) == 0 {
		p.tb.Fatalf("apparmor_parser --version says %q", out)
	}
	return fields[len(fields)-1]
}

func (p ApparmorParser) run(j Job, args ...string) ([]byte, error) {
	p.tb.Helper()
	base := j.Base
	if base == "" {
		base = p.tb.TempDir()
	}
	args = append(args, "--config-file=/dev/null", "-b", base)
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
	out, _, err := run(p.tb, j, p.path, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
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
