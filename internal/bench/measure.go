// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// cost is what something took.
type cost struct {
	cpu, wall time.Duration
	allocs    uint64 // ours only
	peak      int64  // bytes resident, of processes that were asked for it
}

// leastCPU is how long our part of a round takes at least: it is repeated until
// then, as the kernel does not count single microseconds well.
const leastCPU = 20 * time.Millisecond

// patience is how long the rounds of one measurement go on. There are two of
// them in any case.
const patience = 12 * time.Second

// rounds measures functions in turn and returns the median of each. The first
// round warms caches and is not counted.
func rounds(n int, measure ...func() (cost, error)) ([]cost, error) {
	costs := make([][]cost, len(measure))
	begin := time.Now()
	for round := range n + 1 {
		if round > 2 && time.Since(begin) > patience {
			break
		}
		for i, f := range measure {
			c, err := f()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				costs[i] = append(costs[i], c)
			}
		}
	}
	list := make([]cost, len(measure))
	for i, c := range costs {
		list[i] = medians(c)
	}
	return list, nil
}

// medians returns the median of each part of some costs.
func medians(c []cost) cost {
	return cost{
		cpu:    median(c, func(c cost) int64 { return int64(c.cpu) }),
		wall:   median(c, func(c cost) int64 { return int64(c.wall) }),
		allocs: uint64(median(c, func(c cost) int64 { return int64(c.allocs) })),
		peak:   int64(median(c, func(c cost) int64 { return c.peak })),
	}
}

func median(costs []cost, of func(cost) int64) time.Duration {
	v := make([]int64, len(costs))
	for i, c := range costs {
		v[i] = of(c)
	}
	slices.Sort(v)
	return time.Duration(v[len(v)/2])
}

// ours measures a function of this process.
func ours(f func() error) func() (cost, error) {
	return func() (cost, error) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start, cpu := time.Now(), cpuTime()
		var c cost
		n := 0
		for c.cpu < leastCPU {
			if err := f(); err != nil {
				return cost{}, err
			}
			n++
			c.cpu = cpuTime() - cpu
		}
		c.wall = time.Since(start)
		runtime.ReadMemStats(&after)
		c.cpu /= time.Duration(n)
		c.wall /= time.Duration(n)
		c.allocs = (after.Mallocs - before.Mallocs) / uint64(n)
		return c, nil
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	// It cannot fail for oneself.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// process measures a program with that text as its input.
func process(stdin, path string, args ...string) func() (cost, error) {
	return func() (cost, error) {
		start := time.Now()
		cmd, err := execute(stdin, path, args...)
		if err != nil {
			return cost{}, err
		}
		return cost{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), wall: time.Since(start)}, nil
	}
}

// execute runs a program to its end. What it writes is thrown away, but its
// errors are not.
func execute(stdin, path string, args ...string) (*exec.Cmd, error) {
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(path), err, stderr.String())
	}
	return cmd, nil
}

// installed finds a reference program.
func installed(names ...string) (path, note string) {
	for _, n := range names {
		if p, err := exec.LookPath(n); err == nil {
			return p, ""
		}
	}
	return "", filepath.Base(names[0]) + " is not installed"
}
