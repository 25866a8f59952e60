// SPDX-License-Identifier: Apache-2.0

package query

import (
	"slices"
	"strconv"
	"strings"
)

// Names by number; empty where a number has none.
var (
	capabilities = []string{
		"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
		"setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner",
		"sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice",
		"sys_resource", "sys_time", "sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap",
		"mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf",
		"checkpoint_restore",
	}
	families = []string{
		"unspec", "unix", "inet", "ax25", "ipx", "appletalk", "netrom", "bridge", "atmpvc", "x25", "inet6", "rose", "",
		"netbeui", "security", "key", "netlink", "packet", "ash", "econet", "atmsvc", "rds", "sna", "irda", "pppox",
		"wanpipe", "llc", "ib", "mpls", "can", "tipc", "bluetooth", "iucv", "rxrpc", "isdn", "phonet", "ieee802154",
		"caif", "alg", "nfc", "vsock", "kcm", "qipcrtr", "smc", "xdp", "mctp",
	}
	socketTypes = []string{"none", "stream", "dgram", "raw", "rdm", "seqpacket", "dccp", "", "", "", "packet"}
	signals     = []string{
		"", "hup", "int", "quit", "ill", "trap", "abrt", "bus", "fpe", "kill", "usr1", "segv", "usr2", "pipe", "alrm",
		"term", "stkflt", "chld", "cont", "stop", "stp", "ttin", "ttou", "urg", "xcpu", "xfsz", "vtalrm", "prof",
		"winch", "io", "pwr", "sys", "emt", "", "", "exists",
	}
	rlimits = []string{
		"cpu", "fsize", "data", "stack", "core", "rss", "nproc", "nofile", "memlock", "as",
		"locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime",
	}
)

const (
	familyUnix  = 1
	familyInet  = 2
	familyInet6 = 10
)

func numberOf(names []string, name string) (int, bool) {
	i := slices.Index(names, name)
	return i, name != "" && i >= 0
}

// signalNumber returns AppArmor's own number of a signal.
func signalNumber(name string) (byte, bool) {
	if rest, ok := strings.CutPrefix(name, "rtmin+"); ok {
		n, err := strconv.ParseUint(rest, 10, 8)
		return byte(0x80 + n), err == nil && n <= 32
	}
	if name == "tstp" {
		name = "stp" // as the reference calls it
	}
	n, ok := numberOf(signals, name)
	return byte(n), ok
}
