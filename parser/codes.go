// SPDX-License-Identifier: Apache-2.0

package parser

import "github.com/goarmor/apparmor/diag"

// The codes of this package's diagnostics.
const (
	CodeSyntax       diag.Code = "syntax"                 // a token that cannot stand there
	CodeCharacter    diag.Code = "invalid-character"      // text that is no token
	CodePlace        diag.Code = "misplaced-statement"    // a statement that cannot stand there
	CodeLimit        diag.Code = "limit"                  // Err is a *diag.LimitError
	CodeInclude      diag.Code = "include-not-found"      // Err is what opening it said
	CodeName         diag.Code = "invalid-name"           // of a profile or namespace
	CodeAttachment   diag.Code = "invalid-attachment"     // of a profile
	CodeFlag         diag.Code = "invalid-flag"           // of a profile
	CodeFlagConflict diag.Code = "conflicting-flags"      // of a profile
	CodeXattr        diag.Code = "invalid-xattr"          // of a profile
	CodeQualifier    diag.Code = "invalid-qualifier"      // one that the rule cannot have
	CodeQualifiers   diag.Code = "conflicting-qualifiers" // of a rule and the block around it
	CodePermissions  diag.Code = "invalid-permissions"    // a list of permissions that means nothing
	CodeCapability   diag.Code = "unknown-capability"     //
	CodeSignal       diag.Code = "unknown-signal"         //
	CodeNetwork      diag.Code = "unknown-network"        // a family, type or protocol
	CodeAddress      diag.Code = "invalid-address"        // an IP, port or socket address
	CodeCondition    diag.Code = "invalid-condition"      // one that the rule does not have, or twice, or of a wrong value
	CodeMountFlag    diag.Code = "invalid-mount-flag"     // unknown, or in conflict with another
	CodeRlimit       diag.Code = "invalid-rlimit"         //
	CodeExpression   diag.Code = "invalid-expression"     // of a conditional
	CodePath         diag.Code = "invalid-path"           // a word that must begin like a path
	CodeRule         diag.Code = "invalid-rule"           // parts that do not go together
)

// The codes of this package's warnings.
const (
	WarnUpperCase    diag.Code = "upper-case-mode" // class deprecated
	WarnLinkExec     diag.Code = "link-exec"       // class deprecated
	WarnPoundInclude diag.Code = "pound-include"   // class pound-include
	WarnIgnored      diag.Code = "file-ignored"    // class unexpected: a leftover in a directory
)
