// SPDX-License-Identifier: Apache-2.0

package features

import "sync"

// Kernel returns the feature set that Debian's kernels of a series show: "6.1",
// "6.12", "7.2" or "7.3". It reports whether the series is known. It serves to
// compile policy for another machine, or for none; the set of the kernel that
// runs comes from FromFS.
func Kernel(series string) (*Set, bool) {
	build, ok := kernels[series]
	if !ok {
		return nil, false
	}
	return build(), true
}

// Kernels returns the series that Kernel knows, oldest first.
func Kernels() []string { return []string{"6.1", "6.12", "7.2", "7.3"} }

var kernels = map[string]func() *Set{
	"6.1":  sync.OnceValue(func() *Set { return table(base, kernel61) }),
	"6.12": sync.OnceValue(func() *Set { return table(base, kernel61, kernel612) }),
	"7.2":  sync.OnceValue(func() *Set { return table(base, kernel61, kernel612, kernel72) }),
	"7.3":  sync.OnceValue(func() *Set { return table(base, kernel61, kernel612, kernel72, kernel73) }),
}

var kernel61 = []leaf{
	{"caps/mask", "+checkpoint_restore"},
	{"domain/attach_conditions/xattr", "yes"},
	{"network_v8/af_mask", families + " mctp"},
	{"network_v8/tcp-fast-open", "yes"},
	{"policy/outofband", "0x000001"},
	{"policy/versions/v9", "yes"},
}

var kernel612 = []leaf{
	{"domain/disconnected.path", "yes"},
	{"io_uring/mask", "sqpoll override_creds"},
	{"mount/move_mount", "detached"},
	{"namespaces/mask", "userns_create"},
	{"policy/permstable32", "allow deny subtree cond kill complain prompt audit quiet hide xindex tag label"},
	{"policy/permstable32_version", "0x000001"},
	{"policy/unconfined_restrictions/change_profile", "yes"},
}

var kernel72 = []leaf{
	{"caps/extended", "yes"},
	{"dbus/mask", "acquire send receive"},
	{"domain/kill.signal", "yes"},
	{"domain/unconfined_allowed_children", "yes"},
	{"network_v9/af_mask", families + " mctp"},
	{"network_v9/af_unix", "yes"},
	{"network_v9/tcp-fast-open", "yes"},
	{"policy/diff-encode", "yes"},
	{"policy/permstable32_version", "0x000003"},
	{"policy/state32", "0x000001"},
}

var kernel73 = []leaf{
	{"policy/compressed_load", "yes"},
	{"policy/extended_policy_header", "yes"},
}
