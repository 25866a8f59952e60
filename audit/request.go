// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/query"
)

// NoRequestError says that an event tells of no request that a policy could be
// asked.
type NoRequestError struct {
	Event  *Event // the event that was asked about
	Reason string // "the record is about policy itself", "unknown permission \"x\"", ...
}

// Error implements error.
func (e *NoRequestError) Error() string {
	return fmt.Sprintf("audit: no request in the record of %s %q: %s", e.Event.Class, e.Event.Operation, e.Reason)
}

// Request returns what the task asked for, so that a compiled policy can be
// asked the same: query.Profile.Ask. The error is a *NoRequestError for records
// of other things (policy that was loaded, a wrong write to an attribute), for
// those that were cut before all of the request was written, for words that this
// package does not know, and for paths that the kernel could not name from a
// root ("disconnected").
//
// A record may say less than the kernel looked at. The data of a mount is only
// written by kernels from 7.3 on, addresses of unix sockets and those that a
// socket is bound or connected to by none of the older ones, and options of
// sockets by none. What is missing is empty in the request.
//
// Letters of files are those of policy. Where one letter stands for several
// requests of the kernel (map_mask_to_chr_mask of security/apparmor/file.c,
// Linux 6.1 to 7.3), the operation tells which.
func (e *Event) Request() (query.Request, error) {
	if e.Action == Status {
		return nil, e.none("the record is about policy itself")
	}
	for _, f := range e.Fields {
		if f.Short && f.Key != "comm" && f.Key != "info" {
			return nil, e.none("it was cut at " + f.Key + "=")
		}
	}
	switch e.Class {
	case "file":
		return e.fileRequest()
	case "cap":
		name := e.whole("capname")
		if name == "" {
			name = e.Name // before 2.6.36
		}
		if name == "" {
			return nil, e.lacks("capname")
		}
		return query.Capability(name), nil
	case "net":
		return e.socketRequest()
	case "signal":
		perms, err := e.perms(messageWords)
		if err != nil {
			return nil, err
		}
		signal := e.whole("signal")
		if signal == "" {
			return nil, e.lacks("signal")
		}
		if e.Peer == "" {
			return nil, e.lacks("peer")
		}
		return query.Signal{Signal: signal, Perms: perms, Peer: e.Peer}, nil
	case "ptrace":
		perms, err := e.perms(ptraceWords)
		if err != nil {
			return nil, err
		}
		if e.Peer == "" {
			return nil, e.lacks("peer")
		}
		return query.Ptrace{Perms: perms, Peer: e.Peer}, nil
	case "mount":
		return e.mountRequest()
	case "rlimits":
		value, err := strconv.ParseUint(e.whole("value"), 10, 64)
		if err != nil {
			return nil, e.lacks("value")
		}
		resource := e.whole("rlimit")
		if resource == "" {
			return nil, e.lacks("rlimit")
		}
		return query.Rlimit{Resource: resource, Value: value}, nil
	case "namespace":
		if e.Operation == "userns_create" {
			return query.Userns{}, nil
		}
	case "io_uring":
		switch e.asked() {
		case "sqpoll":
			return query.IOUring{}, nil
		case "override_creds":
			label := e.whole("tcontext")
			if label == "" {
				return nil, e.lacks("tcontext")
			}
			return query.IOUring{OverrideCreds: true, Label: label}, nil
		}
		return nil, e.unknown("permission", e.asked())
	case "posix_mqueue", "sysv_mqueue":
		return e.mqueueRequest()
	case "dbus":
		return e.dbusRequest()
	}
	return nil, e.unknown("class", e.Class)
}

func (e *Event) none(reason string) error { return &NoRequestError{e, reason} }

func (e *Event) lacks(key string) error { return e.none("it has no " + key + "=") }

func (e *Event) unknown(what, word string) error {
	return e.none(fmt.Sprintf("unknown %s %q", what, word))
}

// asked is the permissions that the task asked for, of which Denied is a part.
func (e *Event) asked() string {
	if e.Requested != "" {
		return e.Requested
	}
	return e.Denied
}

// absolute checks a path of the record.
func (e *Event) absolute(key, path string) error {
	if path == "" {
		return e.lacks(key)
	}
	if path[0] != '/' {
		return e.none(fmt.Sprintf("%s=%q is not a path from a root", key, path))
	}
	return nil
}

