// SPDX-License-Identifier: Apache-2.0

// Package apparmor is the overview of a library that parses, models, prints,
// compiles and loads AppArmor policy in pure Go, and that gives each virtual
// machine and container its own profile, as libvirt's sVirt driver does. It
// needs no cgo, no apparmor_parser and no other program.
//
// The package itself is empty. Data flows one way through those below it:
//
//	text ──parser──▶ ast ──policy──▶ profiles ──compile──▶ blob ──loader──▶ kernel
//
// In addition, render turns an ast into text, svirt turns the description of a
// machine into ast rules, and query asks a blob what it allows.
//
//   - ast is policy as Go values; parser makes it from text, render makes text
//     from it.
//   - diag is what all of them say about a policy: codes, places, hints.
//   - features says what a kernel or a version of the language can enforce.
//   - policy resolves trees into profiles: includes, variables, conditionals.
//   - compile turns profiles into the kernel's binary form for a feature set.
//   - blob is that form: decoded, encoded, verified with the kernel's own
//     checks, compared by meaning.
//   - query asks a binary what it allows; package query/explain finds the
//     rules that decide an answer.
//   - expect checks what policy must allow and must never allow, in tests.
//   - loader is the interface to the kernel: profiles in force, and processes
//     under them.
//   - svirt manages a profile for each virtual machine. It makes rules from a
//     description of the machine; package svirt/libvirtxml reads libvirt's.
//
// A program imports the packages that it uses. One that only starts machines
// needs svirt; see its Manager. The program in examples/quickstart goes the
// whole way and shows each step.
//
// # Security
//
// Paths and names are hostile. A path becomes part of policy by ast.Literal,
// which escapes what is special; svirt refuses paths that no machine should
// have. Policy is verified before a kernel sees it. Nothing runs unconfined
// because something failed: loader.Kernel.Start returns a process under the
// requested profile, or an error and no process.
//
// # Errors and limits
//
// Errors are typed. Those about policy are a *diag.Diagnostic or a diag.List,
// with file, line, column and the chain of includes. All bounds on the work
// (depth, bytes, states, memory) are in Limits types with documented defaults;
// exceeding one is an error that matches diag.ErrLimit.
package apparmor
