// SPDX-License-Identifier: Apache-2.0

// Package command is the apparmor_parser command, as a function: arguments and
// streams in, an exit status out.
//
// Each input, a file or standard input, goes through parser, policy and
// compile; inputs are processed concurrently and reported in order. The kernel
// is reached only through package loader.
package command
