// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"strconv"
	"strings"

	"github.com/alecthomas/participle/v2/lexer"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/lang"
)

// This file makes the tree of package ast from what the productions captured.
// It shares no code with package parser: it reads the text of the tokens and
// decides for itself what they mean. What package parser would refuse, such as
// an unknown signal, it leaves out.

func lowerFile(f *file) []ast.Stmt {
	var out []ast.Stmt
	for _, i := range f.Items {
		at := span(i.Tokens)
		switch {
		case i.Include != nil:
			out = append(out, lowerInclude(i.Include, at))
		case i.ABI != nil:
			out = append(out, lowerABI(i.ABI, at))
		case i.Alias != nil:
			out = append(out, &ast.Alias{Span: at, From: pattern(i.Alias.From), To: pattern(i.Alias.To)})
		case i.Var != nil:
			out = append(out, &ast.VarAssign{Span: at, Name: variable(i.Var.Name), Op: assignOp(i.Var.Op), Values: patterns(i.Var.Values)})
		case i.Bool != nil:
			out = append(out, &ast.BoolAssign{Span: at, Name: variable(i.Bool.Name), Op: assignOp(i.Bool.Op), Value: lowerOr(i.Bool.Value)})
		case i.Profile != nil:
			p := i.Profile
			if p.Path != "" {
				out = append(out, lowerProfile(ast.KindPath, p.Path, p.Head, p.Body, at))
			} else {
				out = append(out, lowerProfile(profileKind(p.Keyword), p.Name, p.Head, p.Body, at))
			}
		}
	}
	return out
}

func lowerStmts(list []*stmt) []ast.Stmt {
	var out []ast.Stmt
	for _, s := range list {
		at := span(s.Tokens)
		switch {
		case s.Include != nil:
			out = append(out, lowerInclude(s.Include, at))
		case s.ABI != nil:
			out = append(out, lowerABI(s.ABI, at))
		case s.Child != nil:
			out = append(out, lowerProfile(profileKind(s.Child.Keyword), s.Child.Name, s.Child.Head, s.Child.Body, at))
		case s.Conditional != nil:
			out = append(out, lowerIf(s.Conditional, at))
		case s.Rlimit != nil:
			out = append(out, &ast.RlimitRule{Span: at, Name: text(s.Rlimit.Name), Value: text(s.Rlimit.Value), Unit: text(s.Rlimit.Unit)})
		case s.Rule != nil:
			out = append(out, lowerRule(s.Rule, at))
		}
	}
	return out
}

// span is where tokens are.
func span(list []lexer.Token) ast.Span {
	if len(list) == 0 {
		return ast.Span{}
	}
	last := list[len(list)-1]
	return ast.Span{From: ast.Pos(list[0].Pos.Offset + 1), To: ast.Pos(last.Pos.Offset + len(last.Value) + 1)}
}

// text is a word without its quotes.
func text(word string) string {
	if len(word) >= 2 && word[0] == '"' {
		return word[1 : len(word)-1]
	}
	return word
}

// pattern is the meaning of a word.
func pattern(word string) ast.Pattern { return ast.Decode(text(word)) }

func patterns(words []string) []ast.Pattern {
	var out []ast.Pattern
	for _, w := range words {
		out = append(out, pattern(w))
	}
	return out
}

// match is the meaning of a word that may be there and empty, in which case it
// is what matches the empty string.
func match(word string) ast.Pattern {
	if p := pattern(word); p != "" || word == "" {
		return p
	}
	return "{,}"
}

// variable is the name of a variable: what follows its sigil, without braces.
func variable(word string) string {
	return strings.TrimSuffix(strings.TrimPrefix(word[1:], "{"), "}")
}

func assignOp(op string) ast.AssignOp {
	return map[string]ast.AssignOp{"=": ast.AssignSet, "+=": ast.AssignAdd, "?=": ast.AssignDefault, ":=": ast.AssignReplace}[op]
}

// lowerInclude reads the one token of an include.
func lowerInclude(i *include, at ast.Span) *ast.Include {
	out := &ast.Include{Span: at}
	var rest string
	rest, out.Hash = strings.CutPrefix(i.Text, "#")
	rest = strings.TrimPrefix(rest, "include")
	const tabs = " \t"
	if words := strings.TrimLeft(rest, tabs); words != rest && strings.HasPrefix(words, "if") {
		if more := words[len("if"):]; strings.TrimLeft(more, tabs) != more {
			path, ok := strings.CutPrefix(strings.TrimLeft(more, tabs), "exists")
			if ok && strings.TrimLeft(path, tabs) != path {
				out.IfExists, rest = true, path
			}
		}
	}
	out.Path, out.Kind = path(strings.TrimLeft(rest, " \t\r\n"))
	return out
}

