// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
)

// What a rule type takes of qualifiers, beside audit and access.
const (
	takesPriority = 1 << iota
	takesOwner
)

func (c checker) rule(r Rule) *CheckError {
	q := r.Quals()
	switch r := r.(type) {
	case *FileRule:
		return first(c.qualifiers(q, takesPriority|takesOwner), c.fileRule(r))
	case *LinkRule:
		return first(c.qualifiers(q, takesPriority|takesOwner), c.fileName("From", r.From), c.needed("To", r.To))
	case *CapabilityRule:
		return first(c.qualifiers(q, takesPriority), c.capabilities(r.Names))
	case *NetworkRule:
		return first(c.qualifiers(q, 0), c.network(r))
	case *UnixRule:
		return first(c.qualifiers(q, takesPriority), c.unix(r))
	case *DBusRule:
		return first(c.qualifiers(q, takesPriority), c.dbus(r))
	case *SignalRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(SignalReceive)<<1-1),
			c.signals(r.Signals), c.pattern("Peer", r.Peer))
	case *PtraceRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(PtraceReadBy)<<1-1), c.pattern("Peer", r.Peer))
	case *MountRule:
		return first(c.qualifiers(q, takesPriority), c.mount(r))
	case *PivotRootRule:
		return first(c.qualifiers(q, takesPriority), c.pattern("OldRoot", r.OldRoot), c.optionalPath("NewRoot", r.NewRoot), c.pattern("Target", Pattern(r.Target)))
	case *ChangeProfileRule:
		return first(c.qualifiers(q, takesPriority), c.changeProfile(r))
	case *RlimitRule:
		if *q != (Qualifiers{}) {
			return c.fail("Qualifiers", "", errUnused)
		}
		return c.rlimit(r)
	case *MqueueRule:
		return first(c.qualifiers(q, takesPriority), c.mqueue(r))
	case *IOUringRule:
		return first(c.qualifiers(q, takesPriority), c.inRange("Perms", int(r.Perms), int(IOUringOverrideCreds)<<1-1), c.pattern("Label", r.Label))
	case *UsernsRule:
		return c.qualifiers(q, takesPriority)
	case *AllRule:
		return c.qualifiers(q, 0)
	}
	return c.fail("", "", errType)
}

func (c checker) qualifiers(q *Qualifiers, takes int) *CheckError {
	switch {
	case q.Access > Prompt:
		return c.fail("Access", "", errRange)
	case q.Owner > OnlyOther:
		return c.fail("Owner", "", errRange)
	case q.Priority < -1000 || q.Priority > 1000:
		return c.fail("Priority", "", errors.New("is not within -1000 and 1000"))
	case q.Priority != 0 && takes&takesPriority == 0:
		return c.fail("Priority", "", errUnused)
	case q.Owner != AnyOwner && takes&takesOwner == 0:
		return c.fail("Owner", "", errUnused)
	case q.Access != Allow && c.scope.access != Allow && q.Access != c.scope.access:
		return c.fail("Access", "", errors.New("contradicts that of the block around it"))
	}
	return nil
}

func (c checker) fileRule(r *FileRule) *CheckError {
	const every = FileRead | FileWrite | FileLink | FileLock | FileMmap
	denied := c.scope.within(r.Access).access == Deny
	if r.All {
		bare := r.Perms == 0 && r.Exec == ExecNone || r.Perms == every && r.Exec == ExecInherit
		switch {
		case !bare || r.Path != "" || r.Scrub || r.Target != "" || r.Link != "":
			return c.fail("All", "", errors.New("must stand alone"))
		case denied:
			return c.fail("All", "", errors.New("cannot be denied, as it stands for an exec mode too; AllRule can"))
		}
		return nil
	}
	if err := first(
		c.fileName("Path", r.Path),
		c.inRange("Perms", int(r.Perms), int(FileMmap)<<1-1),
		c.inRange("Exec", int(r.Exec), int(ExecChildUnconfined)),
		c.pattern("Target", Pattern(r.Target)),
	); err != nil {
		return err
	}
	switch {
	case r.Perms == 0 && r.Exec == ExecNone:
		return c.fail("Perms", "", errEmpty)
	case r.Perms&FileWrite != 0 && r.Perms&FileAppend != 0:
		return c.fail("Perms", "", errors.New("write and append exclude each other in one rule"))
	case r.Scrub && r.Exec <= ExecDeny:
		return c.fail("Scrub", "", errors.New("needs an exec mode"))
	case r.Exec == ExecDeny && r.Access != Deny:
		return c.fail("Exec", "", errors.New("x alone stands only in deny rules"))
	case r.Exec > ExecDeny && denied:
		return c.fail("Exec", "", errors.New("a deny rule takes no exec mode but x"))
	case r.Target != "" && r.Perms&FileLink != 0 && r.Exec == ExecNone:
		return c.fail("Target", r.Target, errors.New("would read as the target of a link"))
	case r.Link == "":
		return nil
	case r.Perms&FileLink == 0 || r.Perms == FileLink:
		return c.fail("Link", string(r.Link), errors.New("needs the link permission and another beside it"))
	case r.Exec != ExecNone || r.Target != "":
		return c.fail("Link", string(r.Link), errors.New("cannot stand with an exec mode or its target"))
	}
	return c.pattern("Link", r.Link)
}

