// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package debian

import "errors"

// lock fails: the packages hold programs for Linux.
func lock(string) (func(), error) { return nil, errors.ErrUnsupported }
