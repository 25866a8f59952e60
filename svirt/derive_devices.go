// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

var errNoLookup = errors.New("there is no file system to look it up in")

// label refuses a machine that is to be confined in another way.
func (s *strict) label() {
	l := s.domain.Label
	s.device = Device{DeviceDomain, "label"}
	switch l.Type {
	case "", "dynamic":
		if l.Profile == "" {
			return
		}
	case "static":
		if l.Profile == "" || l.Profile == profilePrefix+s.domain.UUID {
			return
		}
	case "none":
		s.refuse("", ReasonLabel, errors.New("without any profile: clear Domain.Label to confine it by its own"))
		return
	default:
		s.known("type of a label", l.Type, []string{"", "dynamic", "static", "none"})
		return
	}
	s.refuse("", ReasonLabel, errors.New("under "+strconv.Quote(l.Profile)+": clear Domain.Label to confine it by its own profile"))
}

// monitor grants what a VMM without libvirt has for itself.
func (s *strict) monitor() {
	m := &s.domain.Monitor
	each := func(id string, list []string, u use, perms ast.FilePerm) {
		s.device = Device{DeviceMonitor, id}
		for _, path := range list {
			s.grant(u, path, perms)
		}
	}
	if m.Jail != "" {
		s.device = Device{DeviceMonitor, "jail"}
		if s.opts.Origin == FromTenant {
			s.refuse(m.Jail, ReasonTenant, errors.New("clear Monitor.Jail"))
		} else if real, ok := s.check(useShare, m.Jail, permR); ok {
			s.jail = real
		}
	}
	each("api", m.API, useSocket, permRW)
	each("log", m.Logs, useLog, permRW) // a pipe is opened for both
	each("config", m.Config, useSettings, permR)
}

// The directories of libvirt's QEMU driver, as its system daemon has them.
const (
	hugeMount  = "/dev/hugepages"
	memoryDir  = "/var/lib/libvirt/qemu/ram"
	hostMounts = "/proc/1/mounts"
)

// backing grants the files of the guest's memory.
func (s *strict) backing() {
	m := &s.domain.Memory
	s.device = Device{DeviceDomain, "memory"}
	for i := range m.HugePages {
		s.hugePages(&m.HugePages[i])
	}
	if !s.known("source of memory", m.Source, knownMemSources) || m.Source != "file" {
		return
	}
	switch {
	case !s.domain.isQEMU():
		s.share(useMemoryTree, m.Dir, permRW)
	case s.domain.ID == nil:
		s.numberless(memoryDir + "/ID-" + s.domain.Name)
	case m.Dir == "":
		s.below(memoryDir+"/"+s.domain.shortName(), "**", permRW)
	default:
		s.share(useMemoryTree, strings.TrimRight(m.Dir, "/")+"/"+s.domain.shortName(), permRW)
	}
}

// hugePages grants the directory that the machine has in a mount of huge pages.
func (s *strict) hugePages(h *HugePages) {
	const dir = "/libvirt/qemu/"
	switch {
	case h.Dir != "":
		s.share(useMemoryTree, h.Dir, permRW)
	case !s.domain.isQEMU():
		s.warn(WarnUnknown, h.Mount, "the directory that the machine has in the mount of huge pages is not known", "set HugePages.Dir; a VMM that takes them by memfd has none")
	case s.domain.ID == nil:
		s.numberless(hugeMount + dir + "ID-" + s.domain.Name)
	case h.Mount != "":
		s.share(useMemoryTree, strings.TrimRight(h.Mount, "/")+dir+s.domain.shortName(), permRW)
	default:
		mounts := s.hugeMounts(h.SizeKiB)
		if len(mounts) == 0 {
			mounts = []string{hugeMount}
			if suffix := pageSuffix(h.SizeKiB); suffix != "" {
				mounts = append(mounts, hugeMount+suffix)
				s.warn(WarnAssumed, mounts[1], "where huge pages of "+strconv.FormatUint(h.SizeKiB, 10)+" KiB are mounted is not known", "set HugePages.Mount if it is elsewhere")
			}
		}
		for _, mount := range mounts {
			s.below(mount+dir+s.domain.shortName(), "**", permRW)
		}
	}
}

