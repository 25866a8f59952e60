// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestHostile tries our profile of the helper, and the helper under it: see
// guest/hostile for what each name is.
func TestHostile(t *testing.T) {
	want := map[string]string{
		"label":         "virt-aa-helper (enforce)",
		"read-template": "done", "write-machine": "done",
		"exec": "denied", "exec-parser": "denied", "exec-self": "denied", "network": "denied",
		"write-template": "denied", "write-policy": "denied", "write-abstraction": "denied", "write-etc": "denied",
		"write-tmp": "denied", "write-image": "denied", "read-shadow": "denied", "read-root": "denied", "read-disk": "denied",
		"mount": "denied", "kill": "denied", "mode": "denied",
		// The status, and how many profiles are loaded of the names that it
		// could be about: those of the machine and its child.
		"create": "0 loaded: 2", "unload": "0 loaded: 0",
		"another-profile": "1 loaded: 0", "two-profiles": "1 loaded: 0", "another-machine": "1 loaded: 0", "namespace": "1 loaded: 0",
		"include-shadow": "1 loaded: 0", "shadow-shown": "0",
		"link-rules": "0 loaded: 2", "unload-link": "0 loaded: 0", "link-lock": "1 loaded: 0", "link-new": "1 loaded: 0",
		"long-name": "1 loaded: 0", "disk-shadow": "1 loaded: 0", "disk-quote": "1 loaded: 0", "name-glob": "1 loaded: 0",
		"entities": "1 loaded: 0", "half": "1 loaded: 0", "too-long": "1 loaded: 0", "chain-shadow": "1 loaded: 0",
		"left": "libvirt-*", "files": "same",
	}
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			r := openDisk(t, suite).run(t, "hostile", buildHelper(t), 30*time.Minute)
			if d := cmp.Diff(want, r.seen); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// TestTheirProfile runs our helper under the profile that comes with libvirt's:
// it ends and leaves what libvirt's helper does.
func TestTheirProfile(t *testing.T) {
	for _, suite := range suites(t) {
		t.Run(suite, func(t *testing.T) {
			seen := openDisk(t, suite).run(t, "theirs", buildHelper(t), 30*time.Minute).seen
			for _, name := range []string{"create", "append", "rules", "replace", "shadow", "unload", "left"} {
				want, got := seen["libvirt-"+name], seen["theirs-"+name]
				if want == "" || got != want {
					t.Errorf("%s: %q, with libvirt's helper %q", name, got, want)
				}
			}
			if !strings.HasPrefix(seen["theirs-create"], "0 loaded: 2") {
				t.Errorf("create: %s", seen["theirs-create"])
			}
		})
	}
}
