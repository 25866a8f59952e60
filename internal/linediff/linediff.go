// SPDX-License-Identifier: Apache-2.0

// Package linediff compares texts line by line, for commands that show what they
// would change.
package linediff

import (
	"fmt"
	"strings"
)

// diffContext is how many unchanged lines a diff shows around a change.
const diffContext = 3

// Unified returns the differences of two texts, line by line, in the unified
// format; nothing for equal texts.
func Unified(name, old, text string) string {
	if old == text {
		return ""
	}
	a, b := splitLines(old), splitLines(text)
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s.orig\n+++ %s\n", name, name)
	edits := diffLines(a, b)
	for i := 0; i < len(edits); {
		// A hunk ends if more unchanged lines follow than are shown at the end
		// of one hunk and the start of the next.
		for i < len(edits) && edits[i].op == ' ' {
			i++
		}
		if i == len(edits) {
			break
		}
		start := max(0, i-diffContext)
		end, same := i, 0
		for ; end < len(edits) && same <= 2*diffContext; end++ {
			if same++; edits[end].op != ' ' {
				same = 0
			}
		}
		end -= max(0, same-diffContext)
		writeHunk(&out, edits[start:end])
		i = end
	}
	return out.String()
}

// edit is a line of either text, after a blank, minus or plus, and the
// line numbers, from 1, that both texts have reached.
type edit struct {
	op   byte
	line string
	a, b int
}

func writeHunk(out *strings.Builder, edits []edit) {
	na, nb := 0, 0
	for _, e := range edits {
		if e.op != '+' {
			na++
		}
		if e.op != '-' {
			nb++
		}
	}
	// An empty range begins after the line before it.
	a, b := edits[0].a, edits[0].b
	if na == 0 {
		a--
	}
	if nb == 0 {
		b--
	}
	fmt.Fprintf(out, "@@ -%d,%d +%d,%d @@\n", a, na, b, nb)
	for _, e := range edits {
		out.WriteByte(e.op)
		out.WriteString(e.line)
		if !strings.HasSuffix(e.line, "\n") {
			out.WriteString("\n\\ No newline at end of file\n")
		}
	}
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	lines := strings.SplitAfter(s, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// maxDiff bounds the number of edits that are looked for; texts that differ
// more are shown as replaced.
const maxDiff = 1000

// diffLines finds a shortest sequence of edits with the greedy algorithm of
// Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
func diffLines(a, b []string) []edit {
	limit := min(len(a)+len(b), maxDiff)
	reach := make([]int, 2*limit+2) // by diagonal: the furthest line of a
	var trace [][]int
	for d := 0; d <= limit; d++ {
		trace = append(trace, append([]int(nil), reach...))
		for k := -d; k <= d; k += 2 {
			x := furthest(reach, limit, k, d)
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			reach[limit+k] = x
			if x >= len(a) && x-k >= len(b) {
				return backtrack(a, b, trace, limit)
			}
		}
	}
	var edits []edit
	for i, line := range a {
		edits = append(edits, edit{'-', line, i + 1, 1})
	}
	for i, line := range b {
		edits = append(edits, edit{'+', line, len(a) + 1, i + 1})
	}
	return edits
}

// furthest returns how far into a the d-th edit gets on diagonal k, before
// equal lines are followed.
func furthest(reach []int, limit, k, d int) int {
	if d == 0 {
		return 0
	}
	if k == -d || k != d && reach[limit+k-1] < reach[limit+k+1] {
		return reach[limit+k+1]
	}
	return reach[limit+k-1] + 1
}

// backtrack turns the path that was found into edits.
func backtrack(a, b []string, trace [][]int, limit int) []edit {
	x, y := len(a), len(b)
	var back []edit
	for d := len(trace) - 1; d >= 0; d-- {
		k := x - y
		start := furthest(trace[d], limit, k, d)
		for x > start {
			x, y = x-1, y-1
			back = append(back, edit{' ', a[x], x + 1, y + 1})
		}
		if d == 0 {
			break
		}
		if k == -d || k != d && trace[d][limit+k-1] < trace[d][limit+k+1] {
			y--
			back = append(back, edit{'+', b[y], x + 1, y + 1})
		} else {
			x--
			back = append(back, edit{'-', a[x], x + 1, y + 1})
		}
	}
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	return back
}
