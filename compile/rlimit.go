// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"strconv"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/linux"
)

// rlimits fills in the resource limits, which are no longer rules.
func rlimits(e *emitter, out *blob.Profile) {
	for _, l := range e.profile.Rlimits {
		name := l.Name
		if name == "ofile" {
			name = "nofile"
		}
		i, ok := linux.Rlimits.Number(name)
		if !ok {
			e.fail(&diag.Diagnostic{Code: diag.CodeRlimit, Message: "unknown resource " + strconv.Quote(l.Name), Text: l.Name})
			continue
		}
		out.RlimitMask |= 1 << i
		out.Rlimits[i] = l.Value
	}
}
