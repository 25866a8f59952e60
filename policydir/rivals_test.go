// SPDX-License-Identifier: Apache-2.0

package policydir

import (
	"errors"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
)

// TestRivals has two files whose profiles attach to one program equally well:
// the later one is refused, or both are loaded and it is said, also of policy
// from the cache.
func TestRivals(t *testing.T) {
	h := newHost(t, map[string]string{
		"a": "abi <kernel>,\n\nprofile app-a /usr/bin/{x,y} { }\n",
		"b": "abi <kernel>,\nprofile app-b /usr/bin/z { }\nprofile app-c /usr/{,local/}bin/x { }\n",
	})
	check := func(d *diag.Diagnostic, severity diag.Severity) {
		t.Helper()
		if d.Code != diag.CodeAttachConflict || d.Severity != severity || d.Pos.File != "/etc/x/b" || d.Pos.Line != 3 ||
			len(d.Related) != 1 || d.Related[0].File != "/etc/x/a" || d.Related[0].Line != 3 || !strings.Contains(d.Message, " /usr/bin/x ") {
			t.Errorf("%+v", d)
		}
	}
	r, err := h.apply(t, nil)
	var d *diag.Diagnostic
	if !errors.As(err, &d) || r.Files[0].State != Loaded || r.Files[1].State != Failed {
		t.Fatalf("%v, %+v", err, r.Files)
	}
	check(d, diag.Error)
	for i, state := range []State{Loaded, Unchanged} {
		r, err := h.apply(t, func(o *Options) { o.Compile.Degrade = compile.Report })
		if err != nil {
			t.Fatal(err)
		}
		f := r.Files[1]
		if f.State != state || f.Cached != (i > 0) || len(r.Files[0].Warnings) > 0 || len(f.Warnings) != 1 {
			t.Fatalf("%+v", f)
		}
		check(f.Warnings[0], diag.Warning)
		if f.Warnings[0].Class != diag.ClassDangerous {
			t.Errorf("class %s", f.Warnings[0].Class)
		}
	}
}
