// SPDX-License-Identifier: Apache-2.0

//go:build linux

package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChoose(t *testing.T) {
	packages := strings.Fields(`
		linux-image-cloud-amd64 linux-image-amd64 linux-headers-6.1.0-50-cloud-amd64
		linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-50-cloud-amd64 linux-image-6.1.0-50-amd64
		linux-image-6.1.0-51-cloud-amd64-unsigned linux-image-6.1.0-52-cloud-amd64-dbg
		linux-image-6.12.107+deb13-cloud-amd64 linux-image-6.12.99+deb13-cloud-amd64
		linux-binary-7.2.13+deb14-cloud-amd64 linux-image-7.2.13+deb14-cloud-amd64
		linux-binary-unsigned-7.2.14+deb14-cloud-amd64`)
	for series, want := range map[string][]string{
		"6.1":  {"linux-image-6.1.0-50-cloud-amd64"},
		"6.12": {"linux-image-6.12.107+deb13-cloud-amd64"},
		"7.2":  {"linux-binary-7.2.13+deb14-cloud-amd64", "linux-image-7.2.13+deb14-cloud-amd64"},
	} {
		got, err := choose(series, packages)
		if err != nil {
			t.Errorf("%s: %v", series, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", series, diff)
		}
	}
	_, err := choose("7.3", packages)
	if !errors.Is(err, ErrMovedOn) || !strings.Contains(err.Error(), "7.2.13+deb14") {
		t.Errorf("absent series: %v", err)
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

func TestExtractTar(t *testing.T) {
	pack := func(names ...string) *bytes.Buffer {
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
	for _, name := range []string{"./boot/vmlinuz-6.1.0-50-cloud-amd64", "./usr/lib/modules/7.3.4/vmlinuz"} {
		image := filepath.Join(t.TempDir(), "image")
		found, err := extractTar(pack("./boot/config", name), image)
		if err != nil || !found {
			t.Fatalf("%s: found %v, %v", name, found, err)
		}
		if got, err := os.ReadFile(image); err != nil || string(got) != name {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
	}
	image := filepath.Join(t.TempDir(), "image")
	if found, err := extractTar(pack("./boot/config"), image); found || err != nil {
		t.Errorf("without an image: found %v, %v", found, err)
	}
	whole := pack("./boot/vmlinuz")
	if _, err := extractTar(bytes.NewReader(whole.Bytes()[:515]), image); err == nil {
		t.Error("cut short: no error")
	}
	if _, ok := cached(filepath.Dir(image)); ok {
		t.Error("what was cut short counts as cached")
	}
}
