// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtd

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRead reads what scripts print.
func TestRead(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		seen       map[string]string
		denied     []string
		ended      bool
	}{
		{"nothing", "", map[string]string{}, nil, false},
		{"all", "@hello 6.12\r\n  output @see x\n@see a 0 loaded: 2\n@see b\n@denied x\n@mark y\n@denied z\n@end 0\n@see late x\n",
			map[string]string{"a": "0 loaded: 2", "b": ""}, []string{"x", "z"}, true},
		{"cut", "@see a b\n@en", map[string]string{"a": "b"}, nil, false},
	} {
		r := result{seen: map[string]string{}}
		if ended := r.read(t, strings.NewReader(tt.text)); ended != tt.ended {
			t.Errorf("%s: ended %v", tt.name, ended)
		}
		if d := cmp.Diff(tt.seen, r.seen); d != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, d)
		}
		if d := cmp.Diff(tt.denied, r.denied); d != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.name, d)
		}
	}
}

// TestReadSteps reads steps, with what belongs to each.
func TestReadSteps(t *testing.T) {
	r := result{seen: map[string]string{}}
	if !r.read(t, strings.NewReader("  Domain one\n@step start 0 1500\n@see label x (enforce)\n  error: no\n@step stop 1 20\n@mark start\n@denied a\n@denied a\n@mark stop\n@denied b\n@end 0\n")) {
		t.Error("it did not end")
	}
	want := []step{
		{name: "start", took: 1500 * time.Millisecond, output: []string{"Domain one"}, seen: []string{"label x (enforce)"}, denied: []string{"a"}},
		{name: "stop", status: 1, took: 20 * time.Millisecond, output: []string{"error: no"}, denied: []string{"b"}},
	}
	if d := cmp.Diff(want, r.steps, cmp.AllowUnexported(step{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestTar: what is written for a machine is read back.
func TestTar(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tar")
	want := map[string][]byte{"a": []byte("one"), "b/c": []byte("two"), "empty": {}}
	if err := writeTar(name, want); err != nil {
		t.Fatal(err)
	}
	got, err := readTar(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
