// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
)

// resolveHead makes the profile of a draft from what precedes the opening
// brace, and the profiles below it.
func (r *resolver) resolveHead(d *draft, parent *Profile) {
	if r.fatal != nil {
		return
	}
	n := d.node
	p := &Profile{Parent: parent, Hat: n.Kind == ast.KindHat, Origin: d.origin, ABI: r.abi}
	d.out = p
	r.in = d
	p.Namespace = r.namespace(d, parent)
	own := r.profileName(d)
	p.Name = own
	if parent != nil {
		p.Name = parent.Name + "//" + own
	}
	r.made(d.origin, len(p.Name))
	escaped := escapeGlob(p.Name)
	d.env.name = &escaped

	attach := n.Attachment
	switch {
	case attach == "" && strings.HasPrefix(own, "/"):
		attach = ast.Pattern(own)
	case attach != "":
		if a := string(attach); !strings.HasPrefix(a, "/") && !strings.HasPrefix(a, "@{") {
			r.errorf(d.origin, diag.CodeAttachment, a, "the attachment is not a path").Hint = "it begins with / or a variable"
		}
		attach = r.expand(attach, &d.env, d.origin)
	}
	if attach != "" {
		text := string(attach)
		d.env.attach = &text
		d.env.local = nil
		r.warnPattern(attach, d.origin)
		p.Attachment = squeeze(attach)
		if i := strings.LastIndex(own, "//"); n.Attachment == "" && i >= 0 {
			// To the kernel it is a child, named by the last part.
			p.Attachment = squeeze(ast.Pattern(own[i+len("//"):]))
		}
		r.steps += len(r.aliases) / 16
		for _, a := range r.aliases {
			if to, ok := a.apply(attach); ok && r.made(d.origin, copyBytes+len(to)) {
				p.Alternates = append(p.Alternates, squeeze(to))
			}
		}
	}
	if attach == "" {
		r.warnPattern(ast.Pattern(own), d.origin) // names are patterns, too
	}
	r.xattrs(d)
	p.Flags = r.flags(d)
	for _, id := range n.Identities {
		p.Identities = append(p.Identities, r.expand(id, &d.env, d.origin))
	}
	for _, c := range d.children {
		r.resolveHead(c, p)
	}
	r.in = nil
}

// namespace returns the namespace of a profile. Those below are in that of
// their parent, since they are loaded with it.
func (r *resolver) namespace(d *draft, parent *Profile) string {
	ns := d.node.Namespace
	if parent != nil {
		if ns != "" && ns != parent.Namespace {
			r.errorf(d.origin, diag.CodeName, ns, "a profile below another one must be in its namespace")
		}
		return parent.Namespace
	}
	if strings.ContainsAny(ns, ":\x00\n") {
		r.errorf(d.origin, diag.CodeName, ns, "the name of the namespace is not valid")
	}
	if r.opts.Namespace != "" {
		if ns != "" && ns != r.opts.Namespace {
			r.warnf(d.origin, diag.ClassOverride, diag.WarnNamespace, ns, "the namespace is replaced by %s", r.opts.Namespace)
		}
		ns = r.opts.Namespace
	}
	return ns
}

// profileName returns a profile's own name, expanded.
func (r *resolver) profileName(d *draft) string {
	own := string(r.expand(d.node.Name, &d.env, d.origin))
	switch {
	case d.node.Name == "":
		r.errorf(d.origin, diag.CodeName, "", "the profile has no name")
	case strings.HasPrefix(own, "&"):
		r.errorf(d.origin, diag.CodeName, own, "the name begins like a stack of profiles")
	case strings.HasPrefix(own, ":"):
		r.errorf(d.origin, diag.CodeName, own, "the name begins like a namespace")
	case strings.ContainsRune(own, 0):
		r.errorf(d.origin, diag.CodeName, own, "the name has a NUL byte")
	}
	return own
}

// escapeGlob puts a backslash before the bytes of a name that are not literal
// in a pattern, unless they have one already.
func escapeGlob(name string) string {
	if !strings.ContainsAny(name, `*?[]{}^\`) {
		return name
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; c {
		case '\\':
			b.WriteByte(c)
			if i++; i < len(name) {
				b.WriteByte(name[i])
			} else {
				b.WriteByte('\\')
			}
			continue
		case '*', '?', '[', ']', '{', '}', '^':
			b.WriteByte('\\')
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func (r *resolver) xattrs(d *draft) {
	if len(d.node.Xattrs) == 0 {
		return
	}
	if d.out.Hat && d.parent != nil {
		r.errorf(d.origin, diag.CodeXattr, "", "a hat cannot have xattrs")
		return
	}
	for i := range d.node.Xattrs {
		x := &d.node.Xattrs[i]
		if x.Name == "" || strings.ContainsRune(x.Name, 0) {
			o := d.origin
			o.Pos = x.Pos()
			r.errorf(o, diag.CodeXattr, x.Name, "the name of the xattr is not valid")
			continue
		}
		d.out.Xattrs = append(d.out.Xattrs, Xattr{Name: x.Name, Value: x.Value, HasValue: x.HasValue})
	}
}

// FullName returns the name as policy writes it: with the namespace before it
// if there is one, `:ns://name`.
func (p *Profile) FullName() string {
	if p.Namespace == "" {
		return p.Name
	}
	return ":" + p.Namespace + "://" + p.Name
}
