// SPDX-License-Identifier: Apache-2.0

// Command compiler compiles policy for Linux 6.1 and writes the binary form to
// its output, as a small program does that has this library in place of
// apparmor_parser. It is what package bench measures.
//
//	compiler TREE NAME...
//
// The names are those of files in the tree, which is also where includes are;
// without names it reads policy from its input.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compiler:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("no tree given")
	}
	tree, names := args[0], args[1:]
	roots := []fs.FS{os.DirFS(tree)}
	if len(names) == 0 {
		text, err := io.ReadAll(os.Stdin)
		if err != nil {
			return err
		}
		return compileText(roots, "stdin", string(text))
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(tree, name))
		if err != nil {
			return err
		}
		if err := compileText(roots, name, string(text)); err != nil {
			return err
		}
	}
	return nil
}

func compileText(roots []fs.FS, name, text string) error {
	ctx := context.Background()
	kernel, _ := features.Kernel("6.1")
	out, err := compile.Text(ctx, name, text, compile.Source{
		Kernel: kernel, Default: kernel, Roots: roots, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil {
		return err
	}
	_, err = out.Policy.WriteTo(os.Stdout)
	return err
}