// pageSuffix is what the mount of huge pages of a size has in its name by
// custom.
func pageSuffix(kib uint64) string {
	switch {
	case kib == 0:
		return ""
	case kib%(1<<20) == 0:
		return strconv.FormatUint(kib>>20, 10) + "G"
	case kib%(1<<10) == 0:
		return strconv.FormatUint(kib>>10, 10) + "M"
	}
	return strconv.FormatUint(kib, 10) + "K"
}

// hugeMounts returns where huge pages of a size are mounted, as the kernel
// says; 0 is the host's default size.
func (s *strict) hugeMounts(kib uint64) []string {
	if s.look == nil {
		return nil
	}
	if kib == 0 {
		text, err := s.look.readFile("/proc/meminfo", 1<<16)
		if err != nil {
			return nil
		}
		_, rest, _ := strings.Cut(string(text), "\nHugepagesize:")
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return nil
		}
		kib, _ = strconv.ParseUint(fields[0], 10, 32)
	}
	// Not the link to the mounts of whoever asks.
	text, err := s.look.readFile(hostMounts, 1<<20)
	if err != nil || kib == 0 {
		return nil
	}
	var out []string
	for line := range strings.SplitSeq(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) < 4 || f[2] != "hugetlbfs" || !isPlain(f[1]) || slices.Contains(out, f[1]) {
			continue
		}
		for option := range strings.SplitSeq(f[3], ",") {
			if size, ok := strings.CutPrefix(option, "pagesize="); ok && strings.EqualFold(size, pageSuffix(kib)) {
				out = append(out, f[1])
			}
		}
	}
	slices.Sort(out)
	return out
}

// common grants a path that libvirt names after something in the description,
// which several machines may have in common. A tenant's must be in a root.
func (s *strict) common(k rootKind, path string) {
	if s.opts.Origin == FromTenant && !withinAny(path, s.roots(k)) {
		s.refuse(path, ReasonNoRoot, errors.New("Options.Roots."+k.String()+" does not have it"))
		return
	}
	s.literal(path, permRW)
}

// virtiofs grants the socket of the server that libvirt starts.
func (s *strict) virtiofs(f *Filesystem, i int) {
	alias := f.ID
	if alias == "" {
		alias = "fs" + strconv.Itoa(i)
	}
	if !s.component(alias) {
		return
	}
	if dir, ok := s.libvirtDir(alias + "-fs.sock"); ok {
		s.literal(dir+alias+"-fs.sock", permRW)
	}
}

// net grants what a network interface has besides sockets of switches.
func (s *strict) net(n *Net, i int) {
	for _, node := range []string{n.VHostNode, n.TapNode, n.VDPA} {
		if node != "" {
			s.grant(useVHost, node, permRW)
		}
	}
	if n.ROM != "" {
		s.grant(useFirmware, n.ROM, permR)
	}
	if n.MACVTap && n.TapNode == "" {
		s.warn(WarnUnknown, "/dev/tapN", "the node of a macvtap interface is numbered when it is made", "set Net.TapNode once the interface is there")
	}
	if !s.known("backend of an interface", n.Backend, knownBackends) || n.Backend != "passt" {
		return
	}
	served := s.domain.serves(s.device)
	if n.Log != "" && !served {
		perms := permW
		if s.within.companion {
			perms = permRW // passt reads where it left off
		}
		s.grant(useLog, n.Log, perms)
	}
	if !s.domain.isQEMU() || served {
		if n.Socket == "" {
			s.warn(WarnUnknown, "", "the socket of passt is not known", "set Net.Socket")
		}
		return
	}
	alias := n.ID
	if alias == "" {
		alias = "net" + strconv.Itoa(i)
	}
	switch {
	case !s.component(alias):
	case s.domain.ID == nil:
		s.numberless("/run/libvirt/qemu/passt/ID-" + s.domain.Name + "-" + alias + ".socket")
	default:
		s.literal("/run/libvirt/qemu/passt/"+s.domain.shortName()+"-"+alias+".socket", permRW)
	}
}

