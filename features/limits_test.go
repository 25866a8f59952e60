// SPDX-License-Identifier: Apache-2.0

package features

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/diag"
)

// TestLimits reads as much as the limits allow, and more, from text and from a
// tree of files.
func TestLimits(t *testing.T) {
	rep := strings.Repeat
	text := func(s string) func() (*Set, error) { return func() (*Set, error) { return Parse([]byte(s)) } }
	files := func(m fstest.MapFS) func() (*Set, error) { return func() (*Set, error) { return FromFS(m) } }
	file := func(n int) fstest.MapFS { return fstest.MapFS{"a": {Data: []byte("x" + rep(" ", n-1))}} }
	words := func(n int) string { return rep("b ", n) }
	deep := func(n int) string { return rep("a {", n) + rep("}", n) }
	deepFile := func(n int) fstest.MapFS { return fstest.MapFS{rep("d/", n) + "f": {Data: []byte("yes")}} }
	entries := func(n int) fstest.MapFS {
		m := fstest.MapFS{}
		for i := range n {
			m[fmt.Sprint("f", i)] = &fstest.MapFile{}
		}
		return m
	}
	for _, c := range []struct {
		name     string
		limit    int64
		ok, over func() (*Set, error)
	}{
		{"bytes of text", MaxSize, text("a {b}" + rep(" ", MaxSize-5)), text("a {b}" + rep(" ", MaxSize-4))},
		{"bytes of files", MaxSize, files(file(MaxSize)), files(file(MaxSize + 1))},
		{"entries and words of text", MaxEntries, text("a {" + words(MaxEntries-1) + "}"), text("a {" + words(MaxEntries) + "}")},
		{"words of files", MaxEntries, files(fstest.MapFS{"a": {Data: []byte(words(MaxEntries - 1))}}), files(fstest.MapFS{"a": {Data: []byte(words(MaxEntries))}})},
		{"files", MaxEntries, files(entries(MaxEntries)), files(entries(MaxEntries + 1))},
		{"depth of text", MaxDepth, text(deep(MaxDepth)), text(deep(MaxDepth + 1))},
		{"depth of directories", MaxDepth, files(deepFile(MaxDepth)), files(deepFile(MaxDepth + 1))},
	} {
		if _, err := c.ok(); err != nil {
			t.Errorf("%s, within: %v", c.name, err)
		}
		_, err := c.over()
		var limit *diag.LimitError
		if !errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit) || limit.Limit != c.limit || limit.Got != c.limit+1 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
