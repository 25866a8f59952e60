// SPDX-License-Identifier: Apache-2.0

// Package loader talks to AppArmor in the running kernel: it loads, replaces
// and removes policy, works in policy namespaces, lists what is loaded, waits
// for changes, asks what a label allows, reads and changes the confinement of
// tasks, and starts processes confined.
//
// A [Kernel] handles policy and needs securityfs and, for changes,
// CAP_MAC_ADMIN. [Tasks] handles the labels of tasks, needs only procfs, and
// is part of every Kernel. Both hold directories, not paths: what is mounted
// over /proc or /sys after Open does not matter, and Open verifies that the
// kernel's own file systems are there.
//
// # What is refused before a kernel sees it
//
// A [blob.Policy] has passed the kernel's own checks already. Kernels
// mishandle some well-formed sets. This package refuses these with a typed
// error, and writes nothing: what the kernel's features do not cover (see
// blob.Policy.Check), a child or hat whose parent is not loaded, names for
// which the kernel may be unable to make a directory (both block the namespace
// for later loads on some kernels), names that read like something else, and
// names that Options.OnlyNames does not accept.
//
// One call is one write, and a set is loaded whole or not at all.
//
// # Threads
//
// The kernel keeps a label for each thread, and Go moves goroutines between
// threads. Call everything that changes the calling thread between
// runtime.LockOSThread and the end of the goroutine, without unlocking: the
// thread then ends with the goroutine, and no other goroutine ever runs with
// its label. Start does this by itself.
//
// The exception is the first thread of a program, whose number is that of the
// process (gettid(2)): Go parks it for good instead of ending it, with its
// label, and the profile stays in use. A program that changes labels of threads
// keeps other goroutines from it with runtime.LockOSThread in an init function
// of package main.
//
// The signals that Go's scheduler sends to threads of its own process are
// mediated like all signals: a profile for a Go program, or for a thread of
// one, should allow signals within itself, unless GODEBUG=asyncpreemptoff=1 is
// set.
//
// # Other systems
//
// On other systems everything returns an error that matches
// errors.ErrUnsupported.
package loader