// display grants the sockets of a display that libvirt names.
func (s *strict) display(g *Graphics) {
	if g.AutoSocket {
		if !s.component(g.Type) {
			return
		}
		if dir, ok := s.libvirtDir(g.Type + ".sock"); ok {
			s.literal(dir+g.Type+".sock", permRW)
		}
	}
	switch {
	case g.Type == "rdp":
		s.warn(WarnCompanion, "", "a server of its own speaks RDP, under the profile of the machine if libvirt starts it", "add its program to Devices.Programs and its files to Devices.Extra")
	case g.Type != "dbus" || g.P2P:
	case g.Address != "":
		s.bus(g.Address)
	case !s.domain.isQEMU():
		s.warn(WarnUnknown, "", "the address of the bus is not known", "set Graphics.Address or Graphics.P2P")
	case s.domain.ID == nil:
		s.numberless("/run/libvirt/qemu/dbus/ID-" + s.domain.Name + "-dbus.sock")
	default:
		s.literal("/run/libvirt/qemu/dbus/"+s.domain.shortName()+"-dbus.sock", permRW)
		s.warn(WarnCompanion, "", "libvirt starts a dbus-daemon under the profile of the machine", "set Graphics.P2P, or add its program to Devices.Programs and its files to Devices.Extra")
	}
}

// bus grants the unix sockets in an address of the D-Bus specification.
func (s *strict) bus(address string) {
	s.warn(WarnRule, "", "a bus asks whether AppArmor grants its messages, where the kernel mediates them", "add `dbus bus=session,` to the template")
	for one := range strings.SplitSeq(address, ";") {
		transport, rest, ok := strings.Cut(one, ":")
		if !ok || transport == "tcp" || transport == "nonce-tcp" {
			continue
		}
		found := false
		for pair := range strings.SplitSeq(rest, ",") {
			key, value, _ := strings.Cut(pair, "=")
			if transport != "unix" || key != "path" {
				continue
			}
			found = true
			if path, ok := unescapePercent(value); ok {
				s.grant(useSocket, path, permRW)
			} else {
				s.refuse(value, ReasonUnclean, errors.New("it is escaped in a wrong way"))
			}
		}
		if !found {
			s.warn(WarnUnknown, one, "which socket the address means is not known", "give it as unix:path=")
		}
	}
}

// unescapePercent undoes the escapes of a value in an address of D-Bus.
func unescapePercent(v string) (string, bool) {
	if strings.IndexByte(v, '%') < 0 {
		return v, true
	}
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); i++ {
		if v[i] != '%' {
			out = append(out, v[i])
			continue
		}
		if i+2 >= len(v) {
			return "", false
		}
		b, err := strconv.ParseUint(v[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		out = append(out, byte(b))
		i += 2
	}
	return string(out), true
}

// nvidia grants the nodes that the driver of NVIDIA has besides the render node.
// Drivers of Intel and AMD have none.
func (s *strict) nvidia(node string) {
	if s.look == nil {
		return
	}
	real, err := s.look.real(node)
	if err != nil {
		return
	}
	dir := "/sys/class/drm/" + path.Base(real) + "/device"
	driver, err := s.look.real(dir + "/driver")
	if err != nil || path.Base(driver) != "nvidia" {
		return
	}
	card, err := s.look.real(dir)
	if err != nil {
		return
	}
	text, err := s.look.readFile("/proc/driver/nvidia/gpus/"+path.Base(card)+"/information", 1<<14)
	_, rest, ok := strings.Cut(string(text), "Device Minor:")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) == 0 || strings.Trim(fields[0], "0123456789") != "" {
		s.warn(WarnUnknown, card, "which node of NVIDIA's driver belongs to the render node is not known", "add /dev/nvidiaN to Devices.Extra, and to Options.Roots.Extra")
		return
	}
	for _, node := range []string{"/dev/nvidia" + fields[0], "/dev/nvidiactl", "/dev/nvidia-modeset"} {
		if _, err := s.look.real(node); err == nil {
			s.grantNode(useRender, node)
		}
	}
}

// grantNode grants a node that was looked up: a tenant's must be in a root.
func (s *strict) grantNode(u use, node string) {
	if s.opts.Origin == FromTenant || len(s.roots(uses[u].root)) > 0 {
		s.grant(u, node, permRW)
		return
	}
	s.literal(node, permRW)
}

