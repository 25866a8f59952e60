// SPDX-License-Identifier: Apache-2.0

package grammar

import (
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"
)

// The productions. A captured string is the text of its token as it is
// written, quotes and operators included. Nothing but braces and parentheses
// makes a production contain itself, so that they bound the depth of a parse.

// file is a policy file: a preamble and profiles.
type file struct {
	Items []*item `parser:"@@*"`
}

// fragment is a file of what a profile's body holds, such as an
// abstraction.
type fragment struct {
	Stmts []*stmt `parser:"@@*"`
}

// item is a statement outside of profiles.
type item struct {
	Tokens  []lexer.Token
	Include *include    `parser:"@@"`
	ABI     *abi        `parser:"| @@"`
	Alias   *alias      `parser:"| @@"`
	Var     *varAssign  `parser:"| @@"`
	Bool    *boolAssign `parser:"| @@"`
	Profile *profile    `parser:"| @@"`
}

// include is a whole include statement; the lexer reads it.
type include struct {
	Text string `parser:"@Include"`
}

// abi is the statement of the feature set.
type abi struct {
	Path string `parser:"'abi' @FileName Comma"`
}

// alias is an alias of a path.
type alias struct {
	From string `parser:"('alias' | 'rewrite') @Path"`
	To   string `parser:"Arrow @Value Comma"`
}

// varAssign is an assignment to a set variable. It ends with its line.
type varAssign struct {
	Name   string   `parser:"@Var"`
	Op     string   `parser:"@Assign"`
	Values []string `parser:"@Value+"`
}

// boolAssign is an assignment to a boolean variable. It ends with its line.
type boolAssign struct {
	Name  string `parser:"@BoolVar"`
	Op    string `parser:"@('=' | '?=' | ':=')"`
	Value *or    `parser:"@@"`
}

// profile is a profile, child profile or hat.
type profile struct {
	Keyword string `parser:"( ( @('profile' | 'hat' | Caret)"`
	Name    string `parser:"@Value )"`
	Path    string `parser:"| @Path )"`
	Head    *head  `parser:"@@"`
	Body    *body  `parser:"@@"`
}

// child is a child profile or hat; it needs a keyword.
type child struct {
	Keyword string `parser:"@('profile' | 'hat' | Caret)"`
	Name    string `parser:"@Value"`
	Head    *head  `parser:"@@"`
	Body    *body  `parser:"@@"`
}

// head is what a profile has between its name and the body of a profile.
type head struct {
	Attachment string        `parser:"@(Path | Var)?"`
	Xattrs     *xattrs       `parser:"@@?"`
	Identities []*identities `parser:"@@*"`
	Flags      *flags        `parser:"@@?"`
}

// identities is one list of identities.
type identities struct {
	Names *list `parser:"Plus 'identities':Cond @@"`
}

// flags is the list of flags.
type flags struct {
	Flags *list `parser:"'flags':Cond? @@"`
}

// list is a list of values in parentheses.
type list struct {
	Values []string `parser:"OpenParen Comma* (@Value Comma*)+ CloseParen"`
}

// body is what the braces hold of a profile, block or conditional.
type body struct {
	Tokens []lexer.Token
	Stmts  []*stmt `parser:"Open @@* Close"`
}

// stmt is a statement in a body.
type stmt struct {
	Tokens      []lexer.Token
	Include     *include     `parser:"@@"`
	ABI         *abi         `parser:"| @@"`
	Child       *child       `parser:"| @@"`
	Conditional *conditional `parser:"| @@"`
	Rlimit      *rlimit      `parser:"| @@"`
	Rule        *rule        `parser:"| @@"`
}

// conditional is an if statement with its else branches.
type conditional struct {
	Branches []*branch `parser:"@@ ('else' @@)*"`
	Else     *body     `parser:"('else' @@)?"`
}

// branch is a condition and what it decides on.
type branch struct {
	Pos  lexer.Position
	Cond *or   `parser:"'if' @@"`
	Then *body `parser:"@@"`
}

// or is a boolean expression.
type or struct {
	Terms []*and `parser:"@@ ('or' @@)*"`
}

// and is a conjunction.
type and struct {
	Terms []*not `parser:"@@ ('and' @@)*"`
}

// not is a condition, perhaps negated, any number of times.
type not struct {
	Nots []string `parser:"@'not'*"`
	Term *term    `parser:"@@"`
}

