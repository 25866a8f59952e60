package ast

import (
	"errors"
	"fmt"
	"strings"
)

// MaxDepth is how deep a tree may be nested for Check to accept it.
const MaxDepth = 1000

// CheckError says why a node cannot be written as policy.
type CheckError struct {
	Node    Node
	Field   string // of the node, as Go names it
	Text    string // the field's text, if it is text
	Problem string // a clause
	Err     error  // the cause, such as a *PatternError; or nil
}

// Error implements error.
func (e *CheckError) Error() string {
	kind := fmt.Sprintf("%T", e.Node)
	if len(kind) > len("*ast.") {
		kind = kind[len("*ast."):]
	}
	if e.Field != "" {
		kind += "." + e.Field
	}
	if e.Text == "" {
		return kind + ": " + e.Problem
	}
	text := e.Text
	if len(text) > 64 {
		text = text[:64] + "..."
	}
	return fmt.Sprintf("%s %q: %s", kind, text, e.Problem)
}

// Unwrap returns the cause.
func (e *CheckError) Unwrap() error { return e.Err }

var (
	errEmpty  = errors.New("must not be empty")
	errBytes  = errors.New("has a byte that cannot stand there")
	errRange  = errors.New("is not one of its type's values")
	errUnused = errors.New("cannot be written in this rule")
)

// Check reports whether n, and everything below it, can be written as policy
// text that means the same. It is for trees that were built by hand: names
// made of the wrong bytes, patterns that no text decodes to, missing parts,
// qualifiers that a rule type does not take. It does not judge what only the
// compiler knows, such as whether a capability exists or a glob is well
// formed; see Pattern.Check for the latter. What the parser returns passes,
// unless a word ends in a lone backslash, which compiles nowhere.
//
// Check does not allocate unless it fails. The error is a *CheckError.
func Check(n Node) error {
	if err := (checker{n, 0}).check(); err != nil {
		return err
	}
	return nil
}

// checker checks one node. Its methods return the typed pointer, so that a
// failing check can be returned as it is and chains stay readable.
type checker struct {
	node  Node
	depth int
}

func (c checker) fail(field, text string, err error) *CheckError {
	e := &CheckError{Node: c.node, Field: field, Text: text, Problem: err.Error()}
	if pe := (*PatternError)(nil); errors.As(err, &pe) {
		e.Problem, e.Err = pe.Problem.String(), pe
	}
	return e
}

// first returns the first failure.
func first(errs ...*CheckError) *CheckError {
	for _, e := range errs {
		if e != nil {
			return e
		}
	}
	return nil
}

func (c checker) check() *CheckError {
	if c.depth > MaxDepth {
		return c.fail("", "", errors.New("is nested too deep"))
	}
	switch n := c.node.(type) {
	case nil:
		return c.fail("", "", errors.New("is nil"))
	case *File:
		return c.stmts("Stmts", n.Stmts)
	case *Include:
		return c.include(n.Path, n.Kind)
	case *ABI:
		return c.include(n.Path, n.Kind)
	case *Alias:
		return first(c.path("From", n.From), c.needed("To", n.To))
	case *VarAssign:
		return first(c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.patterns("Values", n.Values))
	case *BoolAssign:
		return first(c.variable("Name", n.Name), c.inRange("Op", int(n.Op), int(AssignReplace)), c.sub("Value", n.Value))
	case *Profile:
		return c.profile(n)
	case *Xattr:
		return first(c.word("Name", n.Name, isXattrByte), c.pattern("Value", n.Value))
	case *Flag:
		return first(c.word("Name", n.Name, isFlagByte), c.pattern("Value", Pattern(n.Value)))
	case *Block:
		return first(c.qualifiers(&n.Qualifiers, takesOwner), c.stmts("Body", n.Body))
	case *If:
		return c.conditional(n)
	case *Comment:
		return c.text("Text", n.Text, func(b byte) bool { return b != '\n' && b != '\r' && b != 0 })
	case *Bad:
		return nil
	case Rule:
		return c.rule(n)
	case Expr:
		return c.expr(n)
	case *MountCond:
		if len(n.Values) == 0 {
			return c.fail("Values", "", errEmpty)
		}
		return c.patterns("Values", n.Values)
	}
	return c.fail("", "", errors.New("is of a type that no tree holds"))
}

