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
	"os/user"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Series is a line of kernels in suites of the archive, such as 6.12 in trixie
// and trixie-security. Which release of the series it is moves with the
// archive.
type Series struct {
	Number string // "6.12"
	Suites []string
}

// ErrMovedOn says that the suites have no kernel of the series any more.
var ErrMovedOn = errors.New("the suites have moved on to other kernels")

// CacheDir returns the folder for what tests fetch: $APPARMOR_TEST_CACHE, or
// goarmor in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("APPARMOR_TEST_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "goarmor"), nil
}

// Kernel is a kernel image on disk.
type Kernel struct {
	Path    string // the vmlinuz
	Release string // "6.12.107+deb13-cloud-amd64"
}

// Fetch returns the newest amd64 cloud kernel of the series. An image that is
// in the cache is used as it is; delete the folder to look for a newer one.
// Processes that fetch the same series at the same time wait for each other.
func Fetch(ctx context.Context, cache string, s Series) (Kernel, error) {
	dir := filepath.Join(cache, "kernels", s.Number)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Kernel{}, err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	if k, ok := cached(dir); ok {
		return k, nil
	}
	tmp, err := os.MkdirTemp(dir, "apt-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(tmp)
	a, err := newApt(ctx, tmp, s.Suites, "deb")
	if err != nil {
		return Kernel{}, err
	}
	k, err := a.fetchKernel(ctx, dir, s)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel %s from Debian %s: %w", s.Number, strings.Join(s.Suites, ", "), err)
	}
	return k, nil
}

// cached finds the newest image in dir.
func cached(dir string) (Kernel, bool) {
	images, _ := filepath.Glob(filepath.Join(dir, "vmlinuz-*"))
	images = slices.DeleteFunc(images, func(p string) bool { return strings.HasSuffix(p, ".part") })
	if len(images) == 0 {
		return Kernel{}, false
	}
	p := slices.MaxFunc(images, compareNumbers)
	return Kernel{Path: p, Release: strings.TrimPrefix(filepath.Base(p), "vmlinuz-")}, true
}

// apt runs apt with a configuration of its own.
type apt struct {
	dir string
}

