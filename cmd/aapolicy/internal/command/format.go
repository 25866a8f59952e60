// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/internal/linediff"
	"github.com/goarmor/apparmor/internal/policyfiles"
	"github.com/goarmor/apparmor/internal/wholefile"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// maxFile is how long a file may be that is formatted.
const maxFile = 16 << 20

type formatter struct{ list, write, diff bool }

func newFmt(env Env, out io.Writer) *cobra.Command {
	var f formatter
	c := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Format policy",
		Long: `Fmt prints files of policy in canonical form, as gofmt does for Go: comments stay,
and so does the meaning. Without files it formats the standard input.

A file is written as a whole or not at all, and keeps its owner and permissions.
The exit status is 0; with -l and -d, and without -w, it is 1 if a file is not
in canonical form. It is 2 if a file is wrong; the others are formatted all the
same.`,
		RunE: func(c *cobra.Command, files []string) error {
			if len(files) == 0 {
				if f.write {
					return errors.New("-w needs files")
				}
				return f.stdin(c.Context(), env.Stdin, out)
			}
			var errs []error
			found := false
			for _, name := range files {
				changed, err := f.file(c.Context(), name, out)
				found = found || changed
				errs = append(errs, err)
			}
			if err := errors.Join(errs...); err != nil {
				return err
			}
			if found && (f.list || f.diff) && !f.write {
				return errFound
			}
			return nil
		},
	}
	c.Flags().BoolVarP(&f.list, "list", "l", false, "list the files that are not in canonical form")
	c.Flags().BoolVarP(&f.write, "write", "w", false, "write the result to the files")
	c.Flags().BoolVarP(&f.diff, "diff", "d", false, "print what would change")
	return c
}

func (f formatter) stdin(ctx context.Context, in io.Reader, out io.Writer) error {
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return err
	}
	if len(data) > maxFile {
		return fmt.Errorf("the standard input is longer than %d bytes", maxFile)
	}
	changed, err := f.one(ctx, "<standard input>", string(data), out)
	if err == nil && changed && (f.list || f.diff) {
		err = errFound
	}
	return err
}

func (f formatter) file(ctx context.Context, name string, out io.Writer) (changed bool, err error) {
	old, err := policyfiles.Read(name, maxFile)
	if err != nil {
		return false, err
	}
	if !f.write {
		return f.one(ctx, name, old, out)
	}
	text, err := canonical(ctx, name, old)
	if err != nil || text == old {
		return false, err
	}
	// A link stays one: its target is replaced.
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return false, err
	}
	info, err := os.Stat(real)
	if err != nil {
		return false, err
	}
	err = wholefile.Write(real, []byte(text), wholefile.Options{
		Mode: info.Mode().Perm(), Prepare: func(f *os.File) error { return wholefile.CopyOwner(f, info) },
	})
	if err == nil {
		err = f.show(name, old, text, out)
	}
	return true, err
}

// one shows the result for one text.
func (f formatter) one(ctx context.Context, name, old string, out io.Writer) (changed bool, err error) {
	text, err := canonical(ctx, name, old)
	if err != nil {
		return false, err
	}
	if f.list || f.diff {
		err = f.show(name, old, text, out)
	} else {
		_, err = io.WriteString(out, text)
	}
	return text != old, err
}

func (f formatter) show(name, old, text string, out io.Writer) (err error) {
	if text == old {
		return nil
	}
	if f.list {
		_, err = fmt.Fprintln(out, name)
	}
	if f.diff && err == nil {
		_, err = io.WriteString(out, linediff.Unified(name, old, text))
	}
	return err
}

func canonical(ctx context.Context, name, old string) (string, error) {
	tree, err := parser.Config{}.Parse(ctx, name, old)
	if err != nil {
		return "", err
	}
	text, err := render.Format(tree)
	return string(text), err
}
