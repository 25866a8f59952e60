// SPDX-License-Identifier: Apache-2.0

package features_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/upstream"
)

func parse(t *testing.T, data []byte) *features.Set {
	t.Helper()
	s, err := features.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestABI compares the built-in tables with the abi files that AppArmor ships.
func TestABI(t *testing.T) {
	if s, ok := features.ABI("2.0"); ok || s != nil {
		t.Errorf("unknown ABI gives %v", s)
	}
	dir := upstream.Profiles(t).Dir()
	for _, name := range features.ABIs() {
		data, err := os.ReadFile(filepath.Join(dir, "abi", name))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := features.ABI(name)
		if !ok {
			t.Fatalf("%s is not built in", name)
		}
		if diff := cmp.Diff(parse(t, data).String(), got.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestDefault compares Default with the text inside of the reference parser.
// That text closes the brace of domain early and has one too many later.
func TestDefault(t *testing.T) {
	command := oracle.Parser(t).Command()
	data, err := os.ReadFile(command[len(command)-1])
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`query \{label \{multi_transaction[a-z0-9_ .{}]*`).Find(data)
	if text == nil {
		t.Fatal("the reference parser does not contain the text of its features")
	}
	repaired := strings.Replace(strings.TrimRight(string(text), "\x00"), "version {1.2}}", "version {1.2}", 1)
	if diff := cmp.Diff(parse(t, []byte(repaired)).String(), features.Default().String()); diff != "" {
		t.Error(diff)
	}
}

// TestKernels checks what differs between four kernels.
func TestKernels(t *testing.T) {
	type row struct {
		PermTable                                   uint64
		State32, Diff, V8, V9, Unix, DBus, Kill, IO bool
	}
	for name, want := range map[string]row{
		"6.1":  {V8: true},
		"6.12": {PermTable: 1, V8: true, IO: true},
		"7.2":  {3, true, true, true, true, true, true, true, true},
		"7.3":  {3, true, true, true, true, true, true, true, true},
	} {
		s, ok := features.Kernel(name)
		if !ok {
			t.Fatalf("%s is not built in", name)
		}
		got := row{
			s.PermTableVersion(), s.Supports(features.State32), s.DiffEncode(), s.Supports(features.NetworkV8), s.Supports(features.NetworkV9),
			s.Unix(), s.Supports(features.DBus), s.KillSignal(), s.Supports(features.IOUring),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for _, always := range []string{
			features.Mount, features.Signal, features.Ptrace, features.Capabilities, features.Rlimits, features.Stacking, features.Xattrs,
			features.SetLoad, features.Versions + "/v8", features.OutOfBand,
		} {
			if !s.Supports(always) {
				t.Errorf("%s lacks %s", name, always)
			}
		}
		if s.Supports(features.NetworkOld) || s.Supports(features.PosixMqueue) || s.Supports(features.SysvMqueue) {
			t.Errorf("%s has an entry that no kernel has", name)
		}
		if !parse(t, []byte(s.String())).Equal(s) {
			t.Errorf("%s: the canonical text is not read back", name)
		}
	}
}
