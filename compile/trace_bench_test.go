// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/trace"
	"github.com/goarmor/apparmor/policy"
)

// BenchmarkTrace measures what it takes to make a Tracer, to prepare an
// automaton for it, and to ask it.
func BenchmarkTrace(b *testing.B) {
	ctx := context.Background()
	text, config, options := benchProfile(b)
	kernel := oracle.FeatureSet(b, "kernel-7.3.4")
	options.Default = kernel
	unit, err := config.ParseTree(ctx, "vm", text)
	if err != nil {
		b.Fatal(err)
	}
	set, err := policy.Resolve(ctx, unit, options)
	if err != nil {
		b.Fatal(err)
	}
	name := set.Profiles[0].Name
	open := func() trace.Tracer {
		t, err := Trace(ctx, set, Options{Kernel: kernel, Degrade: Report})
		if err != nil {
			b.Fatal(err)
		}
		return t
	}
	ask := func(t trace.Tracer) {
		if _, err := t.Match(ctx, name, blob.PartFile, "/usr/share/qemu/bios.bin", false); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("trace", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			open()
		}
	})
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(open())
		}
	})
	t := open()
	ask(t)
	b.Run("match", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ask(t)
		}
		files := &t.(*tracer).profiles[name].files
		b.ReportMetric(float64(len(files.groups)), "groups")
		b.ReportMetric(float64(len(files.set.entries)), "expressions")
	})
}
