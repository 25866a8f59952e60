// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// refusal is a stream and what kernels say to it.
type refusal struct {
	name string
	profileParts
	errno unix.Errno
	// until is the first version of kernels that load it; older ones refuse
	// it. Zero: all refuse it.
	until [2]int
	// settled is the first version of kernels of which it is known that they
	// load it, if that is later: updates of those before it differ.
	settled [2]int
	// stricter is for what only package blob refuses.
	stricter bool
	// unseen streams are too dangerous for kernels, or would load in a way
	// that nobody wants; only our own refusal is tested.
	unseen bool
}

var (
	before612 = [2]int{6, 12}
	before72  = [2]int{7, 2}
)

// file puts an automaton with a change into the profile.
func file(change func(*automaton)) profileParts {
	return profileParts{file: func(w *wire) {
		a := onePath()
		if change != nil {
			change(a)
		}
		w.blob("aadfa", a.bytes())
	}}
}

// permTable puts an automaton with a table of permissions into the profile.
func permTable(version uint32, change func(entry []uint32)) profileParts {
	return profileParts{file: func(w *wire) {
		entries := make([][14]uint32, 2)
		entries[1][1] = 4 // allow
		if change != nil {
			change(entries[1][:])
		}
		w.structure("perms", func() {
			w.u32("version", version)
			w.array(len(entries), func() {
				for _, e := range entries {
					w.u32("", e[:]...)
				}
			})
		})
		a := onePath()
		a.tables[tableAccept].data[3] = 1
		a.tables = slices.Delete(a.tables, tableAccept2, tableAccept2+1)
		w.blob("aadfa", a.bytes())
		w.structure("xtable", func() { w.array(1, func() { w.str("", "target") }) })
	}}
}

