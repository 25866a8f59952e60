// SPDX-License-Identifier: Apache-2.0

package compile_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	questions "github.com/goarmor/apparmor/query"
)

// TestMountWords has every word of mount options in a rule, and asks for a mount
// with the flag that it means, without it, and with another one.
func TestMountWords(t *testing.T) {
	type words map[string]questions.MountFlags
	ask := func(p *questions.Profile, source, target, fstype string, flags questions.MountFlags) bool {
		return p.Allows(questions.Mount{Source: source, Target: target, FSType: fstype, Flags: flags})
	}
	check := func(rule, word string, want map[questions.MountFlags]bool, may func(p *questions.Profile, flags questions.MountFlags) bool) {
		t.Helper()
		kernel := kernelOf(t, "6.12")
		out, err := source{abi: kernel}.compile(t, kernel, "p", "profile t { mount "+fmt.Sprintf(rule, word)+", mount fstype=never, }\n")
		if err != nil {
			t.Errorf("%s: %v", word, err)
			return
		}
		p, _ := questions.Open(out.Policy).Profile("t")
		for flags, allowed := range want {
			if got := may(p, flags); got != allowed {
				t.Errorf("%s: flags %#x are allowed: %t", word, flags, got)
			}
		}
	}
	for word, flag := range (words{
		"ro": unix.MS_RDONLY, "r": unix.MS_RDONLY, "read-only": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV,
		"noexec": unix.MS_NOEXEC, "sync": unix.MS_SYNCHRONOUS, "mand": unix.MS_MANDLOCK, "dirsync": unix.MS_DIRSYNC,
		"nosymfollow": unix.MS_NOSYMFOLLOW, "noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "verbose": unix.MS_SILENT,
		"silent": unix.MS_SILENT, "acl": unix.MS_POSIXACL, "relatime": unix.MS_RELATIME, "iversion": unix.MS_I_VERSION,
		"strictatime": unix.MS_STRICTATIME, "lazytime": unix.MS_LAZYTIME,
	}) {
		other := questions.MountFlags(unix.MS_NOSUID)
		if flag == other {
			other = unix.MS_NODEV
		}
		check("fstype=ext4 options=(%s) /a -> /b/", word, map[questions.MountFlags]bool{flag: true, 0: false, other: false, flag | other: false},
			func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "/a", "/b/", "ext4", flags) })
	}
	for word, flag := range (words{
		"rw": unix.MS_RDONLY, "w": unix.MS_RDONLY, "suid": unix.MS_NOSUID, "dev": unix.MS_NODEV, "exec": unix.MS_NOEXEC,
		"async": unix.MS_SYNCHRONOUS, "nomand": unix.MS_MANDLOCK, "symfollow": unix.MS_NOSYMFOLLOW, "atime": unix.MS_NOATIME,
		"diratime": unix.MS_NODIRATIME, "loud": unix.MS_SILENT, "noacl": unix.MS_POSIXACL, "norelatime": unix.MS_RELATIME,
		"noiversion": unix.MS_I_VERSION, "nostrictatime": unix.MS_STRICTATIME, "nolazytime": unix.MS_LAZYTIME,
	}) {
		check("fstype=ext4 options=(%s) /a -> /b/", word, map[questions.MountFlags]bool{0: true, flag: false},
			func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "/a", "/b/", "ext4", flags) })
	}
	for word, flag := range (words{
		"unbindable": unix.MS_UNBINDABLE, "private": unix.MS_PRIVATE, "slave": unix.MS_SLAVE, "shared": unix.MS_SHARED,
	}) {
		for name, want := range (words{
			word: flag, "make-" + word: flag, "r" + word: flag | unix.MS_REC, "make-r" + word: flag | unix.MS_REC,
		}) {
			answers := map[questions.MountFlags]bool{unix.MS_BIND: false}
			for _, kind := range []questions.MountFlags{unix.MS_UNBINDABLE, unix.MS_PRIVATE, unix.MS_SLAVE, unix.MS_SHARED} {
				answers[kind], answers[kind|unix.MS_REC] = kind == want, kind|unix.MS_REC == want
			}
			check("options=(%s) -> /b/", name, answers,
				func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "", "/b/", "", flags) })
		}
	}
	for word, flag := range (words{
		"bind": unix.MS_BIND, "B": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC, "R": unix.MS_BIND | unix.MS_REC,
		"move": unix.MS_MOVE, "M": unix.MS_MOVE,
	}) {
		answers := map[questions.MountFlags]bool{0: false}
		for _, kind := range []questions.MountFlags{unix.MS_BIND, unix.MS_BIND | unix.MS_REC, unix.MS_MOVE} {
			answers[kind] = kind == flag
		}
		check("options=(%s) /a/ -> /b/", word, answers,
			func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "/a/", "/b/", "", flags) })
	}
	// Without options, every flag is allowed.
	every := map[questions.MountFlags]bool{0: true}
	for _, flag := range []questions.MountFlags{
		unix.MS_RDONLY, unix.MS_NOSUID, unix.MS_NODEV, unix.MS_NOEXEC, unix.MS_SYNCHRONOUS, unix.MS_MANDLOCK, unix.MS_DIRSYNC, unix.MS_NOSYMFOLLOW,
		unix.MS_NOATIME, unix.MS_NODIRATIME, unix.MS_SILENT, unix.MS_POSIXACL, unix.MS_RELATIME, unix.MS_I_VERSION, unix.MS_STRICTATIME, unix.MS_LAZYTIME,
	} {
		every[flag] = true
	}
	check("%s", "/a -> /b/", every, func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "/a", "/b/", "ext4", flags) })
	check("options=(%s) -> /b/", "remount", map[questions.MountFlags]bool{unix.MS_REMOUNT: true, unix.MS_REMOUNT | unix.MS_RDONLY: false, 0: false},
		func(p *questions.Profile, flags questions.MountFlags) bool { return ask(p, "", "/b/", "", flags) })
}
