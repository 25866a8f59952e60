// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

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
