// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/parser"
)

// input is one policy to work on.
type input struct {
	arg  string // what was given; empty: standard input
	name string // of the file, as messages name it; empty: standard input
}

// stdinName is the name of standard input in messages.
const stdinName = "stdin"

// shown is the name of the input in messages.
func (in input) shown() string { return cmp.Or(in.name, stdinName) }

// base is the name of the file without its directory.
func (in input) base() string { return filepath.Base(in.name) }

// statusFailed is the status of a failed run that no error number explains.
const statusFailed = 1

// statusOf returns the status for a file that cannot be used: its error
// number.
func statusOf(err error) int {
	var errno syscall.Errno
	if errors.As(err, &errno) && errno > 0 && errno < 256 {
		return int(errno)
	}
	return statusFailed
}

// maxInput bounds what is read from one input, text or compiled.
const maxInput = 64 << 20

var errTooLong = &diag.LimitError{What: "input in bytes", Limit: maxInput, Got: maxInput + 1}

// expand calls yield with every input that the arguments name, in order:
// files, the files of directories, or standard input. It reports names that
// lead nowhere and returns their status, 0 if there are none. It stops if
// yield returns false.
func (r *run) expand(yield func(input) bool) (status int) {
	if len(r.options.inputs) == 0 {
		yield(input{})
		return 0
	}
	for _, arg := range r.options.inputs {
		info, err := os.Stat(r.path(arg))
		switch {
		case err != nil:
			r.report.plain(0, "", fmt.Sprintf("File %s not found, skipping...", arg))
			status = statusOf(err)
		case info.IsDir():
			inputs, err := r.expandDir(arg)
			for _, in := range inputs {
				if !yield(in) {
					return status
				}
			}
			if err != nil {
				r.report.plain(0, "", "There was an error while loading profiles from "+arg)
				status = statusOf(err)
			}
		default:
			if !yield(input{arg, arg}) {
				return status
			}
		}
		if status != 0 && r.options.abortOnError {
			return status
		}
	}
	return status
}

// expandDir lists the policy files of a directory by name, leaving out what
// editors and package managers leave. The error is about a file that
// cannot be looked at, such as a link that leads nowhere; the others are
// listed with it.
func (r *run) expandDir(dir string) (inputs []input, bad error) {
	entries, err := os.ReadDir(r.path(dir))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if parser.Skip(e.Name()) {
			if leftover(e.Name()) {
				r.report.plain(diag.Warning, diag.ClassUnexpected, fmt.Sprintf("Ignoring: '%s'", e.Name()))
			}
			continue
		}
		name := filepath.Join(dir, e.Name())
		switch info, err := os.Stat(r.path(name)); {
		case err != nil:
			bad = err
		case info.Mode().IsRegular():
			inputs = append(inputs, input{dir, name})
		}
	}
	return inputs, bad
}

// leftover reports whether a file that is skipped deserves a message.
func leftover(name string) bool {
	for _, end := range []string{".rpmnew", ".rpmsave", ".orig", ".rej", "~"} {
		if strings.HasSuffix(name, end) && !strings.HasPrefix(name, ".") {
			return true
		}
	}
	return false
}

// path turns a name of the command line into one that can be opened.
func (r *run) path(name string) string {
	if name == "" || filepath.IsAbs(name) || r.env.Dir == "" {
		return name
	}
	return filepath.Join(r.env.Dir, name)
}

// read returns the content of an input.
func (r *run) read(in input) ([]byte, error) {
	if in.name == "" {
		return readAll(r.env.Stdin)
	}
	return readPolicy(r.path(in.name))
}
