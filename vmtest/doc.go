// SPDX-License-Identifier: Apache-2.0

// Package vmtest runs Go tests on Debian's kernels, in virtual machines, with
// go test alone: for managers of machines and containers, whose policy is only
// right if a kernel says so.
//
// The tests that run in a guest are ordinary tests of the calling package. The
// test binary itself is the guest's /init; there is no image and no agent:
//
//	func TestMain(m *testing.M) { os.Exit(vmtest.Main(m, nil)) }
//
//	// On the host: boots two kernels and shows their tests as subtests.
//	func TestKernels(t *testing.T) {
//		vmtest.Run(t, vmtest.Options{Roles: []string{"trixie", "sid"}, Tests: "^TestGuest"})
//	}
//
//	// In the guest, as root.
//	func TestGuestLoad(t *testing.T) {
//		vmtest.Guest(t)
//		kernel, err := loader.Open(loader.Options{})
//		...
//	}
//
// gives TestKernels/trixie/TestGuestLoad and TestKernels/sid/TestGuestLoad. A
// boot takes some seconds, with and without KVM. A guest that panics, hangs, or
// ends without a verdict for a test that it began, is a failure.
//
// # The guest
//
// AppArmor is enabled and nothing is loaded. proc, sys, dev and securityfs are
// mounted, and a tmpfs on /tmp and on /run. The root file system, which is
// writable, has the test binary, the files that Options.Files gives, and the
// programs of Debian packages that Options.Programs names with the libraries
// that they need; there is no shell. There is one processor and no network but
// what a test sets up. Programs that tests want to confine can be functions of
// the test binary: see Commands. The root is the one that the kernel boots with,
// which pivot_root(2) refuses to leave (seen on 6.12): a test of a program that calls
// it makes a mount of its own the root first, as TestKernels of examples/microvm does.
//
// # What the host needs
//
// Linux on amd64 or arm64 with qemu-system-x86_64 (Debian's package
// qemu-system-x86), apt, and the keys of Debian's archive
// (debian-archive-keyring), on any distribution. Kernels and programs are
// fetched from Debian's mirror and unpacked into a folder of the user's; nothing
// on the host changes and root is not needed. Roles, not versions, name kernels,
// so a test meets new kernels as Debian ships them. If something is missing, the
// test is skipped and says what.
//
// These variables are looked at:
//
//   - APPARMOR_TEST_CACHE: the folder that keeps kernels and programs; goarmor
//     in the user's cache folder if not set
//   - APPARMOR_TEST_REQUIRE: if set, a test fails for what is missing
//   - APPARMOR_TEST_VMRUN: a pattern for -run in guests, instead of
//     Options.Tests
//   - APPARMOR_TEST_ACCEL: kvm or tcg; if not set, KVM is tried first
package vmtest
