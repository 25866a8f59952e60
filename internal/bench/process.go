// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// compilerPath is the program that is compared with apparmor_parser.
const compilerPath = "github.com/goarmor/apparmor/internal/bench/compiler"

// usage is what peakOf reports.
type usage struct {
	CPU  time.Duration
	Peak int64
}

// peakOf runs a program and reports what it used. It is a process of its own,
// since the kernel counts what was resident before a program took the place of
// the one that started it, and this one is small: anything below its own 5 MB
// or so is not seen.
func peakOf(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	u := usage{CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Peak = int64(r.Maxrss) * 1024
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}

// whole measures a process with its peak of memory.
func whole(self, stdin, path string, args ...string) func() (cost, error) {
	return func() (cost, error) {
		cmd := exec.Command(self, append([]string{peakWord, path}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Stderr = os.Stderr
		start := time.Now()
		out, err := cmd.Output()
		if err != nil {
			return cost{}, fmt.Errorf("%s: %w", path, err)
		}
		var u usage
		if err := json.Unmarshal(out, &u); err != nil {
			return cost{}, err
		}
		return cost{cpu: u.CPU, wall: time.Since(start), peak: u.Peak}, nil
	}
}

// printProcesses prints the second table.
func printProcesses(w *bufio.Writer, in *input, n int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	compiler := filepath.Join(in.tmp, "compiler")
	if _, err := execute("", "go", "build", "-o", compiler, compilerPath); err != nil {
		return err
	}
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\nprocess\tCPU\tpeak\treference CPU\tpeak\tCPU ratio\tpeak ratio\t")
	for _, row := range []struct {
		name, stdin string
		names       []string
	}{
		{"compile the libvirt VM profile", in.machine, nil},
		{fmt.Sprintf("compile %d profiles", len(in.top)), "", in.top},
	} {
		costs, err := rounds(n,
			whole(self, row.stdin, compiler, append([]string{in.tree}, row.names...)...),
			whole(self, row.stdin, in.parser, in.reference(append([]string{"-Q", "-S", "-j1"}, absolute(in.tree, row.names)...)...)...),
		)
		if err != nil {
			return err
		}
		a, b := costs[0], costs[1]
		fmt.Fprintf(tw, "%s\t%s\t%.1f MB\t%s\t%.1f MB\t%.1f\t%.2f\t\n", row.name, short(a.cpu), float64(a.peak)/1e6,
			short(b.cpu), float64(b.peak)/1e6, float64(b.cpu)/float64(a.cpu), float64(b.peak)/float64(a.peak))
	}
	return tw.Flush()
}

// printProfiles prints the third table.
func printProfiles(w *bufio.Writer, in *input, all bool) error {
	type line struct {
		name  string
		costs []cost
		ratio float64
	}
	var lines []line
	for _, name := range in.top {
		costs, err := rounds(3,
			ours(func() error { return in.compileFile(name, nil, io.Discard) }),
			process("", in.parser, in.reference("-Q", "-S", absolute(in.tree, []string{name})[0])...),
		)
		if err != nil {
			return err
		}
		lines = append(lines, line{name, costs, float64(costs[1].cpu) / float64(costs[0].cpu)})
	}
	slices.SortFunc(lines, func(a, b line) int { return cmp.Compare(a.ratio, b.ratio) })
	shown := lines
	if !all {
		shown = lines[:min(len(lines), 3)]
	}
	tw := tabwriter.NewWriter(w, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "\nprofile\tCPU\treference CPU\tratio\t")
	for _, l := range shown {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.1f\t\n", l.name, short(l.costs[0].cpu), short(l.costs[1].cpu), l.ratio)
	}
	if len(lines) > 0 {
		fmt.Fprintf(tw, "median of %d\t\t\t%.1f\t\n", len(lines), lines[len(lines)/2].ratio)
	}
	return tw.Flush()
}

// short rounds a duration to three digits or so.
func short(d time.Duration) string {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
