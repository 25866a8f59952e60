package command

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/parser"
)

// input is one policy to work on.
type input struct {
	arg  string // what was given; empty: standard input
	name string // of the file, as it stands in messages; empty: standard input
}

// stdinName is how standard input is called in messages.
const stdinName = "stdin"

// shown is the name of the input in messages.
func (in input) shown() string { return cmp.Or(in.name, stdinName) }

// base is the name of the file without its directory.
func (in input) base() string { return filepath.Base(in.name) }

// The statuses of a failed run, beside 256 minus an error number for what the
// kernel refuses.
const (
	statusFailed  = 1
	statusMissing = 2
)

// maxInput bounds what is read from one input, text or compiled.
const maxInput = 64 << 20

var errTooLong = fmt.Errorf("longer than %d MiB", maxInput>>20)

// expand calls yield with every input that the arguments name, in order:
// files, the files of directories, or standard input. It reports names that
// lead nowhere and returns the status that they make, 0 for none. It stops
// when yield returns false.
func (r *run) expand(yield func(input) bool) (status int) {
	if len(r.options.inputs) == 0 {
		yield(input{})
		return 0
	}
	for _, arg := range r.options.inputs {
		info, err := os.Stat(r.path(arg))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.report.plain(0, "", fmt.Sprintf("File %s not found, skipping...", arg))
			status = statusMissing
		case err != nil:
			r.report.say("%v", err)
			status = statusFailed
		case info.IsDir():
			inputs, bad := r.expandDir(arg)
			for _, in := range inputs {
				if !yield(in) {
					return status
				}
			}
			if bad {
				r.report.plain(0, "", "There was an error while loading profiles from "+arg)
				status = statusMissing
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
// editors and package managers leave behind. It reports whether one of them
// is a link that leads nowhere.
func (r *run) expandDir(dir string) (inputs []input, bad bool) {
	entries, err := os.ReadDir(r.path(dir))
	if err != nil {
		r.report.say("%v", err)
		return nil, true
	}
	for _, e := range entries {
		if parser.Skip(e.Name()) {
			if leftover(e.Name()) {
				r.report.warning("unexpected", "Ignoring: '%s'", e.Name())
			}
			continue
		}
		name := filepath.Join(dir, e.Name())
		switch info, err := os.Stat(r.path(name)); {
		case err != nil:
			bad = true
		case info.Mode().IsRegular():
			inputs = append(inputs, input{dir, name})
		}
	}
	return inputs, bad
}

// leftover reports whether a file that is skipped deserves a word.
func leftover(name string) bool {
	for _, end := range []string{".rpmnew", ".rpmsave", ".orig", ".rej", "~"} {
		if strings.HasSuffix(name, end) && !strings.HasPrefix(name, ".") {
			return true
		}
	}
	return false
}

// path makes a name of the command line one that can be opened.
func (r *run) path(name string) string {
	if name == "" || filepath.IsAbs(name) || r.env.Dir == "" {
		return name
	}
	return filepath.Join(r.env.Dir, name)
}

// read returns the content of an input.
func (r *run) read(in input) ([]byte, error) {
	from := r.env.Stdin
	if in.name != "" {
		f, err := os.Open(r.path(in.name))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxInput+1))
	if err == nil && len(data) > maxInput {
		err = errTooLong
	}
	return data, err
}
