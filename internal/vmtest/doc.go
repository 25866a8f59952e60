// SPDX-License-Identifier: Apache-2.0

// Package vmtest runs Go tests inside virtual machines with Debian's kernels,
// so that what this module writes meets the code that reads it.
//
// The tests that run in the guest are ordinary tests of an ordinary package:
// testing.T, subtests, t.TempDir, t.Log. Two things are special about such a
// package. Its TestMain hands over to guest.Main, which makes the test binary
// the guest's /init:
//
//	func TestMain(m *testing.M) { os.Exit(guest.Main(m, nil)) }
//
// and on a host, outside of a guest, it runs no tests. A test on the host
// boots the guests and shows every test of theirs as a subtest of its own,
// with its log and its verdict:
//
//	func TestKernels(t *testing.T) {
//		vmtest.Run(t, vmtest.Config{Package: "./checks", Files: files})
//	}
//
// gives TestKernels/bookworm/TestLoad, TestKernels/trixie/TestLoad and so on:
// kernels go by the role that they have in Debian's archive. Each boots once for all tests of the package, in some seconds without
// KVM. A guest that panics, hangs, or ends without a verdict for each test
// that it began is a failure.
//
// The guest runs as root with AppArmor enabled and nothing loaded; proc, sys,
// dev, securityfs and a tmpfs on /tmp are mounted. The root file system holds
// the test binary as /init and the files that Config.Files gives, which the
// guest reads with guest.File. Programs that tests want to confine are
// functions in the test binary, see guest.Commands.
//
// Module vmtest, at the top of the repository, is the public face of this
// package. In a Config without a Package the tests of the calling one run.
//
// To add checks on the kernel, add tests to package checks below this
// directory, and what they need from the host to the files of TestKernels.
//
// # Environment
//
// APPARMOR_TEST_CACHE is the folder that keeps kernel images, goarmor in the
// user's cache folder if not set. APPARMOR_TEST_VMRUN is a pattern for -run in
// the guest. APPARMOR_TEST_ACCEL is kvm or tcg, to settle what is otherwise
// tried: KVM, then TCG where KVM does not boot.
package vmtest
