// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
)

// MountOp is the operation of a mount rule.
type MountOp uint8

// The mount operations.
const (
	OpMount MountOp = iota
	OpRemount
	OpUmount
)

// MountCond is one `fstype=( )`, `options=( )` or `options in ( )`.
type MountCond struct {
	Span
	Options bool      // options; otherwise fstype
	In      bool      // `in`; otherwise `=`
	Values  []Pattern // names of file systems, or options as mount(8) spells them
}

// MountRule is `mount`, `remount` or `umount`.
type MountRule struct {
	Span
	Qualifiers
	Op       MountOp     // zero: mount
	Conds    []MountCond // in the order of the text; none: any file system, any options
	Source   Pattern     // of OpMount only; empty: any, unless Detached
	Detached bool        // the source is `detached` or ""
	Target   Pattern     // the mount point; empty: any
}

func (*MountRule) stmt() {}

// Class implements Rule.
func (*MountRule) Class() Class { return ClassMount }

func (r *MountRule) clone() Rule {
	c := *r
	c.Conds = slices.Clone(r.Conds)
	for i := range c.Conds {
		c.Conds[i].Values = slices.Clone(c.Conds[i].Values)
	}
	return &c
}

func (r *MountRule) check(c checker) *CheckError {
	if err := first(
		c.qualifiers(&r.Qualifiers, takesPriority),
		c.inRange("Op", int(r.Op), int(OpUmount)),
		c.pattern("Source", r.Source),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch {
	case r.Source != "" && (r.Op != OpMount || r.Detached):
		return c.fail(diag.CodeRule, "Source", string(r.Source), "only a rule on mount has a source, and a detached one has none")
	case r.Source == "detached":
		return c.fail(diag.CodeRule, "Source", string(r.Source), "the source would be read as detached")
	case r.Detached && r.Op != OpMount:
		return c.fail(diag.CodeRule, "Detached", "", "only a rule on mount has a source")
	}
	for i := range r.Conds {
		if err := c.sub("Conds", &r.Conds[i]); err != nil {
			return err
		}
	}
	if r.Op == OpUmount {
		return nil // whose conditions are ignored
	}
	for i := range r.Conds {
		if cond := &r.Conds[i]; cond.Options {
			if err := c.mountOptions(cond); err != nil {
				return err.at(i)
			}
		}
	}
	return nil
}

func (n *MountCond) check(c checker) *CheckError {
	if len(n.Values) == 0 {
		return c.fail(diag.CodeCondition, "Values", "", "the condition has no value")
	}
	return c.patterns("Values", n.Values)
}

// mountOptions checks that options are known and that those of one `options=`
// do not exclude each other.
func (c checker) mountOptions(cond *MountCond) *CheckError {
	// No more than the known options can differ, however long the list.
	var seen [len(mountFlags)]bool
	for _, v := range cond.Values {
		option := string(v)
		i := slices.Index(mountFlags[:], option)
		if i < 0 {
			err := c.fail(diag.CodeMountFlag, "Conds", option, "unknown mount option "+strconv.Quote(option)).hint(nearestHint(MountFlags(), option))
			if strings.Contains(option, ",") {
				err.Hint = "write a list in parentheses"
			}
			return err
		}
		if cond.In || seen[i] {
			continue
		}
		for j, other := range mountFlags {
			if seen[j] && mountFlagsExclude(option, other) {
				return c.fail(diag.CodeMountFlag, "Conds", option, "the options "+other+" and "+option+" exclude each other")
			}
		}
		seen[i] = true
	}
	return nil
}

// MountFlags returns the values of `options` in mount rules.
func MountFlags() Vocabulary { return Vocabulary{words: mountFlags[:]} }

var mountFlags = [...]string{
	"ro", "r", "read-only", "rw", "w", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async",
	"remount", "mand", "nomand", "dirsync", "symfollow", "nosymfollow", "atime", "noatime", "diratime",
	"nodiratime", "bind", "B", "move", "M", "rbind", "R", "verbose", "silent", "loud", "acl", "noacl",
	"unbindable", "make-unbindable", "runbindable", "make-runbindable", "private", "make-private", "rprivate",
	"make-rprivate", "slave", "make-slave", "rslave", "make-rslave", "shared", "make-shared", "rshared",
	"make-rshared", "relatime", "norelatime", "iversion", "noiversion", "strictatime", "nostrictatime",
	"lazytime", "nolazytime", "user", "nouser",
}

// mountFlagsExclude reports whether one mount option is the opposite of the
// other, in any of their spellings. Such options cannot be in one list.
func mountFlagsExclude(a, b string) bool {
	a, b = mountFlag(a), mountFlag(b)
	return a != "" && isNo(b, a) || b != "" && isNo(a, b)
}

// isNo reports whether a is "no" and b, one after the other.
func isNo(a, b string) bool { return len(a) == len(b)+2 && a[:2] == "no" && a[2:] == b }

// mountFlag maps the spellings of a mount option to one name, such that the
// opposite of x is nox, and to nothing when it has no opposite.
func mountFlag(name string) string {
	switch name {
	case "ro", "r", "read-only":
		return "nowrite"
	case "rw", "w":
		return "write"
	case "async":
		return "nosync"
	case "loud", "verbose":
		return "nosilent"
	case "bind", "B", "move", "M", "rbind", "R", "remount", "dirsync":
		return ""
	}
	for _, propagation := range [...]string{"bindable", "private", "slave", "shared"} {
		if strings.Contains(name, propagation) {
			return ""
		}
	}
	return name
}
