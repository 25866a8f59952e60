// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"

	"github.com/goarmor/apparmor/diag"
)

// classes is a set of classes of warnings.
type classes uint32

// Classes about the command and not about policy.
const (
	classConfig     diag.Class = "config"
	classCache      diag.Class = "cache"
	classDebugCache diag.Class = "debug-cache"
	classJobs       diag.Class = "jobs"
)

// warningClass is one name that --warn and --Werror take.
type warningClass struct {
	name string
	set  classes
	help string
}

const (
	bitNotEnforced classes = 1 << iota
	bitDowngraded
	bitABI
	bitDeprecated
	bitConfig
	bitCache
	bitDebugCache
	bitJobs
	bitDangerous
	bitUnexpected
	bitFormat
	bitMissing
	bitOverride
	bitPoundInclude

	allClasses     = bitPoundInclude<<1 - 1
	devClasses     = allClasses &^ (bitConfig | bitCache | bitJobs)
	defaultClasses = bitConfig | bitCache | bitJobs | bitUnexpected | bitOverride
)

var warningClasses = []warningClass{
	{"rule-not-enforced", bitNotEnforced, "rules that have no effect on this kernel"},
	{"rule-downgraded", bitDowngraded, "rules that have a coarser effect on this kernel"},
	{"abi", bitABI, "the abi that policy is written for"},
	{"deprecated", bitDeprecated, "deprecated forms"},
	{"config", bitConfig, "the configuration file"},
	{"cache", bitCache, "the cache of compiled policy"},
	{"debug-cache", bitDebugCache, "why cached policy is not used"},
	{"jobs", bitJobs, "the number of jobs"},
	{"dangerous", bitDangerous, "rules that grant more than they seem to"},
	{"unexpected", bitUnexpected, "what was probably not meant"},
	{"format", bitFormat, "text that is not as simple as it could be"},
	{"missing", bitMissing, "what is left to a default"},
	{"override", bitOverride, "what options override"},
	{"dev", devClasses, "all classes that help to write policy"},
	{"pound-include", bitPoundInclude, "includes that are spelled like comments"},
	{"all", allClasses, "all classes"},
}

// has reports whether a class is in the set. Warnings of an unknown class are
// unexpected ones.
func (c classes) has(class diag.Class) bool {
	for _, w := range warningClasses {
		if w.name == string(class) {
			return c&w.set != 0
		}
	}
	return c&bitUnexpected != 0
}

// change adds the class of a name to the set, or removes it if the name begins
// with "no-". It reports whether the name is known.
func (c *classes) change(name string) bool {
	name, off := strings.CutPrefix(name, "no-")
	for _, w := range warningClasses {
		if w.name != name {
			continue
		}
		if off {
			*c &^= w.set
		} else {
			*c |= w.set
		}
		return true
	}
	return false
}

// String lists the names of the classes, and of their groups, in the set.
func (c classes) String() string {
	var names []string
	for _, w := range warningClasses {
		if c&w.set == w.set {
			names = append(names, w.name)
		}
	}
	return strings.Join(names, ", ")
}
