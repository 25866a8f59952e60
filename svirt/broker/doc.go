// SPDX-License-Identifier: Apache-2.0

// Package broker lets managers of virtual machines that run as ordinary users
// confine them, as libvirt's driver never did for qemu:///session.
//
// A Broker is the only part that runs as root. It listens on a unix socket, knows
// by the kernel's word which user asks, and derives, compiles and loads profiles
// for machines of that user. The user's manager has a Client, and starts its
// VMMs itself: a process that is not confined may put a program under any
// profile that is loaded.
//
// # What a user may have
//
//   - A description and nothing else: a svirt.Domain or a svirt.Change. Templates,
//     abstractions and rules are the Broker's own; a request with any other field
//     is refused.
//   - Names that the Broker makes: Options.Prefix, the number of the user, a dash
//     and the UUID of the machine. So no request can name the profile of another
//     user or of the system.
//   - Files that the user could open in that way. Paths are looked up on a thread
//     that has the user's credentials, links are followed step by step from
//     descriptors that are held, and what the rules are to grant is asked of the
//     kernel, with faccessat2(2) on a descriptor, on that thread. What is not
//     there yet must be the user's to make.
//   - Directories with all in them that belong to the user, who may write there.
//     Other rules that match more than one path are refused.
//   - What Options.Limits says, and no more.
//
// Images are not opened: Image.Backing has the whole chain.
//
// # What it takes
//
// The thread has the user's file system credentials and no capabilities, but
// the process is still root's, so that the user can neither trace nor kill it.
// For that the Broker needs CAP_SETUID, CAP_SETGID, and to load policy
// CAP_MAC_ADMIN. As another user than root it serves that user alone.
//
// A file system that asks for the user as a whole, such as a FUSE file system
// without allow_other, refuses the thread, and the Broker what is there.
//
// Requests of one user are answered one after another, those of different users
// at the same time. A client that hangs holds up nobody but itself.
package broker
