// SPDX-License-Identifier: Apache-2.0

package expect

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/alecthomas/participle/v2"
	"github.com/alecthomas/participle/v2/lexer"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// File is a file of expectations.
type File struct {
	Name       string       // as in positions
	Policy     []string     // the paths of its policy, as written
	Include    []string     // the paths of the directories of includes, as written
	Kernels    []string     // names of package features
	Statements []*Statement // in the order of the text
}

// Statement is one expectation.
type Statement struct {
	Pos  diag.Position // where it begins
	Text string        // as written, without blanks and comments around it
	Verb Verb          // what it expects

	subject subject
	request request
	path    string // of Covers and Within
}

// Verb is what a statement expects.
type Verb uint8

// The verbs.
const (
	May      Verb = iota // every request passes
	MustDeny             // no request passes
	Covers               // everything passes that passes under the other policy
	Within               // nothing else passes
)

// String returns the words of the verb.
func (v Verb) String() string { return [...]string{"may", "must deny", "covers", "within"}[v&3] }

// subject says which profiles a statement is about.
type subject struct {
	kind string // profile, machine; empty: all
	name string
	re   *regexp.Regexp
}

// line is the grammar of a line.
type line struct {
	Policy  []word `parser:"  'policy' @@+"`
	Include []word `parser:"| 'include' @@+"`
	Kernel  []word `parser:"| 'kernel' @@+"`
	Check   *check `parser:"| @@"`
}

type check struct {
	Kind   string `parser:"( @('profile' | 'machine')"`
	Name   word   `parser:"  @@ )?"`
	May    bool   `parser:"(   @'may'"`
	Deny   bool   `parser:"  | 'must' @'deny'"`
	Covers word   `parser:"  | 'covers' @@"`
	Within word   `parser:"  | 'within' @@ )"`
	Rest   []word `parser:"@@*"`
}

// word is a word with its place.
type word struct {
	at   int // in the line
	text string
}

// Parse implements participle.Parseable.
func (w *word) Parse(lex *lexer.PeekingLexer) error {
	token := lex.Peek()
	if token.EOF() {
		return participle.NextMatch
	}
	lex.Next()
	w.at, w.text = token.Pos.Offset, token.Value
	return nil
}

var language = sync.OnceValues(func() (*participle.Parser[line], error) {
	words, err := lexer.NewSimple([]lexer.SimpleRule{
		{Name: "Word", Pattern: `("(\\.|[^"\\])*"|[^\s"#])("(\\.|[^"\\])*"|[^\s"])*`},
		{Name: "Comment", Pattern: `#.*`},
		{Name: "blank", Pattern: `\s+`},
	})
	if err != nil {
		return nil, err
	}
	return participle.Build[line](participle.Lexer(words), participle.Elide("Comment"))
})

// Parse reads the text of a file of expectations. The name is used in
// positions. The error is a diag.List with all mistakes, one for each line that
// has any.
func Parse(name, text string) (*File, error) {
	p := fileParser{file: &File{Name: name}}
	if len(text) > MaxBytes {
		p.limit(&diag.LimitError{What: "bytes of a file of expectations", Limit: MaxBytes, Got: int64(len(text))})
		return nil, p.errs.Err()
	}
	language, err := language()
	if err != nil {
		return nil, err
	}
	for p.base < len(text) || p.number == 0 {
		row, _, _ := strings.Cut(text[p.base:], "\n")
		p.number++
		if len(p.file.Statements) >= MaxStatements {
			p.limit(&diag.LimitError{What: "statements of a file of expectations", Limit: MaxStatements, Got: MaxStatements + 1})
			break
		}
		p.line(language, row)
		if len(p.errs) >= maxErrors {
			break
		}
		p.base += len(row) + 1
	}
	if p.errs == nil && len(p.file.Statements) == 0 {
		p.fail(0, "", diag.CodeSyntax, "no expectations", "a file needs at least one statement such as profile NAME must deny write /etc/shadow")
	}
	if p.errs == nil && len(p.file.Policy) == 0 {
		p.base, p.number = 0, 1
		p.fail(0, "", diag.CodeSyntax, "no policy is named", "begin the file with policy PATH")
	}
	if err := p.errs.Err(); err != nil {
		return nil, err
	}
	if len(p.file.Kernels) == 0 {
		p.file.Kernels = []string{DefaultKernel}
	}
	return p.file, nil
}

