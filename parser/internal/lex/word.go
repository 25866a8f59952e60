package lex

// IsModes reports whether a token of src is the permissions of a file rule,
// such as rw or Pix. Such a word must be followed by a blank or a comma;
// otherwise it is a name.
func IsModes(src string, t *Token) bool {
	if t.Kind != Word || int(t.To) < len(src) && src[t.To] != ',' && !IsBlank(src[t.To]) {
		return false
	}
	s := t.Text
	if s == "all" { // the rule, although its letters are permissions
		return false
	}
	for i := 0; i < len(s); {
		n := ModeLen(s[i:])
		if n == 0 {
			return false
		}
		i += n
	}
	return true
}

// ModeLen returns the length of the one permission letter or exec mode that s
// begins with, or 0. The text must not be empty.
func ModeLen(s string) int {
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

// IsReserved reports whether a bare word is a keyword of the language and so
// cannot be the path of a file rule.
func IsReserved(word string) bool {
	switch word {
	case "abi", "alias", "rewrite", "all", "allow", "deny", "prompt", "audit", "owner", "user", "other", "capability",
		"change_profile", "dbus", "defined", "else", "file", "hat", "if", "in", "include", "io_uring", "link", "mount",
		"mqueue", "network", "not", "pivot_root", "profile", "ptrace", "remount", "rlimit", "safe", "unsafe", "set",
		"signal", "subset", "umount", "unmount", "unix", "userns", "read", "write", "send", "receive", "bind", "trace",
		"tracedby", "readby", "eavesdrop", "peer":
		return true
	}
	return false
}
