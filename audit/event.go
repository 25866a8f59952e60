// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"strconv"
	"strings"
	"time"
)

// Action is the word at the beginning of a record: what the profile says.
type Action string

// The actions that kernels write (security/apparmor/audit.c, Linux 6.12).
const (
	Denied  Action = "DENIED"  // refused
	Allowed Action = "ALLOWED" // not granted, and allowed by complain mode
	Audit   Action = "AUDIT"   // granted, and logged because the policy asks for it
	Killed  Action = "KILLED"  // refused, and the task was sent a signal
	Hint    Action = "HINT"
	Status  Action = "STATUS" // about policy itself: loaded, replaced, removed
	Failed  Action = "ERROR"
)

// Event is one record.
type Event struct {
	// Action, Operation, Class, Profile and Namespace say who decided what.
	// Class is a word of the kernel's, such as "file", "cap" or "net"; empty if
	// the record has none and the operation does not imply one. Records of
	// dbus-daemon have the class "dbus".
	Action    Action
	Operation string
	Class     string
	Profile   string // also in records of dbus-daemon, which call it label
	Namespace string

	// Name is the object: a path, a mount point, a label, a profile that is
	// loaded. Target is the second object: the target of a link, or the next
	// label of a task. Peer is the label of the other side.
	Name   string
	Target string
	Peer   string

	// Requested and Denied are permissions in words of the class. Denied is
	// empty in records of Audit.
	Requested string
	Denied    string

	// PID and Comm are of the task; 0 and empty if unknown. Comm is what the
	// task calls itself.
	PID  int
	Comm string

	// Info and Error are the kernel's reason. Error is an errno, positive; 0 if
	// there is none.
	Info  string
	Error int

	// Time and Serial identify the record; zero if the form has none.
	Time   time.Time
	Serial uint64

	// Truncated says that the record was cut. Its last field may be missing or
	// short, and is then not in a typed member.
	Truncated bool

	// Fields are all fields of the record, decoded, in its order. A key may
	// occur twice.
	Fields []Field
	// Enriched are the names that auditd adds to numbers, such as FSUID.
	Enriched []Field
}

// Field is a key with its value.
type Field struct {
	Key   string // as the record has it, such as fsuid
	Value string // decoded: without quotes, hexadecimal digits as the bytes that they are
	// Hex says that the value was written in hexadecimal digits, because it has
	// a blank, a quote, a control byte or a byte above 0x7e.
	Hex bool
	// Short says that the record was cut within this field.
	Short bool
}

// Get returns the first field of that key.
func (e *Event) Get(key string) (string, bool) {
	for _, f := range e.Fields {
		if f.Key == key {
			return f.Value, true
		}
	}
	return "", false
}

// Int returns the first field of that key as a number.
func (e *Event) Int(key string) (int, bool) {
	s, ok := e.Get(key)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// whole returns the first field of that key unless it was cut.
func (e *Event) whole(key string) string {
	for _, f := range e.Fields {
		if f.Key == key && !f.Short {
			return f.Value
		}
	}
	return ""
}

// settle fills the typed members from the fields. The action is given for
// records that do not say it in a field.
func (e *Event) settle(action Action) {
	if e.Action = Action(e.whole("apparmor")); e.Action == "" {
		e.Action = action
	}
	e.Operation = e.whole("operation")
	e.Profile = e.whole("profile")
	e.Namespace = e.whole("namespace")
	e.Name = e.whole("name")
	if e.Target = e.whole("target"); e.Target == "" {
		e.Target = e.whole("name2") // before 2.6.36
	}
	e.Peer = e.whole("peer")
	e.Info = e.whole("info")
	e.Comm = e.whole("comm")
	e.PID, _ = strconv.Atoi(e.whole("pid"))
	if n, err := strconv.Atoi(e.whole("error")); err == nil {
		e.Error = max(n, -n)
	}
	e.Requested, e.Denied = e.whole("requested_mask"), e.whole("denied_mask")
	if e.Requested == "" {
		e.Requested, e.Denied = e.whole("requested"), e.whole("denied")
	}
	if e.Class = e.whole("class"); e.Class == "" {
		e.Class = classOf(e)
	}
	if e.Class == "dbus" {
		// Daemons before dbus 1.9.12 wrote profile and peer_profile.
		if label := e.whole("label"); label != "" {
			e.Profile = label
		}
		if e.Peer = e.whole("peer_label"); e.Peer == "" {
			e.Peer = e.whole("peer_profile")
		}
		e.Requested = e.whole("mask")
		if e.Action == Denied {
			e.Denied = e.Requested
		}
	}
}

// classes has the class of operations that belong to one class only (the
// names are those of security/apparmor/audit.c and of the callers of its
// functions, Linux 6.1 to 7.3).
var classes = map[string]string{
	"capable":         "cap",
	"ptrace":          "ptrace",
	"signal":          "signal",
	"mount":           "mount",
	"umount":          "mount",
	"pivotroot":       "mount",
	"setrlimit":       "rlimits",
	"userns_create":   "namespace",
	"uring_sqpoll":    "io_uring",
	"uring_override":  "io_uring",
	"exec":            "file",
	"open":            "file",
	"mknod":           "file",
	"mkdir":           "file",
	"rmdir":           "file",
	"unlink":          "file",
	"rename_src":      "file",
	"rename_dest":     "file",
	"link":            "file",
	"symlink":         "file",
	"file_perm":       "file",
	"file_inherit":    "file",
	"file_receive":    "file",
	"chmod":           "file",
	"chown":           "file",
	"truncate":        "file",
	"getattr":         "file",
	"file_lock":       "file",
	"file_mmap":       "file",
	"file_mprotect":   "file",
	"change_profile":  "file",
	"change_hat":      "file",
	"change_onexec":   "file",
	"stack":           "file",
	"stack_onexec":    "file",
	"create":          "net",
	"post_create":     "net",
	"listen":          "net",
	"accept":          "net",
	"recvmsg":         "net",
	"getsockopt":      "net",
	"setsockopt":      "net",
	"socket_shutdown": "net",
	// Before 2.6.36.
	"inode_permission": "file",
	"inode_link":       "file",
	"socket_create":    "net",
}

// classOf derives the class of a record that has none, as kernels before 6.5
// write them.
func classOf(e *Event) string {
	switch {
	case strings.HasPrefix(e.Operation, "dbus_"):
		return "dbus"
	case e.whole("family") != "" || e.whole("sock_type") != "":
		return "net"
	case e.Action == Status:
		return ""
	}
	return classes[e.Operation]
}