// sub checks a node below this one.
func (c checker) sub(field string, n Node) *CheckError {
	if n == nil {
		return c.fail(field, "", errEmpty)
	}
	return checker{n, c.depth + 1}.check()
}

func (c checker) stmts(field string, list []Stmt) *CheckError {
	for _, s := range list {
		if err := c.sub(field, s); err != nil {
			return err
		}
	}
	return nil
}

// include checks a path, which is written as it is: nothing in it can be
// escaped.
func (c checker) include(path string, kind IncludeKind) *CheckError {
	_, isABI := c.node.(*ABI)
	ok := false
	switch kind {
	case IncludeMagic:
		ok = path != "" && !strings.ContainsAny(path, "\x00\n\">")
		if ok && (isBlank(path[0]) || isBlank(path[len(path)-1])) {
			// Such a path is put in quotes, which abi statements do not take.
			ok = !isABI && path[0] != '\r' && path[len(path)-1] != '\r'
		}
	case IncludeQuoted:
		ok = endsQuoted(path)
	case IncludeBare:
		if strings.IndexByte(path, '\\') >= 0 {
			ok = endsBare(path, isABI)
		} else {
			ok = endsQuoted(path)
		}
	default:
		return c.fail("Kind", "", errRange)
	}
	if !ok {
		return c.fail("Path", path, errBytes)
	}
	return nil
}

