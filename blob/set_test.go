// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

func TestParentName(t *testing.T) {
	for name, want := range map[string]string{
		"p":                "",
		"/usr/bin/p":       "",
		"p//c":             "p",
		"p//c//h":          "p//c",
		"p///bin/c":        "p",
		"/bin/p///bin/c":   "/bin/p",
		"p///bin/c//h":     "p///bin/c",
		"p//c///etc/x/y":   "p//c",
		"p//c/":            "p",
		"/usr//bin":        "/usr",
		"//p":              "",
		":ns:p///bin/c":    ":ns:p",
		"p///bin/c///e//h": "p///bin/c///e",
	} {
		if got := blob.ParentName(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestParentOfPath encodes a child whose name is a path.
func TestParentOfPath(t *testing.T) {
	p, err := blob.Encode([]*blob.Profile{{Name: "p"}, {Name: "p///bin/c"}, {Name: "q///bin/c"}})
	if err != nil {
		t.Fatal(err)
	}
	if needs := p.Needs(); len(needs) != 1 || needs[0] != "q" {
		t.Errorf("it needs %q", needs)
	}
}
