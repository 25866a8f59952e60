// SPDX-License-Identifier: Apache-2.0

package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path"
	"path/filepath"
	"strings"
)

// archive is where packages come from.
type archive struct {
	keyring        string // of those who sign it
	main, security string // mirrors; empty: none
}

// debianArchive returns Debian's archive at the mirrors that the machine uses.
func debianArchive(ctx context.Context) (archive, error) {
	a := archive{keyring: "/usr/share/keyrings/debian-archive-keyring.gpg"}
	if _, err := os.Stat(a.keyring); err != nil {
		return archive{}, fmt.Errorf("%w (package debian-archive-keyring)", err)
	}
	a.main, a.security = mirrors(ctx)
	if a.main == "" {
		return archive{}, errors.New("the sources of apt name no mirror of Debian's archive")
	}
	return a, nil
}

// UbuntuMirror returns the mirror of Ubuntu's archive that a person has named in
// APPARMOR_TEST_UBUNTU_MIRROR; empty: none. Nothing asks that archive otherwise.
func UbuntuMirror() string { return os.Getenv("APPARMOR_TEST_UBUNTU_MIRROR") }

// ubuntuArchive returns Ubuntu's archive, with the keys that Debian has a
// package of.
func ubuntuArchive(ctx context.Context, cache string) (archive, error) {
	mirror := UbuntuMirror()
	if mirror == "" {
		return archive{}, errors.New("APPARMOR_TEST_UBUNTU_MIRROR names no mirror of Ubuntu's archive")
	}
	keys, err := Binary{Suite: "trixie", Names: []string{"ubuntu-keyring"}}.Fetch(ctx, cache)
	if err != nil {
		return archive{}, err
	}
	return archive{filepath.Join(keys.Dir, "usr/share/keyrings/ubuntu-archive-keyring.gpg"), mirror, mirror}, nil
}

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

// apt runs apt with a configuration of its own.
type apt struct {
	dir    string
	prefer string // the suite whose packages count first; empty: the newest do
}

// newApt lays out the folder dir for apt. Types are those of apt's source
// lines: "deb" for packages, "deb-src" for their sources.
func newApt(dir string, from archive, arch string, suites []string, types ...string) (*apt, error) {
	for _, name := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, err
		}
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
		fmt.Sprintf("APT::Architecture %q;", arch),
		fmt.Sprintf("APT::Architectures { %q; };", arch),
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
	for _, suite := range suites {
		mirror := from.main
		if strings.HasSuffix(suite, "-security") {
			mirror = from.security
		}
		if mirror == "" {
			continue // the suite without its updates will do
		}
		for _, typ := range types {
			fmt.Fprintf(&sources, "%s [arch=%s signed-by=%s] %s %s main\n", typ, arch, from.keyring, mirror, suite)
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
	return &apt{dir: dir}, nil
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
	options := []string{"-q", "-c", filepath.Join(a.dir, "apt.conf")}
	if a.prefer != "" {
		options = append(options, "-o", "APT::Default-Release="+a.prefer)
	}
	cmd := exec.CommandContext(ctx, name, append(options, args...)...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