func lowerABI(a *abi, at ast.Span) *ast.ABI {
	out := &ast.ABI{Span: at}
	out.Path, out.Kind = path(a.Path)
	return out
}

// path reads the path of an include or abi statement.
func path(word string) (string, ast.IncludeKind) {
	switch {
	case strings.HasPrefix(word, `<"`):
		return word[2 : len(word)-2], ast.IncludeMagic
	case strings.HasPrefix(word, "<"):
		return strings.Trim(word[1:len(word)-1], " "), ast.IncludeMagic
	case strings.HasPrefix(word, `"`):
		return text(word), ast.IncludeQuoted
	}
	return word, ast.IncludeBare
}

func profileKind(keyword string) ast.ProfileKind {
	if keyword == "profile" {
		return ast.KindProfile
	}
	return ast.KindHat
}

func lowerProfile(kind ast.ProfileKind, name string, h *head, b *body, at ast.Span) *ast.Profile {
	out := &ast.Profile{Span: at, Kind: kind, Name: pattern(name), Attachment: pattern(h.Attachment)}
	if strings.HasPrefix(string(out.Name), ":") {
		ns, rest, _ := strings.Cut(string(out.Name[1:]), ":")
		out.Namespace, out.Name = ns, ast.Pattern(strings.TrimPrefix(rest, "//"))
	}
	if h.Xattrs != nil {
		for _, x := range h.Xattrs.Items {
			if x.Cond != nil {
				condition, _ := condName(x.Cond.Name)
				out.Xattrs = append(out.Xattrs, ast.Xattr{Name: condition, HasValue: true, Value: pattern(x.Cond.Value)})
			} else {
				out.Xattrs = append(out.Xattrs, ast.Xattr{Name: text(x.Name)})
			}
		}
	}
	for _, i := range h.Identities {
		out.Identities = append(out.Identities, patterns(i.Names.Values)...)
	}
	if h.Flags != nil {
		type flag struct{ name, value string }
		seen := map[flag]bool{}
		for _, v := range h.Flags.Flags.Values {
			var f flag
			f.name, f.value, _ = strings.Cut(string(pattern(v)), "=")
			if !seen[f] { // a repetition adds nothing
				seen[f] = true
				out.Flags = append(out.Flags, ast.Flag{Name: f.name, Value: f.value})
			}
		}
	}
	out.Body, out.Open, out.Close = lowerBody(b)
	return out
}

func lowerBody(b *body) (list []ast.Stmt, open, closing ast.Pos) {
	at := span(b.Tokens)
	return lowerStmts(b.Stmts), at.From, at.To - 1
}

func lowerIf(c *conditional, at ast.Span) *ast.If {
	var first, last *ast.If
	for _, b := range c.Branches {
		n := &ast.If{Span: ast.Span{From: ast.Pos(b.Pos.Offset + 1), To: at.To}, Cond: lowerOr(b.Cond)}
		n.Then, _, _ = lowerBody(b.Then)
		if first == nil {
			first = n
		} else {
			last.Else, last.HasElse, last.ElseIf = []ast.Stmt{n}, true, true
		}
		last = n
	}
	if c.Else != nil {
		last.HasElse = true
		last.Else, _, _ = lowerBody(c.Else)
	}
	return first
}

func lowerOr(o *or) ast.Expr {
	x := lowerAnd(o.Terms[0])
	for _, t := range o.Terms[1:] {
		x = &ast.BinaryExpr{Or: true, X: x, Y: lowerAnd(t)}
	}
	return x
}

func lowerAnd(a *and) ast.Expr {
	x := lowerNot(a.Terms[0])
	for _, t := range a.Terms[1:] {
		x = &ast.BinaryExpr{X: x, Y: lowerNot(t)}
	}
	return x
}

func lowerNot(n *not) ast.Expr {
	x := lowerTerm(n.Term)
	for range n.Nots {
		x = &ast.NotExpr{X: x}
	}
	return x
}

