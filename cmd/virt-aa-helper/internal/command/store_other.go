// SPDX-License-Identifier: Apache-2.0

//go:build !unix

package command

import (
	"context"
	"os"
)

const noFollow = 0

// openFile opens a file for reading.
func openFile(name string) (*os.File, error) { return os.Open(name) }

// lock does nothing: there is no AppArmor to load anything into.
func (s store) lock(context.Context, string) (func(), error) { return func() {}, nil }

// readOwn returns nothing: who owns a file is not known.
func (s store) readOwn(string) ([]byte, bool) { return nil, false }
