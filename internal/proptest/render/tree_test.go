// SPDX-License-Identifier: Apache-2.0

package render_test

import (
	"math/rand"
	"reflect"
	"slices"
	"strings"

	"github.com/leanovate/gopter"

	"github.com/goarmor/apparmor/ast"
)

// trees generates nodes of every type with every field filled: mostly with
// what the field is for, now and then with anything at all.
type trees struct {
	*rand.Rand
	depth int // how much deeper statements may nest
	wild  int // one field in so many holds anything; 0: none does
}

// The types of statement and expression, by where they may be.
var (
	bodyTypes = []reflect.Type{
		reflect.TypeFor[ast.FileRule](), reflect.TypeFor[ast.FileRule](), reflect.TypeFor[ast.LinkRule](),
		reflect.TypeFor[ast.CapabilityRule](), reflect.TypeFor[ast.NetworkRule](), reflect.TypeFor[ast.UnixRule](),
		reflect.TypeFor[ast.DBusRule](), reflect.TypeFor[ast.SignalRule](), reflect.TypeFor[ast.PtraceRule](),
		reflect.TypeFor[ast.MountRule](), reflect.TypeFor[ast.PivotRootRule](), reflect.TypeFor[ast.ChangeProfileRule](),
		reflect.TypeFor[ast.RlimitRule](), reflect.TypeFor[ast.MqueueRule](), reflect.TypeFor[ast.IOUringRule](),
		reflect.TypeFor[ast.UsernsRule](), reflect.TypeFor[ast.AllRule](), reflect.TypeFor[ast.Include](),
		reflect.TypeFor[ast.ABI](), reflect.TypeFor[ast.Profile](), reflect.TypeFor[ast.Block](),
		reflect.TypeFor[ast.If](), reflect.TypeFor[ast.Comment](),
	}
	preambleTypes = []reflect.Type{
		reflect.TypeFor[ast.Alias](), reflect.TypeFor[ast.VarAssign](), reflect.TypeFor[ast.BoolAssign](),
		reflect.TypeFor[ast.Include](), reflect.TypeFor[ast.ABI](), reflect.TypeFor[ast.Comment](),
	}
	exprTypes = []reflect.Type{
		reflect.TypeFor[ast.BoolLit](), reflect.TypeFor[ast.BoolVar](), reflect.TypeFor[ast.DefinedExpr](),
		reflect.TypeFor[ast.CompareExpr](), reflect.TypeFor[ast.CompareExpr](),
		reflect.TypeFor[ast.NotExpr](), reflect.TypeFor[ast.ParenExpr](), reflect.TypeFor[ast.BinaryExpr](),
	}
	badType = reflect.TypeFor[ast.Bad]()
)

