// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"testing"
)

// TestInMemory plays all of it without a kernel.
func TestInMemory(t *testing.T) {
	const want = `write disk.img: true
write other.img: false
write passwd: false
/etc/shadow as a disk is refused: true
machines that are left: 0
`
	var out bytes.Buffer
	if err := run(t.Context(), nil, &out); err != nil || out.String() != want {
		t.Errorf("%v:\n%s", err, &out)
	}
	if err := run(t.Context(), []string{"-socket", "/does/not/exist"}, &out); err == nil {
		t.Error("a missing broker is not an error")
	}
}
