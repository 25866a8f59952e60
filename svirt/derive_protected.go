// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// zone is a part of the file system that belongs to the system.
type zone struct {
	dir  string
	kind zoneKind
}

type zoneKind uint8

const (
	zoneClosed   zoneKind = iota // nothing in it
	zoneReadable                 // files in it for reading, not all of it at once
	zoneNoShare                  // files in it, but not all of it at once
	zoneNoLeaf                   // nothing directly in it, not all of it at once
)

// zones decide under Strict what a machine may be given. The
// longest directory that a path is in counts, whole components only. What is
// in none may be had.
var zones = [...]zoneGroup{
	{"bin", []zone{{"/bin", zoneClosed}}},
	{"boot", []zone{{"/boot", zoneReadable}}},
	{"dev", []zone{
		{"/dev", zoneNoShare},
		{"/dev/mem", zoneClosed},
		{"/dev/kmem", zoneClosed},
		{"/dev/port", zoneClosed},
		{"/dev/kmsg", zoneClosed},
		{"/dev/cpu", zoneClosed},
		{"/dev/fd", zoneClosed},
		{"/dev/mapper/control", zoneClosed},
		{"/dev/stdin", zoneClosed},
		{"/dev/stdout", zoneClosed},
		{"/dev/stderr", zoneClosed},
	}},
	{"etc", []zone{{"/etc", zoneClosed}}},
	{"initrd.img", []zone{{"/initrd.img", zoneReadable}}},
	{"initrd.img.old", []zone{{"/initrd.img.old", zoneReadable}}},
	{"lib", []zone{{"/lib", zoneClosed}}},
	{"lib32", []zone{{"/lib32", zoneClosed}}},
	{"lib64", []zone{{"/lib64", zoneClosed}}},
	{"libx32", []zone{{"/libx32", zoneClosed}}},
	{"lost+found", []zone{{"/lost+found", zoneClosed}}},
	{"proc", []zone{{"/proc", zoneClosed}}},
	{"run", []zone{
		{"/run", zoneNoShare},
		{"/run/dbus", zoneClosed},
		{"/run/systemd", zoneClosed},
		{"/run/udev", zoneClosed},
		{"/run/libvirt", zoneNoLeaf}, // the sockets that its daemons take orders from
	}},
	{"sbin", []zone{{"/sbin", zoneClosed}}},
	{"selinux", []zone{{"/selinux", zoneClosed}}},
	{"sys", []zone{{"/sys", zoneClosed}}},
	{"usr", []zone{
		{"/usr", zoneClosed},
		{"/usr/local", zoneNoShare},
		{"/usr/local/bin", zoneClosed},
		{"/usr/local/sbin", zoneClosed},
		{"/usr/local/etc", zoneClosed},
		{"/usr/local/lib", zoneClosed},
		{"/usr/local/lib32", zoneClosed},
		{"/usr/local/lib64", zoneClosed},
		{"/usr/local/libexec", zoneClosed},
		{"/usr/lib/riscv64-linux-gnu/opensbi", zoneReadable},
		{"/usr/lib/u-boot", zoneReadable},
		{"/usr/share/AAVMF", zoneReadable},
		{"/usr/share/OVMF", zoneReadable},
		{"/usr/share/edk2", zoneReadable},
		{"/usr/share/edk2-ovmf", zoneReadable},
		{"/usr/share/kvm", zoneReadable},
		{"/usr/share/ovmf", zoneReadable},
		{"/usr/share/qemu", zoneReadable},
		{"/usr/share/qemu-efi", zoneReadable},
		{"/usr/share/qemu-efi-aarch64", zoneReadable},
		{"/usr/share/qemu-efi-loongarch64", zoneReadable},
		{"/usr/share/qemu-efi-riscv64", zoneReadable},
		{"/usr/share/seabios", zoneReadable},
	}},
	{"var", []zone{
		{"/var/run", zoneNoShare},
		{"/var/run/dbus", zoneClosed},
		{"/var/run/systemd", zoneClosed},
		{"/var/run/udev", zoneClosed},
		{"/var/run/libvirt", zoneNoLeaf},
		{"/var/lib/dpkg", zoneClosed},
		{"/var/lib/rpm", zoneClosed},
		{"/var/lib/libvirt", zoneNoShare}, // what all machines have
	}},
	{"vmlinuz", []zone{{"/vmlinuz", zoneReadable}}},
	{"vmlinuz.old", []zone{{"/vmlinuz.old", zoneReadable}}},
}

// zoneGroup is the zones in one directory of the root.
type zoneGroup struct {
	first string
	zones []zone
}

// top returns the zones in the first component of an absolute path.
func top(path string) []zone {
	first := path[1:]
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first = first[:i]
	}
	if first == "" {
		return nil
	}
	for i := range zones {
		if z := zones[i].first; len(z) == len(first) && z[0] == first[0] && z == first {
			return zones[i].zones
		}
	}
	return nil
}

// within reports whether path is dir or in it.
func within(path, dir string) bool {
	switch {
	case len(path) > len(dir):
		return (path[len(dir)] == '/' || dir == "/") && path[:len(dir)] == dir
	case len(path) == len(dir):
		return path == dir
	}
	return false
}

// find returns the innermost zone that a path is in.
func find(path string) (zone, bool) {
	var best zone
	for _, z := range top(path) {
		if len(z.dir) > len(best.dir) && within(path, z.dir) {
			best = z
		}
	}
	return best, best.dir != ""
}

// zoneOf returns the reason to refuse a file with the given permissions.
func zoneOf(path string, perms ast.FilePerm) Reason {
	if path == "/" {
		return ReasonRestricted
	}
	z, ok := find(path)
	if !ok {
		return ""
	}
	switch z.kind {
	case zoneClosed:
		return ReasonRestricted
	case zoneReadable:
		if perms&^permRK != 0 {
			return ReasonReadOnly
		}
	case zoneNoLeaf:
		if strings.IndexByte(strings.TrimPrefix(path[len(z.dir):], "/"), '/') < 0 {
			return ReasonRestricted
		}
	}
	return ""
}

// notPrograms are directories that hold no programs: what the kernel makes up,
// and settings.
var notPrograms = [...]string{"/boot", "/dev", "/etc", "/proc", "/sys"}

// zoneOfProgram returns the reason to refuse a file as a program.
func zoneOfProgram(path string) Reason {
	if path == "/" {
		return ReasonRestricted
	}
	for _, dir := range notPrograms {
		if within(path, dir) {
			return ReasonRestricted
		}
	}
	return ""
}

// zoneOfShare returns the reason to refuse a directory with all that is in it.
func zoneOfShare(dir string) Reason {
	if z, ok := find(dir); ok {
		switch z.kind {
		case zoneClosed, zoneReadable:
			return ReasonRestricted
		case zoneNoShare, zoneNoLeaf:
			if dir == z.dir || z.dir == "/dev" {
				return ReasonContains
			}
		}
	}
	for _, g := range zones {
		for _, z := range g.zones {
			if z.dir != dir && within(z.dir, dir) {
				return ReasonContains
			}
		}
	}
	return ""
}