// refusals is each reason that kernels have to refuse a stream, and what looks
// like one and is not.
func refusals() []refusal {
	const proto = unix.EPROTO
	version := func(v uint32) profileParts {
		return profileParts{header: func(w *wire) { w.u32("version", v) }}
	}
	mode := func(m uint32) profileParts {
		return profileParts{flags: func(w *wire) { w.structure("flags", func() { w.u32("", 0, m, 0) }) }}
	}
	early := func(f func(w *wire)) profileParts { return profileParts{early: f} }
	late := func(f func(w *wire)) profileParts { return profileParts{late: f} }
	tables := func(f func(tables []table)) profileParts { return file(func(a *automaton) { f(a.tables) }) }
	drop := func(i int) profileParts {
		return file(func(a *automaton) { a.tables = slices.Delete(a.tables, i, i+1) })
	}
	shorten := func(is ...int) profileParts {
		return tables(func(ts []table) {
			for _, i := range is {
				ts[i].data = ts[i].data[:len(ts[i].data)-1]
			}
		})
	}
	rlimits := func(mask uint32, n int) profileParts {
		return late(func(w *wire) {
			w.structure("rlimits", func() {
				w.u32("", mask)
				w.array(n, func() {
					for range n {
						w.u64(1)
					}
				})
			})
		})
	}
	xtable := func(accept uint32, targets ...string) profileParts {
		return profileParts{file: func(w *wire) {
			a := onePath()
			a.tables[tableAccept].data[3] = accept
			w.blob("aadfa", a.bytes())
			w.structure("xtable", func() {
				w.array(len(targets), func() {
					for _, s := range targets {
						w.str("", s)
					}
				})
			})
		}}
	}
	entry := func(pairs ...uint32) profileParts {
		return permTable(1, func(e []uint32) {
			for i := 0; i < len(pairs); i += 2 {
				e[pairs[i]] = pairs[i+1]
			}
		})
	}
	diff := func(states ...int) func(*automaton) {
		return func(a *automaton) {
			a.flags = 1
			for _, s := range states {
				a.tables[tableBase].data[s] |= 1 << 31
			}
		}
	}
	// Places in an entry of a permission table.
	const allow, deny, subtree, cond, kill, complain, prompt, hide, xindex, tag, label = 1, 2, 3, 4, 5, 6, 7, 10, 11, 12, 13

	return []refusal{
		{name: "nothing wrong"},
		{name: "nothing wrong with a file automaton", profileParts: file(nil)},

		// The header.
		{name: "no version", profileParts: profileParts{header: func(*wire) {}}, errno: unix.EPROTONOSUPPORT},
		{name: "ABI 4", profileParts: version(0x00202004), errno: unix.EPROTONOSUPPORT},
		{name: "ABI 5", profileParts: version(0x00202005)},
		{name: "ABI 9", profileParts: version(0x00202009), errno: unix.EPROTONOSUPPORT, until: before612},
		{name: "ABI 10", profileParts: version(0x0020200a), errno: unix.EPROTONOSUPPORT},
		{name: "forced complain", profileParts: version(0x00202807)},
		{name: "parser ABI and policy version do not matter", profileParts: version(0x0fff0007)},
		{name: "empty namespace", profileParts: profileParts{header: func(w *wire) {
			w.u32("version", 0x00202007)
			w.str("namespace", "")
		}}, errno: unix.EPROTONOSUPPORT},

		// Members.
		{name: "unknown member", profileParts: early(func(w *wire) { w.u32("unknown", 1) }), errno: proto},
		{name: "member out of order", profileParts: late(func(w *wire) { w.str("attach", "/x") }), errno: proto},
		{name: "no flags", profileParts: profileParts{flags: func(*wire) {}}, errno: proto},
		{name: "two flags", profileParts: profileParts{flags: func(w *wire) {
			w.structure("flags", func() { w.u32("", 0, 0) })
		}}, errno: proto},
		{name: "three capability words", profileParts: profileParts{caps: func(w *wire) { w.u32("", 0, 0, 0) }}, errno: proto},
		{name: "no caps64", profileParts: profileParts{caps: func(w *wire) { w.u32("", 0, 0, 0, 0) }}},
		{name: "three words in caps64", profileParts: profileParts{caps: func(w *wire) {
			w.u32("", 0, 0, 0, 0)
			w.structure("caps64", func() { w.u32("", 0, 0, 0) })
		}}, errno: proto},
		{name: "not closed", profileParts: profileParts{unclosed: true}, errno: proto},
		{name: "a byte after the end", profileParts: profileParts{afterwards: []byte{0}}, errno: proto},
		{name: "string without its end", profileParts: early(func(w *wire) {
			w.tag("attach", 5)
			w.u16(2)
			w.raw('/', 'x')
		}), errno: proto},
		{name: "string of length 0", profileParts: early(func(w *wire) {
			w.tag("attach", 5)
			w.u16(0)
		}), errno: proto},
		{name: "mode complain", profileParts: mode(1)},
		{name: "mode unconfined", profileParts: mode(3)},
		{name: "mode prompt", profileParts: mode(4), errno: proto, until: before612},
		{name: "mode 5", profileParts: mode(5), errno: proto},
		{name: "disconnected path", profileParts: early(func(w *wire) { w.str("disconnected", "/d") })},
		{name: "kill signal", profileParts: early(func(w *wire) { w.u32("kill", 10) }), errno: proto, until: before72},
		{name: "kill signal 0", profileParts: early(func(w *wire) { w.u32("kill", 0) }), errno: proto},
		{name: "kill signal 36", profileParts: early(func(w *wire) { w.u32("kill", 36) }), errno: proto},
		{name: "16 limits", profileParts: rlimits(0xffff, 16)},
		{name: "17 limits", profileParts: rlimits(1, 17), errno: proto},
		{name: "path flags", profileParts: profileParts{middle: func(w *wire) { w.u32("path_flags", 4) }}},
		{name: "policydb without an automaton", profileParts: profileParts{policydb: func(w *wire) {
			w.structure("policydb", func() {})
		}}, errno: proto},
		{name: "xmatch without its length", profileParts: early(func(w *wire) { w.blob("aadfa", onePath().bytes()) }), errno: proto},
		{name: "xmatch", profileParts: early(func(w *wire) {
			w.blob("aadfa", onePath().bytes())
			w.u32("", 2)
		})},
		{name: "data", profileParts: profileParts{data: func(w *wire) {
			w.structure("data", func() { w.str("", "key"); w.blob("", []byte("value")) })
		}}},

		// Automata.
		{name: "magic", profileParts: file(func(a *automaton) { a.magic++ }), errno: proto},
		{name: "header size 8", profileParts: file(func(a *automaton) { a.headerSize = 8 }), errno: proto},
		{name: "header size 1<<31", profileParts: file(func(a *automaton) { a.headerSize = 1 << 31 }), errno: proto},
		{name: "header flags 4", profileParts: file(func(a *automaton) { a.flags = 4 }), errno: proto},
		{name: "empty blob", profileParts: profileParts{file: func(w *wire) { w.blob("aadfa", nil) }}, stricter: true},
		{name: "trailing zeros", profileParts: file(func(a *automaton) { a.trailing = make([]byte, 8) }), errno: proto},
		{name: "table id 0", profileParts: tables(func(ts []table) { ts[tableAccept2].id = 0 }), errno: proto},
		{name: "table id 6", profileParts: tables(func(ts []table) { ts[tableAccept2].id = 6 }), errno: proto},
		{name: "table id 9", profileParts: tables(func(ts []table) { ts[tableAccept2].id = 9 }), errno: proto},
		{name: "table twice", profileParts: tables(func(ts []table) { ts[tableAccept2].id = 1 }), errno: proto},
		{name: "ACCEPT of 16 bits", profileParts: tables(func(ts []table) { ts[tableAccept].size = 2 }), errno: proto},
		{name: "DEF of 8 bits", profileParts: tables(func(ts []table) { ts[tableDefault].size = 1 }), errno: proto},
		{name: "state tables of 32 bits", profileParts: tables(func(ts []table) {
			ts[tableDefault].size, ts[tableNext].size, ts[tableCheck].size = 4, 4, 4
		}), errno: proto, until: before72},
		{name: "empty table", profileParts: tables(func(ts []table) { ts[tableAccept].data = nil }), errno: proto},
		{name: "no ACCEPT", profileParts: drop(tableAccept), errno: proto},
		{name: "no ACCEPT2", profileParts: drop(tableAccept2), errno: proto},
		{name: "no BASE", profileParts: drop(tableBase), errno: proto},
		{name: "no DEF", profileParts: drop(tableDefault), errno: proto},
		{name: "no NXT", profileParts: drop(tableNext), errno: proto},
		{name: "no CHK", profileParts: drop(tableCheck), errno: proto},
		{name: "ACCEPT short", profileParts: shorten(tableAccept), errno: proto},
		{name: "ACCEPT2 short", profileParts: shorten(tableAccept2), errno: proto},
		{name: "DEF short", profileParts: shorten(tableDefault), errno: proto},
		{name: "CHK short", profileParts: shorten(tableCheck), errno: proto},
		{name: "EC of 255", profileParts: file(func(a *automaton) {
			a.tables = append(a.tables, table{5, 1, make([]uint32, 255)})
		}), errno: proto},
		{name: "one state", profileParts: tables(func(ts []table) {
			for i := range tableNext {
				ts[i].data = ts[i].data[:1]
			}
			clear(ts[tableNext].data)
			clear(ts[tableCheck].data)
		}), errno: proto},
		{name: "default out of range", profileParts: tables(func(ts []table) { ts[tableDefault].data[2] = 4 }), errno: proto},
		{name: "base at the end", profileParts: tables(func(ts []table) { ts[tableBase].data[3] = 512 - 256 })},
		{name: "base out of range", profileParts: tables(func(ts []table) { ts[tableBase].data[3] = 512 - 255 }), errno: proto},
		{name: "reserved bit 30", profileParts: tables(func(ts []table) { ts[tableBase].data[2] = 1 << 30 }), errno: proto},
		{name: "reserved bit 24", profileParts: tables(func(ts []table) { ts[tableBase].data[2] = 1 << 24 }), errno: proto},
		{name: "differential state unannounced", profileParts: tables(func(ts []table) { ts[tableBase].data[2] = 1 << 31 }), errno: proto},
		{name: "out-of-band unannounced", profileParts: tables(func(ts []table) { ts[tableBase].data[2] = 1<<29 | 1 }), errno: proto},
		{name: "out-of-band at base 0", profileParts: file(func(a *automaton) {
			a.flags = 2
			a.tables[tableBase].data[2] = 1 << 29
		}), errno: proto},
		{name: "NXT out of range", profileParts: tables(func(ts []table) { ts[tableNext].data[400] = 4 }), errno: proto},
		{name: "CHK out of range", profileParts: tables(func(ts []table) { ts[tableCheck].data[400] = 4 }), errno: proto},
		{name: "differential state with itself", profileParts: file(func(a *automaton) {
			diff(2)(a)
			a.tables[tableDefault].data[2] = 2
		}), errno: proto},
		{name: "differential loop", profileParts: file(func(a *automaton) {
			diff(2, 3)(a)
			a.tables[tableDefault].data[2], a.tables[tableDefault].data[3] = 3, 2
		}), errno: proto},
		{name: "trap that leads on", profileParts: tables(func(ts []table) { ts[tableDefault].data[0] = 1 }), unseen: true},

		// Exec targets of the old form, and permission tables.
		{name: "exec target", profileParts: xtable(1|4<<10|1<<14, "target")},
		{name: "missing exec target", profileParts: xtable(1|5<<10, "target"), errno: proto},
		{name: "blank before a target", profileParts: xtable(1|4<<10, " target"), errno: proto},
		{name: "permission table", profileParts: permTable(1, nil), errno: proto, until: before612, settled: before72}, // 6.12.107 loads it, 6.12.118 does not
		{name: "version of the permission table", profileParts: permTable(2, nil), errno: proto},
		{name: "allow and deny", profileParts: entry(allow, 4, deny, 4), errno: proto},
		{name: "subtree beyond allow", profileParts: entry(allow, 4, subtree, 2), errno: proto},
		{name: "cond and allow", profileParts: entry(allow, 4, cond, 4), errno: proto},
		{name: "kill and allow", profileParts: entry(allow, 4, kill, 4), errno: proto},
		{name: "complain and deny", profileParts: entry(allow, 0, deny, 4, complain, 4), errno: proto},
		{name: "prompt and allow", profileParts: entry(allow, 4, prompt, 4), errno: proto},
		{name: "complain and prompt", profileParts: entry(allow, 0, complain, 4, prompt, 4), errno: proto},
		{name: "hide and allow", profileParts: entry(allow, 4, hide, 4), errno: proto},
		{name: "target of a permission", profileParts: entry(allow, 1, xindex, 0x08000001), errno: proto},
		{name: "tag", profileParts: entry(allow, 4, tag, 9), errno: proto},
		{name: "label", profileParts: entry(allow, 4, label, 9), errno: proto},
		{name: "permission out of range", profileParts: profileParts{file: func(w *wire) {
			w.structure("perms", func() {
				w.u32("version", 1)
				w.array(1, func() { w.u32("", make([]uint32, 14)...) })
			})
			a := onePath()
			a.tables[tableAccept].data[3] = 9
			a.tables = slices.Delete(a.tables, tableAccept2, tableAccept2+1)
			w.blob("aadfa", a.bytes())
		}}, errno: proto},
	}
}

