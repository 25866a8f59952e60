// SPDX-License-Identifier: Apache-2.0

package diag

// The codes of errors of all packages of this module. One code is for one
// mistake, whichever package finds it. The list is complete: no package has
// codes of its own. The warnings of svirt are not diagnostics, because they
// have no place in a text; their codes are of the type svirt.WarningCode.
const (
	// The text and what it includes.
	CodeSyntax    Code = "syntax"              // a token that cannot appear there
	CodeCharacter Code = "invalid-character"   // text that is not a token
	CodePlace     Code = "misplaced-statement" // a statement that cannot appear there
	CodeInclude   Code = "include-not-found"   // Err is what opening it said
	CodeABI       Code = "abi-not-found"       // Err is what reading it said
	CodeLimit     Code = "limit"               // Err is a *LimitError

	// Files of features.
	CodeFeaturesSyntax    Code = "features-syntax"    // text that is not a set of features
	CodeFeaturesDuplicate Code = "features-duplicate" // two entries of one name at one level
	CodeFeaturesLimit     Code = "features-limit"     // Err is a *LimitError
	CodeFeaturesRead      Code = "features-read"      // Err is what reading them said

	// Variables and conditionals.
	CodeRedefined  Code = "variable-redefined" // = on a variable that has a value
	CodeUndefined  Code = "unknown-variable"   // one without a value, or of the other kind
	CodeRecursive  Code = "recursive-variable" // one that refers to itself
	CodeVariable   Code = "invalid-variable"   // a name or use that no variable can have
	CodeExpression Code = "invalid-expression" // a condition that cannot be decided

	// Profiles.
	CodeDuplicateProfile Code = "duplicate-profile"  // two of one full name
	CodeName             Code = "invalid-name"       // of a profile or namespace
	CodeAttachment       Code = "invalid-attachment" // of a profile
	CodeFlag             Code = "invalid-flag"       // of a profile
	CodeFlagConflict     Code = "conflicting-flags"  // of a profile
	CodeXattr            Code = "invalid-xattr"      // of a profile

	// Rules.
	CodeQualifier    Code = "invalid-qualifier"      // one that the rule cannot have
	CodeQualifiers   Code = "conflicting-qualifiers" // of a rule and the block around it
	CodePermissions  Code = "invalid-permissions"    // permissions that are unknown or do not go together
	CodeCapability   Code = "unknown-capability"     // one that neither this library nor the kernel knows
	CodeSignal       Code = "unknown-signal"         // one that neither policy nor the kernel knows
	CodeNetwork      Code = "unknown-network"        // a family, type or protocol
	CodeAddress      Code = "invalid-address"        // an IP address, a port or the address of a unix socket
	CodeCondition    Code = "invalid-condition"      // one that the rule does not have, that is repeated, or of a wrong value
	CodeMountFlag    Code = "invalid-mount-flag"     // unknown, or in conflict with another
	CodeRlimit       Code = "invalid-rlimit"         // a resource, value or unit
	CodePath         Code = "invalid-path"           // a word that must begin like a path
	CodePattern      Code = "bad-pattern"            // Err is often an *ast.PatternError
	CodeRule         Code = "invalid-rule"           // parts that do not go together
	CodeExecConflict Code = "conflicting-exec"       // two rules that execute one path in different ways
	CodeUnexpected   Code = "unexpected-rule"        // a class of rules that cannot appear in a resolved profile

	// Kernels.
	CodeAttachConflict     Code = "attachment-conflict"   // two profiles that attach to one program equally well; a warning unless compile.Strict is set
	CodeImpossibleMount    Code = "impossible-mount"      // a mount rule that fits no operation
	CodeMixedNamespaces    Code = "mixed-namespaces"      // profiles of different namespaces in one load
	CodeNotEnforceable     Code = "not-enforceable"       // a rule or flag that the kernel cannot enforce
	CodeNotLoadable        Code = "not-loadable"          // what the kernel refuses; Err is a *blob.FormatError or *blob.KernelError
	CodeTooManyExecTargets Code = "too-many-exec-targets" // more than the kernel takes

	// Trees that a program built or edits.
	CodeUnwritable Code = "unwritable" // Err is an *ast.CheckError
	CodeEdit       Code = "edit"       // a place that cannot be edited

	// Policy of virtual machines.
	CodeIncludeLoop Code = "include-loop" // a file that includes itself, directly or through others
)

// The codes of warnings.
const (
	WarnUpperCase      Code = "upper-case-mode"      // class deprecated
	WarnLinkExec       Code = "link-exec"            // class deprecated
	WarnPoundInclude   Code = "pound-include"        // class pound-include
	WarnIgnored        Code = "file-ignored"         // class unexpected: a leftover in a directory
	WarnABI            Code = "abi"                  // class abi
	WarnVariableComma  Code = "comma-in-variable"    // class deprecated
	WarnUnconfinedExec Code = "unconfined-exec"      // class dangerous
	WarnRlimitUnit     Code = "rlimit-without-unit"  // class missing
	WarnNamespace      Code = "namespace-override"   // class override
	WarnEscape         Code = "needless-escape"      // class format
	WarnClassWildcard  Code = "wildcard-in-class"    // class unexpected
	WarnPathName       Code = "path-as-name"         // class deprecated
	WarnDowngraded     Code = "audit-change-profile" // class rule-downgraded
	WarnOwner          Code = "owner-ignored"        // class unexpected
	WarnNothing        Code = "matches-nothing"      // class unexpected
	WarnSkippedInclude Code = "include-skipped"      // class unexpected
	WarnDuplicateAlias Code = "duplicate-alias"      // class unexpected
	WarnDefinedBoolean Code = "defined-boolean"      // class unexpected
	WarnMountSource    Code = "mount-source"         // class deprecated: a propagation rule without an arrow
	WarnMountRemount   Code = "mount-remount"        // class unexpected: a bind mount of a source that asks for remount too
)
