// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"encoding/json"
	"testing"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/features"
)

// TestDegradationJSON holds the form of what programs print.
func TestDegradationJSON(t *testing.T) {
	set, _ := features.Kernel("6.1")
	out, err := compile.Text(t.Context(), "p", "abi <abi/4.0>,\nprofile p {\n  userns,\n}\n", compile.Source{
		Kernel: set, Options: compile.Options{Degrade: compile.Report},
	})
	if err != nil || len(out.Degraded) != 1 {
		t.Fatal(out, err)
	}
	got, err := json.Marshal(out.Degraded)
	const want = `[{"profile":"p","pos":{"file":"p","line":3,"column":3,"offset":29},"via":[],"class":"userns","what":"userns rules",` +
		`"feature":"namespaces/mask/userns_create","hint":"","cause":"kernel","dropped":true,` +
		`"message":"p:3:3: profile p: userns rules not enforced: no namespaces/mask/userns_create in the kernel"}]`
	if err != nil || string(got) != want {
		t.Errorf(" got %s\nwant %s\n%v", got, want, err)
	}
}
