// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// benchProfile is the profile of one of libvirt's machines, from Debian's
// template and abstractions.
func benchProfile(b *testing.B) (text string, config parser.Config, options policy.Options) {
	dir := testenv.DebianTree(b)
	data, err := os.ReadFile(filepath.Join(dir, "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		b.Fatal(err)
	}
	text = strings.ReplaceAll(string(data), "LIBVIRT_TEMPLATE", "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac")
	i := strings.LastIndexByte(text, '}')
	text = text[:i] + `
  "/var/log/libvirt/**/vm.log" w,
  "/var/lib/libvirt/qemu/domain-vm/monitor.sock" rw,
  "/var/lib/libvirt/images/vm.qcow2" rwk,
  "/dev/vhost-net" rw,
` + text[i:]
	config.Roots = append(config.Roots, os.DirFS(dir))
	options.Roots = config.Roots
	return text, config, options
}

// BenchmarkLibvirt measures the way from text to binary policy, whole and by
// its steps.
func BenchmarkLibvirt(b *testing.B) {
	text, config, options := benchProfile(b)
	for _, name := range []string{"kernel-6.1.192", "kernel-7.3.4"} {
		kernel := oracle.FeatureSet(b, name)
		options.Default = kernel
		opts := Options{Kernel: kernel, Degrade: Report}
		ctx := context.Background()
		unit, err := config.ParseTree(ctx, "vm", text)
		if err != nil {
			b.Fatal(err)
		}
		set, err := policy.Resolve(ctx, unit, options)
		if err != nil {
			b.Fatal(err)
		}
		// The steps below have what came before them, whichever of them are measured.
		step := func(step string, f func() error) {
			if err := f(); err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+step, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := f(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		step("cold", func() error {
			unit, err := config.ParseTree(ctx, "vm", text)
			if err != nil {
				return err
			}
			set, err := policy.Resolve(ctx, unit, options)
			if err != nil {
				return err
			}
			_, err = Compile(ctx, set, opts)
			return err
		})
		step("parse", func() error { _, err := config.ParseTree(ctx, "vm", text); return err })
		step("resolve", func() error { _, err := policy.Resolve(ctx, unit, options); return err })
		step("compile", func() error { _, err := Compile(ctx, set, opts); return err })

		var tr *translation
		step("translate", func() error {
			tr = newTranslation(&opts, formOf(kernel), set.Profiles[0], automaton.NewBudget(ctx, automaton.Limits{}))
			tr.run()
			return tr.errs.Err()
		})
		r := resolver{records: &tr.files.records, space: fileSpace}
		builder := automaton.Builder{Covers: r.covers}
		for _, e := range tr.files.entries {
			builder.Add(e.node, e.accept)
		}
		var dfa *automaton.DFA
		step("build", func() (err error) { dfa, err = builder.Build(automaton.NewBudget(ctx, automaton.Limits{})); return err })
		var resolved *automaton.DFA
		var grants []grant
		step("decide", func() (err error) {
			resolved, grants, err = automaton.Resolve(automaton.NewBudget(ctx, automaton.Limits{}), dfa, func(set []automaton.Accept) (grant, error) {
				g, denied, err := r.resolve(set)
				return impliedMmap(g, denied), err
			})
			return err
		})
		var least *automaton.DFA
		step("minimize", func() (err error) {
			least, err = resolved.Minimize(automaton.NewBudget(ctx, automaton.Limits{}), automaton.MinimizeOptions{KeepStart: true})
			return err
		})
		step("pack", func() error {
			o := formOf(kernel).pack(len(grants))
			o.Accept2 = make([]uint32, len(grants))
			_, err := least.Pack(automaton.NewBudget(ctx, automaton.Limits{}), o)
			return err
		})
		out, err := Compile(ctx, set, opts)
		if err != nil {
			b.Fatal(err)
		}
		step("encode", func() error { _, err := blob.Encode(out.Policy.Profiles()); return err })
		b.Logf("%s: %d bytes, %+v", name, out.Policy.Len(), out.Stats[0])
	}
}

// BenchmarkUpstream takes all of upstream's profiles, one after the other, from
// text to binary policy, and tells which one takes longest. With -cpu 1 the
// times are those of one core.
func BenchmarkUpstream(b *testing.B) {
	tree := upstream.Profiles(b).FS
	files, err := fs.ReadDir(tree, ".")
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	for _, name := range []string{"kernel-6.1.192", "kernel-7.3.4"} {
		b.Run(name, func(b *testing.B) {
			o := Options{Kernel: oracle.FeatureSet(b, name), Degrade: Report}
			least := map[string]time.Duration{} // of all rounds
			b.ReportAllocs()
			for b.Loop() {
				config := parser.Config{Roots: []fs.FS{tree}, Cache: &parser.Cache{}}
				for _, f := range files {
					if !f.Type().IsRegular() {
						continue
					}
					start := time.Now()
					unit, err := config.ParseFS(ctx, f.Name())
					if err != nil {
						b.Fatal(err)
					}
					set, err := policy.Resolve(ctx, unit, policy.Options{Roots: config.Roots})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := Compile(ctx, set, o); err != nil {
						b.Fatal(err)
					}
					took := time.Since(start)
					if before, ok := least[f.Name()]; !ok || took < before {
						least[f.Name()] = took
					}
				}
			}
			slowest := slices.MaxFunc(slices.Sorted(maps.Keys(least)), func(x, y string) int { return cmp.Compare(least[x], least[y]) })
			b.ReportMetric(float64(len(least)), "policies/op")
			b.ReportMetric(float64(least[slowest].Nanoseconds()), "ns/slowest")
			b.Logf("the slowest is %s", slowest)
		})
	}
}
