// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Watch yields an error: only Linux has AppArmor. The error is
// errors.ErrUnsupported.
func Watch(context.Context, WatchOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		yield(nil, fmt.Errorf("audit: %w: only Linux has AppArmor", errors.ErrUnsupported))
	}
}
