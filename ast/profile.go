// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"strings"

	"github.com/goarmor/apparmor/diag"
)

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
		return c.fail(diag.CodeName, "Name", string(p.Name), "the name of a profile cannot begin like a namespace or a stack")
	case p.Kind == KindPath && p.Namespace == "" && b != '/':
		return c.fail(diag.CodeName, "Name", string(p.Name), "the name of a profile must begin with a slash or follow the word profile")
	case p.Kind == KindPath && c.scope.body:
		return c.fail(diag.CodeName, "Kind", string(p.Name), "a profile among rules must begin with the word profile")
	case p.Namespace != "" && b == '/' && len(p.Name) > 1 && p.Name[1] == '/':
		return c.fail(diag.CodeName, "Name", string(p.Name), "the name after a namespace cannot begin with two slashes")
	}
	for i := 0; i < len(p.Namespace); i++ {
		if b := p.Namespace[i]; b == ':' || b == '\\' || b == 0 {
			return c.fail(diag.CodeName, "Namespace", p.Namespace, "a namespace cannot have colons, backslashes or NUL bytes")
		}
	}
	if a := p.Attachment; a != "" && a[0] != '/' && !a.startsVariable() {
		return c.fail(diag.CodeAttachment, "Attachment", string(a), "an attachment must begin with a slash or a variable")
	}
	if p.Kind == KindHat && len(p.Xattrs) > 0 {
		return c.fail(diag.CodeXattr, "Xattrs", "", "a hat cannot have xattrs")
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
			return c.fail(diag.CodeName, "Identities", string(id), "an identity with a blank must begin with a slash")
		}
	}
	for i := range p.Flags {
		if err := c.sub("Flags", &p.Flags[i]); err != nil {
			return err
		}
		for j := range i {
			if err := c.flagPair(&p.Flags[j], &p.Flags[i]); err != nil {
				return err
			}
		}
	}
	return c.stmts("Body", p.Body, scope{body: true})
}