// The words that classes have for permissions.
var (
	messageWords = map[string]query.Perms{"send": query.Send, "receive": query.Receive}
	ptraceWords  = map[string]query.Perms{
		"trace": query.Trace, "read": query.ReadPeer, "tracedby": query.TracedBy, "readby": query.ReadBy,
	}
	// socketWords are those of aa_file_perm_names and of the table for sockets
	// (security/apparmor/net.c, Linux 6.12).
	socketWords = map[string]query.Perms{
		"create": query.Create, "bind": query.Bind, "connect": query.Connect, "listen": query.Listen,
		"accept": query.Accept, "send": query.Send, "receive": query.Receive, "getattr": query.Getattr,
		"setattr": query.Setattr, "getopt": query.Getopt, "setopt": query.Setopt, "shutdown": query.Shutdown,
	}
	// socketOperations are those of kernels that write no permissions of sockets.
	socketOperations = map[string]query.Perms{
		"create": query.Create, "post_create": query.Create, "socket_create": query.Create,
		"bind": query.Bind, "connect": query.Connect, "listen": query.Listen, "accept": query.Accept,
		"sendmsg": query.Send, "recvmsg": query.Receive, "getsockname": query.Getattr,
		"getpeername": query.Getattr, "getsockopt": query.Getopt, "setsockopt": query.Setopt,
		"socket_shutdown": query.Shutdown,
	}
	mqueueWords = map[string]query.Perms{
		"create": query.Create, "open": query.MayOpen, "delete": query.Delete, "read": query.Read,
		"write": query.Write, "getattr": query.Getattr, "setattr": query.Setattr,
	}
	fileLetters = map[rune]query.Perms{
		'x': query.Exec, 'w': query.Write, 'r': query.Read, 'a': query.Append, 'c': query.Create,
		'd': query.Delete, 'k': query.Lock, 'm': query.Mmap,
	}
)

// perms reads permissions that are words with blanks between them.
func (e *Event) perms(words map[string]query.Perms) (query.Perms, error) {
	var perms query.Perms
	for _, word := range strings.Fields(e.asked()) {
		p, ok := words[word]
		if !ok {
			return 0, e.unknown("permission", word)
		}
		perms |= p
	}
	if perms == 0 {
		return 0, e.none("it has no permissions")
	}
	return perms, nil
}

// owner reports whether the file is the task's own.
func (e *Event) owner() bool {
	fsuid, ok := e.Int("fsuid")
	ouid, also := e.Int("ouid")
	return ok && also && fsuid == ouid
}

func (e *Event) fileRequest() (query.Request, error) {
	switch e.Operation {
	case "change_hat":
		hat := e.Name
		if i := strings.LastIndex(e.Target, "//"); hat == "" && i >= 0 {
			hat = e.Target[i+len("//"):]
		}
		if hat == "" {
			return nil, e.lacks("name")
		}
		return query.ChangeHat{Hats: []string{hat}}, nil
	case "change_profile", "change_onexec", "stack", "stack_onexec":
		label := e.Name
		if label == "" {
			label = e.Target
		}
		if label == "" {
			return nil, e.lacks("name")
		}
		return query.ChangeProfile{
			Target: label,
			Stack:  strings.HasPrefix(e.Operation, "stack"),
			OnExec: strings.HasSuffix(e.Operation, "onexec"),
		}, nil
	}
	if err := e.absolute("name", e.Name); err != nil {
		return nil, err
	}
	if e.Operation == "link" || e.Operation == "inode_link" {
		// The letters are those that the link would add to the target's, if not l.
		if err := e.absolute("target", e.Target); err != nil {
			return nil, err
		}
		return query.Link{Path: e.Name, Target: e.Target, Owner: e.owner()}, nil
	}
	if e.Operation == "exec" {
		return query.Execute{Path: e.Name, Owner: e.owner()}, nil
	}
	// Kernels before 2.6.38 wrote "r::" for owners and "::r" for others.
	letters, owner := e.asked(), e.owner()
	if own, other, ok := strings.Cut(letters, "::"); ok {
		letters, owner = own+other, other == ""
	}
	var perms query.Perms
	for _, letter := range letters {
		p, ok := fileLetters[letter]
		if !ok {
			return nil, e.unknown("permission", string(letter))
		}
		perms |= p
	}
	if perms == 0 {
		return nil, e.none("it has no permissions")
	}
	switch {
	case e.Operation == "getattr" && perms == query.Read:
		perms = query.Getattr
	case e.Operation == "chmod" && perms == query.Write:
		perms = query.Chmod
	case e.Operation == "chown" && perms == query.Write:
		perms = query.Chown
	}
	return query.File{Path: e.Name, Perms: perms, Owner: owner}, nil
}

func (e *Event) socketRequest() (query.Request, error) {
	perms, known := socketOperations[e.Operation]
	if !known || e.asked() != "" {
		var err error
		if perms, err = e.perms(socketWords); err != nil {
			return nil, err
		}
	}
	family, typ := e.whole("family"), e.whole("sock_type")
	if family == "" {
		return nil, e.lacks("family")
	}
	if typ == "" {
		return nil, e.lacks("sock_type")
	}
	// Sockets of netlink and the like have no number.
	protocol, err := strconv.ParseUint("0"+e.whole("protocol"), 10, 16)
	if err != nil {
		return nil, e.unknown("protocol", e.whole("protocol"))
	}
	if family == "unix" {
		return query.Unix{
			Perms: perms, Type: typ, Protocol: uint16(protocol),
			Addr: e.whole("addr"), PeerAddr: e.whole("peer_addr"), Peer: e.Peer,
		}, nil
	}
	r := query.Network{Family: family, Type: typ, Protocol: uint16(protocol), Perms: perms}
	if r.Local, err = e.address(family, "laddr", "lport", "saddr", "src"); err != nil {
		return nil, err
	}
	if r.Remote, err = e.address(family, "faddr", "fport", "daddr", "dest"); err != nil {
		return nil, err
	}
	return r, nil
}

