// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// inRange checks an enumeration against its highest value.
func (c checker) inRange(field string, v, high int) *CheckError {
	if v > high {
		return c.fail(diag.CodeRule, field, "", "the field is out of range")
	}
	return nil
}

// perms checks a set of permissions against the known ones.
func (c checker) perms(set, all uint) *CheckError {
	if set&^all != 0 {
		return c.fail(diag.CodePermissions, "Perms", "", "the set has unknown permissions")
	}
	return nil
}

// absent checks that a rule does not have what it cannot have.
func (c checker) absent(field string, p Pattern, problem, hint string) *CheckError {
	if p != "" {
		return c.fail(diag.CodeCondition, field, string(p), problem).hint(hint)
	}
	return nil
}

// pattern checks a pattern that may be absent.
func (c checker) pattern(field string, p Pattern) *CheckError {
	if !c.text {
		return nil
	}
	if i, problem := p.encodable(); i >= 0 {
		err := c.fail(diag.CodePattern, field, string(p), problem.String())
		err.Err = &PatternError{Text: string(p), Offset: i, Problem: problem}
		return err
	}
	return nil
}

func (c checker) patterns(field string, list []Pattern) *CheckError {
	for _, p := range list {
		if err := c.pattern(field, p); err != nil {
			return err
		}
	}
	return nil
}

// needed checks a pattern that may not be absent.
func (c checker) needed(field string, p Pattern) *CheckError {
	if p == "" {
		return c.fail(diag.CodePath, field, "", "the word is empty")
	}
	return c.pattern(field, p)
}

// path checks a pattern that must be a path. A path whose variables were
// replaced may be any text.
func (c checker) path(field string, p Pattern) *CheckError {
	if err := c.needed(field, p); err != nil {
		return err
	}
	switch p[0] {
	case '/', '@', ':', '&':
		return nil
	}
	if c.expanded {
		return nil
	}
	return c.fail(diag.CodePath, field, string(p), "a path must begin with a slash or a variable")
}

// optionalPath is path for a pattern that may be absent.
func (c checker) optionalPath(field string, p Pattern) *CheckError {
	if p == "" {
		return nil
	}
	return c.path(field, p)
}

// fileName checks the path of a file rule, which may also be a bare word.
func (c checker) fileName(field string, p Pattern) *CheckError {
	if p == "" {
		return c.fail(diag.CodePath, field, "", "the path is empty")
	}
	if isBareFile(string(p)) {
		return nil
	}
	return c.path(field, p)
}

func (c checker) variable(field, name string) *CheckError {
	if !IsVariableName(name) {
		return c.fail(diag.CodeVariable, field, name, "the name of a variable must be a letter followed by letters, digits and underscores")
	}
	return nil
}

// optional checks a word that may be absent against the words known for one
// purpose.
func (c checker) optional(code diag.Code, field, word string, v Vocabulary, what string) *CheckError {
	if word == "" || v.Has(word) {
		return nil
	}
	return c.unknown(code, field, word, v, what)
}

// unknown fails with the word that was probably meant.
func (c checker) unknown(code diag.Code, field, word string, v Vocabulary, what string) *CheckError {
	return c.fail(code, field, word, "unknown "+what+" "+strconv.Quote(word)).hint(nearestHint(v, word))
}

func (c checker) xattrName(name string) *CheckError {
	if name == "" {
		return c.fail(diag.CodeXattr, "Name", "", "the name of an xattr is empty")
	}
	for i := 0; i < len(name); i++ {
		if !isXattrByte(name[i]) {
			return c.fail(diag.CodeXattr, "Name", name, fmt.Sprintf("the name of an xattr cannot have the byte %q", name[i]))
		}
	}
	return nil
}

func isNameByte(b byte) bool {
	switch {
	case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', b == '_', b == '-', b == '+':
		return true
	}
	return false
}

func isXattrByte(b byte) bool { return isNameByte(b) || b == '.' || b == ':' || b == '@' || b == '/' }

func (p Pattern) startsVariable() bool { return len(p) > 1 && p[0] == '@' && p[1] == '{' }

// isBareFile reports whether a word that does not look like a path is the
// name of a file rule and nothing else, as `foo` in `foo r,`: no keyword and no
// list of permissions.
func isBareFile(s string) bool {
	for i := 0; i < len(s); i++ {
		b := s[i]
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z':
		case i > 0 && ('0' <= b && b <= '9' || b == '_'):
		default:
			return false
		}
	}
	return s != "" && !lang.IsFilePerms(s) && !lang.IsReserved(s)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
