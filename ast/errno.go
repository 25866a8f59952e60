// SPDX-License-Identifier: Apache-2.0

package ast

import (
	"strings"

	"github.com/goarmor/apparmor/internal/linux"
)

// isErrno reports whether name is an error code that the flag error= takes, in
// any case: the names of Linux's <asm-generic/errno.h>.
func isErrno(name string) bool {
	for e := range Errnos().All() {
		if strings.EqualFold(e, name) {
			return true
		}
	}
	return false
}

// Errnos returns the error codes that the flag error= takes, in the order of
// their numbers, aliases last.
func Errnos() Vocabulary { return Vocabulary{words: linux.Errnos, more: errnoAliases} }

// errnoAliases are other names of EAGAIN, EDEADLK and EOPNOTSUPP.
var errnoAliases = []string{"EWOULDBLOCK", "EDEADLOCK", "ENOTSUP"}
