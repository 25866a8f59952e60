// SPDX-License-Identifier: Apache-2.0

// Package policytest makes `go test` check what policy must allow and must never
// allow. The expectations are files as package expect describes them:
//
//	func TestPolicy(t *testing.T) { policytest.Run(t, "testdata/policy") }
package policytest

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/goarmor/apparmor/expect"
)

// Run checks all files of expectations of a directory, those whose names end in
// .expect, each statement in a subtest with the name FILE:LINE. What is wrong
// with the files, and a directory without any, fails t.
func Run(t *testing.T, dir string) {
	t.Helper()
	RunWith(t, dir, expect.Options{})
}

// RunWith is Run with options.
func RunWith(t *testing.T, dir string, o expect.Options) {
	t.Helper()
	report, err := expect.Check(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("%+v", err)
	}
	for _, r := range report.Statements {
		at := r.Statement.Pos
		t.Run(fmt.Sprintf("%s:%d", filepath.Base(at.File), at.Line), func(t *testing.T) {
			if text := r.String(); text != "" {
				t.Error(text)
			}
		})
	}
}
