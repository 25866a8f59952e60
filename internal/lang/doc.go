// SPDX-License-Identifier: Apache-2.0

// Package lang holds the words of the policy language that the lexer, the
// parser, the tree and the printer share, and the small readers of words that
// more than one of them needs. What users of the module need is in package
// ast.
package lang
