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
	"6.1":  sync.OnceValue(func() *Set { return table(kernel61) }),
	"6.12": sync.OnceValue(func() *Set { return table(kernel61, kernel612) }),
	"7.2":  sync.OnceValue(func() *Set { return table(kernel61, kernel612, kernel72) }),
	"7.3":  sync.OnceValue(func() *Set { return table(kernel61, kernel612, kernel72, kernel73) }),
}

var kernel61 = []leaf{
	{"capability", "0xffffff"},
	{"caps/mask", capabilities + " checkpoint_restore"},
	{"domain/attach_conditions/xattr", "yes"},
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
	{"network_v8/af_mask", families + " mctp"},
	{"network_v8/tcp-fast-open", "yes"},
	{"policy/outofband", "0x000001"},
	{"policy/set_load", "yes"},
	{"policy/versions/v5", "yes"},
	{"policy/versions/v6", "yes"},
	{"policy/versions/v7", "yes"},
	{"policy/versions/v8", "yes"},
	{"policy/versions/v9", "yes"},
	{"ptrace/mask", "read trace"},
	{"query/label/data", "yes"},
	{"query/label/multi_transaction", "yes"},
	{"query/label/perms", "allow deny audit quiet"},
	{"rlimit/mask", "cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime"},
	{"signal/mask", "hup int quit ill trap abrt bus fpe kill usr1 segv usr2 pipe alrm term stkflt chld cont stop stp ttin ttou urg " +
		"xcpu xfsz vtalrm prof winch io pwr sys emt lost"},
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
