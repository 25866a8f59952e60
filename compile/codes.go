// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/diag"

// Codes of the diagnostics of this package.
const (
	CodeBadMqueue               diag.Code = "bad-mqueue"                // a message queue that is neither a path nor a key
	CodeBadNetAddress           diag.Code = "bad-net-address"           // an IP address or a port that is none
	CodeBadPattern              diag.Code = "bad-pattern"               // a pattern that is none
	CodeBadUnixAddress          diag.Code = "bad-unix-address"          // an address that no unix rule can have
	CodeConflictingMountOptions diag.Code = "conflicting-mount-options" // mount options that contradict each other
	CodeDuplicateProfile        diag.Code = "duplicate-profile"         // two profiles of one name
	CodeExecConflict            diag.Code = "exec-conflict"             // two rules that execute one path in different ways
	CodeImpossibleMount         diag.Code = "impossible-mount"          // a mount rule that fits no operation
	CodeMixedNamespaces         diag.Code = "mixed-namespaces"          // profiles of different namespaces; see ByNamespace
	CodeNotEnforceable          diag.Code = "not-enforceable"           // a rule or flag that the kernel cannot enforce, in Strict mode
	CodeNotLoadable             diag.Code = "not-loadable"              // what the kernel refuses; Err is a *blob.FormatError or *blob.KernelError
	CodeTooManyExecTargets      diag.Code = "too-many-exec-targets"     // more exec targets than the kernel takes
	CodeUnexpectedRule          diag.Code = "unexpected-rule"           // a rule type that has no place in a resolved profile
	CodeUnknownCapability       diag.Code = "unknown-capability"        // a capability that neither we nor the kernel know
	CodeUnknownError            diag.Code = "unknown-error"             // an error that Linux does not have
	CodeUnknownFamily           diag.Code = "unknown-family"            // an unknown address family
	CodeUnknownMountOption      diag.Code = "unknown-mount-option"      // an unknown mount option
	CodeUnknownProtocol         diag.Code = "unknown-protocol"          // an unknown network protocol
	CodeUnknownRlimit           diag.Code = "unknown-rlimit"            // an unknown resource limit
	CodeUnknownSignal           diag.Code = "unknown-signal"            // an unknown signal
	CodeUnknownSocketType       diag.Code = "unknown-socket-type"       // an unknown socket type
)

// Codes of the warnings of this package.
const (
	WarnMountSource diag.Code = "mount-source" // class deprecated: a propagation rule without an arrow
)
