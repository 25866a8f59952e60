// SPDX-License-Identifier: Apache-2.0

// Command fuzzall runs every native fuzz target of the repository, in all of its
// modules, for a while, and fails when one of them finds something:
//
//	go run ./internal/fuzzall [-time 8s] [-jobs N] [TARGET...]
//
// A TARGET is a regular expression on names such as compile.FuzzXMatchLen,
// which are paths below the module; without one all targets run. What fails is
// kept below testdata/fuzz of its package, where plain go test finds it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	fuzzTime := flag.Duration("time", 8*time.Second, "how long each target runs")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many targets run at once, each on one core")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *fuzzTime, max(*jobs, 1), flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fuzzall:", err)
		os.Exit(1)
	}
}

// run runs the targets that match one of the patterns, and reports each in a
// line.
func run(ctx context.Context, fuzzTime time.Duration, jobs int, patterns []string) error {
	all, err := targets(ctx, ".")
	if err != nil {
		return err
	}
	chosen, err := matching(all, patterns)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return fmt.Errorf("none of the %d targets matches %q", len(all), patterns)
	}

	var mu sync.Mutex // of what follows, and of standard output
	var failed []string
	var wg sync.WaitGroup
	slots := make(chan struct{}, jobs)
	for _, t := range chosen {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			result, err := t.fuzz(ctx, fuzzTime)
			mu.Lock()
			defer mu.Unlock()
			fmt.Printf("%-50s %s\n", t, result)
			if err != nil {
				failed = append(failed, t.String())
				fmt.Println(err)
			}
		})
	}
	wg.Wait()
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), len(chosen), strings.Join(failed, ", "))
	}
	return ctx.Err()
}

// matching returns the targets whose name one of the patterns matches.
func matching(all []target, patterns []string) ([]target, error) {
	if len(patterns) == 0 {
		return all, nil
	}
	either, err := regexp.Compile(strings.Join(patterns, "|"))
	if err != nil {
		return nil, err
	}
	var out []target
	for _, t := range all {
		if either.MatchString(t.String()) {
			out = append(out, t)
		}
	}
	return out, nil
}
