// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// TestStart holds that no transition leads to the start state, also where another
// state grants the same and leads to the same. The permissions of the start state
// itself do not count: apparmor_parser 5.0.2 writes none.
func TestStart(t *testing.T) {
	for _, release := range []string{"6.1", "6.12", "7.3"} {
		kernel := kernelOf(t, release)
		out, err := source{abi: kernel}.compile(t, kernel, "p", "@{V}=\"\"\nprofile t @{V}** { @{V}** rw, }\n")
		if err != nil {
			t.Fatal(err)
		}
		p := out.Policy.Profiles()[0]
		for name, db := range map[string]*blob.PolicyDB{"attachment": p.XMatch, "file": p.File, "policydb": p.Policydb} {
			if db == nil {
				continue
			}
			for s := range db.DFA.States() {
				for b := range 256 {
					if db.DFA.Step(uint32(s), byte(b)) == blob.StartState {
						t.Errorf("%s: %s: byte %#x leads from state %d to the start", release, name, b, s)
						break
					}
				}
			}
		}
	}
}
