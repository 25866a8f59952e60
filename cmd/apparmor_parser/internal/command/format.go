// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/linediff"
	"github.com/goarmor/apparmor/internal/wholefile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// formatAll prints every input in canonical form, or as a diff against it, or
// writes it back. A diff makes the status 1.
func (r *run) formatAll(ctx context.Context) (status int) {
	var formatted int
	missing := r.expand(func(in input) bool {
		if s := r.formatOne(ctx, in); s != 0 {
			formatted = s
			return !r.options.abortOnError
		}
		return true
	})
	if formatted != 0 {
		return formatted
	}
	return missing
}

func (r *run) formatOne(ctx context.Context, in input) int {
	old, err := r.read(in)
	if err != nil {
		r.report.say("%v", err)
		return statusFailed
	}
	c := parser.Config{Warn: func(*diag.Diagnostic) {}}
	if r.options.json {
		c.Recover = maxJSONErrors
	}
	file, err := c.Parse(ctx, in.shown(), string(old))
	var text []byte
	if err == nil {
		text, err = render.Format(file)
	}
	if err != nil {
		r.report.show(in, findings(err))
		return statusFailed
	}
	status := 0
	if r.options.diff {
		if d := linediff.Unified(in.shown(), string(old), string(text)); d != "" {
			status = statusFailed
			r.print(d)
		}
	}
	if r.options.rewrite {
		if string(old) != string(text) {
			if err := r.rewrite(in, text); err != nil {
				r.report.say("%v", err)
				return statusFailed
			}
		}
		return 0
	}
	if !r.options.diff {
		if _, err := r.env.Stdout.Write(text); err != nil {
			r.report.say("%v", err)
			return statusFailed
		}
	}
	return status
}

// rewrite replaces a file by one with the new text, so that one of the two
// exists whatever happens. The permissions and the owner stay as they are, and
// for a symbolic link its target is replaced.
func (r *run) rewrite(in input, text []byte) error {
	name, err := filepath.EvalSymlinks(r.path(in.name))
	if err != nil {
		return err
	}
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return wholefile.Write(name, text, wholefile.Options{
		Mode: info.Mode().Perm(), Prepare: func(f *os.File) error { return wholefile.CopyOwner(f, info) },
	})
}
