// SPDX-License-Identifier: Apache-2.0

// Package svirt gives every virtual machine a profile of its own, as
// libvirt's sVirt driver for AppArmor does: what a machine may touch is
// derived from its description, and nothing else of the host is in reach of
// the process that runs it.
//
// A machine is a Domain: plain data that a VMM fills in itself, or that
// package libvirtxml reads from libvirt's domain XML. Derive turns it into
// Rules under one of two methods. Strict, the default, writes every path as a
// literal, refuses paths that no machine should have with a typed error, and
// grants a device what it needs and no more. Compat reproduces what
// virt-aa-helper of a given version writes, byte for byte.
//
// A machine's profile is a MachineProfile, made from a Template, which includes
// Abstractions and, at the end, the machine's own Rules. Each of these is a
// value and a file of libvirt's layout: it is read from text or made by a
// program, holds syntax trees or rules, and is written as text again, byte for
// byte where nothing was changed.
//
// Who wrote a description is said by Options.Origin. One by the manager itself
// needs no options: a device gets a file of the type that its kind needs, where
// such files are by custom, and Options.Roots opens what is closed. One that a
// tenant wrote takes roots for every kind of path. Files that only an image names
// are never writable, and read only if the manager has said so or has seen them.
//
// A Manager keeps the profiles on disk in libvirt's layout and in the kernel:
// it creates, updates, loads, unloads and removes them and starts processes
// under them. It has its directory for itself, gives names and images that are
// written to one machine at a time, and says after a restart what is left to
// do: see Reconcile. It is safe for concurrent use.
package svirt
