// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// outcome is what became of one change.
type outcome struct {
	site   site
	src    []byte // the file before the change
	result result
	tests  int // that run its line
}

// try runs the tests of the packages, the first of which is the one that is
// changed, with each change.
func (o *options) try(ctx context.Context, w *printer, kept *kept, pkgs []string, sites []site) (_ count, _ []outcome, err error) {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tests, err := o.tests(ctx, kept, dir, pkgs)
	if err != nil {
		return nil, nil, err
	}
	files := map[string][]byte{}
	for _, s := range sites {
		if files[s.File], err = os.ReadFile(filepath.Join(o.root, filepath.FromSlash(s.File))); err != nil {
			return nil, nil, err
		}
	}
	same := equivalents(o.equivalent)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcomes := make([]chan outcome, len(sites))
	for i := range outcomes {
		outcomes[i] = make(chan outcome, 1)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(o.jobs, 1) {
		wg.Go(func() {
			for i := range next {
				one := outcome{site: sites[i], src: files[sites[i].File]}
				if err := o.try1(ctx, kept, dir, tests, &one); err != nil {
					cancel(err)
				}
				if slices.ContainsFunc(same, func(e equivalent) bool { return e.is(one.site, one.src) }) {
					switch one.result {
					case survived:
						one.result = equal
					case killed:
						cancel(fmt.Errorf("equivalent.txt has %v, which a test kills", one.site))
					}
				}
				outcomes[i] <- one
			}
		})
	}
	go func() {
		defer close(next)
		for i := range sites {
			next <- i
		}
	}()
	n := count{}
	var alive []outcome
	for i := range outcomes {
		one := <-outcomes[i]
		if ctx.Err() != nil {
			continue
		}
		w.printf("%-8s %v\n", one.result, one.site)
		n[one.result]++
		if one.result == survived {
			alive = append(alive, one)
		}
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	return n, alive, nil
}

// A batch of quick tests is one run, in the order of their sources: the first is
// short, as most changes are noticed by many tests, and each is twice as long as
// the one before. A test that takes longer is run after all quick ones, those of
// other packages included.
const (
	firstBatch = time.Second / 4
	lastBatch  = 8 * time.Second
	slow       = 10 * time.Second
)

// try1 runs the tests that reach a change until one fails.
func (o *options) try1(ctx context.Context, kept *kept, dir string, all []*test, one *outcome) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tests := slices.DeleteFunc(slices.Clone(all), func(t *test) bool { return !t.reaches(one.site) })
	one.tests = len(tests)
	one.result = survived
	if len(tests) == 0 {
		return nil
	}
	changed := one.site.apply(one.src)
	reach := slices.Clone(tests)
	r, tests := kept.result(one.site, changed, tests)
	if r != "" && len(tests) == 0 {
		one.result = r
		return nil
	}
	slices.SortStableFunc(tests, func(a, b *test) int {
		aSlow, bSlow := a.Took > slow, b.Took > slow
		switch {
		case aSlow != bSlow && bSlow:
			return -1
		case aSlow != bSlow:
			return 1
		case !aSlow && a.place != b.place:
			return cmp.Compare(a.place, b.place)
		}
		return cmp.Compare(a.Took/(1+time.Duration(kept.kills(a))), b.Took/(1+time.Duration(kept.kills(b))))
	})

	own, err := os.MkdirTemp(dir, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(own)) }()
	path := filepath.Join(o.root, filepath.FromSlash(one.site.File))
	file := filepath.Join(own, filepath.Base(path))
	if err := os.WriteFile(file, changed, 0o644); err != nil {
		return err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: file}})
	if err != nil {
		return err
	}
	overlayFile := filepath.Join(own, "overlay.json")
	if err := os.WriteFile(overlayFile, overlay, 0o644); err != nil {
		return err
	}

	programs := map[string]string{}
	for batch := firstBatch; len(tests) > 0; batch = min(2*batch, lastBatch) {
		pkg := tests[0].Pkg
		n, took := 1, tests[0].Took
		for n < len(tests) && tests[n].Pkg == pkg && took+tests[n].Took < batch {
			took += tests[n].Took
			n++
		}
		program := programs[pkg]
		if program == "" {
			program = filepath.Join(own, strings.ReplaceAll(pkg, "/", "-")+".test")
			programs[pkg] = program
			args := []string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay=" + overlayFile, "-o", program}
			if one.site.Kind == kindLock {
				args = append(args, "-race") // as CI does
			}
			out, err := o.goCommand(ctx, append(args, "./"+pkg)...)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && !bytes.Contains(out, []byte("[build failed]")) && !bytes.Contains(out, []byte(".go:")):
				return fmt.Errorf("%w: %s", err, out) // no space on the disk, perhaps
			case err != nil:
				one.result = broken
				return kept.set(one.site, changed, broken, nil)
			}
		}
		limit := 10*took + 30*time.Second
		memory := mostMemory
		if one.site.Kind == kindLock {
			limit *= 10
			memory = "unlimited" // the detector maps terabytes
		}
		out, err := o.runTests(ctx, program, pkg, memory, tests[:n], limit)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			one.result = killed
			return kept.set(one.site, changed, killed, failed(out, tests[:n]))
		}
		tests = tests[n:]
	}
	return kept.set(one.site, changed, survived, reach)
}

// mostMemory is how many kilobytes a test may map.
const mostMemory = "12000000"

// runTests runs some tests of a program that go test -c made.
func (o *options) runTests(ctx context.Context, program, pkg, memory string, tests []*test, limit time.Duration, more ...string) ([]byte, error) {
	var names []string
	for _, t := range tests {
		names = append(names, t.Name)
	}
	args := append([]string{"-test.failfast", "-test.timeout=" + limit.String(), "-test.run=^(" + strings.Join(names, "|") + ")$"}, more...)
	// The tests' own time-out ends a loop, this one what does not heed it. A
	// change that makes a loop fill memory must not harm the machine.
	limited, cancel := context.WithTimeout(ctx, 2*limit+10*time.Minute)
	defer cancel()
	args = append([]string{"-c", "ulimit -v " + memory + ` 2>/dev/null; exec "$0" "$@"`, program}, args...)
	return o.command(limited, filepath.Join(o.root, filepath.FromSlash(pkg)), "sh", args...)
}

var failedTest = regexp.MustCompile(`(?m)^(?:--- FAIL: |\t)(\w+)(?:/.*)? \(`)

// failed returns the tests that failed, all of them if the output does not say.
func failed(out []byte, tests []*test) []*test {
	var all []*test
	for _, m := range failedTest.FindAllSubmatch(out, -1) {
		for _, t := range tests {
			if t.Name == string(m[1]) && !slices.Contains(all, t) {
				all = append(all, t)
			}
		}
	}
	if all == nil {
		return tests
	}
	return all
}
