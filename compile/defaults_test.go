// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestDefaults compiles every profile of Debian's packages, from bookworm to
// sid, with the default limits, and holds these against what the largest one
// takes: ten times as much work and states, and the memory by far.
func TestDefaults(t *testing.T) {
	trees := map[string]fs.FS{
		"bookworm": os.DirFS(testenv.DebianTree(t)),
		"trixie":   os.DirFS(filepath.Join(testenv.Source(t, oracle.Trixie, "apparmor"), "profiles", "apparmor.d")),
		"sid":      upstream.Profiles(t).FS,
	}
	kernels := []string{k61, k73}
	if testing.Short() {
		kernels = kernels[1:]
	}
	var most compile.Limits
	var who [4]string
	n := 0
	for suite, tree := range trees {
		config := parser.Config{Roots: []fs.FS{tree}, Abs: tree, Cache: &parser.Cache{}}
		files, err := fs.ReadDir(tree, ".")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !f.Type().IsRegular() || f.Name() == "README" {
				continue
			}
			unit, err := config.ParseFS(t.Context(), f.Name())
			if err != nil {
				t.Fatalf("%s: %s: %v", suite, f.Name(), err)
			}
			for _, name := range kernels {
				kernel := oracle.FeatureSet(t, name)
				set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Default: kernel, Roots: config.Roots, Abs: config.Abs})
				if err != nil {
					t.Fatalf("%s: %s: %v", suite, f.Name(), err)
				}
				if len(set.Profiles) == 0 {
					continue
				}
				outs, err := compile.CompileAll(t.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
				if err != nil {
					t.Errorf("%s: %s for %s: %v", suite, f.Name(), name, err)
					continue
				}
				n++
				used := outs[len(outs)-1].Used
				for i, m := range [...]struct{ got, most *int64 }{{&used.Work, &most.Work}, {&used.Memory, &most.Memory}, {&used.Bytes, &most.Bytes}} {
					if *m.got > *m.most {
						*m.most, who[i] = *m.got, f.Name()
					}
				}
				if used.States > most.States {
					most.States, who[3] = used.States, f.Name()
				}
			}
		}
	}
	t.Logf("%d policies: at most %+v, of %v", n, most, who)
	if 10*most.Work > compile.DefaultWork || 10*most.States > compile.DefaultStates || 2*most.Memory > compile.DefaultMemory || 10*most.Bytes > compile.DefaultBytes {
		t.Errorf("the defaults are too small for %+v", most)
	}
	if 40*most.Work < compile.DefaultWork || 40*most.States < compile.DefaultStates {
		t.Errorf("the defaults are far too large for %+v", most)
	}
}