func isBlank(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' }

// endsQuoted reports whether path ends where it should when it stands between
// quotes.
func endsQuoted(path string) bool {
	for i := 0; i < len(path); i++ {
		switch path[i] {
		case '"', 0:
			return false
		case '\\':
			if i++; i == len(path) || path[i] == 0 {
				return false
			}
		}
	}
	return true
}

// endsBare reports whether path ends where it should without quotes.
func endsBare(path string, abi bool) bool {
	for i := 0; i < len(path); i++ {
		switch b := path[i]; {
		case b == 0, b == '<' && (i == 0 || !abi):
			return false
		case b == '\\' && abi:
			if i++; i == len(path) || path[i] == 0 || path[i] == '\n' || path[i] == '\r' {
				return false
			}
		case isBlank(b), b == '"', abi && (b == '!' || b == ',' && i == len(path)-1):
			return false
		}
	}
	return path != "" && path[0] != ','
}

func (c checker) profile(p *Profile) *CheckError {
	if err := first(
		c.inRange("Kind", int(p.Kind), int(KindHat)),
		c.needed("Name", p.Name),
		c.pattern("Attachment", p.Attachment),
	); err != nil {
		return err
	}
	switch b := p.Name[0]; {
	case b == ':' || b == '&':
		return c.fail("Name", string(p.Name), errors.New("must not begin like a namespace or a stack"))
	case p.Kind == KindPath && p.Namespace == "" && b != '/':
		return c.fail("Name", string(p.Name), errors.New("must be a path or have a keyword in front"))
	case p.Namespace != "" && b == '/' && len(p.Name) > 1 && p.Name[1] == '/':
		return c.fail("Name", string(p.Name), errors.New("must not begin with two slashes behind a namespace"))
	}
	for i := 0; i < len(p.Namespace); i++ {
		if b := p.Namespace[i]; b == ':' || b == '\\' || b == 0 {
			return c.fail("Namespace", p.Namespace, errBytes)
		}
	}
	if a := p.Attachment; a != "" && a[0] != '/' && !a.startsVariable() {
		return c.fail("Attachment", string(a), errors.New("must begin with a slash or a variable"))
	}
	for i := range p.Xattrs {
		if err := c.sub("Xattrs", &p.Xattrs[i]); err != nil {
			return err
		}
	}
	for _, id := range p.Identities {
		if err := c.needed("Identities", id); err != nil {
			return err
		}
		if id[0] != '/' && strings.ContainsAny(string(id), " \t") {
			return c.fail("Identities", string(id), errors.New("must begin with a slash to hold a blank"))
		}
	}
	for i := range p.Flags {
		if err := c.sub("Flags", &p.Flags[i]); err != nil {
			return err
		}
	}
	return c.stmts("Body", p.Body)
}

func (c checker) conditional(n *If) *CheckError {
	if err := first(c.sub("Cond", n.Cond), c.stmts("Then", n.Then)); err != nil {
		return err
	}
	if n.ElseIf {
		if len(n.Else) != 1 {
			return c.fail("Else", "", errors.New("must be one If"))
		}
		if _, ok := n.Else[0].(*If); !ok {
			return c.fail("Else", "", errors.New("must be one If"))
		}
	}
	return c.stmts("Else", n.Else)
}

func (c checker) expr(n Expr) *CheckError {
	switch n := n.(type) {
	case *BinaryExpr:
		return first(c.sub("X", n.X), c.sub("Y", n.Y))
	case *NotExpr:
		return c.sub("X", n.X)
	case *ParenExpr:
		return c.sub("X", n.X)
	case *BoolVar:
		return c.variable("Name", n.Name)
	case *DefinedExpr:
		return c.variable("Name", n.Name)
	case *CompareExpr:
		return first(c.inRange("Op", int(n.Op), int(CompareLessEqual)), c.pattern("X", n.X), c.pattern("Y", n.Y))
	}
	return nil // BoolLit
}

// What a rule type takes of qualifiers, beside audit and access.
const (
	takesPriority = 1 << iota
	takesOwner
)

func (c checker) rule(r Rule) *CheckError {
	q := r.Quals()
	switch r := r.(type) {
	case *FileRule:
		return first(c.qualifiers(q, takesPriority|takesOwner), c.file(r))
	case *LinkRule:
		return first(c.qualifiers(q, takesPriority|takesOwner), c.fileName("From", r.From), c.needed("To", r.To))
	case *CapabilityRule:
		return first(c.qualifiers(q, takesPriority), c.words("Names", r.Names, isNameByte))
	case *NetworkRule:
		return first(c.qualifiers(q, 0), c.inRange("Perms", int(r.Perms), int(NetReceive)<<1-1),
			c.optional("Family", r.Family, isNameByte), c.optional("Type", r.Type, isNameByte), c.optional("Protocol", r.Protocol, isNameByte),
			c.netEnd("Local", &r.Local), c.netEnd("Peer", &r.Peer), c.unused("Peer.Interface", r.Peer.Interface))
	case *UnixRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(NetReceive)<<1-1),
			c.optional("Type", r.Type, isNameByte), c.pattern("Local.Addr", r.Local.Addr), c.unused("Local.Label", r.Local.Label),
			c.pattern("Peer.Addr", r.Peer.Addr), c.pattern("Peer.Label", r.Peer.Label))
	case *DBusRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(DBusEavesdrop)<<1-1),
			c.pattern("Bus", r.Bus), c.pattern("Name", r.Name), c.pattern("Path", r.Path), c.pattern("Interface", r.Interface),
			c.pattern("Member", r.Member), c.pattern("PeerName", r.PeerName), c.pattern("PeerLabel", r.PeerLabel))
	case *SignalRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(SignalReceive)<<1-1),
			c.words("Signals", r.Signals, isNameByte), c.pattern("Peer", r.Peer))
	case *PtraceRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(PtraceReadBy)<<1-1), c.pattern("Peer", r.Peer))
	case *MountRule:
		return first(c.qualifiers(q, takesPriority), c.mount(r))
	case *PivotRootRule:
		return first(c.qualifiers(q, takesPriority), c.pattern("OldRoot", r.OldRoot), c.pattern("NewRoot", r.NewRoot), c.pattern("Target", Pattern(r.Target)))
	case *ChangeProfileRule:
		return first(c.qualifiers(q, takesPriority), c.changeProfile(r))
	case *RlimitRule:
		if *q != (Qualifiers{}) {
			return c.fail("Qualifiers", "", errUnused)
		}
		return first(c.word("Name", r.Name, isNameByte), c.word("Value", r.Value, isNameByte), c.optional("Unit", r.Unit, isNameByte))
	case *MqueueRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(MqueueSetattr)<<1-1),
			c.optional("Type", r.Type, isNameByte), c.pattern("Label", r.Label), c.mqueueName(r.Name))
	case *IOUringRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(IOUringOverrideCreds)<<1-1), c.pattern("Label", r.Label))
	case *UsernsRule:
		return c.qualifiers(q, takesPriority)
	case *AllRule:
		return c.qualifiers(q, 0)
	}
	return c.fail("", "", errors.New("is of a type that no tree holds"))
}

