// SPDX-License-Identifier: Apache-2.0

package svirt

import "strconv"

// WarningCode is the kind of a Warning.
type WarningCode string

// The kinds of warnings.
const (
	// WarningUnknown: the description has something that is not known here, and
	// what of the host it needs is not known either.
	WarningUnknown WarningCode = "unknown"
	// WarningArgument: the description hands an argument to the VMM, and what
	// the VMM opens for it cannot be told.
	WarningArgument WarningCode = "argument"
	// WarningUngranted: the machine may open the path, and there is no rule for
	// it.
	WarningUngranted WarningCode = "ungranted"
)

// Warning says that a machine may need something of the host that it is not
// granted. The machine starts without it, or does not start, but never has more
// than the rules say.
type Warning struct {
	Device Device      `json:"device"`
	Code   WarningCode `json:"code"`
	// What is the element, the argument or the option that it is about.
	What string `json:"what,omitempty"`
	// Path is what the machine may open, where that is known.
	Path string `json:"path,omitempty"`
	// Add says what to add to the description, or what else to do.
	Add string `json:"add"`
}

// String returns the warning as a line of text. What the description says is
// quoted.
func (w Warning) String() string {
	s := w.Device.String() + ": "
	switch w.Code {
	case WarningUnknown:
		s += "it is not known what this needs"
	case WarningArgument:
		s += "it is not known what this argument opens"
	default:
		s += "there is no rule for this"
	}
	for _, part := range []string{w.What, w.Path} {
		if part != "" {
			s += " " + strconv.Quote(part)
		}
	}
	if w.Add != "" {
		s += ": " + w.Add
	}
	return s
}