// TestRefusals writes each of these streams to the kernel as it is, and has
// package loader do the same.
func TestRefusals(t *testing.T) {
	k := kernel(t)
	ns := namespace(t, k, "refusals")
	load(t, ns, encode(t, minimal("first")))
	const replace = "/sys/kernel/security/apparmor/policy/namespaces/refusals/.replace"
	refusedHere := 0
	for _, c := range refusals() {
		t.Run(c.name, func(t *testing.T) {
			c.profileParts.name = "judged"
			data := c.bytes()
			var want unix.Errno
			if c.until == [2]int{} || !guest.Since(c.until[0], c.until[1]) {
				want = c.errno
			}
			p, err := blob.Inspect(data)
			if err == nil {
				err = ns.Replace(t.Context(), p)
			}
			ours := err != nil
			if asked := unix.Errno(0); errors.As(err, &asked) {
				t.Errorf("the kernel was asked: %v", err)
			}
			if c.unseen {
				if !ours {
					t.Error("package blob accepts the data")
				}
				return
			}
			got := rawWrite(t, replace, data)
			if want == 0 && c.settled != [2]int{} && !guest.Since(c.settled[0], c.settled[1]) && got == c.errno {
				want = got
			}
			switch {
			case got != want:
				t.Errorf("the kernel says %q, want %q; package blob: %v", got, want, err)
			case got != 0 && !ours:
				t.Error("package blob accepts data that the kernel refuses")
			case got == 0 && ours && !c.stricter && !errors.Is(err, blob.ErrKernel):
				t.Errorf("the kernel accepts data that package blob refuses: %v", err)
			case c.stricter && !ours:
				t.Error("package blob accepts the data")
			}
			if want != 0 {
				refusedHere++
			}
			var format *blob.FormatError
			if errors.As(err, &format) && unix.Errno(format.Errno) != want {
				t.Errorf("package blob says that the kernel says %v", format.Errno)
			}
			if err := ns.Remove(background, "judged"); err != nil && !isNotExist(err) {
				t.Error(err)
			}
		})
	}
	t.Logf("%d streams refused", refusedHere)
}

