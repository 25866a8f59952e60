// SPDX-License-Identifier: Apache-2.0

// Command storm creates, updates, loads and removes many machines at once, as a
// host does after a power failure, and shows how long each step took.
//
//	go run ./examples/storm -n 1000 -svg storm.svg
//
// needs no AppArmor in the kernel and no privilege: what would be loaded is kept
// in memory. Root may add -load where the kernel has AppArmor. Machines are of a
// directory of their own and have names of their own (storm-UUID); those of the
// host are left alone.
//
// With -parser apparmor_parser the profiles are also given to that program, one
// process a machine, as a manager without this library does.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"

	"github.com/goarmor/apparmor/features"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "storm:", err)
		}
		os.Exit(1)
	}
}

// maxMachines bounds -n: each machine has a handful of files and, without
// -load, a profile in memory.
const maxMachines = 100_000

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	// The writer keeps its first error for Flush.
	w := bufio.NewWriter(stdout)
	defer func() { err = errors.Join(err, w.Flush()) }()

	var s storm
	flags := flag.NewFlagSet("storm", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.machines, "n", 1000, "`number` of machines")
	flags.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "`number` of machines that are worked on at the same time")
	flags.IntVar(&s.disks, "disks", 4, "`number` of disks of each machine")
	series := flags.String("kernel", "6.12", "without -load: the kernel `series` that is compiled for: "+strings.Join(features.Kernels(), ", "))
	flags.BoolVar(&s.load, "load", false, "load the profiles into the running kernel (needs root and AppArmor)")
	flags.StringVar(&s.parser, "parser", "", "`program` that is compared with: apparmor_parser")
	svg := flags.String("svg", "", "write the histograms to this `file`, too")
	quiet := flags.Bool("q", false, "no progress bar")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch kernel, ok := features.Kernel(*series); {
	case flags.NArg() > 0:
		return fmt.Errorf("arguments %q follow the options", flags.Args())
	case s.machines < 1 || s.machines > maxMachines:
		return fmt.Errorf("-n %d: not from 1 to %d", s.machines, maxMachines)
	case s.workers < 1 || s.workers > s.machines:
		return fmt.Errorf("-workers %d: not from 1 to the number of machines, %d", s.workers, s.machines)
	case s.disks < 1 || s.disks > 100:
		return fmt.Errorf("-disks %d: not from 1 to 100", s.disks)
	case !ok:
		return fmt.Errorf("-kernel %s: not one of %s", *series, strings.Join(features.Kernels(), ", "))
	default:
		s.kernel = kernel
	}
	if !*quiet {
		s.progress = stderr
	}

	// Everything happens in a directory of its own.
	if s.dir, err = os.MkdirTemp("", "storm-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()

	steps, err := s.run(ctx)
	if err != nil {
		return err
	}
	where := "in memory, kernel " + *series
	if s.load {
		where = "the running kernel"
	}
	fmt.Fprintf(w, "%d machines, %d disks each, %d workers, %s\n\n", s.machines, s.disks, s.workers, where)
	if err := writeTable(w, steps); err != nil {
		return err
	}
	for _, st := range steps {
		fmt.Fprintln(w)
		st.writeBars(w)
	}
	if *svg == "" {
		return nil
	}
	return os.WriteFile(*svg, appendSVG(nil, steps), 0o644)
}
