// SPDX-License-Identifier: Apache-2.0

package automaton

// globParser builds a Node from the symbols of a regular expression. The
// caller keeps groups balanced and closes every class.
type globParser struct {
	nodes  *Nodes  // where nodes are made; nil: each for itself
	frames []frame // the open groups, the outermost first, and some that were
	depth  int     // how many are open
	class  class
	exact  bool   // no wildcard and no negated class was seen
	wrong  string // what is wrong with a class, if anything
}

// frame is a group that is being read.
type frame struct {
	alts []Node // the finished alternatives
	seq  []Node // the current one
	// The literal at its end is a part of the text, or lit if that is not empty.
	text string
	lit  []byte
}

// frame is the innermost open group.
func (p *globParser) frame() *frame { return &p.frames[p.depth-1] }

// push opens a group.
func (p *globParser) push() {
	if p.depth++; p.depth > len(p.frames) {
		p.frames = append(p.frames, frame{})
	}
	f := p.frame()
	*f = frame{f.alts[:0], f.seq[:0], "", f.lit[:0]}
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

func (f *frame) flush(m *Nodes) {
	switch {
	case len(f.lit) > 0:
		f.seq = append(f.seq, m.literal(string(f.lit)))
	case f.text != "":
		f.seq = append(f.seq, m.literal(f.text))
	}
	f.text, f.lit = "", f.lit[:0]
}

func (f *frame) finish(m *Nodes) Node {
	f.flush(m)
	n := m.cat(f.seq)
	if len(f.alts) == 0 {
		return n
	}
	f.alts = append(f.alts, n)
	return m.alt(f.alts)
}

// add ends the literal and adds a node.
func (p *globParser) add(n Node) {
	f := p.frame()
	f.flush(p.nodes)
	f.seq = append(f.seq, n)
}

// literal reads a literal byte.
func (p *globParser) literal(c byte) {
	if p.class.open {
		p.member(c)
		return
	}
	f := p.frame()
	f.lit = append(f.own(), c)
}

// own returns the bytes of the literal, which are not the text's.
func (f *frame) own() []byte {
	if f.text != "" {
		f.text, f.lit = "", append(f.lit[:0], f.text...)
	}
	return f.lit
}

// run reads literal bytes outside of classes, at least one.
func (p *globParser) run(text string) {
	f := p.frame()
	if f.text == "" && len(f.lit) == 0 {
		f.text = text
		return
	}
	f.lit = append(f.own(), text...)
}

// symbol reads a byte whose meaning depends on its place: brackets and, within
// a class, a caret and a dash.
func (p *globParser) symbol(c byte) {
	k := &p.class
	switch {
	case !k.open && c == '[':
		p.class = class{open: true, empty: true, last: -1}
	case !k.open:
		p.literal(c)
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
	p.add(p.nodes.in(set))
}

// negated reads the class of all bytes except some.
func (p *globParser) negated(not string) {
	if !p.class.open {
		p.exact = false
		switch not {
		case "/\x00":
			p.add(nameByte)
		case "\x00":
			p.add(pathByte)
		default:
			p.add(p.nodes.in(SetOf([]byte(not)...).Not()))
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
	p.add(p.nodes.in(Set{}.Not()))
}

// star repeats the class before it.
func (p *globParser) star() {
	if p.class.open {
		p.member('*')
		return
	}
	seq := p.frame().seq
	last := &seq[len(seq)-1]
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

func (p *globParser) group() { p.push() }

func (p *globParser) or() {
	f := p.frame()
	f.flush(p.nodes)
	f.alts = append(f.alts, p.nodes.cat(f.seq))
	f.seq = f.seq[:0]
}

func (p *globParser) endGroup() {
	n := p.frame().finish(p.nodes)
	p.depth--
	p.add(n)
}