// newApt lays out the folder dir for apt. Types are those of apt's source
// lines: "deb" for packages, "deb-src" for their sources.
func newApt(ctx context.Context, dir string, suites []string, types ...string) (*apt, error) {
	for _, name := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, err
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("%w (package debian-archive-keyring)", err)
	}
	me, err := user.Current()
	if err != nil {
		return nil, err
	}
	for _, d := range []string{"etc", "lists/partial", "cache/archives/partial", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	conf := []string{
		// Hooks of the machine are not for a private cache.
		`#clear APT::Update;`,
		`#clear DPkg::Post-Invoke;`,
		`APT::Architecture "amd64";`,
		`APT::Architectures { "amd64"; };`,
		fmt.Sprintf("APT::Sandbox::User %q;", me.Username),
		`Acquire::Languages "none";`,
		`Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";`,
		`Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";`,
	}
	for _, o := range [][2]string{
		{"Dir::Etc::sourcelist", "etc/sources.list"},
		{"Dir::Etc::sourceparts", "etc"},
		{"Dir::Etc::preferences", "etc/preferences"},
		{"Dir::Etc::preferencesparts", "etc"},
		{"Dir::State", "state"},
		{"Dir::State::Lists", "lists"},
		{"Dir::State::status", "state/status"},
		{"Dir::Cache", "cache"},
	} {
		conf = append(conf, fmt.Sprintf("%s %q;", o[0], filepath.Join(dir, o[1])))
	}
	var sources strings.Builder
	main, security := mirrors(ctx)
	if main == "" {
		return nil, errors.New("the sources of apt name no mirror of Debian's archive")
	}
	for _, suite := range suites {
		mirror := main
		if strings.HasSuffix(suite, "-security") {
			mirror = security
		}
		if mirror == "" {
			continue // the suite without its updates will do
		}
		for _, typ := range types {
			fmt.Fprintf(&sources, "%s [arch=amd64 signed-by=%s] %s %s main\n", typ, keyring, mirror, suite)
		}
	}
	for name, text := range map[string]string{
		"etc/sources.list": sources.String(),
		"etc/preferences":  "",
		"state/status":     "",
		"apt.conf":         strings.Join(conf, "\n") + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return &apt{dir}, nil
}

// mirrors returns the mirrors that the machine's own sources name for Debian's
// archive and for its security updates; empty: none.
func mirrors(ctx context.Context) (main, security string) {
	// The error leaves nothing to read.
	out, _ := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").Output()
	for uri := range strings.Lines(string(out)) {
		uri = strings.TrimSpace(uri)
		switch {
		case !strings.HasPrefix(uri, "http"):
		case path.Base(uri) == "debian":
			main = uri
		case path.Base(uri) == "debian-security":
			security = uri
		}
	}
	return main, security
}

func (a *apt) run(ctx context.Context, name string, args ...string) ([]byte, error) {
	return a.runIn(ctx, a.dir, name, args...)
}

// runIn runs a program of apt in a folder, where it puts what it downloads.
func (a *apt) runIn(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, append([]string{"-q", "-c", filepath.Join(a.dir, "apt.conf")}, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

func (a *apt) fetchKernel(ctx context.Context, dir string, s Series) (Kernel, error) {
	if _, err := a.run(ctx, "apt-get", "--error-on=any", "update"); err != nil {
		return Kernel{}, err
	}
	out, err := a.run(ctx, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return Kernel{}, err
	}
	names, err := choose(s.Number, strings.Fields(string(out)))
	if err != nil {
		return Kernel{}, err
	}
	for _, name := range names {
		if _, err := a.run(ctx, "apt-get", "download", name); err != nil {
			return Kernel{}, err
		}
		debs, _ := filepath.Glob(filepath.Join(a.dir, name+"_*.deb"))
		if len(debs) != 1 {
			return Kernel{}, fmt.Errorf("apt-get download %s left %d files", name, len(debs))
		}
		release := imageName.FindStringSubmatch(name)[2]
		image := filepath.Join(dir, "vmlinuz-"+release)
		switch err := extract(ctx, debs[0], image); {
		case err == nil:
			return Kernel{Path: image, Release: release}, nil
		case !errors.Is(err, errNoImage):
			return Kernel{}, err
		}
	}
	return Kernel{}, fmt.Errorf("%w: %s", errNoImage, strings.Join(names, ", "))
}

var imageName = regexp.MustCompile(`^linux-(image|binary)-([0-9][0-9.]*[0-9+~a-z.-]*-cloud-amd64)$`)

// choose returns the packages that may hold the newest kernel of the series:
// since 7.x the image is in linux-binary-* and linux-image-* only depends on
// it.
func choose(series string, packages []string) ([]string, error) {
	newest, others := "", map[string]bool{}
	for _, p := range packages {
		m := imageName.FindStringSubmatch(p)
		if m == nil {
			continue
		}
		if !strings.HasPrefix(m[2], series+".") {
			others[m[2]] = true
			continue
		}
		if newest == "" || compareNumbers(m[2], newest) > 0 {
			newest = m[2]
		}
	}
	if newest == "" {
		found := make([]string, 0, len(others))
		for o := range others {
			found = append(found, o)
		}
		slices.SortFunc(found, compareNumbers)
		return nil, fmt.Errorf("%w: they have %s", ErrMovedOn, strings.Join(found, ", "))
	}
	var names []string
	for _, kind := range []string{"binary", "image"} {
		if name := "linux-" + kind + "-" + newest; slices.Contains(packages, name) {
			names = append(names, name)
		}
	}
	return names, nil
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

var errNoImage = errors.New("no kernel image in the package")

// extract writes the vmlinuz of a package to a file.
func extract(ctx context.Context, deb, image string) (err error) {
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
	found, readErr := extractTar(bufio.NewReader(out), image)
	io.Copy(io.Discard, out) // dpkg-deb fails when its pipe is closed early
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("dpkg-deb: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if readErr == nil && !found {
		return fmt.Errorf("%w %s", errNoImage, filepath.Base(deb))
	}
	return readErr
}

func extractTar(r io.Reader, image string) (found bool, err error) {
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
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
