// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/loader"
)

// Holders returns what processes under a machine's profile have open of the
// paths of rules that were removed, such as Changed.Removed, and that no rule
// of the machine grants by now: a path that another device has, too, is left
// out, as far as that device may read and write it. It is how a VMM waits until
// the machine has closed a device.
//
// It looks at the descriptors of every thread of every process, which takes
// CAP_SYS_PTRACE and a procfs that shows all processes. It misses files that are
// only mapped into memory, descriptors that were passed to another process, are
// on their way in a socket or held by io_uring, and a file that has another name
// by now or is seen under another path in the process's mount namespace. It may
// miss a process that forks without an end. Only the end of all processes is a
// proof; see RemoveWith.
//
// Rules with patterns rather give a holder too many than one too few, and what
// the machine's template grants is not looked at. One Holder is for one process,
// path and kind of access; they are sorted.
func (m *Manager) Holders(ctx context.Context, uuid string, removed []Rule) ([]Holder, error) {
	g, unlock, err := m.lock(ctx, uuid)
	if err != nil {
		return nil, err
	}
	defer unlock()
	left := g.rules
	if m.options.Derive.Method == Strict {
		rules, err := m.rulesOnDisk(ctx, uuid)
		if err != nil {
			return nil, err
		}
		left = rules.list
	}
	return m.holders(ctx, m.names.profile(uuid), removed, left)
}

// holders is Holders for a machine that has the rules in left.
func (m *Manager) holders(ctx context.Context, profile string, removed, left []Rule) ([]Holder, error) {
	if len(removed) == 0 {
		return nil, nil
	}
	files, err := m.driver.Files(ctx, profile, func(f loader.File) bool {
		_, held := heldBy(f, removed, left)
		return held
	})
	var out []Holder
	for _, f := range files {
		if h, held := heldBy(f, removed, left); held {
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b Holder) int {
		return cmp.Or(a.PID-b.PID, strings.Compare(a.Path, b.Path))
	})
	return out, err
}

// deleted is what procfs appends to the path of a file that has no name.
const deleted = " (deleted)"

// heldBy reports whether a file that is open is one that only the removed rules
// grant.
func heldBy(f loader.File, removed, left []Rule) (Holder, bool) {
	h := Holder{PID: f.PID, Path: f.Path}
	if !strings.HasPrefix(f.Path, "/") {
		return h, false // a socket, a pipe, memory
	}
	paths := []string{f.Path}
	if p, ok := strings.CutSuffix(f.Path, deleted); ok {
		paths = append(paths, p) // or it is really called so
	}
	for _, path := range paths {
		for i := range removed {
			r := &removed[i]
			if r.Deny || isGL(r) || !mayMatch(r.Path, path) {
				continue
			}
			read, write := readWrite(r.Perms)
			read, write = read && f.Read, write && f.Write
			for j := range left {
				if l := &left[j]; !l.Deny && matchesWhole(l.Path, path) {
					r, w := readWrite(l.Perms)
					read, write = read && !r, write && !w
				}
			}
			if !h.Read && !h.Write {
				h.Device = r.Device
			}
			h.Read, h.Write = h.Read || read, h.Write || write
		}
	}
	return h, h.Read || h.Write
}

func readWrite(p ast.FilePerm) (read, write bool) {
	return p&(ast.FileRead|ast.FileMmap) != 0, p&(ast.FileWrite|ast.FileAppend) != 0
}

// inTree cuts the end of a pattern for all that is in a directory.
func inTree(pattern ast.Pattern) (dir string, ok bool) {
	p, ok := strings.CutSuffix(string(pattern), "/**")
	if !ok {
		return "", false
	}
	return ast.Pattern(p).Unescape()
}

// matchesWhole reports whether a pattern matches a path, for the patterns that
// Strict writes; of others it says that they do not.
func matchesWhole(pattern ast.Pattern, path string) bool {
	if dir, ok := inTree(pattern); ok {
		return strings.HasPrefix(path, dir+"/")
	}
	literal, ok := pattern.Unescape()
	return ok && sameFile(literal, path)
}

// mayMatch reports whether a pattern matches a path, as far as the pattern is
// text: what comes after the first special byte matches all.
func mayMatch(pattern ast.Pattern, path string) bool {
	if literal, ok := pattern.Unescape(); ok {
		return sameFile(literal, path)
	}
	if dir, ok := inTree(pattern); ok {
		return path == dir || strings.HasPrefix(path, dir+"/")
	}
	p := string(pattern)
	if i := strings.IndexAny(p, `*?[]{}^@\`); i >= 0 {
		p = p[:i]
	}
	return strings.HasPrefix(path, p)
}

// sameFile compares the path of a rule with one that procfs shows, which for a
// directory is without the slash that the rule ends in.
func sameFile(literal, path string) bool { return strings.TrimSuffix(literal, "/") == path }

// missingIn returns the rules of list that are not in other.
func missingIn(other, list []Rule) []Rule {
	has := make(map[Rule]bool, len(other))
	for _, r := range other {
		has[r] = true
	}
	var out []Rule
	for _, r := range list {
		if !has[r] {
			out = append(out, r)
		}
	}
	return out
}
