// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/features"
)

// attachments returns the patterns of executables that the profile attaches
// to.
func (pc *profileCompiler) attachments() []ast.Pattern {
	p := pc.profile
	first := p.Attachment
	if name := pc.ownName(); first == "" && (pc.namedByPath() || !name.IsLiteral() || len(p.Xattrs) > 0) {
		first = name
	}
	if first == "" {
		return p.Alternates
	}
	return append([]ast.Pattern{first}, p.Alternates...)
}

// namedByPath reports whether the name is what the profile attaches to.
func (pc *profileCompiler) namedByPath() bool {
	p := pc.profile
	return p.Parent == nil && !p.Hat && strings.HasPrefix(p.Name, "/")
}

// ownName is the name without those of parents.
func (pc *profileCompiler) ownName() ast.Pattern {
	name := pc.profile.Name
	if up := pc.profile.Parent; up != nil {
		name = strings.TrimPrefix(name, up.Name+"//")
	}
	if i := strings.LastIndex(name, "//"); i >= 0 {
		name = name[i+len("//"):]
	}
	return ast.Pattern(name)
}

// attachment makes the expressions of attachments. Behind a path stand the
// values of extended attributes: for each one, in the order of the list, an
// out-of-band step, a NUL and the value. A file need not have the attributes
// behind the last one that it has.
func (pc *profileCompiler) attachment(out *blob.Profile) *ruleset {
	rules := &ruleset{}
	pc.glob(pc.ownName()) // to refuse a name that is no pattern
	patterns := pc.attachments()
	if len(patterns) == 0 {
		return rules
	}
	xattrs := pc.profile.Xattrs
	if len(xattrs) > 0 && !pc.sup.has(features.Xattrs) {
		pc.degrade(features.Xattrs, "the attachment by extended attributes", true)
		xattrs = nil
	}
	var values []automaton.Node
	for _, x := range slices.Backward(xattrs) {
		out.Xattrs = append(out.Xattrs, x.Name)
		value := star(anyByte())
		if x.HasValue {
			value = pc.globNul(x.Value)
		}
		values = append(values, cat(oob(), nul(), value))
	}
	rec := record{effect: effectAllow, perms: blob.PermExec}
	out.XMatchLen = xmatchLen(patterns)
	for _, p := range patterns {
		n := pc.glob(p)
		rules.addRecord(n, rec)
		for _, v := range values {
			n = cat(n, v)
			rules.addRecord(n, rec)
		}
	}
	return rules
}
