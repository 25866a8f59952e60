// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// families are names that rules have for families of sockets.
var families = map[int]string{
	unix.AF_UNIX: "unix", unix.AF_INET: "inet", unix.AF_AX25: "ax25", unix.AF_IPX: "ipx", unix.AF_APPLETALK: "appletalk",
	unix.AF_NETROM: "netrom", unix.AF_BRIDGE: "bridge", unix.AF_ATMPVC: "atmpvc", unix.AF_X25: "x25", unix.AF_INET6: "inet6",
	unix.AF_ROSE: "rose", unix.AF_NETBEUI: "netbeui", unix.AF_SECURITY: "security", unix.AF_KEY: "key", unix.AF_NETLINK: "netlink",
	unix.AF_PACKET: "packet", unix.AF_ASH: "ash", unix.AF_ECONET: "econet", unix.AF_ATMSVC: "atmsvc", unix.AF_RDS: "rds",
	unix.AF_SNA: "sna", unix.AF_IRDA: "irda", unix.AF_PPPOX: "pppox", unix.AF_WANPIPE: "wanpipe", unix.AF_LLC: "llc", unix.AF_IB: "ib",
	unix.AF_MPLS: "mpls", unix.AF_CAN: "can", unix.AF_TIPC: "tipc", unix.AF_BLUETOOTH: "bluetooth", unix.AF_IUCV: "iucv",
	unix.AF_RXRPC: "rxrpc", unix.AF_ISDN: "isdn", unix.AF_PHONET: "phonet", unix.AF_IEEE802154: "ieee802154", unix.AF_CAIF: "caif",
	unix.AF_ALG: "alg", unix.AF_NFC: "nfc", unix.AF_VSOCK: "vsock", unix.AF_KCM: "kcm", unix.AF_QIPCRTR: "qipcrtr", unix.AF_SMC: "smc",
	unix.AF_XDP: "xdp",
}

var socketTypes = map[int]string{
	unix.SOCK_STREAM: "stream", unix.SOCK_DGRAM: "dgram", unix.SOCK_RAW: "raw", unix.SOCK_RDM: "rdm", unix.SOCK_SEQPACKET: "seqpacket",
}

// TestFamilies makes a socket of each family and type with a profile that
// grants every other family, and one type of some.
func TestFamilies(t *testing.T) {
	k := kernel(t)
	var text strings.Builder
	fmt.Fprintf(&text, "abi <kernel>,\nprofile some {%s\ncapability,\n", base)
	typed := map[int]int{unix.AF_INET: unix.SOCK_STREAM, unix.AF_PACKET: unix.SOCK_RAW, unix.AF_VSOCK: unix.SOCK_SEQPACKET}
	whole := func(family int) bool { return family%2 == 0 && typed[family] == 0 }
	for family := range unix.AF_XDP + 1 {
		switch name := families[family]; {
		case name == "":
		case typed[family] != 0:
			fmt.Fprintf(&text, "network %s %s,\n", name, socketTypes[typed[family]])
		case whole(family):
			fmt.Fprintf(&text, "network %s,\n", name)
		}
	}
	// A denial outweighs.
	text.WriteString("deny network netlink raw,\n}\n")
	loadText(t, k, text.String())
	subject, free := confine(t, k, "some"), unconfined(t)
	tried := 0
	for family := range unix.AF_XDP + 1 {
		if families[family] == "" {
			continue
		}
		for typ := range socketTypes {
			ok := whole(family) || typed[family] == typ
			if family == unix.AF_NETLINK && typ == unix.SOCK_RAW {
				ok = false
			}
			args := []string{number(family), number(typ), "0"}
			control := free.try(t, "socket", args...)
			if control.Errno == syscall.EACCES {
				t.Fatalf("%s %s is denied to all", families[family], socketTypes[typ])
			}
			want := control.Errno // the kernel may not have the family
			if !ok {
				want = syscall.EACCES // which is found out first
			}
			subject.want(t, want, "socket", args...)
			tried++
		}
	}
	if tried < 200 {
		t.Errorf("%d kinds of sockets", tried)
	}
}

