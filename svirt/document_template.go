// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// The words that are replaced in a template.
const (
	templateName = "LIBVIRT_TEMPLATE" // the name of the profile
	machineName  = "LIBVIRT_MACHINE"  // that of the machine's profile
)

// Template is what machines' profiles are made from: a file of policy that has
// just one profile of the name LIBVIRT_TEMPLATE at its top. It is read from
// text or made of values, is never changed, and may be shared.
//
// LIBVIRT_TEMPLATE is replaced by the name of the profile wherever it is in a
// statement, as in a rule that names the profile as a peer, and LIBVIRT_MACHINE
// by that of the machine's profile, which is another one in the template of a
// Companion. Comments stay as they are. Where either word is a part of a longer
// one, or is written with escapes, the template is refused.
//
// A template says where the machine's own rules go by including
// libvirt/LIBVIRT_TEMPLATE.files. Without that they are included at the end of
// its profile.
type Template struct {
	profileDocument
}

// NewTemplate makes a template of values: the flags of the profile, and what
// is in it, such as includes and rules. The preamble is that of this package's
// own templates: the features of AppArmor 5.0, of which a kernel enforces those
// that it has, and tunables/global for the variables. The name is a path in the tree of policy; see TemplateFor. The
// error is a *FileError.
func NewTemplate(name string, flags []ast.Flag, body ...ast.Stmt) (*Template, error) {
	text, err := render.Append(nil, &ast.File{Stmts: []ast.Stmt{
		&ast.ABI{Path: "abi/5.0"},
		&ast.Include{Path: "tunables/global"},
		&ast.Profile{Name: templateName, Flags: flags, Body: body},
	}})
	if err != nil {
		return nil, &FileError{File: name, Err: err}
	}
	return ParseTemplate(context.Background(), name, string(text))
}

// ParseTemplate reads a template from text. The error is a *FileError.
func ParseTemplate(ctx context.Context, name, text string) (*Template, error) {
	d, err := parseProfileDocument(ctx, name, text, templateName)
	if err != nil {
		return nil, err
	}
	return &Template{d}, nil
}

// ReadTemplate reads a template from the first of the roots that has it. The
// error is a *FileError.
func ReadTemplate(ctx context.Context, roots []fs.FS, name string) (*Template, error) {
	text, err := readPolicy(roots, name)
	if err != nil {
		return nil, err
	}
	return ParseTemplate(ctx, name, text)
}

// TemplateFor returns the name of the template for a virtualization type:
// libvirt/TEMPLATE.qemu for libvirt's QEMU driver, libvirt/TEMPLATE.vmm for
// the empty type, and otherwise the one that is named after the type.
func TemplateFor(virtType string) (string, error) {
	switch virtType {
	case "":
		virtType = "vmm"
	case "qemu", "kqemu", "kvm":
		virtType = "qemu"
	}
	for i := 0; i < len(virtType); i++ {
		switch c := virtType[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		default:
			return "", &IdentityError{What: "type", Value: virtType, Reason: "it cannot be part of a file name"}
		}
	}
	return "libvirt/TEMPLATE." + virtType, nil
}

// With returns the template with statements, such as includes and rules, at
// the end of its profile. All else stays as it is written. The error is a
// *FileError.
func (t *Template) With(list ...ast.Stmt) (*Template, error) {
	text, err := t.appended(t.profile, list)
	if err != nil {
		return nil, err
	}
	return ParseTemplate(context.Background(), t.name, text)
}

// Without returns the template without statements of its profile: those that
// say the same as the given ones, however they are spelled. A missing one
// is an error that matches ErrNotFound, so that nothing stays granted by
// mistake. All else stays as it is written. The error is a *FileError.
func (t *Template) Without(list ...ast.Stmt) (*Template, error) {
	text, err := t.removed(t.body(), list)
	if err != nil {
		return nil, err
	}
	return ParseTemplate(context.Background(), t.name, text)
}

// filesPath is the path of a machine's rules in the tree of policy.
func filesPath(profile string) string { return "libvirt/" + profile + ".files" }

// Instantiate makes a machine's profile: the profile of the template with its
// name, and an include of its rules where the template says, or at the end of
// the profile. Containers (files is false) have no rules of their own. All else
// stays as it is written. The
// error is an *IdentityError for a bad UUID, otherwise a *FileError.
func (t *Template) Instantiate(ctx context.Context, uuid string, files bool) (*MachineProfile, error) {
	text, err := t.instantiate(libvirtNames, uuid, files)
	if err != nil {
		return nil, err
	}
	return ParseMachineProfile(ctx, uuid, text)
}

