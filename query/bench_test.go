// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
)

const vmName = "libvirt-a22e3930-d87a-584e-22b2-1d8950212bac"

// vmProfile compiles libvirt's profile of a virtual machine with more rules.
func vmProfile(tb testing.TB, kernel, rules string) *query.Profile {
	tb.Helper()
	dir := testenv.DebianTree(tb)
	data, err := os.ReadFile(filepath.Join(dir, "libvirt", "TEMPLATE.qemu"))
	if err != nil {
		testenv.Missing(tb, "libvirt's template", "install libvirt-daemon-system")
	}
	text := strings.ReplaceAll(string(data), "LIBVIRT_TEMPLATE", vmName)
	end := strings.LastIndex(text, "}")
	text = text[:end] + rules + "\n" + text[end:]
	k := featureSet(tb, kernel)
	config := parser.Config{Roots: []fs.FS{os.DirFS(dir)}}
	unit, err := config.ParseTree(tb.Context(), "policy", text)
	if err != nil {
		tb.Fatal(err)
	}
	set, err := policy.Resolve(tb.Context(), unit, policy.Options{Roots: config.Roots, Default: k})
	if err != nil {
		tb.Fatal(err)
	}
	out, err := compile.Compile(tb.Context(), set, compile.Options{Kernel: k, Degrade: compile.Report})
	if err != nil {
		tb.Fatal(err)
	}
	return profile(tb, query.Open(out.Policy), vmName)
}

// BenchmarkAllows measures single questions to the profile of a virtual
// machine.
func BenchmarkAllows(b *testing.B) {
	p := vmProfile(b, "7.3", "/srv/images/disk.qcow2 rwk,")
	for _, tt := range []struct {
		name string
		ask  query.Request
	}{
		{"file", query.File{Path: "/usr/lib/x86_64-linux-gnu/qemu/block-rbd.so", Perms: query.Read | query.Mmap}},
		{"disk", query.File{Path: "/srv/images/disk.qcow2", Perms: query.Read | query.Write | query.Lock}},
		{"capability", query.Capability("dac_override")},
		{"network", query.Network{Family: "inet", Type: "stream", Protocol: 6}},
		{"signal", query.Signal{Signal: "term", Perms: query.Receive, Peer: "libvirtd"}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !p.Allows(tt.ask) {
					b.Fatal("the request is denied")
				}
			}
		})
	}
}

// BenchmarkVM compares the profiles of a virtual machine with and without one
// disk more.
func BenchmarkVM(b *testing.B) {
	p, same := vmProfile(b, "7.3", "/srv/images/a.qcow2 rwk,"), vmProfile(b, "7.3", "/srv/images/a.qcow2 rwk,")
	more := vmProfile(b, "7.3", "/srv/images/a.qcow2 rwk,\n/srv/images/b.qcow2 rwk,")
	compare(b, p, same, more)
}

// BenchmarkLargest compares upstream's two largest profiles as
// apparmor_parser compiles them.
func BenchmarkLargest(b *testing.B) {
	var all []*query.Profile
	profiles := upstream.Profiles(b)
	for _, name := range profiles.Names {
		data := profiles.Compiled(b, "7.3", name)
		if len(data) < 100e3 {
			continue
		}
		set, err := blob.Inspect(data)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range query.Open(set).Profiles() {
			if p.File != nil {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, func(p, q *query.Profile) int {
		if n := q.File.DFA.States() - p.File.DFA.States(); n != 0 {
			return n
		}
		return strings.Compare(p.Name, q.Name)
	})
	b.Logf("%s and %s: %d and %d states", all[0].Name, all[1].Name, all[0].File.DFA.States(), all[1].File.DFA.States())
	compare(b, all[0], all[0], all[1])
}

func compare(b *testing.B, p, same, other *query.Profile) {
	b.Run("Equal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if equal, err := p.Equal(context.Background(), same); !equal || err != nil {
				b.Fatal(equal, err)
			}
		}
	})
	b.Run("Covers", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := other.Covers(context.Background(), p); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Diff", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found, err := p.Diff(context.Background(), other); len(found) == 0 || err != nil {
				b.Fatal(found, err)
			}
		}
	})
}