func (c checker) qualifiers(q *Qualifiers, takes int) *CheckError {
	switch {
	case q.Access > Prompt:
		return c.fail("Access", "", errRange)
	case q.Owner > OnlyOther:
		return c.fail("Owner", "", errRange)
	case q.Priority < -1000 || q.Priority > 1000:
		return c.fail("Priority", "", errors.New("is not within -1000 and 1000"))
	case q.Priority != 0 && takes&takesPriority == 0:
		return c.fail("Priority", "", errUnused)
	case q.Owner != AnyOwner && takes&takesOwner == 0:
		return c.fail("Owner", "", errUnused)
	}
	return nil
}

func (c checker) file(r *FileRule) *CheckError {
	const every = FileRead | FileWrite | FileLink | FileLock | FileMmap
	if r.All {
		bare := r.Perms == 0 && r.Exec == ExecNone || r.Perms == every && r.Exec == ExecInherit
		if !bare || r.Path != "" || r.Scrub || r.Target != "" || r.Link != "" {
			return c.fail("All", "", errors.New("must stand alone"))
		}
		return nil
	}
	if err := first(
		c.fileName("Path", r.Path),
		c.inRange("Perms", int(r.Perms), int(FileMmap)<<1-1),
		c.inRange("Exec", int(r.Exec), int(ExecChildUnconfined)),
		c.pattern("Target", Pattern(r.Target)),
	); err != nil {
		return err
	}
	switch {
	case r.Perms == 0 && r.Exec == ExecNone:
		return c.fail("Perms", "", errEmpty)
	case r.Perms&FileWrite != 0 && r.Perms&FileAppend != 0:
		return c.fail("Perms", "", errors.New("write and append exclude each other in one rule"))
	case r.Scrub && r.Exec <= ExecDeny:
		return c.fail("Scrub", "", errors.New("needs an exec mode"))
	case r.Link == "":
		return nil
	case r.Perms&FileLink == 0 || r.Perms == FileLink:
		return c.fail("Link", string(r.Link), errors.New("needs the link permission and another beside it"))
	case r.Exec != ExecNone || r.Target != "":
		return c.fail("Link", string(r.Link), errors.New("cannot stand with an exec mode or its target"))
	}
	return c.pattern("Link", r.Link)
}