const endsEarly = "the statement ends too early"

// maxErrors is how many mistakes of a file are told.
const maxErrors = 50

type fileParser struct {
	file   *File
	base   int // offset of the line
	number int // of the line
	errs   diag.List
}

func (p *fileParser) pos(at int) diag.Position {
	return diag.Position{File: p.file.Name, Offset: p.base + at, Line: max(p.number, 1), Column: at + 1}
}

func (p *fileParser) fail(at int, text string, code diag.Code, message, hint string) {
	p.errs = append(p.errs, &diag.Diagnostic{Code: code, Pos: p.pos(at), Message: message, Text: text, Hint: hint})
}

func (p *fileParser) limit(err *diag.LimitError) {
	p.errs = append(p.errs, &diag.Diagnostic{Code: diag.CodeLimit, Pos: p.pos(0), Message: err.Error(), Err: err})
}

func (p *fileParser) line(language *participle.Parser[line], row string) {
	trimmed := strings.TrimSpace(row)
	if trimmed == "" || trimmed[0] == '#' {
		return
	}
	tree, err := language.ParseString("", row)
	if err != nil {
		p.syntax(row, err)
		return
	}
	switch {
	case tree.Check != nil:
		p.check(row, tree.Check)
	case len(p.file.Statements) > 0:
		p.fail(strings.Index(row, trimmed), "", diag.CodePlace, "misplaced statement", "policy, include and kernel come before what is to be checked")
	case tree.Kernel != nil:
		for _, w := range tree.Kernel {
			if _, ok := features.Kernel(w.text); !ok {
				p.fail(w.at, w.text, diag.CodeSyntax, "unknown kernel", "one of "+strings.Join(features.Kernels(), ", "))
			} else if !slices.Contains(p.file.Kernels, w.text) {
				p.file.Kernels = append(p.file.Kernels, w.text)
			}
		}
	default:
		for _, w := range tree.Policy {
			p.file.Policy = append(p.file.Policy, p.unquote(w))
		}
		for _, w := range tree.Include {
			p.file.Include = append(p.file.Include, p.unquote(w))
		}
	}
}

// syntax reports what participle says about a line.
func (p *fileParser) syntax(row string, err error) {
	var unexpected *participle.UnexpectedTokenError
	var at participle.Error
	const verbs = "may, must deny, covers or within"
	switch {
	case errors.As(err, &unexpected):
		token := unexpected.Unexpected
		hint := ""
		if kind := strings.TrimSpace(row); kind == "profile" || kind == "machine" {
			p.fail(len(strings.TrimRight(row, " \t\r")), "", diag.CodeSyntax, endsEarly, "the name of a "+kind+" is missing")
			return
		}
		words := strings.Fields(row[:min(token.Pos.Offset, len(row))])
		switch {
		case len(words) == 0:
			hint = "a statement begins with policy, include, kernel, profile, machine, covers or within"
		case words[len(words)-1] == "must" && len(words) != 2:
			hint = "must is followed by deny"
		case words[0] == "profile" || words[0] == "machine":
			hint = "after the name follows " + verbs
		default:
			hint = "a path or name is missing"
		}
		if token.EOF() {
			p.fail(len(strings.TrimRight(row, " \t\r")), "", diag.CodeSyntax, endsEarly, hint)
			return
		}
		p.fail(token.Pos.Offset, token.Value, diag.CodeSyntax, "unexpected word", hint)
	case errors.As(err, &at):
		p.fail(min(at.Position().Offset, len(row)), "", diag.CodeCharacter, "a quoted word does not end", `close it with "`)
	default:
		p.fail(0, "", diag.CodeSyntax, err.Error(), "")
	}
}

