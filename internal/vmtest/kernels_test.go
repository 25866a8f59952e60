//go:build linux

package vmtest_test

import (
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest"
)

func TestKernels(t *testing.T) {
	vmtest.Run(t, vmtest.Config{Package: "./checks"})
}
