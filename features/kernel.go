// SPDX-License-Identifier: Apache-2.0

package features

import "sync"

// Kernel returns the feature set of a known kernel, by its name:
//
//	6.1           Debian 12 (linux-image-6.1.0-56-cloud-amd64)
//	6.12          Debian 13 (linux-image-6.12.118+deb13-cloud-amd64)
//	7.2           Debian sid, November 2026 (linux-image-7.2.13+deb14-cloud-amd64)
//	7.3           Debian 13's backports (linux-image-7.3.4+deb13-cloud-amd64)
//	ubuntu-22.04  Ubuntu 22.04 LTS (linux-image-5.15.0-204-generic)
//	ubuntu-24.04  Ubuntu 24.04 LTS (linux-image-6.8.0-151-generic)
//	ubuntu-26.04  Ubuntu 26.04 LTS (linux-image-7.0.0-44-generic)
//
// A set is what the kernel of that package, from the archives of Debian and
// Ubuntu, shows below /sys/kernel/security/apparmor/features when it is booted.
// Later updates may show more; other architectures show the same. Kernel
// reports whether the name is known.
//
// Use it to compile policy for another machine, or for none in particular; the
// set of the running kernel comes from FromFS.
func Kernel(name string) (*Set, bool) {
	build, ok := kernels[name]
	if !ok {
		return nil, false
	}
	return build(), true
}

// Kernels returns the names that Kernel knows: Debian's kernels, oldest first,
// and then Ubuntu's.
func Kernels() []string {
	return []string{"6.1", "6.12", "7.2", "7.3", "ubuntu-22.04", "ubuntu-24.04", "ubuntu-26.04"}
}

var kernels = map[string]func() *Set{
	"6.1":  sync.OnceValue(func() *Set { return table(base(), kernel61()) }),
	"6.12": sync.OnceValue(func() *Set { return table(base(), kernel61(), kernel612()) }),
	"7.2":  sync.OnceValue(func() *Set { return table(base(), kernel61(), kernel612(), kernel72()) }),
	"7.3":  sync.OnceValue(func() *Set { return table(base(), kernel61(), kernel612(), kernel72(), kernel73()) }),

	"ubuntu-22.04": sync.OnceValue(func() *Set { return table(base(), common(), ubuntu2204()) }),
	"ubuntu-24.04": sync.OnceValue(func() *Set { return table(base(), common(), ubuntu2204(), ubuntu2404(), tcpFastOpen()) }),
	"ubuntu-26.04": sync.OnceValue(func() *Set { return table(base(), common(), ubuntu2204(), ubuntu2404(), ubuntu2604()) }),
}

func kernel61() []leaf {
	return []leaf{
		{"caps/mask", "+checkpoint_restore"},
		{"domain/attach_conditions/xattr", "yes"},
		{"network_v8/af_mask", families("mctp")},
		{"network_v8/tcp-fast-open", "yes"},
		{"policy/outofband", "0x000001"},
		{"policy/versions/v9", "yes"},
	}
}

func kernel612() []leaf {
	return []leaf{
		{"domain/disconnected.path", "yes"},
		{"io_uring/mask", "sqpoll override_creds"},
		{"mount/move_mount", "detached"},
		{"namespaces/mask", "userns_create"},
		{"policy/permstable32", "allow deny subtree cond kill complain prompt audit quiet hide xindex tag label"},
		{"policy/permstable32_version", "0x000001"},
		{"policy/unconfined_restrictions/change_profile", "yes"},
	}
}

func kernel72() []leaf {
	return []leaf{
		{"caps/extended", "yes"},
		{"dbus/mask", "acquire send receive"},
		{"domain/kill.signal", "yes"},
		{"domain/unconfined_allowed_children", "yes"},
		{"network_v9/af_mask", families("mctp")},
		{"network_v9/af_unix", "yes"},
		{"network_v9/tcp-fast-open", "yes"},
		{"policy/diff-encode", "yes"},
		{"policy/permstable32_version", "0x000003"},
		{"policy/state32", "0x000001"},
	}
}

func kernel73() []leaf {
	return []leaf{
		{"policy/compressed_load", "yes"},
		{"policy/extended_policy_header", "yes"},
	}
}

// Ubuntu's kernels carry AppArmor's development, so they mediate more than
// upstream's of the same version.
func ubuntu2204() []leaf {
	return []leaf{
		{"caps/mask", "+checkpoint_restore"},
		{"domain/attach_conditions/xattr", "yes"},
		{"ipc/posix_mqueue", "create read write open delete setattr getattr"},
		{"network/af_mask", "+mctp"},
		{"network_v8/af_mask", families("mctp")},
		{"policy/outofband", "0x000001"},
	}
}

func ubuntu2404() []leaf {
	return []leaf{
		{"caps/extended", "yes"},
		{"domain/disconnected.path", "yes"},
		{"domain/interruptible", "yes"},
		{"domain/kill.signal", "yes"},
		{"domain/unconfined_allowed_children", "yes"},
		{"io_uring/mask", "sqpoll override_creds"},
		{"mount/move_mount", "detached"},
		{"namespaces/mask", "userns_create"},
		{"namespaces/userns_create", "pciu&"},
		{"network_v8/af_inet", "yes"},
		{"network_v8/tcp-fast-open", "yes"},
		{"policy/permstable32", "allow deny subtree cond kill complain prompt audit quiet hide xindex tag label"},
		{"policy/permstable32_version", "0x000003"},
		{"policy/unconfined_restrictions/change_profile", "yes"},
		{"policy/unconfined_restrictions/io_uring", "yes"},
		{"policy/unconfined_restrictions/userns", "yes"},
		{"policy/versions/v9", "yes"},
	}
}

// tcpFastOpen is what Ubuntu 24.04 has in two network classes, and no later
// kernel in the older one.
func tcpFastOpen() []leaf { return []leaf{{"network/tcp-fast-open", "yes"}} }

func ubuntu2604() []leaf {
	return []leaf{
		{"domain/disconnected.ipc", "yes"},
		{"ipc/posix_mqueue", "+label"},
		{"network_v9/af_mask", families("mctp")},
		{"network_v9/af_unix", "yes"},
		{"network_v9/tcp-fast-open", "yes"},
		{"network_v9_skb/af_mask", "inet inet6"},
		{"network_v9_skb/iface", "receive connect, secmark_postroute"},
		{"network_v9_skb/localout", "secmark_set"},
		{"network_v9_skb/postroute", "secmark_send"},
		{"network_v9_skb/rcv_skb", "secmark_receive"},
		{"network_v9_skb/relabel", "setcred"},
		{"policy/compressed_load", "yes"},
		{"policy/diff_encode", "yes"},
		{"policy/metadata_tagging_version", "0x000001"},
		{"policy/notify/user", "file tags"},
		{"policy/notify_versions/v3", "yes"},
		{"policy/notify_versions/v5", "yes"},
		{"policy/state32", "0x000001"},
		{"policy/unconfined_restrictions/io_uring", "1"},
		{"policy/unconfined_restrictions/userns", "1"},
	}
}
