// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Role is a line of kernels by the place that it has in the archive: what
// machines of a suite run. Which kernel that is moves with the archive.
type Role struct {
	Name   string // "trixie"
	Suites []string
	Ubuntu bool // whether they are Ubuntu's
	// Generic says that the kernel is that for any machine, which has drivers for
	// hardware, and not Debian's for clouds.
	Generic bool
}

// Roles returns the roles that tests know, oldest suite first.
func Roles() []Role {
	return []Role{
		{Name: "bookworm", Suites: []string{"bookworm", "bookworm-security"}},
		{Name: "trixie", Suites: []string{"trixie", "trixie-security"}},
		{Name: "trixie-backports", Suites: []string{"trixie-backports"}},
		{Name: "sid", Suites: []string{"sid"}},
	}
}

// UbuntuRoles returns the roles that Ubuntu's releases with long support have,
// oldest first: the kernel that each was released with, in its last update.
func UbuntuRoles() []Role {
	return []Role{
		{Name: "ubuntu-22.04", Suites: []string{"jammy", "jammy-updates", "jammy-security"}, Ubuntu: true},
		{Name: "ubuntu-24.04", Suites: []string{"noble", "noble-updates", "noble-security"}, Ubuntu: true},
		{Name: "ubuntu-26.04", Suites: []string{"resolute", "resolute-updates", "resolute-security"}, Ubuntu: true},
	}
}

// metapackage returns the package that depends on the kernel of the day, which
// is one of Debian's or Ubuntu's for virtual machines.
func (r Role) metapackage(arch string) string {
	switch {
	case r.Ubuntu:
		return "linux-image-virtual"
	case r.Generic:
		return "linux-image-" + arch
	}
	return "linux-image-cloud-" + arch
}

// dir returns the folder of the cache that has a role's kernels.
func (r Role) dir(cache, arch string) string {
	name := r.Name
	if r.Generic {
		name += "-generic"
	}
	return filepath.Join(cache, "kernels", name+"-"+arch)
}

// Kernel is a kernel image on disk.
type Kernel struct {
	Path    string // the vmlinuz
	Release string // "6.12.118+deb13-cloud-amd64"
}

// Version returns the two numbers that a release begins with: 6 and 12 for
// "6.12.118+deb13-cloud-amd64". It returns zeros for other text.
func Version(release string) (major, minor int) {
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return 0, 0
	}
	return major, minor
}

// kernelAge is how long a kernel in the cache counts as the newest.
const kernelAge = 20 * time.Hour

// ErrNoKernel says that the suites have no such kernel for the architecture.
var ErrNoKernel = errors.New("the suites have no such kernel")

// FetchKernel returns the kernel that the suites of a role install today, for
// an architecture by Debian's name ("amd64", "arm64"). One that was found less
// than a day ago is used as it is, and so is an older one when the archive
// cannot be asked. Processes that fetch the same kernel at the same time wait
// for each other.
func FetchKernel(ctx context.Context, cache, arch string, r Role) (Kernel, error) {
	dir := r.dir(cache, arch)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	held, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Kernel{}, err
	}
	defer held.Close()
	old, found := cachedKernel(dir)
	asked := filepath.Join(dir, "asked")
	if info, err := os.Stat(asked); found && err == nil && time.Since(info.ModTime()) < kernelAge {
		return old, nil
	}
	k, err := downloadKernel(ctx, cache, dir, arch, r)
	switch {
	case err == nil:
		return k, os.WriteFile(asked, []byte(k.Release+"\n"), 0o644)
	case found && ctx.Err() == nil:
		return old, nil
	}
	return Kernel{}, fmt.Errorf("kernel of %s for %s: %w", strings.Join(r.Suites, ", "), arch, err)
}

// cachedKernel finds the newest image in dir.
func cachedKernel(dir string) (Kernel, bool) {
	images, _ := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	images = slices.DeleteFunc(images, func(p string) bool { return strings.HasSuffix(p, ".part") })
	if len(images) == 0 {
		return Kernel{}, false
	}
	p := slices.MaxFunc(images, compareNumbers)
	return Kernel{Path: p, Release: strings.TrimPrefix(filepath.Base(p), "vmlinuz-")}, true
}