// term is a condition; a lone word must be true or false.
type term struct {
	Paren   *or      `parser:"OpenParen @@ CloseParen"`
	Defined string   `parser:"| 'defined' @(Var | BoolVar)"`
	Bool    string   `parser:"| @BoolVar"`
	Compare *compare `parser:"| (?! 'defined' | 'not') ( @@"`
	Lit     string   `parser:"| @(Word | Mode | Keyword | Value) )"`
}

// compare is a comparison.
type compare struct {
	X  string `parser:"@(Word | Mode | Keyword | Var | Value)"`
	Op string `parser:"@(Compare | 'in')"`
	Y  string `parser:"@(Word | Mode | Keyword | Var | Value)"`
}

// qualifiers come before a rule or block.
type qualifiers struct {
	Priority string `parser:"('priority' Assign @Number)?"`
	Audit    bool   `parser:"@'audit'?"`
	Access   string `parser:"@('allow' | 'deny' | 'prompt')?"`
	Owner    string `parser:"@('owner' | 'user' | 'other')?"`
}

// rule is a rule or a block of rules.
type rule struct {
	Qualifiers    *qualifiers    `parser:"@@"`
	Block         *body          `parser:"( @@"`
	Capability    *capability    `parser:"| @@"`
	Network       *network       `parser:"| @@"`
	Unix          *unix          `parser:"| @@"`
	DBus          *dbus          `parser:"| @@"`
	Signal        *signal        `parser:"| @@"`
	Ptrace        *ptrace        `parser:"| @@"`
	Mount         *mount         `parser:"| @@"`
	Remount       *remount       `parser:"| @@"`
	PivotRoot     *pivotRoot     `parser:"| @@"`
	ChangeProfile *changeProfile `parser:"| @@"`
	Mqueue        *mqueue        `parser:"| @@"`
	IOUring       *ioUring       `parser:"| @@"`
	Userns        *userns        `parser:"| @@"`
	All           bool           `parser:"| @'all' Comma"`
	Link          *link          `parser:"| @@"`
	File          *fileRule      `parser:"| @@ )"`
}

// fileRule is a rule on a path, in either order, or on all paths.
type fileRule struct {
	All    bool   `parser:"( @'file' Comma"`
	Safety string `parser:"| 'file'? @('safe' | 'unsafe')?"`
	Lead   string `parser:"( @Mode"`
	Subset bool   `parser:"@'subset'?"`
	Path   string `parser:"@(Path | Var | Word)"`
	Path2  string `parser:"| @(Path | Var | Word)"`
	Mode   string `parser:"@Mode )"`
	Target string `parser:"(Arrow @Value)? Comma )"`
}

// link is a link rule.
type link struct {
	Subset bool   `parser:"'link' @'subset'?"`
	From   string `parser:"@(Path | Var | Word)"`
	To     string `parser:"Arrow @Value Comma"`
}

// capability is a rule on capabilities.
type capability struct {
	Names []string `parser:"'capability' @(Word | Mode)* Comma"`
}

// perms are permissions in parentheses.
type perms struct {
	Names []string `parser:"OpenParen (@Value | Comma)* CloseParen"`
}

// cond is a condition.
type cond struct {
	Name   string `parser:"@Cond"`
	Values *list  `parser:"( @@"`
	Value  string `parser:"| @Value )"`
}

// peer is the list of conditions on the other end.
type peer struct {
	Conds []*innerCond `parser:"'peer':CondList OpenParen (@@ | Comma)* CloseParen"`
}

// xattrs is the list of extended attributes; one need not have a value.
type xattrs struct {
	Items []*xattr `parser:"'xattrs':CondList OpenParen (@@ | Comma)* CloseParen"`
}

// xattr is one extended attribute.
type xattr struct {
	Cond *innerCond `parser:"@@"`
	Name string     `parser:"| @Value"`
}

// innerCond is a condition in a list.
type innerCond struct {
	Name  string `parser:"@Cond"`
	Value string `parser:"( OpenParen @Value CloseParen | @Value )"`
}

// network is a rule on sockets: permissions, a family, a type or protocol.
type network struct {
	Perms  *perms  `parser:"'network' ( @@"`
	Perm   string  `parser:"| @('create' | 'bind' | 'listen' | 'accept' | 'connect' | 'shutdown' | 'getattr' | 'setattr' | 'getopt' | 'setopt' | 'send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Family string  `parser:"@Value?"`
	Type   string  `parser:"@Value?"`
	Conds  []*cond `parser:"@@*"`
	Peer   *peer   `parser:"@@? Comma"`
}

// unix is a rule on unix sockets.
type unix struct {
	Perms *perms  `parser:"'unix' ( @@"`
	Perm  string  `parser:"| @('create' | 'bind' | 'listen' | 'accept' | 'connect' | 'shutdown' | 'getattr' | 'setattr' | 'getopt' | 'setopt' | 'send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*cond `parser:"@@*"`
	Peer  *peer   `parser:"@@? Comma"`
}

