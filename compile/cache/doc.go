// SPDX-License-Identifier: Apache-2.0

// Package cache keeps compiled policy in files, so that text that was compiled
// once is not compiled again.
//
// A [Cache] has a directory for each feature set, named and laid out as those of
// apparmor_parser: a file of policy for each file of text, with its name, and
// the features in ".features". A boot loader, apparmor_parser -B or systemd may
// load all of such a directory. What this package adds is a key for each, below
// the directory ".goarmor" where other programs do not look: a [Key] of every
// text and option that went into the policy, and a digest of the policy. Policy
// is used if and only if compiling again would have the same input. Times of
// files do not matter, so restored backups, images with a fixed clock and edits
// within a second do no harm.
//
// # Trust
//
// Keys are not secrets: whoever can write to the cache decides what is loaded.
// Directories and files that others than root and the caller may write, links,
// and whatever is not a regular file are not used, with an error that matches
// [ErrForeign] or [ErrLink]. Policy that is read is verified as that of package
// compile is.
//
// # Limits
//
// A file that is longer than [MaxPolicy] is not read. [Cache.Trim] bounds the
// whole directory.
package cache
