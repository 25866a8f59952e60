// SPDX-License-Identifier: Apache-2.0

package features

import (
	"slices"
	"strings"
	"sync"

	"github.com/goarmor/apparmor/internal/linux"
)

// ABI returns the built-in feature set of a policy ABI, by the name of the abi
// file that AppArmor ships for it: "3.0", "4.0" or "5.0". It reports whether
// the name is known.
func ABI(name string) (*Set, bool) {
	build, ok := abis[name]
	if !ok {
		return nil, false
	}
	return build(), true
}

// ABIs returns the names that ABI knows, oldest first.
func ABIs() []string { return []string{"3.0", "4.0", "5.0"} }

// Default returns the set that the reference parser assumes for policy without
// an abi statement when nothing else is configured. It is what 3.0 has without
// the two features of that release: network_v8 and the attachment by extended
// attributes, so it mediates no network on kernels that offer network_v8 only.
func Default() *Set { return defaultABI() }

var (
	defaultABI = sync.OnceValue(func() *Set { return table(base(), common()) })

	abis = map[string]func() *Set{
		"3.0": sync.OnceValue(func() *Set { return table(base(), common(), abi30()) }),
		"4.0": sync.OnceValue(func() *Set { return table(base(), common(), abi40()) }),
		"5.0": sync.OnceValue(func() *Set { return table(base(), common(), abi40(), abi50()) }),
	}
)

// leaf is one line of a table: the path of an entry and its words. Words
// after a + are added to those of an earlier line.
type leaf struct{ path, words string }

// Lists that only grow: each release of Linux appends to what the one before
// had, and shows the names in the order of their numbers.
func capabilities(last string) string { return strings.Join(linux.Capabilities.UpTo(last), " ") }
func families(last string) string     { return strings.Join(linux.Families.UpTo(last), " ") }
func signals(last string) string      { return strings.Join(linux.Signals.UpTo(last), " ") }
func rlimits(last string) string      { return strings.Join(linux.Rlimits.UpTo(last), " ") }

// base is what every ABI and every kernel has had.
func base() []leaf {
	return []leaf{
		{"capability", "0xffffff"},
		{"caps/mask", capabilities("bpf")},
		{"domain/change_hat", "yes"},
		{"domain/change_hatv", "yes"},
		{"domain/change_onexec", "yes"},
		{"domain/change_profile", "yes"},
		{"domain/computed_longest_left", "yes"},
		{"domain/fix_binfmt_elf_mmap", "yes"},
		{"domain/post_nnp_subset", "yes"},
		{"domain/stack", "yes"},
		{"domain/version", "1.2"},
		{"file/mask", "create read write exec append mmap_exec link lock"},
		{"mount/mask", "mount umount pivot_root"},
		{"namespaces/pivot_root", "no"},
		{"namespaces/profile", "yes"},
		{"policy/set_load", "yes"},
		{"policy/versions/v5", "yes"},
		{"policy/versions/v6", "yes"},
		{"policy/versions/v7", "yes"},
		{"policy/versions/v8", "yes"},
		{"ptrace/mask", "read trace"},
		{"query/label/data", "yes"},
		{"query/label/multi_transaction", "yes"},
		{"query/label/perms", "allow deny audit quiet"},
		{"rlimit/mask", rlimits("rttime")},
		{"signal/mask", signals("emt") + " lost"},
	}
}

// common is what every ABI has had in addition.
func common() []leaf {
	return []leaf{
		{"dbus/mask", "acquire send receive"},
		{"network/af_mask", families("xdp")},
		{"network/af_unix", "yes"},
	}
}

func abi30() []leaf {
	return []leaf{
		{"domain/attach_conditions/xattr", "yes"},
		{"network_v8/af_mask", families("xdp")},
	}
}

func abi40() []leaf {
	return []leaf{
		{"caps/mask", "+checkpoint_restore"},
		{"domain/attach_conditions/xattr", "yes"},
		{"ipc/posix_mqueue", "create read write open delete setattr getattr"},
		{"namespaces/mask", "userns_create"},
		{"network/af_mask", "+mctp"},
		{"network_v8/af_mask", families("mctp")},
		{"policy/outofband", "0x000001"},
		{"policy/permstable32", "allow deny subtree cond kill complain prompt audit quiet hide xindex tag label"},
		{"policy/permstable32_version", "0x000002"},
		{"policy/versions/v9", "yes"},
	}
}

func abi50() []leaf {
	return []leaf{
		{"caps/extended", "yes"},
		{"domain/disconnected.ipc", "yes"},
		{"domain/disconnected.path", "yes"},
		{"domain/interruptible", "yes"},
		{"domain/kill.signal", "yes"},
		{"domain/unconfined_allowed_children", "yes"},
		{"io_uring/mask", "sqpoll override_creds"},
		{"ipc/posix_mqueue", "+label"},
		{"mount/move_mount", "detached"},
		{"namespaces/userns_create", "pciu&"},
		{"network_v8/af_inet", "yes"},
		{"network_v9/af_mask", families("mctp")},
		{"network_v9/af_unix", "yes"},
		{"policy/metadata_tagging_version", "0x000001"},
		{"policy/notify/user", "file tags"},
		{"policy/notify_versions/v3", "yes"},
		{"policy/notify_versions/v5", "yes"},
		{"policy/permstable32_version", "0x000003"},
		{"policy/state32", "0x000001"},
		{"policy/unconfined_restrictions/change_profile", "yes"},
		{"policy/unconfined_restrictions/io_uring", "1"},
		{"policy/unconfined_restrictions/userns", "1"},
	}
}

// table builds a set from tables, later ones over earlier ones.
func table(tables ...[]leaf) *Set {
	var root entry
	for _, t := range tables {
		for _, l := range t {
			e := &root
			for name := range strings.SplitSeq(l.path, "/") {
				e = e.make(name)
			}
			if more, ok := strings.CutPrefix(l.words, "+"); ok {
				e.words = append(slices.Clone(e.words), strings.Fields(more)...)
			} else {
				e.words = strings.Fields(l.words)
			}
		}
	}
	return newSet(root)
}

// make returns the entry of that name below e, a new one if there is none.
func (e *entry) make(name string) *entry {
	i, ok := slices.BinarySearchFunc(e.sub, name, func(s entry, name string) int {
		return strings.Compare(s.name, name)
	})
	if !ok {
		e.sub = slices.Insert(e.sub, i, entry{name: name})
	}
	return &e.sub[i]
}
