// SPDX-License-Identifier: Apache-2.0

package command

import (
	"fmt"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/policy"
)

// entry is a line of the list that the reference prints of a profile: what is
// permitted or denied at a name, to the owner and to others.
type entry struct {
	entryKey
	owner, others  filePerms
	change, unsafe bool
}

// entryKey is what entries have in common that the reference makes one of.
type entryKey struct {
	name     string
	link     string // of a link rule, its target
	subset   bool
	access   ast.Access
	audit    bool
	priority int16
}

// filePerms are the permissions of an entry, in the order in which they are
// printed.
type filePerms uint8

const (
	entryRead filePerms = 1 << iota
	entryWrite
	entryAppend
	entryLink
	entryLock
	entryMmap
	entryExec
)

// String returns the letters.
func (p filePerms) String() string {
	const letters = "rwalkmx"
	var b []byte
	for i := range letters {
		if p&(1<<i) != 0 {
			b = append(b, letters[i])
		}
	}
	return string(b)
}

// allExecPriority is the priority with which the reference lets an all rule
// execute, so that every other rule comes first.
const allExecPriority = -2

// everyFile is what a rule on all files is about.
const everyFile = "/{**,}"

// entries makes the list of a profile: of its file, link and change_profile
// rules, and of what the profile implies. Their order is that of the rules;
// the reference's is that of its memory.
func entries(p *policy.Profile) []entry {
	var list []entry
	index := map[entryKey]int{}
	add := func(e entry) {
		if i, ok := index[e.entryKey]; ok && !e.change {
			old := &list[i]
			old.owner |= e.owner
			old.others |= e.others
			old.unsafe = old.unsafe || e.unsafe
			return
		}
		if !e.change {
			index[e.entryKey] = len(list)
		}
		list = append(list, e)
	}
	changes := false
	for _, r := range p.Rules {
		q := r.Quals()
		e := entry{entryKey: entryKey{access: q.Access, audit: q.Audit, priority: q.Priority}}
		if e.access == ast.AllowExplicit {
			e.access = ast.Allow
		}
		var perms filePerms
		switch r := r.Rule.(type) {
		case *ast.AllRule:
			files := e
			files.name, files.owner, files.others = everyFile, entryExec-1, entryExec-1
			add(files)
			e.name, e.priority, perms = everyFile, allExecPriority, entryExec
		case *ast.FileRule:
			e.name, e.link = string(r.Path), string(r.Link)
			perms = permsOf(r)
			if r.All {
				e.name, perms = everyFile, entryExec<<1-1
			}
			e.unsafe = r.Exec > ast.ExecInherit && !r.Scrub
		case *ast.LinkRule:
			e.name, e.link, e.subset = string(r.From), string(r.To), r.Subset
			perms = entryLink
		case *ast.ChangeProfileRule:
			changes = true
			e.change = true
			if e.name = string(r.Target); e.name == "" {
				e.name = "**"
			}
			if r.Exec != "" {
				e.unsafe = r.Safety == ast.Unsafe
				perms = entryExec
			}
		default:
			continue
		}
		if q.Owner != ast.OnlyOther {
			e.owner = perms
		}
		if q.Owner != ast.OnlyOwner {
			e.others = perms
		}
		add(e)
	}
	implied := func(name string, perms filePerms) { add(entry{entryKey: entryKey{name: name}, owner: perms}) }
	hats := p.Hat || len(p.Children) > 0
	if hats {
		implied("/proc/[0-9]*/attr/{apparmor/,}current", entryWrite)
	}
	if changes {
		implied("/proc/*/attr/{apparmor/,}{current,exec}", entryWrite)
	}
	if hats || changes {
		implied("/proc/*/attr/apparmor/", entryRead)
		implied("/sys/module/apparmor/parameters/enabled", entryRead)
	}
	return list
}

// permsOf returns the permissions of a file rule as the reference has them:
// writing implies appending.
func permsOf(r *ast.FileRule) (perms filePerms) {
	for _, c := range []struct {
		has  ast.FilePerm
		then filePerms
	}{
		{ast.FileRead, entryRead}, {ast.FileWrite, entryWrite | entryAppend}, {ast.FileAppend, entryAppend},
		{ast.FileLink, entryLink}, {ast.FileLock, entryLock}, {ast.FileMmap, entryMmap},
	} {
		if r.Perms&c.has != 0 {
			perms |= c.then
		}
	}
	if r.Exec != ast.ExecNone {
		perms |= entryExec
	}
	return perms
}

// appendEntries appends the list in the reference's form.
func appendEntries(b []byte, list []entry) []byte {
	b = append(b, "--- Entries ---\n"...)
	for _, e := range list {
		b = append(b, "Perms:\t"...)
		if e.change {
			b = append(b, " change_profile"...)
		}
		if e.unsafe {
			b = append(b, " unsafe"...)
		}
		b = fmt.Appendf(b, "%v:%v priority=%d \tName:\t(%s)\n", e.owner, e.others, e.priority, e.name)
		if (e.owner|e.others)&entryLink != 0 {
			subset, link := 0, e.link
			if e.subset {
				subset = 1
			}
			if link == "" {
				link = "/**"
			}
			b = fmt.Appendf(b, "\tlink: subset=%d\t(%s)\n", subset, link)
		}
	}
	return b
}
