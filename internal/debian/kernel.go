// SPDX-License-Identifier: Apache-2.0

//go:build linux

package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Role is a line of kernels by the place that it has in the archive: what
// machines of a suite run. Which kernel that is moves with the archive.
type Role struct {
	Name   string // "trixie"
	Suites []string
}

// Roles returns the roles that tests know, oldest suite first.
func Roles() []Role {
	return []Role{
		{"bookworm", []string{"bookworm", "bookworm-security"}},
		{"trixie", []string{"trixie", "trixie-security"}},
		{"trixie-backports", []string{"trixie-backports"}},
		{"sid", []string{"sid"}},
	}
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

// ErrNoKernel says that the suites have no cloud kernel for the architecture.
var ErrNoKernel = errors.New("the suites have no cloud kernel")

// FetchKernel returns the cloud kernel that the suites of a role install
// today, for an architecture by Debian's name ("amd64", "arm64"). One that was
// found less than a day ago is used as it is, and so is an older one when the
// archive cannot be asked. Processes that fetch the same kernel at the same
// time wait for each other.
func FetchKernel(ctx context.Context, cache, arch string, r Role) (Kernel, error) {
	dir := filepath.Join(cache, "kernels", r.Name+"-"+arch)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	old, found := cached(dir)
	asked := filepath.Join(dir, "asked")
	if info, err := os.Stat(asked); found && err == nil && time.Since(info.ModTime()) < kernelAge {
		return old, nil
	}
	k, err := downloadKernel(ctx, dir, arch, r)
	switch {
	case err == nil:
		return k, os.WriteFile(asked, []byte(k.Release+"\n"), 0o644)
	case found && ctx.Err() == nil:
		return old, nil
	}
	return Kernel{}, fmt.Errorf("kernel of Debian %s for %s: %w", strings.Join(r.Suites, ", "), arch, err)
}

// downloadKernel asks the archive for the kernel of a role and leaves its
// image in dir.
func downloadKernel(ctx context.Context, dir, arch string, r Role) (Kernel, error) {
	tmp, err := os.MkdirTemp(dir, "apt-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(tmp)
	a, err := newApt(ctx, tmp, r.Suites)
	if err != nil {
		return Kernel{}, err
	}
	if _, err := a.run(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		return Kernel{}, err
	}
	meta := "linux-image-cloud-" + arch
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
	out, err = a.run(ctx, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return Kernel{}, err
	}
	names := strings.Fields(string(out))
	// Since 7.x the image is in linux-binary-* and linux-image-* only depends
	// on it.
	for _, name := range []string{"linux-binary-" + release, "linux-image-" + release} {
		if !slices.Contains(names, name) {
			continue
		}
		if _, err := a.run(ctx, "apt-get", "download", name); err != nil {
			return Kernel{}, err
		}
		debs, _ := filepath.Glob(filepath.Join(tmp, name+"_*.deb"))
		if len(debs) != 1 {
			return Kernel{}, fmt.Errorf("apt-get download %s left %d files", name, len(debs))
		}
		switch err := extract(ctx, debs[0], image); {
		case err == nil:
			return Kernel{Path: image, Release: release}, nil
		case !errors.Is(err, errNoImage):
			return Kernel{}, err
		}
	}
	return Kernel{}, fmt.Errorf("%w in the packages of %s", errNoImage, release)
}

var dependsOnImage = regexp.MustCompile(`\blinux-image-([0-9][0-9A-Za-z.+~-]*-cloud-[a-z0-9]+)\b`)

// kernelOf returns the release of the kernel that a package depends on, from
// what `apt-cache show` says of it.
func kernelOf(show string) (release string, ok bool) {
	for line := range strings.Lines(show) {
		if rest, found := strings.CutPrefix(line, "Depends:"); found {
			if m := dependsOnImage.FindStringSubmatch(rest); m != nil {
				return m[1], true
			}
		}
	}
	return "", false
}
