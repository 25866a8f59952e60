// SPDX-License-Identifier: Apache-2.0

package blob

import (
	"bufio"
	"fmt"
	"io"
)

// DumpOptions choose what Dump prints beyond the members.
type DumpOptions struct {
	Perms  bool // the entries of permission tables
	States bool // every state with what it grants and where it leads
}

// Dump prints the policy for people. The form may change; programs read the
// values instead.
func (p *Policy) Dump(w io.Writer, o DumpOptions) error {
	b := bufio.NewWriter(w)
	for i, q := range p.profiles() {
		if i > 0 {
			fmt.Fprintln(b)
		}
		q.dump(b, o)
	}
	return b.Flush()
}

func (p *Profile) dump(w *bufio.Writer, o DumpOptions) {
	kind := "profile"
	if p.Hat {
		kind = "hat"
	}
	fmt.Fprintf(w, "%s %q\n", kind, p.Name)
	line := func(name string, shown bool, format string, args ...any) {
		if shown {
			fmt.Fprintf(w, "  %-14s %s\n", name, fmt.Sprintf(format, args...))
		}
	}
	line("header", true, "%#08x (kernel abi %d)", p.Header, p.ABI())
	line("namespace", p.Namespace != "", "%q", p.Namespace)
	line("rename", p.Rename != "", "%q", p.Rename)
	line("attach", p.Attach != "", "%q", p.Attach)
	line("xmatch_len", p.XMatch != nil, "%d", p.XMatchLen)
	line("disconnected", p.Disconnected != "", "%q", p.Disconnected)
	line("disconnected_ipc", p.DisconnectedIPC != "", "%q", p.DisconnectedIPC)
	line("kill", p.Kill != 0, "%d", p.Kill)
	line("error", p.Error != 0, "%d", p.Error)
	line("mode", true, "%v", p.EffectiveMode())
	line("audit", p.Audit, "all")
	line("flags", p.FlagBits != 0, "%#x", p.FlagBits)
	line("path_flags", p.HasPathFlags || p.PathFlags != 0, "%#x", uint32(p.PathFlags))
	line("capabilities", true, "allow %#x audit %#x quiet %#x", p.Caps.Allow, p.Caps.Audit, p.Caps.Quiet)
	line("capsx", p.Caps.Extended != 0, "%#x", p.Caps.Extended)
	line("xattrs", len(p.Xattrs) > 0, "%q", p.Xattrs)
	line("rlimits", p.RlimitMask != 0, "%s", p.rlimitsText())
	for _, m := range p.Secmarks {
		line("secmark", true, "audit %d deny %d label %q", m.Audit, m.Deny, m.Label)
	}
	line("net_allowed_af", p.Families != nil, "%s", p.familiesText(false))
	for _, part := range p.parts() {
		part.db.dump(w, permReader{part.db, part.kind, p.ABI()}, o)
	}
	for _, d := range p.Data {
		line("data", true, "%q: %d bytes", d.Key, len(d.Value))
	}
}

func (db *PolicyDB) dump(w *bufio.Writer, r permReader, o DumpOptions) {
	d := db.DFA
	form := "packed permissions"
	if db.Perms != nil {
		form = fmt.Sprintf("%d permission entries, permsv %d", len(db.Perms), db.PermsVersion)
	}
	width := 16
	if d.Wide {
		width = 32
	}
	diff, oob := 0, 0
	for _, base := range d.Base {
		diff += int(base & BaseDiff / BaseDiff)
		oob += int(base & BaseOOB / BaseOOB)
	}
	fmt.Fprintf(w, "  %-14v %d states (%d differential, %d out of band), %d slots of %d bits, %s\n",
		r.kind, d.States(), diff, oob, len(d.Next), width, form)
	if db.Start != 0 || db.DFAStart != 0 {
		fmt.Fprintf(w, "    start %d dfa_start %d\n", db.Start, db.DFAStart)
	}
	for i, target := range db.XTable {
		fmt.Fprintf(w, "    xtable %d: %q\n", i, target)
	}
	if o.Perms {
		for i := range db.Perms {
			q := db.Perms[i]
			e := Effective{q.Allow, q.Deny, q.Audit, q.Quiet, q.Prompt, q.Complain, q.Kill, q.Hide, q.Subtree, q.Cond, q.Tag, q.Label, Exec{}}
			fmt.Fprintf(w, "    entry %d: %v", i, e)
			if q.XIndex != 0 {
				fmt.Fprintf(w, "; xindex %#x %v", q.XIndex, DecodeExec(q.XIndex, db.XTable))
			}
			fmt.Fprintln(w)
		}
	}
	if o.States {
		for s := range d.Base {
			d.dumpState(w, uint32(s), r)
		}
	}
}

// dumpState prints what a state grants, and its transitions as ranges of
// bytes, the commonest target once.
func (d *DFA) dumpState(w *bufio.Writer, s uint32, r permReader) {
	var next [256]uint32
	d.Row(s, &next)
	owner, other := r.at(s, true), r.at(s, false)
	fmt.Fprintf(w, "    state %d: %v", s, owner)
	if other != owner {
		fmt.Fprintf(w, " | others: %v", other)
	}
	fmt.Fprintln(w)
	common := commonest(&next)
	if common != TrapState {
		fmt.Fprintf(w, "      else -> %d\n", common)
	}
	for from := 0; from < 256; {
		to := from
		for to < 255 && next[to+1] == next[from] {
			to++
		}
		if next[from] != common {
			in := BytesInput(string([]byte{byte(from)})).String()
			if to > from {
				in += "-" + BytesInput(string([]byte{byte(to)})).String()
			}
			fmt.Fprintf(w, "      %s -> %d\n", in, next[from])
		}
		from = to + 1
	}
	if oob := d.StepOOB(s); oob != TrapState {
		fmt.Fprintf(w, "      out of band -> %d\n", oob)
	}
}

// commonest returns the state that most bytes lead to, and the lowest of
// several.
func commonest(next *[256]uint32) uint32 {
	count := map[uint32]int{}
	for _, t := range next {
		count[t]++
	}
	best := next[0]
	for t, n := range count {
		if n > count[best] || n == count[best] && t < best {
			best = t
		}
	}
	return best
}