// TestRefusedSets writes sets that are to be refused for their names, each to a
// namespace of its own, since some kernels leave it blocked.
func TestRefusedSets(t *testing.T) {
	k := kernel(t)
	join := func(names ...string) []byte {
		var out []byte
		for _, name := range names {
			out = append(out, profileParts{name: name}.bytes()...)
		}
		return out
	}
	for _, c := range []struct {
		name string
		data []byte
		want unix.Errno
	}{
		{"missing parent", join("p//c"), unix.ENOENT},
		{"missing hat's parent", join("p", "q//c"), unix.ENOENT},
		{"parent after its child", join("p//c", "p"), unix.ENOENT},
		{"name of 254", join(strings.Repeat("n", 254)), unix.ENAMETOOLONG},
		{"empty name", join(""), unix.EPROTO},
		{"namespace alone", join(":a:"), unix.EPROTO},
		{"two namespaces", join(":a:x", ":b:x"), unix.EACCES},
		{"namespace of the second", join("x", ":b:x"), unix.EACCES},
		{"nested namespace", join(":a//b:x"), unix.EACCES},
		// What every task has that no profile confines, and not even that is
		// refused.
		{"unconfined", join("unconfined"), 0},
		{"unconfined elsewhere", join(":below:unconfined"), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ns := namespace(t, k, "sets")
			before, err := ns.Revision(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			p, err := blob.Inspect(c.data)
			if err == nil {
				err = ns.Replace(t.Context(), p)
			}
			if err == nil {
				t.Error("package loader writes the data")
			}
			if after, err := ns.Revision(t.Context()); after != before || err != nil {
				t.Errorf("revision %d after %d, %v", after, before, err)
			}
			const replace = "/sys/kernel/security/apparmor/policy/namespaces/sets/.replace"
			if got := rawWrite(t, replace, c.data); got != c.want {
				t.Errorf("the kernel says %v, want %v", got, c.want)
			}
		})
	}
	t.Run("a name twice", func(t *testing.T) {
		// Kernels crash when the name is loaded already.
		_, err := blob.Inspect(join("x", "x"))
		wantError(t, err, blob.ErrDuplicate)
		_, err = blob.Inspect(join(":a:x", ":a://x"))
		wantError(t, err, blob.ErrDuplicate)
	})
}
