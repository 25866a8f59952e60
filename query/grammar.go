// SPDX-License-Identifier: Apache-2.0

package query

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/internal/linux"
)

// grammar is an automaton of the strings that kernels ask for in one class,
// without the byte of the class. Comparing policies along it finds differences
// that requests can see, and only those.
type grammar []row

// row is a state of a grammar.
type row struct {
	next [256]uint16 // the row after each byte; zero: no such string
	// ends is what is asked for after the strings that end here.
	ends Access
	// gate is set where what was granted in front of the last byte decides
	// whether, and how, what comes behind it matters.
	gate bool
	// binary prefers low bytes to those that read well.
	binary bool

	// label is set within labels, and split where a separator has ended: what
	// follows is a component of its own. pending is how many slashes, which
	// may be the beginning of a separator, end the string.
	label, split bool
	pending      uint8
}

const grammarStart = 1

// piece appends a part of a string to the state of a nondeterministic
// automaton and returns the state behind it.
type piece func(n *nfa, from int) (to int)

type nfa []nfaState

type nfaState struct {
	row
	edges []nfaEdge
	empty []int // reached without a byte
}

type nfaEdge struct {
	on func(byte) bool
	to int
}

func (n *nfa) add() int {
	*n = append(*n, nfaState{})
	return len(*n) - 1
}

// one is a byte of a set.
func one(on func(byte) bool) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		(*n)[from].edges = append((*n)[from].edges, nfaEdge{on, to})
		return to
	}
}

func anyOf(bs ...byte) piece { return one(func(b byte) bool { return slices.Contains(bs, b) }) }
func noneOf(bs ...byte) piece {
	return one(func(b byte) bool { return !slices.Contains(bs, b) })
}

// lit is these bytes.
func lit(bs ...byte) piece {
	var all []piece
	for _, b := range bs {
		all = append(all, anyOf(b))
	}
	return seq(all...)
}

func seq(all ...piece) piece {
	return func(n *nfa, from int) int {
		for _, p := range all {
			from = p(n, from)
		}
		return from
	}
}

func alt(all ...piece) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		for _, p := range all {
			begin := n.add()
			(*n)[from].empty = append((*n)[from].empty, begin)
			end := p(n, begin)
			(*n)[end].empty = append((*n)[end].empty, to)
		}
		return to
	}
}

func opt(p piece) piece { return alt(p, seq()) }

func many(p piece) piece {
	return func(n *nfa, from int) int {
		loop := n.add()
		(*n)[from].empty = append((*n)[from].empty, loop)
		end := p(n, loop)
		(*n)[end].empty = append((*n)[end].empty, loop)
		return loop
	}
}

// ends marks the end of a string that these permissions are asked for with.
func ends(want Access) piece {
	return func(n *nfa, from int) int {
		to := n.add()
		(*n)[from].empty = append((*n)[from].empty, to)
		(*n)[to].ends |= want
		return to
	}
}

// gate stands behind the byte that leads through it.
func gate(n *nfa, from int) int {
	(*n)[from].gate = true
	return from
}

// binaryPart marks what follows as numbers.
func binaryPart(n *nfa, from int) int {
	(*n)[from].binary = true
	return from
}

func number(width int) piece {
	var all []piece
	for range width {
		all = append(all, binaryPart, noneOf())
	}
	return seq(all...)
}

// newGrammar makes the states deterministic.
func newGrammar(p piece) grammar {
	var n nfa
	p(&n, n.add())
	g := make(grammar, 1)
	index := map[string]uint16{}
	var sets [][]int
	intern := func(set []int) uint16 {
		if len(set) == 0 {
			return 0
		}
		set = n.closure(set)
		key := make([]byte, 0, 2*len(set))
		for _, s := range set {
			key = binary.BigEndian.AppendUint16(key, uint16(s))
		}
		if i, ok := index[string(key)]; ok {
			return i
		}
		r := row{}
		for _, s := range set {
			r.ends |= n[s].ends
			r.gate = r.gate || n[s].gate
			r.binary = r.binary || n[s].binary
			r.label, r.split = r.label || n[s].label, r.split || n[s].split
			r.pending = max(r.pending, n[s].pending)
		}
		g = append(g, r)
		sets = append(sets, set)
		index[string(key)] = uint16(len(g) - 1)
		return uint16(len(g) - 1)
	}
	intern([]int{0})
	for i := grammarStart; i < len(g); i++ {
		for b := range 256 {
			var to []int
			for _, s := range sets[i-grammarStart] {
				for _, e := range n[s].edges {
					if e.on(byte(b)) {
						to = append(to, e.to)
					}
				}
			}
			next := intern(to)
			g[i].next[b] = next
		}
	}
	return g
}

