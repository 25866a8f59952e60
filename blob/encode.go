// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"fmt"
	"strings"
)

// Encode writes profiles in the order given, each with its own version header
// as apparmor_parser does, and verifies it like Inspect. Equal profiles give
// equal bytes. The Policy keeps the tables of the automata, which must not be
// changed afterwards; everything else is copied.
//
// All profiles must name the same Namespace, and parents must come before
// their children. Errors are of type *FormatError.
func Encode(profiles []*Profile) (*Policy, error) {
	if len(profiles) == 0 {
		return nil, &FormatError{Offset: -1, Reason: "no profiles", Err: ErrSyntax}
	}
	size := 0
	for _, p := range profiles {
		size += p.encodedLen()
	}
	w := writer{buf: make([]byte, 0, size)}
	for i, p := range profiles {
		if err := p.encodable(profiles[0].Namespace); err != nil {
			return nil, err
		}
		w.origin = len(w.buf)
		w.profile(p, i == 0)
		if w.err != "" {
			return nil, &FormatError{Offset: -1, Profile: p.Name, Reason: w.err, Err: ErrTooLarge}
		}
	}
	var written []*DFA
	for _, p := range profiles {
		for _, part := range p.parts() {
			written = append(written, part.db.DFA)
		}
	}
	policy, err := inspect(w.buf, written)
	if err != nil {
		return nil, err
	}
	return policy, nil
}

// encodable checks for what the bytes would not show or could not hold.
func (p *Profile) encodable(namespace string) error {
	fail := func(kind error, member, reason string) error {
		return &FormatError{Offset: -1, Profile: p.Name, Member: member, Reason: reason, Err: kind}
	}
	if p.Namespace != namespace {
		return fail(ErrNamespace, "namespace", fmt.Sprintf("namespace %q differs from %q of the first profile", p.Namespace, namespace))
	}
	for _, part := range p.parts() {
		d := part.db.DFA
		if d == nil {
			return fail(ErrDFA, part.kind.String(), "the DFA is nil")
		}
		if part.db.Perms == nil && part.db.PermsVersion != 0 {
			return fail(ErrPerms, part.kind.String(), "PermsVersion is set without a permission table")
		}
	}
	return nil
}

// encodedLen estimates the length of the profile on the wire, on the high
// side.
func (p *Profile) encodedLen() int {
	n := 512 + len(p.Name) + len(p.Namespace) + len(p.Attach) + len(p.Rename) + len(p.Disconnected) + len(p.DisconnectedIPC) +
		32*len(p.Xattrs) + 16*len(p.Secmarks) + 9*len(p.Families)
	for _, db := range []*PolicyDB{p.XMatch, p.Policydb, p.File} {
		if db != nil && db.DFA != nil {
			n += 128 + db.DFA.encodedLen() + 5*permWords*len(db.Perms) + 32*len(db.XTable)
		}
	}
	for i := range p.Data {
		n += 16 + len(p.Data[i].Key) + len(p.Data[i].Value)
	}
	return n
}

// profile writes the header and all members in the order that kernels insist
// on.
func (w *writer) profile(p *Profile, first bool) {
	w.head(p, first)
	if p.Policydb != nil {
		w.tag("policydb", tagStruct)
		w.policyDB(p.Policydb)
		w.tag("", tagStructEnd)
	}
	if p.File != nil {
		w.policyDB(p.File)
	}
	w.tail(p)
}

// head writes what comes before the automata of rules.
func (w *writer) head(p *Profile, first bool) {
	header := p.Header
	if header == 0 {
		header = DefaultHeader
	}
	w.u32("version", header)
	if first || ParentName(p.Name) == "" {
		w.optional("namespace", p.Namespace)
	}
	w.tag("profile", tagStruct)
	w.str("", p.Name)
	w.optional("rename", p.Rename)
	w.optional("attach", p.Attach)
	if p.XMatch != nil {
		w.policyDB(p.XMatch)
		w.u32("", p.XMatchLen)
	}
	w.optional("disconnected", p.Disconnected)
	w.optional("disconnected_ipc", p.DisconnectedIPC)
	if p.Kill != 0 {
		w.u32("kill", p.Kill)
	}
	if p.Error != 0 {
		w.u32("error", p.Error)
	}
	w.flags(p)
	w.caps(&p.Caps)
	w.xattrs(p.Xattrs)
	w.rlimits(p)
	w.secmarks(p.Secmarks)
	w.families(p.Families)
}