// dbus is a rule on D-Bus.
type dbus struct {
	Perms *perms  `parser:"'dbus' ( @@"`
	Perm  string  `parser:"| @('send' | 'receive' | 'bind' | 'eavesdrop' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*cond `parser:"@@*"`
	Peer  *peer   `parser:"@@? Comma"`
}

// signal is a rule on signals.
type signal struct {
	Perms *perms  `parser:"'signal' ( @@"`
	Perm  string  `parser:"| @('send' | 'receive' | 'read' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*cond `parser:"@@* Comma"`
}

// ptrace is a rule on ptrace.
type ptrace struct {
	Perms *perms  `parser:"'ptrace' ( @@"`
	Perm  string  `parser:"| @('trace' | 'tracedby' | 'read' | 'readby' | 'write' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*cond `parser:"@@* Comma"`
}

// mount is a rule on mounting.
type mount struct {
	Conds  []*mountCond `parser:"'mount' @@*"`
	Source string       `parser:"@Value?"`
	Target string       `parser:"(Arrow @Value)? Comma"`
}

// remount is a rule on remounting and unmounting.
type remount struct {
	Op     string       `parser:"@('remount' | 'umount' | 'unmount')"`
	Conds  []*mountCond `parser:"@@*"`
	Target string       `parser:"@Value? Comma"`
}

// mountCond is a condition of a mount rule.
type mountCond struct {
	Tokens []lexer.Token
	Cond   *cond `parser:"@@"`
}

// pivotRoot is a rule on pivot_root.
type pivotRoot struct {
	Conds   []*cond `parser:"'pivot_root' @@*"`
	NewRoot string  `parser:"@(Path | Var)?"`
	Target  string  `parser:"(Arrow @Value)? Comma"`
}

// changeProfile is a rule on changing the profile.
type changeProfile struct {
	Safety string `parser:"'change_profile' @('safe' | 'unsafe')?"`
	Exec   string `parser:"@Value?"`
	Target string `parser:"(Arrow @Value)? Comma"`
}

// rlimit sets a resource limit.
type rlimit struct {
	Name  string `parser:"'set' 'rlimit' @Value"`
	Value string `parser:"LessEqual @(Number | 'infinity')"`
	Unit  string `parser:"@Value? Comma"`
}

// mqueue is a rule on message queues.
type mqueue struct {
	Perms *perms  `parser:"'mqueue' ( @@"`
	Perm  string  `parser:"| @('create' | 'open' | 'delete' | 'read' | 'write' | 'getattr' | 'setattr' | 'r' | 'w' | 'rw' | 'wr') )?"`
	Conds []*cond `parser:"@@*"`
	Name  string  `parser:"@Value? Comma"`
}

// ioUring is a rule on io_uring.
type ioUring struct {
	Perms *perms  `parser:"'io_uring' ( @@"`
	Perm  string  `parser:"| @('sqpoll' | 'override_creds') )?"`
	Conds []*cond `parser:"@@*"`
	Peer  *peer   `parser:"@@? Comma"`
}

// userns is a rule on user namespaces.
type userns struct {
	Create bool `parser:"'userns' @'create'? Comma"`
}

// The generated parsers are built when they are first asked for; that takes
// milliseconds.
var (
	fileParser = sync.OnceValues(func() (*participle.Parser[file], error) {
		return participle.Build[file](participle.Lexer(definition{}), participle.UseLookahead(participle.MaxLookahead))
	})
	fragmentParser = sync.OnceValues(func() (*participle.Parser[fragment], error) {
		return participle.Build[fragment](participle.Lexer(definition{}), participle.UseLookahead(participle.MaxLookahead))
	})
)

// EBNF returns the grammar of a policy file in extended Backus-Naur form, one
// production a line. Names in angle brackets are tokens: what the lexer makes
// of the text, which depends on what comes before it.
func EBNF() string {
	p, err := fileParser()
	if err != nil { // a mistake in the productions, which TestEBNF finds
		return ""
	}
	return p.String() + "\n"
}