// closure adds the states that are reached without a byte.
func (n nfa) closure(set []int) []int {
	var all []int
	seen := make([]bool, len(n))
	for len(set) > 0 {
		s := set[len(set)-1]
		set = set[:len(set)-1]
		if !seen[s] {
			seen[s] = true
			all = append(all, s)
			set = append(set, n[s].empty...)
		}
	}
	slices.Sort(all)
	return all
}

// The pieces that strings are made of.
var (
	text = many(noneOf(0))
	word = seq(noneOf(0), text)
	// component is the name of a file, which is neither . nor ..
	component = alt(
		seq(noneOf(0, '/', '.'), many(noneOf(0, '/'))),
		seq(lit('.'), noneOf(0, '/', '.'), many(noneOf(0, '/'))),
		seq(lit('.', '.'), noneOf(0, '/'), many(noneOf(0, '/'))),
	)
	path = seq(lit('/'), many(seq(component, lit('/'))), opt(component))
)

// label is one or more components with separators, see labelSep.
func label(want Access) piece {
	return func(n *nfa, from int) int {
		const slash, amp = '/', '&'
		first, inside, one, two, next := from, n.add(), n.add(), n.add(), n.add()
		is := func(c byte) func(byte) bool { return func(b byte) bool { return b == c } }
		not := func(cs ...byte) func(byte) bool { return func(b byte) bool { return !slices.Contains(cs, b) } }
		for _, s := range [...]int{first, inside, next} {
			(*n)[s].edges = append((*n)[s].edges, nfaEdge{is(slash), one}, nfaEdge{not(0, slash), inside})
		}
		(*n)[one].edges = []nfaEdge{{is(slash), two}, {not(0, slash), inside}}
		(*n)[two].edges = []nfaEdge{{is(slash), two}, {is(amp), next}, {not(0, slash, amp), inside}}
		for _, s := range [...]int{first, inside, one, two, next} {
			(*n)[s].label = true
		}
		(*n)[one].pending, (*n)[two].pending = 1, 2
		(*n)[next].gate, (*n)[next].split = true, true
		to := n.add()
		for _, s := range [...]int{inside, one, two} {
			(*n)[s].ends |= want
			(*n)[s].empty = append((*n)[s].empty, to)
		}
		return to
	}
}

// What is asked for on files, by the kind of the string.
const (
	askedOfFiles  Access = 1<<18 - 1
	askedOfLabels        = Access(blob.PermChangeProf | blob.PermOnexec)
	askedOfLinks         = Access(blob.PermLink)
	askedOnExec          = Access(blob.PermOnexec)
	askedOfNet           = Access(blob.AllNetPerms)
	askedOfMqueue        = Create | MayOpen | Delete | Read | Write | Getattr | Setattr
)

// fileGrammar is paths, labels, and behind the NUL of a path the target of a
// link or the label to change to. Labels and links can be left out.
func fileGrammar(labels, links bool) grammar {
	i := 0
	if labels {
		i |= 1
	}
	if links {
		i |= 2
	}
	return fileGrammars[i]()
}

var fileGrammars = [...]func() grammar{
	sync.OnceValue(func() grammar { return newFileGrammar(false, false) }),
	sync.OnceValue(func() grammar { return newFileGrammar(true, false) }),
	sync.OnceValue(func() grammar { return newFileGrammar(false, true) }),
	sync.OnceValue(func() grammar { return newFileGrammar(true, true) }),
}

func newFileGrammar(labels, links bool) grammar {
	var names, seconds []piece
	if labels {
		names, seconds = append(names, label(askedOfLabels)), append(seconds, seq(word, ends(askedOnExec)))
	}
	if links {
		seconds = append(seconds, seq(path, ends(askedOfLinks)))
	}
	file := seq(path, ends(askedOfFiles))
	if seconds != nil {
		file = seq(file, lit(0), gate, alt(seconds...))
	}
	return newGrammar(alt(append(names, file)...))
}

