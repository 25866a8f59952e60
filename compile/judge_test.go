// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/upstream"
)

// secondJudge returns the paths of Python and of the independent decoder.
func secondJudge(tb testing.TB) (python, script string) {
	tb.Helper()
	python = testenv.Command(tb, "python3", "python3")
	return python, testenv.Tool(tb, "decode_blob.py")
}

// judge runs the independent decoder and returns whether it was content.
func judge(t *testing.T, args ...string) (bool, string) {
	t.Helper()
	python, script := secondJudge(t)
	out, err := exec.Command(python, append([]string{script}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

// TestSecondJudge has a sample of what we compile judged by a decoder that
// shares no code with package blob: that the kernels take it, and that it
// means what the reference's means.
func TestSecondJudge(t *testing.T) {
	if testing.Short() {
		t.Skip("the independent decoder takes seconds; run without -short")
	}
	profiles := upstream.Profiles(t)
	tree := profiles.FS
	dir := t.TempDir()
	save := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	judged := 0
	for i, name := range profiles.Names {
		if i%judgeEvery != 0 {
			continue
		}
		theirs := profiles.Compiled(t, "6.12", name)
		if len(theirs) > 40_000 {
			continue
		}
		judged++
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			t.Fatal(err)
		}
		for short, kernel := range map[string]string{"6.1": k61, "6.12": k612, "7.2": k72, "7.3": k73} {
			out, err := source{roots: []fs.FS{tree}}.compile(t, oracle.FeatureSet(t, kernel), name, string(text))
			if err != nil {
				t.Fatal(err)
			}
			ours := save(short, out.Policy.Bytes())
			if ok, msg := judge(t, ours, "--verify", "--kernel", short); !ok {
				t.Errorf("%s for %s: %s", name, short, msg)
			}
			if short == "6.12" {
				if ok, msg := judge(t, ours, "--equal", save("theirs", theirs)); !ok {
					t.Errorf("%s for %s: %s", name, short, msg)
				}
			}
		}
	}
	t.Logf("%d profiles judged", judged)
}

// judgeEvery is the size of a sample's step.
const judgeEvery = 12
