// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goarmor/apparmor/diag"
)

// TestLimits asks for as much as each limit allows, and for one more.
func TestLimits(t *testing.T) {
	tree := fstest.MapFS{"f0": {}, "b9": {Data: []byte("# 9 long\n")}}
	for i := range 100 {
		tree[fmt.Sprint("f", i+1)] = &fstest.MapFile{Data: fmt.Appendf(nil, "include <f%d>\n", i)}
	}
	for i := range DefaultIncludes {
		tree[fmt.Sprint("all/", i)] = &fstest.MapFile{}
	}
	for i := range 5 {
		tree[fmt.Sprint("five/", i)] = &fstest.MapFile{}
	}
	rep := strings.Repeat
	blocks := func(n int) string { return "/t " + rep("{ ", n) + rep("} ", n) }
	profiles := func(n int) string { return rep("profile x { ", n) + rep("} ", n) }
	ifs := func(n int) string { return "/t { " + rep("if true { ", n-1) + rep("} ", n) }
	elseIfs := func(n int) string { return "/t { if true { } " + rep("else if true { } ", n-2) + "}" }
	parens := func(n int) string { return "/t { if " + rep("(", n) + "true" + rep(")", n) + " { } }" }
	nots := func(n int) string { return "$B = " + rep("not ", n) + "true\n" }
	ands := func(n int) string { return "$B = true" + rep(" and true", n) + "\n" }
	ors := func(n int) string { return "$B = true" + rep(" or true", n) + "\n" }

	const (
		depth     = "nesting depth"
		operators = "operators in an expression"
		factor    = 2 // of operators to levels
		includes  = "include depth"
		files     = "number of included files"
		total     = "size of all files in bytes"
	)
	for _, c := range []struct {
		what     string
		limits   Limits
		ok, over string
	}{
		{depth, Limits{}, blocks(DefaultDepth), blocks(DefaultDepth + 1)},
		{depth, Limits{}, "", "/t " + rep("{ ", 1_000_000)},
		{depth, Limits{Depth: 3}, blocks(3), blocks(4)},
		{depth, Limits{Depth: 3}, profiles(3), profiles(4)},
		{depth, Limits{Depth: 3}, ifs(3), ifs(4)},
		{depth, Limits{Depth: 3}, elseIfs(3), elseIfs(4)},
		{operators, Limits{}, parens(factor * DefaultDepth), parens(factor*DefaultDepth + 1)},
		{operators, Limits{}, nots(factor * DefaultDepth), nots(factor*DefaultDepth + 1)},
		{operators, Limits{}, ands(factor * DefaultDepth), ands(factor*DefaultDepth + 1)},
		{operators, Limits{}, ors(factor * DefaultDepth), ors(factor*DefaultDepth + 1)},
		{operators, Limits{}, "", nots(1_000_000)},
		{operators, Limits{Depth: 3}, ands(3 * factor), ands(3*factor + 1)},
		{"file size in bytes", Limits{}, rep(" ", DefaultBytes), rep(" ", DefaultBytes+1)},
		{"file size in bytes", Limits{Bytes: 6}, "/t { }", "/t {  }"},
		{includes, Limits{}, fmt.Sprintf("include <f%d>\n", DefaultIncludeDepth-1), fmt.Sprintf("include <f%d>\n", DefaultIncludeDepth)},
		{includes, Limits{IncludeDepth: 100}, "include <f99>\n", "include <f100>\n"},
		{files, Limits{}, "include <all>\n", "include <all>\ninclude <f0>\n"},
		{files, Limits{Includes: 2}, "include <f1>\n", "include <f2>\n"},
		{files, Limits{Includes: 2}, rep("include <f1>\n", 9), "include <f1>\ninclude <b9>\n"},
		{total, Limits{TotalBytes: 22}, "include <b9>\n", "include <b9>\n "},
		{total, Limits{TotalBytes: 13}, rep(" ", 13), rep(" ", 14)},
		{"directory entries", Limits{DirEntries: 5}, "include <five>\n", ""},
		{"directory entries", Limits{DirEntries: 4}, "", "include <five>\n"},
	} {
		for _, recover := range []int{0, 1000} {
			config := Config{Roots: []fs.FS{tree}, Limits: c.limits, Recover: recover}
			if _, err := config.ParseTree(t.Context(), "main", c.ok); err != nil {
				t.Errorf("%s, %+v, within: %v", c.what, c.limits, err)
			}
			if c.over == "" {
				continue
			}
			_, err := config.ParseTree(t.Context(), "main", c.over)
			var limit *diag.LimitError
			if !errors.As(err, &limit) || !errors.Is(err, diag.ErrLimit) || limit.What != c.what || limit.Got <= limit.Limit {
				t.Errorf("%s, %+v: %v", c.what, c.limits, err)
			}
		}
	}
}

// TestLimitEndless includes files that are longer than they say, or say that
// they are too long.
func TestLimitEndless(t *testing.T) {
	for _, size := range []int64{10, 100 << 20} {
		config := Config{Roots: []fs.FS{endless{size}}, Limits: Limits{Bytes: 1 << 16}}
		_, err := config.ParseTree(t.Context(), "main", "include <x>\n")
		var limit *diag.LimitError
		if !errors.As(err, &limit) || limit.What != "file size in bytes" {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// endless is a file that says it has a size and never ends.
type endless struct{ size int64 }

func (e endless) Open(name string) (fs.File, error) { return e, nil }
func (e endless) Stat() (fs.FileInfo, error)        { return e, nil }
func (e endless) Read(b []byte) (int, error)        { return copy(b, strings.Repeat("#", len(b))), nil }
func (e endless) Close() error                      { return nil }
func (e endless) Name() string                      { return "endless" }
func (e endless) Size() int64                       { return e.size }
func (e endless) Mode() fs.FileMode                 { return 0 }
func (e endless) ModTime() time.Time                { return time.Time{} }
func (e endless) IsDir() bool                       { return false }
func (e endless) Sys() any                          { return nil }
