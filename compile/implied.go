// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/internal/trace"
)

// impliedFile is access to files that no rule spells out.
type impliedFile struct {
	change, hats bool // its source: a rule that changes the profile, or hats and children
	path         ast.Pattern
	perms        uint32
}

// impliedFiles is what a task needs to change its own profile: the attribute
// files below /proc, and the file that says whether AppArmor is enabled.
var impliedFiles = [...]impliedFile{
	{true, false, "/proc/*/attr/{apparmor/,}{current,exec}", fileWrite},
	{false, true, "/proc/[0-9]*/attr/{apparmor/,}current", fileWrite},
	{true, true, "/proc/*/attr/apparmor/", fileRead},
	{true, true, "/sys/module/apparmor/parameters/enabled", fileRead},
}

// implies returns what gives the access to the profile, trace.ByRule if
// nothing does.
func (t *translation) implies(f *impliedFile) trace.Implied {
	switch {
	case f.change && t.changer != nil:
		return trace.ByChangeProfile
	case f.hats && (t.profile.Hat || len(t.profile.Children) > 0):
		return trace.ByHats
	}
	return trace.ByRule
}

// implied adds the access that no rule spells out.
func (t *translation) implied() {
	for i := range impliedFiles {
		f := &impliedFiles[i]
		if by := t.implies(f); by != trace.ByRule {
			t.source = impliedBy(by)
			t.file(t.glob(f.path), record{effect: effectAllow, perms: f.perms})
		}
	}
}
