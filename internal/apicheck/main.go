// SPDX-License-Identifier: Apache-2.0

// Command apicheck reads what apidiff -incompatible reports of a module, and
// fails for every name that the part of the change log on what is unreleased
// does not have:
//
//	apidiff -m -incompatible old.api MODULE | go run ./internal/apicheck CHANGELOG.md
//
// A name is written with its package, as `parser.EBNF`. A field or method, such
// as `ast.File.Position`, is also covered by its type, and many names by their
// common beginning, as `parser.Code*`. A change that follows from that of a type
// which the log names is covered, too: the line of the type says what to do.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: apicheck CHANGELOG.md < report")
		os.Exit(2)
	}
	log, err := os.ReadFile(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "apicheck:", err)
		os.Exit(2)
	}
	changes, unnamed, err := check(os.Stdin, string(log))
	if err != nil {
		fmt.Fprintln(os.Stderr, "apicheck:", err)
		os.Exit(2)
	}
	for _, line := range unnamed {
		fmt.Println(line)
	}
	if len(unnamed) > 0 {
		fmt.Printf("apicheck: %d of %d incompatible changes are not named in the Unreleased part of %s: add what was before and what is now\n", len(unnamed), changes, os.Args[1])
		os.Exit(1)
	}
	fmt.Printf("apicheck: %d incompatible changes, all named in %s\n", changes, os.Args[1])
}

// change is a line of apidiff: the path of the package, the name in it and what
// became of it.
var change = regexp.MustCompile(`^- (?:\./)?([^:]*): .`)

// check returns the number of changes in a report, and the lines of those that
// the log does not name.
func check(report io.Reader, log string) (changes int, unnamed []string, err error) {
	have := names(unreleased(log))
	lines := bufio.NewScanner(report)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if !strings.HasPrefix(line, "- ") {
			continue // a headline
		}
		m := change.FindStringSubmatch(line)
		if m == nil {
			return 0, nil, fmt.Errorf("a line without a change: %q", line)
		}
		changes++
		if !named(have, m[1]) && !follows(have, m[1], line) {
			unnamed = append(unnamed, line)
		}
	}
	return changes, unnamed, lines.Err()
}

// unreleased returns the part of a change log on what no release has yet.
func unreleased(log string) string {
	var out strings.Builder
	in := false
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "## ") {
			in = strings.HasPrefix(strings.ToLower(line), "## [unreleased]")
		}
		if in {
			out.WriteString(line)
		}
	}
	return out.String()
}

// name is a name with its package, or what many names begin with.
var name = regexp.MustCompile(`[a-z][a-z0-9]*(\.[A-Za-z0-9_]+)+\*?`)

func names(text string) map[string]bool {
	out := map[string]bool{}
	for _, n := range name.FindAllString(text, -1) {
		out[n] = true
	}
	return out
}

var (
	before   = regexp.MustCompile(`: changed from (.*) to `)
	typeName = regexp.MustCompile(`([\w./-]+\.)?\b[A-Z]\w*`)
)

// follows reports whether a change is that of a type which the log names.
func follows(have map[string]bool, what, line string) bool {
	m := before.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	pkg, _, _ := strings.Cut(path.Base(what), ".")
	for _, t := range typeName.FindAllString(m[1], -1) {
		if t = path.Base(t); !strings.Contains(t, ".") {
			t = pkg + "." + t
		}
		if have[t] {
			return true
		}
	}
	return false
}

// named reports whether a log names what apidiff calls
// ./svirt.(*Manager).Create, or something that it is a part of.
func named(have map[string]bool, what string) bool {
	what = path.Base(strings.NewReplacer("(*", "", "(", "", ")", "").Replace(what))
	if i := strings.IndexAny(what, " ,["); i >= 0 {
		what = what[:i]
	}
	for n := what; strings.Contains(n, "."); n = n[:strings.LastIndexByte(n, '.')] {
		if have[n] {
			return true
		}
	}
	for n := range have {
		if begin, ok := strings.CutSuffix(n, "*"); ok && strings.HasPrefix(what, begin) {
			return true
		}
	}
	return false
}
