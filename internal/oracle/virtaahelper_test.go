// SPDX-License-Identifier: Apache-2.0

//go:build linux

package oracle_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/oracle"
)

func TestVirtAAHelper(t *testing.T) {
	h := oracle.VirtAAHelper(t, "bookworm", fstest.MapFS{
		"srv/link.img":     {Mode: fs.ModeSymlink | 0o777, Data: []byte("images/a.img")},
		"srv/images/a.img": {},
	})
	if !strings.HasPrefix(h.Version(), "9.0.0-") {
		t.Errorf("version %s", h.Version())
	}
	const uuid = "c7a5fdbd-edaf-9455-926a-d65c16db1809"
	const xml = `<domain type='kvm'><name>vm</name><uuid>` + uuid + `</uuid><memory>1024</memory><os><type arch='x86_64'>hvm</type></os>
<devices><disk type='file'><source file='/srv/link.img'/><target dev='vda'/></disk></devices></domain>`
	for range 2 { // the second time from the cache
		rules, err := h.Rules(xml, "libvirt-"+uuid)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(rules, "  \"/var/log/libvirt/**/vm.log\" w,\n") || !strings.HasSuffix(rules, "  \"/srv/images/a.img\" rwk,\n") {
			t.Errorf("rules are %q", rules)
		}
		var e *oracle.Error
		if _, err := h.Rules(xml, "libvirt-00000000-0000-0000-0000-000000000000"); !errors.As(err, &e) || e.Exit != 1 {
			t.Errorf("a wrong UUID gives %v", err)
		}
	}
}
