// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"fmt"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
)

// everyPath is what a bare file rule and `all` mean by every path.
const everyPath ast.Pattern = "/{**,}"

// everyPerm is what they grant on it besides execution.
const everyPerm = ast.FileRead | ast.FileWrite | ast.FileLink | ast.FileLock | ast.FileMmap

// file translates a file rule into the string of its path and, where it
// grants links, the string of the link pair.
func (pc *profileCompiler) file(r *ast.FileRule) {
	q := r.Quals()
	if r.All {
		pc.paths(everyPath, q, everyPerm, ast.ExecInherit, false, "")
		return
	}
	if r.Link != "" && r.Perms&ast.FileLink != 0 {
		// `rl A -> B` is `r A` and the link rule.
		if rest := r.Perms &^ ast.FileLink; rest != 0 || r.Exec != ast.ExecNone {
			pc.paths(r.Path, q, rest, r.Exec, r.Scrub, r.Target)
		}
		pc.linkRule(q, r.Path, r.Link, false)
		return
	}
	pc.paths(r.Path, q, r.Perms, r.Exec, r.Scrub, r.Target)
}

func (pc *profileCompiler) link(r *ast.LinkRule) {
	pc.linkRule(r.Quals(), r.From, r.To, r.Subset)
}

func (pc *profileCompiler) paths(path ast.Pattern, q *ast.Qualifiers, perms ast.FilePerm, exec ast.Exec, scrub bool, target string) {
	node, exact := pc.globExact(path)
	bits := both(fileBits(perms), q.Owner)
	rec := record{priority: q.Priority, effect: effectOf(q.Access)}
	if exec != ast.ExecNone {
		x, ok := pc.transition(exec, scrub, target)
		if !ok {
			return
		}
		bits |= both(fileExec, q.Owner)
		rec.exact = exact
		if rec.effect != effectDeny {
			rec.rule = pc.ruleNumber()
			for h, bit := range fileSpace.exec {
				if bits&bit != 0 {
					rec.exec[h] = x
				}
			}
			pc.checkExec(path, rec)
		}
	}
	if q.Access == ast.Deny {
		// Both halves of a link pair have to allow the link, so denying the
		// pair is enough. Denying the first half would deny every other pair
		// with the same name.
		bits &^= both(fileLink, ast.AnyOwner)
	}
	if bits != 0 {
		rec.perms = bits
		if q.Audit {
			rec.audit = bits
		}
		pc.files.addRecord(node, rec)
	}
	if perms&ast.FileLink != 0 {
		pc.linkPair(q, node, cat(literal("/"), noneOf('/'), star(anyByte())), true)
	}
}

// linkRule grants links of names to targets.
func (pc *profileCompiler) linkRule(q *ast.Qualifiers, from, to ast.Pattern, subset bool) {
	name := pc.glob(from)
	if q.Access != ast.Deny {
		rec := record{priority: q.Priority, effect: effectOf(q.Access), perms: both(fileLink, q.Owner)}
		if q.Audit {
			rec.audit = rec.perms
		}
		pc.files.addRecord(name, rec)
	}
	pc.linkPair(q, name, pc.glob(to), subset)
}

// linkPair adds the string name NUL target. The subset test is only ever
// asked of the owner's half.
func (pc *profileCompiler) linkPair(q *ast.Qualifiers, name, target automaton.Node, subset bool) {
	rec := record{priority: q.Priority, effect: effectOf(q.Access), perms: both(fileLink, q.Owner)}
	if q.Audit {
		rec.audit = rec.perms
	}
	if subset && rec.perms&fileLink != 0 {
		rec.perms |= fileSubset
		if rec.effect == effectDeny {
			rec.audit |= fileSubset // which keeps it from becoming quiet
		}
	}
	pc.files.addRecord(cat(name, nul(), target), rec)
}

// transition encodes an exec mode as the kernel's permission tables do. A
// target takes the place of what the mode says, even of ix and ux, which then
// keep only their fallback and their way with the environment.
func (pc *profileCompiler) transition(exec ast.Exec, scrub bool, target string) (uint32, bool) {
	if exec == ast.ExecDeny {
		return 0, true
	}
	var x uint32
	if !scrub && exec != ast.ExecInherit {
		x |= blob.XUnsafe
	}
	switch exec {
	case ast.ExecInherit, ast.ExecProfileInherit, ast.ExecChildInherit:
		x |= blob.XInherit
	case ast.ExecProfileUnconfined, ast.ExecChildUnconfined:
		x |= blob.XUnconfined
	}
	child := exec == ast.ExecChild || exec == ast.ExecChildInherit || exec == ast.ExecChildUnconfined
	switch {
	case target != "":
		i, ok := pc.target(target, child)
		if !ok {
			return 0, false
		}
		x |= blob.XTable | i
	case exec == ast.ExecInherit:
	case exec == ast.ExecUnconfined:
		x |= blob.XUnconfined
	case child:
		x |= blob.XName | blob.XChild
	default:
		x |= blob.XName
	}
	return x, true
}

