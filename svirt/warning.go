// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"slices"
	"strconv"
)

// WarningCode is the kind of a Warning.
type WarningCode string

// The codes of warnings.
const (
	// WarnNumber: what the device has is named after libvirt's number of the
	// machine, and the description has none.
	WarnNumber WarningCode = "no-number"
	// WarnUnknown: the device has something of the host, and the description
	// does not say what.
	WarnUnknown WarningCode = "unknown-path"
	// WarnAssumed: the description does not say where, so the place is that of
	// custom.
	WarnAssumed WarningCode = "assumed-path"
	// WarnArgument: an argument of the command line, a variable of the
	// environment or a property is not known, and may name something.
	WarnArgument WarningCode = "unknown-argument"
	// WarnAbsent: a device that the machine may go without is not there.
	WarnAbsent WarningCode = "absent"
	// WarnCompanion: another program runs for the device, for which the
	// machine's profile has no rules.
	WarnCompanion WarningCode = "companion"
	// WarnReadOnly: the description does not say that a file is only read, and
	// it is where nothing may be written.
	WarnReadOnly WarningCode = "read-only"
	// WarnScript: a program is a script, and takes another program to run.
	WarnScript WarningCode = "script"
	// WarnRule: the device takes a rule other than one for a path.
	WarnRule WarningCode = "other-rule"
	// WarnUnread: whoever made the description found something that it has no
	// field for.
	WarnUnread WarningCode = "unread"
)

// Warning says that a machine may lack something that its description wants,
// and what to do.
type Warning struct {
	Device Device      `json:"device"`         // which device
	Code   WarningCode `json:"code"`           // identifies the warning to programs
	Path   string      `json:"path,omitempty"` // of the host, or an argument; empty when it is not known
	Text   string      `json:"text"`           // what is wrong
	Add    string      `json:"add"`            // what to do
}

// String returns the warning as a line of text.
func (w Warning) String() string {
	s := w.Device.String() + ": " + w.Text
	if w.Path != "" {
		s += " (" + strconv.Quote(w.Path) + ")"
	}
	if w.Add != "" {
		s += ": " + w.Add
	}
	return s
}

// sortWarnings returns warnings in the order of devices, codes and paths, each
// once.
func sortWarnings(list []Warning) []Warning {
	slices.SortStableFunc(list, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Device.Kind, b.Device.Kind), cmp.Compare(a.Device.ID, b.Device.ID), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Text, b.Text))
	})
	return slices.Compact(list)
}
