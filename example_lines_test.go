// SPDX-License-Identifier: Apache-2.0

package apparmor_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestExampleLines counts the lines of the examples, as docs/cookbook.md has them.
// They may grow by a tenth before the table must follow.
func TestExampleLines(t *testing.T) {
	text, err := os.ReadFile("docs/cookbook.md")
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	code := regexp.MustCompile(`(?m)^[ \t]*[^ \t\n/]|^[ \t]*/[^/]`)
	sum := 0
	rows := regexp.MustCompile(`(?m)^\| \[(\w+)\]\(\.\./examples/\w+\):[^|]*\| ([\d,]+) \|`).FindAllStringSubmatch(string(text), -1)
	for _, row := range rows {
		files, err := filepath.Glob(filepath.Join("examples", row[1], "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_other.go") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			lines += len(code.FindAll(source, -1))
		}
		want := number(row[2])
		sum += want
		if lines == 0 || max(lines-want, want-lines) > max(1, want/10) {
			t.Errorf("%s has %d lines, the table says %d", row[1], lines, want)
		}
	}
	total := regexp.MustCompile(`(?m)^\| all six \| ([\d,]+) \|`).FindStringSubmatch(string(text))
	if len(rows) != 6 || total == nil || number(total[1]) != sum {
		t.Errorf("%d rows with %d lines, and all are %q", len(rows), sum, total)
	}
}
