// SPDX-License-Identifier: Apache-2.0

//go:build linux

package command

import (
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest"
)

// TestKernels runs the command on Debian's kernels, see package checks.
func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Config{Package: "../checks"})
}
