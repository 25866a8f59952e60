// SPDX-License-Identifier: Apache-2.0

//go:build !mips && !mipsle && !mips64 && !mips64le && !sparc64

package linux

import (
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestNumbers compares the tables with the constants of package unix, which are
// made of the kernel's headers.
func TestNumbers(t *testing.T) {
	for table, want := range map[string]struct {
		names   Names
		numbers map[string]int
		unnamed int // names in the table that the headers do not have
	}{
		"capabilities": {Capabilities, map[string]int{
			"chown": unix.CAP_CHOWN, "dac_override": unix.CAP_DAC_OVERRIDE, "dac_read_search": unix.CAP_DAC_READ_SEARCH,
			"fowner": unix.CAP_FOWNER, "fsetid": unix.CAP_FSETID, "kill": unix.CAP_KILL, "setgid": unix.CAP_SETGID,
			"setuid": unix.CAP_SETUID, "setpcap": unix.CAP_SETPCAP, "linux_immutable": unix.CAP_LINUX_IMMUTABLE,
			"net_bind_service": unix.CAP_NET_BIND_SERVICE, "net_broadcast": unix.CAP_NET_BROADCAST,
			"net_admin": unix.CAP_NET_ADMIN, "net_raw": unix.CAP_NET_RAW, "ipc_lock": unix.CAP_IPC_LOCK,
			"ipc_owner": unix.CAP_IPC_OWNER, "sys_module": unix.CAP_SYS_MODULE, "sys_rawio": unix.CAP_SYS_RAWIO,
			"sys_chroot": unix.CAP_SYS_CHROOT, "sys_ptrace": unix.CAP_SYS_PTRACE, "sys_pacct": unix.CAP_SYS_PACCT,
			"sys_admin": unix.CAP_SYS_ADMIN, "sys_boot": unix.CAP_SYS_BOOT, "sys_nice": unix.CAP_SYS_NICE,
			"sys_resource": unix.CAP_SYS_RESOURCE, "sys_time": unix.CAP_SYS_TIME, "sys_tty_config": unix.CAP_SYS_TTY_CONFIG,
			"mknod": unix.CAP_MKNOD, "lease": unix.CAP_LEASE, "audit_write": unix.CAP_AUDIT_WRITE,
			"audit_control": unix.CAP_AUDIT_CONTROL, "setfcap": unix.CAP_SETFCAP, "mac_override": unix.CAP_MAC_OVERRIDE,
			"mac_admin": unix.CAP_MAC_ADMIN, "syslog": unix.CAP_SYSLOG, "wake_alarm": unix.CAP_WAKE_ALARM,
			"block_suspend": unix.CAP_BLOCK_SUSPEND, "audit_read": unix.CAP_AUDIT_READ, "perfmon": unix.CAP_PERFMON,
			"bpf": unix.CAP_BPF, "checkpoint_restore": unix.CAP_CHECKPOINT_RESTORE,
		}, 0},
		"families": {Families, map[string]int{
			"unspec": unix.AF_UNSPEC,
			"unix":   unix.AF_UNIX, "inet": unix.AF_INET, "ax25": unix.AF_AX25, "ipx": unix.AF_IPX,
			"appletalk": unix.AF_APPLETALK, "netrom": unix.AF_NETROM, "bridge": unix.AF_BRIDGE, "atmpvc": unix.AF_ATMPVC,
			"x25": unix.AF_X25, "inet6": unix.AF_INET6, "rose": unix.AF_ROSE, "netbeui": unix.AF_NETBEUI,
			"security": unix.AF_SECURITY, "key": unix.AF_KEY, "netlink": unix.AF_NETLINK, "packet": unix.AF_PACKET,
			"ash": unix.AF_ASH, "econet": unix.AF_ECONET, "atmsvc": unix.AF_ATMSVC, "rds": unix.AF_RDS, "sna": unix.AF_SNA,
			"irda": unix.AF_IRDA, "pppox": unix.AF_PPPOX, "wanpipe": unix.AF_WANPIPE, "llc": unix.AF_LLC, "ib": unix.AF_IB,
			"mpls": unix.AF_MPLS, "can": unix.AF_CAN, "tipc": unix.AF_TIPC, "bluetooth": unix.AF_BLUETOOTH,
			"iucv": unix.AF_IUCV, "rxrpc": unix.AF_RXRPC, "isdn": unix.AF_ISDN, "phonet": unix.AF_PHONET,
			"ieee802154": unix.AF_IEEE802154, "caif": unix.AF_CAIF, "alg": unix.AF_ALG, "nfc": unix.AF_NFC,
			"vsock": unix.AF_VSOCK, "kcm": unix.AF_KCM, "qipcrtr": unix.AF_QIPCRTR, "smc": unix.AF_SMC, "xdp": unix.AF_XDP,
			"mctp": unix.AF_MCTP,
		}, 0},
		"socket types": {SocketTypes, map[string]int{
			"stream": unix.SOCK_STREAM, "dgram": unix.SOCK_DGRAM, "raw": unix.SOCK_RAW, "rdm": unix.SOCK_RDM,
			"seqpacket": unix.SOCK_SEQPACKET, "dccp": unix.SOCK_DCCP, "packet": unix.SOCK_PACKET,
		}, 1},
		"rlimits": {Rlimits, map[string]int{
			"cpu": unix.RLIMIT_CPU, "fsize": unix.RLIMIT_FSIZE, "data": unix.RLIMIT_DATA, "stack": unix.RLIMIT_STACK,
			"core": unix.RLIMIT_CORE, "rss": unix.RLIMIT_RSS, "nproc": unix.RLIMIT_NPROC, "nofile": unix.RLIMIT_NOFILE,
			"memlock": unix.RLIMIT_MEMLOCK, "as": unix.RLIMIT_AS, "locks": unix.RLIMIT_LOCKS,
			"sigpending": unix.RLIMIT_SIGPENDING, "msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE,
			"rtprio": unix.RLIMIT_RTPRIO, "rttime": unix.RLIMIT_RTTIME,
		}, 0},
	} {
		for name, number := range want.numbers {
			if got, ok := want.names.Number(name); got != number || !ok {
				t.Errorf("%s: %s is %d (%t), want %d", table, name, got, ok, number)
			}
		}
		named := 0
		for _, name := range want.names {
			if name != "" {
				named++
			}
		}
		if named != len(want.numbers)+want.unnamed {
			t.Errorf("%s: %d names, want %d", table, named, len(want.numbers)+want.unnamed)
		}
	}
	for name, pair := range map[string][2]int{
		"CapSysAdmin": {CapSysAdmin, unix.CAP_SYS_ADMIN}, "CapPerfmon": {CapPerfmon, unix.CAP_PERFMON},
		"FamilyUnix": {FamilyUnix, unix.AF_UNIX}, "FamilyInet": {FamilyInet, unix.AF_INET}, "FamilyInet6": {FamilyInet6, unix.AF_INET6},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %d, want %d", name, pair[0], pair[1])
		}
	}
}

// TestSignalNumbers compares the numbers of signals with those of the machine,
// which AppArmor's are up to sys.
func TestSignalNumbers(t *testing.T) {
	for n := 1; n < 32; n++ {
		name := strings.ToLower(strings.TrimPrefix(unix.SignalName(syscall.Signal(n)), "SIG"))
		if got, ok := SignalNumber(name); int(got) != n || !ok {
			t.Errorf("%s is %d (%t), want %d", name, got, ok, n)
		}
	}
}

// TestErrnoNumbers compares the numbers of errors with those of the machine.
func TestErrnoNumbers(t *testing.T) {
	seen := 0
	for n := range 200 {
		name := unix.ErrnoName(syscall.Errno(n))
		if name == "" {
			continue
		}
		seen++
		if got, ok := ErrnoNumber(name); !ok || got != uint32(n) {
			t.Errorf("%s is %d (%t), want %d", name, got, ok, n)
		}
	}
	if want := len(Errnos) - 3; seen != want { // 0, 41 and 58 are not errors
		t.Errorf("%d errors, want %d", seen, want)
	}
}
