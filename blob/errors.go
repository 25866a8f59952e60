// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"errors"
	"fmt"
	"strings"
)

// What errors of this package match with errors.Is. Each comes wrapped in a
// FormatError that says where and why, except ErrKernel, which comes in a
// KernelError.
var (
	ErrSyntax     = errors.New("malformed stream")                     // tags, lengths, missing or misplaced members
	ErrVersion    = errors.New("unsupported interface version")        // the header's kernel ABI
	ErrNamespace  = errors.New("invalid or mixed namespaces")          // in headers or names
	ErrName       = errors.New("invalid profile name")                 // empty, too long, with NUL
	ErrDuplicate  = errors.New("duplicate profile name")               // twice in one set
	ErrParent     = errors.New("parent profile after its child")       // order of the set
	ErrValue      = errors.New("member value out of range")            // mode, kill, rlimits, ...
	ErrDFA        = errors.New("invalid DFA")                          // header, tables or states
	ErrPerms      = errors.New("invalid permissions")                  // permission table or exec index
	ErrXTable     = errors.New("invalid transition table")             // text of exec targets
	ErrTrailing   = errors.New("data after the last profile")          // not one whole set
	ErrCompressed = errors.New("compressed policy cannot be unpacked") // damaged, or beyond MaxUnpacked
	ErrKernel     = errors.New("policy is not for this kernel")        // Policy.Check
	ErrTooLarge   = errors.New("does not fit the format")              // a count or length beyond its field
	ErrUnknown    = errors.New("member is not known to this package")  // 7.3's tag sets
)

// Errno is the error number with which a kernel refuses the write. The numbers
// are the same on every architecture that runs AppArmor.
type Errno int

// The error numbers of a refused load.
const (
	ENOENT          Errno = 2
	EACCES          Errno = 13
	EINVAL          Errno = 22
	ENAMETOOLONG    Errno = 36
	EPROTO          Errno = 71
	EPROTONOSUPPORT Errno = 93
)

// String returns the name of the error number, such as EPROTO.
func (e Errno) String() string {
	switch e {
	case ENOENT:
		return "ENOENT"
	case EACCES:
		return "EACCES"
	case EINVAL:
		return "EINVAL"
	case ENAMETOOLONG:
		return "ENAMETOOLONG"
	case EPROTO:
		return "EPROTO"
	case EPROTONOSUPPORT:
		return "EPROTONOSUPPORT"
	}
	return fmt.Sprintf("errno %d", int(e))
}

// FormatError says why a stream is not one that a kernel loads.
type FormatError struct {
	Offset  int    // of the item in the data, in bytes; -1: found while encoding
	Profile string // the profile around the place, if its name was read
	Member  string // "flags", "policydb", "file DFA", ...
	Reason  string // one line
	Hint    string // what would be right, if that is not plain from the reason
	Errno   Errno  // what the kernel would answer; zero if only this package refuses
	Err     error  // one of the package's ErrXxx values
}

// Error returns place, reason and hint in one line.
func (e *FormatError) Error() string {
	var b strings.Builder
	b.WriteString("policy")
	if e.Offset >= 0 {
		fmt.Fprintf(&b, " at offset %#x", e.Offset)
	}
	if e.Profile != "" {
		fmt.Fprintf(&b, ", profile %q", e.Profile)
	}
	if e.Member != "" {
		b.WriteString(", ")
		b.WriteString(e.Member)
	}
	b.WriteString(": ")
	b.WriteString(e.Reason)
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	if e.Errno != 0 {
		fmt.Fprintf(&b, " (the kernel answers %v)", e.Errno)
	}
	return b.String()
}

// Unwrap returns the kind of error, one of the package's ErrXxx values.
func (e *FormatError) Unwrap() error { return e.Err }
