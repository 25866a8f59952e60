// SPDX-License-Identifier: Apache-2.0

// Package upstream makes test data out of what Debian publishes of AppArmor:
// the policy tests, cases and profiles of its source and packages, each with
// what the newest apparmor_parser in Debian says about it. Nothing of it is in
// this repository. What takes long to derive is kept in the cache folder.
//
// The meaning of this module is that of AppArmor 6.0. Where Debian's newest
// release differs from it, the case is on a list here that says why.
//
// A private corpus adds cases to most of this when APPARMOR_CORPUS names it.
package upstream

import (
	"bytes"
	"encoding/gob"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
)

// source returns the folder parser/tst of AppArmor's source. It is that of
// stable Debian, which does not change from one day to the next.
func source(tb testing.TB) string {
	tb.Helper()
	return filepath.Join(testenv.Source(tb, oracle.Trixie, "apparmor"), "parser", "tst")
}

// derive returns what f makes in an empty folder, from the cache if it is
// there. The name says what it is made of, and how.
func derive(tb testing.TB, name string, f func(dir string) error) string {
	tb.Helper()
	dir, err := debian.Derive(testenv.CacheDir(tb), name, f)
	if err != nil {
		tb.Fatal(err)
	}
	return dir
}

// deriveValue is derive for a value.
func deriveValue[T any](tb testing.TB, name string, f func() (T, error)) T {
	tb.Helper()
	dir := derive(tb, name, func(dir string) error {
		v, err := f()
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "value"), b.Bytes(), 0o644)
	})
	data, err := os.ReadFile(filepath.Join(dir, "value"))
	if err != nil {
		tb.Fatal(err)
	}
	var v T
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&v); err != nil {
		tb.Fatal(err)
	}
	return v
}

// sample returns n of the list, the same ones every time and in their order,
// or all of it where everything is tested.
func sample[T any](list []T, n int) []T {
	if testenv.Full() || len(list) <= n {
		return list
	}
	r := rand.New(rand.NewPCG(2026, 11))
	at := r.Perm(len(list))[:n]
	slices.Sort(at)
	out := make([]T, n)
	for i, j := range at {
		out[i] = list[j]
	}
	return out
}

// output runs a script of the source.
func output(cmd *exec.Cmd) ([]byte, error) {
	out, err := cmd.Output()
	if ee := (*exec.ExitError)(nil); errors.As(err, &ee) {
		return out, errors.Join(err, errors.New(string(ee.Stderr)))
	}
	return out, err
}
