// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"encoding/json"

	"github.com/goarmor/apparmor/diag"
)

// MarshalJSON returns an object with the keys "device", "path", "reason",
// "message" and "errors". Message is what Error returns, errors is the cause as
// diag.MarshalError has it, which may be an empty list.
func (e *PathError) MarshalJSON() ([]byte, error) {
	if e == nil {
		return []byte("null"), nil
	}
	cause, err := diag.MarshalError(e.Err)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Device  Device          `json:"device"`
		Path    string          `json:"path"`
		Reason  Reason          `json:"reason"`
		Message string          `json:"message"`
		Errors  json.RawMessage `json:"errors"`
	}{e.Device, e.Path, e.Reason, e.Error(), cause})
}
