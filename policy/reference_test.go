// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestDebian resolves all of Debian's profiles and compares their names and
// the rules on files with what the reference parser prints of them.
func TestDebian(t *testing.T) {
	tree := testenv.DebianTree(t)
	reference := oracle.Parser(t)
	features := oracle.Features(t, "kernel-6.1")
	list, err := os.ReadDir(tree)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range list {
		if e.IsDir() {
			continue
		}
		n++
		t.Run(e.Name(), func(t *testing.T) {
			roots := []fs.FS{os.DirFS(tree)}
			unit, err := parser.Config{Roots: roots}.ParseFS(t.Context(), e.Name())
			if err != nil {
				t.Fatal(err)
			}
			set, err := policy.Resolve(t.Context(), unit, policy.Options{Roots: roots})
			if err != nil {
				t.Fatalf("%+v", err)
			}
			run := func(flag string) string {
				a := reference.Run(oracle.Job{File: filepath.Join(tree, e.Name()), Base: tree, Features: features}, "-Q", "-K", "-q", flag)
				if a.Exit != 0 {
					t.Fatalf("%s: status %d\n%s", flag, a.Exit, a.Stderr)
				}
				return string(a.Stdout)
			}
			var names []string
			for _, p := range set.Profiles {
				names = append(names, p.FullName())
			}
			if diff := cmp.Diff(strings.Fields(run("-N")), names); diff != "" {
				t.Errorf("names: %s", diff)
			}
			want := parseDump(run("-d"))
			for _, p := range set.Profiles {
				if diff := cmp.Diff(want[p.Name], dump(p)); diff != "" {
					t.Errorf("rules of %s: %s", p.Name, diff)
				}
			}
		})
	}
	t.Logf("%d files", n)
}

// TestReference compares the rules on files of small policies with what the
// reference parser makes of them.
func TestReference(t *testing.T) {
	reference := oracle.Parser(t)
	features := oracle.Features(t, "features.all")
	uses := `/t { /1/@{V}/y r, /2@{V}y r, /3@{V}/y r, /4/@{V}y r, /@{V}/5 r, @{V} r, @{V}/5 r, //@{V}/6 r, /7//@{V}//y r, /8/@{V} r,
		"@{V}@{V}" w, "/9/@{V}/@{V}/y" w, "/{x,/@{V}}" k, "/\\\\/@{V}" r, "/a\\@{V}" r, }`
	for name, text := range map[string]string{
		"one value":         "@{V}=/a/\n" + uses,
		"many slashes":      "@{V}=//a//\n" + uses,
		"only slashes":      "@{V}=///\n" + uses,
		"two values":        "@{V}=/a/ b\n" + uses,
		"slash or more":     "@{V}=/ ///a///\n" + uses,
		"slashes only":      "@{V}=/ //\n" + uses,
		"empty value":       "@{V}=\"\" / a\n" + uses,
		"nested":            "@{A}=x y\n@{B}=/q/@{A}/ /z\n@{C}=/@{B}/k\n/t { /r/@{B}/s r, @{C} r, /@{B} r, @{A}@{A} r, }",
		"escapes":           "@{V}=/a\n@{W}=\\\\@{V} x\\@{V}\n/t { \"/q\\\\@{V}\" r, \"/r\\@{V}\" r, /z/@{W} r, }",
		"not variables":     "@{V}=a\n/t { /@{V-x} r, /@{1x} r, \"/@{V\" r, \"/@{V x}\" r, /@{a,V} r, \"/[@{V}]\" r, /@V r, }",
		"profile names":     "/t { @{profile_name} r, }\n/x/* { /@{profile_name} r, @{profile_name}/x r, }\n\"/x{a,b}\" { @{profile_name} r, }\nprofile \"a,b\\\\c\" { /@{profile_name} r, }",
		"names below":       "profile t { profile c { @{profile_name} r, ^h { /@{profile_name}x r, } } }\n:ns:u/* { @{profile_name} r, }",
		"aliases":           "alias /a -> /b,\nalias /a -> /c,\nalias /a/b -> /z,\nalias /b -> /d,\n/t { /a r, /a/b/c w, /ax k, /{a,b} r, link /q -> /a, }",
		"alias and slashes": "alias /a/b -> /z//q,\n/t { /a//b/c r, /a/b//c r, }",
		"owner and other":   "/t { owner { other /a r, } owner { owner /b r, /x w, } other { /c r, } owner { /d r, } owner /e r, other /e w, }",
		"blocks":            "/t { audit { /a r, audit /b w, { /c k, } } owner { /d r, } }",
		"deny and audit":    "/t { deny /a r, audit deny /b w, audit /c r, deny /e x, owner /f rwk, /m lr, l /n -> /o, rl /p -> /q, }",
		"exec":              "/t { /a ix, /b px, /c Cx -> d, /e pux, /f ux, /g rpix, }",
		"every file":        "/t { file, }",
	} {
		t.Run(name, func(t *testing.T) {
			file, err := parser.Parse("stdin", text)
			if err != nil {
				t.Fatal(err)
			}
			set, err := policy.Resolve(t.Context(), &ast.Unit{Main: file}, policy.Options{})
			if err != nil {
				t.Fatalf("%+v", err)
			}
			a := reference.Run(oracle.Job{Text: text, Features: features}, "-Q", "-K", "-q", "-d")
			if a.Exit != 0 {
				t.Fatalf("status %d\n%s", a.Exit, a.Stderr)
			}
			want := parseDump(string(a.Stdout))
			for _, p := range set.Profiles {
				key := p.Name
				if i := strings.LastIndex(key, "//"); p.Parent != nil && want[key] == nil {
					key = key[i+2:] // the parent of a hat is not printed
				}
				if diff := cmp.Diff(want[key], dump(p)); diff != "" {
					t.Errorf("rules of %s: %s", p.Name, diff)
				}
			}
		})
	}
}

