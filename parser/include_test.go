// SPDX-License-Identifier: Apache-2.0

package parser

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/ast"
)

// includeTree is what TestIncludeForms looks things up in: three roots in the
// order of the search path, as two directories given with -I and the base, and
// a working directory.
func includeTree() Config {
	abs := mapFS(
		"one/a", "/one r,\n", "one/d/1", "/d1 r,\n", "one/d/2", "/d2 r,\n", "one/d/10", "/d10 r,\n", "one/d/B", "/dB r,\n",
		"one/d/sub/file", "garbage", "one/d/.hidden", "garbage", "one/d/README", "garbage", "one/d/x.orig", "garbage",
		"one/only", "/only r,\n", "one/file", "/file r,\n", "one/sp ace", "/space r,\n", "one/st*r", "/star r,\n",
		"one/dir/x", "/x r,\n", "one/broken.d/x", "/x r,\n", "one/no-newline", "/nn r,",
		"two/a", "/two r,\n", "two/b", "/two r,\n", "two/d/9", "/d9 r,\n", "two/file/x", "/filex r,\n", "two/dir", "/dir r,\n",
		"base/a", "/base r,\n", "base/b", "/base r,\n", "base/c", "/base r,\n", "base/link-dir/x", "garbage",
		"cwd/a", "/cwd r,\n", "cwd/sub/y", "include \"a\"\n", "cwd/if", "/if r,\n", "cwd/a,b", "/comma r,\n", "cwd/a#b", "/hash r,\n",
	)
	link := func(name, to string) {
		abs[name] = &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte(to)}
	}
	link("one/link", "a")
	link("one/link-dir", "d")
	link("one/dangling", "nowhere")
	link("two/dangling", "a")
	link("one/out", "../base/c")
	link("one/broken.d/link", "nowhere")
	abs["one/null"] = &fstest.MapFile{Mode: fs.ModeDevice | fs.ModeCharDevice}
	abs["one/pipe"] = &fstest.MapFile{Mode: fs.ModeNamedPipe}
	c := Config{Abs: abs, Dir: "/cwd", RootNames: []string{"/one", "/two", "/base"}}
	for _, name := range c.RootNames {
		root, err := fs.Sub(abs, name[1:])
		if err != nil {
			panic(err)
		}
		c.Roots = append(c.Roots, root)
	}
	return c
}

