package compile

import (
	"context"
	"slices"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/features"
)

// attachments returns the patterns of executables that the profile attaches
// to.
func (pc *profileCompiler) attachments() []ast.Pattern {
	p := pc.profile
	all := slices.Clone(p.Alternates)
	switch {
	case p.Attachment != "":
		all = append([]ast.Pattern{p.Attachment}, all...)
	case p.Parent == nil && !p.Hat && len(p.Name) > 0 && p.Name[0] == '/':
		all = append([]ast.Pattern{ast.Pattern(p.Name)}, all...)
	}
	return all
}

// attachment builds the automaton of attachments. Behind a path it accepts
// the values of extended attributes: for each one, in the order of the list,
// an out-of-band step, a NUL and the value.
func (pc *profileCompiler) attachment(ctx context.Context, out *blob.Profile) {
	patterns := pc.attachments()
	if len(patterns) == 0 {
		return
	}
	xattrs := pc.profile.Xattrs
	if len(xattrs) > 0 && !pc.sup.has(features.Xattrs) {
		pc.degrade(features.Xattrs, "the attachment by extended attributes", false)
		xattrs = nil
	}
	var values []automaton.Node
	for _, x := range slices.Backward(xattrs) {
		out.Xattrs = append(out.Xattrs, x.Name)
		value := star(anyByte())
		if x.HasValue {
			value = pc.globNul(x.Value)
		}
		values = append(values, cat(nul(), value))
	}
	var rules ruleset
	rec := record{effect: effectAllow, perms: blob.PermExec}
	shortest := -1
	for _, p := range patterns {
		n, info := pc.globInfo(p)
		if shortest < 0 || info.MinLen < shortest {
			shortest = info.MinLen
		}
		rules.addRecord(n, rec)
		for _, v := range values {
			n = cat(n, oob(), v)
			rules.addRecord(n, rec)
		}
	}
	if len(pc.errs) > 0 {
		return
	}
	db, err := pc.buildXMatch(ctx, &rules)
	if err != nil {
		pc.buildErr = err
		return
	}
	out.XMatch, out.XMatchLen = db, uint32(shortest)
}
