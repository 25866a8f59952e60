// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package vmtest

import "testing"

func run(t *testing.T, _ Options) {
	t.Helper()
	t.Skip("missing: Linux, which boots the guests")
}
