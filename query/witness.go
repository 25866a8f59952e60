// SPDX-License-Identifier: Apache-2.0

package query

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// This file reads strings back into the requests that look them up.

func onFiles(in []byte, differ Access, owner bool) []Request {
	const link, change, onexec = Access(blob.PermLink), Access(blob.PermChangeProf), Access(blob.PermOnexec)
	name, second, pair := strings.Cut(string(in), "\x00")
	if pair {
		if differ&link != 0 {
			return []Request{Link{Path: name, Target: second, Owner: owner}}
		}
		target, stack := strings.CutPrefix(second, "&")
		return []Request{ChangeProfile{Target: target, Stack: stack, OnExec: true, Path: name}}
	}
	var all []Request
	if rest := differ &^ (link | change | onexec); rest != 0 {
		all = append(all, File{Path: name, Access: rest, Owner: owner})
	}
	target, stack := strings.CutPrefix(name, "&")
	if differ&change != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack})
	}
	if differ&onexec != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack, OnExec: true})
	}
	return all
}

// attachRequest reads a path and the values of extended attributes.
func attachRequest(p *Profile, in blob.Input) Request {
	var parts []string
	var part strings.Builder
	for _, s := range in {
		if s == blob.OOB {
			parts = append(parts, part.String())
			part.Reset()
			continue
		}
		part.WriteByte(byte(s))
	}
	parts = append(parts, part.String())
	r := Attach{Path: parts[0]}
	for i, value := range parts[1:] {
		if value, ok := strings.CutPrefix(value, "\x00"); ok && i < len(p.Xattrs) {
			if r.Xattrs == nil {
				r.Xattrs = map[string]string{}
			}
			r.Xattrs[p.Xattrs[i]] = value
		}
	}
	return r
}

func onMounts(in []byte, _ Access, _ bool) []Request {
	switch p := strings.SplitN(string(in), "\x00", 5); len(p) {
	case 1:
		return []Request{Umount{Target: p[0]}}
	case 2:
		return []Request{PivotRoot{NewRoot: p[0], PutOld: p[1]}}
	case 4, 5:
		m := Mount{Target: p[0], Source: p[1], FSType: p[2]}
		for i := range len(p[3]) {
			if b := p[3][i]; b > 0 && b <= mountByteMax {
				m.Flags |= 1 << (b - 1)
			}
		}
		if len(p) == 5 {
			m.Data = p[4]
		}
		return []Request{m}
	}
	return nil
}

func onPeers(in []byte, differ Access, _ bool) []Request {
	return []Request{Ptrace{Access: differ, Peer: string(in)}}
}

func onSignals(in []byte, differ Access, _ bool) []Request {
	if len(in) == 0 {
		return nil
	}
	return []Request{Signal{Signal: linux.SignalName(in[0]), Access: differ, Peer: string(in[1:])}}
}

func onUserns([]byte, Access, bool) []Request { return []Request{Userns{}} }

func onIOUring(in []byte, _ Access, _ bool) []Request {
	return []Request{IOUring{OverrideCreds: len(in) > 0, Label: string(in)}}
}

func onPosix(in []byte, differ Access, _ bool) []Request {
	name, label, _ := strings.Cut(string(in), "\x00")
	return []Request{Mqueue{Name: name, Label: label, Access: differ}}
}

func onSysV(in []byte, differ Access, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	return []Request{Mqueue{Key: binary.BigEndian.Uint32(in), Label: string(in[4:]), Access: differ}}
}

func onBuses(in []byte, differ Access, _ bool) []Request {
	switch p := strings.Split(string(in), "\x00"); len(p) {
	case 1:
		return []Request{DBus{Op: DBusEavesdrop, Bus: p[0]}}
	case 2:
		return []Request{DBus{Op: DBusBind, Bus: p[0], Name: p[1]}}
	case 6:
		d := DBus{Bus: p[0], Name: p[1], Peer: p[2], ObjectPath: p[3], Interface: p[4], Member: p[5]}
		if differ&Send == 0 {
			d.Op = DBusReceive
		}
		return []Request{d}
	}
	return nil
}

