// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

// Kernel is one policy namespace of the running kernel: the caller's own, as
// Open returns it, or one below, see Namespace. It is safe for concurrent use.
type Kernel struct {
	*Tasks
	sys    system
	root   dir // apparmor in securityfs
	policy dir // the namespace's directory
	params dir // the module's parameters in sysfs
	ns     string
	only   func(string) bool
	// features are those that Open has read, and limits what follows from them.
	features *features.Set
	limits   blob.KernelLimits
	// mu makes checking and writing one step, for all namespaces.
	mu *sync.Mutex
}

// Open verifies that AppArmor is there and enabled (ErrDisabled), that the
// kernel's file systems are where they should be (ErrFileSystem), and returns
// the namespace of the caller. Close it after use.
//
// A process that may write policy can be tricked into doing so for others if
// it opens files that they name. Open takes no such names: all files are the
// kernel's own.
func Open(o Options) (*Kernel, error) {
	return open(o, linux())
}

func open(o Options, sys system) (_ *Kernel, err error) {
	fail := func(name string, err error, hint string) (*Kernel, error) {
		return nil, &Error{Op: OpOpen, Name: name, Err: err, Hint: hint}
	}
	sysfs, err := openDir(o.sysFS())
	if err != nil {
		return fail("", err, "mount sysfs")
	}
	defer sysfs.close()
	if err := sysfs.with(func(fd int) error { return sys.check(fd, unix.SYSFS_MAGIC) }); err != nil {
		return fail(o.sysFS(), err, "mount sysfs")
	}
	k := &Kernel{sys: sys, only: o.OnlyNames, mu: new(sync.Mutex)}
	defer func() {
		if err != nil {
			_ = k.Close() // of directories; what went wrong before is the reason
		}
	}()
	k.params, err = sysfs.sub("module/apparmor/parameters")
	if errors.Is(err, fs.ErrNotExist) {
		return fail("", ErrDisabled, "the kernel is built without AppArmor")
	}
	if err != nil {
		return fail("", err, "")
	}
	switch enabled, err := k.params.readLine("enabled"); {
	case errors.Is(err, fs.ErrNotExist):
		return fail("", ErrDisabled, "the kernel is built without AppArmor")
	case err != nil:
		return fail("", err, "")
	case enabled != "Y":
		return fail("", ErrDisabled, "boot with apparmor=1, and apparmor in the list of lsm= if that is given")
	}

	security, err := openDir(o.sysFS() + "/kernel/security")
	if err != nil {
		return fail("", err, "mount securityfs")
	}
	defer security.close()
	if err := security.with(func(fd int) error { return sys.check(fd, unix.SECURITYFS_MAGIC) }); err != nil {
		return fail(o.sysFS()+"/kernel/security", err, "mount securityfs")
	}
	if k.root, err = security.sub("apparmor"); err != nil {
		return fail("", err, "")
	}
	// A magic link, which leads to the caller's namespace in a file system
	// that is not mounted anywhere.
	f, err := k.root.resolve("policy", unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return fail("", err, "")
	}
	k.policy = dir{f}
	if err := k.policy.with(func(fd int) error { return sys.check(fd, unix.AAFS_MAGIC) }); err != nil {
		return fail(f.Name(), err, "")
	}
	if k.Tasks, err = openTasks(o, sys); err != nil {
		return nil, err
	}
	if k.features, err = features.FromFS(dirFS{k.root, "features"}); err != nil {
		return nil, k.fail(OpFeatures, "", err)
	}
	k.limits = blob.LimitsOf(k.features)
	return k, nil
}

// Close closes the files that k holds. Kernels that Namespace returned are
// independent of it.
func (k *Kernel) Close() error {
	var errs []error
	for _, d := range []dir{k.root, k.policy, k.params} {
		if d.f != nil {
			errs = append(errs, d.close())
		}
	}
	if k.Tasks != nil {
		errs = append(errs, k.Tasks.Close())
	}
	return errors.Join(errs...)
}

// NS returns the namespace, as seen from the caller's, with // between nested
// ones; empty for the caller's own.
func (k *Kernel) NS() string { return k.ns }

// Qualify returns the label of a profile of this namespace, for use with
// Tasks.
func (k *Kernel) Qualify(profile string) string { return qualify(k.ns, profile) }

// Features returns what the kernel can enforce, as Open has read it: it does not
// change while a kernel runs.
func (k *Kernel) Features(ctx context.Context) (*features.Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return k.features, nil
}

// dirFS is a directory below a dir as fs.FS.
type dirFS struct {
	d    dir
	base string
}

// Open implements fs.FS. There are some seventy small files, and an os.File for
// each takes as long as reading it.
func (d dirFS) Open(name string) (fs.File, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	fd, err := d.d.descriptor(d.base+"/"+name, unix.O_RDONLY, inside)
	if err != nil {
		return nil, err
	}
	return &smallFile{fd, name}, nil
}

// ReadDir implements fs.ReadDirFS.
func (d dirFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrInvalid}
	}
	f, err := d.d.open(d.base+"/"+name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.ReadDir(-1)
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// smallFile is a file that is read and closed by one goroutine.
type smallFile struct {
	fd   int
	name string
}

// Read implements io.Reader.
func (f *smallFile) Read(b []byte) (int, error) {
	n, err := retry(func() (int, error) { return unix.Read(f.fd, b) })
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Stat implements fs.File; nobody asks for it.
func (f *smallFile) Stat() (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "stat", Path: f.name, Err: errors.ErrUnsupported}
}

// Close implements io.Closer.
func (f *smallFile) Close() error {
	if err := unix.Close(f.fd); err != nil {
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}

// fail wraps an error, unless it is already one of this package.
func (k *Kernel) fail(op Op, name string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	return &Error{Op: op, Name: name, NS: k.ns, Err: err, Hint: errnoHint(op, err)}
}

// write opens one of the namespace's policy files and writes data in one
// write(2). The count that the kernel returns is ignored: it may be more than
// was written, which os.File treats as a bug, or less, although nothing is
// missing.
func (k *Kernel) write(name string, data []byte) error {
	err := k.writeTo(k.policy, name, data)
	if errors.Is(err, unix.EACCES) && k.ns == "" {
		return k.writeOwn(name, data)
	}
	return err
}

// writePolicy is write for policy, of which there may be megabytes: Bytes would
// copy it.
func (k *Kernel) writePolicy(name string, p *blob.Policy) error {
	_, err := p.WriteTo(writer(func(data []byte) (int, error) { return len(data), k.write(name, data) }))
	return err
}

// writer is a function as an io.Writer.
type writer func([]byte) (int, error)

// Write implements io.Writer.
func (w writer) Write(data []byte) (int, error) { return w(data) }

func (k *Kernel) writeTo(d dir, name string, data []byte) error {
	f, err := k.sys.openWrite(d, name)
	if err != nil {
		return err
	}
	defer f.Close()
	return dir{f}.with(func(fd int) error {
		if _, err := k.sys.write(fd, data); err != nil {
			return os.NewSyscallError("write", err)
		}
		return nil
	})
}

// allowed asks Options.OnlyNames.
func (k *Kernel) allowed(name string) error {
	if k.only != nil && !k.only(name) {
		return fmt.Errorf("%w: %q", ErrNotAllowed, name)
	}
	return nil
}
