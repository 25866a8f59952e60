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
// each kernel, 10,000 times where everything is asked for, which takes some
// hours a kernel.
func TestForkChain(t *testing.T) {
	rounds, timeout := "200", 12*time.Minute
	if testenv.Full() {
		rounds, timeout = "10000", 6*time.Hour
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
