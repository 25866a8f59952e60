// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/policy"
)

// attachments returns the patterns of executables that the profile attaches
// to.
func attachments(p *policy.Profile) []ast.Pattern {
	first := p.Attachment
	if name := ownName(p); first == "" && (namedByPath(p) || !name.IsLiteral() || len(p.Xattrs) > 0) {
		first = name
	}
	if first == "" {
		return p.Alternates
	}
	return append([]ast.Pattern{first}, p.Alternates...)
}

// namedByPath reports whether the profile attaches to its name.
func namedByPath(p *policy.Profile) bool {
	return p.Parent == nil && !p.Hat && strings.HasPrefix(p.Name, "/")
}

// plainName reports whether the profile attaches to exactly one path, its
// name.
func plainName(p *policy.Profile) bool {
	return (p.Attachment == "" || p.Attachment == ownName(p)) && len(p.Alternates) == 0 && len(p.Xattrs) == 0 && namedByPath(p) && ownName(p).IsLiteral()
}

// ownName is the name without those of parents.
func ownName(p *policy.Profile) ast.Pattern {
	name := p.Name
	if up := p.Parent; up != nil {
		name = strings.TrimPrefix(name, up.Name+"//")
	}
	if i := strings.LastIndex(name, "//"); i >= 0 {
		name = name[i+len("//"):]
	}
	return ast.Pattern(name)
}

// attachment makes the expressions of attachments. A path is followed by the
// values of extended attributes: for each one, in the order of the list, an
// out-of-band step, a NUL and the value. A file may lack attributes at the end
// of the list.
func attachment(e *emitter, out *blob.Profile) *ruleset {
	rules := &ruleset{}
	e.rule = nil
	e.glob(ownName(e.profile)) // to refuse a name that is not a pattern
	patterns := attachments(e.profile)
	if len(patterns) == 0 || e.plainNames && plainName(e.profile) {
		return rules
	}
	xattrs := e.profile.Xattrs
	if len(xattrs) > 0 && !e.has(features.Xattrs) {
		e.degrade(features.Xattrs, "the attachment by extended attributes", true)
		xattrs = nil
	}
	var values []node
	for _, x := range slices.Backward(xattrs) {
		out.Xattrs = append(out.Xattrs, x.Name)
		value := star(anyByte())
		if x.HasValue {
			value = e.globNul(x.Value)
		}
		values = append(values, cat(oob(), nul(), value))
	}
	rec := record{effect: effectAllow, perms: blob.PermExec}
	out.XMatchLen = xmatchLen(patterns)
	for _, p := range patterns {
		n := e.glob(p)
		e.keep(rules, n, rec)
		for _, v := range values {
			n = cat(n, v)
			e.keep(rules, n, rec)
		}
	}
	return rules
}
