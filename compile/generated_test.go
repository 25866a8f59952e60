// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// TestGenerated compiles the profiles that container managers hand to
// apparmor_parser, and compares them with what Debian sid's makes of them. What
// is not the same is in a class of which a rule is reported.
func TestGenerated(t *testing.T) {
	texts := testenv.CorpusFS(t, "generated-profiles.tar.gz")
	reference := oracle.ParserOf(t, oracle.Newest)
	tree := filepath.Join(testenv.Packages(t, debian.Binary{Suite: oracle.Newest, Names: []string{"apparmor", "apparmor-profiles"}}).Dir, "etc", "apparmor.d")
	if len(texts) < 14 {
		t.Fatalf("only %d profiles", len(texts))
	}
	for name, file := range texts {
		for _, kernel := range []string{k612, k73} {
			t.Run(path.Base(name)+"/"+kernel, func(t *testing.T) {
				// The option -M is about the kernel and policy without an abi.
				src := source{roots: []fs.FS{os.DirFS(tree)}, abi: oracle.FeatureSet(t, kernel)}
				out, err := src.compile(t, oracle.FeatureSet(t, kernel), name, string(file.Data))
				if err != nil {
					t.Fatal(err)
				}
				data, err := reference.Compile(oracle.Job{Text: string(file.Data), Features: oracle.Features(t, kernel), Base: tree})
				if err != nil {
					t.Fatal(err)
				}
				mounts := false
				for _, d := range out.Degraded {
					mounts = mounts || d.Cause == compile.ByOperation
				}
				found, err := blob.DiffPolicy(out.Policy, inspect(t, data), blob.DiffOptions{Ignore: func(d blob.Difference) bool {
					return deadString(d) || mounts && len(d.Input) > 0 && d.Input[0] == blob.Symbol(blob.ClassMount)
				}})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range found {
					t.Error(d)
				}
			})
		}
	}
}
