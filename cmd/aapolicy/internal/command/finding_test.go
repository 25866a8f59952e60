// SPDX-License-Identifier: Apache-2.0

package command

import (
	"os"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/diag"
)

// TestColumns counts characters, and says nothing about what is not there.
func TestColumns(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a", []byte("ab\n\u00e4\U0001f600c\r\n\xff\xc3x"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := columns{}
	for _, tt := range []struct {
		file               string
		line, column, want int
	}{
		{"a", 1, 1, 1}, {"a", 1, 3, 3}, {"a", 1, 4, 4}, {"a", 1, 5, 0}, {"a", 1, 0, 0},
		{"a", 2, 1, 1}, {"a", 2, 3, 2}, {"a", 2, 7, 3}, {"a", 2, 8, 4},
		{"a", 3, 1, 1}, {"a", 3, 2, 2}, {"a", 3, 3, 3}, {"a", 3, 4, 4}, {"a", 3, 5, 0},
		{"a", 4, 1, 0}, {"none", 1, 1, 0}, {".", 1, 1, 0},
	} {
		l := c.location(diag.Position{File: tt.file, Line: tt.line, Column: tt.column})
		if got := l.Physical.Region; got.StartColumn != tt.want || got.StartLine != tt.line {
			t.Errorf("%s:%d:%d: %+v, want %d", tt.file, tt.line, tt.column, got, tt.want)
		}
	}
	if l := c.location(diag.Position{File: "a"}); l.Physical.Region != nil {
		t.Errorf("no line: %+v", l.Physical.Region)
	}
	if got := braces.Replace("{0}a{b,c}"); got != "{{0}}a{{b,c}}" || strings.Count(got, "{") != 4 {
		t.Error(got)
	}
}
