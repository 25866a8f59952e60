// SPDX-License-Identifier: Apache-2.0

// Package fuzz holds the module's native fuzz targets for policy text:
// properties that must hold for any text, however hostile.
//
//   - FuzzParse: parsing, with includes, ends, stays within its limits and
//     gives a tree that covers the text.
//   - FuzzGrammar: the parser and the grammar of record, which work on the
//     tokens of one lexer, read the same statements from the same text, every
//     field included.
//   - FuzzPrint: a parsed text prints as it was; its canonical form keeps the
//     tree and the comments, and is its own canonical form.
//   - FuzzPipeline: text becomes binary policy within the limits, the same each
//     time and from its canonical form, and the binary is read as it was
//     written.
//   - FuzzLiterals: a rule with a hostile text as a literal, and a machine with
//     a disk of that name, allow that text and none of its neighbours, as a
//     value and as text.
//   - FuzzVerdicts: rules and statements of real policy, with words and bytes
//     changed, are accepted or refused as by Debian's two newest releases of
//     apparmor_parser, but for listed differences. It needs these.
//
// Seeds are small texts of our own and, if available, a part of the corpora
// and rules of Debian's policy. A text may be followed by files that it includes,
// each after a line `-- NAME --`.
//
// Targets that need unexported names are in the package that has them. `make
// fuzz` runs each of them for a while.
package fuzz
