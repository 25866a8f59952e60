// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// kindPlace is a change that is written down in places.txt.
const kindPlace = "place"

// place is a change that somebody thought of.
type place struct{ file, old, new string }

// places reads places.txt: three lines each, the file, what is in it once, and
// what takes its place, with blank lines between them and comments after #.
func places(text string) []place {
	var all []place
	var lines []string
	flush := func() {
		if len(lines) == 3 {
			all = append(all, place{lines[0], lines[1], lines[2]})
		}
		lines = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			flush()
		default:
			lines = append(lines, strings.TrimPrefix(line, "| "))
		}
	}
	flush()
	return all
}

// site finds the place in the sources.
func (p place) site(sources []source) (site, error) {
	for _, s := range sources {
		if s.name != p.file {
			continue
		}
		old := []byte(p.old)
		if n := bytes.Count(s.text, old); n != 1 {
			return site{}, fmt.Errorf("%s: %q is there %d times", p.file, p.old, n)
		}
		from := bytes.Index(s.text, old)
		line := 1 + bytes.Count(s.text[:from], []byte("\n"))
		return site{p.file, line, kindPlace, []edit{{from, from + len(old), p.new}}, short(p.old) + " -> " + short(p.new), !inFunction(s.text, from)}, nil
	}
	return site{}, fmt.Errorf("%s: no such file", p.file)
}

// inFunction reports whether an offset of a source file is in a function.
func inFunction(src []byte, offset int) bool {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", src, parser.SkipObjectResolution)
	if err != nil {
		return false
	}
	for _, d := range file.Decls {
		if _, ok := d.(*ast.FuncDecl); ok && fset.Position(d.Pos()).Offset <= offset && offset < fset.Position(d.End()).Offset {
			return true
		}
	}
	return false
}

// equivalent is a change that cannot be seen.
type equivalent struct {
	place
	reason string
}

// equivalents reads equivalent.txt: the file, lines that are in it once, after
// "- ", the lines that take their place, after "+ ", and the reason, after "= ",
// with blank lines between entries and comments after #. The first two are as
// the command prints them.
func equivalents(text string) []equivalent {
	var all []equivalent
	for block := range strings.SplitSeq(text, "\n\n") {
		var e equivalent
		var lines, old, new []string
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case strings.HasPrefix(line, "#"), line == "":
			case strings.HasPrefix(line, "= "):
				e.reason = strings.TrimSpace(e.reason + " " + line[2:])
			case line == "-", strings.HasPrefix(line, "- "):
				old = append(old, strings.TrimPrefix(line[1:], " "))
			case line == "+", strings.HasPrefix(line, "+ "):
				new = append(new, strings.TrimPrefix(line[1:], " "))
			default:
				lines = append(lines, line)
			}
		}
		if len(lines) == 0 && old == nil {
			continue
		}
		e.place = place{strings.Join(lines, " "), strings.Join(old, "\n"), strings.Join(new, "\n")}
		all = append(all, e)
	}
	return all
}

// is reports whether the site makes the change of the entry.
func (e equivalent) is(s site, src []byte) bool {
	if s.File != e.file {
		return false
	}
	same, err := e.site([]source{{s.File, src}})
	return err == nil && bytes.Equal(s.apply(src), same.apply(src))
}