func onSockets(in []byte, differ Access, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	n := Network{Family: nameOf(linux.Families, in[:2]), Type: nameOf(linux.SocketTypes, in[2:4]), Access: differ}
	if in = in[4:]; len(in) < 2 {
		return []Request{n}
	}
	n.Protocol = binary.BigEndian.Uint16(in)
	if in = in[2:]; len(in) == 0 {
		return []Request{n}
	}
	end := in[0]
	addr, rest, ok := cutAddr(in[1:])
	if !ok {
		return nil
	}
	if end == 2 {
		n.Remote = addr
		if n.Local = (netip.AddrPort{}); len(rest) > 3 {
			n.Local, _, ok = cutAddr(rest[3:]) // behind NUL 01 00
		}
		return requestIf(ok, n)
	}
	n.Local = addr
	if privileged := addr.Port() > 0 && addr.Port() < firstUnprivileged; privileged != (end == 1) {
		n.Access &^= Bind
	}
	switch {
	case len(rest) == 4 && rest[1] == 2:
		n.Backlog = binary.BigEndian.Uint16(rest[2:])
	case len(rest) == 6 && rest[1] == 4:
		n.Option = SockOpt{binary.BigEndian.Uint16(rest[2:]), binary.BigEndian.Uint16(rest[4:])}
	}
	return requestIf(n.Access != 0, n)
}

func requestIf(ok bool, r Request) []Request {
	if !ok {
		return nil
	}
	return []Request{r}
}

// cutAddr reads what appendAddr writes, but for the first byte.
func cutAddr(in []byte) (a netip.AddrPort, rest []byte, ok bool) {
	if len(in) < 4 {
		return a, nil, false
	}
	port, n := binary.BigEndian.Uint16(in), 0
	switch in[2] {
	case 1:
		n = 4
	case 2:
		n = 16
	}
	if len(in) < 4+n {
		return a, nil, false
	}
	if ip, ok := netip.AddrFromSlice(in[3 : 3+n]); ok {
		a = netip.AddrPortFrom(ip, port)
	}
	return a, in[4+n:], true
}

// onUnix reads a string in every way that there is: names may hold NULs.
func onUnix(in []byte, differ Access, _ bool) []Request {
	if len(in) < 4 {
		return nil
	}
	u := Unix{Type: nameOf(linux.SocketTypes, in[:2]), Protocol: binary.BigEndian.Uint16(in[2:]), Access: differ}
	if in = in[4:]; len(in) == 0 {
		return []Request{u}
	}
	var all []Request
	// The local address, then NUL, the own label, which is left empty, and NUL.
	eachUnixAddr(in, []byte{0, 0}, func(addr string, rest []byte) {
		u := u
		u.Addr = addr
		switch {
		case len(rest) == 0:
			all = append(all, u)
		case rest[0] == 1:
			eachUnixAddr(rest[1:], []byte{0}, func(addr string, label []byte) {
				u := u
				u.PeerAddr, u.Peer = addr, string(label)
				if bytes.IndexByte(label, 0) < 0 {
					all = append(all, u)
				}
			})
		case len(rest) == 3 && rest[0] == 2:
			u.Backlog = binary.BigEndian.Uint16(rest[1:])
			all = append(all, u)
		case len(rest) == 3 && rest[0] == 4:
			u.Option = binary.BigEndian.Uint16(rest[1:])
			all = append(all, u)
		}
	})
	return all
}

// eachUnixAddr calls yield for each address that in may begin with, up to end,
// and what stands behind it.
func eachUnixAddr(in, end []byte, yield func(addr string, rest []byte)) {
	for i := 0; i+len(end) <= len(in); i++ {
		if !bytes.HasPrefix(in[i:], end) {
			continue
		}
		rest := in[i+len(end):]
		switch name := in[:i]; {
		case i == 0:
			yield(UnixAutobind, rest)
		case name[0] == 0:
			yield("@"+string(name[1:]), rest)
		case i == 1 && name[0] == 1:
			yield(UnixUnnamed, rest)
		}
	}
}

// nameOf returns the name of a number of two bytes, or "".
func nameOf(names linux.Names, n []byte) string { return names.Name(int(binary.BigEndian.Uint16(n))) }