// TestIncludeForms has the ways to write an include and what is read, as 6.0
// does it.
func TestIncludeForms(t *testing.T) {
	c := includeTree()
	for stmt, want := range map[string]string{
		// The search path, in order.
		"include <a>":                 "/one/a",
		"include <b>":                 "/two/b",
		"include <c>":                 "/base/c",
		"include <none>":              "error",
		"include if exists <none>":    "",
		"include if exists <a>":       "/one/a",
		"include </a>":                "/one/a",
		"include <//a>":               "/one/a",
		"include <./a>":               "/one/a",
		"include <d/../a>":            "/one/a",
		"include </one/a>":            "error",
		"include <dangling>":          "/two/dangling",
		"include <file/x>":            "/two/file/x", // a file in the first root
		"include <dir>":               "/one/dir/x",  // a directory, which hides the file
		"include <link>":              "/one/link",
		"include <out>":               "/one/out",
		"include <../base/c>":         "/base/c",
		"include <../none>":           "error",
		"include if exists <../x>":    "",
		"include <a/>":                "error",
		"include if exists <a/>":      "",
		"include <a/.>":               "error",
		"include <file/>":             "/two/file/x",
		"include <null>":              "",
		"include <pipe>":              "error",
		"include if exists <pipe>":    "error",
		"include <no-newline>":        "/one/no-newline",
		"include <a> include <b>":     "/one/a /two/b",
		"include <a> /x r,":           "/one/a",
		"include <a>#comment":         "/one/a",
		"include \"/one/no-newline\"": "/one/no-newline",

		// Directories, the last name first.
		"include <d>":                  "/one/d/B /one/d/2 /one/d/10 /one/d/1",
		"include <d/>":                 "/one/d/B /one/d/2 /one/d/10 /one/d/1",
		"include <link-dir>":           "/one/link-dir/B /one/link-dir/2 /one/link-dir/10 /one/link-dir/1",
		"include \"/two/d\"":           "/two/d/9",
		"include <broken.d>":           "error",
		"include if exists <broken.d>": "error",
		"include if exists <none/>":    "",

		// Paths of their own.
		"include \"a\"":                "/cwd/a",
		"include a":                    "/cwd/a",
		"include \"./a\"":              "/cwd/a",
		"include \"../one/a\"":         "/one/a",
		"include \"/one/a\"":           "/one/a",
		"include /one/a":               "/one/a",
		"include sub/y":                "/cwd/a /cwd/sub/y", // relative to Dir, not to the file
		"include \"none\"":             "error",
		"include if exists \"none\"":   "",
		"include if exists none":       "",
		"include \"\"":                 "error",
		"include if exists \"\"":       "",
		"include \"a/\"":               "error",
		"include a,b":                  "/cwd/a,b",
		"include a,":                   "error",
		"include a#b":                  "/cwd/a#b",
		"include \"/dev/../one/null\"": "",

		// What is between the brackets and quotes.
		"include < a >":        "/one/a",
		"include <\"a\">":      "/one/a",
		"include <sp ace>":     "/one/sp ace",
		"include <\"sp ace\">": "/one/sp ace",
		"include < \"a\">":     "error",
		"include <\"a\" >":     "error",
		"include <\ta>":        "error",
		"include <>":           "error",
		"include <a":           "error",
		"include \"a":          "error",
		"include <<a>>":        "error",
		`include <\x61>`:       "/one/a",
		`include "\141"`:       "/cwd/a",
		`include \d97`:         "/cwd/a",
		`include <st*r>`:       "/one/st*r",
		`include <st\x2ar>`:    "error", // what is decoded is no longer a plain star
		`include <sp\x20ace>`:  "/one/sp ace",
		"include <@{X}>":       "error",

		// The keyword.
		"include\t<a>":              "/one/a",
		"include \n <a>":            "/one/a",
		"include\n<a>":              "error",
		"include<a>":                "error",
		"include if  exists\t<a>":   "/one/a",
		"include if exists \n<a>":   "/one/a",
		"include if exists\n<a>":    "error",
		"include if":                "/cwd/if",
		"#include <a>":              "/one/a",
		"#include<a>":               "/one/a",
		"#include\n<a>":             "/one/a",
		"#includea":                 "/cwd/a",
		"#include if exists <none>": "",
		"#includeif":                "/cwd/if",
		"#include if\nexists r,":    "/cwd/if",
		"# include <a>":             "",
	} {
		u, err := c.ParseTree(t.Context(), "main", "/t {\n"+stmt+"\n}\n")
		got := ""
		if err != nil {
			got = "error"
		} else {
			got = strings.Join(filesOf(u), " ")
		}
		if got != want {
			t.Errorf("%s: %s, want %s (%v)", stmt, got, want, err)
		}
	}
}

// filesOf returns the files that a unit includes, in order of the statements'
// paths.
func filesOf(u *ast.Unit) (list []string) {
	stmts := make([]*ast.Include, 0, len(u.Included))
	for s := range u.Included {
		stmts = append(stmts, s)
	}
	slices.SortFunc(stmts, func(a, b *ast.Include) int { return strings.Compare(a.Path, b.Path) })
	for _, s := range stmts {
		for _, f := range u.Included[s] {
			list = append(list, f.Name)
		}
	}
	return list
}

// TestIncludeControl wants includes to reach nothing but what the caller gave.
func TestIncludeControl(t *testing.T) {
	full := includeTree()
	for name, c := range map[string]Config{
		"nothing":       {},
		"roots only":    {Roots: full.Roots, RootNames: full.RootNames},
		"no names":      {Roots: full.Roots, Abs: full.Abs},
		"absolute only": {Abs: full.Abs},
	} {
		for stmt, allowed := range map[string][]string{
			"include <a>":           {"roots only", "no names"},
			"include <../base/c>":   nil,
			"include <../../etc>":   nil,
			"include \"/one/a\"":    {"no names", "absolute only"},
			"include one/a":         {"no names", "absolute only"},
			"include ../../one/a":   {"no names", "absolute only"}, // above the root is the root
			"include \"/../one/a\"": {"no names", "absolute only"},
		} {
			_, err := c.ParseTree(t.Context(), "main", "/t { "+stmt+"\n}\n")
			if want := slices.Contains(allowed, name); (err == nil) != want {
				t.Errorf("%s: %s: %v", name, stmt, err)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: %v", name, stmt, err)
			}
		}
	}
}
