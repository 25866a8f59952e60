// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"errors"
	"fmt"
	"strings"
)

// inRange checks an enumeration or a set against its highest value.
func (c checker) inRange(field string, v, high int) *CheckError {
	if v > high {
		return c.fail(field, "", errRange)
	}
	return nil
}

// unused checks that a pattern is absent.
func (c checker) unused(field string, p Pattern) *CheckError {
	if p != "" {
		return c.fail(field, string(p), errUnused)
	}
	return nil
}

// pattern checks a pattern that may be absent.
func (c checker) pattern(field string, p Pattern) *CheckError {
	if i, problem := p.encodable(); i >= 0 {
		return c.fail(field, string(p), &PatternError{Text: string(p), Offset: i, Problem: problem})
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
		return c.fail(field, "", errEmpty)
	}
	return c.pattern(field, p)
}

// path checks a pattern that must stand as a path word.
func (c checker) path(field string, p Pattern) *CheckError {
	if err := c.needed(field, p); err != nil {
		return err
	}
	switch p[0] {
	case '/', '@', ':', '&':
		return nil
	}
	return c.fail(field, string(p), errors.New("does not begin like a path"))
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
		return c.fail(field, "", errEmpty)
	}
	if isBareFile(string(p)) {
		return nil
	}
	return c.path(field, p)
}

func (c checker) variable(field, name string) *CheckError {
	if !IsVariableName(name) {
		return c.fail(field, name, errors.New("is no name of a variable"))
	}
	return nil
}

// word checks text that must not be empty and has only the given bytes.
func (c checker) word(field, text string, ok func(byte) bool) *CheckError {
	if text == "" {
		return c.fail(field, "", errEmpty)
	}
	return c.text(field, text, ok)
}

// known checks a word against those that policy has for a purpose.
func (c checker) known(field, word string, v Vocabulary, what string) *CheckError {
	if v.Has(word) {
		return nil
	}
	return c.unknown(field, word, v, what)
}

// optional is known for a word that may be absent.
func (c checker) optional(field, word string, v Vocabulary, what string) *CheckError {
	if word == "" {
		return nil
	}
	return c.known(field, word, v, what)
}

// unknown fails with the word that was probably meant.
func (c checker) unknown(field, word string, v Vocabulary, what string) *CheckError {
	if word == "" {
		return c.fail(field, "", errEmpty)
	}
	if near, ok := v.Nearest(strings.ToLower(word)); ok {
		return c.fail(field, word, fmt.Errorf("is no %s; did you mean %q?", what, near))
	}
	return c.fail(field, word, fmt.Errorf("is no %s", what))
}

func (c checker) text(field, text string, ok func(byte) bool) *CheckError {
	for i := 0; i < len(text); i++ {
		if !ok(text[i]) {
			return c.fail(field, text, errBytes)
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
	return s != "" && !IsFilePerms(s) && !IsReserved(s)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
