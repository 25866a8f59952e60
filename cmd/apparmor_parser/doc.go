// SPDX-License-Identifier: Apache-2.0

// Apparmor_parser compiles AppArmor policy and loads it into the kernel. It
// takes the options of the program of that name from AppArmor 6.0, so that it
// can take its place, and some of its own. The flag --help lists them;
// --help=warn, --help=dump and --help=optimize list what these options take.
//
// # Options of its own
//
//	--format        print policy in canonical form
//	--format -d     print how files differ from it; status 1 if one does
//	--format -w     write it back, to files that differ; a file is replaced as
//	                a whole or not at all, with its owner and permissions
//	--json          diagnostics as JSON, an object to a line, and all errors
//	                of a file instead of the first
//
// An object of --json has the members severity ("error" or "warning"),
// message and, where they are known, class, code, input (the argument), file,
// line, column, offset, profile, text, hint, cause, via (the include
// statements that led there) and related (other places). Codes are stable,
// messages are not.
//
// # Differences from AppArmor 6.0
//
// Messages about policy have the reference's form, with the same file and
// line, but sentences of their own. They come with places where the reference
// has none, for errors of variables, globs and execution.
//
// The cache is keyed by a digest of all texts, features and options that go
// into policy, kept in the directory .goarmor beside those of policy. A file that is only newer is
// therefore no reason to compile, and one that is only older is. Policy in the
// cache has the time of its newest text, and directories the names that
// libapparmor gives them, for others who read it. Policy that is in complain
// mode or in a namespace for an option is not cached. A cache that cannot be
// written is a warning, and the policy is loaded.
//
// A directory or file of the cache that somebody else than root and the user
// may write is not used, with a warning. Text of included files is shown in
// messages only if the file is below a directory of includes. Files of procfs,
// sysfs and their like are not read as policy. With --confine-includes nothing
// outside of the directories of includes is read.
//
// Other differences:
//   - Compiled policy is verified before it is loaded, with -B and from the
//     cache, whether it is compressed or not. -B goes with -R, -N and -S, too. A
//     file with the profiles of several namespaces, as -S writes it, is loaded
//     in a write for each namespace; the reference's one write is refused.
//   - Policy is compressed in files and in the cache only with -c, for kernels
//     that load such policy, and all profiles of a file in one frame. What is
//     loaded is plain.
//   - --prompt-compat takes permsv2, which is the default, and refuses flag and
//     ignore.
//   - -O accepts every word and heeds filter-deny; the form of automata follows
//     the kernel's features. -D accepts every word; those about steps that
//     this compiler does not have print nothing. -d prints rules as policy
//     writes them after the reference's list of entries, whose order is that
//     of the rules.
//   - Profiles of several inputs that attach to one program equally well are a
//     warning of class dangerous. With --plain-names profiles that are named
//     by a plain path have no automaton, as up to 4.1.0.
//   - The files of a directory are taken in the order of their names, and only
//     regular ones. After an error the other inputs are worked on even with
//     -j0.
//   - --purge-cache goes on with the files that are named, and is content with
//     a cache that is not there. show, of -D, -O, --warn and --Werror, prints
//     once, when all options are known.
//   - Blanks around the = of the configuration file are ignored.
//   - <abi/3.0>, <abi/4.0> and <abi/5.0> are built in, for where no file has
//     them. -p prints the whole of a comment that ends a file.
//   - -N, -p and -d need no kernel, nor does any -D that stops before loading.
//
// # The reference's tests
//
// Of the drivers of AppArmor 6.0's parser, simple.pl, dirtest.sh, minimize.sh
// and equality.sh pass. In errors.py 11 of 14 cases pass; the other three
// compare sentences (test_deprecation1, test_deprecation2 and test_modefail),
// their files, lines and statuses are right. In caching.py these four fail, in
// both of its classes, as they ask for policy that is compiled anew for a time
// alone: test_profile_newer_skips_cache, test_abstraction_newer_skips_cache,
// test_profile_newer_rewrites_cache and test_abstraction_newer_rewrites_cache.
package main
