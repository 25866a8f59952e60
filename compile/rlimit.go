// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/diag"
)

// rlimitIndex is where the kernel keeps each limit.
var rlimitIndex = map[string]uint{
	"cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7, "ofile": 7,
	"memlock": 8, "as": 9, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
}

// rlimits fills in the resource limits, which are no rules by now.
func rlimits(e *emitter, out *blob.Profile) {
	for _, l := range e.profile.Rlimits {
		i, ok := rlimitIndex[l.Name]
		if !ok {
			e.fail(&diag.Diagnostic{Code: CodeUnknownRlimit, Message: "unknown resource limit", Text: l.Name})
			continue
		}
		out.RlimitMask |= 1 << i
		out.Rlimits[i] = l.Value
	}
}
