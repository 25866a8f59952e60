// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// Permissions that devices are given.
const (
	permR   = ast.FileRead
	permW   = ast.FileWrite
	permRW  = ast.FileRead | ast.FileWrite
	permRK  = ast.FileRead | ast.FileLock
	permRWK = ast.FileRead | ast.FileWrite | ast.FileLock
	permMR  = ast.FileMmap | ast.FileRead
	permRWL = ast.FileRead | ast.FileWrite | ast.FileLink
)

// strict derives rules under Strict. It goes on after an error, so
// that every device that is refused is reported.
type strict struct {
	ctx    context.Context
	domain *Domain
	opts   *Options
	within surroundings
	look   *lookup // nil without a file system
	device Device
	list   []Rule
	errs   []error
	chains map[Device]chain // found below images
	shared map[Device]bool
	warns  []Warning
	jail   string // where it really is

	rootDirs [rootKinds][]string // of the options, with where they really are
	privates []string
}

func deriveStrict(ctx context.Context, d *Domain, o *Options, in surroundings) (*Rules, error) {
	s := strict{ctx: ctx, domain: d, opts: o, within: in, list: make([]Rule, 0, 16+len(d.Devices.Disks)+len(d.Devices.Extra))}
	if o.FS != nil {
		var err error
		if s.look, err = newLookup(o.FS); err != nil {
			return nil, err
		}
		defer s.look.close()
	}
	if err := CheckUUID(d.UUID); err != nil {
		s.errs = append(s.errs, err)
	}
	if o.Origin == FromTenant && d.ID != nil {
		s.errs = append(s.errs, &IdentityError{What: "number", Value: strconv.Itoa(*d.ID), Reason: "it is not a tenant's to give: clear it in the description"})
	} else if d.ID != nil && !o.Live && !s.within.managed {
		s.errs = append(s.errs, &IdentityError{What: "number", Value: strconv.Itoa(*d.ID), Reason: "nothing shows that it is this machine's: set Options.Live if libvirtd says so, or clear it"})
	}
	if err := checkName(d.Name, o.EscapeSpecial); err != nil {
		// The name is part of the paths of much that follows.
		return nil, errors.Join(append(s.errs, err)...)
	}
	s.label()
	s.monitor()
	s.runtime()
	s.boot()
	s.backing()
	s.disks()
	s.chardevs()
	s.graphics()
	s.hostDevices()
	s.directories()
	s.nets()
	s.memory()
	s.tpms()
	s.smartcards()
	s.audios()
	s.videos()
	s.others()
	s.emulator()
	s.arguments()
	s.programs()
	s.extra()
	if in.locked != "" && len(s.errs) == 0 {
		s.device = Device{DeviceChardev, servedID}
		if real, ok := s.check(useSocket, in.locked, permRW); ok {
			s.literal(real+".pid", permRWK)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(s.errs) > 0 {
		return nil, errors.Join(s.errs...)
	}
	list := sortRules(s.list)
	if err := checkPrograms(list); err != nil {
		return nil, err
	}
	warnings := append(s.warns, d.Warnings...)
	return &Rules{method: Strict, identity: identityOf(d), list: list, chains: s.chains, shared: s.shared, warnings: sortWarnings(warnings), jail: d.Monitor.Jail}, nil
}

func (s *strict) refuse(path string, reason Reason, err error) {
	s.errs = append(s.errs, &PathError{Device: s.device, Path: path, Reason: reason, Err: err})
}

// warn says what the device may lack. Whoever made the description may have to
// do what add says.
func (s *strict) warn(code WarningCode, path, text, add string) {
	s.warns = append(s.warns, Warning{Device: s.device, Code: code, Path: path, Text: text, Add: add})
}

// grant adds a rule for one path.
func (s *strict) grant(u use, path string, perms ast.FilePerm) {
	if real, ok := s.check(u, path, perms); ok {
		s.literal(real, perms)
	}
}

// check returns the real path of what a device names, if the device may have
// it.
func (s *strict) check(u use, path string, perms ast.FilePerm) (string, bool) {
	real, found, file := path, false, info{}
	if s.look != nil || !isPlain(path) {
		var ok bool
		if real, found, file, ok = s.canonical(path); !ok {
			return "", false
		}
	}
	reason, err := s.allowed(real, perms, u)
	if reason == "" && s.look != nil {
		reason, err = s.fits(real, found, file, u, perms)
	}
	if reason != "" {
		s.refuse(real, reason, err)
		return "", false
	}
	return real, true
}

// literal adds a rule for a path that needs no check.
func (s *strict) literal(path string, perms ast.FilePerm) {
	p := ast.Pattern(path)
	if !isPlain(path) {
		var err error
		if p, err = ast.Literal(path); err != nil {
			s.refuse(path, ReasonUnclean, err)
			return
		}
	}
	s.list = append(s.list, Rule{Device: s.device, Path: p, Perms: perms})
	if s.jail != "" && len(path) > len(s.jail) && within(path, s.jail) {
		s.inside(path, "", perms)
	}
}

// inside adds the rule for what is in the jail by its name there. It
// refuses a name that a file of the system has: the kernel does not say in which
// root a name is meant.
func (s *strict) inside(path string, glob ast.Pattern, perms ast.FilePerm) {
	name := path[len(s.jail):]
	switch placeOf(name).kind {
	case placeSystem, placeReadable, placeService:
		s.refuse(path, ReasonRestricted, errors.New("in the jail its name is "+strconv.Quote(name)+", which is the system's"))
		return
	}
	p, err := ast.Literal(name)
	if err != nil {
		s.refuse(path, ReasonUnclean, err)
		return
	}
	s.list = append(s.list, Rule{Device: Device{DeviceJail, s.device.String()}, Path: p + glob, Perms: perms})
}

// share adds the rules for a directory and all below it.
func (s *strict) share(u use, dir string, perms ast.FilePerm) {
	if real, ok := s.check(u, dir, perms); ok {
		s.below(real, "**", perms)
	}
}

// below adds the rules for a directory that needs no check and for what glob
// matches in it.
func (s *strict) below(dir string, glob ast.Pattern, perms ast.FilePerm) {
	p, err := ast.Literal(dir + "/")
	if err != nil {
		s.refuse(dir, ReasonUnclean, err)
		return
	}
	s.list = append(s.list,
		Rule{Device: s.device, Path: p, Perms: permR},
		Rule{Device: s.device, Path: p + glob, Perms: perms})
	if s.jail != "" && len(dir) > len(s.jail) && within(dir, s.jail) {
		s.inside(dir, "/", permR)
		s.inside(dir, "/"+glob, perms)
	}
}

// canonical checks what the path is made of and follows the symbolic links in
// it. A missing file must be written the way the kernel will see it.
func (s *strict) canonical(path string) (real string, found bool, file info, ok bool) {
	refuse := func(path string, reason Reason, err error) (string, bool, info, bool) {
		s.refuse(path, reason, err)
		return "", false, info{}, false
	}
	if reason := checkBytes(path, s.opts.EscapeSpecial); reason != "" {
		return refuse(path, reason, s.escapable(path, reason))
	}
	if s.look == nil {
		if !isClean(path) {
			return refuse(path, ReasonUnclean, nil)
		}
		return path, false, info{}, true
	}
	if err := s.ctx.Err(); err != nil {
		return refuse(path, ReasonUnreadable, err)
	}
	real, file, err := s.look.find(path)
	found = err == nil
	if err != nil {
		var reason Reason
		if real, reason = s.missing(path, err); reason != "" {
			return refuse(path, reason, err)
		}
	}
	if real != path {
		if reason := checkBytes(real, s.opts.EscapeSpecial); reason != "" {
			return refuse(real, reason, s.escapable(real, reason))
		}
	}
	return real, found, file, true
}

// escapable says what to do about bytes that are refused.
func (s *strict) escapable(path string, reason Reason) error {
	switch reason {
	case ReasonControl, ReasonQuote, ReasonGlob:
		if !s.opts.EscapeSpecial && strings.IndexByte(path, 0) < 0 {
			return errors.New("Options.EscapeSpecial takes it")
		}
	}
	return nil
}

// missing resolves the part of a path that is there and keeps the rest.
func (s *strict) missing(path string, err error) (string, Reason) {
	switch {
	case errors.Is(err, errLoop):
		return "", ReasonLoop
	case errors.Is(err, errTooLong):
		return "", ReasonTooLong
	case errors.Is(err, errMagicLink):
		return "", ReasonRestricted
	case !isNotExist(err):
		return "", ReasonUnreadable
	}
	for end := strings.LastIndexByte(path, '/'); ; end = strings.LastIndexByte(path[:end], '/') {
		real, err := s.look.real(path[:end])
		if err != nil {
			if !isNotExist(err) {
				return "", ReasonUnreadable
			}
			continue // ends at the root, which resolves
		}
		rest := path[end:]
		if !isClean(rest) {
			return "", ReasonUnclean
		}
		if real == "/" {
			real = ""
		}
		first := rest[1:]
		if i := strings.IndexByte(first, '/'); i >= 0 {
			first = first[:i]
		}
		if _, err := s.look.tree.lstat(real + "/" + first); err == nil {
			// It is there and yet leads nowhere.
			return "", ReasonDangling
		}
		return real + rest, ""
	}
}

// component returns name when it can be one component of a path.
func (s *strict) component(name string) bool {
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, '/') >= 0 ||
		checkBytes("/"+name, s.opts.EscapeSpecial) != "" {
		s.refuse(name, ReasonName, nil)
		return false
	}
	return true
}

// runtime grants what libvirt's QEMU driver keeps for every machine. The
// places are those of the system's daemon.
func (s *strict) runtime() {
	d := s.domain
	s.device = Device{DeviceDomain, "machine"}
	s.known("type of memory encryption", d.LaunchSecurity, knownSecurity)
	if !d.isQEMU() {
		return
	}
	s.literal("/var/log/libvirt/qemu/"+d.Name+".log", permW)
	s.literal("/run/libvirt/qemu/"+d.Name+".pid", permRWK)
	s.literal("/run/libvirt/qemu/qemu.tunnelmigrate.dest."+d.Name, permRW)
	if d.ID != nil {
		dir := "/var/lib/libvirt/qemu/domain-" + d.shortName()
		s.literal(dir+"/monitor.sock", permRW)
		s.literal(dir+"/master-key.aes", permR)
		if d.LaunchSecurity == "sev" {
			// The owner of the guest sent these.
			s.literal(dir+"/dh_cert.base64", permR)
			s.literal(dir+"/session.base64", permR)
		}
	}
	if d.LaunchSecurity == "sev" || d.LaunchSecurity == "sev-snp" {
		s.literal("/dev/sev", permRW)
	}
	if d.QuoteService != "" {
		s.device = Device{DeviceDomain, "quote-service"}
		s.grant(useQuote, d.QuoteService, permRW)
	}
}

// libvirtDir returns the directory that libvirt has for the machine while it
// runs. Without a number it is not known, and a warning says so.
func (s *strict) libvirtDir(what string) (string, bool) {
	if s.domain.ID == nil {
		s.numberless("/var/lib/libvirt/qemu/domain-ID-" + s.domain.Name + "/" + what)
		return "", false
	}
	return "/var/lib/libvirt/qemu/domain-" + s.domain.shortName() + "/", true
}

// numberless warns that a path is not known for want of the machine's number.
func (s *strict) numberless(path string) {
	s.warn(WarnNumber, path, "libvirt names it after the machine's number, and the description has none",
		"derive again from libvirt's description of the running machine, as libvirtxml.ParseLive reads it")
}

func (s *strict) boot() {
	b := &s.domain.Boot
	file := func(id string, u use, path string, perms ast.FilePerm) {
		if path != "" || id == "loader" {
			s.device = Device{DeviceBoot, id}
			s.grant(u, path, perms)
		}
	}
	file("kernel", useFirmware, b.Kernel, permR)
	file("initrd", useFirmware, b.Initrd, permR)
	file("shim", useFirmware, b.Shim, permR)
	file("dtb", useFirmware, b.DTB, permR)
	for _, path := range b.ACPI {
		file("acpi", useFirmware, path, permR)
	}
	for _, path := range b.FWCfg {
		file("fw_cfg", useFirmware, path, permR)
	}
	if l := b.Loader; l != nil {
		s.device = Device{DeviceBoot, "loader"}
		switch {
		case !s.known("type of a loader", l.Type, knownLoaders):
		case l.Type != "pflash" || l.ReadOnly:
			file("loader", useFirmware, l.Path, permRK)
		case s.readable(l.Path):
			s.warn(WarnReadOnly, l.Path, "the firmware is where nothing may be written, and is not said to be read-only", "set Loader.ReadOnly")
			file("loader", useFirmware, l.Path, permRK)
		default:
			file("loader", useVariables, l.Path, permRWK)
		}
	}
	if b.NVRAM != nil {
		s.device = Device{DeviceBoot, "nvram"}
		s.images(useVariables, b.NVRAM, permRWK)
	}
	file("varstore", useVariables, b.VarStore, permRW)
}

func (s *strict) disks() {
	for i := range s.domain.Devices.Disks {
		disk := &s.domain.Devices.Disks[i]
		s.device = device(DeviceDisk, disk.ID, i)
		perms := permRWK
		if disk.ReadOnly {
			perms = permRK
		}
		if disk.Shareable {
			if s.shared == nil {
				s.shared = map[Device]bool{}
			}
			s.shared[s.device] = true
		}
		s.images(useImage, &disk.Image, perms)
		if disk.Transient && disk.Image.local() {
			s.grant(useImage, disk.Image.Path+".TRANSIENT-"+s.domain.Name, permRWK)
		}
		if disk.Mirror != nil {
			mirror := *disk.Mirror
			mirror.Complete = mirror.Backing == nil
			s.images(useImage, &mirror, permRWK)
		}
		if r := disk.Reservations; r != nil {
			if r.Socket != "" {
				s.grant(useReserve, r.Socket, permRW)
			} else if dir, ok := s.libvirtDir("pr-helper0.sock"); ok {
				s.literal(dir+"pr-helper0.sock", permRW)
			}
		}
	}
}

// readable reports whether a path leads to where firmware may be read and
// nothing written.
func (s *strict) readable(path string) bool {
	if s.look != nil {
		if real, err := s.look.real(path); err == nil {
			path = real
		}
	}
	return strings.HasPrefix(path, "/") && placeOf(path).kind == placeReadable
}

// remote grants an image that is not a path of this host: the sockets and nodes by
// which it is reached. If only an image names it, it goes into below, provided
// that it may be there; below is nil if the description names it.
func (s *strict) remote(image *Image, below *chain) {
	switch image.Type {
	case ImageVHostUser:
		s.grant(useVHostUser, image.Path, permRW)
	case ImageVHostVDPA:
		s.grant(useVHost, image.Path, permRW)
	case ImageNVMe:
		switch {
		case image.NVMe == nil:
			s.refuse("", ReasonNoDevice, errors.New("Image.NVMe is not set"))
		case s.look == nil:
			s.refuse("", ReasonNoDevice, errNoLookup)
		case image.NVMe.IOMMUFD:
			s.cdev(image.NVMe.PCI.sysfs())
		default:
			s.vfio(image.NVMe.PCI.sysfs())
		}
	case ImageVolume:
		s.refuse("", ReasonVolume, errors.New("set Image.Path to what `virsh vol-path` says, and Image.Type to what that is"))
	case ImageNetwork:
		for _, path := range image.Files {
			if !templateSettings(path) || !s.domain.isQEMU() {
				s.grant(useSettings, path, permR)
			}
		}
		if image.Socket == "" {
			return
		}
		real, ok := s.check(useSocket, image.Socket, permRW)
		if !ok || below != nil && !s.mayBack(below.top, real) {
			return
		}
		if below != nil {
			below.files = append(below.files, real)
		}
		s.literal(real, permRW)
	}
}

// templateSettings reports whether the templates for QEMU let every machine
// read a file.
func templateSettings(p string) bool {
	ok, err := path.Match("/etc/ceph/*.conf", p)
	return ok && err == nil && isPlain(p)
}

// imageUse returns what a device does with an image, u if it is a file.
func imageUse(u use, image *Image) use {
	if image.Type == ImageBlock {
		return useBlock
	}
	return u
}

// images grants an image with the given permissions and what lies under it
// for reading.
func (s *strict) images(u use, image *Image, perms ast.FilePerm) {
	if !s.knownImage(image) {
		return
	}
	if image.Type == ImageDir && image.Path != "" {
		s.share(useShare, image.Path, perms&^ast.FileLock)
		return
	}
	if image.Backing == nil && image.Data == nil && !s.mayProbe(image) {
		// Most images have no other image below them.
		if image.local() {
			s.grant(imageUse(u, image), image.Path, perms)
		} else {
			s.remote(image, nil)
		}
		return
	}
	seen := map[string]bool{}
	found := chain{} // what is found in the images
	defer func() {
		if len(found.files) > 0 {
			if s.chains == nil {
				s.chains = map[Device]chain{}
			}
			s.chains[s.device] = found
		}
	}()
	named := true // by the description
	for depth := 0; image != nil; depth++ {
		if depth == maxChain {
			s.refuse(image.Path, ReasonBroken, errors.New("the chain is too long"))
			return
		}
		if !image.local() {
			if named {
				s.remote(image, nil)
			} else {
				s.remote(image, &found)
			}
			return
		}
		real, ok := s.check(imageUse(u, image), image.Path, perms)
		if !ok {
			return
		}
		if seen[real] {
			s.refuse(real, ReasonBroken, errors.New("the chain leads back to itself"))
			return
		}
		seen[real] = true
		if depth == 0 {
			found.top = real
		}
		if !named {
			if !s.mayBack(found.top, real) {
				return
			}
			found.files = append(found.files, real)
		}
		s.literal(real, perms)
		if data := image.Data; data != nil && s.knownImage(data) {
			if data.local() {
				s.grant(imageUse(u, data), data.Path, perms)
			} else {
				s.remote(data, nil)
			}
		}
		next := image.Backing
		if s.mayProbe(image) {
			if next, ok = s.probe(image, real, depth > 0); !ok {
				return
			}
			named = false
		}
		if next != nil && !s.knownImage(next) {
			return
		}
		image, perms = next, permRK
	}
}

// knownImage reports whether the type and the format of an image are known.
func (s *strict) knownImage(image *Image) bool {
	return s.known("type of image", string(image.Type), knownImages) && s.known("format of an image", image.Format, knownFormats)
}

// mayProbe reports whether what lies under an image is asked of the image.
func (s *strict) mayProbe(image *Image) bool {
	return s.look != nil && !s.opts.NoProbe && image.local() && image.Type != ImageDir &&
		probes(image.Format) && image.Backing == nil && !image.Complete
}

// mayBack reports whether a file that only an image names may be granted below
// the image at top.
func (s *strict) mayBack(top, real string) bool {
	if len(s.opts.Backing) > 0 {
		if withinAny(real, s.resolved(s.opts.Backing)) {
			return true
		}
		s.refuse(real, ReasonBacking, errors.New("Options.Backing has nothing that it is in"))
		return false
	}
	if !s.within.managed || s.opts.Origin == FromTenant {
		s.refuse(real, ReasonBacking, errors.New("name it in the description, or its directory in Options.Backing"))
		return false
	}
	if before, ok := s.within.chains[s.device]; ok && (before.top == top || before.top == "") && !slices.Contains(before.files, real) {
		s.refuse(real, ReasonChain, errors.New("Manager.ForgetChains allows it"))
		return false
	}
	return true
}

// probe reads what an image has under it.
func (s *strict) probe(image *Image, real string, mustExist bool) (next *Image, ok bool) {
	h, err := s.look.probe(real)
	switch {
	case isNotExist(err) && !mustExist:
		return nil, true // to be made later
	case errors.Is(err, errNotRegular):
		s.refuse(real, ReasonFileType, nil)
		return nil, false
	case err != nil:
		s.refuse(real, ReasonUnreadable, err)
		return nil, false
	case h.format != image.Format:
		s.refuse(real, ReasonBroken, fmt.Errorf("it is not of the format %s", image.Format))
		return nil, false
	case h.data != "" && image.Data == nil:
		s.refuse(real, ReasonData, fmt.Errorf("it names %q", h.data))
		return nil, false
	}
	if h.backing == "" {
		return nil, true
	}
	// QEMU takes a name with file: for that of a file.
	b := parseBackingName(strings.TrimPrefix(h.backing, "file:"))
	if b.more {
		s.refuse(real, ReasonBroken, errors.New("the name of its backing file is JSON that names more than one file"))
		return nil, false
	}
	if b.path == "" {
		// Not a file of this host.
		return &Image{Type: ImageNetwork, Socket: b.socket}, true
	}
	next = &Image{Type: ImageFile, Path: below(path.Dir(image.Path), b.path), Format: h.backingFormat}
	if b.format != "" {
		next.Format = b.format
	}
	lower, file, err := s.look.find(next.Path)
	if err == nil && typeOf(file.mode) == typeBlock {
		if !withinAny(lower, s.resolved(s.opts.Backing)) {
			s.refuse(lower, ReasonBacking, errors.New("it is a block device, and Options.Backing does not have it"))
			return nil, false
		}
		next.Type = ImageBlock
	}
	if next.Format == "" {
		// Nobody recorded what it is. A file that looks as if it had a
		// backing file itself could have been made to look so by the guest
		// that it was once a raw disk of.
		var h header
		if err == nil {
			h, err = s.look.probe(lower)
		}
		if err != nil || h.backing != "" || h.data != "" {
			s.refuse(next.Path, ReasonBroken, errors.Join(errors.New("its format is not recorded"), err))
			return nil, false
		}
		next.Format, next.Complete = h.format, true
	} else if isNotExist(err) {
		s.refuse(next.Path, ReasonBroken, errors.New("it does not exist"))
		return nil, false
	} else if err != nil {
		s.refuse(next.Path, ReasonUnreadable, err)
		return nil, false
	}
	return next, true
}

// below resolves a name against a directory.
func below(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return join(dir, name)
}

func (s *strict) chardevs() {
	d := &s.domain.Devices
	for _, group := range [...]struct {
		kind DeviceKind
		list []Chardev
	}{
		{DeviceSerial, d.Serials}, {DeviceConsole, d.Consoles}, {DeviceParallel, d.Parallels},
		{DeviceChannel, d.Channels}, {DeviceChardev, d.Chardevs},
	} {
		for i := range group.list {
			ch := &group.list[i]
			s.device = device(group.kind, ch.ID, i)
			if !s.known("type of character device", string(ch.Type), knownChardevs) {
				continue
			}
			if ch.Log != "" {
				s.grant(useLog, ch.Log, permW)
			}
			if !ch.Type.local() || ch.Path == "" {
				if ch.Type == ChardevPTY {
					// Which one it gets is the kernel's to say.
					s.list = append(s.list, Rule{Device: s.device, Path: ownTerminals, Perms: permRW})
				}
				continue
			}
			switch ch.Type {
			case ChardevFile:
				s.grant(useLog, ch.Path, permW)
			case ChardevPipe:
				s.grant(usePipe, ch.Path+".in", permRW)
				s.grant(usePipe, ch.Path+".out", permRW)
			case ChardevUnix:
				s.grant(useSocket, ch.Path, permRW)
			case ChardevPTY:
				s.grant(usePTY, ch.Path, permRW)
			default:
				s.grant(useSerial, ch.Path, permRW)
			}
		}
	}
}

func (s *strict) graphics() {
	for i := range s.domain.Devices.Graphics {
		g := &s.domain.Devices.Graphics[i]
		s.device = device(DeviceGraphics, g.ID, i)
		if g.Type != "" {
			s.known("type of graphics", g.Type, knownGraphics)
		}
		node := g.RenderNode
		if node == "" && g.GL && s.look != nil {
			node = s.look.renderNode()
		}
		if g.GL || node != "" {
			s.list = appendGL(s.list, s.device)
		}
		if node != "" {
			s.grant(useRender, node, permRW)
			s.nvidia(node)
		}
		for _, socket := range g.Sockets {
			s.grant(useSocket, socket, permRW)
		}
		if g.XAuth != "" {
			s.grant(useDisplay, g.XAuth, permR)
		}
		s.display(g)
	}
}

func (s *strict) hostDevices() {
	for i := range s.domain.Devices.HostDevices {
		h := &s.domain.Devices.HostDevices[i]
		s.device = device(DeviceHost, h.ID, i)
		if h.ROM != "" {
			s.grant(useFirmware, h.ROM, permR)
		}
		switch h.Kind {
		case HostNet:
			continue // the interface is moved into the container
		case HostStorage, HostMisc:
			s.grant(useCapability, h.Node, permRW)
			continue
		}
		if s.look == nil {
			s.refuse("", ReasonNoDevice, errNoLookup)
			continue
		}
		switch h.Kind {
		case HostUSB:
			node, err := s.look.usb(h.USB)
			switch {
			case h.Optional && (errors.Is(err, errNoDevice) || isNotExist(err)):
				s.warn(WarnAbsent, "", "there is no such device, and the machine may go without it", "derive again once it is plugged in")
			case errors.Is(err, errAmbiguous):
				s.refuse("", ReasonAmbiguous, nil)
			case err != nil:
				s.refuse("", ReasonNoDevice, err)
			default:
				s.grant(useNode, node, permRW)
			}
		case HostPCI:
			s.pci(h)
		case HostMDev:
			if s.component(h.MDev) {
				s.vfio("/sys/bus/mdev/devices/" + h.MDev)
			}
		case HostSCSI:
			s.scsi(h)
		case HostSCSIHost:
			s.grant(useNode, "/dev/vhost-scsi", permRW)
		default:
			s.refuse("", ReasonUnsupported, errors.New("unknown kind of host device "+strconv.Quote(string(h.Kind))))
		}
	}
}

// pci grants a PCI device. With VFIO all that matters goes through the group;
// the files of sysfs are read to learn what the device is.
func (s *strict) pci(h *HostDevice) {
	dir := h.PCI.sysfs()
	real, err := s.look.real(dir)
	if err != nil {
		s.refuse(dir, ReasonNoDevice, err)
		return
	}
	perms := permR
	if h.Driver != "" && h.Driver != "vfio" {
		perms = permRW
	}
	for _, path := range s.look.pciFiles(h.PCI) {
		s.literal(real+path[len(dir):], perms)
	}
	switch {
	case perms == permR && !h.IOMMUFD:
		s.vfio(dir)
	case h.IOMMUFD:
		s.cdev(dir)
	case s.opts.Origin == FromTenant && !withinAny(real, s.roots(rootDevices)):
		s.refuse(real, ReasonOutside, errors.New("Options.Roots.Devices has nothing that it is in"))
	}
}

// cdev grants the node that VFIO has for a device, and that of IOMMUFD. A device
// has its node once it is bound to VFIO.
func (s *strict) cdev(dir string) {
	real, err := s.look.real(dir)
	if err != nil {
		s.refuse(dir, ReasonNoDevice, err)
		return
	}
	allowed := withinAny(real, s.roots(rootDevices))
	names, err := s.look.readDir(dir + "/vfio-dev")
	switch {
	case err == nil && len(names) == 1 && strings.HasPrefix(names[0], "vfio"):
		if node := "/dev/vfio/devices/" + names[0]; allowed {
			s.literal(node, permRW)
		} else {
			s.grant(useNode, node, permRW)
		}
	case s.opts.Origin == FromTenant && !allowed:
		s.refuse(real, ReasonOutside, errors.New("Options.Roots.Devices has nothing that it is in"))
		return
	default:
		s.warn(WarnAbsent, real+"/vfio-dev", "the device is not bound to VFIO, so its node is not known", "derive again once it is")
	}
	s.literal("/dev/iommu", permRW)
}

// vfio grants the VFIO group of a device.
func (s *strict) vfio(dir string) {
	group, err := s.look.real(dir + "/iommu_group")
	if err != nil {
		s.refuse(dir, ReasonNoDevice, err)
		return
	}
	number := path.Base(group)
	if _, err := strconv.ParseUint(number, 10, 31); err != nil {
		s.refuse(group, ReasonNoDevice, err)
		return
	}
	s.grant(useNode, "/dev/vfio/"+number, permRW)
	s.literal("/dev/vfio/vfio", permRW)
}

// scsi grants the generic node of a SCSI device.
func (s *strict) scsi(h *HostDevice) {
	if h.SCSI == nil {
		return // it is reached over the network
	}
	a := h.SCSI
	dir := fmt.Sprintf("/sys/bus/scsi/devices/%d:%d:%d:%d/scsi_generic", a.Host, a.Bus, a.Target, a.Unit)
	names, err := s.look.readDir(dir)
	if err != nil || len(names) != 1 || !strings.HasPrefix(names[0], "sg") {
		s.refuse(dir, ReasonNoDevice, err)
		return
	}
	s.grant(useNode, "/dev/"+names[0], permRWK)
}

// directories grants what is shared, and plain nodes.
func (s *strict) directories() {
	d := &s.domain.Devices
	for i := range d.Filesystems {
		f := &d.Filesystems[i]
		s.device = device(DeviceFilesystem, f.ID, i)
		perms := permRWL
		if s.within.companion {
			// The guest's locks become those of the server.
			perms |= ast.FileLock
		}
		if f.ReadOnly {
			perms &= permRK
		}
		switch {
		case !s.known("driver of a file system", f.Driver, knownDrivers):
		case f.Driver != "virtiofs":
			s.share(useShare, f.Source, perms)
		case f.Socket != "":
			s.grant(useSocket, f.Socket, permRW)
		case !s.domain.isQEMU():
			s.refuse("", ReasonEmpty, errors.New("a virtiofs that libvirt does not start has a socket"))
		default:
			s.virtiofs(f, i)
		}
	}
	for i := range d.Inputs {
		in := &d.Inputs[i]
		s.device = device(DeviceInput, in.ID, i)
		if in.Socket != "" {
			s.grant(useVHostUser, in.Socket, permRW)
		}
		if in.Path != "" || in.Socket == "" {
			s.grant(useInput, in.Path, permRW)
		}
	}
	for i := range d.PStores {
		s.device = device(DevicePStore, d.PStores[i].ID, i)
		s.grant(useMemory, d.PStores[i].Path, permRW)
	}
}

func (s *strict) nets() {
	for i := range s.domain.Devices.Nets {
		n := &s.domain.Devices.Nets[i]
		s.device = device(DeviceNet, n.ID, i)
		if n.Socket != "" {
			if real, ok := s.check(useVHostUser, n.Socket, permRW); ok {
				s.literal(real, permRW)
				if s.within.companion && n.Backend == "passt" {
					// With --vhost-user it also listens for passt-repair(1), which
					// works for migration, and does not start without; passt(1).
					s.literal(real+".repair", permRW)
				}
			}
		}
		if n.VHost && n.VHostNode == "" {
			s.literal("/dev/vhost-net", permRW)
		}
		s.net(n, i)
	}
}

func (s *strict) memory() {
	d := &s.domain.Devices
	for i := range d.Memory {
		m := &d.Memory[i]
		s.device = device(DeviceMemory, m.ID, i)
		s.known("model of memory", m.Model, knownMemory)
		switch m.Model {
		case "nvdimm", "virtio-pmem":
			perms := permRW
			if m.ReadOnly {
				perms = permR
			}
			s.grant(useMemory, m.Path, perms)
		case "sgx-epc":
			s.literal("/dev/sgx_vepc", permRW)
			s.literal("/dev/sgx_provision", permR)
		}
		if m.PageKiB > 0 {
			s.hugePages(&HugePages{SizeKiB: m.PageKiB})
		}
	}
	for i := range d.Shmem {
		m := &d.Shmem[i]
		s.device = device(DeviceShmem, m.ID, i)
		switch {
		case !s.known("model of shared memory", m.Model, knownShmem):
		case m.Server != "":
			s.grant(useSocket, m.Server, permRW)
		case !s.component(m.Name):
		case m.Model == "ivshmem-plain":
			s.common(rootImages, "/dev/shm/"+m.Name)
		default:
			s.common(rootSockets, "/var/lib/libvirt/shmem-"+m.Name+"-sock")
		}
	}
}

// tpms grants the socket of an emulator and, as libvirt starts it under the
// machine's own profile, what it keeps.
func (s *strict) tpms() {
	d := s.domain
	for i := range d.Devices.TPMs {
		t := &d.Devices.TPMs[i]
		s.device = device(DeviceTPM, t.ID, i)
		switch {
		case !s.known("backend of a TPM", t.Backend, knownTPMs):
		case t.Path == "":
		case t.Backend == "external", t.Backend == "emulator" && (!d.isQEMU() || d.serves(s.device)):
			s.grant(useSocket, t.Path, permRW)
		default:
			s.grant(useTPM, t.Path, permRW)
		}
		if s.within.companion && t.State != "" {
			s.tpmState(t)
		}
		if t.Backend != "emulator" || !d.isQEMU() || d.serves(s.device) {
			continue
		}
		state := "tpm2"
		switch t.Version {
		case "", "2.0":
		case "1.2":
			state = "tpm1.2"
		default:
			s.refuse("", ReasonUnsupported, fmt.Errorf("version %q", t.Version))
			continue
		}
		if t.State == "" {
			s.below("/var/lib/libvirt/swtpm/"+d.UUID+"/"+state, "**", permRWK)
		} else {
			s.tpmState(t)
		}
		s.literal("/var/log/swtpm/libvirt/qemu/"+d.Name+"-swtpm.log", permW)
		if d.ID != nil {
			short := "/run/libvirt/qemu/swtpm/" + d.shortName() + "-swtpm"
			s.literal(short+".sock", permRW)
			s.literal(short+".pid", permRW)
		} else {
			s.numberless("/run/libvirt/qemu/swtpm/ID-" + d.Name + "-swtpm.sock")
		}
	}
}

// tpmState grants where an emulator keeps its state.
func (s *strict) tpmState(t *TPM) {
	if t.StateFile {
		s.grant(useVariables, t.State, permRWK)
	} else {
		s.share(useState, t.State, permRWK)
	}
}

// smartcards grants databases of certificates. The host's own is below /etc
// and yet made for this.
func (s *strict) smartcards() {
	for i := range s.domain.Devices.Smartcards {
		c := &s.domain.Devices.Smartcards[i]
		s.device = device(DeviceSmartcard, c.ID, i)
		s.known("mode of a smartcard reader", c.Mode, knownSmartcards)
		database := nssDatabase
		switch c.Mode {
		case "host":
		case "host-certificates":
			if c.Database != "" && c.Database != nssDatabase {
				real, ok := s.check(useDirectory, c.Database, permRK)
				if !ok {
					continue
				}
				database = real
			}
		default:
			continue
		}
		s.below(database, "*", permRK)
	}
}

// programs grants what may be executed.
func (s *strict) programs() {
	for i := range s.domain.Devices.Programs {
		p := &s.domain.Devices.Programs[i]
		s.device = device(DeviceProgram, p.ID, i)
		real, found, file, ok := s.canonical(p.Path)
		if !ok {
			continue
		}
		reason, err := s.allowedProgram(real)
		if reason == "" && s.look != nil {
			reason, err = s.fits(real, found, file, useProgram, permMR)
		}
		if reason == "" && found {
			reason, err = s.guarded(real, file)
		}
		if reason != "" {
			s.refuse(real, reason, err)
			continue
		}
		s.program(real)
	}
}

// checkPrograms refuses programs that the machine could write: its own code
// would run there with all that the machine may do.
func checkPrograms(list []Rule) error {
	var errs []error
	for i := range list {
		if list[i].Exec == ast.ExecNone {
			continue
		}
		for j := range list {
			w := &list[j]
			if w.Perms&(ast.FileWrite|ast.FileAppend|ast.FileLink) != 0 && covers(w.Path, list[i].Path) {
				path, _ := list[i].Path.Unescape()
				errs = append(errs, &PathError{Device: list[i].Device, Path: path, Reason: ReasonWritable, Err: errors.New("by way of " + w.Device.String())})
				break
			}
		}
	}
	return errors.Join(errs...)
}

// covers reports whether the pattern of a rule, which is a literal or all that
// is in a directory, matches a literal path.
func covers(pattern, path ast.Pattern) bool {
	p := string(pattern)
	if dir, ok := strings.CutSuffix(p, "/**"); ok {
		p = dir
	} else if dir, ok := strings.CutSuffix(p, "/*"); ok {
		p = dir
	} else {
		return pattern == path
	}
	return strings.HasPrefix(string(path), p+"/")
}

func (s *strict) extra() {
	for i := range s.domain.Devices.Extra {
		a := &s.domain.Devices.Extra[i]
		s.device = device(DeviceExtra, a.ID, i)
		perms, ok := parsePerms(a.Perms)
		switch {
		case !ok:
			s.refuse(a.Path, ReasonPerms, errors.New(strconv.Quote(a.Perms)))
		case perms&ast.FileLink != 0 && !a.Recursive:
			s.refuse(a.Path, ReasonPerms, errors.New("links are made within a directory: l takes Recursive"))
		case a.Recursive:
			s.share(useExtraTree, a.Path, perms)
		default:
			s.grant(useExtra, a.Path, perms)
		}
	}
}