// words are what a field is for. Fields of patterns that are not here hold
// any pattern.
var fieldWords = map[string][]string{
	"CapabilityRule.Names":   slices.Collect(ast.Capabilities().All()),
	"NetworkRule.Family":     {"", "", "inet", "inet", "inet6", "unix", "packet", "netlink", "security"},
	"NetworkRule.Type":       {"", "", "", "stream", "dgram", "packet", "raw"},
	"NetworkRule.Protocol":   {"", "", "", "tcp", "udp", "icmp"},
	"NetEnd.IP":              {"", "", "none", "127.0.0.1", "::1", "::ffff:1.2.3.4", "1.2.3.4/8", "fe80::1%eth0", "010.1.1.1", "1.2.3"},
	"NetEnd.Port":            {"", "", "0", "80", "1-2", "2-1", "65535", "65536", "080", "-1", "1-", "+1", "1-2-3"},
	"UnixRule.Type":          {"", "", "stream", "seqpacket", "none", "dccp"},
	"UnixEnd.Addr":           {"", "", "none", "auto", "@a", "@{V}", "@a,b", "@", "@{a,b}", "@\\{V}", "@ (", "/run/x", "@\\000"},
	"SignalRule.Signals":     append(slices.Collect(ast.Signals().All()), "rtmin+0", "rtmin+32", "rtmin+33", "rtmin+03", "rtmin"),
	"RlimitRule.Name":        slices.Collect(ast.Rlimits().All()),
	"RlimitRule.Value":       {"infinity", "0", "1", "010", "-5", "20", "-21", "18446744073709551616", "2000000", "1M", "-"},
	"RlimitRule.Unit":        {"", "", "", "K", "MB", "us", "ms", "s", "min", "weeks", "w", "infinity"},
	"MqueueRule.Type":        {"", "", "posix", "sysv"},
	"MqueueRule.Name":        {"", "", "/a", "/a b", "17", "0", "-1", "@{V}", "/,", "1a"},
	"Flag.Name":              slices.Collect(ast.ProfileFlags().All()),
	"Flag.Value":             {"", "", "", "", "/a", "/a b,c", "@{V}/x", "EPERM", "enoent", "kill", "hup", "rtmin+3", "x"},
	"Xattr.Name":             {"user.a", "security.apparmor", "a:b", "@x", "@{V}", "a/b", "xattrs", "-", "flags", "->"},
	"Profile.Namespace":      {"", "", "", "", "ns", "n s", "a//b", "ns\xff", "n,s", "n\"s", "{a,b}", "-"},
	"VarAssign.Name":         {"V", "profile_name", "a_1"},
	"BoolAssign.Name":        {"B", "true", "if"},
	"BoolVar.Name":           {"B", "b_2"},
	"DefinedExpr.Name":       {"V", "B"},
	"Include.Path":           {"abstractions/base", "a b", "a", "\"", "a\"b", "a>b", " a ", "a\tb", "a,", "a\\", "a\\b", "if exists b", "if", "<a>", "#a", "a\r", "\ra", "{"},
	"ABI.Path":               {"abi/4.0", "a b", "a", "a,", "a, b", "a!", "a\\,", "\"", "<a>", " a", "a ", "a\"", "kernel"},
	"Comment.Text":           {"", " a", "include <x>", "a\nb", "#", "a\r", " a,}{\"", "\x00", "=DESCRIPTION", "\tinclude <x>", "\xff"},
	"ChangeProfileRule.Exec": {"", "", "/a", "/a b", "@{V}", "@{V}/x", "safe", "->", "/->", "/a,"},
	"Profile.Attachment":     {"", "", "", "/a", "/a{,b}", "@{V}", "@{V}/a b", "@x", "/a,", "/flags=(x)", "a"},
}

// tricky are words that mean something somewhere in the language.
var tricky = []string{
	"", "a", "/", "/a", "//a", "@", "@V", "@{V}", "@{V}x", "/@{V}", "@{", "@{}", "$B", "${B}", "a=b", "a==b", "/a=b", "@{V}=b",
	"(", ")", "(a)", "a(b)", "->", "/->", "<=", "-", "--", "+", "+a", ",", "a,", "a,b", "/a,", "{a,b}", "{,}", "{", "}", "[a]", "[^a]", "a}", "*", "**",
	"#", "#a", "/#", "a#b", "#include", "^", "^a", ":", ":a", ":ns:a", ":ns://a", "::", "&", "&a", "!", "!=", "<", "<a>", ">", "==",
	"\"", "a\"b", "'", "`", "\n", "a\nb", "\r", "\r\n", "\t", " ", " a", "a ", "a b", "\x01", "\x7f", "\x80", "\xff", "\u202e", "\ufeff", "é", "\v", "\f",
	`\\`, `a\ b`, `\,`, `\{`, `\*`, `\#`, `\!`, `\(`, `\ `, `\x`, `\d`, `\000`, `\0`, `\x0`, `\d0`, `\9`, `\\000`, "\\\n", "\\\"",
	`\`, `a\`, `\n`, `\101`, `\"`, "\x00", "a\x00b",
	"r", "rw", "ix", "px", "all", "file", "deny", "audit", "owner", "link", "subset", "safe", "unsafe", "if", "else", "not", "and", "or", "in", "true", "false",
	"TRUE", "defined", "detached", "none", "auto", "profile", "hat", "flags", "flags=", "xattrs", "peer", "set", "rlimit", "create", "read", "send", "include",
	"priority", "priority=1", "options", "fstype", "fstype=", "oldroot", "type", "label", "addr", "name", "infinity", "1", "010", "0x1", "unconfined",
}

// word returns a word, usually a Pattern that some text means.
func (g trees) word() string {
	var s string
	switch g.Intn(4) {
	case 0:
		s = tricky[g.Intn(len(tricky))]
	case 1:
		s = "/" + tricky[g.Intn(len(tricky))]
	case 2:
		s = tricky[g.Intn(len(tricky))] + tricky[g.Intn(len(tricky))]
	default:
		b := make([]byte, g.Intn(6))
		for i := range b {
			b[i] = byte(g.Intn(256))
		}
		s = "/w" + string(b)
	}
	if g.Intn(2) == 0 {
		if p, err := ast.Exact(s); err == nil {
			return string(p)
		}
	}
	return s
}

