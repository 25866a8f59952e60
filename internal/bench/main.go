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
// in system mode, garbage collection included; the last column is the
// reference's CPU time in units of ours.
//
// The second table compares whole processes, ours being that of package
// compiler, with the greatest memory that each of them had resident. The third
// compares single profiles, beginning with the one where we gain least.
//
// The inputs are Debian's /etc/apparmor.d and a machine with a few disks. If a
// program is not installed, its rows are left out, and a line says so.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := command(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// peakWord makes a process one that measures another.
const peakWord = "peak-of"

func command(args []string) (err error) {
	if len(args) > 1 && args[0] == peakWord {
		return peakOf(args[1:])
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	rounds := flags.Int("n", 5, "rounds of each measurement; those that take long have fewer")
	tree := flags.String("tree", "/etc/apparmor.d", "policy to measure with")
	all := flags.Bool("profiles", false, "show every profile of the third table")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case *rounds < 1:
		return errors.New("-n must be at least 1")
	}
	tmp, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	in, err := readInput(*tree, tmp)
	if err != nil {
		return err
	}
	return run(os.Stdout, in, *rounds, *all)
}

func run(out io.Writer, in *input, rounds int, all bool) (err error) {
	// The writer keeps its first error for Flush.
	w := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, w.Flush()) }()
	if err := printWork(w, work(in), rounds); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if in.parser == "" {
		return nil
	}
	if err := printProcesses(w, in, rounds); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return printProfiles(w, in, all)
}