func lowerTerm(t *term) ast.Expr {
	switch {
	case t.Paren != nil:
		return &ast.ParenExpr{X: lowerOr(t.Paren)}
	case t.Defined != "":
		return &ast.DefinedExpr{Name: variable(t.Defined), Bool: t.Defined[0] == '$'}
	case t.Bool != "":
		return &ast.BoolVar{Name: variable(t.Bool)}
	case t.Compare != nil:
		op := map[string]ast.CompareOp{
			"==": ast.CompareEqual, "!=": ast.CompareNotEqual, "in": ast.CompareIn, ">": ast.CompareGreater,
			">=": ast.CompareGreaterEqual, "<": ast.CompareLess, "<=": ast.CompareLessEqual,
		}[t.Compare.Op]
		return &ast.CompareExpr{Op: op, X: operand(t.Compare.X), Y: operand(t.Compare.Y)}
	}
	return &ast.BoolLit{Value: strings.EqualFold(text(t.Lit), "true")}
}

// operand is a side of a comparison: a variable is always written with braces.
func operand(word string) ast.Pattern {
	name := strings.TrimPrefix(word, "@")
	if bare := strings.TrimSuffix(strings.TrimPrefix(name, "{"), "}"); name != word && ast.IsVariableName(bare) && (bare == name || name == "{"+bare+"}") {
		return ast.Pattern("@{" + bare + "}")
	}
	return pattern(word)
}

func lowerQualifiers(q *qualifiers) ast.Qualifiers {
	n, _ := strconv.Atoi(q.Priority)
	return ast.Qualifiers{
		Priority: int16(n),
		Audit:    q.Audit,
		Access:   map[string]ast.Access{"allow": ast.AllowExplicit, "deny": ast.Deny, "prompt": ast.Prompt}[q.Access],
		Owner:    map[string]ast.Owner{"owner": ast.OnlyOwner, "user": ast.OnlyOwner, "other": ast.OnlyOther}[q.Owner],
	}
}

func lowerRule(r *rule, at ast.Span) ast.Stmt {
	q := lowerQualifiers(r.Qualifiers)
	switch {
	case r.Block != nil:
		out := &ast.Block{Span: at, Qualifiers: q}
		out.Body, out.Open, out.Close = lowerBody(r.Block)
		return out
	case r.Capability != nil:
		return &ast.CapabilityRule{Span: at, Qualifiers: q, Names: r.Capability.Names}
	case r.Network != nil:
		return lowerNetwork(r.Network, q, at)
	case r.Unix != nil:
		return lowerUnix(r.Unix, q, at)
	case r.DBus != nil:
		return lowerDBus(r.DBus, q, at)
	case r.Signal != nil:
		return lowerSignal(r.Signal, q, at)
	case r.Ptrace != nil:
		out := &ast.PtraceRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.PtracePerm](r.Ptrace.Perms, r.Ptrace.Perm, &lang.PtracePerms)}
		for c := range conditions(r.Ptrace.Conds, nil) {
			out.Peer = match(c.value)
		}
		return out
	case r.Mount != nil:
		out := &ast.MountRule{Span: at, Qualifiers: q, Conds: lowerMountConds(r.Mount.Conds), Target: match(r.Mount.Target)}
		if source := pattern(r.Mount.Source); r.Mount.Source != "" && (source == "" || source == "detached") {
			out.Detached = true
		} else {
			out.Source = source
		}
		return out
	case r.Remount != nil:
		out := &ast.MountRule{Span: at, Qualifiers: q, Op: ast.OpUmount, Conds: lowerMountConds(r.Remount.Conds), Target: match(r.Remount.Target)}
		if r.Remount.Op == "remount" {
			out.Op = ast.OpRemount
		}
		return out
	case r.PivotRoot != nil:
		out := &ast.PivotRootRule{Span: at, Qualifiers: q, NewRoot: pattern(r.PivotRoot.NewRoot), Target: string(pattern(r.PivotRoot.Target))}
		for c := range conditions(r.PivotRoot.Conds, nil) {
			out.OldRoot = match(c.value)
		}
		return out
	case r.ChangeProfile != nil:
		c := r.ChangeProfile
		safety := map[string]ast.Safety{"safe": ast.Safe, "unsafe": ast.Unsafe}[c.Safety]
		return &ast.ChangeProfileRule{Span: at, Qualifiers: q, Safety: safety, Exec: pattern(c.Exec), Target: match(c.Target)}
	case r.Mqueue != nil:
		out := &ast.MqueueRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.MqueuePerm](r.Mqueue.Perms, r.Mqueue.Perm, &lang.MqueuePerms), Name: pattern(r.Mqueue.Name)}
		for c := range conditions(r.Mqueue.Conds, nil) {
			switch c.name {
			case "type":
				out.Type = text(c.value)
			case "label":
				out.Label = match(c.value)
			}
		}
		return out
	case r.IOUring != nil:
		out := &ast.IOUringRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.IOUringPerm](r.IOUring.Perms, r.IOUring.Perm, &lang.IOUringPerms)}
		for c := range conditions(r.IOUring.Conds, r.IOUring.Peer) {
			out.Label = match(c.value)
		}
		return out
	case r.Userns != nil:
		return &ast.UsernsRule{Span: at, Qualifiers: q, Create: r.Userns.Create}
	case r.All:
		return &ast.AllRule{Span: at, Qualifiers: q}
	case r.Link != nil:
		return &ast.LinkRule{Span: at, Qualifiers: q, Subset: r.Link.Subset, From: pattern(r.Link.From), To: match(r.Link.To)}
	}
	return lowerFileRule(r.File, q, at)
}

