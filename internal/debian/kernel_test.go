// SPDX-License-Identifier: Apache-2.0

//go:build linux

package debian

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestKernelOf(t *testing.T) {
	for show, want := range map[string]string{
		"Package: linux-image-cloud-amd64\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n":                            "6.1.0-56-cloud-amd64",
		"Depends: linux-base-cloud-arm64 (= 7.2.13-1), linux-image-7.2.13+deb14-cloud-arm64 (= 7.2.13-1), linux-modules\nX: y\n": "7.2.13+deb14-cloud-arm64",
		"Depends: linux-image-6.12.90+deb13.1-cloud-amd64":                                                                       "6.12.90+deb13.1-cloud-amd64",
		"Depends: linux-image-6.8.0-151-generic\n":                                                                               "6.8.0-151-generic",
		"Recommends: linux-image-6.1.0-56-cloud-amd64\n":                                                                         "",
		"Depends: linux-image-amd64\n":                                                                                           "",
		"":                                                                                                                       "",
	} {
		if got, ok := kernelOf(show); got != want || ok != (want != "") {
			t.Errorf("kernelOf(%q) = %q, %v; want %q", show, got, ok, want)
		}
	}
}

func TestVersion(t *testing.T) {
	for release, want := range map[string][2]int{
		"6.12.118+deb13-cloud-amd64": {6, 12}, "7.3-rc1": {7, 3}, "6": {}, "": {}, "x": {},
	} {
		if major, minor := Version(release); major != want[0] || minor != want[1] {
			t.Errorf("Version(%q) = %d, %d", release, major, minor)
		}
	}
}

// A kernel in the cache is used while it is fresh, and later when the archive
// cannot be asked.
func TestFetchKernelFromCache(t *testing.T) {
	cache := t.TempDir()
	dir := filepath.Join(cache, "kernels", "old-amd64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir()) // no apt there
	role := Role{Name: "old", Suites: []string{"old"}}
	if k, err := FetchKernel(t.Context(), cache, "amd64", role); err == nil {
		t.Errorf("a kernel from nowhere: %+v", k)
	}
	for _, name := range []string{"vmlinuz-6.1.0-9-cloud-amd64", "vmlinuz-6.1.0-10-cloud-amd64", "vmlinuz-6.1.0-11-cloud-amd64.part", "asked"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, age := range []time.Duration{0, 100 * time.Hour} {
		when := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, "asked"), when, when); err != nil {
			t.Fatal(err)
		}
		k, err := FetchKernel(t.Context(), cache, "amd64", role)
		if err != nil || k.Release != "6.1.0-10-cloud-amd64" {
			t.Errorf("asked %v ago: %+v, %v", age, k, err)
		}
	}
}

func TestCompareNumbers(t *testing.T) {
	ordered := []string{"6.1.0-9", "6.1.0-50", "6.12.9+deb13", "6.12.107+deb13", "6.12.107+deb13.1", "7.2.6+deb13"}
	for i, a := range ordered {
		for j, b := range ordered {
			got := compareNumbers(a, b)
			if (i < j) != (got < 0) || (i == j) != (got == 0) {
				t.Errorf("compareNumbers(%q, %q) = %d", a, b, got)
			}
		}
	}
}

// archived returns an archive of files that hold their own names.
func archived(t *testing.T, names ...string) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(name)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestExtractImage(t *testing.T) {
	pack := func(names ...string) *bytes.Buffer { return archived(t, names...) }
	for _, name := range []string{"./boot/vmlinuz-6.1.0-50-cloud-amd64", "./usr/lib/modules/7.3.4/vmlinuz"} {
		image := filepath.Join(t.TempDir(), "image")
		found, err := extractImage(pack("./boot/config", name), image)
		if err != nil || !found {
			t.Fatalf("%s: found %v, %v", name, found, err)
		}
		if got, err := os.ReadFile(image); err != nil || string(got) != name {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	if found, err := extractImage(pack("./boot/config"), image); found || err != nil {
		t.Errorf("without an image: found %v, %v", found, err)
	}
	whole := pack("./boot/vmlinuz")
	if _, err := extractImage(bytes.NewReader(whole.Bytes()[:515]), image); err == nil {
		t.Error("a package that is cut short: no error")
	}
	if _, ok := cachedKernel(filepath.Dir(image)); ok {
		t.Error("a kernel that was cut short counts as cached")
	}
}

func TestExtractModules(t *testing.T) {
	dir := t.TempDir()
	const at = "./usr/lib/modules/7.3.4/kernel/drivers/"
	found, err := extractModules(archived(t, "./boot/config", at+"net/tun.ko.xz", at+"block/loop.ko", at+"../modules.order"), dir)
	if err != nil || !found {
		t.Fatalf("found %v, %v", found, err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 2 || list[0].Name() != "loop.ko" || list[1].Name() != "tun.ko.xz" {
		t.Errorf("%v, %v", list, err)
	}
	if found, err := extractModules(archived(t, "./boot/config"), t.TempDir()); found || err != nil {
		t.Errorf("without modules: found %v, %v", found, err)
	}
}
