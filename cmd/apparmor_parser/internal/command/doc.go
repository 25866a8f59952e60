// SPDX-License-Identifier: Apache-2.0

// Package command is the apparmor_parser command, as a function: arguments and
// streams in, an exit status out.
//
// Each input, a file or standard input, goes the way parser, policy, compile;
// inputs are worked on at the same time and reported in their order. The
// kernel is reached through package loader only.
package command
