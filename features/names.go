package features

// Paths of features that decide how policy is compiled. Give them to
// Set.Supports, Set.Words and Set.Uint.
const (
	Capabilities  = "caps/mask" // words: the capabilities by name, in the order of their numbers
	Mount         = "mount"     // mount, remount, umount, pivot_root rules
	Signal        = "signal"    // signal rules
	Ptrace        = "ptrace"    // ptrace rules
	DBus          = "dbus"      // dbus rules
	IOUring       = "io_uring"  // io_uring rules
	Userns        = "namespaces/mask/userns_create"
	PosixMqueue   = "ipc/posix_mqueue" // words: its permissions
	SysvMqueue    = "ipc/sysv_mqueue"  // words: its permissions
	Rlimits       = "rlimit/mask"      // words: the limits by name
	Stacking      = "domain/stack"     // &targets
	Xattrs        = "domain/attach_conditions/xattr"
	Disconnected  = "domain/disconnected.path"
	Interruptible = "domain/interruptible"

	NetworkOld  = "network/af_mask"    // class 4, by family
	NetworkV8   = "network_v8/af_mask" // class 0e; words: the families
	NetworkV9   = "network_v9/af_mask" // class 0f; words: the families
	NetworkInet = "network_v8/af_inet" // addresses and ports of inet and inet6

	SetLoad        = "policy/set_load"
	Versions       = "policy/versions"
	OutOfBand      = "policy/outofband"
	PermTable      = "policy/permstable32"         // words: the fields of an entry
	PermTableVer   = "policy/permstable32_version" // a number
	State32        = "policy/state32"              // 32-bit state numbers
	CompressedLoad = "policy/compressed_load"
	ExtendedHeader = "policy/extended_policy_header"
)

// PermTableVersion returns the version of the permission table that a kernel
// takes: 0 for none, 1 on 6.12, 2 in abi 4.0, 3 on 7.2 and later.
func (s *Set) PermTableVersion() uint64 {
	if !s.Supports(PermTable) {
		return 0
	}
	n, _ := s.Uint(PermTableVer)
	return n
}

// DiffEncode reports whether differentially encoded states are understood.
// Kernels spell the feature with a dash, abi files with an underscore.
func (s *Set) DiffEncode() bool {
	return s.Supports("policy/diff-encode") || s.Supports("policy/diff_encode")
}

// Unix reports whether unix rules are mediated as such, and not only as the
// family unix of network rules.
func (s *Set) Unix() bool {
	return s.Supports("network_v9/af_unix") || s.Supports("network/af_unix")
}

// KillSignal reports whether a profile may name the signal of its kill mode.
// Kernels show it below domain, the reference looks for it below
// policy/profile.
func (s *Set) KillSignal() bool {
	return s.Supports("domain/kill.signal") || s.Supports("policy/profile/kill.signal")
}
