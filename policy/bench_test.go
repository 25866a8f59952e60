// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// virtualMachine is a profile as libvirt writes one.
const virtualMachine = `#include <tunables/global>

profile libvirt-a22e3930-d87a-584e-22b2-1d8950212bac flags=(attach_disconnected) {
  #include <abstractions/libvirt-qemu>
  "/var/log/libvirt/**/vm.log" w,
  "/var/lib/libvirt/qemu/domain-vm/monitor.sock" rw,
  "/var/lib/libvirt/qemu/domain-1-vm/*" rw,
  "/run/libvirt/**/vm.pid" rwk,
  "/srv/images/vm.qcow2" rwk,
  deny "/srv/images/base.qcow2" w,
  "/srv/images/base.qcow2" rk,
  "/dev/net/tun" rw,
}
`

func BenchmarkResolve(b *testing.B) {
	tree := testenv.DebianTree(b)
	roots := []fs.FS{os.DirFS(tree)}
	config := parser.Config{Roots: roots, Cache: &parser.Cache{}}
	unit, err := config.ParseTree(b.Context(), "vm", virtualMachine)
	if err != nil {
		b.Fatal(err)
	}
	vm := []*ast.Unit{unit}
	list, err := os.ReadDir(tree)
	if err != nil {
		b.Fatal(err)
	}
	var all []*ast.Unit
	for _, e := range list {
		if e.IsDir() {
			continue
		}
		unit, err := config.ParseFS(b.Context(), e.Name())
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, unit)
	}
	for name, units := range map[string][]*ast.Unit{"libvirt": vm, "debian": all} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			rules := 0
			for b.Loop() {
				rules = 0
				for _, unit := range units {
					set, err := policy.Resolve(b.Context(), unit, policy.Options{Roots: roots})
					if err != nil {
						b.Fatal(err)
					}
					for _, p := range set.Profiles {
						rules += len(p.Rules)
					}
				}
			}
			b.ReportMetric(float64(rules), "rules")
		})
	}
}

// BenchmarkTree loads all of Debian's tree from its files and resolves it, one
// profile after the other.
func BenchmarkTree(b *testing.B) {
	roots := []fs.FS{os.DirFS(testenv.DebianTree(b))}
	b.ReportAllocs()
	for b.Loop() {
		files, err := parser.Config{Roots: roots}.ParseDir(b.Context(), ".")
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range files {
			if _, err := policy.Resolve(b.Context(), f.Unit, policy.Options{Roots: roots}); err != nil {
				b.Fatal(err)
			}
		}
	}
}