// unquote returns a name or path without quotes and escapes.
func (p *fileParser) unquote(w word) string {
	if !strings.Contains(w.text, `"`) {
		return w.text
	}
	var out strings.Builder
	for i := 0; i < len(w.text); i++ {
		switch c := w.text[i]; {
		case c == '"':
		case c == '\\' && i+1 < len(w.text):
			i++
			out.WriteByte(w.text[i])
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func (p *fileParser) check(row string, c *check) {
	at := len(row) - len(strings.TrimLeft(row, " \t"))
	s := &Statement{Pos: p.pos(at), subject: subject{kind: c.Kind}}
	if s.Text = strings.TrimSpace(row); len(c.Rest) > 0 {
		last := c.Rest[len(c.Rest)-1]
		s.Text = row[at : last.at+len(last.text)]
	}
	before := len(p.errs)
	if c.Kind != "" {
		s.subject.name = p.unquote(c.Name)
		if c.Kind == "machine" {
			s.subject.name = "libvirt-" + strings.TrimPrefix(s.subject.name, "libvirt-")
		}
		re, err := namePattern(s.subject.name)
		if err != nil {
			p.fail(c.Name.at, c.Name.text, diag.CodePattern, "invalid pattern of a name", "")
		}
		s.subject.re = re
	}
	other := c.Covers
	switch {
	case c.May:
		s.Verb = May
	case c.Deny:
		s.Verb = MustDeny
	case c.Covers.text != "":
		s.Verb = Covers
	default:
		s.Verb, other = Within, c.Within
	}
	switch {
	case s.Verb >= Covers && len(c.Rest) > 0:
		p.fail(c.Rest[0].at, c.Rest[0].text, diag.CodeSyntax, "unexpected word", "one path follows "+s.Verb.String())
	case s.Verb >= Covers:
		s.path = p.unquote(other)
		s.Text = row[at : other.at+len(other.text)]
	case c.Kind == "":
		p.fail(at, "", diag.CodeSyntax, "the statement has no subject", "begin it with profile NAME or machine NAME")
	case len(c.Rest) == 0:
		p.fail(len(strings.TrimRight(row, " \t\r")), "", diag.CodeSyntax, endsEarly, "after "+s.Verb.String()+" follows a request such as write /etc/shadow")
	default:
		s.request = p.request(row, c.Rest)
	}
	if len(p.errs) == before {
		p.file.Statements = append(p.file.Statements, s)
	}
}

// namePattern returns the expression of a pattern of names.
func namePattern(name string) (*regexp.Regexp, error) {
	var out strings.Builder
	out.WriteString(`(?s)\A`)
	for i := 0; i < len(name); i++ {
		switch {
		case strings.HasPrefix(name[i:], "**"):
			out.WriteString(".*")
			i++
		case name[i] == '*':
			out.WriteString("[^/]*")
		case name[i] == '?':
			out.WriteString("[^/]")
		default:
			end := i
			for end < len(name) && name[end] != '*' && name[end] != '?' {
				end++
			}
			out.WriteString(regexp.QuoteMeta(name[i:end]))
			i = end - 1
		}
	}
	out.WriteString(`\z`)
	return regexp.Compile(out.String())
}

// request is the requests of a statement.
type request struct {
	text string // as written
	// rule is the text of a rule that allows them, without its comma; empty for
	// hats and attachments.
	rule string
	// column is where the rule is in the line, from which its first own columns
	// are.
	column int
	// Of requests about files: how long the path is, and where the words are
	// that became permissions.
	path, perms int
	files       filePerms // of requests about files
	as          bool      // the transition counts
	hat         string
	attach      string
	class       ast.Class
}

type filePerms uint8

const (
	fileRead filePerms = 1 << iota
	fileWrite
	fileAppend
	fileExec
	fileMmap
	fileLock
)

var fileWords = map[string]struct {
	perm   filePerms
	letter string
}{
	"read": {fileRead, "r"}, "write": {fileWrite, "w"}, "append": {fileAppend, "a"}, "exec": {fileExec, ""},
	"mmap": {fileMmap, "m"}, "lock": {fileLock, "k"},
}

// ruleWords are the words with which rules of other classes begin, and those
// classes.
var ruleWords = map[string]ast.Class{
	"capability": ast.ClassCapability, "network": ast.ClassNetwork, "signal": ast.ClassSignal, "ptrace": ast.ClassPtrace,
	"mount": ast.ClassMount, "remount": ast.ClassMount, "umount": ast.ClassMount, "unmount": ast.ClassMount,
	"pivot_root": ast.ClassPivotRoot, "unix": ast.ClassUnix, "dbus": ast.ClassDBus, "mqueue": ast.ClassMqueue,
	"userns": ast.ClassUserns, "io_uring": ast.ClassIOUring, "change_profile": ast.ClassChangeProfile, "link": ast.ClassLink,
	"set": ast.ClassRlimit,
}

func (p *fileParser) request(row string, words []word) request {
	first, last := words[0], words[len(words)-1]
	r := request{text: row[first.at : last.at+len(last.text)]}
	key := first.text
	switch key {
	case "change_hat", "attach":
		if len(words) != 2 {
			p.fail(first.at, key, diag.CodeSyntax, "one name must follow", "")
			return r
		}
		name := p.unquote(words[1])
		if strings.ContainsAny(name, "*?[{") {
			p.fail(words[1].at, name, diag.CodePattern, "wildcards cannot be used here", "this is asked about one name")
		}
		if key == "attach" {
			r.attach = name
		} else {
			r.hat = name
		}
		return r
	}
	if class, ok := ruleWords[key]; ok {
		r.rule, r.column, r.class = r.text, first.at, class
		p.rule(r)
		return r
	}
	return p.files(row, words, r)
}

// files reads a request about files.
func (p *fileParser) files(row string, words []word, r request) request {
	r.class = ast.ClassFile
	owner := ""
	if words[0].text == "owner" {
		owner, words = "owner ", words[1:]
	}
	if len(words) == 0 {
		p.fail(len(strings.TrimRight(row, " \t\r")), "", diag.CodeSyntax, endsEarly, "after owner follow permissions such as read,write")
		return r
	}
	letters := ""
	r.perms = words[0].at
	for name := range strings.SplitSeq(words[0].text, ",") {
		w, ok := fileWords[name]
		if !ok {
			p.fail(words[0].at, name, diag.CodePermissions, "unknown permission or class of rules",
				"permissions of files are read, write, append, exec, mmap and lock, separated by commas without blanks; other requests begin with a word such as capability or network")
			return r
		}
		r.files |= w.perm
		if !strings.Contains(letters, w.letter) {
			letters += w.letter
		}
	}
	if r.files&fileWrite != 0 {
		letters = strings.ReplaceAll(letters, "a", "") // a rule cannot have both
	}
	words = words[1:]
	mode := "ix"
	if len(words) >= 2 && words[0].text == "as" {
		if r.files != fileExec {
			p.fail(words[0].at, words[0].text, diag.CodeSyntax, "unexpected word", "as MODE follows exec alone")
			return r
		}
		mode, r.as, r.perms = words[1].text, true, words[1].at
		words = words[2:]
	}
	if r.files&fileExec != 0 {
		letters += mode
	}
	if len(words) != 1 && !(len(words) == 3 && words[1].text == "->" && r.as) {
		at := len(strings.TrimRight(row, " \t\r"))
		if len(words) > 0 {
			at = words[min(1, len(words)-1)].at
		}
		p.fail(at, "", diag.CodeSyntax, "one path must follow the permissions", "write a path with blanks in double quotes")
		return r
	}
	path := words[0]
	if !strings.HasPrefix(strings.TrimPrefix(path.text, `"`), "/") {
		p.fail(path.at, path.text, diag.CodePath, "a path begins with a slash", "")
		return r
	}
	r.rule, r.column, r.path = owner+path.text+" "+letters, path.at-len(owner), len(owner)+len(path.text)
	if len(words) == 3 {
		r.rule += " -> " + words[2].text
	}
	p.rule(r)
	return r
}

// rule checks the text of a rule.
func (p *fileParser) rule(r request) {
	err := checkRule(r)
	if err == nil {
		return
	}
	var list diag.List
	if !errors.As(err, &list) {
		p.fail(r.column, "", diag.CodeSyntax, err.Error(), "")
		return
	}
	p.fail(r.place(list[0]), list[0].Text, list[0].Code, list[0].Message, list[0].Hint)
}

// place returns where in its line is what a finding about the rule of a request
// is about.
func (r request) place(d *diag.Diagnostic) int {
	switch {
	case d.Pos.Line != ruleLine:
		return r.column + len(r.rule)
	case r.class == ast.ClassFile && d.Pos.Column > r.path:
		return r.perms
	}
	return max(r.column+d.Pos.Column-1, 0)
}

// placed puts findings about the rule of a statement where it was written.
func (s *Statement) placed(err error) error {
	var list diag.List
	if !errors.As(err, &list) || len(list) == 0 {
		return fmt.Errorf("%v: %w", s.Pos, err)
	}
	d, at := *list[0], s.request.place(list[0])
	begin := s.Pos.Offset - (s.Pos.Column - 1)
	d.Pos = diag.Position{File: s.Pos.File, Line: s.Pos.Line, Column: at + 1, Offset: begin + at}
	d.Profile, d.Via = "", nil
	return diag.List{&d}
}
