// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"reflect"

	"github.com/goarmor/apparmor/ast"
)

// class is how a translation handles a class of rules.
type class struct {
	// prepare, if set, is called for every rule before any is translated.
	prepare func(*translation, ast.Rule)
	// translate adds the strings and bits of a rule.
	translate func(*translation, ast.Rule)
	// patterns, if set, returns the patterns of a rule that are not otherwise
	// checked if the class is not mediated.
	patterns func(ast.Rule) []ast.Pattern
	// promptAllows means that kernels never prompt for the class: what should
	// be prompted for is allowed.
	promptAllows bool
}

// The classes of rules. Resource limits are already members of the profile,
// see rlimits.
var classes = map[reflect.Type]class{
	of[*ast.FileRule]():          {translate: keeps(emitFile)},
	of[*ast.LinkRule]():          {translate: emits(emitLink)},
	of[*ast.CapabilityRule]():    {translate: keeps(emitCapability), promptAllows: true},
	of[*ast.NetworkRule]():       {translate: keeps(emitNetwork), patterns: lists(networkPatterns)},
	of[*ast.UnixRule]():          {translate: keeps(emitUnix), patterns: lists(unixPatterns)},
	of[*ast.DBusRule]():          {translate: emits(emitDBus), patterns: lists(dbusPatterns)},
	of[*ast.SignalRule]():        {translate: emits(emitSignal), patterns: lists(signalPatterns)},
	of[*ast.PtraceRule]():        {translate: emits(emitPtrace), patterns: lists(ptracePatterns)},
	of[*ast.MountRule]():         {prepare: keeps(prepareMount), translate: keeps(emitMount), patterns: lists(mountPatterns)},
	of[*ast.PivotRootRule]():     {prepare: keeps(preparePivotRoot), translate: keeps(emitPivotRoot), patterns: lists(pivotRootPatterns)},
	of[*ast.ChangeProfileRule](): {translate: keeps(emitChangeProfile)},
	of[*ast.MqueueRule]():        {translate: emits(emitMqueue), patterns: lists(mqueuePatterns)},
	of[*ast.IOUringRule]():       {translate: emits(emitIOUring), patterns: lists(ioUringPatterns)},
	of[*ast.UsernsRule]():        {translate: emits(emitUserns)},
	of[*ast.AllRule]():           {prepare: keeps(prepareAll), translate: keeps(emitAll)},
}

func of[R ast.Rule]() reflect.Type { return reflect.TypeFor[R]() }

// keeps is for classes whose rules have one result together, which the
// translation keeps for them.
func keeps[R ast.Rule](f func(*translation, R)) func(*translation, ast.Rule) {
	return func(t *translation, r ast.Rule) { f(t, r.(R)) }
}

// emits is for classes whose rules are translated one by one.
func emits[R ast.Rule](f func(*emitter, R)) func(*translation, ast.Rule) {
	return func(t *translation, r ast.Rule) { f(&t.emitter, r.(R)) }
}

func lists[R ast.Rule](f func(R) []ast.Pattern) func(ast.Rule) []ast.Pattern {
	return func(r ast.Rule) []ast.Pattern { return f(r.(R)) }
}
