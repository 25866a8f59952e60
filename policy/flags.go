// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/internal/lang"
)

// modes are the words for the mode of a profile.
var modes = map[string]Mode{
	"enforce":       Enforce,
	"complain":      Complain,
	"kill":          Kill,
	"unconfined":    Unconfined,
	"prompt":        PromptMode,
	"default_allow": DefaultAllow,
}

// flags resolves the flags of a draft's profile.
func (r *resolver) flags(d *draft) Flags {
	var f Flags
	var seen []*ast.Flag // no more than the known flags, however long the list
	for i := range d.node.Flags {
		flag := &d.node.Flags[i]
		o := d.origin
		if flag.Pos().IsValid() {
			o.Pos = flag.Pos()
		}
		if j := slices.IndexFunc(seen, func(g *ast.Flag) bool { return lang.FlagsExclude(g.Name, g.Value, flag.Name, flag.Value) }); j >= 0 {
			r.flagConflict(o, seen[j], flag)
			continue
		}
		if m, ok := modes[flag.Name]; ok && flag.Value == "" {
			f.Mode = m
		} else if !r.flag(&f, d, flag, o) {
			continue
		}
		if !slices.ContainsFunc(seen, func(g *ast.Flag) bool { return g.Name == flag.Name && (g.Value == "") == (flag.Value == "") }) {
			seen = append(seen, flag)
		}
	}
	return f
}

func (r *resolver) flagConflict(o Origin, a, b *ast.Flag) {
	e := r.errorf(o, diag.CodeFlagConflict, flagText(b), "the flags %s and %s exclude each other", flagText(a), flagText(b))
	if a.Pos().IsValid() {
		first := o
		first.Pos = a.Pos()
		e.Related = append(e.Related, first.Position())
	}
}

func flagText(f *ast.Flag) string {
	if f.Value == "" {
		return f.Name
	}
	return f.Name + "=" + f.Value
}

// flag applies one flag other than a mode.
func (r *resolver) flag(f *Flags, d *draft, flag *ast.Flag, o Origin) bool {
	fail := func(format string, args ...any) bool {
		r.errorf(o, diag.CodeFlag, flagText(flag), format, args...)
		return false
	}
	if err := ast.Check(flag); err != nil {
		p := problemOf(err)
		d := r.errorf(o, diag.CodeFlag, flagText(flag), "%s", p.msg)
		d.Hint, d.Err = p.hint, p.err
		return false
	}
	switch flag.Name {
	case "audit":
		f.Audit = true
	case "debug":
		f.Debug = true
	case "interruptible":
		f.Interruptible = true
	case "mediate_deleted":
		f.MediateDeleted, f.PathWords = true, true
	case "attach_disconnected":
		f.AttachDisconnected, f.PathWords = true, true
	case "chroot_relative":
		f.ChrootRelative, f.PathWords = true, true
	case "chroot_attach":
		f.ChrootAttach, f.PathWords = true, true
	case "delegate_deleted", "no_attach_disconnected", "namespace_relative", "chroot_no_attach":
		f.PathWords = true
	case "attach_disconnected.path":
		path := string(r.expand(ast.Pattern(flag.Value), &d.env, o))
		if r.unexpandable(flag.Value, path) {
			return false
		}
		if !strings.HasPrefix(path, "/") {
			return fail("the path of attach_disconnected.path must begin with a slash")
		}
		f.AttachDisconnected, f.PathWords, f.DisconnectedPath = true, true, prefixPath(path)
	case "attach_disconnected.ipc":
		f.AttachDisconnectedIPC, f.PathWords = true, true
		if flag.Value == "" {
			break
		}
		path := string(r.expand(ast.Pattern(flag.Value), &d.env, o))
		if r.unexpandable(flag.Value, path) {
			return false
		}
		if !strings.HasPrefix(path, "/") {
			return fail("the path of attach_disconnected.ipc must begin with a slash")
		}
		f.DisconnectedIPCPath = prefixPath(path)
	case "kill.signal":
		f.KillSignal = flag.Value
	case "error":
		f.Error = strings.ToUpper(flag.Value)
	}
	return true
}

// prefixPath is the form in which the kernel gets a path that it puts before
// others: without a slash at the end.
func prefixPath(path string) string {
	path = string(squeeze(ast.Pattern(path)))
	if p := strings.TrimRight(path, "/"); p != "" {
		return p
	}
	return path
}

// unexpandable reports whether expanding failed; if so, the error has been
// reported.
func (r *resolver) unexpandable(before, after string) bool {
	return before != "" && after == "" && hasRef(before)
}
