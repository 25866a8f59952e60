// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// place is a directory of the host, or a file, and what a machine may have
// there.
type place struct {
	dir  string
	kind placeKind
}

type placeKind uint8

const (
	placeSystem   placeKind = iota // nothing in it, whatever the options say
	placeReadable                  // as placeSystem, but firmware in it may be read
	placePrivate                   // nothing in it but what is the machine's own
	placeService                   // nothing in it
	placeNoShare                   // files in it, but not all of it at once
	placeImages                    // files in it, which are of all machines, but no directory
	placeOpen                      // anything in it
)

// places decide under Strict what a machine may be given, besides the roots of
// the options, which open what is private or a service's. The longest directory
// that a path is in counts, whole components only. A path that is in none of them may be given.
//
// The lists follow the Filesystem Hierarchy Standard 3.0, hier(7), the layout
// of libvirt's QEMU driver, and where container runtimes keep their sockets.
var places = [...]placeGroup{
	{"bin", []place{{"/bin", placeSystem}}},
	{"boot", []place{{"/boot", placeReadable}}},
	{"dev", []place{{"/dev", placeService}}}, // see nodes
	{"etc", []place{{"/etc", placeSystem}}},
	{"home", []place{{"/home", placePrivate}}},
	{"initrd.img", []place{{"/initrd.img", placeReadable}}},
	{"initrd.img.old", []place{{"/initrd.img.old", placeReadable}}},
	{"lib", []place{{"/lib", placeSystem}}},
	{"lib32", []place{{"/lib32", placeSystem}}},
	{"lib64", []place{{"/lib64", placeSystem}}},
	{"libx32", []place{{"/libx32", placeSystem}}},
	{"lost+found", []place{{"/lost+found", placeSystem}}},
	{"nix", []place{{"/nix", placePrivate}}},
	{"opt", []place{{"/opt", placePrivate}}},
	{"proc", []place{{"/proc", placeSystem}}},
	{"root", []place{{"/root", placePrivate}}},
	{"run", []place{ // and /var/run
		{"/run", placePrivate},
		{"/run/containerd", placeService},
		{"/run/credentials", placeService},
		{"/run/crio", placeService},
		{"/run/cryptsetup", placeService},
		{"/run/dbus", placeService},
		{"/run/docker", placeService},
		{"/run/incus", placeService},
		{"/run/libvirt/common", placeService},
		{"/run/lock", placeService},
		{"/run/log", placeService},
		{"/run/lvm", placeService},
		{"/run/lxd", placeService},
		{"/run/mount", placeService},
		{"/run/podman", placeService},
		{"/run/snapd", placeService},
		{"/run/sudo", placeService},
		{"/run/systemd", placeService},
		{"/run/udev", placeService},
		{"/run/user", placeService},
	}},
	{"sbin", []place{{"/sbin", placeSystem}}},
	{"selinux", []place{{"/selinux", placeSystem}}},
	{"snap", []place{{"/snap", placePrivate}}},
	{"sys", []place{{"/sys", placeSystem}}},
	{"tmp", []place{{"/tmp", placeNoShare}}},
	{"usr", []place{
		{"/usr", placeSystem},
		{"/usr/local", placePrivate},
		{"/usr/local/bin", placeSystem},
		{"/usr/local/sbin", placeSystem},
		{"/usr/local/etc", placeSystem},
		{"/usr/local/lib", placeSystem},
		{"/usr/local/lib32", placeSystem},
		{"/usr/local/lib64", placeSystem},
		{"/usr/local/libexec", placeSystem},
		{"/usr/lib/riscv64-linux-gnu/opensbi", placeReadable},
		{"/usr/lib/u-boot", placeReadable},
		{"/usr/share/AAVMF", placeReadable},
		{"/usr/share/OVMF", placeReadable},
		{"/usr/share/edk2", placeReadable},
		{"/usr/share/edk2-ovmf", placeReadable},
		{"/usr/share/kvm", placeReadable},
		{"/usr/share/ovmf", placeReadable},
		{"/usr/share/qemu", placeReadable},
		{"/usr/share/qemu-efi", placeReadable},
		{"/usr/share/qemu-efi-aarch64", placeReadable},
		{"/usr/share/qemu-efi-loongarch64", placeReadable},
		{"/usr/share/qemu-efi-riscv64", placeReadable},
		{"/usr/share/seabios", placeReadable},
		{"/usr/share/ipxe", placeReadable},
		{"/usr/share/sgabios", placeReadable},
		{"/usr/share/slof", placeReadable},
		{"/usr/share/spice-guest-tools", placeReadable},
		{"/usr/share/vgabios", placeReadable},
		{"/usr/share/virtio", placeReadable},
		{"/usr/share/virtio-win", placeReadable},
	}},
	{"var", []place{
		{"/var", placePrivate},
		{"/var/images", placeNoShare},
		{"/var/tmp", placeNoShare},
		// Where managers of machines keep images.
		{"/var/lib/cinder", placeNoShare},
		{"/var/lib/glance", placeNoShare},
		{"/var/lib/images", placeNoShare},
		{"/var/lib/kvm", placeNoShare},
		{"/var/lib/libvirt/boot", placeNoShare},
		{"/var/lib/libvirt/filesystems", placeNoShare},
		{"/var/lib/libvirt/images", placeImages},
		{"/var/lib/libvirt/iso", placeNoShare},
		{"/var/lib/libvirt/isos", placeNoShare},
		{"/var/lib/nova/instances", placeNoShare},
		{"/var/lib/one/datastores", placeNoShare},
		{"/var/lib/uvtool", placeNoShare},
		{"/var/lib/vdsm", placeNoShare},
		{"/var/lib/vms", placeNoShare},
		{"/var/lib/vz", placeNoShare},
		// Directories in which a name could be that of a machine.
		{"/var/lib/containerd", placeService},
		{"/var/lib/containers", placeService},
		{"/var/lib/docker", placeService},
		{"/var/lib/dpkg", placeService},
		{"/var/lib/incus", placeService},
		{"/var/lib/kubelet", placeService},
		{"/var/lib/libvirt/secrets", placeService},
		{"/var/lib/lxc", placeService},
		{"/var/lib/lxd", placeService},
		{"/var/lib/rpm", placeService},
		{"/var/lib/snapd", placeService},
		{"/var/lib/systemd", placeService},
		{"/var/backups", placeService},
		{"/var/spool", placeService},
	}},
	{"vmlinuz", []place{{"/vmlinuz", placeReadable}}},
	{"vmlinuz.old", []place{{"/vmlinuz.old", placeReadable}}},
}