// pattern adds a rule for all that a pattern of this package matches.
func (s *strict) pattern(p ast.Pattern, perms ast.FilePerm) {
	s.list = append(s.list, Rule{Device: s.device, Path: p, Perms: perms})
}

// audios grants the ways of sound to the host.
func (s *strict) audios() {
	for i := range s.domain.Devices.Audios {
		a := &s.domain.Devices.Audios[i]
		s.device = device(DeviceAudio, a.ID, i)
		s.audio(a)
	}
}

// audio grants one way of sound.
func (s *strict) audio(a *Audio) {
	if !s.known("type of audio", a.Type, knownAudios) {
		return
	}
	switch a.Type {
	case "file":
		if a.Path == "" {
			s.warn(WarnUnknown, "", "the file is not known", "set Audio.Path")
			return
		}
		s.grant(useLog, a.Path, permRW)
	case "oss":
		nodes := a.Devices
		if len(nodes) == 0 {
			nodes = []string{"/dev/dsp"}
		}
		for _, node := range nodes {
			s.grant(useSound, node, permRW)
		}
	case "alsa":
		s.alsa(a)
	case "pulseaudio":
		s.pulse(a)
	case "pipewire":
		if a.RuntimeDir == "" {
			s.warn(WarnUnknown, "", "the socket of PipeWire is where the user of the VMM has it", "set Audio.RuntimeDir")
			return
		}
		s.grant(useSocket, strings.TrimRight(a.RuntimeDir, "/")+"/pipewire-0", permRW)
		s.pattern("/etc/pipewire/{,**}", permR)
		s.pattern("/usr/share/pipewire/{,**}", permR)
	case "jack", "sdl", "sndio":
		s.warn(WarnUnknown, "", "what "+a.Type+" opens depends on the user of the VMM", "add it to Devices.Extra")
	}
}

// pulse grants the socket of PulseAudio.
func (s *strict) pulse(a *Audio) {
	server := a.Server
	if rest, ok := strings.CutPrefix(server, "{"); ok {
		// {MACHINE}ADDRESS
		_, server, _ = strings.Cut(rest, "}")
	}
	path, local := strings.CutPrefix(server, "unix:")
	switch {
	case server == "":
		s.warn(WarnUnknown, "", "the socket of PulseAudio is where the user of the VMM has it", "set Audio.Server")
		return
	case local || strings.HasPrefix(path, "/"):
		s.grant(useSocket, path, permRW)
	}
	s.pattern("/etc/pulse/client.conf", permR)
	s.pattern("/etc/pulse/client.conf.d/{,*}", permR)
	s.pattern("/etc/machine-id", permR)
}

// alsa grants sound cards, which are named by their nodes or as hw:CARD,DEVICE.
func (s *strict) alsa(a *Audio) {
	s.pattern("/etc/asound.conf", permR)
	s.pattern("/etc/alsa/conf.d/{,*}", permR)
	s.pattern("/usr/share/alsa/{,**}", permR)
	if len(a.Devices) == 0 {
		s.warn(WarnUnknown, "default", "which sound card is used is not known", "set Audio.Devices to names such as hw:0,0")
	}
	for _, name := range a.Devices {
		if strings.HasPrefix(name, "/") {
			s.grant(useSound, name, permRW)
			if card, ok := strings.CutPrefix(name, "/dev/snd/pcmC"); ok {
				if n := strings.IndexByte(card, 'D'); n > 0 && strings.Trim(card[:n], "0123456789") == "" {
					s.grant(useSound, "/dev/snd/controlC"+card[:n], permRW)
				}
			}
			continue
		}
		kind, where, _ := strings.Cut(name, ":")
		card, rest, two := strings.Cut(where, ",")
		dev, _, _ := strings.Cut(rest, ",")
		if !two {
			dev = "0"
		}
		if kind != "hw" && kind != "plughw" || card == "" || dev == "" || strings.Trim(card+dev, "0123456789") != "" {
			s.warn(WarnUnknown, name, "which sound card the name means is not known", "give it as hw:CARD,DEVICE, in numbers")
			continue
		}
		s.grant(useSound, "/dev/snd/controlC"+card, permRW)
		found := s.look == nil
		for _, direction := range []string{"p", "c"} {
			node := "/dev/snd/pcmC" + card + "D" + dev + direction
			if s.look == nil || s.look.exists(node) {
				s.grant(useSound, node, permRW)
				found = true
			}
		}
		if !found {
			s.refuse("/dev/snd/pcmC"+card+"D"+dev+"p", ReasonNoDevice, nil)
		}
	}
}

