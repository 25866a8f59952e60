// SPDX-License-Identifier: Apache-2.0

package upstream

import "testing"

func TestPolicyTests(t *testing.T) {
	s := PolicyTests(t, false)
	t.Logf("%d tests, %d without a verdict", len(s.Tests), len(s.Todo))
}