// isWild reports whether a field is to hold anything.
func (g trees) isWild() bool { return g.wild > 0 && g.Intn(g.wild) == 0 }

// fill fills a struct, which is named for fieldWords.
func (g trees) fill(v reflect.Value) {
	sparse := g.Intn(3) > 0 // most fields stay empty
	for i := range v.NumField() {
		f, field := v.Field(i), v.Type().Field(i)
		switch {
		case !f.CanSet(), field.Type == reflect.TypeFor[ast.Span](), field.Type == reflect.TypeFor[ast.Pos]():
		case field.Type == reflect.TypeFor[ast.Qualifiers]():
			if v.Type() != reflect.TypeFor[ast.RlimitRule]() && g.Intn(3) == 0 || g.isWild() {
				g.qualifiers(f.Addr().Interface().(*ast.Qualifiers), v.Type())
			}
		case sparse && g.Intn(2) == 0 && !needed[v.Type().Name()+"."+field.Name]:
		default:
			g.set(f, v.Type().Name()+"."+field.Name)
		}
	}
	g.amend(v)
}

// needed fields are never left empty by chance.
var needed = map[string]bool{
	"FileRule.Path": true, "FileRule.Perms": true, "LinkRule.From": true, "LinkRule.To": true, "RlimitRule.Name": true, "RlimitRule.Value": true,
	"Include.Path": true, "ABI.Path": true, "Alias.From": true, "Alias.To": true, "VarAssign.Name": true, "VarAssign.Values": true,
	"BoolAssign.Name": true, "BoolAssign.Value": true, "Profile.Name": true, "If.Cond": true, "BinaryExpr.X": true, "BinaryExpr.Y": true,
	"NotExpr.X": true, "ParenExpr.X": true, "BoolVar.Name": true, "DefinedExpr.Name": true, "MountCond.Values": true, "Flag.Name": true, "Xattr.Name": true,
}

func (g trees) qualifiers(q *ast.Qualifiers, rule reflect.Type) {
	q.Audit = g.Intn(3) == 0
	q.Access = ast.Access(g.Intn(4))
	if rule == reflect.TypeFor[ast.FileRule]() || rule == reflect.TypeFor[ast.LinkRule]() || rule == reflect.TypeFor[ast.Block]() || g.isWild() {
		q.Owner = ast.Owner(g.Intn(3))
	}
	if rule != reflect.TypeFor[ast.Block]() || g.isWild() {
		q.Priority = []int16{0, 0, 1, -1, 1000, -1000}[g.Intn(6)]
	}
	if g.isWild() {
		q.Access, q.Owner, q.Priority = ast.Access(g.Intn(6)), ast.Owner(g.Intn(5)), int16(g.Intn(4000)-2000)
	}
}

