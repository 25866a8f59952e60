// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// pattern is a pattern of a rule, and what resolving does with it.
type pattern struct {
	*ast.Pattern
	kind patternKind
}

type patternKind uint8

const (
	variables patternKind = 1 << iota // variables are expanded in it
	slashes                           // runs of slashes are squeezed; not in labels and targets, where they have a meaning
)

// rulePatterns appends the patterns of a rule of each class to a list.
var rulePatterns = [...]func(rule ast.Rule, list []pattern) []pattern{
	ast.ClassFile:          filePatterns,
	ast.ClassLink:          linkPatterns,
	ast.ClassCapability:    noPatterns,
	ast.ClassNetwork:       networkPatterns,
	ast.ClassUnix:          unixPatterns,
	ast.ClassDBus:          dbusPatterns,
	ast.ClassSignal:        signalPatterns,
	ast.ClassPtrace:        ptracePatterns,
	ast.ClassMount:         mountPatterns,
	ast.ClassPivotRoot:     pivotRootPatterns,
	ast.ClassChangeProfile: changeProfilePatterns,
	ast.ClassRlimit:        noPatterns,
	ast.ClassMqueue:        mqueuePatterns,
	ast.ClassIOUring:       ioUringPatterns,
	ast.ClassUserns:        noPatterns,
	ast.ClassAll:           noPatterns,
}

func noPatterns(_ ast.Rule, list []pattern) []pattern { return list }

// patternsOf appends the patterns of a rule to a list.
func patternsOf(rule ast.Rule, list []pattern) []pattern {
	if c := int(rule.Class()); c < len(rulePatterns) {
		return rulePatterns[c](rule, list)
	}
	return list
}

// squeeze makes one slash of each run of slashes, except of exactly two at
// the very beginning. It works on the text: slashes that only meet when a
// pattern is matched, as in `/{/a,b}`, stay apart.
func squeeze(p ast.Pattern) ast.Pattern {
	s := string(p)
	first := strings.Index(s, "//")
	if first < 0 {
		return p
	}
	var b strings.Builder
	b.Grow(len(s))
	i := 0
	if first == 0 && (len(s) == 2 || s[2] != '/') {
		b.WriteString("//")
		i = 2
	}
	for ; i < len(s); i++ {
		if s[i] == '/' && i > 0 && s[i-1] == '/' {
			continue
		}
		b.WriteByte(s[i])
	}
	return ast.Pattern(b.String())
}