// placeGroup is the places in one directory of the root.
type placeGroup struct {
	first  string
	places []place
}

// within reports whether path is dir or in it.
func within(path, dir string) bool {
	switch {
	case len(path) > len(dir):
		return (path[len(dir)] == '/' || dir == "/") && path[:len(dir)] == dir
	case len(path) == len(dir):
		return path == dir
	}
	return false
}

// withinAny reports whether path is in one of the directories.
func withinAny(path string, dirs []string) bool {
	for _, dir := range dirs {
		if within(path, dir) {
			return true
		}
	}
	return false
}

// runDir is the directory of what runs, under its old name if it is that.
func runDir(path string) string {
	if within(path, "/var/run") {
		return path[len("/var"):]
	}
	return path
}

// placeOf returns the innermost place that a path is in.
func placeOf(path string) place {
	path = runDir(path)
	best := place{kind: placeOpen}
	first := path[1:]
	if i := strings.IndexByte(first, '/'); i >= 0 {
		first = first[:i]
	}
	for i := range places {
		if g := places[i].first; len(g) != len(first) || g != first {
			continue
		}
		for _, p := range places[i].places {
			if len(p.dir) > len(best.dir) && within(path, p.dir) {
				best = p
			}
		}
		break
	}
	return best
}

// allowed returns the reason to refuse a path for where it is, and what is to
// be said besides.
func (s *strict) allowed(path string, perms ast.FilePerm, u use) (Reason, error) {
	kind := &uses[u]
	if path == "/" {
		if u.directory() {
			return ReasonContains, nil
		}
		return ReasonRestricted, nil
	}
	for _, dir := range s.private() {
		if within(path, dir) {
			return ReasonPrivate, nil
		}
		if u.directory() && within(dir, path) {
			return ReasonContains, errors.New(dir + " is the manager's")
		}
	}
	at := placeOf(path)
	switch at.kind {
	case placeSystem:
		return ReasonRestricted, nil
	case placeReadable:
		if u.directory() {
			return ReasonRestricted, nil
		}
		if perms&^permRK != 0 {
			return ReasonReadOnly, nil
		}
	}
	if within(path, "/dev") {
		if alwaysClosed(path) {
			return ReasonRestricted, nil
		}
		if u.directory() {
			switch at := devDirectory(path); {
			case at == "":
				return ReasonContains, errors.New("directories of /dev hold nodes of all devices: name the nodes")
			case !s.ownHuge(path, at):
				return ReasonContains, errors.New("it has the memory of other machines")
			}
		}
	}
	if u.directory() {
		if dir := containsSystem(path); dir != "" {
			return ReasonContains, errors.New(dir + " is in it")
		}
	}
	roots := s.roots(kind.root)
	if len(roots) > 0 {
		if withinAny(path, roots) {
			return "", nil
		}
		if !s.own(path, at, u) {
			return ReasonOutside, errors.New("Options.Roots." + kind.root.String() + " has nothing that it is in")
		}
		return "", nil
	}
	if s.opts.Origin == FromTenant {
		return ReasonNoRoot, errors.New("Options.Roots." + kind.root.String() + " is empty")
	}
	if within(path, "/dev") {
		if path == "/dev" || !u.directory() && !u.hasNode(path[len("/dev/"):]) {
			return ReasonClosed, errors.New("Options.Roots." + kind.root.String() + " opens it")
		}
		return "", nil
	}
	switch at.kind {
	case placePrivate, placeService:
		if at.kind == placePrivate && s.own(path, at, u) || kind.open != nil && kind.open(path) {
			return "", nil
		}
		return ReasonClosed, errors.New("Options.Roots." + kind.root.String() + " opens it")
	case placeImages:
		if u.directory() {
			return ReasonContains, nil
		}
	case placeNoShare:
		if u.directory() && path == at.dir {
			return ReasonContains, nil
		}
	}
	if u.directory() {
		if strings.LastIndexByte(path, '/') == 0 {
			// A directory of the root belongs to all: /srv, /data, /mnt.
			return ReasonContains, errors.New("Options.Roots." + kind.root.String() + " opens it")
		}
	}
	return "", nil
}

