// SPDX-License-Identifier: Apache-2.0

// Package grammar is the grammar of the policy language in a form for reading,
// and a second parser made from it.
//
// EBNF prints the grammar; docs/grammar.ebnf is what it printed last.
//
// Check parses a text twice: with package parser, which is written by hand
// because it is faster, gives better messages and bounds its depth, and with
// this grammar. It refuses a text of which the two do not have the same view,
// down to every field of every statement. A program that takes policy from
// people it does not trust may want that: tricks hide in text that only one of
// two parsers understands.
//
// Both parsers work on the tokens of one lexer, and take the names of
// permissions, families and the like from package ast. A mistake there is one
// that both make. The grammar says nothing about individual words: which
// capabilities, signals and options exist, and which flags and conditions go
// together. Only package parser decides that.
//
// Only programs that import this package link the parser generator that it is
// made with.
package grammar
