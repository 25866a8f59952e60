// SPDX-License-Identifier: Apache-2.0

package oracle_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

func TestParser(t *testing.T) {
	p := oracle.Parser(t)
	features := oracle.Features(t, "kernel-6.1.192")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "inc"), []byte("/b r,\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	job := oracle.Job{Text: "profile t /t {\n  include <inc>\n  ^h {\n  }\n}\n", Features: features, Include: []string{dir}}

	data, err := p.Compile(job)
	if err != nil {
		t.Fatal(err)
	}
	policy, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"t", "t//h"}
	if diff := cmp.Diff(want, policy.Names()); diff != "" {
		t.Errorf("compiled names (-want +got):\n%s", diff)
	}

	names, err := p.Names(job)
	if diff := cmp.Diff(want, names); diff != "" || err != nil {
		t.Errorf("names: %v (-want +got):\n%s", err, diff)
	}

	text, err := p.Preprocess(job)
	if err != nil || !strings.Contains(text, "##included <inc>") || !strings.Contains(text, "/b r,") {
		t.Errorf("preprocessed: %v\n%s", err, text)
	}

	bad := oracle.Job{Text: "profile t { nonsense }\n", Features: features}
	var e *oracle.Error
	if err := p.Accepts(bad); !errors.As(err, &e) || e.Exit != 1 || !strings.Contains(e.Stderr, "syntax error") {
		t.Errorf("a syntax error gives %v", err)
	}
	if err := p.Accepts(job); err != nil {
		t.Error(err)
	}
}

func TestDecode(t *testing.T) {
	p := oracle.Parser(t)
	features := oracle.Features(t, "kernel-6.1.192")
	compile := func(text string) []byte {
		data, err := p.Compile(oracle.Job{Text: text, Features: features})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	a, b := compile("profile t { /a r, /b w, }\n"), compile("profile t { /b w, /a r, }\n")
	if got := oracle.DecodeEqual(t, a, b, "6.1"); got != nil {
		t.Errorf("equal policies differ: %q", got)
	}
	if got := oracle.DecodeEqual(t, a, compile("profile t { /a rw, /b w, }\n"), "6.1"); !strings.Contains(strings.Join(got, "\n"), "after '/a'") {
		t.Errorf("differing policies: %q", got)
	}
	if got := oracle.DecodeVerify(t, a, "6.1"); got != nil {
		t.Errorf("a good policy is refused: %q", got)
	}
	a[len(a)/2] ^= 0xff
	if got := oracle.DecodeVerify(t, a, "6.1"); got == nil {
		t.Error("a damaged policy passes")
	}
}

// The allowances must let through what the two versions of the reference
// differ in, over the profiles that both compile, and nothing that is changed
// in one of them.
func TestCompareReferences(t *testing.T) {
	p := oracle.Parser(t)
	newest := oracle.ParserOf(t, oracle.Newest)
	tree := testenv.DebianTree(t)
	entries, err := os.ReadDir(tree)
	if err != nil {
		t.Fatal(err)
	}
	for _, kernel := range []string{"6.1", "7.3"} {
		compared := 0
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			job := oracle.Job{File: filepath.Join(tree, e.Name()), Base: tree, Features: oracle.Features(t, "kernel-"+kernel)}
			var both [2]*blob.Policy
			for i, p := range []oracle.ApparmorParser{newest, p} {
				data, err := p.Compile(job)
				if err != nil {
					t.Fatal(err)
				}
				if both[i], err = blob.Inspect(data); err != nil {
					t.Fatal(err)
				}
			}
			compared++
			lines := oracle.Compare(t, both[0], both[1])
			if e.Name() == "sbin.syslog-ng" {
				// Its /@{run} is //run to newer parsers.
				if len(lines) != 4 {
					t.Errorf("%s, %s: %q", kernel, e.Name(), lines)
				}
				continue
			}
			for _, line := range lines {
				t.Errorf("%s, %s: %s", kernel, e.Name(), line)
			}
		}
		t.Logf("%s: %d compared", kernel, compared)
		if compared == 0 {
			t.Errorf("%s: nothing compared", kernel)
		}
	}
}
