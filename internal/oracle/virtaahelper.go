// SPDX-License-Identifier: Apache-2.0

//go:build linux

package oracle

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// VirtHelper is virt-aa-helper of a suite of Debian's. It runs with the
// libraries of its suite in a root directory of its own, since what it says of
// a path depends on what is there. It is safe for concurrent use. Only dry runs
// are offered: they print and write nothing.
type VirtHelper struct {
	tb      testing.TB
	version string // of the package
	root    string
	answers string // the directory of those that are kept
	attr    *syscall.SysProcAttr
}

// The helper's own files in the root, which no domain asks about.
const (
	helperDir    = "/.oracle"
	helperLoader = helperDir + "/ld.so"
	helperLibs   = helperDir + "/lib"
	helperPath   = helperDir + "/virt-aa-helper"
)

// helperTypes are the types of domains that get a template. The real ones are
// of no interest: it is not their text that is asked for.
var helperTypes = []string{"qemu", "lxc", "xen", "vbox", "vmware", "hyperv", "openvz", "bhyve", "parallels", "vz", "hvf", "test", "phyp", "xenlight", "uml", "linux"}

// VirtAAHelper fetches the helper of a suite ("bookworm", "trixie-backports") and prepares a
// root with the files of tree, by names without a leading slash. It skips the
// test where the packages or the permission to change the root are missing.
func VirtAAHelper(tb testing.TB, suite string, tree fstest.MapFS) VirtHelper {
	tb.Helper()
	b := debian.Binary{Suite: suite, Names: []string{"libvirt-daemon-system", "libvirt-daemon"}, Libraries: true}
	// Backports have no C library of their own.
	b.Base, _ = strings.CutSuffix(suite, "-backports")
	if b.Base == suite {
		b.Base = ""
	}
	t := testenv.Packages(tb, b)
	h := VirtHelper{tb: tb, version: t.Version(), root: tb.TempDir(), attr: &syscall.SysProcAttr{}}
	command, err := t.Command("/usr/lib/libvirt/virt-aa-helper")
	if err != nil {
		tb.Fatal(err)
	}
	if err := h.install(tb.Context(), t.Dir, command); err != nil {
		tb.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, typ := range helperTypes {
		files["etc/apparmor.d/libvirt/TEMPLATE."+typ] = &fstest.MapFile{Data: []byte("#\nprofile LIBVIRT_TEMPLATE {\n}\n")}
	}
	sum := sha256.New()
	io.WriteString(sum, h.version)
	for _, m := range []fstest.MapFS{files, tree} {
		if err := writeTree(h.root, m, sum); err != nil {
			tb.Fatal(err)
		}
	}
	h.answers = filepath.Join(testenv.CacheDir(tb), "answers", "virt-aa-helper", hex.EncodeToString(sum.Sum(nil)))
	h.attr.Chroot = h.root
	if os.Getuid() != 0 {
		h.attr.Cloneflags = syscall.CLONE_NEWUSER
		h.attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		h.attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	if _, err := h.run(tb.Context(), "", "-h"); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EACCES) {
		testenv.Missing(tb, fmt.Sprintf("permission to run virt-aa-helper in a root of its own: %v", err), "run the tests as root or allow user namespaces")
	}
	return h
}

// install copies the helper and the libraries that it needs into the root.
func (h VirtHelper) install(ctx context.Context, tree string, command []string) error {
	if err := os.MkdirAll(filepath.Join(h.root, helperLibs), 0o755); err != nil {
		return err
	}
	loader, program := command[0], command[len(command)-1]
	list := append(slices.Clone(command[1:len(command)-1]), "--list", program)
	out, err := exec.CommandContext(ctx, loader, list...).Output()
	if err != nil {
		return fmt.Errorf("the libraries of %s: %w", program, err)
	}
	files := map[string]string{helperLoader: loader, helperPath: program}
	for line := range strings.Lines(string(out)) {
		name, rest, ok := strings.Cut(strings.TrimSpace(line), " => ")
		if !ok {
			continue
		}
		path, _, _ := strings.Cut(rest, " (")
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%s needs %s, which was not fetched", program, name)
		}
		files[filepath.Join(helperLibs, filepath.Base(name))] = path
	}
	// 9.0 reads images with a module, which it looks for where it belongs.
	const modules = "usr/lib/x86_64-linux-gnu/libvirt/storage-file"
	found, err := filepath.Glob(filepath.Join(tree, modules, "*.so"))
	if err != nil {
		return err
	}
	for _, module := range found {
		files[filepath.Join("/", modules, filepath.Base(module))] = module
	}
	if err := os.MkdirAll(filepath.Join(h.root, modules), 0o755); err != nil {
		return err
	}
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(h.root, to), data, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// writeTree writes files below a root, and their names and contents to sum.
func writeTree(root string, files fstest.MapFS, sum hash.Hash) error {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := files[name]
		fmt.Fprintf(sum, "%q %v %q\n", name, f.Mode, f.Data)
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		var err error
		switch {
		case f.Mode.IsDir():
			err = os.MkdirAll(path, 0o755)
		case f.Mode&fs.ModeSymlink != 0:
			err = os.Symlink(string(f.Data), path)
		default: // what it is does not matter, so devices are files
			err = os.WriteFile(path, f.Data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Version returns the version of the package, such as "9.0.0-4+deb12u2".
func (h VirtHelper) Version() string { return h.version }

// FS returns the root that the helper sees.
func (h VirtHelper) FS() fs.ReadLinkFS { return os.DirFS(h.root).(fs.ReadLinkFS) }

// helperAnswer is how a run ended, as it is kept.
type helperAnswer struct {
	Stderr []byte
	Exit   int
	Failed string
}

// DryRun runs the helper with `-d` on a domain's XML, with further arguments
// such as "-c", "-u", "libvirt-UUID". It returns what the helper says, all of
// it on standard error: names of files and what would be in them, each after
// a line `virt-aa-helper:`. The error is an *Error. What it said before on the
// same input is not asked again.
func (h VirtHelper) DryRun(xml string, args ...string) (string, error) {
	h.tb.Helper()
	args = append([]string{"-d"}, args...)
	key := sha256.Sum256([]byte(strings.Join(args, "\x00") + "\x00\x00" + xml))
	kept := filepath.Join(h.answers, hex.EncodeToString(key[:]))
	var a helperAnswer
	if data, err := os.ReadFile(kept); err != nil || json.Unmarshal(data, &a) != nil {
		if a, err = h.run(h.tb.Context(), xml, args...); err != nil {
			h.tb.Fatal(err)
		}
		if data, err := json.Marshal(a); err == nil {
			keep(kept, data)
		}
	}
	if a.Failed == "" {
		return string(a.Stderr), nil
	}
	return string(a.Stderr), &Error{Args: append([]string{"virt-aa-helper"}, args...), Exit: a.Exit, Stderr: string(a.Stderr), Err: errors.New(a.Failed)}
}

// Root returns the root that the helper sees, for Call.
func (h VirtHelper) Root() string { return h.root }

// Call runs the helper with whatever it writes into its root, where the caller
// has put a program as sbin/apparmor_parser. It returns the exit status, -1 for a
// signal, and what the helper says.
func (h VirtHelper) Call(stdin string, args ...string) (int, string) {
	h.tb.Helper()
	a, err := h.run(h.tb.Context(), stdin, args...)
	if err != nil {
		h.tb.Fatal(err)
	}
	return a.Exit, string(a.Stderr)
}

// run runs the helper. The error is that it did not run.
func (h VirtHelper) run(ctx context.Context, xml string, args ...string) (helperAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, helperLoader, append([]string{"--library-path", helperLibs, helperPath}, args...)...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"}
	cmd.SysProcAttr = h.attr
	cmd.Stdin = strings.NewReader(xml)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	a := helperAnswer{Stderr: stderr.Bytes()}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return a, ctx.Err()
	case errors.As(err, &exit):
		a.Exit, a.Failed = exit.ExitCode(), err.Error()
	case err != nil:
		return a, err
	}
	return a, nil
}

// Rules returns the rules that the helper derives from a domain's XML for a
// profile named libvirt-UUID: the text of its .files without the header line.
// The XML must have that UUID.
func (h VirtHelper) Rules(xml, profile string) (string, error) {
	h.tb.Helper()
	out, err := h.DryRun(xml, "-c", "-u", profile)
	if err != nil {
		return "", err
	}
	const mark = "virt-aa-helper:\n"
	_, rest, ok := strings.Cut(out, mark+"/etc/apparmor.d/libvirt/"+profile+".files\n"+mark)
	if !ok {
		h.tb.Fatalf("virt-aa-helper says %q", out)
	}
	rules, _, _ := strings.Cut(rest, "\n"+mark)
	return rules, nil
}
