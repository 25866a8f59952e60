//go:build linux

package vmtest_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// addDebian adds the files of Debian's policy, below debian/.
func addDebian(tb testing.TB, files map[string][]byte) {
	tb.Helper()
	tree := os.DirFS(testenv.DebianTree(tb))
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files["debian/"+name], err = fs.ReadFile(tree, name)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// addCorpus adds upstream's profiles below corpus/upstream, and below
// corpus/equality a sample of upstream's texts that mean different things, as
// we compile them for a kernel: those of one case are one policy, with the
// profiles called by the case and their number.
func addCorpus(tb testing.TB, series string, files map[string][]byte) {
	tb.Helper()
	kernel, ok := features.Kernel(series)
	if !ok {
		tb.Fatalf("no features for %s", series)
	}
	tree, err := fs.Sub(testenv.CorpusFS(tb, "profiles-6.0.tar.gz"), "apparmor.d")
	if err != nil {
		tb.Fatal(err)
	}
	config := parser.Config{Roots: []fs.FS{tree}, Cache: &parser.Cache{}}
	compiled := func(name, text string) *blob.Policy {
		unit, err := config.ParseTree(tb.Context(), name, text)
		if err != nil {
			tb.Fatalf("%+v", err)
		}
		set, err := policy.Resolve(tb.Context(), unit, policy.Options{Kernel: kernel, Default: kernel, Roots: config.Roots})
		if err != nil {
			tb.Fatalf("%+v", err)
		}
		out, err := compile.Compile(tb.Context(), set, compile.Options{Kernel: kernel, Degrade: compile.Report})
		if err != nil {
			tb.Fatalf("%+v", err)
		}
		return out.Policy
	}

	list, err := fs.ReadDir(tree, ".")
	if err != nil {
		tb.Fatal(err)
	}
	for _, e := range list {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := fs.ReadFile(tree, e.Name())
		if err != nil {
			tb.Fatal(err)
		}
		files["corpus/upstream/"+e.Name()] = compiled(e.Name(), string(text)).Bytes()
	}

	const every = 10
	n := 0
	for _, c := range testenv.CorpusLines[struct {
		ID, Op   string
		Profiles []string
	}](tb, "equality_core.jsonl.gz") {
		if c.Op != "not_equal" {
			continue
		}
		if n++; n%every != 0 {
			continue
		}
		var profiles []*blob.Profile
		for i, text := range c.Profiles {
			list := compiled(c.ID, text+"\n").Profiles()
			for _, p := range list {
				renamed := *p
				// Children keep the rest of theirs.
				renamed.Name = fmt.Sprintf("%s.%d", c.ID, i) + strings.TrimPrefix(p.Name, list[0].Name)
				profiles = append(profiles, &renamed)
			}
		}
		p, err := blob.Encode(profiles)
		if err != nil {
			tb.Fatalf("%s: %v", c.ID, err)
		}
		files["corpus/equality/"+c.ID] = p.Bytes()
	}
}

// buildExample compiles a program of examples into a static binary for guests.
func buildExample(t *testing.T, name string) func() ([]byte, error) {
	t.Helper()
	dir, root := t.TempDir(), testenv.Root(t)
	// The go command runs a test again when a file has changed that the test
	// looked at.
	if _, err := os.ReadDir(filepath.Join(root, "examples", name)); err != nil {
		t.Fatal(err)
	}
	return sync.OnceValues(func() ([]byte, error) {
		out := filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", out, "./examples/"+name)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, err
		}
		return os.ReadFile(out)
	})
}