// videos grants what a process that draws for the machine has.
func (s *strict) videos() {
	for i := range s.domain.Devices.Videos {
		v := &s.domain.Devices.Videos[i]
		s.device = device(DeviceVideo, v.ID, i)
		if v.RenderNode != "" {
			s.list = appendGL(s.list, s.device)
			s.grant(useRender, v.RenderNode, permRW)
			s.nvidia(v.RenderNode)
		}
		switch {
		case !v.VHostUser && v.Blob:
			s.literal("/dev/udmabuf", permRW)
		case !v.VHostUser:
		case v.Socket != "":
			s.grant(useVHostUser, v.Socket, permRW)
		case s.domain.isQEMU():
			s.warn(WarnCompanion, "", "libvirt starts a vhost-user-gpu under the profile of the machine", "add its program to Devices.Programs")
		default:
			s.warn(WarnUnknown, "", "the socket of the process that draws is not known", "set Video.Socket")
		}
	}
}

// others grants connections of sockets and devices that compute.
func (s *strict) others() {
	d := &s.domain.Devices
	for i := range d.Vsocks {
		v := &d.Vsocks[i]
		s.device = device(DeviceVsock, v.ID, i)
		if v.Socket == "" {
			// The kernel's.
			s.literal("/dev/vhost-vsock", permRW)
			continue
		}
		s.grant(useSocket, v.Socket, permRW)
		for _, port := range v.Ports {
			s.grant(useSocket, v.Socket+"_"+strconv.FormatUint(uint64(port), 10), permRW)
		}
	}
	for i := range d.Cryptos {
		c := &d.Cryptos[i]
		s.device = device(DeviceCrypto, c.ID, i)
		if !s.known("backend of a crypto device", c.Backend, knownCryptos) {
			continue
		}
		switch c.Backend {
		case "vhost-user":
			s.grant(useVHostUser, c.Socket, permRW)
		case "lkcf":
			s.warn(WarnRule, "", "the kernel's ciphers are reached by sockets of the family alg", "add `network alg seqpacket,` to the template")
		}
	}
}

// systemEmulators are the programs that the templates for QEMU have, also those
// of Debian.
var systemEmulators = []string{"/usr/bin/kvm", "/usr/bin/qemu-kvm", "/usr/bin/qemu-system-*", "/usr/libexec/qemu-kvm", "/usr/bin/qemu"}

// notEmulators are directories of the system with files that are not programs,
// or scripts that others run.
var notEmulators = []string{"/usr/share", "/usr/src", "/usr/include", "/usr/games", "/usr/lib/systemd", "/lib/systemd", "/usr/local/share", "/usr/local/src", "/usr/local/etc", "/usr/local/include"}

// linkedEmulators are directories of links to programs, which mean nothing by
// themselves.
var linkedEmulators = []string{"/run/libvirt/nix-emulators", "/run/current-system"}

// emulator grants the VMM's own program and what it has beside it.
func (s *strict) emulator() {
	p := s.domain.Emulator
	if p == "" || s.domain.Type == "lxc" {
		return
	}
	s.device = Device{DeviceEmulator, "program"}
	if s.look == nil && withinAny(p, linkedEmulators) {
		s.warn(WarnUnknown, p, "where the link to the program leads is not known", "set Options.FS")
		return
	}
	real, found, file, ok := s.canonical(p)
	if !ok {
		return
	}
	known := s.domain.isQEMU() && matchAny(systemEmulators, real)
	var reason Reason
	var err error
	if !known {
		reason, err = s.allowedEmulator(real)
	}
	if reason == "" && s.look != nil {
		reason, err = s.fits(real, found, file, useProgram, permMR)
	}
	if reason == "" && found {
		reason, err = s.guarded(real, file)
	}
	if reason != "" {
		s.refuse(real, reason, err)
		return
	}
	if found && s.look.script(real) {
		s.warn(WarnScript, real, "the program is a script, and its profile has no program to run it", "add that, and all that the script runs, to Devices.Programs")
	}
	if known {
		return // the templates have it
	}
	s.program(real)
	s.beside(real)
}

