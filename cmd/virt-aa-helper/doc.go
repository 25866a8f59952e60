// SPDX-License-Identifier: Apache-2.0

// Virt-aa-helper writes and loads the profile of one machine for libvirtd. It
// takes the options of libvirt's program of that name and reads the same domain
// XML, so that it can be put in its place. The flag --help lists the options.
//
// Policy is compiled and loaded by this program itself. Where it may not, as
// under the profile that Debian ships for libvirt's helper, it runs the
// apparmor_parser that this profile allows.
//
// # Options of its own
//
//	--policy 9.0|11.3|12.8|12.9|strict   derive rules as libvirt's helper of that version
//	                           does, or strictly: paths are literals, and a device
//	                           gets what it needs and no more
//	--loader auto|own|parser   who loads: this program, apparmor_parser, or
//	                           (auto) the first of them that may
//
//	--serve                    answer one request of a svirt.Helper: the driver of a
//	                           manager that may not touch the kernel's policy
//
// libvirtd gives none of them. The file virt-aa-helper.conf in the directory of
// machines' profiles, /etc/apparmor.d/libvirt, may: "policy strict", an option
// without its dashes a line. Two more are for the strict policy. "backing DIR", which
// may be repeated, names directories of files that are found only in images, as
// their backing files: libvirtd does not put them into the description of a machine
// that starts, and without this they are refused. "sockets DIR" gives each machine
// the directory DIR/UUID, in which it may listen at sockets that libvirtd does not
// tell its helper of, such as those of an NBD server. Otherwise the policy is that of the libvirt that
// is installed, by the name of its library, and 12.8 if there is none.
//
// # What it keeps
//
// What machines have in common is compiled once and kept beside their profiles, in
// virt-aa-helper-*.base: four files of about 250 KB at most, for as many templates and kernels.
// It is taken only while all that it was made of is as it was, so that an edited
// abstraction holds at the next call, and only if it belongs to root and nobody
// else may write it. Deleting it is safe.
//
// # Its profile
//
// The file usr.lib.libvirt.virt-aa-helper beside this source is the profile of
// this program. It takes the place of that of libvirt's helper in
// /etc/apparmor.d, grants no program and no socket, and lets it load policy.
//
// The file manager.example has two more: of a manager that is denied the kernel's
// policy, and of this program as the one that it hands its policy to, with --serve.
//
// # Differences from libvirt's helper
//
//   - Files are replaced as a whole or not at all. A symbolic link in the place
//     of a .files is replaced, not followed.
//   - -F with a path that is not absolute warns and appends nothing. libvirt's
//     9.0 appends the text "(null)", 12.8 ends.
//   - Helpers for one machine that run at the same time wait for each other.
//   - A machine without rules has an empty .files but for its first line.
//   - Profiles in force are never those of other names: a template, or an edited
//     profile, that defines anything but the machine's own profile and its
//     children is refused.
//   - Messages name the device and say what to do.
package main
