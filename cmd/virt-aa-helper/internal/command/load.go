// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/svirt"
)

// ownLoader compiles and loads in this process.
type ownLoader struct {
	base string
	warn func(format string, args ...any)
}

// Load implements Loader.
func (l *ownLoader) Load(ctx context.Context, file, profile string, replace bool) error {
	k, err := loader.Open(loader.Options{OnlyNames: only(profile)})
	if err != nil {
		return err
	}
	defer k.Close()
	kernel, err := k.Features(ctx)
	if err != nil {
		return err
	}
	p, err := l.compile(ctx, kernel, file, profile)
	if err != nil {
		return err
	}
	if replace {
		return k.Replace(ctx, p)
	}
	return k.Load(ctx, p)
}

// Unload implements Loader.
func (l *ownLoader) Unload(ctx context.Context, _, profile string) error {
	k, err := loader.Open(loader.Options{OnlyNames: only(profile)})
	if err != nil {
		return err
	}
	defer k.Close()
	return k.Remove(ctx, profile)
}

// only accepts the names of one profile and its children.
func only(profile string) func(string) bool {
	return func(name string) bool { return name == profile || strings.HasPrefix(name, profile+"//") }
}

// compile makes policy of a profile's file, which may define that profile and
// its children and nothing else.
func (l *ownLoader) compile(ctx context.Context, kernel *features.Set, file, profile string) (*blob.Policy, error) {
	dir := store{filepath.Dir(file)}
	text, err := dir.read(filepath.Base(file))
	if err != nil {
		return nil, err
	}
	m := &machineText{profile: profile, file: file, text: string(text)}
	if rules, err := dir.read(profile + ".files"); err == nil {
		name := "libvirt/" + profile + ".files"
		if m.rules, err = (parser.Config{Context: parser.ContextBody}).Parse(ctx, name, string(rules)); err != nil {
			return l.compileWhole(ctx, kernel, file, profile) // which says where
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out, err := l.compileFromBase(ctx, kernel, m)
	if errors.Is(err, svirt.ErrNoBase) {
		return l.compileWhole(ctx, kernel, file, profile)
	}
	if err != nil {
		return nil, err
	}
	return l.report(out), nil
}

// compileOptions are those of every policy of a machine.
func compileOptions(kernel *features.Set) compile.Options {
	return compile.Options{Kernel: kernel, Degrade: compile.Report}
}

// compileWhole compiles without what is kept.
func (l *ownLoader) compileWhole(ctx context.Context, kernel *features.Set, file, profile string) (*blob.Policy, error) {
	text, err := store{filepath.Dir(file)}.read(filepath.Base(file))
	if err != nil {
		return nil, err
	}
	roots := []fs.FS{os.DirFS(l.base)}
	unit, err := parser.Config{Roots: roots}.ParseTree(ctx, file, string(text))
	if err != nil {
		return nil, err
	}
	abi, _ := features.ABI("3.0") // what Debian pins for policy without an abi
	set, err := policy.Resolve(ctx, unit, policy.Options{Kernel: kernel, Default: abi, Roots: roots})
	if err != nil {
		return nil, err
	}
	own := only(profile)
	found := false
	for _, p := range set.Profiles {
		if p.Namespace != "" || !own(p.Name) {
			return nil, fmt.Errorf("%s defines the profile %s, and may define only %s", file, p.FullName(), profile)
		}
		found = found || p.Name == profile
	}
	if !found {
		return nil, fmt.Errorf("%s does not define the profile %s", file, profile)
	}
	out, err := compile.Compile(ctx, set, compileOptions(kernel))
	if err != nil {
		return nil, err
	}
	return l.report(out), nil
}

// report warns of what the kernel does not enforce.
func (l *ownLoader) report(out *compile.Output) *blob.Policy {
	if n := len(out.Degraded); n > 0 {
		l.warn("the kernel cannot enforce %d rules as they are written, the first is: %s", n, out.Degraded[0])
	}
	return out.Policy
}

// parserPath is the program that Debian's profile for this one allows.
const parserPath = "/sbin/apparmor_parser"

// parserLoader runs apparmor_parser.
type parserLoader struct{ path string }

// Load implements Loader.
func (l parserLoader) Load(ctx context.Context, file, _ string, replace bool) error {
	how := "-a"
	if replace {
		how = "-r"
	}
	_, err := l.run(ctx, how, file)
	return err
}

var errNoParser = errors.New("could not run apparmor_parser")

// notLoaded is apparmor_parser's status for a profile that is not loaded.
const notLoaded = 234

// Unload implements Loader.
func (l parserLoader) Unload(ctx context.Context, file, _ string) error {
	status, err := l.run(ctx, "-R", file)
	if status == notLoaded {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

func (l parserLoader) run(ctx context.Context, args ...string) (status int, err error) {
	cmd := exec.CommandContext(ctx, l.path, args...)
	// The parser does not get the caller's environment.
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), fmt.Errorf("apparmor_parser exited with error: %s", bytes.TrimSpace(stderr.Bytes()))
	case err != nil:
		// Only its text: a missing program must not look like a profile that
		// is not loaded.
		return -1, fmt.Errorf("%w: %s", errNoParser, err.Error())
	}
	return 0, nil
}

// eitherLoader uses the first of two loaders that may load.
type eitherLoader struct{ first, second Loader }

// Load implements Loader.
func (l eitherLoader) Load(ctx context.Context, file, profile string, replace bool) error {
	err := l.first.Load(ctx, file, profile, replace)
	if !denied(err) {
		return err
	}
	return l.fallBack(err, l.second.Load(ctx, file, profile, replace))
}

// Unload implements Loader.
func (l eitherLoader) Unload(ctx context.Context, file, profile string) error {
	err := l.first.Unload(ctx, file, profile)
	if !denied(err) {
		return err
	}
	return l.fallBack(err, l.second.Unload(ctx, file, profile))
}

// fallBack is the error of the second loader, with that of the first if there
// was no second.
func (l eitherLoader) fallBack(first, second error) error {
	if errors.Is(second, errNoParser) {
		return errors.Join(first, second)
	}
	return second
}

// denied reports whether a loader was not allowed to do its work. A profile
// denies by the same error as a file's owner.
func denied(err error) bool { return errors.Is(err, fs.ErrPermission) }
