package query

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/blob"
)

// Capability asks for a capability by its name without CAP_, in lower case.
type Capability string

// String implements fmt.Stringer.
func (r Capability) String() string { return "capability " + string(r) }

func (r Capability) ask(p asked) (Decision, error) {
	// The kernel has no permission bits for capabilities; exec stands for
	// having it.
	n, ok := numberOf(capabilities, string(r))
	if !ok {
		return Decision{}, &RequestError{r, "capability", string(r)}
	}
	bit := uint64(1) << n
	var e blob.Effective
	for _, f := range []struct {
		set uint64
		to  *uint32
	}{{p.Caps.Allow, &e.Allow}, {p.Caps.Audit, &e.Audit}, {p.Caps.Quiet, &e.Quiet}} {
		if f.set&bit != 0 {
			*f.to = blob.PermExec
		}
	}
	if p.lookups != nil {
		p.note(blob.PartProfile, blob.ClassCap, true, Exec, e, string(r))
	}
	return decide(Exec, e).in(wordsNone), nil
}

// Network asks for a socket of a family, by the names that policy has for
// families and types.
type Network struct {
	Family   string // inet, inet6, unix, netlink, ...
	Type     string // stream, dgram, raw, ...
	Protocol uint16 // 6.12 and older do not look at it
	Access   Access // Create, Bind, Connect, ...; zero: Create
}

// String implements fmt.Stringer.
func (r Network) String() string {
	s := fmt.Sprintf("network %s %s", r.Family, r.Type)
	if r.Protocol != 0 {
		s += fmt.Sprintf(" protocol %d", r.Protocol)
	}
	if r.Access != 0 && r.Access != Create {
		s += " " + r.Access.String()
	}
	return s
}

func (r Network) ask(p asked) (Decision, error) {
	family, ok := numberOf(families, r.Family)
	if !ok {
		return Decision{}, &RequestError{r, "address family", r.Family}
	}
	typ, ok := socketType(r.Type)
	if !ok {
		return Decision{}, &RequestError{r, "socket type", r.Type}
	}
	want := r.Access
	if want == 0 {
		want = Create
	}
	// Where there is anything of the newer class the older one is not looked
	// at.
	class := blob.ClassNetV9
	s := p.ClassState(class)
	if s == blob.TrapState {
		class = blob.ClassNet
		if s = p.ClassState(class); s == blob.TrapState {
			return unmediated(want), nil
		}
	}
	sock := be16(be16(nil, family), typ)
	if class == blob.ClassNet {
		return decide(want, p.after(class, s, sock, want)), nil
	}
	e := p.after(class, s, sock, want|Access(blob.PermContinue))
	// Unix sockets are always asked for with the protocol.
	if family == familyUnix || uint32(want)&^e.Allow != 0 && e.Allow&blob.PermContinue != 0 {
		e = p.after(class, s, be16(sock, int(r.Protocol)), want)
	}
	return decide(want, e), nil
}

func be16(b []byte, v int) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }

// The addresses of unix sockets that are not names.
const (
	UnixUnnamed  = "none" // a socket without a name, such as one of a pair
	UnixAutobind = "auto" // bind without a name
)

// Unix asks for something on a unix socket. Sockets in the file system are
// asked for as files, except to create them.
type Unix struct {
	// Access is one or more of Create, Bind, Accept, Getattr, Setattr,
	// Shutdown, Listen, Getopt, Setopt, Connect, Send and Receive. Zero:
	// Create.
	Access   Access
	Type     string // stream, dgram, seqpacket
	Protocol uint16
	Addr     string // "@name" for abstract, or UnixUnnamed or UnixAutobind; empty: UnixUnnamed
	PeerAddr string // likewise, for Connect, Send and Receive
	Peer     string // the label at the other end, likewise
	Option   uint16 // for Getopt and Setopt
	Backlog  uint16 // for Listen
}

// String implements fmt.Stringer.
func (r Unix) String() string {
	s := fmt.Sprintf("unix %v %s", r.want(), r.Type)
	if r.Addr != "" {
		s += " addr=" + r.Addr
	}
	if r.PeerAddr != "" {
		s += " peer addr=" + r.PeerAddr
	}
	if r.Peer != "" {
		s += " peer label=" + r.Peer
	}
	return s
}

