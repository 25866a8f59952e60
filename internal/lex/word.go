// SPDX-License-Identifier: Apache-2.0

package lex

import "github.com/goarmor/apparmor/internal/lang"

// IsFilePerms reports whether a token of src is the permissions of a file
// rule. Such a word must be followed by a blank or a comma; otherwise it is a
// name.
func IsFilePerms(src string, t *Token) bool {
	if t.Kind != Word || int(t.To) < len(src) && src[t.To] != ',' && !IsBlank(src[t.To]) {
		return false
	}
	return lang.IsFilePerms(t.Text)
}