// amend makes a struct more likely to say something that can be said.
func (g trees) amend(v reflect.Value) {
	if g.isWild() {
		return
	}
	switch n := v.Addr().Interface().(type) {
	case *ast.FileRule:
		if n.All = n.All && g.Intn(4) == 0; n.All {
			*n = ast.FileRule{All: true, Qualifiers: n.Qualifiers}
			return
		}
		if n.Perms&ast.FileWrite != 0 {
			n.Perms &^= ast.FileAppend
		}
		switch {
		case n.Access == ast.Deny && n.Exec != ast.ExecNone:
			n.Exec, n.Scrub = ast.ExecDeny, false
		case n.Access != ast.Deny && n.Exec == ast.ExecDeny:
			n.Exec = ast.ExecProfile
		}
		if n.Exec <= ast.ExecInherit {
			n.Scrub = false
		}
		if n.Link != "" && g.Intn(4) > 0 {
			n.Perms |= ast.FileLink | ast.FileRead
			n.Exec, n.Scrub, n.Target = 0, false, ""
		}
	case *ast.NetworkRule:
		n.Peer.Interface = ""
		if n.Family != "inet" && n.Family != "inet6" {
			n.Local, n.Peer = ast.NetEnd{}, ast.NetEnd{}
		}
		if n.Type != "" {
			n.Protocol = ""
		}
	case *ast.UnixRule:
		n.Local.Label = ""
	case *ast.DBusRule:
		switch g.Intn(3) {
		case 0:
			n.Name = ""
			n.Perms &= ast.DBusSend | ast.DBusReceive
		case 1:
			*n = ast.DBusRule{Qualifiers: n.Qualifiers, Bus: n.Bus, Name: n.Name, Perms: n.Perms & ast.DBusBind}
		}
	case *ast.MountRule:
		if n.Op != ast.OpMount || n.Detached {
			n.Source = ""
			n.Detached = n.Op == ast.OpMount
		}
	case *ast.MountCond:
		if n.Options {
			n.Values = nil
			for range 1 + g.Intn(3) {
				n.Values = append(n.Values, ast.Pattern(pick(g, slices.Collect(ast.MountFlags().All()))))
			}
		}
	case *ast.RlimitRule:
		if n.Value == "infinity" || g.Intn(2) == 0 {
			n.Unit = ""
		}
	case *ast.ChangeProfileRule:
		if n.Exec == "" {
			n.Safety = 0
		}
	case *ast.Profile:
		if n.Kind == ast.KindHat {
			n.Xattrs = nil
		}
		if n.Kind == ast.KindPath && n.Namespace == "" {
			n.Name = "/" + n.Name
		}
	case *ast.Flag:
		if !strings.Contains(n.Name, "attach_disconnected.") && n.Name != "kill.signal" && n.Name != "error" {
			n.Value = ""
		}
	case *ast.If:
		if n.ElseIf = len(n.Else) > 0 && n.ElseIf; n.ElseIf {
			next := &ast.If{}
			g.fill(reflect.ValueOf(next).Elem())
			n.Else = []ast.Stmt{next}
		}
		n.HasElse = n.HasElse || len(n.Else) > 0
	}
}

func pick[T any](g trees, list []T) T { return list[g.Intn(len(list))] }

// limits of enumerations and sets, exclusive.
var limits = map[reflect.Type]int{
	reflect.TypeFor[ast.IncludeKind](): int(ast.IncludeBare) + 1,
	reflect.TypeFor[ast.AssignOp]():    int(ast.AssignReplace) + 1,
	reflect.TypeFor[ast.ProfileKind](): int(ast.KindHat) + 1,
	reflect.TypeFor[ast.CompareOp]():   int(ast.CompareLessEqual) + 1,
	reflect.TypeFor[ast.FilePerm]():    int(ast.FileMmap) << 1,
	reflect.TypeFor[ast.Exec]():        int(ast.ExecChildUnconfined) + 1,
	reflect.TypeFor[ast.NetPerm]():     int(ast.NetReceive) << 1,
	reflect.TypeFor[ast.DBusPerm]():    int(ast.DBusEavesdrop) << 1,
	reflect.TypeFor[ast.SignalPerm]():  int(ast.SignalReceive) << 1,
	reflect.TypeFor[ast.PtracePerm]():  int(ast.PtraceReadBy) << 1,
	reflect.TypeFor[ast.MountOp]():     int(ast.OpUmount) + 1,
	reflect.TypeFor[ast.Safety]():      int(ast.Unsafe) + 1,
	reflect.TypeFor[ast.MqueuePerm]():  int(ast.MqueueSetattr) << 1,
	reflect.TypeFor[ast.IOUringPerm](): int(ast.IOUringOverrideCreds) << 1,
}

