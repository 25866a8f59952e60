// SPDX-License-Identifier: Apache-2.0

// Package grammar is the grammar of the policy language in a form for reading:
// participle productions over the tokens of package lex. EBNF prints it.
//
// The production parser is written by hand, because it is faster, gives better
// messages and bounds its depth. Tests hold the two against each other: what
// the one takes for well formed, the other does too, with the same statements.
// The grammar says nothing of what needs a look at words as such: which
// capabilities, signals and options there are, which flags and conditions go
// together.
package grammar

import (
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// File is a policy file: a preamble and profiles.
type File struct {
	Items []*Item `parser:"@@*"`
}

// Item is a statement outside of profiles.
type Item struct {
	Pos     lexer.Position
	Include *Include    `parser:"@@"`
	ABI     *ABI        `parser:"| @@"`
	Alias   *Alias      `parser:"| @@"`
	Var     *VarAssign  `parser:"| @@"`
	Bool    *BoolAssign `parser:"| @@"`
	Profile *Profile    `parser:"| @@"`
}

// Include is a whole include statement; the lexer reads it.
type Include struct {
	Path string `parser:"@Include"`
}

// ABI is the statement of the feature set.
type ABI struct {
	Path string `parser:"'abi' @FileName Comma"`
}

// Alias is an alias of a path.
type Alias struct {
	From string `parser:"('alias' | 'rewrite') @Path"`
	To   string `parser:"Arrow @Value Comma"`
}

// VarAssign is an assignment to a set variable. It ends with its line.
type VarAssign struct {
	Name   string   `parser:"@Var"`
	Op     string   `parser:"@Assign"`
	Values []string `parser:"@Value+"`
}

// BoolAssign is an assignment to a boolean variable. It ends with its line.
type BoolAssign struct {
	Name  string `parser:"@BoolVar"`
	Op    string `parser:"@('=' | '?=' | ':=')"`
	Value *Or    `parser:"@@"`
}

// Profile is a profile, child profile or hat.
type Profile struct {
	Name       string        `parser:"( ('profile' | 'hat') @Value | Caret @Value | @Path )"`
	Attachment string        `parser:"@(Path | Var)?"`
	Xattrs     *Xattrs       `parser:"@@?"`
	Identities []*Identities `parser:"@@*"`
	Flags      *Flags        `parser:"@@?"`
	Body       *Body         `parser:"@@"`
}

// Identities is one list of identities.
type Identities struct {
	Names *List `parser:"Plus 'identities':Cond @@"`
}

// Flags is the list of flags.
type Flags struct {
	Flags *List `parser:"'flags':Cond? @@"`
}

// List is a list of values in parentheses.
type List struct {
	Values []string `parser:"OpenParen Comma* (@Value Comma*)+ CloseParen"`
}

// Body is what stands in the braces of a profile, block or conditional.
type Body struct {
	Stmts []*Stmt `parser:"Open @@* Close"`
}

// Stmt is a statement in a body.
type Stmt struct {
	Pos     lexer.Position
	Include *Include `parser:"@@"`
	ABI     *ABI     `parser:"| @@"`
	Child   *Child   `parser:"| @@"`
	If      *If      `parser:"| @@"`
	Rlimit  *Rlimit  `parser:"| @@"`
	Rule    *Rule    `parser:"| @@"`
}

// Child is a child profile or hat; it needs a keyword.
type Child struct {
	Name       string        `parser:"( ('profile' | 'hat') @Value | Caret @Value )"`
	Attachment string        `parser:"@(Path | Var)?"`
	Xattrs     *Xattrs       `parser:"@@?"`
	Identities []*Identities `parser:"@@*"`
	Flags      *Flags        `parser:"@@?"`
	Body       *Body         `parser:"@@"`
}

// If is a conditional.
type If struct {
	Cond   *Or   `parser:"'if' @@"`
	Then   *Body `parser:"@@"`
	ElseIf *If   `parser:"( 'else' ( @@"`
	Else   *Body `parser:"| @@ ) )?"`
}

// Or is a boolean expression.
type Or struct {
	Terms []*And `parser:"@@ ('or' @@)*"`
}

// And is a conjunction.
type And struct {
	Terms []*Not `parser:"@@ ('and' @@)*"`
}

// Not is a condition, perhaps negated.
type Not struct {
	Not  *Not  `parser:"'not' @@"`
	Term *Term `parser:"| @@"`
}

// Term is a condition; a lone word must be true or false.
type Term struct {
	Paren   *Or      `parser:"OpenParen @@ CloseParen"`
	Defined string   `parser:"| 'defined' @(Var | BoolVar)"`
	Bool    string   `parser:"| @BoolVar"`
	Compare *Compare `parser:"| (?! 'defined' | 'not') ( @@"`
	Lit     string   `parser:"| @(Word | Mode | Keyword | Value) )"`
}

// Compare is a comparison.
type Compare struct {
	X  string `parser:"@(Word | Mode | Keyword | Var | Value)"`
	Op string `parser:"@(Compare | 'in')"`
	Y  string `parser:"@(Word | Mode | Keyword | Var | Value)"`
}

// Qualifiers stand before a rule or block.
type Qualifiers struct {
	Priority string `parser:"('priority' Assign @Number)?"`
	Audit    string `parser:"@'audit'?"`
	Access   string `parser:"@('allow' | 'deny' | 'prompt')?"`
	Owner    string `parser:"@('owner' | 'user' | 'other')?"`
}

// Rule is a rule or a block of rules.
type Rule struct {
	Qualifiers    *Qualifiers    `parser:"@@"`
	Block         *Body          `parser:"( @@"`
	Capability    *Capability    `parser:"| @@"`
	Network       *Network       `parser:"| @@"`
	Unix          *Unix          `parser:"| @@"`
	DBus          *DBus          `parser:"| @@"`
	Signal        *Signal        `parser:"| @@"`
	Ptrace        *Ptrace        `parser:"| @@"`
	Mount         *Mount         `parser:"| @@"`
	Remount       *Remount       `parser:"| @@"`
	PivotRoot     *PivotRoot     `parser:"| @@"`
	ChangeProfile *ChangeProfile `parser:"| @@"`
	Mqueue        *Mqueue        `parser:"| @@"`
	IOUring       *IOUring       `parser:"| @@"`
	Userns        *Userns        `parser:"| @@"`
	All           string         `parser:"| @'all' Comma"`
	Link          *Link          `parser:"| @@"`
	File          *FileRule      `parser:"| @@ )"`
}

// FileRule is a rule on a path, in either order, or on all paths.
type FileRule struct {
	All    string `parser:"( @'file' Comma"`
	Safety string `parser:"| 'file'? @('safe' | 'unsafe')?"`
	Mode   string `parser:"( @Mode @'subset'?"`
	Path   string `parser:"@(Path | Var | Word)"`
	Path2  string `parser:"| @(Path | Var | Word)"`
	Mode2  string `parser:"@Mode )"`
	Target string `parser:"(Arrow @Value)? Comma )"`
}

// Link is a link rule.
type Link struct {
	Subset string `parser:"'link' @'subset'?"`
	From   string `parser:"@(Path | Var | Word)"`
	To     string `parser:"Arrow @Value Comma"`
}

// Capability is a rule on capabilities.
type Capability struct {
	Names []string `parser:"'capability' @(Word | Mode)* Comma"`
}

// Perms are permissions in parentheses.
type Perms struct {
	Names []string `parser:"OpenParen (@Value | Comma)* CloseParen"`
}

// Cond is a condition.
type Cond struct {
	Name   string `parser:"@Cond"`
	Values *List  `parser:"( @@"`
	Value  string `parser:"| @Value )"`
}

// Peer is the list of conditions on the other end.
type Peer struct {
	Conds []*InnerCond `parser:"'peer':CondList OpenParen (@@ | Comma)* CloseParen"`
}

// Xattrs is the list of extended attributes; one need not have a value.
type Xattrs struct {
	Items []*Xattr `parser:"'xattrs':CondList OpenParen (@@ | Comma)* CloseParen"`
}

// Xattr is one extended attribute.
type Xattr struct {
	Cond *InnerCond `parser:"@@"`
	Name string     `parser:"| @Value"`
}

// InnerCond is a condition in a list.
type InnerCond struct {
	Name  string `parser:"@Cond"`
	Value string `parser:"( OpenParen @Value CloseParen | @Value )"`
}

// Network is a rule on sockets: permissions, a family, a type or protocol.
type Network struct {
	Perms  *Perms  `parser:"'network' ( @@"`
	Perm   string  `parser:"| @('create' | 'bind' | 'listen' | 'accept' | 'connect' | 'shutdown' | 'getattr' | 'setattr' | 'getopt' | 'setopt' | 'send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Family string  `parser:"@Value?"`
	Type   string  `parser:"@Value?"`
	Conds  []*Cond `parser:"@@*"`
	Peer   *Peer   `parser:"@@? Comma"`
}

// Unix is a rule on unix sockets.
type Unix struct {
	Perms *Perms  `parser:"'unix' ( @@"`
	Perm  string  `parser:"| @('create' | 'bind' | 'listen' | 'accept' | 'connect' | 'shutdown' | 'getattr' | 'setattr' | 'getopt' | 'setopt' | 'send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*Cond `parser:"@@*"`
	Peer  *Peer   `parser:"@@? Comma"`
}

// DBus is a rule on D-Bus.
type DBus struct {
	Perms *Perms  `parser:"'dbus' ( @@"`
	Perm  string  `parser:"| @('send' | 'receive' | 'bind' | 'eavesdrop' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*Cond `parser:"@@*"`
	Peer  *Peer   `parser:"@@? Comma"`
}

// Signal is a rule on signals.
type Signal struct {
	Perms *Perms  `parser:"'signal' ( @@"`
	Perm  string  `parser:"| @('send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*Cond `parser:"@@* Comma"`
}

// Ptrace is a rule on ptrace.
type Ptrace struct {
	Perms *Perms  `parser:"'ptrace' ( @@"`
	Perm  string  `parser:"| @('trace' | 'tracedby' | 'read' | 'readby' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*Cond `parser:"@@* Comma"`
}

// Mount is a rule on mounting.
type Mount struct {
	Conds  []*Cond `parser:"'mount' @@*"`
	Source string  `parser:"@Value?"`
	Target string  `parser:"(Arrow @Value)? Comma"`
}

// Remount is a rule on remounting and unmounting.
type Remount struct {
	Op     string  `parser:"@('remount' | 'umount' | 'unmount')"`
	Conds  []*Cond `parser:"@@*"`
	Target string  `parser:"@Value? Comma"`
}

// PivotRoot is a rule on pivot_root.
type PivotRoot struct {
	Conds   []*Cond `parser:"'pivot_root' @@*"`
	NewRoot string  `parser:"@(Path | Var)?"`
	Target  string  `parser:"(Arrow @Value)? Comma"`
}

// ChangeProfile is a rule on changing the profile.
type ChangeProfile struct {
	Safety string `parser:"'change_profile' @('safe' | 'unsafe')?"`
	Exec   string `parser:"@Value?"`
	Target string `parser:"(Arrow @Value)? Comma"`
}

// Rlimit sets a resource limit.
type Rlimit struct {
	Name  string `parser:"'set' 'rlimit' @Value"`
	Value string `parser:"LessEqual @(Number | 'infinity')"`
	Unit  string `parser:"@Value? Comma"`
}

// Mqueue is a rule on message queues.
type Mqueue struct {
	Perms *Perms  `parser:"'mqueue' ( @@"`
	Perm  string  `parser:"| @('create' | 'open' | 'delete' | 'read' | 'write' | 'getattr' | 'setattr' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*Cond `parser:"@@*"`
	Name  string  `parser:"@Value? Comma"`
}

// IOUring is a rule on io_uring.
type IOUring struct {
	Perms *Perms  `parser:"'io_uring' ( @@"`
	Perm  string  `parser:"| @('sqpoll' | 'override_creds') )?"`
	Conds []*Cond `parser:"@@*"`
	Peer  *Peer   `parser:"@@? Comma"`
}

// Userns is a rule on user namespaces.
type Userns struct {
	Create string `parser:"'userns' @'create'? Comma"`
}

// parser is built when it is first asked for; that takes milliseconds.
var parser = sync.OnceValues(func() (*participle.Parser[File], error) {
	return participle.Build[File](participle.Lexer(Definition{}), participle.UseLookahead(participle.MaxLookahead))
})

// Parse parses a policy file. It is slow, and its depth is not bounded: it is
// for tests.
func Parse(src string) (*File, error) {
	p, err := parser()
	if err != nil {
		return nil, err
	}
	return p.ParseString("", src)
}

// EBNF returns the grammar in extended Backus-Naur form.
func EBNF() string {
	p, err := parser()
	if err != nil {
		return ""
	}
	return p.String()
}