// target returns the place of an exec target in the table of targets.
func (pc *profileCompiler) target(name string, child bool) (uint32, bool) {
	switch {
	case strings.HasPrefix(name, "&") && !pc.sup.kernel.Supports(features.Stacking):
		pc.degrade(features.Stacking, "stacking exec targets", true)
		return 0, false
	case strings.HasPrefix(name, ":"): // which no child has
		if ns, rest, ok := strings.Cut(name[1:], ":"); ok {
			name = ":" + ns + ":" + strings.TrimPrefix(rest, "//")
		}
	case child && !strings.HasPrefix(name, "&:"):
		name = pc.profile.Name + "//" + name
	}
	if i, ok := pc.targetPlaces[name]; ok {
		return i, true
	}
	limit := maxOldTargets
	if pc.c.form.table {
		limit = maxTableTargets
	}
	if len(pc.targets) == limit {
		pc.fail(&diag.Diagnostic{
			Code:    CodeTooManyExecTargets,
			Message: fmt.Sprintf("more than %d different exec targets in one profile", limit),
			Text:    name,
			Err:     &diag.LimitError{What: "exec targets", Limit: int64(limit), Got: int64(limit) + 1},
		})
		return 0, false
	}
	if pc.targetPlaces == nil {
		pc.targetPlaces = map[string]uint32{}
	}
	i := uint32(len(pc.targets))
	pc.targets = append(pc.targets, name)
	pc.targetPlaces[name] = i
	return i, true
}

// execKey names what may be executed in one way only, however the patterns of
// other rules overlap it: the text of one path at one strength.
type execKey struct {
	path     ast.Pattern
	priority int16
	effect   effect
	half     int
}

type execUse struct {
	exec uint32
	rule int32
}

// checkExec refuses two rules on the same text that differ in how it is
// executed. Rules that only overlap are weighed in the automaton.
func (pc *profileCompiler) checkExec(path ast.Pattern, rec record) {
	if pc.execs == nil {
		pc.execs = map[execKey]execUse{}
	}
	for h, bit := range fileSpace.exec {
		if rec.perms&bit == 0 && rec.exec[h] == 0 {
			continue
		}
		k := execKey{path, rec.priority, rec.effect, h}
		use, seen := pc.execs[k]
		if !seen {
			pc.execs[k] = execUse{rec.exec[h], rec.rule}
			continue
		}
		if use.exec != rec.exec[h] {
			pc.execConflict(&conflict{use.rule, rec.rule})
			return
		}
	}
}

// changeProfile adds the strings of a change of profile: the label for one
// that takes effect at once, the path and the path with the label for one at
// exec.
func (pc *profileCompiler) changeProfile(r *ast.ChangeProfileRule) {
	q := r.Quals()
	target := r.Target
	if target == "" {
		target = "**"
	}
	if strings.HasPrefix(string(target), "&") && !pc.sup.kernel.Supports(features.Stacking) {
		pc.degrade(features.Stacking, "change_profile to a stack", true)
		return
	}
	if r.Exec != "" && r.Safety == ast.Safe && !pc.sup.has(features.Stacking) {
		pc.degrade(features.Stacking, "the word safe of change_profile", false)
	}
	pc.usesChangeProfile = true
	label, labelExact := pc.globExact(target)
	exec, execExact := cat(literal("/"), noneOf('/', 0), star(noneOf(0))), false
	atExec := record{priority: q.Priority, effect: effectOf(q.Access), perms: fileOnexec}
	pair := atExec
	if r.Exec != "" {
		exec, execExact = pc.globExact(r.Exec)
		pair.perms |= both(fileExec, ast.AnyOwner)
		if q.Access == ast.Deny {
			pair.audit = both(fileExec, ast.AnyOwner) // which keeps it from becoming quiet
		}
		pair.exact = execExact && labelExact
		pair.rule = pc.ruleNumber()
		if r.Safety == ast.Unsafe {
			pair.exec = [2]uint32{blob.XUnsafe, blob.XUnsafe}
		}
	}
	atOnce := atExec
	atOnce.perms |= fileChangeProfile
	pc.files.addRecord(label, atOnce)
	pc.files.addRecord(exec, atExec)
	pc.files.addRecord(cat(exec, nul(), label), pair)
}

// impliedFile is access to files that no rule spells out.
type impliedFile struct {
	change, hats bool // what brings it: a rule that changes the profile, hats and children
	path         ast.Pattern
	perms        uint32
}

// impliedFiles is what a task needs to change its own profile: the attribute
// files below /proc, and the file that tells whether AppArmor is enabled.
var impliedFiles = [...]impliedFile{
	{true, false, "/proc/*/attr/{apparmor/,}{current,exec}", fileWrite},
	{false, true, "/proc/[0-9]*/attr/{apparmor/,}current", fileWrite},
	{true, true, "/proc/*/attr/apparmor/", fileRead},
	{true, true, "/sys/module/apparmor/parameters/enabled", fileRead},
}

// implies returns what brings the access to the profile, ByRule for nothing.
func (pc *profileCompiler) implies(f *impliedFile) Implied {
	switch {
	case f.change && pc.usesChangeProfile:
		return ByChangeProfile
	case f.hats && (pc.profile.Hat || len(pc.profile.Children) > 0):
		return ByHats
	}
	return ByRule
}

func (pc *profileCompiler) implied() {
	for i := range impliedFiles {
		if f := &impliedFiles[i]; pc.implies(f) != ByRule {
			pc.files.addRecord(pc.glob(f.path), record{effect: effectAllow, perms: f.perms})
		}
	}
}
