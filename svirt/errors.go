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
	ReasonContains    Reason = "the directory contains something restricted to the system"
	ReasonReadOnly    Reason = "the path is restricted to reading"
	ReasonDangling    Reason = "the path is a symbolic link to nothing"
	ReasonLoop        Reason = "the path has too many symbolic links"
	ReasonUnreadable  Reason = "the path cannot be examined"
	ReasonNoDevice    Reason = "there is no such device"
	ReasonAmbiguous   Reason = "there is more than one such device"
	ReasonFileType    Reason = "the file is not of a type that the device may have"
	ReasonLinks       Reason = "the file has more than one name"
	ReasonBroken      Reason = "the image's chain of backing files is broken"
	ReasonUnsupported Reason = "the kind of device is not supported"
	ReasonName        Reason = "the name cannot be part of a path"
	ReasonPerms       Reason = "the permissions are not valid"
	ReasonNoID        Reason = "the device has no ID"
	ReasonWritable    Reason = "the program is where the machine can write"
	ReasonClosed      Reason = "the path is closed unless the options open it"
	ReasonOutside     Reason = "the path is outside of the roots for the device"
	ReasonNoRoot      Reason = "a tenant's device needs a root"
	ReasonPrivate     Reason = "the path belongs to the manager"
	ReasonBacking     Reason = "only the image names its backing file"
	ReasonData        Reason = "only the image names its data file"
	ReasonChain       Reason = "the image's chain of backing files has changed"
	ReasonInUse       Reason = "the host uses the device"
	ReasonShared      Reason = "another machine has the file"
	ReasonDuplicate   Reason = "another device of the kind has the same ID"
	ReasonVolume      Reason = "nobody looked up which file the volume of the storage pool is"
	ReasonTenant      Reason = "a tenant may not tell the VMM more than its devices"
	ReasonOthers      Reason = "others than its owner may write the program"
	ReasonLabel       Reason = "the machine is to be confined in another way"
)

// PathError says that a device of a machine was refused, and why.
type PathError struct {
	Device Device // which device
	Path   string // as the description has it, or the target of its links
	Reason Reason // why it was refused
	Err    error  // the cause, if there is one
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
	What   string // "uuid", "name", "type" or "number"
	Value  string // what was given
	Reason string // why it was refused
}

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("machine %s %q: %s", e.What, e.Value, e.Reason)
}
