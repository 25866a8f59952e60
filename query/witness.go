package query

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Difference is one thing in which two profiles differ.
type Difference struct {
	blob.Difference
	// Request is a request that a shortest input stands for and that the two
	// profiles decide differently, as DecisionA and DecisionB say. It is nil
	// for plain members and for inputs that stand for no request, which then
	// are all there is to tell.
	Request              Request
	DecisionA, DecisionB Decision
}

// String describes the difference in one line: the request and the two
// decisions, if it has them.
func (d Difference) String() string {
	if d.Request == nil {
		return d.Difference.String()
	}
	return fmt.Sprintf("%s: %v: %v | %v", d.Profile, d.Request, d.DecisionA, d.DecisionB)
}

// Diff returns in what two profiles differ, each difference with a shortest
// witness: nothing for profiles of equal meaning. Names are not compared. The
// error is a *diag.LimitError for automata that are too large to compare; what
// was found so far is returned with it. For other measures of equality see
// blob.Diff.
func Diff(a, b *Profile) ([]Difference, error) {
	found, err := blob.Diff(a.Profile, b.Profile, blob.DiffOptions{})
	return Witnesses(a, b, found), err
}

// Equal reports whether two profiles mean the same; see Diff.
func Equal(a, b *Profile) (bool, error) { return blob.Equal(a.Profile, b.Profile) }

// Witnesses looks for a request behind each difference that was found between
// two profiles, such as those of Covers.
func Witnesses(a, b *Profile, found []blob.Difference) []Difference {
	var all []Difference
	for _, f := range found {
		d := Difference{Difference: f}
		for _, r := range requestsOf(f) {
			x, lookups, errX := a.Trace(r)
			y, errY := b.Ask(r)
			x.Mode, y.Mode = 0, 0 // which is a difference of its own
			if errX == nil && errY == nil && x != y && looksUp(lookups, f) {
				d.Request, d.DecisionA, d.DecisionB = r, x, y
				break
			}
		}
		all = append(all, d)
	}
	return all
}

// looksUp reports whether the input of a difference was looked up.
func looksUp(lookups []Lookup, d blob.Difference) bool {
	in, _ := d.Input.Bytes()
	if d.Part == blob.PartPolicydb && blob.Class(in[0]) == blob.ClassPtrace {
		// Kernels ask for the label, which rules match as well.
		in = append([]byte{byte(blob.ClassLabel)}, in...)
	}
	return slices.ContainsFunc(lookups, func(l Lookup) bool { return l.Part == d.Part && l.Input == string(in) })
}

// requestsOf returns the requests that may have the input of a difference
// looked up, for the permissions in which the answers to it differ.
func requestsOf(d blob.Difference) []Request {
	in, ok := d.Input.Bytes()
	if !ok || d.Member != "" || len(in) == 0 {
		return nil
	}
	differ := differing(d.A, d.B)
	switch d.Part {
	case blob.PartFile:
		return onFiles(string(in), differ, d.Who == blob.Owner)
	case blob.PartPolicydb:
		if blob.Class(in[0]) == blob.ClassFile {
			return onFiles(string(in[1:]), differ, true)
		}
		return inClasses(blob.Class(in[0]), in[1:], differ)
	}
	return nil
}

// differing returns the permissions in which two answers differ.
func differing(a, b blob.Effective) Access {
	bits := a.Allow&^a.Deny ^ b.Allow&^b.Deny | a.Audit ^ b.Audit | a.Quiet ^ b.Quiet | a.Prompt ^ b.Prompt
	if a.Exec != b.Exec {
		bits |= blob.PermExec
	}
	return Access(bits)
}

func onFiles(in string, differ Access, owner bool) []Request {
	const link, change, onexec = Access(blob.PermLink), Access(blob.PermChangeProf), Access(blob.PermOnexec)
	var all []Request
	if name, second, ok := strings.Cut(in, "\x00"); ok {
		if differ&(link|Access(blob.PermLinkSubset)) != 0 {
			all = append(all, Link{Path: name, Target: second, Owner: owner})
		}
		target, stack := strings.CutPrefix(second, "&")
		return append(all, ChangeProfile{Target: target, Stack: stack, OnExec: true, Path: name})
	}
	target, stack := strings.CutPrefix(in, "&")
	if differ&change != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack})
	}
	if differ&onexec != 0 {
		all = append(all, ChangeProfile{Target: target, Stack: stack, OnExec: true})
	}
	if rest := differ &^ (link | change | onexec); rest != 0 && strings.HasPrefix(in, "/") {
		all = append(all, File{Path: in, Access: rest, Owner: owner})
	}
	return all
}

