// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/render"
	"github.com/goarmor/apparmor/svirt"
)

// prefix is what the names of this program's profiles and namespaces begin with.
const prefix = "container-"

// Container is what is known of a container before it runs.
type Container struct {
	ID   string // lower-case letters, digits and dashes
	Root string // its root directory
	// Stack is a label whose profiles confine the container, too.
	Stack string
	// Policy is what the container brings along: text with a profile named init.
	// It may be hostile: stacked on the profile that this program makes, it can
	// only take away.
	Policy string
}

var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

func (c Container) profile() string { return prefix + c.ID }

// text returns the profile of the container: everything below its root, and
// what containers may ask of a kernel. Names of files are the host's, because a
// root by chroot(2) alone leaves them so.
func (c Container) text() (string, error) {
	if !validID.MatchString(c.ID) {
		return "", fmt.Errorf("the ID %q is not of the form %s", c.ID, validID)
	}
	// The root is a path that somebody chose: no byte of it may be read as
	// policy. A rule as a value takes care of that, text would not.
	root, err := filepath.EvalSymlinks(c.Root)
	if err != nil {
		return "", err
	}
	path, err := ast.Literal(root)
	if err != nil {
		return "", err
	}
	below := &ast.FileRule{
		Path:  path + "/{,**}",
		Perms: ast.FileRead | ast.FileWrite | ast.FileLock | ast.FileLink | ast.FileMmap,
		Exec:  ast.ExecInherit,
	}
	return fmt.Sprintf(`abi <abi/5.0>,
profile %[1]s flags=(attach_disconnected, mediate_deleted) {
%[2]s
  capability chown dac_override fowner kill net_bind_service setgid setuid,
  network inet stream,
  network inet6 stream,
  unix,
  signal peer=%[1]s,
  signal peer=%[1]s//&**,
  signal (receive) peer=unconfined,
}
`, c.profile(), render.String(below)), nil
}

// compile compiles the container's profile, and its own policy if it has any,
// for the features of a kernel.
func (c Container) compile(ctx context.Context, set *features.Set) (profile, own *blob.Policy, err error) {
	text, err := c.text()
	if err != nil {
		return nil, nil, err
	}
	source := compile.Source{
		Kernel: set,
		Roots:  []fs.FS{svirt.PolicyFS()}, // has the abi
		// What kernels do not mediate is left to them, as runtimes do.
		Options: compile.Options{Degrade: compile.Report},
	}
	out, err := compile.Text(ctx, c.profile(), text, source)
	if err != nil {
		return nil, nil, err
	}
	if c.Policy == "" {
		return out.Policy, nil, nil
	}
	source.Options.Limits = compile.Untrusted()
	inner, err := compile.Text(ctx, c.profile()+" policy", c.Policy, source)
	if err != nil {
		return nil, nil, err
	}
	return out.Policy, inner.Policy, nil
}

// load puts the container's policy in force and returns the label that its
// processes get.
func (c Container) load(ctx context.Context, kernel *loader.Kernel) (label string, err error) {
	set, err := kernel.Features(ctx)
	if err != nil {
		return "", err
	}
	profile, own, err := c.compile(ctx, set)
	if err != nil {
		return "", err
	}
	// A container of this ID that is there already is not taken over.
	if err := kernel.Load(ctx, profile); err != nil {
		return "", err
	}
	label = kernel.Qualify(c.profile())
	if c.Stack != "" {
		return label + "//&" + c.Stack, nil
	}
	if own == nil {
		return label, nil
	}
	ns, err := kernel.Namespace(ctx, c.profile(), true)
	if err != nil {
		return "", err
	}
	defer ns.Close()
	if err := ns.Load(ctx, own); err != nil {
		return "", err
	}
	return label + "//&" + ns.Qualify("init"), nil
}

// remove takes away what load brought, once nothing runs under it.
func (c Container) remove(ctx context.Context, kernel *loader.Kernel) error {
	// Retire, because Remove would set free what still runs. It looks until it
	// is certain that nothing does, which takes long on a busy host.
	if err := kernel.Retire(ctx, c.profile(), loader.RetireOptions{Timeout: 5 * time.Minute}); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err // such as loader.ErrInUse
	}
	if err := kernel.RemoveNamespace(ctx, c.profile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// ours reports whether a profile or a namespace is this program's.
func ours(name string) bool { return strings.HasPrefix(strings.TrimPrefix(name, ":"), prefix) }

// open opens the running kernel. Whatever this program is told, it loads and
// removes no profile of another name.
func open() (*loader.Kernel, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("this needs root")
	}
	return loader.Open(loader.Options{OnlyNames: ours})
}