func (c checker) mount(r *MountRule) *CheckError {
	if err := first(
		c.inRange("Op", int(r.Op), int(OpUmount)),
		c.pattern("Source", r.Source),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch {
	case r.Source != "" && (r.Op != OpMount || r.Detached):
		return c.fail("Source", string(r.Source), errUnused)
	case r.Source == "detached":
		return c.fail("Source", string(r.Source), errors.New("would read as Detached"))
	case r.Detached && r.Op != OpMount:
		return c.fail("Detached", "", errUnused)
	}
	for i := range r.Conds {
		if err := c.sub("Conds", &r.Conds[i]); err != nil {
			return err
		}
	}
	return nil
}

func (c checker) changeProfile(r *ChangeProfileRule) *CheckError {
	if err := first(
		c.inRange("Safety", int(r.Safety), int(Unsafe)),
		c.pattern("Exec", r.Exec),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch e := r.Exec; {
	case e != "" && e[0] != '/' && !e.startsVariable():
		return c.fail("Exec", string(e), errors.New("must begin with a slash or a variable"))
	case e == "" && r.Safety != SafetyDefault:
		return c.fail("Safety", "", errors.New("needs Exec"))
	}
	return nil
}

func (c checker) mqueueName(name Pattern) *CheckError {
	if name == "" || name[0] == '/' {
		return c.pattern("Name", name)
	}
	return c.text("Name", string(name), func(b byte) bool { return '0' <= b && b <= '9' })
}

func (c checker) netEnd(field string, e *NetEnd) *CheckError {
	isIP := func(b byte) bool { return b == '.' || b == ':' || isNameByte(b) }
	return first(c.optional(field, e.IP, isIP), c.optional(field, e.Port, isNameByte),
		c.pattern(field, e.Interface), c.pattern(field, e.Label))
}

// inRange checks an enumeration or a set against its highest value.
func (c checker) inRange(field string, v, high int) *CheckError {
	if v > high {
		return c.fail(field, "", errRange)
	}
	return nil
}

// unused checks that a pattern is absent.
func (c checker) unused(field string, p Pattern) *CheckError {
	if p != "" {
		return c.fail(field, string(p), errUnused)
	}
	return nil
}

// pattern checks a pattern that may be absent.
func (c checker) pattern(field string, p Pattern) *CheckError {
	if i, problem := p.encodable(); i >= 0 {
		return c.fail(field, string(p), &PatternError{Text: string(p), Offset: i, Problem: problem})
	}
	return nil
}

func (c checker) patterns(field string, list []Pattern) *CheckError {
	for _, p := range list {
		if err := c.pattern(field, p); err != nil {
			return err
		}
	}
	return nil
}

// needed checks a pattern that may not be absent.
func (c checker) needed(field string, p Pattern) *CheckError {
	if p == "" {
		return c.fail(field, "", errEmpty)
	}
	return c.pattern(field, p)
}

// path checks a pattern that must stand as a path word.
func (c checker) path(field string, p Pattern) *CheckError {
	if err := c.needed(field, p); err != nil {
		return err
	}
	switch p[0] {
	case '/', '@', ':', '&':
		return nil
	}
	return c.fail(field, string(p), errors.New("does not begin like a path"))
}

// fileName checks the path of a file rule, which may also be a bare word.
func (c checker) fileName(field string, p Pattern) *CheckError {
	if p == "" {
		return c.fail(field, "", errEmpty)
	}
	if isBareFile(string(p)) {
		return nil
	}
	return c.path(field, p)
}

func (c checker) variable(field, name string) *CheckError {
	if !IsVariableName(name) {
		return c.fail(field, name, errors.New("is no name of a variable"))
	}
	return nil
}

// word checks text that must not be empty and has only the given bytes.
func (c checker) word(field, text string, ok func(byte) bool) *CheckError {
	if text == "" {
		return c.fail(field, "", errEmpty)
	}
	return c.text(field, text, ok)
}

func (c checker) words(field string, list []string, ok func(byte) bool) *CheckError {
	for _, s := range list {
		if err := c.word(field, s, ok); err != nil {
			return err
		}
	}
	return nil
}

// optional is word for text that may be absent.
func (c checker) optional(field, text string, ok func(byte) bool) *CheckError {
	return c.text(field, text, ok)
}

func (c checker) text(field, text string, ok func(byte) bool) *CheckError {
	for i := 0; i < len(text); i++ {
		if !ok(text[i]) {
			return c.fail(field, text, errBytes)
		}
	}
	return nil
}

func isNameByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_', b == '-', b == '+':
		return true
	}
	return false
}

func isFlagByte(b byte) bool { return isNameByte(b) || b == '.' }

func isXattrByte(b byte) bool { return isNameByte(b) || b == '.' || b == ':' || b == '@' || b == '/' }

func (p Pattern) startsVariable() bool { return len(p) > 1 && p[0] == '@' && p[1] == '{' }

// isBareFile reports whether a word that does not look like a path is the
// name of a file rule and nothing else, as `foo` in `foo r,`: no keyword and no
// list of permissions.
func isBareFile(s string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z':
		case i > 0 && ('0' <= b && b <= '9' || b == '_'):
		default:
			return false
		}
	}
	return s != "" && !IsFilePerms(s) && !IsReserved(s)
}