// lowerPerms reads one permission, or those in parentheses.
func lowerPerms[P ~uint8 | ~uint16](list *perms, one string, known *lang.Perms) P {
	var out P
	if list == nil {
		list = &perms{Names: []string{one}}
	}
	for _, name := range list.Names {
		set, _ := known.Parse(text(name))
		out |= P(set)
	}
	return out
}

// condition is a condition with one of its values.
type condition struct {
	name  string
	value string // as it is written
	first bool   // the first of the condition's values
	peer  bool   // in peer=( )
}

// conditions yields the conditions of a rule and of its peer, those with a list
// of values once for each.
func conditions(list []*cond, other *peer) func(func(condition) bool) {
	return func(yield func(condition) bool) {
		for _, c := range list {
			name, _ := condName(c.Name)
			for i, v := range condValues(c) {
				if !yield(condition{name: name, value: v, first: i == 0}) {
					return
				}
			}
		}
		if other == nil {
			return
		}
		for _, c := range other.Conds {
			name, _ := condName(c.Name)
			if !yield(condition{name: name, value: c.Value, first: true, peer: true}) {
				return
			}
		}
	}
}

func condValues(c *cond) []string {
	if c.Values != nil {
		return c.Values.Values
	}
	return []string{c.Value}
}

// condName takes the token of a condition apart. In says that its operator is
// not an equals sign but the word in.
func condName(token string) (name string, in bool) {
	name, equals := strings.CutSuffix(token, "=")
	if equals {
		name = strings.TrimSuffix(name, ":")
	} else {
		name, in = strings.CutSuffix(name, "in")
		if trimmed := strings.TrimRight(name, " \t"); !in || trimmed == name {
			return token, false // the lexer has taken the operator off
		}
	}
	return strings.TrimRight(name, " \t"), in
}

func lowerNetwork(n *network, q ast.Qualifiers, at ast.Span) ast.Stmt {
	out := &ast.NetworkRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.NetPerm](n.Perms, n.Perm, &lang.NetPerms)}
	for _, word := range []string{n.Family, n.Type} {
		switch {
		case word == "":
		case out.Family == "" && ast.Families().Has(word) && word == n.Family:
			out.Family = word
		case ast.NetTypes().Has(word):
			out.Type = word
		case ast.NetProtocols().Has(word):
			out.Protocol = word
		}
	}
	for c := range conditions(n.Conds, n.Peer) {
		end := &out.Local
		if c.peer {
			end = &out.Peer
		}
		switch {
		case !c.first: // of several values the first counts
		case c.name == "ip":
			end.IP = string(match(c.value))
		case c.name == "port":
			end.Port = ports(string(match(c.value)))
		case c.name == "interface":
			end.Interface = match(c.value)
		case c.name == "label":
			end.Label = match(c.value)
		}
	}
	return out
}

// ports is the canonical form of a port or a range of ports.
func ports(word string) string {
	low, high, isRange := strings.Cut(word, "-")
	a, _ := strconv.Atoi(low)
	if !isRange {
		return strconv.Itoa(a)
	}
	b, _ := strconv.Atoi(high)
	return strconv.Itoa(a) + "-" + strconv.Itoa(b)
}

func lowerUnix(u *unix, q ast.Qualifiers, at ast.Span) ast.Stmt {
	out := &ast.UnixRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.NetPerm](u.Perms, u.Perm, &lang.NetPerms)}
	for c := range conditions(u.Conds, u.Peer) {
		end := &out.Local
		if c.peer {
			end = &out.Peer
		}
		switch c.name {
		case "type":
			out.Type = string(match(c.value))
		case "addr":
			end.Addr = match(c.value)
		case "label":
			end.Label = match(c.value)
		}
	}
	return out
}

