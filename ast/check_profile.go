// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
	"strings"
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
		return c.fail("Name", string(p.Name), errors.New("must not begin like a namespace or a stack"))
	case p.Kind == KindPath && p.Namespace == "" && b != '/':
		return c.fail("Name", string(p.Name), errors.New("must be a path or have a keyword in front"))
	case p.Kind == KindPath && c.scope.body:
		return c.fail("Kind", string(p.Name), errors.New("needs a keyword in front among rules"))
	case p.Namespace != "" && b == '/' && len(p.Name) > 1 && p.Name[1] == '/':
		return c.fail("Name", string(p.Name), errors.New("must not begin with two slashes behind a namespace"))
	}
	for i := 0; i < len(p.Namespace); i++ {
		if b := p.Namespace[i]; b == ':' || b == '\\' || b == 0 {
			return c.fail("Namespace", p.Namespace, errBytes)
		}
	}
	if a := p.Attachment; a != "" && a[0] != '/' && !a.startsVariable() {
		return c.fail("Attachment", string(a), errors.New("must begin with a slash or a variable"))
	}
	if p.Kind == KindHat && len(p.Xattrs) > 0 {
		return c.fail("Xattrs", "", errors.New("a hat has none"))
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
			return c.fail("Identities", string(id), errors.New("must begin with a slash to hold a blank"))
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

// flag checks a flag against what its name takes for a value.
func (c checker) flag(f *Flag) *CheckError {
	if err := first(c.known("Name", f.Name, ProfileFlags(), "flag"), c.pattern("Value", Pattern(f.Value))); err != nil {
		return err
	}
	switch f.Name {
	case "attach_disconnected.path", "attach_disconnected.ipc":
		if v := Pattern(f.Value); v != "" && v[0] != '/' && !v.startsVariable() {
			return c.fail("Value", f.Value, errors.New("must begin with a slash or a variable"))
		}
	case "kill.signal":
		if f.Value != "" && !IsSignal(f.Value) {
			return c.unknown("Value", f.Value, Signals(), "signal")
		}
	case "error":
		if f.Value != "" && !IsErrno(f.Value) {
			return c.fail("Value", f.Value, errors.New("is no error code"))
		}
	default:
		if f.Value != "" {
			return c.fail("Value", f.Value, errors.New("belongs to a flag that has none"))
		}
		return nil
	}
	if f.Value == "" && f.Name != "attach_disconnected.ipc" {
		return c.fail("Value", "", errEmpty)
	}
	return nil
}

// flagPair checks two flags against each other.
func (c checker) flagPair(f, g *Flag) *CheckError {
	switch {
	case f.Name == g.Name && f.Value == g.Value:
		return c.fail("Flags", g.Name, errors.New("stands twice"))
	case FlagsExclude(*f, *g):
		return c.fail("Flags", g.Name, fmt.Errorf("excludes %s", f.Name))
	}
	return nil
}
