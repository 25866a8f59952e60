// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const log = `# Changelog

## [Unreleased]

### Changed

- ` + "`svirt.Old`, before; `svirt.New`, now; all of `parser.Code*`; `diag.Diagnostic.Via`;" + `
  ` + "`libvirtxml.Parse`, `ast.File`" + `

## [0.1.0]

- ` + "`query.Gone`" + `
`

func TestCheck(t *testing.T) {
	const report = `Incompatible changes:
- ./svirt.Old: removed
- ./svirt.Older: removed
- ./parser.CodeSyntax: removed
- ./parser.WarnX: removed
- ./diag.Diagnostic.Via: changed from []int to []string
- ./diag.Diagnostic.Pos: changed from int to string
- ./svirt/libvirtxml.Parse: changed from func() to func(int)
- ./ast.(*File).Position: changed from func(Pos) to func(int)
- ./ast.(*Files).Position: removed
- ./query.Gone: removed
- parser: removed
- ./svirt.Field.Old: changed from []Old to []New
- ./render.Field: changed from func(example.org/m/svirt.Old) to func()
- ./render.Other: changed from Old to New
`
	changes, unnamed, err := check(strings.NewReader(report), log)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"- ./svirt.Older: removed",
		"- ./parser.WarnX: removed",
		"- ./diag.Diagnostic.Pos: changed from int to string",
		"- ./ast.(*Files).Position: removed",
		"- ./query.Gone: removed",
		"- parser: removed",
		"- ./render.Other: changed from Old to New",
	}
	if diff := cmp.Diff(want, unnamed); diff != "" || changes != 14 {
		t.Errorf("%d changes\n%s", changes, diff)
	}
	if _, _, err := check(strings.NewReader("- nonsense\n"), log); err == nil {
		t.Error("a report that is not understood is taken for one without changes")
	}
}
