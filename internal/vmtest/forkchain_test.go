// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest_test

import (
	"testing"
	"time"

	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/internal/vmtest"
)

// TestForkChain removes profiles under what forks without an end: 200 times on
// each kernel; where everything is asked for 2,500 times, which is 10,000 on
// Debian's four and takes some twenty minutes of processor time a kernel.
func TestForkChain(t *testing.T) {
	rounds, timeout := "200", 12*time.Minute
	if testenv.Full() {
		rounds, timeout = "2500", 4*time.Hour
	}
	vmtest.Run(t, vmtest.Config{
		Package: "./checks",
		Timeout: timeout,
		Args:    []string{"-test.run=^TestForkChain$"},
		Files: func(testing.TB, vmtest.Kernel) map[string][]byte {
			return map[string][]byte{"secret": []byte("secret\n"), "rounds": []byte(rounds)}
		},
	})
}
