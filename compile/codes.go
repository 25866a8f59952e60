// SPDX-License-Identifier: Apache-2.0

package compile

import "github.com/goarmor/apparmor/diag"

// Codes of the diagnostics of this package.
const (
	CodeAttachConflict          = diag.CodeAttachConflict     // two profiles that attach to one program equally well; a warning of class dangerous under Report
	CodeBadMqueue               = diag.CodeCondition          // a message queue that is neither a path nor a key
	CodeBadNetAddress           = diag.CodeAddress            // an IP address or a port that is none
	CodeBadPattern              = diag.CodePattern            // a pattern that is none
	CodeBadUnixAddress          = diag.CodeAddress            // an address that no unix rule can have
	CodeConflictingMountOptions = diag.CodeMountFlag          // mount options that contradict each other
	CodeDuplicateProfile        = diag.CodeDuplicateProfile   // two profiles of one name
	CodeExecConflict            = diag.CodeExecConflict       // two rules that execute one path in different ways
	CodeImpossibleMount         = diag.CodeImpossibleMount    // a mount rule that fits no operation
	CodeMixedNamespaces         = diag.CodeMixedNamespaces    // profiles of different namespaces; see ByNamespace
	CodeNotEnforceable          = diag.CodeNotEnforceable     // a rule or flag that the kernel cannot enforce, in Strict mode
	CodeNotLoadable             = diag.CodeNotLoadable        // what the kernel refuses; Err is a *blob.FormatError or *blob.KernelError
	CodeTooManyExecTargets      = diag.CodeTooManyExecTargets // more exec targets than the kernel takes
	CodeUnexpectedRule          = diag.CodeUnexpected         // a rule type that has no place in a resolved profile
	CodeUnknownCapability       = diag.CodeCapability         // a capability that neither we nor the kernel know
	CodeUnknownError            = diag.CodeFlag               // an error that Linux does not have
	CodeUnknownFamily           = diag.CodeNetwork            // an unknown address family
	CodeUnknownMountOption      = diag.CodeMountFlag          // an unknown mount option
	CodeUnknownProtocol         = diag.CodeNetwork            // an unknown network protocol
	CodeUnknownRlimit           = diag.CodeRlimit             // an unknown resource limit
	CodeUnknownSignal           = diag.CodeSignal             // an unknown signal
	CodeUnknownSocketType       = diag.CodeNetwork            // an unknown socket type
)

// Codes of the warnings of this package.
const (
	WarnMountRemount = diag.WarnMountRemount // class unexpected: a bind mount of a source that asks for remount too
	WarnMountSource  = diag.WarnMountSource  // class deprecated: a propagation rule without an arrow
)