// downloadKernel asks the archive for the kernel of a role and leaves its
// image in dir.
func downloadKernel(ctx context.Context, cache, dir, arch string, r Role) (_ Kernel, err error) {
	a, end, err := r.apt(ctx, cache, dir, arch)
	if err != nil {
		return Kernel{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	meta := r.metapackage(arch)
	out, err := a.run(ctx, "apt-cache", "show", "--no-all-versions", meta)
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: %w", ErrNoKernel, err)
	}
	release, ok := kernelOf(string(out))
	if !ok {
		return Kernel{}, fmt.Errorf("%w: %s depends on none", ErrNoKernel, meta)
	}
	image := filepath.Join(dir, "vmlinuz-"+release)
	if _, err := os.Stat(image); err == nil {
		return Kernel{Path: image, Release: release}, nil
	}
	// Since 7.x the image is in linux-binary-* and linux-image-* only depends
	// on it.
	err = a.extractFirst(ctx, []string{"linux-binary-" + release, "linux-image-" + release},
		func(r io.Reader) (bool, error) { return extractImage(r, image) })
	if err != nil {
		return Kernel{}, err
	}
	return Kernel{Path: image, Release: release}, nil
}

// apt returns the apt of a role's suites, with its lists, in a new folder below
// dir, which end removes.
func (r Role) apt(ctx context.Context, cache, dir, arch string) (_ *apt, end func() error, err error) {
	tmp, err := os.MkdirTemp(dir, "apt-")
	if err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.RemoveAll(tmp) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	var from archive
	if r.Ubuntu {
		from, err = ubuntuArchive(ctx, cache)
	} else {
		from, err = debianArchive(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := newApt(tmp, from, arch, r.Suites, "deb")
	if err != nil {
		return nil, nil, err
	}
	if _, err := a.run(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		return nil, nil, err
	}
	return a, remove, nil
}

// extractFirst hands the files of the first package of a list that has what a
// function looks for to that function; see extract.
func (a *apt) extractFirst(ctx context.Context, packages []string, from func(tar io.Reader) (found bool, err error)) error {
	out, err := a.run(ctx, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return err
	}
	names := strings.Fields(string(out))
	for _, name := range packages {
		if !slices.Contains(names, name) {
			continue
		}
		if _, err := a.run(ctx, "apt-get", "download", name); err != nil {
			return err
		}
		debs, _ := filepath.Glob(filepath.Join(a.dir, name+"_*.deb"))
		if len(debs) != 1 {
			return fmt.Errorf("apt-get download %s left %d files", name, len(debs))
		}
		if err := extract(ctx, debs[0], from); !errors.Is(err, errNotThere) {
			return err
		}
	}
	return fmt.Errorf("%w in %s", errNotThere, strings.Join(packages, ", "))
}

var imageName = regexp.MustCompile(`\blinux-image-([0-9][0-9A-Za-z.+~-]*-(?:cloud-[a-z0-9]+|generic|amd64|arm64))\b`)

// kernelOf returns the release of the kernel that a package depends on, from
// what `apt-cache show` says of it.
func kernelOf(show string) (release string, ok bool) {
	for line := range strings.Lines(show) {
		if rest, found := strings.CutPrefix(line, "Depends:"); found {
			if m := imageName.FindStringSubmatch(rest); m != nil {
				return m[1], true
			}
		}
	}
	return "", false
}

var digits = regexp.MustCompile(`[0-9]+`)

// compareNumbers orders kernel releases by the numbers in them, then as text.
func compareNumbers(a, b string) int {
	as, bs := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	for i := range min(len(as), len(bs)) {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x - y
		}
	}
	if len(as) != len(bs) {
		return len(as) - len(bs)
	}
	return strings.Compare(a, b)
}

var errNotThere = errors.New("neither an image nor modules of a kernel")

// extract hands the archive of a package's files to a function, which reports
// whether it has found what it looks for.
func extract(ctx context.Context, deb string, from func(tar io.Reader) (found bool, err error)) (err error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	found, readErr := from(bufio.NewReader(out))
	// dpkg-deb fails when its pipe is closed early.
	if _, err := io.Copy(io.Discard, out); err != nil {
		readErr = errors.Join(readErr, err)
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if readErr == nil && !found {
		return fmt.Errorf("%w in %s", errNotThere, filepath.Base(deb))
	}
	return readErr
}

// extractImage writes the vmlinuz of an archive to a file.
func extractImage(r io.Reader, image string) (found bool, err error) {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Typeflag != tar.TypeReg || !strings.HasPrefix(path.Base(h.Name), "vmlinuz") {
			continue
		}
		part, err := os.Create(image + ".part")
		if err != nil {
			return false, err
		}
		_, err = io.Copy(part, tr)
		if err := errors.Join(err, part.Close()); err != nil {
			return false, err
		}
		return true, os.Rename(part.Name(), image)
	}
}
