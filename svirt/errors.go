// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"fmt"
	"strconv"
)

// Reason tells why a path was refused.
type Reason string

// The reasons.
const (
	ReasonEmpty       Reason = "the path is empty"
	ReasonRelative    Reason = "the path is not absolute"
	ReasonUnclean     Reason = "the path has empty, `.` or `..` components"
	ReasonTooLong     Reason = "the path is longer than the kernel allows"
	ReasonControl     Reason = "the path has a control byte"
	ReasonQuote       Reason = "the path has a quotation mark"
	ReasonGlob        Reason = "the path has a byte that is special in policy"
	ReasonRestricted  Reason = "the path is restricted to the system"
	ReasonContains    Reason = "the directory contains what is restricted to the system"
	ReasonReadOnly    Reason = "the path is restricted to reading"
	ReasonDangling    Reason = "the path is a symbolic link to nothing"
	ReasonLoop        Reason = "the path has too many symbolic links"
	ReasonUnreadable  Reason = "the path cannot be examined"
	ReasonNoDevice    Reason = "there is no such device"
	ReasonAmbiguous   Reason = "there is more than one such device"
	ReasonNoDirectory Reason = "the path is not a directory"
	ReasonNoFile      Reason = "the path is not a regular file or a block device"
	ReasonNoProgram   Reason = "the program is not a regular file"
	ReasonBroken      Reason = "the image's chain of backing files is broken"
	ReasonUnsupported Reason = "the kind of device is not supported"
	ReasonName        Reason = "the name cannot be part of a path"
	ReasonPerms       Reason = "the permissions are not valid"
	ReasonNoID        Reason = "the device has no ID"
	ReasonWritable    Reason = "the program is where the machine can write"
	ReasonDuplicate   Reason = "another device of the kind has the same ID"
)

// PathError says that a device of a machine was refused, and why.
type PathError struct {
	Device Device
	Path   string // as the description has it, or what it led to
	Reason Reason
	Err    error // the cause, if there is one
}

// Error implements error.
func (e *PathError) Error() string {
	s := e.Device.String() + ": " + string(e.Reason)
	if e.Path != "" {
		s += " (" + strconv.Quote(e.Path) + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *PathError) Unwrap() error { return e.Err }

// IdentityError says that a machine's UUID or name was refused.
type IdentityError struct {
	What   string // "uuid" or "name"
	Value  string
	Reason string
}

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("domain %s %q: %s", e.What, e.Value, e.Reason)
}
