// SPDX-License-Identifier: Apache-2.0

package parser

import "github.com/goarmor/apparmor/internal/grammar"

// EBNF returns the language's grammar in extended Backus-Naur form, for
// reading. Names in angle brackets are tokens: what the lexer makes of the
// text, which depends on what stands before it. The grammar leaves out what
// needs a look at the words themselves, such as the names of capabilities.
func EBNF() string { return grammar.EBNF() }
