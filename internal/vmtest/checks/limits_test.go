// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLimits looks at the resource limits that a profile sets for what it
// begins to confine, and at who may raise them.
func TestLimits(t *testing.T) {
	k := kernel(t)
	loadText(t, k, `abi <kernel>,
profile limited {`+base+`
	capability sys_resource,
	set rlimit nofile <= 200,
	set rlimit fsize <= 1MB,
	set rlimit cpu <= 2h,
	set rlimit rttime <= 3s,
	set rlimit nice <= -5,
	set rlimit as <= infinity,
}
profile ordinary {`+base+`}
profile powerful {`+base+`
	capability sys_resource,
	ptrace,
}
`)
	limited, ordinary, powerful, free := confine(t, k, "limited"), confine(t, k, "ordinary"), confine(t, k, "powerful"), unconfined(t)
	const infinite = "18446744073709551615"
	for _, c := range []struct {
		name     string
		resource int
		hard     string
	}{
		{"nofile", unix.RLIMIT_NOFILE, "200"},
		{"fsize", unix.RLIMIT_FSIZE, "1048576"},
		{"cpu", unix.RLIMIT_CPU, "7200"},
		{"rttime", unix.RLIMIT_RTTIME, "3000000"},
		// What policy calls a nice value is not what the limit is counted in.
		{"nice", unix.RLIMIT_NICE, ""},
		{"as", unix.RLIMIT_AS, infinite},
	} {
		before, after := free.want(t, 0, "limits", number(c.resource)).Out, limited.want(t, 0, "limits", number(c.resource)).Out
		hard := after[strings.IndexByte(after, ' ')+1:]
		if c.hard != "" && hard != c.hard {
			t.Errorf("%s: hard limit %s, want %s (unconfined: %s)", c.name, hard, c.hard, before)
		}
	}
	set := func(p *probe, want syscall.Errno, pid string, resource int, soft, hard string) {
		t.Helper()
		p.want(t, want, "set limit", pid, number(resource), soft, hard)
	}
	// What the profile limits stays below, whatever the capability would
	// allow; the rest is as always.
	set(limited, 0, "0", unix.RLIMIT_NOFILE, "100", "200")
	set(limited, syscall.EACCES, "0", unix.RLIMIT_NOFILE, "100", "201")
	set(limited, 0, "0", unix.RLIMIT_CORE, "1", "1")
	set(limited, 0, "0", unix.RLIMIT_CORE, "2", "2") // by the capability
	set(ordinary, 0, "0", unix.RLIMIT_CORE, "1", "1")
	set(ordinary, syscall.EPERM, "0", unix.RLIMIT_CORE, "2", "2")
	set(free, 0, "0", unix.RLIMIT_NOFILE, "100", "201")
	// Limits of others take a capability.
	set(ordinary, syscall.EACCES, free.pid(), unix.RLIMIT_CORE, "1", "1")
	set(powerful, 0, ordinary.pid(), unix.RLIMIT_CORE, "0", "0")
	set(free, 0, ordinary.pid(), unix.RLIMIT_CORE, "0", "0")
}

// TestCapabilities does what takes capabilities, with all of them and with all
// but that one.
func TestCapabilities(t *testing.T) {
	k := kernel(t)
	trials := []struct {
		capability string
		attempt
		errno syscall.Errno // without it
	}{
		{"chown", attempt{"chown", []string{"/srv/caps/own"}}, syscall.EPERM},
		{"fowner", attempt{"chmod", []string{"/srv/caps/foreign"}}, syscall.EPERM},
		{"dac_override", attempt{"write", []string{"/srv/caps/foreign"}}, syscall.EACCES},
		{"sys_admin", attempt{"hostname", []string{"capable"}}, syscall.EPERM},
		{"sys_admin", attempt{"set xattr", []string{"/srv/caps/own"}}, syscall.EPERM},
		{"sys_chroot", attempt{"chroot", nil}, syscall.EPERM},
		{"sys_nice", attempt{"nice", nil}, syscall.EACCES},
		{"mknod", attempt{"device", []string{"/srv/caps/device"}}, syscall.EPERM},
		{"setuid", attempt{"user", nil}, syscall.EPERM},
		{"setgid", attempt{"group", nil}, syscall.EPERM},
		{"setpcap", attempt{"drop bounding", nil}, syscall.EPERM},
		{"net_admin", attempt{"interface", nil}, syscall.EPERM},
		{"net_raw", attempt{"socket", []string{number(unix.AF_PACKET), number(unix.SOCK_RAW), "0"}}, syscall.EPERM},
		{"sys_rawio", attempt{"ports", nil}, syscall.EPERM},
		{"sys_time", attempt{"clock", nil}, syscall.EPERM},
		{"syslog", attempt{"kernel log", nil}, syscall.EPERM},
		{"mac_admin", attempt{"load policy", nil}, syscall.EACCES},
	}
	dir := fresh(t, "/srv/caps")
	var text strings.Builder
	rules := base + "\n" + dir + "/* rw,\nnetwork,\nunix,\n/sys/kernel/security/apparmor/.remove w,\nmount,\n"
	fmt.Fprintf(&text, "abi <kernel>,\nprofile with-all {%s capability, }\nprofile with-none {%s}\nprofile denied {%s capability,\n", rules, rules, rules)
	known := map[string]bool{}
	for _, c := range trials {
		if !known[c.capability] {
			known[c.capability] = true
			fmt.Fprintf(&text, "deny capability %s,\n", c.capability)
		}
	}
	text.WriteString("}\n")
	for name := range known {
		fmt.Fprintf(&text, "profile with-%s {%s capability %s, }\n", name, rules, name)
	}
	loadText(t, k, text.String())
	free, all, none, denied := unconfined(t), confine(t, k, "with-all"), confine(t, k, "with-none"), confine(t, k, "denied")
	for _, c := range trials {
		t.Run(c.capability+" "+c.Op, func(t *testing.T) {
			for _, s := range []struct {
				probe *probe
				want  syscall.Errno
			}{{free, 0}, {all, 0}, {confine(t, k, "with-"+c.capability), 0}, {none, c.errno}, {denied, c.errno}} {
				for name, owner := range map[string]int{"own": 0, "foreign": 1} {
					path := filepath.Join(dir, name)
					writeFile(t, path)
					if err := errors.Join(os.Chmod(path, 0o600), os.Chown(path, owner, owner)); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Remove(filepath.Join(dir, "device")); err != nil && !isNotExist(err) {
					t.Fatal(err)
				}
				s.probe.want(t, s.want, c.Op, c.Args...)
			}
		})
	}
}
