// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// The range of kernel ABIs that some kernel loads; see KernelLimits for one.
const (
	minABI = 5
	maxABI = 9
)

// Inspect decodes a stream and applies the checks of a kernel with
// paranoid_load to it: the format, the versions and namespaces of headers,
// names and their order, the ranges of members, every table of every
// automaton, and permissions. It returns a *FormatError for the first thing
// that a kernel would refuse. Policy.Check finds what only some kernels
// refuse, and only the kernel itself knows whether parents exist that are not
// in the set (see Policy.Needs).
//
// It is stricter than kernels in a few things that no producer writes: names
// must not be repeated, must not hold NUL, and a parent must come before its
// child; a state 0 with transitions to others, an explicit start state 0, a
// permission table without an automaton and the tag sets of 7.3 are refused.
//
// A stream after the 8-byte header of 7.3 is accepted and kept without the
// header. Compressed policy is unpacked, also if it is in several frames, and
// kept so; offsets in errors are then those of the plain stream, unless they
// match ErrCompressed. Memory is bounded by a small multiple of len(data), which
// is copied, or of MaxUnpacked for compressed policy.
func Inspect(data []byte) (*Policy, error) {
	all, err := inspectStream(slices.Clone(data), false)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// InspectShared is Inspect without a copy of the data, which must not be changed
// any more.
func InspectShared(data []byte) (*Policy, error) {
	all, err := inspectStream(data, false)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// InspectAll is Inspect for a file that may hold several sets one after the
// other, as `apparmor_parser -S` writes profiles of several namespaces: a kernel
// takes the profiles of one namespace in one write. A set ends where a profile at
// the top has a header that names another namespace than those before it, or
// none. It returns the sets in their order; each is to be loaded by itself.
//
// Inspect reads the same bytes as kernels do in one write: headers that name no
// namespace then mean the one that others name.
func InspectAll(data []byte) ([]*Policy, error) { return inspectStream(slices.Clone(data), true) }

// inspectStream reads a stream in any of the forms that files have. It keeps the
// data.
func inspectStream(data []byte, split bool) ([]*Policy, error) {
	skipped := 0
	switch {
	case compressed(data):
		plain, err := unpack(data)
		if err != nil {
			return nil, err
		}
		data = plain
	case len(data) > userHeader && !bytes.HasPrefix(data, []byte(plainMagic)) && bytes.HasPrefix(data[userHeader:], []byte(plainMagic)):
		skipped = userHeader
		data = data[skipped:]
	}
	all, err := inspectSets(data, nil, split)
	if err != nil {
		if err.Offset >= 0 {
			err.Offset += skipped
		}
		return nil, err
	}
	return all, nil
}

// inspect is Inspect for a plain stream, which it keeps. The automata of a
// stream that was just written need not be decoded: they are given in order.
func inspect(data []byte, written []*DFA) (*Policy, *FormatError) {
	all, err := inspectSets(data, written, false)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// inspectSets reads all of a stream: one set, or as many as its headers say if
// it is to be split.
func inspectSets(data []byte, written []*DFA, split bool) ([]*Policy, *FormatError) {
	d := decoder{reader: reader{data: data}, written: written, split: split, raw: map[*DFA]rawTables{}}
	if len(data) == 0 {
		return nil, &FormatError{Reason: "no data", Errno: EINVAL, Err: ErrSyntax}
	}
	var all []*Policy
	var profiles []*Profile
	var starts []int
	var own []string // namespaces as headers name them
	namespace := ""
	finish := func(end int) *FormatError {
		p, i, err := newPolicy(data[starts[0]:end:end], namespace, profiles, own)
		if err != nil {
			err.Offset = starts[i]
			return err
		}
		p.raw = d.raw
		all = append(all, p)
		profiles, starts, own = nil, nil, nil
		return nil
	}
	for d.pos < len(data) {
		start := d.pos
		p, err := d.next()
		if err != nil {
			if errors.Is(err, ErrSyntax) && len(profiles) > 0 && start == d.pos {
				err.Reason, err.Err = "not a profile: "+err.Reason, ErrTrailing
			}
			return nil, err
		}
		named := d.own
		if _, name := splitName(p.Name); named == "" && len(own) > 0 && ParentName(name) != "" {
			named = own[len(own)-1] // headers of children do not name it again
		}
		if split && len(profiles) > 0 && named != namespace {
			if err := finish(start); err != nil {
				return nil, err
			}
		}
		if namespace = d.namespace; split {
			namespace = named
		}
		profiles, starts, own = append(profiles, p), append(starts, start), append(own, named)
	}
	if err := finish(len(data)); err != nil {
		return nil, err
	}
	return all, nil
}

// newPolicy makes a set of its profiles. A namespace that any header names is
// that of every profile. An error is about the profile of that index.
func newPolicy(data []byte, namespace string, profiles []*Profile, own []string) (*Policy, int, *FormatError) {
	s := newSet(namespace)
	for i, p := range profiles {
		p.Namespace = namespace
		err := s.add(p)
		if err == nil {
			continue
		}
		if i > 0 && own[i] != own[0] && errors.Is(err, ErrDuplicate) {
			err.Reason = "the name is that of a profile of another namespace, and a write holds one namespace"
			err.Hint = "write one set per namespace; InspectAll splits a file of several"
		}
		return nil, i, err
	}
	return &Policy{data: data, heads: profiles, whole: profiles, needs: s.needs}, 0, nil
}

// decoder reads profiles and keeps what a header says for those that follow.
type decoder struct {
	reader
	header    uint32
	hasHeader bool
	namespace string
	own       string // the namespace that the last header names itself
	split     bool   // into a set for each namespace
	profile   string // the name, once it is known, for messages
	written   []*DFA // those of the blobs to come, if they are known
	raw       map[*DFA]rawTables
}

func (d *decoder) fail(kind error, member, format string, args ...any) *FormatError {
	return d.failAt(d.pos, kind, member, format, args...)
}

func (d *decoder) failAt(off int, kind error, member, format string, args ...any) *FormatError {
	return &FormatError{
		Offset: off, Profile: d.profile, Member: member,
		Reason: fmt.Sprintf(format, args...), Errno: EPROTO, Err: kind,
	}
}

// missing reports that a mandatory item is not the next one.
func (d *decoder) missing(member, what string) *FormatError {
	return d.fail(ErrSyntax, member, "%s is missing; found %s", what, d.found())
}

// next reads a header, if there is one, and a profile. If it fails before it
// has read anything, the position has not moved.
func (d *decoder) next() (*Profile, *FormatError) {
	d.profile = ""
	if err := d.readHeader(); err != nil {
		return nil, err
	}
	if !d.enter("profile", tagStruct) {
		return nil, d.missing("", "the profile struct")
	}
	p := &Profile{Header: d.header}
	steps := [...]func(*Profile) *FormatError{
		d.readName, d.readXMatch, d.readDisconnect, d.readFlags, d.readCaps,
		d.readXattrs, d.readRlimits, d.readSecmarks, d.readFamilies, d.readRules, d.readData,
	}
	for _, step := range steps {
		if err := step(p); err != nil {
			return nil, err
		}
	}
	if !d.enter("", tagStructEnd) {
		return nil, d.missing("end of profile", "the end of the profile struct")
	}
	return p, nil
}

func (d *decoder) readHeader() *FormatError {
	at := d.pos
	if v, ok := d.u32("version"); ok {
		if abi := v & 0x3ff; abi < minABI || abi > maxABI {
			err := d.failAt(at, ErrVersion, "version", "kernel ABI %d of the header is not in the range %d to %d", abi, minABI, maxABI)
			err.Errno, err.Hint = EPROTONOSUPPORT, fmt.Sprintf("write %#08x", DefaultHeader)
			return err
		}
		d.header, d.hasHeader, d.own = v, true, ""
	} else if !d.hasHeader {
		err := d.missing("version", "the version header")
		err.Errno = EPROTONOSUPPORT
		return err
	}
	at = d.pos
	name, ok, err := d.text("namespace", "namespace")
	switch {
	case err != nil:
		return err
	case !ok:
		return nil
	case name == "":
		err := d.failAt(at, ErrNamespace, "namespace", "the namespace is empty")
		err.Errno = EPROTONOSUPPORT
		return err
	case d.namespace != "" && d.namespace != name && !d.split:
		err := d.failAt(at, ErrNamespace, "namespace", "namespace %q follows namespace %q in one set", name, d.namespace)
		err.Errno, err.Hint = EPROTONOSUPPORT, "write one set per namespace"
		return err
	}
	d.namespace, d.own = name, name
	return nil
}

// text reads a string that must not hold NUL.
func (d *decoder) text(name, member string) (string, bool, *FormatError) {
	at := d.pos
	b, ok := d.bytes(name)
	if ok && bytes.IndexByte(b, 0) >= 0 {
		err := d.failAt(at, ErrName, member, "the string %.60q holds a NUL byte", b)
		err.Errno = 0
		return "", false, err
	}
	return string(b), ok, nil
}

func (d *decoder) readName(p *Profile) *FormatError {
	at := d.pos
	name, ok, err := d.text("", "name")
	if err != nil {
		return err
	}
	if !ok {
		return d.missing("name", "the profile's name")
	}
	d.profile, p.Name = name, name
	if reason, errno := checkName(name); reason != "" {
		err := d.failAt(at, ErrName, "name", "%s", reason)
		err.Errno = errno
		return err
	}
	if p.Rename, _, err = d.text("rename", "rename"); err != nil {
		return err
	}
	p.Attach, _, err = d.text("attach", "attach")
	return err
}

func (d *decoder) readXMatch(p *Profile) (err *FormatError) {
	if p.XMatch, err = d.readPolicyDB(PartXMatch); err != nil || p.XMatch == nil {
		return err
	}
	var ok bool
	if p.XMatchLen, ok = d.u32(""); !ok {
		return d.missing("xmatch_len", "the length that goes with the xmatch DFA")
	}
	return nil
}

func (d *decoder) readDisconnect(p *Profile) (err *FormatError) {
	if p.Disconnected, _, err = d.text("disconnected", "disconnected"); err != nil {
		return err
	}
	if p.DisconnectedIPC, _, err = d.text("disconnected_ipc", "disconnected_ipc"); err != nil {
		return err
	}
	at := d.pos
	if sig, ok := d.u32("kill"); ok {
		if sig < 1 || sig > maxKill {
			return d.failAt(at, ErrValue, "kill", "signal %d is not in the range 1 to %d", sig, maxKill)
		}
		p.Kill = sig
	}
	p.Error, _ = d.u32("error")
	return nil
}

// maxKill is the highest signal, in AppArmor's own numbering, of mode kill.
const maxKill = 35

func (d *decoder) readFlags(p *Profile) *FormatError {
	if !d.enter("flags", tagStruct) {
		return d.missing("flags", "the flags struct")
	}
	var v [3]uint32
	for i := range v {
		var ok bool
		if v[i], ok = d.u32(""); !ok {
			return d.missing("flags", "one of the three flags words")
		}
	}
	if v[1] > uint32(Prompt) {
		return d.fail(ErrValue, "flags", "mode %d is not in the range 0 to %d", v[1], Prompt)
	}
	if !d.enter("", tagStructEnd) {
		return d.missing("flags", "the end of the flags struct")
	}
	p.Hat, p.FlagBits, p.Mode, p.Audit = v[0]&1 != 0, v[0]&^1, Mode(v[1]), v[2] != 0
	if flags, ok := d.u32("path_flags"); ok {
		p.PathFlags, p.HasPathFlags = PathFlags(flags), true
	}
	return nil
}

func (d *decoder) readCaps(p *Profile) *FormatError {
	var low, high [4]uint32
	for i := range low {
		var ok bool
		if low[i], ok = d.u32(""); !ok {
			return d.missing("capabilities", "one of the four capability words")
		}
	}
	if d.enter("caps64", tagStruct) {
		for i := range high {
			var ok bool
			if high[i], ok = d.u32(""); !ok {
				return d.missing("caps64", "one of the four upper capability words")
			}
		}
		if !d.enter("", tagStructEnd) {
			return d.missing("caps64", "the end of the caps64 struct")
		}
	}
	p.Caps.Allow = uint64(high[0])<<32 | uint64(low[0])
	p.Caps.Audit = uint64(high[1])<<32 | uint64(low[1])
	p.Caps.Quiet = uint64(high[2])<<32 | uint64(low[2])
	if d.enter("capsx", tagStruct) {
		lo, ok1 := d.u32("")
		hi, ok2 := d.u32("")
		if !ok1 || !ok2 {
			return d.missing("capsx", "one of the two extended capability words")
		}
		if !d.enter("", tagStructEnd) {
			return d.missing("capsx", "the end of the capsx struct")
		}
		p.Caps.Extended = uint64(hi)<<32 | uint64(lo)
	}
	return nil
}

func (d *decoder) readXattrs(p *Profile) *FormatError {
	if !d.enter("xattrs", tagStruct) {
		return nil
	}
	names, err := d.readStrings(ErrValue, "xattrs", func(b []byte) (string, string) {
		if bytes.IndexByte(b, 0) >= 0 {
			return "", "holds a NUL byte"
		}
		return string(b), ""
	})
	p.Xattrs = names
	return err
}

// readStrings reads the array of strings and the end of the struct around it.
// The conversion returns what is wrong with a string, if anything, which
// becomes an error of the given kind.
func (d *decoder) readStrings(kind error, member string, convert func([]byte) (string, string)) ([]string, *FormatError) {
	n, ok := d.array()
	if !ok {
		return nil, d.missing(member, "the array of strings")
	}
	var list []string
	for range n {
		at := d.pos
		b, ok := d.bytes("")
		if !ok {
			return nil, d.missing(member, fmt.Sprintf("string %d of %d", len(list), n))
		}
		s, wrong := convert(b)
		if wrong != "" {
			return nil, d.failAt(at, kind, member, "string %d, %.60q, %s", len(list), b, wrong)
		}
		list = append(list, s)
	}
	if !d.enter("", tagArrayEnd) {
		return nil, d.missing(member, fmt.Sprintf("the end of the array after its %d strings", n))
	}
	if !d.enter("", tagStructEnd) {
		return nil, d.missing(member, "the end of the struct")
	}
	return list, nil
}

func (d *decoder) readRlimits(p *Profile) *FormatError {
	if !d.enter("rlimits", tagStruct) {
		return nil
	}
	var ok bool
	if p.RlimitMask, ok = d.u32(""); !ok {
		return d.missing("rlimits", "the mask")
	}
	at := d.pos
	n, ok := d.array()
	if !ok {
		return d.missing("rlimits", "the array of limits")
	}
	if n > len(p.Rlimits) {
		return d.failAt(at, ErrValue, "rlimits", "%d limits are more than %d", n, len(p.Rlimits))
	}
	for i := range n {
		if p.Rlimits[i], ok = d.u64(); !ok {
			return d.missing("rlimits", fmt.Sprintf("limit %d of %d", i, n))
		}
	}
	if !d.enter("", tagArrayEnd) || !d.enter("", tagStructEnd) {
		return d.missing("rlimits", "the end of the array or struct")
	}
	return nil
}

func (d *decoder) readSecmarks(p *Profile) *FormatError {
	if !d.enter("secmark", tagStruct) {
		return nil
	}
	n, ok := d.array()
	if !ok {
		return d.missing("secmark", "the array of secmarks")
	}
	for i := range n {
		audit, ok1 := d.u8()
		deny, ok2 := d.u8()
		label, ok3, err := d.text("", "secmark")
		if err != nil {
			return err
		}
		if !ok1 || !ok2 || !ok3 {
			return d.missing("secmark", fmt.Sprintf("a part of secmark %d of %d", i, n))
		}
		p.Secmarks = append(p.Secmarks, Secmark{Audit: audit, Deny: deny, Label: label})
	}
	if !d.enter("", tagArrayEnd) || !d.enter("", tagStructEnd) {
		return d.missing("secmark", "the end of the array or struct")
	}
	return nil
}

func (d *decoder) readFamilies(p *Profile) *FormatError {
	n, ok := d.namedArray("net_allowed_af")
	if !ok || n == 0 {
		return nil // kernels look for the end of an array that is not empty only
	}
	// The count comes from the data; the masks are appended as they are read.
	for i := range n {
		allow, ok1 := d.u16()
		audit, ok2 := d.u16()
		quiet, ok3 := d.u16()
		if !ok1 || !ok2 || !ok3 {
			return d.missing("net_allowed_af", fmt.Sprintf("a mask of family %d of %d", i, n))
		}
		p.Families = append(p.Families, FamilyMask{Allow: allow, Audit: audit, Quiet: quiet})
	}
	if !d.enter("", tagArrayEnd) {
		return d.missing("net_allowed_af", "the end of the array")
	}
	return nil
}

func (d *decoder) readRules(p *Profile) (err *FormatError) {
	if d.enter("policydb", tagStruct) {
		if p.Policydb, err = d.readPolicyDB(PartPolicydb); err != nil {
			return err
		}
		if p.Policydb == nil {
			return d.missing("policydb", "the DFA")
		}
		if !d.enter("", tagStructEnd) {
			return d.missing("policydb", "the end of the policydb struct")
		}
	}
	p.File, err = d.readPolicyDB(PartFile)
	return err
}

func (d *decoder) readData(p *Profile) *FormatError {
	if !d.enter("data", tagStruct) {
		return nil
	}
	seen := map[string]bool{}
	for {
		at := d.pos
		key, ok, err := d.text("", "data")
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		value, ok := d.blob("")
		if !ok {
			return d.missing("data", fmt.Sprintf("the value of key %.60q", key))
		}
		if seen[key] {
			return d.failAt(at, ErrValue, "data", "key %.60q appears twice", key)
		}
		seen[key] = true
		p.Data = append(p.Data, Data{Key: key, Value: slices.Clone(value)})
	}
	if !d.enter("", tagStructEnd) {
		return d.missing("data", "the end of the data struct")
	}
	return nil
}
