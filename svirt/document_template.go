// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/render"
)

// templateName is the name of the profile in a template.
const templateName = "LIBVIRT_TEMPLATE"

// Template is what machines' profiles are made from: a file of policy that has
// just one profile of the name LIBVIRT_TEMPLATE at its top. It is read from
// text or made of values, is never changed, and may be shared.
type Template struct {
	profileDocument
}

// NewTemplate makes a template of values: the flags of the profile, and what
// is in it, such as includes and rules. The preamble is that of this package's
// own templates: the features of AppArmor 3.0, and tunables/global for the
// variables. The name is a path in the tree of policy; see TemplateFor. The
// error is a *FileError.
func NewTemplate(name string, flags []ast.Flag, body ...ast.Stmt) (*Template, error) {
	text, err := render.Append(nil, &ast.File{Stmts: []ast.Stmt{
		&ast.ABI{Path: "abi/3.0"},
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
// say the same as the given ones, however they are spelled. What is not there
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
// name, and in it at its end an include of its rules. Containers (files is
// false) have no rules of their own. All else stays as it is written. The
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

// instantiate returns the text of a machine's profile.
func (t *Template) instantiate(n names, uuid string, files bool) (string, error) {
	if err := CheckUUID(uuid); err != nil {
		return "", err
	}
	profile := n.profile(uuid)
	if t.profile == nil {
		return "", t.fail(errNoText)
	}
	at, end := t.profile.Pos().Offset(), t.profile.Close.Offset()
	name := strings.Index(t.text[at:t.profile.Open.Offset()], templateName)
	if name < 0 {
		return "", t.fail(errors.New("the name " + templateName + " is not written plainly"))
	}
	at += name
	if where, ok := t.leftover(at); ok {
		return "", t.fail(fmt.Errorf("%s: %s is left there: it is replaced in the profile's name and nowhere else", where, templateName))
	}
	var b strings.Builder
	b.WriteString(t.text[:at])
	b.WriteString(profile)
	b.WriteString(t.text[at+len(templateName) : end])
	if files {
		if !strings.HasSuffix(t.text[:end], "\n") {
			b.WriteByte('\n')
		}
		b.WriteString("\n  include if exists <" + n.files(uuid) + ">\n")
	}
	b.WriteString(t.text[end:])
	return b.String(), nil
}

// leftover looks for the name of the template in what is not a comment, besides
// the one place at which it is replaced: what a template says of itself by its
// name would not be said of the machine.
func (t *Template) leftover(replaced int) (ast.Position, bool) {
	for n := range ast.All(t.file) {
		from, to := n.Pos().Offset(), n.End().Offset()
		switch n := n.(type) {
		case *ast.File, *ast.Block, *ast.If:
			continue
		case *ast.Profile:
			to = n.Open.Offset()
		}
		if from < 0 || to < from || to > len(t.text) {
			continue
		}
		for at := from; ; at += len(templateName) {
			i := strings.Index(t.text[at:to], templateName)
			if i < 0 {
				break
			}
			if at += i; at != replaced && !inComment(t.text, at) {
				return t.file.Position(ast.Pos(at + 1)), true
			}
		}
	}
	return ast.Position{}, false
}

// inComment reports whether a place in a text is in a comment, as far as its
// line tells.
func inComment(text string, at int) bool {
	line := text[strings.LastIndexByte(text[:at], '\n')+1 : at]
	return strings.Contains(line, "# ") || strings.HasPrefix(strings.TrimSpace(line), "#") && !strings.HasPrefix(strings.TrimSpace(line), "#include")
}

// InstantiateCompat makes the text of a machine's profile from that of a
// template as virt-aa-helper of a version does: by replacing strings. What is
// not laid out as the reference's own templates are comes out wrong in the
// same way, and the template need not be policy at all. The name is that of
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