var (
	dumpName    = regexp.MustCompile(`^Name:\t\t(.*)$`)
	dumpLocal   = regexp.MustCompile(`^Local To:\t(.*)$`)
	dumpEntry   = regexp.MustCompile(`^Mode:\t(.*):(.*)\tName:\t\((.*)\)$`)
	innermost   = regexp.MustCompile(`\{[^{}]*\}`)
	dumpImplied = []string{"/proc/*/attr/apparmor/", "/proc/[0-9]*/attr/{apparmor/,}current", "/proc/*/attr/{apparmor/,}{current,exec}", "/sys/module/apparmor/parameters/enabled"}
)

// parseDump reads what apparmor_parser -d prints: by profile, the path
// patterns of its file rules with the permissions of owner and other.
func parseDump(text string) map[string][]string {
	out := map[string][]string{}
	perms := map[string]map[string][2]string{}
	name, full := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := dumpName.FindStringSubmatch(line); m != nil {
			name, full = m[1], m[1]
			perms[full] = map[string][2]string{}
		} else if m := dumpLocal.FindStringSubmatch(line); m != nil {
			delete(perms, full)
			full = m[1] + "//" + name
			perms[full] = map[string][2]string{}
		} else if m := dumpEntry.FindStringSubmatch(line); m != nil && !strings.Contains(line, "change_profile") && !slices.Contains(dumpImplied, m[3]) {
			key := sortAlternatives(squeezed(m[3]))
			old := perms[full][key]
			perms[full][key] = [2]string{union(old[0], m[1]), union(old[1], m[2])}
		}
	}
	for full, byPath := range perms {
		for p, m := range byPath {
			if m[0]+m[1] == "" {
				continue // owner and other at once: nothing
			}
			out[full] = append(out[full], fmt.Sprintf("%s %s:%s", p, m[0], m[1]))
		}
		slices.Sort(out[full])
	}
	return out
}

// squeezed does what the reference does with slashes after printing.
func squeezed(path string) string {
	once := slashes.ReplaceAllString(path, "/")
	if run := len(path) - len(strings.TrimLeft(path, "/")); run == 2 {
		return "/" + once
	}
	return once
}

var slashes = regexp.MustCompile(`/+`)

// sortAlternatives orders the alternatives of the innermost braces: 3.0.8
// keeps the values of a variable in the order of the text.
func sortAlternatives(pattern string) string {
	return innermost.ReplaceAllStringFunc(pattern, func(group string) string {
		list := strings.Split(group[1:len(group)-1], ",")
		slices.Sort(list)
		return "{" + strings.Join(list, ",") + "}"
	})
}

// union returns the permission letters of a and b in one order, without what
// is said of exec.
func union(a, b string) string {
	var out strings.Builder
	for _, c := range "rwalkmx" {
		if strings.ContainsRune(strings.ReplaceAll(a, "unsafe", ""), c) || strings.ContainsRune(strings.ReplaceAll(b, "unsafe", ""), c) {
			out.WriteRune(c)
		}
	}
	return out.String()
}

// dump prints the file rules of a profile like parseDump.
func dump(p *policy.Profile) []string {
	perms := map[string][2]string{}
	add := func(path ast.Pattern, q *ast.Qualifiers, m string) {
		key := sortAlternatives(string(path))
		old := perms[key]
		if q.Owner != ast.OnlyOther {
			old[0] = union(old[0], m)
		}
		if q.Owner != ast.OnlyOwner {
			old[1] = union(old[1], m)
		}
		perms[key] = old
	}
	for _, r := range p.Rules {
		switch s := r.Rule.(type) {
		case *ast.LinkRule:
			add(s.From, s.Quals(), "l")
		case *ast.FileRule:
			if s.All {
				add("/{**,}", s.Quals(), "rwalkmx")
				continue
			}
			m := ""
			for i, c := range []string{"r", "wa", "a", "l", "k", "m"} {
				if s.Perms&(1<<i) != 0 {
					m += c
				}
			}
			if s.Exec != ast.ExecNone {
				m += "x"
			}
			add(s.Path, s.Quals(), m)
		}
	}
	var out []string
	for path, m := range perms {
		out = append(out, fmt.Sprintf("%s %s:%s", path, m[0], m[1]))
	}
	slices.Sort(out)
	return out
}
