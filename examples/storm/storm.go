// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// storm is what is asked for.
type storm struct {
	machines, workers, disks int
	kernel                   *features.Set
	load                     bool
	parser                   string    // empty: none
	progress                 io.Writer // nil: none
	dir                      string
}

// machine describes the i-th machine.
func (s *storm) machine(i int) *svirt.Domain {
	d := &svirt.Domain{UUID: uuid(i), Name: fmt.Sprintf("storm-%d", i), Type: "kvm"}
	for n := range s.disks {
		d.Devices.Disks = append(d.Devices.Disks, s.disk(i, n))
	}
	d.Devices.Chardevs = append(d.Devices.Chardevs, svirt.Chardev{
		ID: "serial0", Type: svirt.ChardevFile, Path: filepath.Join(s.images(i), "serial.log"),
	})
	return d
}

func uuid(i int) string { return fmt.Sprintf("5703a000-0000-4000-8000-%012x", i) }

func (s *storm) images(i int) string { return filepath.Join(s.dir, "images", strconv.Itoa(i)) }

func (s *storm) disk(i, n int) svirt.Disk {
	return svirt.Disk{ID: fmt.Sprintf("disk%d", n), Image: svirt.Image{Path: filepath.Join(s.images(i), fmt.Sprintf("disk%d.raw", n)), Format: "raw"}}
}

// makeImages makes the files of a machine, and one more disk.
func (s *storm) makeImages(_ context.Context, i int) error {
	if err := os.MkdirAll(s.images(i), 0o700); err != nil {
		return err
	}
	for n := range s.disks + 1 {
		if err := os.WriteFile(s.disk(i, n).Image.Path, nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// run does the steps, each with all machines.
func (s *storm) run(ctx context.Context) (steps []*step, err error) {
	policy := filepath.Join(s.dir, "policy")
	o := svirt.ManagerOptions{Dir: policy, Prefix: "storm-"}
	if !s.load {
		o.Driver = svirttest.NewKernel(s.kernel)
	}
	m, err := svirt.New(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if s.load {
		// Nothing stays loaded, whatever happens.
		defer func() {
			ctx := context.WithoutCancel(ctx)
			for i := range s.machines {
				if rerr := m.Remove(ctx, uuid(i)); rerr != nil && !errors.Is(rerr, svirt.ErrNotFound) {
					err = errors.Join(err, rerr)
				}
			}
		}()
	}

	do := func(name string, f func(context.Context, int) error) error {
		st, err := s.step(ctx, name, f)
		steps = append(steps, st)
		return err
	}
	if _, err := s.step(ctx, "make images", s.makeImages); err != nil {
		return nil, err
	}
	if err := do("create", func(ctx context.Context, i int) error { return m.Create(ctx, s.machine(i)) }); err != nil {
		return nil, err
	}
	if err := do("add a disk", func(ctx context.Context, i int) error {
		_, err := m.Update(ctx, uuid(i), svirt.Change{Add: svirt.Devices{Disks: []svirt.Disk{s.disk(i, s.disks)}}})
		return err
	}); err != nil {
		return nil, err
	}
	if err := do("load again", func(ctx context.Context, i int) error { return m.Load(ctx, uuid(i)) }); err != nil {
		return nil, err
	}
	if s.parser != "" {
		if err := s.prepareParser(policy); err != nil {
			return nil, err
		}
		if err := do("load by "+filepath.Base(s.parser), s.parse); err != nil {
			return nil, err
		}
	}
	if err := do("remove", func(ctx context.Context, i int) error { return m.Remove(ctx, uuid(i)) }); err != nil {
		return nil, err
	}
	return steps, nil
}

// step does something with each machine, by several workers, until one fails.
func (s *storm) step(ctx context.Context, name string, f func(context.Context, int) error) (*step, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	st := &step{name: name, workers: s.workers}
	parts := make([]histogram, s.workers)
	var next atomic.Int64
	var done atomic.Int64
	stopBar := s.bar(name, &done)
	begun := time.Now()
	var wg sync.WaitGroup
	for worker := range parts {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= s.machines {
					return
				}
				t := time.Now()
				if err := f(ctx, i); err != nil {
					cancel(fmt.Errorf("%s, machine %s: %w", name, uuid(i), err))
					return
				}
				parts[worker].add(time.Since(t))
				done.Add(1)
			}
		})
	}
	wg.Wait()
	st.wall = time.Since(begun)
	stopBar()
	for i := range parts {
		st.merge(&parts[i])
	}
	return st, context.Cause(ctx)
}

// bar draws a progress bar until the function that it returns is called.
func (s *storm) bar(name string, done *atomic.Int64) (stop func()) {
	if s.progress == nil {
		return func() {}
	}
	const width = 40
	draw := func() {
		n := int(done.Load())
		full := n * width / s.machines
		// Go on without a terminal.
		_, _ = fmt.Fprintf(s.progress, "\r%-28s [%s%s] %d/%d ", name, bytes.Repeat([]byte("#"), full), bytes.Repeat([]byte("."), width-full), n, s.machines)
	}
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			draw()
			select {
			case <-end:
				draw()
				_, _ = fmt.Fprintln(s.progress)
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(end)
		wg.Wait()
	}
}

// featuresFile has what the parser compiles for.
const featuresFile = "features"

// prepareParser writes what the profiles include, which the manager has in
// itself, and the features.
func (s *storm) prepareParser(policy string) error {
	if err := svirt.Install(policy); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, featuresFile), []byte(s.kernel.String()), 0o600)
}

// parse has apparmor_parser compile the profile of a machine, and load it if the
// kernel is asked for.
func (s *storm) parse(ctx context.Context, i int) error {
	policy := filepath.Join(s.dir, "policy")
	args := []string{"--config-file=/dev/null", "--base", policy, "--skip-cache", "--quiet"}
	if s.load {
		args = append(args, "--replace")
	} else {
		args = append(args, "--skip-kernel-load", "--features-file", filepath.Join(s.dir, featuresFile))
	}
	cmd := exec.CommandContext(ctx, s.parser, append(args, filepath.Join(policy, "storm", "storm-"+uuid(i)))...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