func (c checker) mount(r *MountRule) *CheckError {
	if err := first(
		c.inRange("Op", int(r.Op), int(OpUmount)),
		c.pattern("Source", r.Source),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch {
	case r.Source != "" && (r.Op != OpMount || r.Detached):
		return c.fail("Source", string(r.Source), errUnused)
	case r.Source == "detached":
		return c.fail("Source", string(r.Source), errors.New("would read as Detached"))
	case r.Detached && r.Op != OpMount:
		return c.fail("Detached", "", errUnused)
	}
	for i := range r.Conds {
		if err := c.sub("Conds", &r.Conds[i]); err != nil {
			return err
		}
	}
	if r.Op == OpUmount {
		return nil // whose conditions are ignored
	}
	return c.mountFlags(r.Conds)
}

// mountFlags checks that options are known and that those of one `options=` do
// not exclude each other.
func (c checker) mountFlags(conds []MountCond) *CheckError {
	for i := range conds {
		if !conds[i].Options {
			continue
		}
		for j, v := range conds[i].Values {
			if err := c.known("Conds", string(v), MountFlags(), "mount option"); err != nil {
				return err
			}
			if conds[i].In {
				continue
			}
			for _, w := range conds[i].Values[:j] {
				if MountFlagsExclude(string(v), string(w)) {
					return c.fail("Conds", string(v), fmt.Errorf("excludes %s", w))
				}
			}
		}
	}
	return nil
}

func (c checker) changeProfile(r *ChangeProfileRule) *CheckError {
	if err := first(
		c.inRange("Safety", int(r.Safety), int(Unsafe)),
		c.pattern("Exec", r.Exec),
		c.pattern("Target", r.Target),
	); err != nil {
		return err
	}
	switch e := r.Exec; {
	case e != "" && e[0] != '/' && !e.startsVariable():
		return c.fail("Exec", string(e), errors.New("must begin with a slash or a variable"))
	case e == "" && r.Safety != SafetyDefault:
		return c.fail("Safety", "", errors.New("needs Exec"))
	}
	return nil
}

// capabilities checks names, of which kernels may know more than Capabilities.
func (c checker) capabilities(names []string) *CheckError {
	for _, name := range names {
		if !IsVariableName(name) || IsReserved(name) {
			return c.unknown("Names", name, Capabilities(), "capability")
		}
	}
	return nil
}

func (c checker) signals(names []string) *CheckError {
	for _, name := range names {
		if !IsSignal(name) {
			return c.unknown("Signals", name, Signals(), "signal")
		}
	}
	return nil
}

func (c checker) dbus(r *DBusRule) *CheckError {
	if err := first(c.inRange("Perms", int(r.Perms), int(DBusEavesdrop)<<1-1),
		c.pattern("Bus", r.Bus), c.pattern("Name", r.Name), c.pattern("Path", r.Path), c.pattern("Interface", r.Interface),
		c.pattern("Member", r.Member), c.pattern("PeerName", r.PeerName), c.pattern("PeerLabel", r.PeerLabel)); err != nil {
		return err
	}
	service := r.Name != ""
	message := r.Path != "" || r.Interface != "" || r.Member != "" || r.PeerName != "" || r.PeerLabel != ""
	switch {
	case service && message:
		return c.fail("Name", string(r.Name), errors.New("is of a service, and cannot stand with conditions on messages"))
	case service && r.Perms&(DBusSend|DBusReceive) != 0:
		return c.fail("Perms", r.Perms.String(), errors.New("send and receive cannot stand with Name"))
	case message && r.Perms&DBusBind != 0:
		return c.fail("Perms", r.Perms.String(), errors.New("bind cannot stand with conditions on messages"))
	case (service || message) && r.Perms&DBusEavesdrop != 0:
		return c.fail("Perms", r.Perms.String(), errors.New("eavesdrop can stand only with Bus"))
	}
	return nil
}

func (c checker) mqueue(r *MqueueRule) *CheckError {
	if err := first(
		c.inRange("Perms", int(r.Perms), int(MqueueSetattr)<<1-1),
		c.optional("Type", r.Type, MqueueTypes(), "type of message queue"),
		c.pattern("Label", r.Label),
	); err != nil || r.Name == "" {
		return err
	}
	if r.Name[0] == '/' {
		if r.Type == "sysv" {
			return c.fail("Name", string(r.Name), errors.New("must be a number in a sysv rule"))
		}
		return c.pattern("Name", r.Name)
	}
	switch {
	case !isDigits(string(r.Name)):
		return c.fail("Name", string(r.Name), errors.New("must be a number or begin with a slash"))
	case r.Type == "posix":
		return c.fail("Name", string(r.Name), errors.New("must begin with a slash in a posix rule"))
	}
	return nil
}

func (c checker) rlimit(r *RlimitRule) *CheckError {
	if err := c.known("Name", r.Name, Rlimits(), "resource"); err != nil {
		return err
	}
	if field, err := r.problem(); err != nil {
		text := r.Value
		if field == "Unit" {
			text = r.Unit
		}
		return c.fail(field, text, err)
	}
	return nil
}