// devDirectory returns the mount in /dev that a directory is below, of those
// that hold files and no nodes.
func devDirectory(path string) string {
	first, rest, ok := strings.Cut(strings.TrimPrefix(path, "/dev/"), "/")
	if !ok || rest == "" || first != "shm" && !strings.HasPrefix(first, "hugepages") {
		return ""
	}
	return "/dev/" + first
}

// ownHuge reports whether a directory below a mount of huge pages is not one
// that libvirt has for other machines.
func (s *strict) ownHuge(path, mount string) bool {
	if !within(path, mount+"/libvirt") {
		return true
	}
	name, ok := strings.CutPrefix(path, mount+"/libvirt/qemu/")
	name, _, _ = strings.Cut(name, "/")
	return ok && s.ownShortName(name)
}

// containsSystem returns what of the system is in a directory.
func containsSystem(dir string) string {
	for i := range places {
		for _, p := range places[i].places {
			if (p.kind == placeSystem || p.kind == placeReadable || p.dir == "/dev") && p.dir != dir && within(p.dir, dir) {
				return p.dir
			}
		}
	}
	return ""
}

// private returns the directories that are the manager's.
func (s *strict) private() []string {
	if s.privates == nil {
		s.privates = s.resolved(append(append([]string{}, s.opts.Private...), s.within.private...))
	}
	return s.privates
}