// address reads an address with its port, by pairs of keys. Kernels leave out
// what is zero.
func (e *Event) address(family string, keys ...string) (netip.AddrPort, error) {
	for i := 0; i < len(keys); i += 2 {
		host, port := e.whole(keys[i]), e.whole(keys[i+1])
		if host == "" && port == "" {
			continue
		}
		addr := netip.IPv4Unspecified()
		if family == "inet6" {
			addr = netip.IPv6Unspecified()
		}
		if host != "" {
			a, err := netip.ParseAddr(host)
			if err != nil {
				return netip.AddrPort{}, e.unknown("address", host)
			}
			addr = a
		}
		n, err := strconv.ParseUint("0"+port, 10, 16)
		if err != nil {
			return netip.AddrPort{}, e.unknown("port", port)
		}
		return netip.AddrPortFrom(addr, uint16(n)), nil
	}
	return netip.AddrPort{}, nil
}

func (e *Event) mountRequest() (query.Request, error) {
	if err := e.absolute("name", e.Name); err != nil {
		return nil, err
	}
	switch e.Operation {
	case "umount":
		return query.Umount{Target: e.Name}, nil
	case "pivotroot":
		old := e.whole("srcname")
		if err := e.absolute("srcname", old); err != nil {
			return nil, err
		}
		return query.PivotRoot{NewRoot: e.Name, PutOld: old}, nil
	case "mount":
	default:
		return nil, e.unknown("operation", e.Operation)
	}
	r := query.Mount{Source: e.whole("srcname"), Target: e.Name, FSType: e.whole("fstype"), Data: e.whole("options")}
	for word := range strings.FieldsFuncSeq(e.whole("flags"), func(c rune) bool { return c == ',' || c == ' ' }) {
		flag, ok := mountWords[word]
		if !ok {
			return nil, e.unknown("flag", word)
		}
		r.Flags |= flag
	}
	return r, nil
}

// mountWords are what kernels write for the flags of mount(2): audit_mnt_flags
// of security/apparmor/mount.c, Linux 6.12.
var mountWords = map[string]query.MountFlags{
	"rw": 0, "ro": query.MountReadOnly, "nosuid": query.MountNoSuid, "nodev": query.MountNoDev,
	"noexec": query.MountNoExec, "sync": 1 << 4, "remount": query.MountRemount, "mand": 1 << 6,
	"dirsync": 1 << 7, "noatime": 1 << 10, "nodiratime": 1 << 11,
	"bind": query.MountBind, "rbind": query.MountBind | query.MountRec, "move": query.MountMove,
	"silent": query.MountSilent, "acl": 1 << 16,
	"unbindable": query.MountUnbindable, "runbindable": query.MountUnbindable | query.MountRec,
	"private": query.MountPrivate, "rprivate": query.MountPrivate | query.MountRec,
	"slave": query.MountSlave, "rslave": query.MountSlave | query.MountRec,
	"shared": query.MountShared, "rshared": query.MountShared | query.MountRec,
	"relatime": 1 << 21, "iversion": 1 << 23, "strictatime": 1 << 24, "nouser": 1 << 31,
}

func (e *Event) mqueueRequest() (query.Request, error) {
	perms, err := e.perms(mqueueWords)
	if err != nil {
		return nil, err
	}
	r := query.Mqueue{Perms: perms, Label: e.whole("tcontext")}
	if e.Class == "posix_mqueue" {
		r.Name = e.Name
		if err := e.absolute("name", e.Name); err != nil {
			return nil, err
		}
		return r, nil
	}
	key, err := strconv.ParseUint(e.Name, 10, 32)
	if err != nil {
		return nil, e.unknown("key of a queue", e.Name)
	}
	r.Key = uint32(key)
	return r, nil
}

func (e *Event) dbusRequest() (query.Request, error) {
	r := query.DBus{
		Bus: e.whole("bus"), Name: e.Name, Peer: e.Peer,
		ObjectPath: e.whole("path"), Interface: e.whole("interface"), Member: e.whole("member"),
	}
	if r.Member == "" {
		r.Member = e.whole("method") // of dbus-broker
	}
	if r.Bus == "" {
		return nil, e.lacks("bus")
	}
	switch word := e.asked(); word {
	case "send":
		r.Op = query.DBusSend
	case "receive":
		r.Op = query.DBusReceive
	case "bind":
		r.Op = query.DBusBind
	case "eavesdrop":
		r.Op = query.DBusEavesdrop
	default:
		return nil, e.unknown("permission", word)
	}
	return r, nil
}
