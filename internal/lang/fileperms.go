// SPDX-License-Identifier: Apache-2.0

package lang

// IsFilePerms reports whether a word has the form of the permissions of a file
// rule, such as rw or rPix, whether or not they go together.
func IsFilePerms(word string) bool {
	if word == "all" { // the rule type, although its letters are permissions
		return false
	}
	for i := 0; i < len(word); {
		n := FilePermLen(word[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return word != ""
}

// FilePermLen returns the length of the one permission letter or exec mode
// that s begins with, or 0.
func FilePermLen(s string) int {
	if s == "" {
		return 0
	}
	switch s[0] {
	case 'r', 'w', 'a', 'l', 'k', 'm', 'x', 'R', 'W', 'L', 'M', 'X':
		return 1
	case 'i', 'I', 'u', 'U':
		if len(s) > 1 && s[1]|0x20 == 'x' {
			return 2
		}
	case 'p', 'P', 'c', 'C':
		switch {
		case len(s) > 1 && s[1]|0x20 == 'x':
			return 2
		case len(s) > 2 && (s[1]|0x20 == 'i' || s[1]|0x20 == 'u') && s[2]|0x20 == 'x':
			return 3
		}
	}
	return 0
}