func lowerDBus(d *dbus, q ast.Qualifiers, at ast.Span) ast.Stmt {
	out := &ast.DBusRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.DBusPerm](d.Perms, d.Perm, &lang.DBusPerms)}
	for c := range conditions(d.Conds, d.Peer) {
		value := match(c.value)
		switch {
		case c.name == "name" && c.peer:
			out.PeerName = value
		case c.name == "name":
			out.Name = value
		case c.name == "label":
			out.PeerLabel = value
		case c.name == "bus":
			out.Bus = value
		case c.name == "path":
			out.Path = value
		case c.name == "interface":
			out.Interface = value
		case c.name == "member":
			out.Member = value
		}
	}
	return out
}

func lowerSignal(s *signal, q ast.Qualifiers, at ast.Span) ast.Stmt {
	out := &ast.SignalRule{Span: at, Qualifiers: q, Perms: lowerPerms[ast.SignalPerm](s.Perms, s.Perm, &lang.SignalPerms)}
	for c := range conditions(s.Conds, nil) {
		switch c.name {
		case "set":
			name := string(pattern(c.value))
			if number, ok := strings.CutPrefix(name, "rtmin+"); ok {
				// Digits after a sign, as far as they go; none are 0.
				number = strings.TrimLeft(number, "+-")
				end := len(number) - len(strings.TrimLeft(number, "0123456789"))
				n, _ := strconv.Atoi(number[:end])
				name = "rtmin+" + strconv.Itoa(n)
			}
			out.Signals = append(out.Signals, name)
		case "peer":
			out.Peer = match(c.value)
		}
	}
	return out
}

func lowerMountConds(list []*mountCond) []ast.MountCond {
	var out []ast.MountCond
	for _, c := range list {
		name, in := condName(c.Cond.Name)
		out = append(out, ast.MountCond{
			Span: span(c.Tokens), Options: strings.HasPrefix(name, "option"), In: in, Values: patterns(condValues(c.Cond)),
		})
	}
	return out
}

func lowerFileRule(f *fileRule, q ast.Qualifiers, at ast.Span) ast.Stmt {
	if f.All {
		return &ast.FileRule{Span: at, Qualifiers: q, All: true}
	}
	perms, exec, scrub := fileMode(f.Lead + f.Mode)
	path := pattern(f.Path + f.Path2)
	if f.Target != "" && perms == ast.FileLink && exec == ast.ExecNone {
		return &ast.LinkRule{Span: at, Qualifiers: q, Subset: f.Subset, From: path, To: match(f.Target)}
	}
	if f.Safety != "" {
		scrub = f.Safety == "safe" && exec != ast.ExecInherit
	}
	out := &ast.FileRule{Span: at, Qualifiers: q, Path: path, Perms: perms, Exec: exec, Scrub: scrub}
	if f.Target != "" && perms&ast.FileLink != 0 && exec == ast.ExecNone {
		out.Link = match(f.Target)
	} else {
		out.Target = string(pattern(f.Target))
	}
	return out
}

// fileMode reads the permissions of a file rule: letters, and exec modes that
// end in an x.
func fileMode(word string) (perms ast.FilePerm, exec ast.Exec, scrub bool) {
	letters := map[byte]ast.FilePerm{
		'r': ast.FileRead, 'w': ast.FileWrite, 'a': ast.FileAppend, 'l': ast.FileLink, 'k': ast.FileLock, 'm': ast.FileMmap,
	}
	modes := map[string]ast.Exec{
		"x": ast.ExecDeny, "ix": ast.ExecInherit, "ux": ast.ExecUnconfined, "px": ast.ExecProfile, "cx": ast.ExecChild,
		"pix": ast.ExecProfileInherit, "cix": ast.ExecChildInherit, "pux": ast.ExecProfileUnconfined, "cux": ast.ExecChildUnconfined,
	}
	for from := 0; from < len(word); {
		if p, ok := letters[word[from]|0x20]; ok {
			perms |= p
			from++
			continue
		}
		end := strings.IndexAny(word[from:], "xX")
		if end < 0 {
			return perms, exec, scrub // no permissions at all
		}
		mode := word[from : from+end+1]
		exec = modes[strings.ToLower(mode)]
		scrub = strings.ContainsAny(mode[:1], "PCU")
		from += len(mode)
	}
	return perms, exec, scrub
}