// unixPolicy is rules for unix sockets by address and peer.
const unixPolicy = `abi <kernel>,
profile client {` + base + `
	unix (create, getopt) type=stream,
	unix create type=dgram,
	unix (bind, listen) type=stream addr="@u-own*",
	unix bind type=stream addr=auto,
	unix (connect, send, receive) type=stream peer=(label=server, addr="@u-{good,reserved}"),
	unix send type=dgram peer=(label=server),
	/srv/unix/good rw,
	/srv/unix/new w,
}
profile server {` + base + `
	unix,
	deny unix (accept, receive) peer=(label=stranger),
	/srv/unix/* rw,
}
profile stranger {` + base + `
	unix (create, connect, send, receive),
}
profile socketless {` + base + `
	/srv/unix/* rw,
}
`

// TestUnixSockets connects sockets by names of all kinds. On kernels that know
// unix sockets by family and type only, rules grant what these say.
func TestUnixSockets(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/unix")
	missing := loadText(t, k, unixPolicy)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	where := syscall.EACCES
	if !set.Unix() {
		where = 0
		if len(missing) == 0 {
			t.Error("the compiler does not say that addresses are not enforced")
		}
	}
	client, server, stranger := confine(t, k, "client"), confine(t, k, "server"), confine(t, k, "stranger")
	none, free := confine(t, k, "socketless"), unconfined(t)
	const no = syscall.EACCES

	for _, s := range []struct {
		probe *probe
		name  string
	}{{server, "@u-good"}, {server, "@u-bad"}, {free, "@u-reserved"}, {server, dir + "/good"}, {server, dir + "/bad"}} {
		s.probe.want(t, 0, "unix serve", s.name)
	}
	server.want(t, 0, "unix receiver", "@u-receiver")
	free.want(t, 0, "unix receiver", "@u-free")

	t.Run("create", func(t *testing.T) {
		for _, typ := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_SEQPACKET} {
			want := syscall.Errno(0)
			if typ == unix.SOCK_SEQPACKET {
				want = no
			}
			args := []string{number(unix.AF_UNIX), number(typ), "0"}
			client.want(t, want, "socket", args...)
			none.want(t, no, "socket", args...)
			free.want(t, 0, "socket", args...)
		}
	})
	t.Run("bind", func(t *testing.T) {
		client.want(t, 0, "unix listen", "@u-own-1")
		client.want(t, 0, "unix bind", "") // the kernel finds a name
		client.want(t, where, "unix bind", "@u-foreign")
		free.want(t, 0, "unix listen", "@u-foreign")
		client.want(t, 0, "unix bind", dir+"/new")
		client.want(t, no, "unix bind", dir+"/other")
		free.want(t, 0, "unix bind", dir+"/other")
	})
	t.Run("options", func(t *testing.T) {
		client.want(t, 0, "unix get option")
		// Which every kernel enforces, though some cannot tell addresses.
		client.want(t, no, "unix set option")
		free.want(t, 0, "unix set option")
	})
	t.Run("connect", func(t *testing.T) {
		client.want(t, 0, "unix connect", "@u-good")
		client.want(t, where, "unix connect", "@u-bad")
		client.want(t, where, "unix connect", "@u-reserved") // of another peer
		stranger.want(t, where, "unix connect", "@u-good")   // which does not want it
		stranger.want(t, 0, "unix connect", "@u-reserved")
		free.want(t, 0, "unix connect", "@u-bad")
		client.want(t, 0, "unix connect", dir+"/good")
		// Only kernels with unix mediation look at the path to connect to.
		client.want(t, where, "unix connect", dir+"/bad")
		free.want(t, 0, "unix connect", dir+"/bad")
	})
	t.Run("send", func(t *testing.T) {
		client.want(t, 0, "unix send", "@u-receiver")
		client.want(t, where, "unix send", "@u-free")
		stranger.want(t, where, "unix send", "@u-receiver")
		stranger.want(t, 0, "unix send", "@u-free")
	})
	t.Run("anonymous", func(t *testing.T) {
		server.want(t, 0, "socket pair", number(unix.SOCK_STREAM))
		none.want(t, no, "socket pair", number(unix.SOCK_STREAM))
		client.want(t, no, "socket pair", number(unix.SOCK_SEQPACKET))
		free.want(t, 0, "socket pair", number(unix.SOCK_SEQPACKET))
	})
	for _, name := range []string{"good", "bad", "new", "other"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !isNotExist(err) {
			t.Error(err)
		}
	}
}
