// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// target is a fuzz target.
type target struct {
	module string // the folder of its module
	pkg    string // its import path
	path   string // its package's path below the repository
	name   string
}

// String returns the name with its package's path below the repository.
func (t target) String() string { return t.path + "." + t.name }

// modules returns the folders of the modules in a repository.
func modules(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && file != root && (name == "testdata" || strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case name == "go.mod":
			out = append(out, filepath.Dir(file))
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = errors.New("there is no go.mod")
	}
	return out, err
}

// targets finds the fuzz targets of all modules in a repository, in the order
// of their modules and packages.
func targets(ctx context.Context, root string) ([]target, error) {
	dirs, err := modules(root)
	if err != nil {
		return nil, err
	}
	var out []target
	for _, dir := range dirs {
		below, err := filepath.Rel(root, dir)
		if err != nil {
			return nil, err
		}
		list, err := targetsOf(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, t := range list {
			t.path = path.Join(filepath.ToSlash(below), t.path)
			out = append(out, t)
		}
	}
	return out, nil
}

// targetsOf finds the fuzz targets of the module in dir.
func targetsOf(ctx context.Context, dir string) ([]target, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles,Module", "./...")
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var out []target
	for dec := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
			Module                    struct{ Path string }
		}
		if err := dec.Decode(&p); err == io.EOF {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		for _, file := range append(p.TestGoFiles, p.XTestGoFiles...) {
			names, err := fuzzFuncs(filepath.Join(p.Dir, file))
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				below := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
				out = append(out, target{module: dir, pkg: p.ImportPath, path: below, name: name})
			}
		}
	}
}

// fuzzFuncs returns the names of the fuzz targets in a file.
func fuzzFuncs(file string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Fuzz") {
			names = append(names, fn.Name.Name)
		}
	}
	return names, nil
}

// overtime is how long a target may take beyond its time: to be built, to run
// its seeds, and to make a failing input small.
const overtime = 10 * time.Minute

// fuzz runs the target. It returns how far it came, and an error with all of
// its output if it failed.
func (t target) fuzz(ctx context.Context, fuzzTime time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, fuzzTime+overtime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-run=^$", "-fuzz=^"+t.name+"$", "-fuzztime="+fuzzTime.String(),
		"-fuzzminimizetime=10x", "-parallel=1", t.pkg)
	cmd.Dir = t.module
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	result := progress(out)
	switch {
	case ctx.Err() != nil:
		return "stopped", errors.Join(ctx.Err(), errors.New(string(out)))
	case err != nil && !outOfTime(out):
		return "FAILED", fmt.Errorf("%w\n%s", err, out)
	}
	return result, nil
}

// outOfTime reports whether go test failed only because time was up while an
// input was being looked at, which it takes for a failure of the target.
func outOfTime(out []byte) bool {
	return bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input written"))
}

var progressLine = regexp.MustCompile(`(?m)^fuzz: elapsed: .*?, (execs: \d+ .*)$`)

// progress returns what go test says of its progress last.
func progress(out []byte) string {
	lines := progressLine.FindAllSubmatch(out, -1)
	if len(lines) == 0 {
		return "no progress"
	}
	return string(lines[len(lines)-1][1])
}
