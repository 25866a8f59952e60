// SPDX-License-Identifier: Apache-2.0

package ast

import "github.com/goarmor/apparmor/diag"

// FilePerm is a set of file permissions other than execution.
type FilePerm uint8

// The file permissions.
const (
	FileRead FilePerm = 1 << iota
	FileWrite
	FileAppend
	FileLink
	FileLock
	FileMmap
)

// Exec says what happens when a matched file is executed.
type Exec uint8

// The exec modes, by their lower-case spelling. ExecDeny is the bare `x` of
// deny rules.
const (
	ExecNone              Exec = iota
	ExecDeny                   // x
	ExecInherit                // ix
	ExecUnconfined             // ux
	ExecProfile                // px
	ExecChild                  // cx
	ExecProfileInherit         // pix
	ExecChildInherit           // cix
	ExecProfileUnconfined      // pux
	ExecChildUnconfined        // cux
)

// FileRule is a rule on paths. A bare `file,` has All set and no Path: every
// path with read, write, link, lock, mmap and ix.
type FileRule struct {
	Span
	Qualifiers
	All    bool     // a bare `file,`
	Path   Pattern  // begins with a slash or a variable
	Perms  FilePerm // may be zero if there is an exec mode
	Exec   Exec     // the exec mode; ExecNone without one
	Scrub  bool     // the environment is scrubbed: upper-case mode or `safe`
	Target string   // profile after `->` of an exec mode, literal text; empty: none
	// Link is the target of the link pair in the form `rl A -> B`, where
	// Perms has FileLink; empty otherwise.
	Link Pattern
}

func (*FileRule) stmt() {}

// Class implements Rule.
func (*FileRule) Class() Class { return ClassFile }

func (r *FileRule) clone() Rule { c := *r; return &c }

func (r *FileRule) check(c checker) *CheckError {
	const every = FileRead | FileWrite | FileLink | FileLock | FileMmap
	denied := c.scope.within(r.Access).access == Deny
	if err := c.qualifiers(&r.Qualifiers, takesPriority|takesOwner); err != nil {
		return err
	}
	if r.All {
		bare := r.Perms == 0 && r.Exec == ExecNone || r.Perms == every && r.Exec == ExecInherit
		switch {
		case !bare || r.Path != "" || r.Scrub || r.Target != "" || r.Link != "":
			return c.fail(diag.CodeRule, "All", "", "a rule on all files takes no path, target or other permissions")
		case denied:
			return c.fail(diag.CodePermissions, "All", "", "file cannot be denied as a whole: it grants an exec mode too").hint("write deny all, or list permissions")
		}
		return nil
	}
	if err := first(
		c.fileName("Path", r.Path),
		c.perms(uint(r.Perms), uint(FileMmap)<<1-1),
		c.inRange("Exec", int(r.Exec), int(ExecChildUnconfined)),
		c.pattern("Target", Pattern(r.Target)),
	); err != nil {
		return err
	}
	switch {
	case r.Perms == 0 && r.Exec == ExecNone:
		return c.fail(diag.CodePermissions, "Perms", "", "a file rule needs permissions")
	case r.Perms&FileWrite != 0 && r.Perms&FileAppend != 0:
		return c.fail(diag.CodePermissions, "Perms", "", "write and append exclude each other in one rule")
	case r.Scrub && r.Exec <= ExecDeny:
		return c.fail(diag.CodePermissions, "Scrub", "", "safe needs an exec mode")
	case r.Exec == ExecDeny && r.Access != Deny:
		return c.fail(diag.CodePermissions, "Exec", "", "x alone is allowed only in deny rules").hint("write ix, px, cx or ux")
	case r.Exec > ExecDeny && denied:
		return c.fail(diag.CodePermissions, "Exec", "", "a deny rule takes no exec mode but x").hint("write x")
	case r.Target != "" && r.Perms&FileLink != 0 && r.Exec == ExecNone:
		return c.fail(diag.CodePermissions, "Target", r.Target, "the target would be read as that of a link")
	case r.Link == "":
		return nil
	case r.Perms&FileLink == 0 || r.Perms == FileLink && r.Exec == ExecNone:
		return c.fail(diag.CodePermissions, "Link", string(r.Link), "the target of a link needs the permission l and another one")
	case r.Exec != ExecNone || r.Target != "":
		return c.fail(diag.CodePermissions, "Link", string(r.Link), "link and exec permissions cannot share a target")
	}
	return c.pattern("Link", r.Link)
}

// filePermLetters are in the order in which they are written.
var filePermLetters = [...]struct {
	perm   FilePerm
	letter byte
}{
	{FileMmap, 'm'}, {FileRead, 'r'}, {FileWrite, 'w'}, {FileAppend, 'a'}, {FileLink, 'l'}, {FileLock, 'k'},
}

// AppendText appends the letters of the permissions in their canonical order.
func (p FilePerm) AppendText(dst []byte) ([]byte, error) {
	for _, c := range filePermLetters {
		if p&c.perm != 0 {
			dst = append(dst, c.letter)
		}
	}
	return dst, nil
}

// String returns the letters of the permissions in their canonical order.
func (p FilePerm) String() string {
	b, _ := p.AppendText(make([]byte, 0, len(filePermLetters)))
	return string(b)
}

var execModes = [...]string{
	ExecNone: "", ExecDeny: "x", ExecInherit: "ix", ExecUnconfined: "ux", ExecProfile: "px", ExecChild: "cx",
	ExecProfileInherit: "pix", ExecChildInherit: "cix", ExecProfileUnconfined: "pux", ExecChildUnconfined: "cux",
}

var execScrubbed = [...]string{
	ExecNone: "", ExecDeny: "x", ExecInherit: "ix", ExecUnconfined: "Ux", ExecProfile: "Px", ExecChild: "Cx",
	ExecProfileInherit: "Pix", ExecChildInherit: "Cix", ExecProfileUnconfined: "PUx", ExecChildUnconfined: "CUx",
}

// String returns the mode's spelling without scrubbing.
func (e Exec) String() string { return e.Spelling(false) }

// Spelling returns how the mode is written, with an upper-case letter when the
// environment is scrubbed. ExecInherit and ExecDeny have no such form.
func (e Exec) Spelling(scrub bool) string {
	switch {
	case int(e) >= len(execModes):
		return "?"
	case scrub:
		return execScrubbed[e]
	}
	return execModes[e]
}
