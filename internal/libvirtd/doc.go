// SPDX-License-Identifier: Apache-2.0

// Package libvirtd runs cmd/virt-aa-helper in a virtual machine of Debian's that
// has libvirt and QEMU, under its own profile and under that of libvirt's helper,
// with hostile input.
//
// Its tests take minutes, since machines run without KVM. They run where
// APPARMOR_TEST_LIBVIRTD names the suites, "trixie" or "trixie,trixie-backports",
// as `make libvirtd` does. The disks of the machines are made by image.sh of
// packages from Debian's archive, and kept in the cache folder of the tests.
package libvirtd
