// SPDX-License-Identifier: Apache-2.0

// Package linux has the names and numbers of Linux that policy, its binary
// form and queries share: one table for each. The numbers are those of
// architectures that use the generic ones, which are all except alpha, mips,
// parisc and sparc.
//
// The tables are never written to.
package linux

import (
	"slices"
	"strconv"
	"strings"
)

// Names is a list of names by number. A number without a name has an empty one.
type Names []string

// Number returns the number of a name.
func (n Names) Number(name string) (int, bool) {
	if name == "" {
		return 0, false
	}
	i := slices.Index(n, name)
	return max(i, 0), i >= 0
}

// Name returns the name of a number, or "".
func (n Names) Name(number int) string {
	if number < 0 || number >= len(n) {
		return ""
	}
	return n[number]
}

// UpTo returns the names from the first to the one given, without the empty
// ones: what a kernel showed before it learned of more.
func (n Names) UpTo(last string) []string {
	var all []string
	for _, name := range n {
		if name != "" {
			all = append(all, name)
		}
		if name == last {
			break
		}
	}
	return all
}

// Capabilities are the capabilities of include/uapi/linux/capability.h, in
// lower case and without CAP_. Linux has had all of them since 5.9.
var Capabilities = Names{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
	"linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
	"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
	"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
	"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
	"checkpoint_restore",
}

// The capabilities from CapPerfmon on were split off from CapSysAdmin.
const (
	CapSysAdmin = 21
	CapPerfmon  = 38
)

// Families are the address families of include/linux/socket.h, in lower case
// and without AF_. The reference parser has no name for 12, DECnet.
var Families = Names{
	"unspec", "unix", "inet", "ax25", "ipx", "appletalk", "netrom", "bridge", "atmpvc", "x25", "inet6", "rose", "",
	"netbeui", "security", "key", "netlink", "packet", "ash", "econet", "atmsvc", "rds", "sna", "irda", "pppox",
	"wanpipe", "llc", "ib", "mpls", "can", "tipc", "bluetooth", "iucv", "rxrpc", "isdn", "phonet", "ieee802154",
	"caif", "alg", "nfc", "vsock", "kcm", "qipcrtr", "smc", "xdp", "mctp",
}

// Numbers of families.
const (
	FamilyUnix  = 1
	FamilyInet  = 2
	FamilyInet6 = 10
)

// SocketTypes are the types of include/linux/net.h, in lower case and without
// SOCK_. The type none is AppArmor's.
var SocketTypes = Names{"none", "stream", "dgram", "raw", "rdm", "seqpacket", "dccp", "", "", "", "packet"}

// Rlimits are the resources of include/uapi/asm-generic/resource.h, in lower
// case and without RLIMIT_.
var Rlimits = Names{
	"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as",
	"locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
}

// Signals are the signals by AppArmor's own numbers, which do not depend on the
// architecture (security/apparmor/include/sig_names.h): those of x86, then emt,
// and exists for the signal 0, which only asks whether the process is there.
// The real-time ones follow from SignalRealTime on.
var Signals = Names{
	"", "hup", "int", "quit", "ill", "trap", "abrt", "bus", "fpe", "kill", "usr1", "segv", "usr2", "pipe", "alrm",
	"term", "stkflt", "chld", "cont", "stop", "stp", "ttin", "ttou", "urg", "xcpu", "xfsz", "vtalrm", "prof",
	"winch", "io", "pwr", "sys", "emt", "", "", "exists",
}

const (
	// SignalRealTime is the number of rtmin+0.
	SignalRealTime = 0x80
	// MaxRealTime is the highest N of rtmin+N.
	MaxRealTime = 32
)

// SignalNumber returns AppArmor's number of a signal, by any of its names in
// policy.
func SignalNumber(name string) (byte, bool) {
	switch name {
	case "tstp":
		name = "stp" // as AppArmor calls it
	case "poll":
		name = "io"
	}
	if n, ok := Signals.Number(name); ok {
		return byte(n), true
	}
	n, ok := RealTime(name)
	return byte(SignalRealTime + n), ok
}

// SignalName is the inverse of SignalNumber; "" for an unknown number.
func SignalName(n byte) string {
	if n >= SignalRealTime && n <= SignalRealTime+MaxRealTime {
		return "rtmin+" + strconv.Itoa(int(n)-SignalRealTime)
	}
	return Signals.Name(int(n))
}

// RealTime returns the N of the signal rtmin+N, which is written in decimal
// without leading zeros.
func RealTime(name string) (n int, ok bool) {
	digits, ok := strings.CutPrefix(name, "rtmin+")
	if !ok || digits == "" || len(digits) > 1 && digits[0] == '0' {
		return 0, false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' || n > MaxRealTime {
			return 0, false
		}
		n = n*10 + int(digits[i]-'0')
	}
	return n, n <= MaxRealTime
}

// Errnos are the errors of include/uapi/asm-generic/errno.h. ErrnoNumber knows
// second names.
var Errnos = Names{
	1: "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD", "EAGAIN", "ENOMEM",
	"EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "ENFILE",
	"EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK",
	"ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP",
	42: "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE",
	"EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT",
	59: "EBFONT", "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT",
	"ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC",
	"ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
	"EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "EPFNOSUPPORT",
	"EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET",
	"ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN",
	"EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM", "ENAVAIL", "EISNAM", "EREMOTEIO",
	"EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED",
	"EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
}

// ErrnoNumber returns the number of an error, by any of its names.
func ErrnoNumber(name string) (uint32, bool) {
	switch name {
	case "EWOULDBLOCK":
		name = "EAGAIN"
	case "EDEADLOCK":
		name = "EDEADLK"
	case "ENOTSUP":
		name = "EOPNOTSUPP"
	}
	n, ok := Errnos.Number(name)
	return uint32(n), ok
}

// AllUsers reports whether a uid_map of procfs is that of the machine's first user
// namespace: the only one in which every user is there, as itself (see
// user_namespaces(7)).
func AllUsers(uidMap string) bool {
	f := strings.Fields(uidMap)
	return len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}
