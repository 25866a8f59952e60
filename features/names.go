// SPDX-License-Identifier: Apache-2.0

package features

// Paths of features that decide how policy is compiled. Give them to
// Set.Supports, Set.Words and Set.Uint.
const (
	Capabilities  = "caps/mask"                      // words: the capabilities by name, in the order of their numbers
	Mount         = "mount"                          // mount, remount, umount and pivot_root rules
	Signal        = "signal"                         // signal rules
	Ptrace        = "ptrace"                         // ptrace rules
	DBus          = "dbus"                           // dbus rules
	IOUring       = "io_uring"                       // io_uring rules
	Userns        = "namespaces/mask/userns_create"  // userns rules
	PosixMqueue   = "ipc/posix_mqueue"               // mqueue rules of type posix; words: their permissions
	SysvMqueue    = "ipc/sysv_mqueue"                // mqueue rules of type sysv, which no known kernel or ABI shows
	Rlimits       = "rlimit/mask"                    // words: the resource limits by name
	Stacking      = "domain/stack"                   // targets that begin with &
	Xattrs        = "domain/attach_conditions/xattr" // attachment by extended attributes
	Disconnected  = "domain/disconnected.path"       // attach_disconnected.path=
	Interruptible = "domain/interruptible"           // the flag interruptible
	// Where attach_disconnected.ipc= and error= are enforced; no known kernel
	// shows the latter.
	DisconnectedIPC = "domain/disconnected.ipc"
	ErrorFlag       = "policy/profile/error"
	CapsExtended    = "caps/extended" // the vector of further capabilities

	NetworkOld  = "network/af_mask"    // network rules of class 4; words: the families
	NetworkV8   = "network_v8/af_mask" // network rules of class 0e; words: the families
	NetworkV9   = "network_v9/af_mask" // network rules of class 0f; words: the families
	NetworkInet = "network_v8/af_inet" // addresses and ports of inet and inet6

	SetLoad        = "policy/set_load"               // several profiles in one load
	Versions       = "policy/versions"               // entries: the versions of the stream, v5 and later
	OutOfBand      = "policy/outofband"              // out-of-band transitions
	PermTable      = "policy/permstable32"           // tables of permissions; words: the fields of an entry
	PermTableVer   = "policy/permstable32_version"   // a number, see Set.PermTableVersion
	State32        = "policy/state32"                // 32-bit state numbers
	CompressedLoad = "policy/compressed_load"        // policy in zstd frames
	ExtendedHeader = "policy/extended_policy_header" // the header of 8 bytes before a load
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

// DisconnectedPath reports whether a profile may name the directory under
// which disconnected paths are checked (attach_disconnected.path=). Kernels
// have honoured it since 4.13, the release that brought stacking, and have
// announced it since 6.3 or later: Debian's 6.1.192 honours it without
// announcing it.
func (s *Set) DisconnectedPath() bool { return s.Supports(Disconnected) || s.Supports(Stacking) }

// KillSignal reports whether a profile may name the signal of its kill mode.
// Kernels show it below domain, the reference looks for it below
// policy/profile.
func (s *Set) KillSignal() bool {
	return s.Supports("domain/kill.signal") || s.Supports("policy/profile/kill.signal")
}
