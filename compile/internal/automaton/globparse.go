// SPDX-License-Identifier: Apache-2.0

package automaton

// globParser builds a Node from the symbols of a regular expression. The
// caller keeps groups balanced and closes every class.
type globParser struct {
	frame         // the innermost open group
	outer []frame // the groups around it
	class class
	exact bool   // no wildcard and no negated class was seen
	wrong string // what is wrong with a class, if anything
}

// frame is a group that is being read.
type frame struct {
	alts []Node // the finished alternatives
	seq  []Node // the current one
	lit  []byte // the literal at its end
}

// class is a class that is being read.
type class struct {
	open, negated bool
	set           Set
	empty         bool // nothing was read, neither byte nor caret
	items         int
	last          int  // the byte that a range could begin with, or -1
	dash          bool // a range waits for its end
}

func (f *frame) flush() {
	if len(f.lit) > 0 {
		f.seq = append(f.seq, Literal(string(f.lit)))
		f.lit = f.lit[:0]
	}
}

func (f *frame) finish() Node {
	f.flush()
	n := Cat(f.seq...)
	if f.alts == nil {
		return n
	}
	return Alt(append(f.alts, n)...)
}

// literal reads a literal byte.
func (p *globParser) literal(c byte) {
	if p.class.open {
		p.member(c)
		return
	}
	p.lit = append(p.lit, c)
}

// symbol reads a byte whose meaning depends on its place: brackets and, within
// a class, a caret and a dash.
func (p *globParser) symbol(c byte) {
	k := &p.class
	switch {
	case !k.open && c == '[':
		p.class = class{open: true, empty: true, last: -1}
	case !k.open:
		p.lit = append(p.lit, c)
	case c == ']':
		p.closeClass()
	case c == '^' && k.empty:
		k.negated, k.empty = true, false
	case c == '-' && k.items > 0:
		if k.last < 0 || k.dash {
			p.wrong = "- at the edge of a range"
			return
		}
		k.dash = true
	default:
		p.member(c)
	}
}

func (p *globParser) member(c byte) {
	k := &p.class
	k.empty = false
	k.items++
	if k.dash {
		k.set.AddRange(min(byte(k.last), c), max(byte(k.last), c))
		k.dash, k.last = false, -1
		return
	}
	k.set.Add(c)
	k.last = int(c)
}

func (p *globParser) closeClass() {
	k := &p.class
	switch {
	case k.items == 0:
		p.wrong = "empty class"
	case k.dash:
		p.wrong = "- at the end of a class"
	}
	k.open = false
	set := k.set
	if k.negated {
		set = set.Not()
		p.exact = false
	}
	p.flush()
	p.seq = append(p.seq, In(set))
}

// negated reads the class of all bytes except some.
func (p *globParser) negated(not string) {
	if !p.class.open {
		p.exact = false
		p.flush()
		switch not {
		case "/\x00":
			p.seq = append(p.seq, nameByte)
		case "\x00":
			p.seq = append(p.seq, pathByte)
		default:
			p.seq = append(p.seq, NoneOf([]byte(not)...))
		}
		return
	}
	p.symbol('[')
	p.symbol('^')
	for i := 0; i < len(not); i++ {
		p.symbol(not[i])
	}
	p.symbol(']')
	p.exact = false
}

// dot reads the class of all bytes.
func (p *globParser) dot() {
	p.exact = false
	if p.class.open {
		p.member('.')
		return
	}
	p.flush()
	p.seq = append(p.seq, In(Set{}.Not()))
}

// star repeats the class before it.
func (p *globParser) star() {
	if p.class.open {
		p.member('*')
		return
	}
	last := &p.seq[len(p.seq)-1]
	switch last.x {
	case nameByte.x:
		*last = nameBytes
	case pathByte.x:
		*last = pathBytes
	default:
		*last = Star(*last)
	}
}

// The classes that `*` and `**` repeat, and their repetitions.
var (
	nameByte, pathByte   = NoneOf('/', 0), NoneOf(0)
	nameBytes, pathBytes = Star(nameByte), Star(pathByte)
)

func (p *globParser) group() {
	p.outer = append(p.outer, p.frame)
	p.frame = frame{}
}

func (p *globParser) or() {
	p.flush()
	p.alts = append(p.alts, Cat(p.seq...))
	p.seq = p.seq[:0]
}

func (p *globParser) endGroup() {
	n := p.frame.finish()
	p.frame = p.outer[len(p.outer)-1]
	p.outer = p.outer[:len(p.outer)-1]
	p.flush()
	p.seq = append(p.seq, n)
}
