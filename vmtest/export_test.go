// SPDX-License-Identifier: Apache-2.0

//go:build linux

package vmtest

import "testing"

// Root returns the names of the files of a guest.
func Root(tb testing.TB, o Options) ([]string, error) {
	tb.Helper()
	root, err := o.root(tb)
	var names []string
	for name := range root {
		names = append(names, name)
	}
	return names, err
}
