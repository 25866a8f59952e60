// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// digits are what differs from run to run.
var digits = regexp.MustCompile(`[0-9.]+(ns|µs|ms|s)?`)

// rows returns the names of the steps in the table.
func rows(out string) []string {
	var names []string
	_, table, _ := strings.Cut(out, "max\n")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		names = append(names, strings.TrimSpace(digits.ReplaceAllString(line, "")))
	}
	return names
}

func TestRun(t *testing.T) {
	var out, bar bytes.Buffer
	svg := filepath.Join(t.TempDir(), "storm.svg")
	if err := run(t.Context(), []string{"-n", "20", "-workers", "3", "-disks", "2", "-svg", svg}, &out, &bar); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"create", "add a disk", "load again", "remove"}, rows(out.String())); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
	if !strings.HasPrefix(out.String(), "20 machines, 2 disks each, 3 workers, in memory, kernel 6.12\n") {
		t.Errorf("%s", out.String())
	}
	if !strings.Contains(bar.String(), "create                       [########################################] 20/20") {
		t.Errorf("progress: %q", bar.String())
	}
	text, err := os.ReadFile(svg)
	if err != nil {
		t.Fatal(err)
	}
	bars := 0
	for dec := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars++
		}
	}
	if bars < 5 {
		t.Errorf("%d bars in\n%s", bars, text)
	}
}

// TestParser compares with Debian's parser, which takes the same files.
func TestParser(t *testing.T) {
	tree := testenv.Packages(t, debian.Binary{Suite: "sid", Names: []string{"apparmor"}, Libraries: true})
	command, err := tree.Command("/usr/sbin/apparmor_parser")
	if err != nil {
		t.Fatal(err)
	}
	// It is run with the C library that it was built for.
	script := filepath.Join(t.TempDir(), "apparmor_parser")
	text := "#!/bin/sh\nexec '" + strings.Join(command, "' '") + "' \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-n", "2", "-workers", "1", "-q", "-parser", script}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"create", "add a disk", "load again", "load by apparmor_parser", "remove"}, rows(out.String())); diff != "" {
		t.Errorf("%s\n%s", diff, out.String())
	}
}

func TestRunErrors(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name string
		ctx  context.Context
		args []string
		want string
	}{
		{"none", t.Context(), []string{"-n", "0"}, "-n 0: not from 1 to 100000"},
		{"too many", t.Context(), []string{"-n", "100001"}, "-n 100001: not from 1 to 100000"},
		{"workers", t.Context(), []string{"-n", "3", "-workers", "4"}, "-workers 4: not from 1 to the number of machines, 3"},
		{"disks", t.Context(), []string{"-disks", "0"}, "-disks 0: not from 1 to 100"},
		{"kernel", t.Context(), []string{"-kernel", "2.4"}, "-kernel 2.4: not one of"},
		{"arguments", t.Context(), []string{"more"}, `arguments ["more"] follow the options`},
		{"missing parser", t.Context(), []string{"-n", "1", "-workers", "1", "-parser", "/nonexistent"}, "load by nonexistent, machine 5703a000-0000-4000-8000-000000000000: "},
		{"cancelled", ended, []string{"-n", "1", "-workers", "1"}, context.Canceled.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			err := run(c.ctx, append([]string{"-q"}, c.args...), &out, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("and it says %q", out.String())
			}
		})
	}
}

// TestHistogram compares quantiles with those of the sorted durations.
func TestHistogram(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a, b, all histogram
	var list []time.Duration
	for i := range 5000 {
		// From nanoseconds to minutes, each power of two as often.
		d := time.Duration(r.Uint64N(1 << r.UintN(37)))
		list = append(list, d)
		if i%2 == 0 {
			a.add(d)
		} else {
			b.add(d)
		}
	}
	all.merge(&a)
	all.merge(&b)
	slices.Sort(list)
	for _, q := range []float64{0.0001, 0.1, 0.5, 0.9, 0.99, 0.999, 1} {
		want := list[max(0, int(q*float64(len(list))+0.999999)-1)]
		got := all.quantile(q)
		if got < want || float64(got) > float64(want)*(1+1.0/subBuckets)+1 {
			t.Errorf("quantile %v: %v, want %v or a little more", q, got, want)
		}
	}
	if all.max != list[len(list)-1] || all.n != int64(len(list)) {
		t.Errorf("max %v, n %d", all.max, all.n)
	}
	if (&histogram{}).quantile(0.5) != 0 || (&histogram{}).bars() != nil {
		t.Error("an empty histogram has a quantile or bars")
	}
	var sum int64
	for _, b := range all.bars() {
		sum += b.n
	}
	if sum != all.n {
		t.Errorf("bars of %d, want %d", sum, all.n)
	}
}

func TestBuckets(t *testing.T) {
	for i := range subBuckets * 59 {
		if u := upper(i); bucket(u) != i || bucket(u+1) != i+1 {
			t.Fatalf("bucket %d ends with %d, which is in %d, and the next in %d", i, u, bucket(u), bucket(u+1))
		}
	}
	if bucket(-1) != 0 {
		t.Error("a negative duration is not in the first bucket")
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 1234: "1.23µs", 56789: "56.8µs", 1234567890: "1.23s"} {
		if got := short(d).String(); got != want {
			t.Errorf("short(%d) = %s, want %s", d, got, want)
		}
	}
}
