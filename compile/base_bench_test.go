// SPDX-License-Identifier: Apache-2.0

//go:build unix

package compile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// machineSet is the profile of libvirt's machines without a machine: Debian's
// template and abstractions.
func machineSet(b *testing.B, kernel string) *policy.Set {
	dir := testenv.DebianTree(b)
	data, err := os.ReadFile(filepath.Join(dir, "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		b.Fatal(err)
	}
	config := parser.Config{}
	config.Roots = append(config.Roots, os.DirFS(dir))
	unit, err := config.ParseTree(context.Background(), "vm", strings.ReplaceAll(string(data), "LIBVIRT_TEMPLATE", "libvirt-vm"))
	if err != nil {
		b.Fatal(err)
	}
	set, err := policy.Resolve(context.Background(), unit, policy.Options{Roots: config.Roots, Default: oracle.FeatureSet(b, kernel)})
	if err != nil {
		b.Fatal(err)
	}
	return set
}

// machineDelta is the rules of one machine: literal ones, and patterns as
// libvirt writes them.
func machineDelta(b *testing.B, literals, globs int) *Delta {
	var p policy.Profile
	add := func(path string, perms ast.FilePerm) {
		if err := p.Add(&ast.FileRule{Path: ast.Pattern(path), Perms: perms}); err != nil {
			b.Fatal(err)
		}
	}
	const rwk = ast.FileRead | ast.FileWrite | ast.FileLock
	for i := range literals {
		switch i % 8 {
		case 6:
			add(fmt.Sprintf("/dev/vhost-%d", i), ast.FileRead|ast.FileWrite)
		case 7:
			add(fmt.Sprintf("/var/lib/libvirt/qemu/domain-%d/monitor.sock", i), ast.FileRead|ast.FileWrite)
		case 5:
			add(fmt.Sprintf("/var/lib/libvirt/images/base-%d.img", i), ast.FileRead|ast.FileLock)
		default:
			add(fmt.Sprintf("/var/lib/libvirt/images/vm-%d.qcow2", i), rwk)
		}
	}
	for i := range globs {
		if i%2 == 0 {
			add(fmt.Sprintf("/var/log/libvirt/**/vm-%d.log", i), ast.FileWrite)
		} else {
			add(fmt.Sprintf("/run/libvirt/**/vm-%d.pid", i), rwk)
		}
	}
	return &Delta{Name: "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac", Rules: p.Rules}
}

// processorTime starts to count the processor time of a benchmark, whatever else
// the machine does. What it returns reports that.
func processorTime(b *testing.B) (report func()) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	before := used()
	return func() { b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkInstantiate measures instances of the profile of libvirt's machines
// with kernel 6.12's features, and of 7.3's below their name: to a loadable and
// verified policy. Compile is what the same policy takes without a base.
func BenchmarkInstantiate(b *testing.B) {
	benchmarkInstantiate(b, "kernel-6.12.107")
	b.Run("kernel-7.3", func(b *testing.B) { benchmarkInstantiate(b, "kernel-7.3.4") })
}

func benchmarkInstantiate(b *testing.B, kernel string) {
	ctx := context.Background()
	base, err := NewBase(ctx, machineSet(b, kernel), Options{Kernel: oracle.FeatureSet(b, kernel), Degrade: Report})
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct {
		name            string
		literals, globs int
	}{
		{"8-literals", 8, 0}, {"2-globs", 6, 2}, {"100-rules", 100, 0}, {"1000-rules", 1000, 0}, {"10000-rules", 10_000, 0},
	} {
		d := machineDelta(b, row.literals, row.globs)
		b.Run(row.name, func(b *testing.B) {
			b.ReportAllocs()
			defer processorTime(b)()
			for b.Loop() {
				i, err := base.Instantiate(ctx, d)
				if err != nil || i.Whole != "" {
					b.Fatal(err, i)
				}
			}
		})
	}
	d := machineDelta(b, 8, 0)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		defer processorTime(b)()
		var buf []byte
		for b.Loop() {
			var err error
			if buf, err = base.Append(ctx, buf[:0], d); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := base.Instantiate(ctx, d); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("digest", func(b *testing.B) {
		i, err := base.Instantiate(ctx, d)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		defer processorTime(b)()
		for b.Loop() {
			i.Policy.Digest()
		}
	})
	b.Run("compile", func(b *testing.B) {
		set := base.whole(d, base.set)
		b.ReportAllocs()
		defer processorTime(b)()
		for b.Loop() {
			if _, err := Compile(ctx, set, base.options); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		data, err := base.AppendBinary(nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		defer processorTime(b)()
		for b.Loop() {
			if _, err := OpenBase(ctx, data, OpenOptions{Options: base.options}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)), "saved-B")
	})
	b.Run("base", func(b *testing.B) {
		b.ReportAllocs()
		defer processorTime(b)()
		for b.Loop() {
			if _, err := NewBase(ctx, base.set, base.options); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkGrowth measures instances with more and more rules of one kind, for
// kernel 7.3's features, whose tables are wide. Policy that exceeds the default
// limits is left out. The metric whole is 1 where the policy was compiled as a
// whole.
func BenchmarkGrowth(b *testing.B) {
	ctx := context.Background()
	const kernel = "kernel-7.3.4"
	base, err := NewBase(ctx, machineSet(b, kernel), Options{Kernel: oracle.FeatureSet(b, kernel), Degrade: Report})
	if err != nil {
		b.Fatal(err)
	}
	for _, kind := range []struct{ name, pattern string }{
		{"literal", "/srv/d%[1]d/name%[2]d"},
		{"star", "/srv/d%[1]d/name%[2]d-*"},
		{"starstar", "/srv/d%[1]d/name%[2]d/**"},
		{"alternation-end", "/srv/d%[1]d/name%[2]d.{log,log.old,pid}"},
		{"alternation-middle", "/srv/{a,b,c}/d%[1]d/name%[2]d"},
		{"star-name", "/srv/d%[1]d/*/name%[2]d"},
		{"starstar-name", "/srv/d%[1]d/**/name%[2]d"},
	} {
		for _, n := range []int{10, 100, 1000, 10_000, 50_000} {
			var p policy.Profile
			for i := range n {
				if err := p.Add(&ast.FileRule{Path: ast.Pattern(fmt.Sprintf(kind.pattern, i%17, i)), Perms: ast.FileRead}); err != nil {
					b.Fatal(err)
				}
			}
			d := &Delta{Name: "libvirt-a", Rules: p.Rules}
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				b.ReportAllocs()
				defer processorTime(b)()
				whole, bytes := 0, 0
				for b.Loop() {
					i, err := base.Instantiate(ctx, d)
					if errors.Is(err, diag.ErrLimit) {
						b.Skip(err)
					}
					if err != nil {
						b.Fatal(err)
					}
					if bytes = i.Policy.Len(); i.Whole != "" {
						whole = 1
					}
				}
				b.ReportMetric(float64(bytes), "policy-B")
				b.ReportMetric(float64(whole), "whole")
			})
		}
	}
}
