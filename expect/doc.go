// SPDX-License-Identifier: Apache-2.0

// Package expect checks what policy must allow and what it must never allow.
//
// Expectations are written in files whose names end in .expect:
//
//	# What the web server may do, and what it must never do.
//	policy apparmor.d
//	kernel 6.12 7.3
//
//	profile nginx may read /etc/ssl/**
//	profile nginx must deny write /etc/**
//	profile * must deny capability sys_admin sys_module
//	machine libvirt-* must deny read,write /etc/shadow
//	profile nginx covers baseline.aa
//
// A statement is about every request of its pattern, not about a sample: the
// pattern is compiled and walked together with the policy, so "may read
// /etc/ssl/**" holds if every such file can be read, and if one cannot, the
// answer names it. What a kernel does not mediate, passes.
//
// # Statements
//
// Each line is one statement. A # at the beginning of a word begins a comment.
// Words are separated by blanks; one with blanks in it is written in double
// quotes.
//
//	policy PATH...    files of policy, and directories of such files
//	include PATH...   where include <...> is looked for; else next to the policy
//	kernel NAME...    the kernels to check for, see features.Kernels; else 7.3
//
// These are needed once in a file, or not at all, before what is to be checked.
// Paths are relative to the directory of the file.
//
//	SUBJECT may REQUEST
//	SUBJECT must deny REQUEST
//	[SUBJECT] covers PATH
//	[SUBJECT] within PATH
//
// "may" holds if all requests pass, "must deny" if none does. "covers" holds if
// the policy lets everything pass that the policy in the file of that path does,
// and "within" if it lets nothing pass beyond that; both compare profiles of the
// same name.
//
// The SUBJECT is "profile NAME" or "machine NAME". In a name * stands for any
// text without a slash, ** for any text, and ? for one byte that is not a slash.
// A profile is one of that full name, child and hats are named PARENT//CHILD. A
// machine is the profile libvirt-NAME, and with "must deny" also those below it;
// "libvirt-" can be left out. A name for which there is no profile is a failure.
//
// The REQUEST is about files:
//
//	[owner] read,write,append,exec,mmap,lock PATTERN
//	[owner] exec as MODE PATTERN [-> PROFILE]
//
// where MODE is the mode of a rule for execution (ix, px, Cx, ux, ...) that the
// program must be executed with, and requests that lead elsewhere are not meant;
// or it is a rule of any other class, as policy has it, without qualifiers and
// comma:
//
//	capability net_admin           network inet stream
//	signal send set=kill peer=x    ptrace trace peer=unconfined
//	mount fstype=tmpfs -> /tmp/**  umount /mnt/
//	pivot_root /new/               unix send type=stream peer=(addr=@x)
//	dbus send bus=system           mqueue write /queue
//	userns                         io_uring sqpoll
//	change_profile -> unconfined   link /a/* -> /b/*
//	set rlimit nofile <= 1024
//
// or it is about one name without wildcards:
//
//	change_hat NAME
//	attach PATH
//
// With "must deny write", no form of writing may pass: neither append, create
// nor delete. A statement is about the profile, not about what the programs that
// it executes may do under other profiles.
//
// # Limits
//
// A file has at most MaxBytes bytes and MaxStatements statements, and a
// statement that fails has at most MaxCounterexamples of them for each profile and
// kernel. The limits of packages parser, policy, compile and query hold for the
// policy.
//
// Everything here is safe for concurrent use.
package expect

// The limits.
const (
	MaxBytes           = 1 << 20 // of one file of expectations
	MaxStatements      = 10000   // of one file
	MaxFiles           = 1000    // of expectations in one directory
	MaxCounterexamples = 3       // of a statement, for each profile and kernel
)

// DefaultKernel is the kernel of files that name none.
const DefaultKernel = "7.3"
