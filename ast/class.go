// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"iter"
	"reflect"
)

// Class is a class of rules: those that begin with one word of the language.
type Class uint8

// The classes, in the order of the manual.
const (
	ClassFile Class = iota
	ClassLink
	ClassCapability
	ClassNetwork
	ClassUnix
	ClassDBus
	ClassSignal
	ClassPtrace
	ClassMount
	ClassPivotRoot
	ClassChangeProfile
	ClassRlimit
	ClassMqueue
	ClassIOUring
	ClassUserns
	ClassAll
)

var classes = [...]string{
	ClassFile: "file", ClassLink: "link", ClassCapability: "capability", ClassNetwork: "network", ClassUnix: "unix",
	ClassDBus: "dbus", ClassSignal: "signal", ClassPtrace: "ptrace", ClassMount: "mount", ClassPivotRoot: "pivot_root",
	ClassChangeProfile: "change_profile", ClassRlimit: "rlimit", ClassMqueue: "mqueue", ClassIOUring: "io_uring",
	ClassUserns: "userns", ClassAll: "all",
}

// String returns the word of the class, such as pivot_root. Without
// underscores it is the name of the class's files in the packages of this
// module.
func (c Class) String() string {
	if int(c) < len(classes) {
		return classes[c]
	}
	return "?"
}

// Classes returns all classes.
func Classes() iter.Seq[Class] {
	return func(yield func(Class) bool) {
		for c := range classes {
			if !yield(Class(c)) {
				return
			}
		}
	}
}

// CloneRule returns a deep copy of a rule, and nil for nil.
func CloneRule(r Rule) Rule {
	if !isOwn(r) {
		return r
	}
	return r.clone()
}

// isOwn reports whether a rule is of a type of this package and not nil. Other
// types are rules by embedding one.
func isOwn(r Rule) bool {
	if IsNil(r) {
		return false
	}
	t := reflect.TypeOf(r)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == reflect.TypeFor[Span]().PkgPath()
}