// roots returns the directories of a kind.
func (s *strict) roots(k rootKind) []string {
	if list := s.opts.Roots.of(k); len(list) > 0 && s.rootDirs[k] == nil {
		s.rootDirs[k] = s.resolved(list)
	}
	return s.rootDirs[k]
}

// resolved returns directories with where they really are besides, if that is
// elsewhere.
func (s *strict) resolved(dirs []string) []string {
	out := make([]string, 0, len(dirs))
	for _, dir := range dirs {
		if dir != "/" {
			dir = strings.TrimRight(dir, "/")
		}
		out = append(out, dir)
		if s.look != nil {
			if real, err := s.look.real(dir); err == nil && real != dir {
				out = append(out, real)
			}
		}
	}
	return out
}

// own reports whether a path in a private place is the machine's own by its
// name: a directory that is named after the machine, or in the directories of
// libvirt's QEMU driver a file that is.
func (s *strict) own(path string, at place, u use) bool {
	if at.kind != placePrivate {
		return false
	}
	path = runDir(path)
	d := s.domain
	rest := strings.TrimPrefix(path[len(at.dir):], "/")
	for {
		c, more, ok := strings.Cut(rest, "/")
		// A share would give the guest what is its VMM's.
		if !ok && u != useExtraTree {
			return s.ownFile(path[:len(path)-len(c)], c, u)
		}
		if c == d.UUID || c == d.Name && at.dir != "/root" && at.dir != "/home" || s.ownShortName(strings.TrimPrefix(c, "domain-")) {
			return true
		}
		if !ok {
			return false
		}
		rest = more
	}
}

// ownFile reports whether a file is the machine's own by its name.
func (s *strict) ownFile(dir, base string, u use) bool {
	name := s.domain.Name
	switch dir {
	case "/var/lib/libvirt/qemu/nvram/":
		vars, ext, _ := strings.Cut(base, "_VARS.")
		return u == useVariables && ext != "" && !strings.Contains(ext, "_VARS.") && (vars == name || vars == s.domain.UUID)
	case "/var/lib/libvirt/qemu/channel/target/":
		return u == useSocket && strings.HasPrefix(base, name+".")
	case "/var/lib/libvirt/qemu/save/":
		return u == useExtra && base == name+".save"
	}
	switch {
	case within(dir, "/run/libvirt/qemu"), within(dir, "/var/lib/libvirt/qemu"):
		for i := 0; i < len(base); i++ {
			if base[i] == '-' && s.domain.ID != nil && base[:i] == s.domain.shortName() {
				return true
			}
		}
	case within(dir, "/var/log"):
		if after, ok := strings.CutPrefix(base, name); ok && u == useLog && after != "" {
			return strings.IndexByte("-._", after[0]) >= 0
		}
	}
	return false
}

// ownShortName reports whether s is ID-NAME of the machine, as libvirt has it.
// A machine without a number has any, if its name is not cut.
func (s *strict) ownShortName(c string) bool {
	if s.domain.ID != nil {
		return c == s.domain.shortName()
	}
	number, name, ok := strings.Cut(c, "-")
	return ok && name == s.domain.Name && len(name) <= shortNameBytes && number != "" && strings.Trim(number, "0123456789") == ""
}

// notPrograms are directories that hold no programs: what the kernel makes up,
// and settings.
var notPrograms = []string{"/boot", "/dev", "/etc", "/proc", "/sys"}

// allowedProgram returns the reason to refuse a file as a program for where it
// is. Programs may be where the system has them.
func (s *strict) allowedProgram(path string) (Reason, error) {
	if path == "/" || withinAny(path, notPrograms) {
		return ReasonRestricted, nil
	}
	if withinAny(path, s.private()) {
		return ReasonPrivate, nil
	}
	if roots := s.roots(rootPrograms); len(roots) > 0 {
		if !withinAny(path, roots) {
			return ReasonOutside, errors.New("Options.Roots.Programs has nothing that it is in")
		}
	} else if s.opts.Origin == FromTenant {
		return ReasonNoRoot, errors.New("Options.Roots.Programs is empty")
	}
	return "", nil
}
