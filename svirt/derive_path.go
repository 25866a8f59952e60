// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// The classes of bytes in paths.
const (
	byteControl = 1 + iota
	byteQuote
	byteGlob
	byteComma // special only inside of braces
	byteSlash
	byteDot
)

var byteClass = func() (t [256]uint8) {
	for c := range 0x20 {
		t[c] = byteControl
	}
	t[0x7f] = byteControl
	t['"'] = byteQuote
	for _, c := range []byte(`*?[]{}^\`) {
		t[c] = byteGlob
	}
	t[','], t['/'], t['.'] = byteComma, byteSlash, byteDot
	return t
}()

// isPlain reports whether a path is absolute, clean and free of special bytes,
// so that it is a pattern that matches itself. Most paths are; for the others
// checkBytes and isClean say more.
func isPlain(path string) bool {
	if len(path) < 2 || len(path) > ast.MaxPath || path[0] != '/' {
		return false
	}
	after := true // the byte before is a slash
	for i := 1; i < len(path); i++ {
		switch byteClass[path[i]] {
		case 0:
			after = false
		case byteDot:
			if after {
				// Possibly `.` or `..`.
				return isPlainSlow(path)
			}
		case byteSlash:
			if after {
				return false
			}
			after = true
		default:
			return false
		}
	}
	return !after
}

func isPlainSlow(path string) bool {
	return checkBytes(path, false) == "" && isClean(path) && strings.IndexByte(path, ',') < 0
}

// checkBytes returns the reason to refuse a path for its bytes alone.
func checkBytes(path string, escape bool) Reason {
	switch {
	case path == "":
		return ReasonEmpty
	case path[0] != '/':
		return ReasonRelative
	case len(path) > ast.MaxPath:
		return ReasonTooLong
	}
	for i := 0; i < len(path); i++ {
		switch byteClass[path[i]] {
		case byteControl:
			if !escape || path[i] == 0 {
				return ReasonControl
			}
		case byteQuote:
			if !escape {
				return ReasonQuote
			}
		case byteGlob:
			if !escape {
				return ReasonGlob
			}
		}
	}
	return ""
}

// isClean reports whether an absolute path has no empty, `.` or `..`
// component, which a slash at the end would make, too.
func isClean(path string) bool {
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		rest := path[i+1:]
		if rest == "" {
			return false
		}
		if rest[0] == '/' {
			return false
		}
		if rest[0] != '.' {
			continue
		}
		if rest = rest[1:]; rest == "" || rest[0] == '/' {
			return false
		}
		if rest[0] == '.' && (len(rest) == 1 || rest[1] == '/') {
			return false
		}
	}
	return true
}
