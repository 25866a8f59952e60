// SPDX-License-Identifier: Apache-2.0

// Package loader is the way to the AppArmor of the running kernel: load,
// replace and remove policy, work in policy namespaces, list what is loaded,
// wait for changes, ask what a label allows, read and change the confinement
// of tasks, and start a process confined.
//
// A [Kernel] is about policy and needs securityfs and, for changes,
// CAP_MAC_ADMIN. [Tasks] is about the labels of tasks, needs procfs only, and
// is part of every Kernel. Both hold directories, not paths: what is mounted
// over /proc or /sys after Open does not matter, and Open verifies that the
// kernel's own file systems are there.
//
// # What is refused before a kernel sees it
//
// A [blob.Policy] has passed the kernel's own checks already. Kernels get some
// sets wrong that are well formed, therefore this package refuses, with a
// typed error and nothing written: what the kernel's features do not cover
// (see blob.Policy.Check), a child or hat whose parent is not loaded, names
// that the kernel may be unable to make a directory of (both of which block the
// namespace for later loads on some kernels), names that read like something
// else, and names that Options.OnlyNames does not accept.
//
// One call is one write, and a set is loaded whole or not at all.
//
// # Threads
//
// The kernel keeps a label for each thread, and Go moves goroutines between
// threads. Everything that changes the calling thread is to be called between
// runtime.LockOSThread and the end of the goroutine, without unlocking: the
// thread then ends with the goroutine, and no other goroutine ever runs with
// its label. Start does this by itself.
//
// The signals that Go's scheduler sends to threads of its own process are
// mediated like all signals: a profile for a Go program, or for a thread of
// one, should allow signals within itself, unless GODEBUG=asyncpreemptoff=1 is
// set.
//
// # Other systems
//
// Elsewhere than on Linux everything returns an error that matches
// errors.ErrUnsupported.
package loader
