// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"math"
	"math/bits"
	"strings"
	"text/tabwriter"
	"time"
)

// histogram counts durations in buckets whose widths grow with them, as HDR
// histograms do: subBuckets buckets between a power of two and the next, so that
// a quantile is at most 1/subBuckets too high. The zero value is empty.
type histogram struct {
	counts [subBuckets * 64]int64
	n      int64
	max    time.Duration
}

const (
	subBits    = 4
	subBuckets = 1 << subBits
)

// bucket returns the number of a duration's bucket.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < subBuckets {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - subBuckets
}

// upper returns the longest duration of a bucket.
func upper(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i>>subBits - 1
	return time.Duration(uint64(subBuckets+i&(subBuckets-1)+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucket(d)]++
	h.n++
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// quantile returns a duration that a part q of all did not exceed; 0 of none.
func (h *histogram) quantile(q float64) time.Duration {
	want := int64(math.Ceil(q * float64(h.n)))
	var seen int64
	for i, n := range h.counts {
		seen += n
		if n > 0 && seen >= want {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// bar is a row of a histogram that is shown: how many were below a duration and
// not below that of the row before.
type bar struct {
	below time.Duration
	n     int64
}

// bars gathers the buckets into steps of 1, 2 and 5 times a power of ten, from
// the first that has something to the last.
func (h *histogram) bars() []bar {
	var out []bar
	i := 0
	for unit := int64(time.Microsecond); unit < math.MaxInt64/10; unit *= 10 {
		for _, m := range []int64{1, 2, 5} {
			b := bar{below: time.Duration(m * unit)}
			for ; i < len(h.counts) && upper(i) < b.below; i++ {
				b.n += h.counts[i]
			}
			if b.n > 0 || len(out) > 0 {
				out = append(out, b)
			}
		}
	}
	for len(out) > 0 && out[len(out)-1].n == 0 {
		out = out[:len(out)-1]
	}
	return out
}

// step is one step of all machines.
type step struct {
	name    string
	workers int
	wall    time.Duration
	histogram
}

// writeTable writes a row for each step.
func writeTable(w *bufio.Writer, steps []*step) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "step\ttotal\tper second\tp50\tp99\tp99.9\tmax\t")
	for _, s := range steps {
		fmt.Fprintf(tw, "%s\t%v\t%.0f\t%v\t%v\t%v\t%v\t\n", s.name, short(s.wall), float64(s.n)/s.wall.Seconds(), short(s.quantile(0.5)), short(s.quantile(0.99)), short(s.quantile(0.999)), short(s.max))
	}
	return tw.Flush()
}

// writeBars draws the histogram of a step.
func (s *step) writeBars(w *bufio.Writer) {
	const width = 60
	bars := s.bars()
	var most int64 = 1
	for _, b := range bars {
		most = max(most, b.n)
	}
	fmt.Fprintln(w, s.name)
	for _, b := range bars {
		length := (b.n*width + most - 1) / most // what is there is seen
		fmt.Fprintf(w, "  < %-6v %7d %s\n", b.below, b.n, strings.Repeat("#", int(length)))
	}
}

// short rounds to three digits.
func short(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// appendSVG appends a picture of all steps: a panel for each, with the same
// rows of durations.
func appendSVG(dst []byte, steps []*step) []byte {
	const (
		panel, gap   = 620, 34
		row, label   = 16, 90
		title        = 22
		font         = `font-family="sans-serif" font-size="12"`
		background   = "#ffffff"
		ink, measure = "#202124", "#3b6ea8"
	)
	height := gap
	for _, s := range steps {
		height += title + row*len(s.bars()) + gap
	}
	dst = fmt.Appendf(dst, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" %s>`+"\n", panel, height, font)
	dst = fmt.Appendf(dst, `<rect width="%d" height="%d" fill="%s"/>`+"\n", panel, height, background)
	y := gap
	for _, s := range steps {
		dst = fmt.Appendf(dst, `<text x="10" y="%d" fill="%s" font-weight="bold">%s: %d machines, %d workers, %v; p50 %v, p99 %v, p99.9 %v, max %v</text>`+"\n", y, ink,
			escapeXML(s.name), s.n, s.workers, short(s.wall), short(s.quantile(0.5)), short(s.quantile(0.99)), short(s.quantile(0.999)), short(s.max))
		y += title
		bars := s.bars()
		var most int64 = 1
		for _, b := range bars {
			most = max(most, b.n)
		}
		for _, b := range bars {
			length := float64(b.n) / float64(most) * (panel - label - 70)
			dst = fmt.Appendf(dst, `<text x="%d" y="%d" fill="%s" text-anchor="end">&lt; %v</text><rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d" fill="%s">%d</text>`+"\n",
				label-8, y, ink, b.below, label, y-row+5, length, row-4, measure, label+length+5, y, ink, b.n)
			y += row
		}
		y += gap
	}
	return append(dst, "</svg>\n"...)
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escapeXML(s string) string { return xmlEscaper.Replace(s) }
