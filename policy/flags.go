// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/diag"
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
		if j := slices.IndexFunc(seen, func(g *ast.Flag) bool { return ast.FlagsExclude(*g, *flag) }); j >= 0 {
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
	e := r.errorf(o, diag.CodeFlagConflict, flagText(b), "flag %s conflicts with %s", flagText(b), flagText(a))
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
	switch flag.Name {
	case "attach_disconnected.path", "attach_disconnected.ipc":
		// With a value.
	case "kill.signal", "error":
	default:
		if flag.Value != "" {
			return fail("flag %s takes no value", flag.Name)
		}
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
			return fail("path of attach_disconnected that does not begin with a slash")
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
			return fail("path of attach_disconnected.ipc that does not begin with a slash")
		}
		f.DisconnectedIPCPath = prefixPath(path)
	case "kill.signal":
		if !ast.IsSignal(flag.Value) {
			return fail("unknown signal")
		}
		f.KillSignal = flag.Value
	case "error":
		if !ast.IsErrno(flag.Value) {
			return fail("unknown error")
		}
		f.Error = strings.ToUpper(flag.Value)
	default:
		e := r.errorf(o, diag.CodeFlag, flag.Name, "unknown flag")
		if near, ok := ast.ProfileFlags().Nearest(flag.Name); ok {
			e.Hint = "did you mean " + near + "?"
		}
		return false
	}
	return true
}

// prefixPath is the form in which the kernel gets a path that it puts in front
// of others: without a slash at the end.
func prefixPath(path string) string {
	path = string(squeeze(ast.Pattern(path)))
	if p := strings.TrimRight(path, "/"); p != "" {
		return p
	}
	return path
}

// unexpandable reports whether expanding failed, which was reported then.
func (r *resolver) unexpandable(before, after string) bool {
	return before != "" && after == "" && hasRef(before)
}
