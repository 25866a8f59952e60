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
	"strings"
)

// FetchModules returns a folder with the modules of a kernel that FetchKernel
// has found, by their names: "tun.ko.xz", or "tun.ko" where the package does not
// compress them. The kernel's own package must still be in the archive unless
// they are in the cache.
func FetchModules(ctx context.Context, cache, arch string, r Role, release string) (string, error) {
	parent := r.dir(cache, arch)
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
	a, end, err := r.apt(ctx, cache, filepath.Dir(dir), arch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	part := filepath.Join(a.dir, "modules")
	if err := os.Mkdir(part, 0o755); err != nil {
		return err
	}
	// Since 7.x the modules are in a package of their own.
	err = a.extractFirst(ctx, []string{"linux-modules-" + release, "linux-image-" + release},
		func(r io.Reader) (bool, error) { return extractModules(r, part) })
	if err != nil {
		return err
	}
	return os.Rename(part, dir)
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
