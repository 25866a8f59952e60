// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"io"
	"testing"

	"github.com/goarmor/apparmor/diag"
)

// endless is an input without an end.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestReadAllLimit(t *testing.T) {
	if data, err := readAll(io.LimitReader(endless{}, 10)); err != nil || len(data) != 10 {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	var limit *diag.LimitError
	if _, err := readAll(endless{}); !errors.As(err, &limit) || limit.Limit != maxInput {
		t.Errorf("an endless input: %v", err)
	}
}
