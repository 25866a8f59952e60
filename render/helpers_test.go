// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"testing"

	"github.com/goarmor/apparmor/blob"
)

// grants reports whether the first profile of a binary policy lets everybody
// read a path.
func grants(t *testing.T, data []byte, path string) bool {
	t.Helper()
	policy, err := blob.Inspect(data)
	if err != nil {
		t.Fatal(err)
	}
	p := policy.Profiles()[0]
	if p.File == nil {
		return false
	}
	state := p.File.DFA.MatchString(blob.StartState, path)
	return p.FilePerms(state, false).Allow&blob.PermRead != 0
}
