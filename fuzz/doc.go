// SPDX-License-Identifier: Apache-2.0

// Package fuzz holds the module's native fuzz targets on policy text: what
// must be true of any text, however hostile.
//
//   - FuzzParse: parsing, with includes, ends, stays within its limits and
//     gives a tree that adds up to the text.
//   - FuzzGrammar: the parser and the grammar of record, which work on the
//     tokens of one lexer, take the same texts for the same statements, every
//     field of them included.
//   - FuzzPrint: a parsed text prints as it was; its canonical form keeps the
//     tree and the comments, and is its own canonical form.
//   - FuzzPipeline: text becomes binary policy within the limits, the same each
//     time and from its canonical form, and the binary is read as it was
//     written.
//
// Seeds are small texts of our own and, where they are at hand, a share of the
// corpora and of Debian's policy. A text may bring files that it includes: each
// follows a line `-- NAME --`.
//
// Targets that need what a package does not export are in that package. `make
// fuzz` runs all of them for a while each.
package fuzz