func inClasses(c blob.Class, in []byte, differ Access) []Request {
	text := string(in)
	switch c {
	case blob.ClassNet, blob.ClassNetV9:
		return onSockets(c, in, differ)
	case blob.ClassSignal:
		if len(in) > 0 {
			return []Request{Signal{Signal: signalName(in[0]), Access: differ & (Send | Receive), Peer: text[1:]}}
		}
	case blob.ClassPtrace:
		return inClasses(blob.ClassLabel, append([]byte{byte(c)}, in...), differ)
	case blob.ClassLabel:
		if peer, ok := strings.CutPrefix(text, string([]byte{byte(blob.ClassPtrace)})); ok {
			return []Request{Ptrace{Access: differ & (Trace | ReadPeer | TracedBy | ReadBy), Peer: peer}}
		}
	case blob.ClassMount:
		return onMounts(text)
	case blob.ClassNamespaces:
		return []Request{Userns{}}
	case blob.ClassIOUring:
		return []Request{IOUring{}, IOUring{OverrideCreds: true, Label: text}}
	case blob.ClassDBus:
		switch p := strings.Split(text, "\x00"); len(p) {
		case 1:
			return []Request{DBus{Op: DBusEavesdrop, Bus: text}}
		case 2:
			return []Request{DBus{Op: DBusBind, Bus: p[0], Name: p[1]}}
		case 6:
			d := DBus{Bus: p[0], Name: p[1], Peer: p[2], ObjectPath: p[3], Interface: p[4], Member: p[5]}
			e := d
			e.Op = DBusReceive
			return []Request{d, e}
		}
	}
	return nil
}

func onMounts(text string) []Request {
	switch p := strings.SplitN(text, "\x00", 5); len(p) {
	case 1:
		return []Request{Umount{Target: text}}
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

func onSockets(c blob.Class, in []byte, differ Access) []Request {
	if len(in) < 4 {
		return nil
	}
	n := Network{Family: nameOf(families, in[:2]), Type: nameOf(socketTypes, in[2:4]), Access: differ}
	switch {
	case len(in) == 4:
		return []Request{n}
	case len(in) == 6:
		n.Protocol = binary.BigEndian.Uint16(in[4:])
	}
	if n.Family != "unix" || c != blob.ClassNetV9 || len(in) < 6 {
		return []Request{n}
	}
	u := Unix{Type: n.Type, Protocol: binary.BigEndian.Uint16(in[4:6]), Access: differ}
	rest := in[6:]
	if len(rest) == 0 {
		return []Request{u}
	}
	// The local address, then NUL, the own label, which is left empty, and NUL.
	var ok bool
	if u.Addr, rest, ok = cutUnixAddr(rest, []byte{0, 0}); !ok {
		return nil
	}
	if len(rest) == 0 {
		return []Request{u}
	}
	command, arg := rest[0], rest[1:]
	switch {
	case command == 1:
		if u.PeerAddr, rest, ok = cutUnixAddr(arg, []byte{0}); !ok {
			return nil
		}
		u.Peer = string(rest)
	case len(arg) != 2:
		return nil
	case command == 2:
		u.Backlog = binary.BigEndian.Uint16(arg)
	case command == 4:
		u.Option = binary.BigEndian.Uint16(arg)
	}
	return []Request{u}
}

// cutUnixAddr reads an address up to end, two NULs behind the local one and one
// behind the peer's. Names may hold NULs, too: of the ways to read the same
// bytes it takes the likely one.
func cutUnixAddr(in, end []byte) (addr string, rest []byte, ok bool) {
	start, auto := 0, bytes.HasPrefix(in, end)
	if len(in) > 0 && in[0] == 0 && (!auto || len(end) == 1) {
		start = 1
	}
	i := bytes.Index(in[start:], end)
	if i < 0 && auto {
		start, i = 0, 0
	}
	if i < 0 {
		return "", nil, false
	}
	i += start
	switch name := in[:i]; {
	case i == 0:
		addr = UnixAutobind
	case name[0] == 0:
		addr = "@" + string(name[1:])
	case i == 1 && name[0] == 1:
		addr = UnixUnnamed
	default:
		return "", nil, false
	}
	return addr, in[i+len(end):], true
}

// nameOf returns the name of a number of two bytes, or "".
func nameOf(names []string, n []byte) string {
	if i := int(binary.BigEndian.Uint16(n)); i < len(names) {
		return names[i]
	}
	return ""
}

// signalName is the opposite of signalNumber; "" for what is no signal.
func signalName(n byte) string {
	switch {
	case int(n) < len(signals):
		return signals[n]
	case n >= 0x80:
		return fmt.Sprintf("rtmin+%d", n-0x80)
	}
	return ""
}
