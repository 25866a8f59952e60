// SPDX-License-Identifier: Apache-2.0

package policy

import "github.com/goarmor/apparmor/diag"

// The codes of the errors of this package. Those that package parser has too
// mean the same there.
const (
	CodeSyntax           diag.Code = "syntax"                 // a statement that could not be parsed
	CodeLimit            diag.Code = "limit"                  // Err is a *diag.LimitError
	CodePlace            diag.Code = "misplaced-statement"    // a statement that cannot stand there
	CodeInclude          diag.Code = "include-not-found"      // a file that the unit does not hold
	CodeABI              diag.Code = "abi-not-found"          // Err is what reading it said
	CodeRedefined        diag.Code = "variable-redefined"     // = on a variable that has a value
	CodeUndefined        diag.Code = "unknown-variable"       // one without a value, or of the other kind
	CodeRecursive        diag.Code = "recursive-variable"     // one that refers to itself
	CodeVariable         diag.Code = "invalid-variable"       // a name or use that no variable can have
	CodeExpression       diag.Code = "invalid-expression"     // a condition that cannot be decided
	CodeDuplicateProfile diag.Code = "duplicate-profile"      // two of one full name
	CodeName             diag.Code = "invalid-name"           // of a profile or namespace
	CodeAttachment       diag.Code = "invalid-attachment"     // of a profile
	CodeXattr            diag.Code = "invalid-xattr"          // of a profile
	CodeFlag             diag.Code = "invalid-flag"           // of a profile
	CodeFlagConflict     diag.Code = "conflicting-flags"      // of a profile
	CodeQualifier        diag.Code = "invalid-qualifier"      // one that the rule cannot have
	CodeQualifiers       diag.Code = "conflicting-qualifiers" // of a rule and the block around it
	CodeRule             diag.Code = "invalid-rule"           // parts that are unknown or do not go together
	CodeRlimit           diag.Code = "invalid-rlimit"         // a resource, value or unit
	CodeExecConflict     diag.Code = "conflicting-exec"       // one path, several exec modes
)

// The codes of the warnings of this package.
const (
	WarnABI            diag.Code = "abi"                  // class abi
	WarnVariableComma  diag.Code = "comma-in-variable"    // class deprecated
	WarnUnconfinedExec diag.Code = "unconfined-exec"      // class dangerous
	WarnRlimitUnit     diag.Code = "rlimit-without-unit"  // class missing
	WarnNamespace      diag.Code = "namespace-override"   // class override
	WarnEscape         diag.Code = "needless-escape"      // class format
	WarnClassWildcard  diag.Code = "wildcard-in-class"    // class unexpected
	WarnPathName       diag.Code = "path-as-name"         // class deprecated
	WarnDowngraded     diag.Code = "audit-change-profile" // class rule-downgraded
	WarnOwner          diag.Code = "owner-ignored"        // class unexpected
	WarnNothing        diag.Code = "matches-nothing"      // class unexpected
	WarnSkippedInclude diag.Code = "include-skipped"      // class unexpected
	WarnDuplicateAlias diag.Code = "duplicate-alias"      // class unexpected
	WarnDefinedBoolean diag.Code = "defined-boolean"      // class unexpected
)