// program adds a rule for a program that needs no check.
func (s *strict) program(real string) {
	n := len(s.list)
	if s.literal(real, permMR); len(s.list) > n {
		for i := n; i < len(s.list); i++ {
			s.list[i].Exec = ast.ExecInherit
		}
	}
}

// allowedEmulator returns the reason to refuse a file as the VMM's program for
// where it is.
func (s *strict) allowedEmulator(real string) (Reason, error) {
	if reason, err := s.allowedProgram(real); reason != "" {
		return reason, err
	}
	if withinAny(real, notEmulators) {
		return ReasonRestricted, errors.New("it is not a directory of programs")
	}
	for _, k := range []rootKind{rootImages, rootShares, rootSockets, rootLogs, rootExtra} {
		if withinAny(real, s.roots(k)) {
			return ReasonWritable, errors.New("Options.Roots." + k.String() + " has it")
		}
	}
	at := placeOf(real)
	switch at.kind {
	case placeNoShare, placeImages, placeService:
		return ReasonWritable, errors.New(at.dir + " is for files of machines and of users")
	case placePrivate:
		if at.dir != "/nix" && at.dir != "/opt" && at.dir != "/snap" && at.dir != "/usr/local" && len(s.roots(rootPrograms)) == 0 {
			return ReasonClosed, errors.New("Options.Roots.Programs opens it")
		}
	}
	return "", nil
}

// guarded refuses a program that others than its owner and group may write, or
// replace.
func (s *strict) guarded(real string, file info) (Reason, error) {
	const others = 0o002
	if file.mode.Perm()&others != 0 {
		return ReasonOthers, errors.New("its mode is " + file.mode.Perm().String())
	}
	for dir := path.Dir(real); dir != "/"; dir = path.Dir(dir) {
		at, err := s.look.tree.lstat(dir)
		if err != nil {
			return ReasonUnreadable, err
		}
		if at.mode.Perm()&others != 0 {
			return ReasonOthers, errors.New("the mode of " + dir + " is " + at.mode.String())
		}
	}
	return "", nil
}

// script reports whether a file is a program for another one to run.
func (l *lookup) script(real string) bool {
	start, err := l.readFile(real, 2)
	return err == nil && string(start) == "#!"
}

// beside grants what a program that the system did not install has beside it:
// libraries to map, and data to read.
func (s *strict) beside(real string) {
	dir, base := path.Split(real)
	prefix, bin := path.Split(strings.TrimSuffix(dir, "/"))
	prefix = strings.TrimSuffix(prefix, "/")
	s.device.ID = "wrapped"
	if wrapped := dir + "." + base + "-wrapped"; s.look != nil && s.look.exists(wrapped) {
		if real, err := s.look.real(wrapped); err == nil && path.Dir(real) == path.Dir(wrapped) {
			s.program(real)
		}
	}
	s.device.ID = "files"
	if rest, ok := strings.CutPrefix(real, "/nix/store/"); ok && strings.Contains(rest, "/") {
		// Everything in the store is for everybody to read, and never changes.
		s.pattern("/nix/store/*/lib/{,**}", permR)
		s.pattern("/nix/store/*/lib/**.so*", permMR)
		s.pattern("/nix/store/*/share/{,**}", permR)
		s.pattern("/nix/store/*/etc/{,**}", permR)
		return
	}
	if prefix == "" || prefix == "/usr" || bin != "bin" && bin != "sbin" && bin != "libexec" {
		return
	}
	p, err := ast.Literal(prefix)
	if err != nil {
		s.refuse(prefix, ReasonUnclean, err)
		return
	}
	s.pattern(p+"/lib{,32,64}/{,**}", permR)
	s.pattern(p+"/lib{,32,64}/**.so*", permMR)
	for _, name := range []ast.Pattern{"qemu", "qemu-firmware", "seabios", "vgabios", "ipxe"} {
		s.pattern(p+"/share/"+name+"/{,**}", permR)
	}
}
