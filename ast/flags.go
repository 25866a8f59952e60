// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// ProfileFlags returns the names of profile flags, modes first.
func ProfileFlags() Vocabulary { return Vocabulary{words: profileFlags} }

var profileFlags = []string{
	"enforce", "complain", "kill", "unconfined", "prompt", "default_allow", "audit", "debug", "interruptible",
	"mediate_deleted", "delegate_deleted", "attach_disconnected", "no_attach_disconnected",
	"attach_disconnected.path", "attach_disconnected.ipc", "chroot_relative", "namespace_relative",
	"chroot_attach", "chroot_no_attach", "kill.signal", "error",
}

// flag checks the value of a flag.
func (c checker) flag(f *Flag) *CheckError {
	if !ProfileFlags().Has(f.Name) {
		return c.unknown(diag.CodeFlag, "Name", f.Name, ProfileFlags(), "flag")
	}
	if err := c.pattern("Value", Pattern(f.Value)); err != nil {
		return err
	}
	fail := func(problem string) *CheckError { return c.fail(diag.CodeFlag, "Value", f.Value, problem) }
	switch f.Name {
	case "attach_disconnected.path", "attach_disconnected.ipc":
		if v := Pattern(f.Value); v != "" && v[0] != '/' && !v.startsVariable() {
			return fail("the path of " + f.Name + " must begin with a slash or a variable")
		}
	case "kill.signal":
		if f.Value != "" && !IsSignal(f.Value) {
			err := c.unknownSignal("Value", f.Value)
			err.Code = diag.CodeFlag
			return err
		}
	case "error":
		if f.Value != "" && !isErrno(f.Value) {
			err := fail("unknown error code " + strconv.Quote(f.Value))
			if near, ok := Errnos().Nearest(strings.ToUpper(f.Value)); ok {
				err.Hint = didYouMean(near)
			}
			return err
		}
	default:
		if f.Value != "" {
			return fail("the flag " + f.Name + " takes no value")
		}
		return nil
	}
	if f.Value == "" && f.Name != "attach_disconnected.ipc" {
		return fail("the flag " + f.Name + " needs a value")
	}
	return nil
}

// flagPair checks two flags against each other.
func (c checker) flagPair(f, g *Flag) *CheckError {
	switch {
	case f.Name == g.Name && f.Value == g.Value:
		return c.fail(diag.CodeFlagConflict, "Flags", g.Name, "the flag "+g.Name+" is repeated")
	case !lang.FlagsExclude(f.Name, f.Value, g.Name, g.Value):
		return nil
	case f.Name == g.Name:
		return c.fail(diag.CodeFlagConflict, "Flags", g.Name, "the flag "+g.Name+" has two values, "+f.Value+" and "+g.Value)
	}
	return c.fail(diag.CodeFlagConflict, "Flags", g.Name, "the flags "+f.Name+" and "+g.Name+" exclude each other")
}
