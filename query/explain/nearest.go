// SPDX-License-Identifier: Apache-2.0

package explain

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/policy"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/render"
)

// nearest returns the rule of a profile that comes closest to granting what a
// request lacks, or nil: for files the one that grants it on the pattern that
// begins most like the path, for other classes the first one that allows
// anything in the class.
func (p *Policy) nearest(profile string, r query.Request, missing query.Perms) *Near {
	var best *policy.Rule
	longest := 1 // all paths begin with a slash
	q := p.profiles[profile]
	for i := range q.Rules {
		rule := &q.Rules[i]
		near, on := nearOf(rule.Rule, r, missing)
		switch {
		case !on || !near.grants || rule.Quals().Access != ast.Allow:
		case near.path == "":
			if best == nil {
				best = rule
			}
		default:
			if n := common(near.path, string(near.pattern)); n > longest {
				best, longest = rule, n
			}
		}
	}
	if best == nil {
		return nil
	}
	return &Near{Rule: best.Rule, Text: render.String(best.Rule), Pos: best.Origin.Position(), Via: best.Origin.Chain()}
}

// gives reports whether a rule grants any of the permissions on its files.
func gives(r *ast.FileRule, missing query.Perms) bool {
	for _, m := range [...]struct {
		bits query.Perms
		perm ast.FilePerm
	}{
		{query.Read, ast.FileRead},
		{query.Write | query.Create | query.Delete | query.Setattr | query.Chmod | query.Chown, ast.FileWrite},
		{query.Append, ast.FileAppend | ast.FileWrite},
		{query.Lock, ast.FileLock},
		{query.Mmap, ast.FileMmap},
		{query.MayOpen, ast.FileRead | ast.FileWrite},
		{linkPerms, ast.FileLink},
	} {
		if missing&m.bits != 0 && r.Perms&m.perm != 0 {
			return true
		}
	}
	return missing&query.Exec != 0 && r.Exec != ast.ExecNone
}

// common is the length of the part of a path that the pattern has literally.
func common(path, pattern string) int {
	n := 0
	for n < len(path) && n < len(pattern) && path[n] == pattern[n] && !strings.ContainsRune(`*?[{\`, rune(pattern[n])) {
		n++
	}
	return n
}