// Made reports whether a machine's profile is what Instantiate makes. One that
// no template makes has been edited by an administrator, or was made before
// the template changed.
func (t *Template) Made(p *MachineProfile, files bool) bool {
	text, err := t.instantiate(libvirtNames, p.uuid, files)
	return err == nil && text == p.text
}

// instantiate returns the text of the profile of a member of a machine.
func (t *Template) instantiate(n names, member string, files bool) (string, error) {
	if err := checkMember(member); err != nil {
		return "", err
	}
	profile := n.profile(member)
	if t.profile == nil {
		return "", t.fail(errNoText)
	}
	if from := t.profile.Pos().Offset(); !strings.Contains(t.text[from:t.profile.Open.Offset()], templateName) {
		return "", t.fail(errors.New("the name " + templateName + " is not written plainly"))
	}
	if where, ok := t.escapedName(); ok {
		return "", t.fail(fmt.Errorf("%s: %s is written with escapes there, and would not be replaced", where, templateName))
	}
	uuid, _ := cutMember(member)
	placed := false
	for node := range ast.All(t.file) {
		i, ok := node.(*ast.Include)
		if !ok || i.Path != filesPath(templateName) {
			continue
		}
		switch at := i.Pos().Offset(); {
		case at < t.profile.Open.Offset() || at > t.profile.Close.Offset():
			return "", t.fail(fmt.Errorf("%s: the machine's rules are included outside of its profile", t.file.Position(i.Pos())))
		case !files:
			return "", t.fail(fmt.Errorf("%s: rules are included there, and a machine of this type has none", t.file.Position(i.Pos())))
		}
		placed = true
	}
	// The edits, in the order of the text.
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	for _, w := range t.words() {
		if w.part {
			return "", t.fail(fmt.Errorf("%s: %s is a part of a longer word there, and cannot be replaced", t.file.Position(ast.Pos(w.at+1)), w.word))
		}
		e := edit{w.at, w.at + len(w.word), profile}
		if w.word == machineName {
			e.text = n.profile(uuid)
		}
		const dir = "libvirt/"
		if strings.HasSuffix(t.text[:e.from], dir) && strings.HasPrefix(t.text[e.from:], templateName+".files") {
			// The directory of the machines' files has the name of the manager.
			e.from, e.text = e.from-len(dir), n.dir()+"/"+e.text
		}
		edits = append(edits, e)
	}
	if end := t.profile.Close.Offset(); files && !placed {
		e := edit{end, end, "\n  include if exists <" + n.files(member) + ">\n"}
		if !strings.HasSuffix(t.text[:end], "\n") {
			e.text = "\n" + e.text
		}
		edits = append(edits, e)
		slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	}
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(t.text[done:e.from])
		b.WriteString(e.text)
		done = e.to
	}
	b.WriteString(t.text[done:])
	return b.String(), nil
}

// word is a place at which a template has a word that is replaced.
type word struct {
	at   int
	word string
	part bool // of a longer word
}

// extent is a part of a template's text.
type extent struct{ from, to int }

// statements are the statements of a template, with the text of each: of a
// profile its head, and of what has statements alone none.
func (t *Template) statements() iter.Seq2[ast.Node, extent] {
	return func(yield func(ast.Node, extent) bool) {
		for n := range ast.All(t.file) {
			in := extent{n.Pos().Offset(), n.End().Offset()}
			switch n := n.(type) {
			case *ast.File, *ast.Block, *ast.If:
				continue
			case *ast.Profile:
				in.to = n.Open.Offset()
			}
			if in.from < 0 || in.to < in.from || in.to > len(t.text) {
				continue
			}
			if !yield(n, in) {
				return
			}
		}
	}
}

// words returns the places of the words that are replaced, in what is not a
// comment, in order.
func (t *Template) words() []word {
	at := map[int]word{}
	for _, in := range t.statements() {
		for _, w := range []string{templateName, machineName} {
			for i := in.from; ; {
				next := strings.Index(t.text[i:in.to], w)
				if next < 0 {
					break
				}
				i += next
				if !inComment(t.text, i) {
					at[i] = word{i, w, i > 0 && isNameByte(t.text[i-1]) || i+len(w) < len(t.text) && isNameByte(t.text[i+len(w)])}
				}
				i += len(w)
			}
		}
	}
	out := slices.Collect(maps.Values(at))
	slices.SortFunc(out, func(a, b word) int { return a.at - b.at })
	return out
}