func (r Unix) want() Access {
	if r.Access == 0 {
		return Create
	}
	return r.Access
}

func (r Unix) ask(p asked) (Decision, error) {
	typ, ok := socketType(r.Type)
	if !ok {
		return Decision{}, &RequestError{r, "socket type", r.Type}
	}
	for _, addr := range []string{r.Addr, r.PeerAddr} {
		if _, ok := unixAddr(addr); !ok {
			return Decision{}, &RequestError{r, "kind of address", addr}
		}
	}
	if !p.Mediates(blob.ClassNetV9) {
		// Such kernels see a unix socket as any other.
		return Network{Family: "unix", Type: r.Type, Protocol: r.Protocol, Access: r.want()}.ask(p)
	}
	create := be16(be16(be16(nil, familyUnix), typ), int(r.Protocol))
	local, _ := unixAddr(r.Addr)
	bound := append(append(append([]byte{}, create...), local...), 0, 0)
	var all Decision
	for i, group := range []struct {
		bits Access
		text func() []byte
	}{
		{Create, func() []byte { return create }},
		{Bind | Accept | Getattr | Setattr | Shutdown, func() []byte { return bound }},
		{Listen, func() []byte { return be16(append(bound, 2), int(r.Backlog)) }},
		{Getopt | Setopt, func() []byte { return be16(append(bound, 4), int(r.Option)) }},
		{Connect | Send | Receive, func() []byte {
			peer, _ := unixAddr(r.PeerAddr)
			return append(append(append(bound, 1), peer...), 0)
		}},
	} {
		want := r.want() & group.bits
		if want == 0 {
			continue
		}
		text := group.text()
		if i < 4 { // the last one alone ends in a label
			all = all.and(p.inClass(blob.ClassNetV9, text, want))
			continue
		}
		for _, peer := range strings.Split(r.Peer, "//&") {
			all = all.and(p.inClass(blob.ClassNetV9, append(text[:len(text):len(text)], peer...), want))
		}
	}
	return all, nil
}

// unixAddr returns an address as the kernel presents it.
func unixAddr(addr string) ([]byte, bool) {
	switch {
	case addr == "" || addr == UnixUnnamed:
		return []byte{1}, true
	case addr == UnixAutobind:
		return nil, true
	case addr[0] == '@':
		return append([]byte{0}, addr[1:]...), true
	}
	return nil, false
}

// Signal asks to send a signal to the peer, or to receive one from it.
type Signal struct {
	Signal string // by its policy name: term, kill, exists, rtmin+3, ...
	Access Access // Send or Receive
	Peer   string // the peer's label
}

// String implements fmt.Stringer.
func (r Signal) String() string {
	return fmt.Sprintf("signal %s %s peer=%s", sendReceive(r.Access), r.Signal, r.Peer)
}

func sendReceive(a Access) string {
	switch a {
	case Send:
		return "send"
	case Receive:
		return "receive"
	case Send | Receive:
		return "send|receive"
	}
	return a.String()
}

func (r Signal) ask(p asked) (Decision, error) {
	n, ok := signalNumber(r.Signal)
	if !ok {
		return Decision{}, &RequestError{r, "signal", r.Signal}
	}
	return eachLabel(r.Peer, func(label string) Decision {
		return p.inClass(blob.ClassSignal, append([]byte{n}, label...), r.Access).in(wordsMessage)
	}), nil
}

// The permissions of Ptrace.
const (
	Trace    Access = 1 << 1 // may trace the peer
	ReadPeer Access = 1 << 2 // may read the peer's state
	TracedBy Access = 1 << 3
	ReadBy   Access = 1 << 4
)

// Ptrace asks to trace or read the peer, or to be traced or read by it.
type Ptrace struct {
	Access Access // Trace, ReadPeer, TracedBy, ReadBy
	Peer   string // the peer's label
}

