// SPDX-License-Identifier: Apache-2.0

package vmtest_test

import (
	"testing"

	"github.com/goarmor/apparmor/vmtest"
)

// A test boots the kernels of Debian's stable suite and of its unstable one,
// and runs those tests of its package in them whose names begin with TestGuest.
func ExampleRun() {
	_ = func(t *testing.T) { // TestKernels
		vmtest.Run(t, vmtest.Options{
			Roles: []string{"trixie", "sid"},
			Tests: "^TestGuest",
			Files: map[string]vmtest.File{"/etc/agent.conf": {Data: []byte("prefix = agent\n")}},
		})
	}
	// Output:
}