// tail writes what comes after them.
func (w *writer) tail(p *Profile) {
	if len(p.Data) > 0 {
		w.tag("data", tagStruct)
		for i := range p.Data {
			w.str("", p.Data[i].Key)
			w.blob("", p.Data[i].Value)
		}
		w.tag("", tagStructEnd)
	}
	w.tag("", tagStructEnd)
}

func (w *writer) flags(p *Profile) {
	bits := p.FlagBits &^ 1
	if p.Hat {
		bits |= 1
	}
	audit := uint32(0)
	if p.Audit {
		audit = 1
	}
	w.tag("flags", tagStruct)
	w.u32s(bits, uint32(p.Mode), audit)
	w.tag("", tagStructEnd)
	if p.HasPathFlags || p.PathFlags != 0 {
		w.u32("path_flags", uint32(p.PathFlags))
	}
}

func (w *writer) caps(c *Caps) {
	w.u32s(uint32(c.Allow), uint32(c.Audit), uint32(c.Quiet), 0)
	w.tag("caps64", tagStruct)
	w.u32s(uint32(c.Allow>>32), uint32(c.Audit>>32), uint32(c.Quiet>>32), 0)
	w.tag("", tagStructEnd)
	if c.Extended != 0 {
		w.tag("capsx", tagStruct)
		w.u32s(uint32(c.Extended), uint32(c.Extended>>32))
		w.tag("", tagStructEnd)
	}
}

func (w *writer) xattrs(names []string) {
	if len(names) == 0 {
		return
	}
	w.tag("xattrs", tagStruct)
	w.array(len(names))
	for _, name := range names {
		w.str("", name)
	}
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
}

func (w *writer) rlimits(p *Profile) {
	if p.RlimitMask == 0 {
		return
	}
	w.tag("rlimits", tagStruct)
	w.u32("", p.RlimitMask)
	w.array(len(p.Rlimits))
	for _, v := range p.Rlimits {
		w.u64(v)
	}
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
}

func (w *writer) secmarks(marks []Secmark) {
	if len(marks) == 0 {
		return
	}
	w.tag("secmark", tagStruct)
	w.array(len(marks))
	for _, m := range marks {
		w.u8(m.Audit)
		w.u8(m.Deny)
		w.str("", m.Label)
	}
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
}

// families writes an array whose count is the number of families, not of
// words.
func (w *writer) families(masks []FamilyMask) {
	if len(masks) == 0 {
		return
	}
	w.label("net_allowed_af")
	w.array(len(masks))
	for _, m := range masks {
		w.u16(m.Allow)
		w.u16(m.Audit)
		w.u16(m.Quiet)
	}
	w.tag("", tagArrayEnd)
}

func (w *writer) policyDB(db *PolicyDB) {
	if db.Perms != nil {
		w.permsHead(len(db.Perms))
		w.perms(db.Perms)
		w.permsEnd(db.PermsVersion)
	}
	w.dfa(db.DFA)
	if db.Start != 0 {
		w.u32("start", db.Start)
	}
	if db.DFAStart != 0 {
		w.u32("dfa_start", db.DFAStart)
	}
	w.xtable(db.XTable)
}

func (w *writer) permsHead(n int) {
	w.tag("perms", tagStruct)
	w.u32("version", 1)
	w.array(n)
}

func (w *writer) perms(perms []Perm) {
	for i := range perms {
		p := &perms[i]
		w.u32s(0, p.Allow, p.Deny, p.Subtree, p.Cond, p.Kill, p.Complain, p.Prompt,
			p.Audit, p.Quiet, p.Hide, p.XIndex, p.Tag, p.Label)
	}
}

func (w *writer) permsEnd(version uint32) {
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
	if version != 0 {
		w.u32("permsv", version)
	}
}

func (w *writer) xtable(targets []string) {
	if len(targets) == 0 {
		return
	}
	w.tag("xtable", tagStruct)
	w.array(len(targets))
	for _, target := range targets {
		w.str("", encodeTarget(target))
	}
	w.tag("", tagArrayEnd)
	w.tag("", tagStructEnd)
}

// encodeTarget writes the second colon of ":ns:name" as NUL.
func encodeTarget(target string) string {
	if !strings.HasPrefix(target, ":") {
		return target
	}
	if i := strings.IndexByte(target[1:], ':'); i > 0 {
		return target[:i+1] + "\x00" + target[i+2:]
	}
	return target
}