// set fills one field.
func (g trees) set(v reflect.Value, key string) {
	switch v.Kind() {
	case reflect.String:
		switch words := fieldWords[key]; {
		case g.isWild(), words == nil:
			v.SetString(g.word())
		default:
			v.SetString(pick(g, words))
		}
	case reflect.Bool:
		v.SetBool(g.Intn(2) == 0)
	case reflect.Uint8, reflect.Uint16:
		limit := limits[v.Type()]
		if limit == 0 {
			panic("no limit of " + v.Type().String())
		}
		if g.isWild() {
			limit *= 2
		}
		v.SetUint(uint64(g.Intn(limit)) & uint64(1<<v.Type().Bits()-1))
	case reflect.Struct:
		g.fill(v)
	case reflect.Slice:
		n := 1 + g.Intn(3)
		if v.Type() == reflect.TypeFor[[]ast.Stmt]() {
			v.Set(reflect.ValueOf(g.stmts(n)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			g.set(v.Index(i), key)
		}
	case reflect.Interface:
		switch v.Type() {
		case reflect.TypeFor[ast.Expr]():
			v.Set(reflect.ValueOf(g.expr()))
		case reflect.TypeFor[error]():
		default:
			panic("no generator of " + v.Type().String())
		}
	default:
		panic("no generator of " + v.Type().String())
	}
}

func (g trees) stmts(n int) []ast.Stmt {
	if g.depth == 0 {
		return nil
	}
	g.depth--
	list := make([]ast.Stmt, n)
	for i := range list {
		list[i] = g.stmt(bodyTypes)
	}
	return list
}

// stmt returns a statement of one of the types.
func (g trees) stmt(types []reflect.Type) ast.Stmt {
	t := pick(g, types)
	if g.isWild() {
		t = pick(g, slices.Concat(bodyTypes, preambleTypes, []reflect.Type{badType}))
	}
	v := reflect.New(t)
	if g.isWild() && g.Intn(4) == 0 {
		return reflect.Zero(reflect.PointerTo(t)).Interface().(ast.Stmt) // a nil pointer
	}
	if !g.isWild() {
		g.fill(v.Elem())
	}
	return v.Interface().(ast.Stmt)
}

func (g trees) expr() ast.Expr {
	types := exprTypes
	if g.depth--; g.depth < -4 {
		types = types[:5] // without operands
	}
	t := pick(g, types)
	if g.isWild() && g.Intn(2) == 0 {
		return reflect.Zero(reflect.PointerTo(t)).Interface().(ast.Expr)
	}
	v := reflect.New(t)
	g.fill(v.Elem())
	return v.Interface().(ast.Expr)
}

// file returns a file: a fragment of a body, or a preamble and profiles.
func (g trees) file() *ast.File {
	f := &ast.File{}
	if g.Intn(2) == 0 {
		f.Stmts = g.stmts(1 + g.Intn(4))
		return f
	}
	for range g.Intn(3) {
		f.Stmts = append(f.Stmts, g.stmt(preambleTypes))
	}
	for range g.Intn(3) {
		f.Stmts = append(f.Stmts, g.stmt([]reflect.Type{reflect.TypeFor[ast.Profile]()}))
	}
	return f
}

// anyTrees generates generators, for tests that draw more than one tree.
func anyTrees(p *gopter.GenParameters) *gopter.GenResult {
	return gopter.NewGenResult(trees{Rand: p.Rng, depth: 2}, gopter.NoShrinker)
}

// files generates files in which one field in so many holds anything.
func files(wild int) gopter.Gen {
	return func(p *gopter.GenParameters) *gopter.GenResult {
		g := trees{Rand: p.Rng, depth: 2, wild: wild}
		return gopter.NewGenResult(g.file(), gopter.NoShrinker)
	}
}

// plain brings the ways in which a tree may say one thing to one, in place:
// comments and parentheses are gone, what is implied is said.
func plain(f *ast.File) *ast.File {
	f.Stmts = plainStmts(f.Stmts)
	return f
}

func plainStmts(list []ast.Stmt) []ast.Stmt {
	var out []ast.Stmt
	for _, s := range list {
		switch s := s.(type) {
		case *ast.Comment:
			continue
		case *ast.BoolAssign:
			s.Value = plainExpr(s.Value)
		case *ast.Profile:
			for i := range s.Xattrs {
				s.Xattrs[i].HasValue = s.Xattrs[i].HasValue || s.Xattrs[i].Value != ""
			}
			s.Body = plainStmts(s.Body)
		case *ast.Block:
			s.Body = plainStmts(s.Body)
		case *ast.If:
			s.Cond, s.HasElse = plainExpr(s.Cond), s.HasElse || len(s.Else) > 0
			s.Then, s.Else = plainStmts(s.Then), plainStmts(s.Else)
		case *ast.FileRule:
			if s.All {
				*s = ast.FileRule{All: true, Qualifiers: s.Qualifiers}
			}
			s.Scrub = s.Scrub && s.Exec != ast.ExecInherit
		}
		out = append(out, s)
	}
	return out
}

func plainExpr(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return plainExpr(e.X)
	case *ast.NotExpr:
		e.X = plainExpr(e.X)
	case *ast.BinaryExpr:
		e.X, e.Y = plainExpr(e.X), plainExpr(e.Y)
	}
	return e
}
