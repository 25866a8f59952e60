// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package debian

import (
	"errors"
	"io"
)

// lock fails: the packages hold programs for Linux.
func lock(string) (io.Closer, error) { return nil, errors.ErrUnsupported }