// netGrammar is sockets of all families but unix where those have strings of
// their own.
var netGrammar = sync.OnceValue(func() grammar {
	others := slices.DeleteFunc(named(linux.Families), func(f byte) bool { return f == linux.FamilyInet || f == linux.FamilyInet6 })
	typ := seq(binaryPart, lit(0), binaryPart, anyOf(named(linux.SocketTypes)...), ends(askedOfNet))
	protocol := seq(binaryPart, noneOf(), gate, binaryPart, noneOf(), ends(askedOfNet))
	none := lit(0, 0, 0)
	addr := func(of byte, ip piece) piece { // the port and the IP address
		return seq(binaryPart, alt(none, seq(number(2), lit(of), ip)), lit(0))
	}
	at := func(family, of byte, ip piece) piece {
		local := addr(of, ip)
		return seq(binaryPart, lit(0, family), typ, protocol, binaryPart, alt(
			seq(lit(1), local, ends(Bind)),
			seq(lit(0), local, ends(netLocal&askedOfNet|Bind|Listen|netOption), binaryPart, lit(0), gate, ends(netLocal&askedOfNet|Bind), binaryPart, alt(
				seq(lit(2), number(2), ends(Listen)),
				seq(lit(4), number(4), ends(netOption)))),
			seq(lit(2), local, ends(netPeer), binaryPart, lit(0), gate, lit(1, 0), local, ends(netPeer), lit(0), gate, ends(netPeer)),
		))
	}
	return newGrammar(alt(
		seq(binaryPart, lit(0), binaryPart, anyOf(others...), typ, protocol),
		at(linux.FamilyInet, 1, number(4)),
		at(linux.FamilyInet6, 2, number(16)),
	))
})

// named returns the numbers that have a name.
func named(names []string) []byte {
	var all []byte
	for i, name := range names {
		if name != "" {
			all = append(all, byte(i))
		}
	}
	return all
}

// unixGrammar is unix sockets behind the family. The name of an abstract
// address may hold NULs, so that there can be several ways to read a string.
var unixGrammar = sync.OnceValue(func() grammar {
	addr := alt(seq(), lit(1), seq(lit(0), many(noneOf())))
	return newGrammar(seq(
		binaryPart, lit(0), binaryPart, anyOf(named(linux.SocketTypes)...), number(2), ends(Create),
		addr, lit(0, 0), ends(Bind|Accept|Getattr|Setattr|Shutdown),
		alt(
			seq(lit(2), number(2), ends(Listen)),
			seq(lit(4), number(2), ends(netOption)),
			seq(lit(1), addr, lit(0), text, ends(netPeer)),
		)))
})

// mountGrammar is the strings of umount, pivot_root and the kinds of mounts,
// which differ in what of the source and the type of the file system they
// present and in their flags.
var mountGrammar = sync.OnceValue(func() grammar {
	flags := func(of MountFlags) piece { // ascending, each at most once
		var all []piece
		for i := range mountByteMax {
			if of>>i&1 != 0 {
				all = append(all, opt(lit(byte(i+1))))
			}
		}
		return seq(binaryPart, seq(all...))
	}
	const real = ^mountDropped
	const kinds = MountRemount | MountBind | MountMove | mountPropagation
	low, high := MountRemount-1, ^(MountRemount<<1 - 1)
	var propagation []piece
	for i := range mountByteMax {
		if f := MountFlags(1) << i; f&mountPropagation != 0 {
			propagation = append(propagation, seq(lit(byte(i+1)), flags(mountPropagation&^(f<<1-1))))
		}
	}
	data := seq(ends(mountPerm), opt(seq(lit(0), gate, word, ends(mountPerm))))
	return newGrammar(alt(
		seq(path, ends(umountPerm)),
		seq(path, lit(0), path, ends(pivotPerm)),
		seq(path, lit(0, 0, 0), flags(low), lit(6), flags(high&real), data),
		seq(path, lit(0), path, lit(0, 0), lit(13), flags(MountRec), data),
		seq(path, lit(0, 0, 0), flags(MountRec|MountSilent), alt(propagation...), data),
		seq(path, lit(0), opt(path), lit(0, 0), lit(14), data),
		seq(path, lit(0), text, lit(0), text, lit(0), flags(real&^kinds), data),
	))
})

// signalGrammar is the peer of a signal.
var signalGrammar = sync.OnceValue(func() grammar { return newGrammar(label(Send | Receive)) })

var ptraceGrammar = sync.OnceValue(func() grammar { return newGrammar(label(Trace | ReadPeer | TracedBy | ReadBy)) })

var dbusGrammar = sync.OnceValue(func() grammar {
	nul := lit(0)
	return newGrammar(seq(word, ends(dbusEavesdrop), nul, text, ends(dbusBind),
		nul, text, nul, text, nul, text, nul, text, ends(Send|Receive)))
})

var usernsGrammar = sync.OnceValue(func() grammar { return newGrammar(ends(usernsCreate)) })

var ioUringGrammar = sync.OnceValue(func() grammar {
	return newGrammar(alt(ends(ioUringSQPoll), label(ioUringCreds)))
})

var posixGrammar = sync.OnceValue(func() grammar {
	return newGrammar(seq(lit('/'), text, ends(askedOfMqueue), lit(0), gate, text, ends(askedOfMqueue)))
})

var sysvGrammar = sync.OnceValue(func() grammar {
	return newGrammar(seq(number(4), ends(askedOfMqueue), opt(seq(noneOf(0), gate, text, ends(askedOfMqueue)))))
})
