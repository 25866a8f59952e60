// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/testenv"
)

// judge runs the independent decoder and returns whether it was content.
func judge(t *testing.T, args ...string) (bool, string) {
	t.Helper()
	if testing.Short() {
		t.Skip("the independent decoder takes seconds; run without -short")
	}
	python := testenv.Command(t, "python3", "python3")
	script := testenv.Tool(t, "decode_blob.py")
	out, err := exec.Command(python, append([]string{script}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err == nil, string(out)
}

func save(t *testing.T, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestJudgeAgrees compares verdicts of the verifier and of the comparison with
// those of the independent decoder on a sample of the reference blobs.
func TestJudgeAgrees(t *testing.T) {
	dir := t.TempDir()
	byKernel := map[string][]reference{}
	for i, ref := range references(t) {
		if i/3%30 == 0 && len(ref.data) < 30_000 {
			byKernel[ref.kernel] = append(byKernel[ref.kernel], ref)
		}
	}
	equal, different := 0, 0
	for kernel, refs := range byKernel {
		var before *blob.Policy
		var beforeFile string
		for _, ref := range refs {
			file := save(t, dir, strings.ReplaceAll(ref.name, "/", "_")+"."+kernel, ref.data)
			if ok, out := judge(t, file, "--verify", "--kernel", kernel); !ok {
				t.Errorf("%s for %s: the judge refuses what Inspect accepts: %s", ref.name, kernel, out)
			}
			p, err := blob.Inspect(ref.data)
			if err != nil {
				t.Fatal(err)
			}
			again, err := blob.Encode(p.Profiles())
			if err != nil {
				t.Fatal(err)
			}
			if ok, out := judge(t, file, "--equal", save(t, dir, "again", again.Bytes())); !ok {
				t.Errorf("%s for %s: the judge finds a difference in policy that was written again: %s", ref.name, kernel, out)
			}
			if before != nil && len(before.Profiles()) == 1 && len(p.Profiles()) == 1 {
				// Give both one name, so that their contents are compared.
				q := *p.Profiles()[0]
				q.Name = before.Names()[0]
				renamed, err := blob.Encode([]*blob.Profile{&q})
				if err != nil {
					t.Fatal(err)
				}
				d, err := blob.DiffPolicy(before, renamed, blob.DiffOptions{Strict: true})
				if err != nil {
					t.Fatal(err)
				}
				ok, out := judge(t, beforeFile, "--equal", save(t, dir, "renamed", renamed.Bytes()), "--strict")
				if ok != (len(d) == 0) {
					t.Errorf("%s and the one before, for %s: judge says equal=%v, Diff finds %v\n%s", ref.name, kernel, ok, d, out)
				}
				if ok {
					equal++
				} else {
					different++
				}
			}
			before, beforeFile = p, file
		}
	}
	if different == 0 {
		t.Error("no random profiles differ")
	}
	t.Logf("%d pairs equal, %d different", equal, different)
}

// TestJudgeRefuses gives the independent decoder what the verifier refuses.
func TestJudgeRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, d := range blob.DamagedDFAs() {
		if strings.HasPrefix(name, "trap ") {
			continue // kernels do not look at that
		}
		data := blob.EncodeUnverified(&blob.Profile{Name: "p", File: &blob.PolicyDB{DFA: d}})
		if _, err := blob.Inspect(data); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if ok, out := judge(t, save(t, dir, "damaged", data), "--verify"); ok {
			t.Errorf("%s: the judge accepts what Inspect refuses: %s", name, out)
		}
	}
}
