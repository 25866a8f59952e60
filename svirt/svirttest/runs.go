// SPDX-License-Identifier: Apache-2.0

package svirttest

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// runs reports whether a process has not ended. One that has ended but
// was not waited for is not under a profile any more.
func runs(p *os.Process) bool {
	if p.Signal(syscall.Signal(0)) != nil {
		return false
	}
	if runtime.GOOS != "linux" {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
	if err != nil {
		return false
	}
	// The name before the state may have blanks and parentheses.
	after := stat[bytes.LastIndexByte(stat, ')')+1:]
	return !bytes.HasPrefix(after, []byte(" Z")) && !bytes.HasPrefix(after, []byte(" X"))
}
