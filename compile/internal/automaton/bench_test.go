// SPDX-License-Identifier: Apache-2.0

package automaton

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// workload is the rules of a profile: patterns, and what they grant as text.
type workload struct {
	name     string
	patterns []string
	modes    []string
}

var dumpedRule = regexp.MustCompile(`^Mode:\t(\S*)\tName:\t\((.*)\)`)

// debianRules has the reference parse a profile and print its file rules, with
// includes, variables and aliases done.
func debianRules(tb testing.TB, name, text string) workload {
	tb.Helper()
	tree := testenv.DebianTree(tb)
	file := filepath.Join(tb.TempDir(), "profile")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	answer := oracle.Parser(tb).Run(oracle.Job{File: file, Base: tree, Features: oracle.Features(tb, "kernel-6.1")}, "-Q", "-K", "-d")
	if answer.Exit != 0 {
		tb.Fatal(answer.Stderr)
	}
	w := workload{name: name}
	for line := range bytes.Lines(answer.Stdout) {
		if m := dumpedRule.FindSubmatch(line); m != nil {
			w.modes = append(w.modes, string(m[1]))
			w.patterns = append(w.patterns, string(m[2]))
		}
	}
	if len(w.patterns) < 50 {
		tb.Fatalf("%s: only %d rules", name, len(w.patterns))
	}
	return w
}

const tunables = "#include <tunables/global>\n"

// workloads are rules of real profiles, and made-up ones that are hard.
func workloads(tb testing.TB) []workload {
	tb.Helper()
	all := []workload{
		debianRules(tb, "libvirt", tunables+`profile vm flags=(attach_disconnected) {
			#include <abstractions/libvirt-qemu>
			"/var/log/libvirt/**/vm.log" w,
			"/var/lib/libvirt/qemu/domain-vm/monitor.sock" rw,
			"/run/libvirt/**/vm.pid" rwk,
			"/run/libvirt/**/*.tunnelmigrate.dest.vm" rw,
			"/var/lib/libvirt/images/vm.qcow2" rwk,
		}`),
		debianRules(tb, "desktop", tunables+`profile desktop {
			#include <abstractions/base>
			#include <abstractions/gnome>
			#include <abstractions/audio>
			#include <abstractions/nameservice>
			#include <abstractions/private-files>
			#include <abstractions/user-download>
			owner @{HOME}/** rw,
			/** r,
		}`),
	}
	var suffixes workload
	suffixes.name = "suffixes"
	for _, dir := range []string{"/home/*", "/media/*", "/mnt", "/srv/{a,b}*"} {
		for i, ext := range strings.Fields("pdf ps eps epsi png jpg jpeg pnm tif tiff bmp pcx psd txt pxl docx xps xml icc rdf") {
			var folded strings.Builder
			for _, c := range ext {
				fmt.Fprintf(&folded, "[%c%c]", c, c-'a'+'A')
			}
			suffixes.patterns = append(suffixes.patterns, dir+"/**."+folded.String())
			suffixes.modes = append(suffixes.modes, [...]string{"r", "rw", "rwk"}[i%3])
		}
	}
	all = append(all, suffixes)
	var components workload
	components.name = "components"
	for i := range 7 {
		components.patterns = append(components.patterns, fmt.Sprintf("/**/{%c*,x%c}/**/*.%c", 'a'+i, 'a'+i, 'a'+i))
		components.modes = append(components.modes, "r")
	}
	// Each state has many places before one byte, and as many before some bytes.
	lengths := workload{name: "lengths", modes: []string{"r"}}
	var alternatives []string
	for i := range 1000 {
		alternatives = append(alternatives, fmt.Sprintf("{?,ax,bx}{?,ax,bx}{?,ax,bx}%04d", i))
	}
	lengths.patterns = []string{"/{" + strings.Join(alternatives, ",") + "}"}
	return append(all, components, lengths)
}

func (w workload) nodes(tb testing.TB) []Node {
	tb.Helper()
	nodes := make([]Node, len(w.patterns))
	for i, p := range w.patterns {
		n, _, err := Glob(p, GlobOptions{})
		if err != nil {
			tb.Fatal(err)
		}
		nodes[i] = n
	}
	return nodes
}

// builder makes a builder whose accept values are numbers of the texts of modes;
// owner:other covers what is less in both.
func (w workload) builder(tb testing.TB) *Builder {
	tb.Helper()
	ids := map[string]Accept{}
	var texts []string
	b := &Builder{Covers: func(b, a Accept) bool {
		bu, bo, _ := strings.Cut(texts[b], ":")
		au, ao, _ := strings.Cut(texts[a], ":")
		within := func(a, b string) bool { return strings.Trim(a, b) == "" && !strings.Contains(a, "x") }
		return within(au, bu) && within(ao, bo)
	}}
	for i, n := range w.nodes(tb) {
		id, ok := ids[w.modes[i]]
		if !ok {
			id = Accept(len(ids))
			ids[w.modes[i]] = id
			texts = append(texts, w.modes[i])
		}
		b.Add(n, id)
	}
	return b
}

func (w workload) build(tb testing.TB) *DFA {
	tb.Helper()
	d, err := w.builder(tb).Build(NewBudget(context.Background(), Limits{}))
	if err != nil {
		tb.Fatal(err)
	}
	d, _, err = Resolve(NewBudget(context.Background(), Limits{}), d, func(set []Accept) (string, error) { return fmt.Sprint(set), nil })
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func labelsOf(d *DFA) PackOptions {
	most := uint32(0)
	for s := range uint32(d.States()) {
		most = max(most, d.Label(s))
	}
	return PackOptions{Accept: make([]uint32, most+1), Accept2: make([]uint32, most+1)}
}

// TestWorkloads checks the tables of real rules.
func TestWorkloads(t *testing.T) {
	for _, w := range workloads(t) {
		d := w.build(t)
		m := minimize(t, d, true)
		o := labelsOf(m)
		for l := range o.Accept {
			o.Accept[l] = uint32(l)
		}
		for _, diff := range []bool{false, true} {
			o.Diff = diff
			p, err := m.Pack(NewBudget(context.Background(), Limits{}), o)
			if err != nil {
				t.Fatal(err)
			}
			checkTables(t, m, p)
			encoded := 0
			for _, b := range p.Base {
				if b&blob.BaseDiff != 0 {
					encoded++
				}
			}
			t.Logf("%s: %d rules, %d classes, %d states built, %d states, %d slots, %d differences",
				w.name, len(w.patterns), d.classes.n, d.States(), m.States(), len(p.Next), encoded)
		}
	}
}

func BenchmarkGlob(b *testing.B) {
	for _, w := range workloads(b) {
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w.nodes(b)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, w := range workloads(b) {
		builder := w.builder(b)
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := builder.Build(NewBudget(context.Background(), Limits{})); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMinimize(b *testing.B) {
	for _, w := range workloads(b) {
		d := w.build(b)
		b.Run(w.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				minimize(b, d, true)
			}
		})
	}
}

func BenchmarkPack(b *testing.B) {
	for _, w := range workloads(b) {
		d := minimize(b, w.build(b), true)
		o := labelsOf(d)
		for _, diff := range []bool{false, true} {
			o.Diff = diff
			b.Run(fmt.Sprintf("%s/diff=%v", w.name, diff), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Pack(NewBudget(context.Background(), Limits{}), o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