func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// escapedName looks for a statement whose patterns mean a word that is replaced
// and do not spell it.
func (t *Template) escapedName() (ast.Position, bool) {
	for n, in := range t.statements() {
		for _, w := range []string{templateName, machineName} {
			if countMeant(reflect.ValueOf(n).Elem(), w) > strings.Count(t.text[in.from:in.to], w) {
				return t.file.Position(n.Pos()), true
			}
		}
	}
	return ast.Position{}, false
}

// countMeant counts a word in the text of a node itself.
func countMeant(v reflect.Value, word string) (n int) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			n += countMeant(v.Field(i), word)
		}
	case reflect.Slice:
		for i := range v.Len() {
			n += countMeant(v.Index(i), word)
		}
	case reflect.String:
		// Statements below are reached by pointers, and are nodes of their own.
		text := v.String()
		if plain, ok := ast.Pattern(text).Unescape(); ok {
			text = plain
		}
		n = strings.Count(text, word)
	}
	return n
}

// inComment reports whether a place in a text is in a comment, as far as its
// line tells.
func inComment(text string, at int) bool {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	return strings.Contains(line, "# ") || strings.HasPrefix(strings.TrimSpace(line), "#") && !strings.HasPrefix(strings.TrimSpace(line), "#include")
}

// InstantiateCompat makes the text of a machine's profile from that of a
// template as virt-aa-helper of a version does: by replacing strings. A
// template that is not laid out like the reference's own comes out wrong in the
// same way, and need not be policy at all. The name is that of
// the template, for errors: an *IdentityError for a bad UUID, otherwise a
// *FileError.
func InstantiateCompat(method Method, name, text, uuid string, files bool) (string, error) {
	profile, err := ProfileName(uuid)
	if err != nil {
		return "", err
	}
	text, err = replace(name, text, "\nprofile "+templateName, "\nprofile "+profile)
	if err != nil || !files {
		return text, err
	}
	word := "#include"
	if method.release() >= libvirt113 {
		word = "#include if exists"
	}
	return replace(name, text, "\n}", "\n  "+word+" <"+filesPath(profile)+">\n\n}")
}

// replace replaces every occurrence and cuts the text to the length that one
// would have made.
func replace(name, text, from, to string) (string, error) {
	if !strings.Contains(text, from) {
		return "", &FileError{File: name, Err: fmt.Errorf("it does not have %q", from)}
	}
	length := len(text) + len(to) - len(from)
	return strings.ReplaceAll(text, from, to)[:length], nil
}

// profileDocument is a file with one profile of a certain name.
type profileDocument struct {
	document
	profile *ast.Profile
}

// Profile returns the profile of the file. It must not be changed.
func (d *profileDocument) Profile() *ast.Profile { return d.profile }

func (d *profileDocument) body() []ast.Stmt {
	if d.profile == nil {
		return nil
	}
	return d.profile.Body
}

// Includes returns the includes of the profile, without those of its children
// and blocks. They must not be changed.
func (d *profileDocument) Includes() []*ast.Include { return includesOf(d.body()) }

// Rules returns the rules that are written in the profile itself, without
// those of its children and blocks and of what it includes. They must not be
// changed.
func (d *profileDocument) Rules() []ast.Rule { return rulesOf(d.body()) }

// parseProfileDocument parses a file and finds the profile in it.
func parseProfileDocument(ctx context.Context, name, text, profile string) (profileDocument, error) {
	d, err := parseDocument(ctx, name, text, parser.ContextFile)
	if err != nil {
		return profileDocument{}, err
	}
	var found *ast.Profile
	for _, s := range d.file.Stmts {
		p, ok := s.(*ast.Profile)
		if !ok || p.Name != ast.Pattern(profile) || p.Namespace != "" {
			continue
		}
		if found != nil {
			return profileDocument{}, d.fail(fmt.Errorf("%s: there is more than one profile %s", d.file.Position(p.Pos()), profile))
		}
		found = p
	}
	if found == nil {
		return profileDocument{}, d.fail(errors.New("there is no profile " + profile))
	}
	return profileDocument{d, found}, nil
}
