// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// FetchModules returns a folder with the modules of a kernel that FetchKernel
// has found, by their names: "tun.ko.xz", or "tun.ko" where the package does not
// compress them. The kernel's own package must still be in the archive unless
// they are in the cache.
func FetchModules(ctx context.Context, cache, arch string, r Role, release string) (string, error) {
	parent := filepath.Join(cache, "kernels", r.Name+"-"+arch)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	held, err := lock(filepath.Join(parent, "lock"))
	if err != nil {
		return "", err
	}
	defer held.Close()
	dir := filepath.Join(parent, "modules-"+release)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := downloadModules(ctx, cache, dir, arch, r, release); err != nil {
		return "", fmt.Errorf("modules of kernel %s: %w", release, err)
	}
	return dir, nil
}

func downloadModules(ctx context.Context, cache, dir, arch string, r Role, release string) (err error) {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), "apt-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	var from archive
	if r.Ubuntu {
		from, err = ubuntuArchive(ctx, cache)
	} else {
		from, err = debianArchive(ctx)
	}
	if err != nil {
		return err
	}
	a, err := newApt(tmp, from, arch, r.Suites, "deb")
	if err != nil {
		return err
	}
	if _, err := a.run(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		return err
	}
	out, err := a.run(ctx, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return err
	}
	names := strings.Fields(string(out))
	// Since 7.x the modules are in a package of their own.
	for _, name := range []string{"linux-modules-" + release, "linux-image-" + release} {
		if !slices.Contains(names, name) {
			continue
		}
		if _, err := a.run(ctx, "apt-get", "download", name); err != nil {
			return err
		}
		debs, err := filepath.Glob(filepath.Join(tmp, name+"_*.deb"))
		if err != nil || len(debs) != 1 {
			return fmt.Errorf("apt-get download %s left %d files", name, len(debs))
		}
		part := filepath.Join(tmp, "modules")
		if err := os.Mkdir(part, 0o755); err != nil {
			return err
		}
		if err := extract(ctx, debs[0], func(r io.Reader) (bool, error) { return extractModules(r, part) }); err != nil {
			return err
		}
		return os.Rename(part, dir)
	}
	return fmt.Errorf("%w in the packages of %s", errNoImage, release)
}

// extractModules writes the modules of an archive to a folder.
func extractModules(r io.Reader, dir string) (found bool, err error) {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return false, err
		}
		name := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || !strings.HasSuffix(name, ".ko") && !strings.HasSuffix(name, ".ko.xz") {
			continue
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			return false, err
		}
		_, err = io.Copy(f, tr)
		if err := errors.Join(err, f.Close()); err != nil {
			return false, err
		}
		found = true
	}
}
