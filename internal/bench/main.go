// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command bench measures this module's work and the reference programs' in one
// run, in turn, and prints the medians side by side:
//
//	go run ./internal/bench
//
// The first table has our work in process and theirs as the processes that
// programs start today; the cost of starting one, which everybody pays who has
// no library, is a row of its own. CPU time is that of all threads, in user and
// in system mode, garbage collection included; ratios are the reference's time in
// units of ours. Its apparmor_parser are the oldest and the newest of those below, on
// the same profile; rules of a machine from XML are compared with virt-aa-helper, in
// the first column.
//
// What follows compares whole processes: cmd/apparmor_parser with apparmor_parser
// 3.0.8, 4.1.0 and that of Debian sid, out of packages in the cache folder of the
// tests, with the same arguments, and with the command of this module's last release,
// built from its commit. Ratios are the reference's share in units of
// ours, so more is better for us. The peak is the greatest memory that was
// resident; the time until the end has the start of a shell in it, ours and theirs. A
// reference that refuses a file is not compared on that. The giant is made up (see
// giant.go), for the profiles of editors in collections that cannot be fetched here.
//
// The inputs of the first table are Debian 12's /etc/apparmor.d, out of its packages,
// and a machine with a few disks. If a program cannot
// be had, its rows are left out, and a line says so.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// peakWord makes a process one that measures another.
const peakWord = "peak-of"

// arguments are those of the command.
type arguments struct {
	rounds int
	tree   string
	kernel string
	limit  time.Duration
	all    bool
	skip   bool
	rows   *regexp.Regexp
}

func command(args []string) (err error) {
	if len(args) > 1 && args[0] == peakWord {
		return peakOf(args[1:])
	}
	var o arguments
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&o.rounds, "n", 5, "rounds of each measurement; those that take long have fewer")
	flags.StringVar(&o.tree, "tree", "", "`folder` of policy to measure with; empty: /etc/apparmor.d of Debian 12")
	flags.StringVar(&o.kernel, "kernel", "6.12", "kernel `series` to compile for: "+strings.Join(features.Kernels(), ", "))
	flags.DurationVar(&o.limit, "limit", 5*time.Minute, "how long a process may take")
	flags.BoolVar(&o.all, "files", false, "show every file of the processes")
	pattern := flags.String("run", "", "measure the rows whose names match this `expression` only")
	flags.BoolVar(&o.skip, "processes", false, "compare the processes only")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case o.rounds < 1:
		return errors.New("-n must be at least 1")
	case o.limit <= 0:
		return errors.New("-limit must be more than 0")
	}
	if o.rows, err = regexp.Compile(*pattern); err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	if o.tree == "" {
		if o.tree, err = testenv.FetchDebianTree(context.Background()); err != nil {
			return fmt.Errorf("the policy to measure with, which -tree names: %w", err)
		}
	}
	tmp, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	in, err := readInput(&o, tmp)
	if err != nil {
		return err
	}
	defer func() {
		for _, f := range in.close {
			err = errors.Join(err, f())
		}
	}()
	return run(os.Stdout, in, &o)
}

func run(out io.Writer, in *input, o *arguments) (err error) {
	// The writer keeps its first error for Flush.
	w := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, w.Flush()) }()
	if in.missing != nil {
		fmt.Fprintf(w, "without some references: %v\n\n", in.missing)
	}
	if !o.skip {
		rows, err := work(in)
		if err != nil {
			return err
		}
		rows = matching(rows, o.rows, func(c comparison) string { return c.name() })
		if err := printWork(w, in, rows, o.rounds); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(in.references) == 0 {
		return nil
	}
	return printProcesses(w, in, o)
}

// matching returns the rows that were asked for.
func matching[T any](rows []T, pattern *regexp.Regexp, name func(T) string) []T {
	return slices.DeleteFunc(rows, func(r T) bool { return !pattern.MatchString(name(r)) })
}
