// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import "testing"

func TestBuiltIn(t *testing.T) {
	names := []string{"6.1", "6.12", "7.2", "7.3", "ubuntu-24.04"}
	for release, want := range map[string]string{
		"6.1.0-56-cloud-amd64":       "6.1",
		"6.8.0":                      "6.1",
		"6.12.118+deb13-cloud-amd64": "6.12",
		"7.2.13+deb14-cloud-amd64":   "7.2",
		"7.10.1":                     "7.3",
		"8.0.0":                      "7.3",
		"5.10.0":                     "",
	} {
		if got := BuiltIn(names, Kernel{Roles: []string{"sid"}, Release: release}); got != want {
			t.Errorf("BuiltIn(%q) = %q, want %q", release, got, want)
		}
	}
	if got := BuiltIn(names, Kernel{Roles: []string{"ubuntu-24.04"}, Release: "6.8.0-151-generic"}); got != "ubuntu-24.04" {
		t.Errorf("by its role: %q", got)
	}
}
