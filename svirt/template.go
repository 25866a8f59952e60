package svirt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/parser"
)

// templateName is the name of the profile in a template.
const templateName = "LIBVIRT_TEMPLATE"

// maxFile is the size of the largest policy file that is read, as in the
// reference.
const maxFile = 10 << 20

// Template is the text that machines' profiles are made from.
type Template struct {
	Name string // as libvirt/TEMPLATE.qemu
	Text string
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

// ReadTemplate reads a template from the first of the roots that has it.
func ReadTemplate(roots []fs.FS, name string) (*Template, error) {
	for _, root := range roots {
		text, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && len(text) > maxFile {
			err = fmt.Errorf("it has more than %d bytes", maxFile)
		}
		if err != nil {
			return nil, &TemplateError{Template: name, Err: err}
		}
		return &Template{Name: name, Text: string(text)}, nil
	}
	return nil, &TemplateError{Template: name, Err: fs.ErrNotExist}
}

// TemplateError says that a template cannot be used.
type TemplateError struct {
	Template string
	Err      error
}

// Error implements error.
func (e *TemplateError) Error() string { return "template " + e.Template + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TemplateError) Unwrap() error { return e.Err }

// filesPath is the path of a machine's rules in the tree of policy.
func filesPath(profile string) string { return "libvirt/" + profile + ".files" }

// Instantiate makes the text of a machine's profile: the profile of the
// template with its name, and in it at its end an include of its rules.
// Containers (files is false) have no rules of their own. All else stays as it
// is written. The template must have just one profile of the name
// LIBVIRT_TEMPLATE at its top.
func (t *Template) Instantiate(ctx context.Context, uuid string, files bool) (string, error) {
	profile, err := ProfileName(uuid)
	if err != nil {
		return "", err
	}
	fail := func(err error) (string, error) { return "", &TemplateError{Template: t.Name, Err: err} }
	file, err := parser.Config{Context: parser.ContextFile}.Parse(ctx, t.Name, t.Text)
	if err != nil {
		return fail(err)
	}
	var found *ast.Profile
	for _, s := range file.Stmts {
		p, ok := s.(*ast.Profile)
		if !ok || p.Name != templateName {
			continue
		}
		if found != nil {
			return fail(fmt.Errorf("%s: there is more than one profile %s", file.Position(p.Pos()), templateName))
		}
		found = p
	}
	if found == nil {
		return fail(errors.New("there is no profile " + templateName))
	}
	head, end := t.Text[:found.Open.Offset()], found.Close.Offset()
	at := found.Pos().Offset() + strings.Index(head[found.Pos().Offset():], templateName)
	var b strings.Builder
	b.WriteString(t.Text[:at])
	b.WriteString(profile)
	b.WriteString(t.Text[at+len(templateName) : end])
	if files {
		if !strings.HasSuffix(t.Text[:end], "\n") {
			b.WriteByte('\n')
		}
		b.WriteString("\n  include if exists <" + filesPath(profile) + ">\n")
	}
	b.WriteString(t.Text[end:])
	return b.String(), nil
}

// InstantiateCompat makes the text of a machine's profile as virt-aa-helper of
// a version does: by replacing strings. What is not laid out as the
// reference's own templates are comes out wrong in the same way.
func (t *Template) InstantiateCompat(policy Policy, uuid string, files bool) (string, error) {
	profile, err := ProfileName(uuid)
	if err != nil {
		return "", err
	}
	text, err := t.replace(t.Text, "\nprofile "+templateName, "\nprofile "+profile)
	if err != nil || !files {
		return text, err
	}
	word := "#include"
	if policy == Compat128 {
		word = "#include if exists"
	}
	return t.replace(text, "\n}", "\n  "+word+" <"+filesPath(profile)+">\n\n}")
}

// replace replaces every occurrence and cuts the text to the length that one
// would have made.
func (t *Template) replace(text, from, to string) (string, error) {
	if !strings.Contains(text, from) {
		return "", &TemplateError{Template: t.Name, Err: fmt.Errorf("it does not have %q", from)}
	}
	length := len(text) + len(to) - len(from)
	return strings.ReplaceAll(text, from, to)[:length], nil
}
