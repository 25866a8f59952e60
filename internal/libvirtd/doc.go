// SPDX-License-Identifier: Apache-2.0

// Package libvirtd plays the life of machines with a real libvirtd and QEMU, in a
// virtual machine of Debian's, once with libvirt's helper for AppArmor and once
// with cmd/virt-aa-helper in its place. Everything that can be seen must be the
// same: how each command ends, the profile that each process is under, the
// profiles and files that there are, what libvirtd calls its helper with, and
// what the kernel denies. Under the strict policy nothing may be worse, and what
// libvirt's helper leaves broken is mended. The helper is also tried alone, with
// hostile input, and other programs that run apparmor_parser are tried with ours.
//
// Its tests take many minutes, since machines run in a machine without KVM. They
// run where APPARMOR_TEST_LIBVIRTD names the suites, "trixie" or
// "trixie,trixie-backports", as `make libvirtd` does. The disks of the machines
// are made by image.sh of packages from Debian's archive, and kept in the cache
// folder of the tests.
package libvirtd
