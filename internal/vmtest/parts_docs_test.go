// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest/parts"
)

// TestPartsTable holds the table in docs/devices.md against the devices that
// TestParts runs, and what it expects of them. UPDATE_GOLDEN writes it.
func TestPartsTable(t *testing.T) {
	const begin, end = "| device of `TestParts` |", "\n\n"
	name := filepath.Join(testenv.Root(t), "docs", "devices.md")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	have, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("there is no table")
	}
	want := partsTable()
	if begin+have == want {
		return
	}
	if os.Getenv("UPDATE_GOLDEN") == "" {
		t.Errorf("the table is\n%s\nUPDATE_GOLDEN=1 makes it\n%s", begin+have, want)
		return
	}
	if err := os.WriteFile(name, []byte(before+want+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func partsTable() string {
	var b strings.Builder
	b.WriteString("| device of `TestParts` | left out |\n| --- | --- |")
	for _, d := range slices.Concat(parts.Devices, parts.Hardware) {
		out := "denied"
		switch {
		case d.Denied == "":
			out = "needs nothing of the description"
		case d.Connects:
			out = "6.12 lets it connect; 7.3 denies"
		}
		b.WriteString("\n| " + d.Name + " | " + out + " |")
	}
	return b.String()
}