// String implements fmt.Stringer.
func (r Ptrace) String() string {
	return fmt.Sprintf("ptrace %s peer=%s", ptraceNames(r.Access), r.Peer)
}

func ptraceNames(a Access) string {
	var s []string
	for i, name := range []string{"trace", "read", "tracedby", "readby"} {
		if a&(Trace<<i) != 0 {
			s = append(s, name)
		}
	}
	return strings.Join(s, "|")
}

func (r Ptrace) ask(p asked) (Decision, error) {
	// Mediation goes by the class, the string by that of labels.
	if !p.Mediates(blob.ClassPtrace) {
		return unmediated(r.Access).in(wordsPtrace), nil
	}
	return eachLabel(r.Peer, func(label string) Decision {
		rest := append([]byte{byte(blob.ClassPtrace)}, label...)
		return decide(r.Access, p.after(blob.ClassLabel, p.ClassState(blob.ClassLabel), rest, r.Access)).in(wordsPtrace)
	}), nil
}

// DBusOp is what may be done on a bus.
type DBusOp uint8

// The operations.
const (
	DBusSend DBusOp = iota
	DBusReceive
	DBusBind
	DBusEavesdrop
)

// DBus asks for something on a bus, as bus daemons do. Bind looks at Bus and
// Name only, eavesdropping at Bus. Kernels answer the daemons that nothing is
// mediated if the policy has nothing of the newer network class, whatever it
// says about buses.
type DBus struct {
	Op                            DBusOp
	Bus                           string // system, session
	Name                          string // the connection's
	Peer                          string // the peer's label
	ObjectPath, Interface, Member string
}

// String implements fmt.Stringer.
func (r DBus) String() string {
	op := [...]string{"send", "receive", "bind", "eavesdrop"}[r.Op&3]
	s := "dbus " + op + " bus=" + r.Bus
	for _, f := range [][2]string{
		{"name", r.Name}, {"label", r.Peer}, {"path", r.ObjectPath}, {"interface", r.Interface}, {"member", r.Member},
	} {
		if f[1] != "" {
			s += " " + f[0] + "=" + f[1]
		}
	}
	return s
}

func (r DBus) ask(p asked) (Decision, error) {
	var text string
	var want Access
	words := wordsNone
	switch r.Op {
	case DBusSend, DBusReceive:
		text = strings.Join([]string{r.Bus, r.Name, r.Peer, r.ObjectPath, r.Interface, r.Member}, "\x00")
		want, words = Send, wordsMessage
		if r.Op == DBusReceive {
			want = Receive
		}
	case DBusBind:
		text, want = r.Bus+"\x00"+r.Name, 0x40
	case DBusEavesdrop:
		text, want = r.Bus, 0x20
	default:
		return Decision{}, &RequestError{r, "operation", fmt.Sprint(r.Op)}
	}
	if !p.Mediates(blob.ClassNetV9) {
		return unmediated(want).in(words), nil
	}
	return p.inClass(blob.ClassDBus, []byte(text), want).in(words), nil
}

// Userns asks to create a user namespace.
type Userns struct{}

// String implements fmt.Stringer.
func (Userns) String() string { return "userns create" }

func (r Userns) ask(p asked) (Decision, error) {
	const create = Append // the bit of "create" in this class
	return p.inClass(blob.ClassNamespaces, nil, create).in(wordsUserns), nil
}

// IOUring asks for kernel-side polling of submissions or, with Creds set, to
// use the credentials of another label.
type IOUring struct {
	OverrideCreds bool
	Label         string // with OverrideCreds
}

// String implements fmt.Stringer.
func (r IOUring) String() string {
	if r.OverrideCreds {
		return "io_uring override_creds label=" + r.Label
	}
	return "io_uring sqpoll"
}

func (r IOUring) ask(p asked) (Decision, error) {
	if !r.OverrideCreds {
		return p.inClass(blob.ClassIOUring, nil, 0x10).in(wordsNone), nil
	}
	return eachLabel(r.Label, func(label string) Decision {
		return p.inClass(blob.ClassIOUring, []byte(label), 0x8).in(wordsNone)
	}), nil
}
