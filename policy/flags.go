package policy

import (
	"slices"
	"strings"

	"github.com/goarmor/apparmor/ast"
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

// opposites are the path flags of which a profile can have only one side.
var opposites = [...]struct{ on, off []string }{
	{[]string{"mediate_deleted"}, []string{"delegate_deleted"}},
	{[]string{"attach_disconnected", "attach_disconnected.path", "attach_disconnected.ipc"}, []string{"no_attach_disconnected"}},
	{[]string{"chroot_relative"}, []string{"namespace_relative"}},
	{[]string{"chroot_attach"}, []string{"chroot_no_attach"}},
}

// flags resolves the flags of a draft's profile.
func (r *resolver) flags(d *draft) Flags {
	var f Flags
	seen := map[string]*ast.Flag{}
	var mode *ast.Flag
	for i := range d.node.Flags {
		flag := &d.node.Flags[i]
		o := d.origin
		if flag.Pos().IsValid() {
			o.Pos = flag.Pos()
		}
		if m, ok := modes[flag.Name]; ok && flag.Value == "" {
			if mode != nil && mode.Name != flag.Name {
				r.flagConflict(o, mode, flag)
				continue
			}
			mode, f.Mode = flag, m
			continue
		}
		if old := seen[flag.Name]; old != nil && old.Value != flag.Value && !sameError(old, flag) {
			if old.Value != "" && flag.Value != "" {
				r.flagConflict(o, old, flag)
				continue
			}
		}
		if !r.flag(&f, d, flag, o) {
			continue
		}
		if seen[flag.Name] == nil {
			seen[flag.Name] = flag
		}
		for _, pair := range opposites {
			for _, side := range [...]struct{ mine, other []string }{{pair.on, pair.off}, {pair.off, pair.on}} {
				if !slices.Contains(side.mine, flag.Name) {
					continue
				}
				for _, name := range side.other {
					if other := seen[name]; other != nil {
						r.flagConflict(o, other, flag)
					}
				}
			}
		}
	}
	return f
}

// sameError reports whether two error flags name one error: the case of the
// name does not matter.
func sameError(a, b *ast.Flag) bool {
	return a.Name == "error" && strings.EqualFold(a.Value, b.Value)
}

func (r *resolver) flagConflict(o Origin, a, b *ast.Flag) {
	e := r.errorf(o, CodeFlagConflict, flagText(b), "flag %s conflicts with %s", flagText(b), flagText(a))
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
		r.errorf(o, CodeFlag, flagText(flag), format, args...)
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
		name := strings.ToUpper(flag.Value)
		if !slices.Contains(errnos, name) {
			return fail("unknown error")
		}
		f.Error = name
	default:
		e := r.errorf(o, CodeFlag, flag.Name, "unknown flag")
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

// errnos are the names that error= takes: those of Linux's errno.h.
var errnos = []string{
	"EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD", "EAGAIN", "EWOULDBLOCK",
	"ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "ENFILE",
	"EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS", "EMLINK", "EPIPE", "EDOM", "ERANGE", "EDEADLK",
	"EDEADLOCK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP", "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC",
	"EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT", "EBADE", "EBADR", "EXFULL", "ENOANO", "EBADRQC",
	"EBADSLT", "EBFONT", "ENOSTR", "ENODATA", "ETIME", "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT",
	"ECOMM", "EPROTO", "EMULTIHOP", "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC",
	"ELIBBAD", "ELIBSCN", "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
	"EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP", "ENOTSUP", "EPFNOSUPPORT",
	"EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "ENETRESET", "ECONNABORTED", "ECONNRESET",
	"ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT", "ECONNREFUSED", "EHOSTDOWN",
	"EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM", "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT",
	"ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY", "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "EOWNERDEAD",
	"ENOTRECOVERABLE", "ERFKILL", "EHWPOISON",
}
