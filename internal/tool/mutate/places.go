// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
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
		return site{p.file, line, kindPlace, []edit{{from, from + len(old), p.new}}, short(p.old) + " -> " + short(p.new)}, nil
	}
	return site{}, fmt.Errorf("%s: no such file", p.file)
}
