// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// maxChain is how many elements of a chain of images the reference follows.
const maxChain = 200

// compat derives what virt-aa-helper of one version writes. Its mistakes are
// kept: the point is to be the same, byte for byte.
type compat struct {
	domain  *Domain
	look    *lookup
	version release
	closed  bool // images are not opened
	device  Device
	rules   Rules

	vhostNet, vfio, gl bool
}

func deriveCompat(d *Domain, o *Options) (*Rules, error) {
	if err := checkCompatName(d.Name); err != nil {
		return nil, err
	}
	look, err := newLookup(o.fs())
	if err != nil {
		return nil, err
	}
	defer look.close()
	c := &compat{domain: d, look: look, version: o.Method.release(), closed: o.NoProbe}
	c.rules.method = o.Method
	if err := c.derive(); err != nil {
		return nil, err
	}
	return &c.rules, nil
}

// derive walks the domain in the order in which the reference writes.
func (c *compat) derive() error {
	d := c.domain
	steps := [...]func(*Domain) error{
		c.runtime, c.disks, c.chardevs, c.boot, c.graphics, c.hostDevices, c.filesystems,
		c.inputs, c.nets, c.memory, c.fwCfg, c.shmem, c.tpms, c.smartcards, c.last,
	}
	for _, step := range steps {
		if err := step(d); err != nil {
			return err
		}
	}
	return nil
}

// line adds a rule, its path as it is.
func (c *compat) line(path string, perms string) {
	c.rules.addVerbatim(c.device, path, perms, false)
}

// restricted are path prefixes that the reference grants to no machine.
var restricted = [...]string{
	"/bin/", "/etc/", "/lib", "/lost+found/", "/proc/", "/sbin/", "/selinux/", "/sys/",
	"/usr/bin/", "/usr/lib", "/usr/sbin/", "/usr/share/",
	"/usr/local/bin/", "/usr/local/etc/", "/usr/local/lib", "/usr/local/sbin/",
}

// readOnly are the prefixes that it grants for reading only; those of
// readOnlyNewer came after 9.0.
var readOnly = [...]string{
	"/boot/", "/vmlinuz", "/initrd", "/initrd.img",
	"/usr/share/edk2/", "/usr/share/OVMF/", "/usr/share/ovmf/", "/usr/share/AAVMF/",
	"/usr/share/qemu-efi/", "/usr/share/qemu-efi-aarch64/",
	"/usr/lib/u-boot/", "/usr/lib/riscv64-linux-gnu/opensbi",
}

var readOnlyNewer = [...]string{
	"/usr/share/edk2-ovmf/", "/usr/share/qemu-efi-loongarch64/", "/usr/share/qemu-efi-riscv64/", "/usr/share/qemu/",
}

// permitted are exceptions from what is restricted.
var permitted = [...]string{
	"/sys/devices/pci", "/sys/kernel/config/target/vhost", "/etc/libvirt-sandbox/services/",
}

func hasPrefix(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	return false
}

// valid returns the reason to refuse a canonical path, or nothing.
func (c *compat) valid(path string, reading bool) Reason {
	switch {
	case strings.IndexByte(path, '"') >= 0:
		return ReasonQuote
	case !strings.HasPrefix(path, "/"):
		return ReasonRelative
	case hasPrefix(path, permitted[:]):
		return ""
	case hasPrefix(path, readOnly[:]), c.version >= libvirt113 && hasPrefix(path, readOnlyNewer[:]):
		if reading {
			return ""
		}
		return ReasonReadOnly
	case hasPrefix(path, restricted[:]):
		return ReasonRestricted
	}
	return ""
}

// dirname is g_path_get_dirname: trailing slashes do not count.
func dirname(path string) string {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 {
		return "."
	}
	dir := strings.TrimRight(path[:slash], "/")
	if dir == "" {
		return "/"
	}
	return dir
}

// canonical follows the symbolic links in the part of path that exists and
// keeps the rest as it is written.
func (c *compat) canonical(path string) string {
	for prefix := path; prefix != "/"; prefix = dirname(prefix) {
		if real, err := c.look.real(prefix); err == nil {
			return real + path[len(prefix):]
		}
	}
	return path
}

// add derives the rules of one path. Perms are letters; R means reading
// without the rule that silences writing. A path that is not absolute is left
// out, as the reference does.
func (c *compat) add(path, perms string, recursive bool) error {
	if !strings.HasPrefix(path, "/") {
		return nil
	}
	real := c.canonical(path)
	writes := strings.Contains(perms, "w")
	if reason := c.valid(real, !writes); reason != "" {
		return &PathError{Device: c.device, Path: real, Reason: reason}
	}
	real = strings.TrimSuffix(real, "/")
	deny := !writes && !strings.Contains(perms, "R")
	perms = strings.ToLower(perms)
	if recursive {
		c.line(real+"/**", perms)
		c.line(real+"/", "r")
		return nil
	}
	c.line(real, perms)
	if deny {
		c.rules.addVerbatim(c.device, real, "w", true)
	}
	return nil
}

// shortNameBytes is how much of a machine's name libvirt takes for the names of
// its directories.
const shortNameBytes = 20

// shortName is the name that libvirt gives a machine's directories.
func (d *Domain) shortName() string {
	id := -1
	if d.ID != nil {
		id = *d.ID
	}
	return strconv.Itoa(id) + "-" + d.Name[:min(len(d.Name), shortNameBytes)]
}

// isQEMU reports whether the machine is one of libvirt's QEMU driver.
func (d *Domain) isQEMU() bool {
	return d.Type == "qemu" || d.Type == "kqemu" || d.Type == "kvm"
}

func (c *compat) runtime(d *Domain) error {
	c.device = Device{Kind: DeviceDomain}
	if !d.isQEMU() {
		return nil
	}
	c.line("/var/log/libvirt/**/"+d.Name+".log", "w")
	c.line("/var/lib/libvirt/qemu/domain-"+d.Name+"/monitor.sock", "rw")
	c.line("/var/lib/libvirt/qemu/domain-"+d.shortName()+"/*", "rw")
	c.line("/run/libvirt/**/"+d.Name+".pid", "rwk")
	c.line("/run/libvirt/**/*.tunnelmigrate.dest."+d.Name, "rw")
	return nil
}

func (c *compat) disks(d *Domain) error {
	for i := range d.Devices.Disks {
		disk := &d.Devices.Disks[i]
		c.device = device(DeviceDisk, disk.ID, i)
		if err := c.chain(c.images(&disk.Image), disk.ReadOnly); err != nil {
			return err
		}
	}
	return nil
}

// images returns the chain of an image, the top first: as the description has
// it if it has more than the top, otherwise as the images themselves say.
func (c *compat) images(top *Image) []*Image {
	var list []*Image
	if top.Backing != nil || top.Complete || c.closed || top.Volume && c.version < libvirt113 {
		for i := top; i != nil && len(list) < maxChain; i = i.Backing {
			list = append(list, i)
		}
		return list
	}
	list = c.probe(list, top)
	return list
}

// probe appends an image and what its header leads to.
func (c *compat) probe(list []*Image, image *Image) []*Image {
	for image != nil && len(list) < maxChain {
		h, ok := c.header(image)
		if ok && h.data != "" && image.Data == nil {
			if data := c.below(image, h.data); data != "" {
				withData := *image
				withData.Data = &Image{Type: ImageFile, Path: data}
				image = &withData
			}
		}
		list = append(list, image)
		if !ok || h.backing == "" {
			break
		}
		b := parseBackingName(h.backing)
		if b.path == "" || b.format != "" && b.format != "raw" || b.json && !strings.HasPrefix(b.path, "/") {
			break
		}
		path := c.below(image, b.path)
		if !c.look.exists(path) {
			break
		}
		next := &Image{Type: ImageFile, Path: path, Format: h.backingFormat}
		if next.Format == "" {
			// Nothing says what the file is: it is taken if it has no backing
			// file.
			if real, err := c.look.real(path); err == nil {
				if h, err := c.look.probe(real); err == nil {
					if h.backing != "" {
						break
					}
					next.Format = h.format
				}
			}
		}
		image = next
	}
	return list
}

// header reads the header of an image that may have a backing file.
func (c *compat) header(image *Image) (header, bool) {
	if !image.local() || image.Type == ImageDir || !probes(image.Format) || !strings.HasPrefix(image.Path, "/") {
		return header{}, false
	}
	real, err := c.look.real(image.Path)
	if err != nil {
		return header{}, false
	}
	h, err := c.look.probe(real)
	return h, err == nil && h.format == image.Format
}

// below resolves a name in an image against the directory of the image, as it
// is written.
func (c *compat) below(image *Image, path string) string {
	if strings.HasPrefix(path, "/") {
		return path
	}
	return join(dirname(image.Path), path)
}

// chain adds the rules of a chain of images.
func (c *compat) chain(list []*Image, readOnly bool) error {
	read := "rk"
	if c.version >= libvirt128 {
		read = "Rk"
	}
	for depth, image := range list {
		perms := read
		if depth == 0 && !readOnly {
			perms = "rwk"
		}
		if image.local() && !(image.Volume && c.version < libvirt113) {
			if err := c.add(image.Path, perms, false); err != nil {
				return err
			}
		}
		if c.version < libvirt113 || image.Data == nil || !image.Data.local() {
			continue
		}
		perms = read
		if depth == 0 {
			perms = "rwk"
		}
		if err := c.add(image.Data.Path, perms, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) chardevs(d *Domain) error {
	for _, group := range [...]struct {
		kind DeviceKind
		list []Chardev
	}{
		{DeviceSerial, d.Devices.Serials},
		{DeviceConsole, d.Devices.Consoles},
		{DeviceParallel, d.Devices.Parallels},
		{DeviceChannel, d.Devices.Channels},
	} {
		for i := range group.list {
			ch := &group.list[i]
			c.device = device(group.kind, ch.ID, i)
			if !ch.Type.local() || ch.Path == "" {
				continue
			}
			paths := []string{ch.Path}
			if ch.Type == ChardevPipe && group.kind != DeviceConsole {
				paths = []string{ch.Path + ".in", ch.Path + ".out"}
			}
			for _, path := range paths {
				if err := c.add(path, "rw", false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *compat) boot(d *Domain) error {
	type file struct{ id, path, perms string }
	b := &d.Boot
	files := []file{{"kernel", b.Kernel, "r"}, {"initrd", b.Initrd, "r"}}
	if c.version >= libvirt113 {
		files = append(files, file{"shim", b.Shim, "r"})
	}
	files = append(files, file{"dtb", b.DTB, "r"})
	for _, path := range b.ACPI {
		files = append(files, file{"acpi", path, "r"})
	}
	if c.version >= libvirt113 {
		for _, p := range d.Devices.PStores {
			files = append(files, file{"pstore", p.Path, "rw"})
		}
	}
	if b.Loader != nil {
		perms := "rk"
		if c.version >= libvirt113 && !b.Loader.ReadOnly && !(c.version >= libvirt128 && b.Loader.Type == "rom") {
			perms = "rwk"
		}
		files = append(files, file{"loader", b.Loader.Path, perms})
	}
	if b.NVRAM != nil && b.NVRAM.local() {
		files = append(files, file{"nvram", b.NVRAM.Path, "rwk"})
	}
	if c.version >= libvirt128 && b.Loader != nil {
		files = append(files, file{"varstore", b.VarStore, "rw"})
	}
	for _, f := range files {
		if f.path == "" {
			continue
		}
		c.device = Device{DeviceBoot, f.id}
		if f.id == "pstore" {
			c.device = Device{Kind: DevicePStore}
		}
		if err := c.add(f.path, f.perms, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) graphics(d *Domain) error {
	for i := range d.Devices.Graphics {
		g := &d.Devices.Graphics[i]
		c.device = device(DeviceGraphics, g.ID, i)
		node := g.RenderNode
		if node == "" && g.GL {
			node = c.look.renderNode()
		}
		if node != "" {
			c.gl = true
			if err := c.add(node, "rw", false); err != nil && c.version >= libvirt128 {
				return err
			}
		}
		for _, socket := range g.Sockets {
			if err := c.add(socket, "rw", false); err != nil {
				return err
			}
		}
	}
	if g := d.Devices.Graphics; len(g) == 1 && g[0].Type == "sdl" {
		if g[0].XAuth == "" {
			return &PathError{Device: c.device, Reason: ReasonEmpty}
		}
		return c.add(g[0].XAuth, "r", false)
	}
	return nil
}

// renderNode finds the first DRM render node.
func (l *lookup) renderNode() string {
	names, err := l.readDir("/dev/dri")
	if err != nil {
		return ""
	}
	for _, n := range names {
		if strings.HasPrefix(n, "renderD") {
			return "/dev/dri/" + n
		}
	}
	return ""
}

func (c *compat) hostDevices(d *Domain) error {
	for i := range d.Devices.HostDevices {
		h := &d.Devices.HostDevices[i]
		c.device = device(DeviceHost, h.ID, i)
		switch h.Kind {
		case HostUSB:
			if h.USB == (USBAddress{}) && c.version < libvirt113 {
				// The reference crashes.
				return &PathError{Device: c.device, Reason: ReasonNoDevice}
			}
			if path, err := c.look.usb(h.USB); err == nil {
				if err := c.add(path, "rw", false); err != nil {
					return err
				}
			}
		case HostMDev:
			c.vfio = true
		case HostMisc:
			c.vfio = c.vfio || c.version < libvirt113
		case HostPCI:
			if (h.Driver == "" || h.Driver == "vfio") && !(c.version >= libvirt128 && h.IOMMUFD) {
				c.vfio = true
			}
			for _, path := range c.look.pciFiles(h.PCI) {
				if err := c.add(path, "rw", false); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// pciFiles returns the files of a PCI device that a VMM may open, in the order
// of the directory. A device that is not there has none.
func (l *lookup) pciFiles(a PCIAddress) []string {
	dir := a.sysfs()
	names, err := l.readDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, n := range names {
		switch {
		case n == "config", n == "rom", n == "vendor", n == "device", n == "reset", strings.HasPrefix(n, "resource"):
			files = append(files, dir+"/"+n)
		}
	}
	return files
}

// sysfs returns the directory of the device.
func (a PCIAddress) sysfs() string {
	return fmt.Sprintf("/sys/bus/pci/devices/%04x:%02x:%02x.%x", a.Domain, a.Bus, a.Slot, a.Function)
}

func (c *compat) filesystems(d *Domain) error {
	for i := range d.Devices.Filesystems {
		f := &d.Devices.Filesystems[i]
		c.device = device(DeviceFilesystem, f.ID, i)
		if f.Driver != "" && f.Driver != "path" {
			continue
		}
		perms := "rwl"
		if f.ReadOnly {
			perms = "R"
		}
		if err := c.add(f.Source, perms, true); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) inputs(d *Domain) error {
	for i := range d.Devices.Inputs {
		c.device = device(DeviceInput, d.Devices.Inputs[i].ID, i)
		if d.Devices.Inputs[i].Path == "" && d.Devices.Inputs[i].Socket != "" {
			continue
		}
		if err := c.add(d.Devices.Inputs[i].Path, "rw", false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) nets(d *Domain) error {
	for i := range d.Devices.Nets {
		n := &d.Devices.Nets[i]
		c.device = device(DeviceNet, n.ID, i)
		c.vhostNet = c.vhostNet || n.VHost
		if err := c.add(n.Socket, "rw", false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) memory(d *Domain) error {
	for i := range d.Devices.Memory {
		m := &d.Devices.Memory[i]
		c.device = device(DeviceMemory, m.ID, i)
		switch {
		case m.Model == "nvdimm", m.Model == "virtio-pmem" && c.version >= libvirt113:
			if m.Path == "" {
				return &PathError{Device: c.device, Reason: ReasonEmpty}
			}
			if err := c.add(m.Path, "rw", false); err != nil {
				return err
			}
		case m.Model == "sgx-epc" && c.version >= libvirt113:
			if err := c.add("/dev/sgx_vepc", "rw", false); err != nil {
				return err
			}
			if err := c.add("/dev/sgx_provision", "r", false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *compat) fwCfg(d *Domain) error {
	c.device = Device{DeviceBoot, "fw_cfg"}
	for _, path := range d.Boot.FWCfg {
		if err := c.add(path, "r", false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) shmem(d *Domain) error {
	for i := range d.Devices.Shmem {
		s := &d.Devices.Shmem[i]
		c.device = device(DeviceShmem, s.ID, i)
		path := s.Server
		switch {
		case path != "":
		case s.Model == "ivshmem-plain":
			path = "/dev/shm/" + s.Name
		default:
			path = "/var/lib/libvirt/shmem-" + s.Name + "-sock"
		}
		if err := c.add(path, "rw", false); err != nil {
			return err
		}
	}
	return nil
}

func (c *compat) tpms(d *Domain) error {
	for i := range d.Devices.TPMs {
		t := &d.Devices.TPMs[i]
		c.device = device(DeviceTPM, t.ID, i)
		if t.Backend != "emulator" {
			continue
		}
		version := "(null)"
		switch t.Version {
		case "1.2":
			version = "tpm1.2"
		case "2.0":
			version = "tpm2"
		}
		short := "/run/libvirt/qemu/swtpm/" + d.shortName() + "-swtpm"
		state := "/var/lib/libvirt/swtpm/" + d.UUID + "/" + version
		c.line(short+".sock", "rw")
		c.line(state+"/", "r")
		c.line(state+"/**", "rwk")
		c.line("/var/log/swtpm/libvirt/qemu/"+d.Name+"-swtpm.log", "w")
		c.line(short+".pid", "rw")
	}
	return nil
}

func (c *compat) smartcards(d *Domain) error {
	for i := range d.Devices.Smartcards {
		s := &d.Devices.Smartcards[i]
		c.device = device(DeviceSmartcard, s.ID, i)
		database := nssDatabase
		switch s.Mode {
		case "host":
		case "host-certificates":
			if s.Database != "" {
				database = s.Database
			}
		default:
			continue
		}
		if i := strings.IndexAny(database, "\"\n"); i >= 0 && c.version >= libvirt128 {
			return &PathError{Device: c.device, Path: database, Reason: ReasonQuote}
		}
		c.line(database+"/{,*}", "rk")
	}
	return nil
}

// nssDatabase is the host's database of certificates.
const nssDatabase = "/etc/pki/nssdb"

// last adds what is asked for once, after the devices that ask for it.
func (c *compat) last(d *Domain) error {
	c.device = Device{Kind: DeviceDomain}
	if c.vhostNet {
		c.line("/dev/vhost-net", "rw")
	}
	if c.vfio {
		c.line("/dev/vfio/vfio", "rw")
		c.line("/dev/vfio/[0-9]*", "rw")
	}
	if c.gl {
		c.glLibraries()
	}
	if c.version >= libvirt128 && (d.LaunchSecurity == "sev" || d.LaunchSecurity == "sev-snp") {
		c.line("/dev/sev", "rw")
	}
	for i := range d.Devices.Extra {
		a := &d.Devices.Extra[i]
		c.device = device(DeviceExtra, a.ID, i)
		if _, ok := parsePerms(a.Perms); !ok {
			return &PathError{Device: c.device, Path: a.Path, Reason: ReasonPerms}
		}
		if err := c.add(a.Path, a.Perms, a.Recursive); err != nil {
			return err
		}
	}
	return nil
}

// glLibraries adds the block that any use of GL brings.
func (c *compat) glLibraries() {
	r := &c.rules
	r.addComment("DRI/Mesa/(e)GL config and driver paths")
	c.line("/usr/lib{,32,64}/dri/*.so*", "mr")
	c.line("/usr/lib/@{multiarch}/dri/*.so*", "mr")
	c.line("/usr/lib/fglrx/dri/*.so*", "mr")
	c.line("/etc/drirc", "r")
	c.line("/usr/share/drirc.d/{,*.conf}", "r")
	c.line("/etc/glvnd/egl_vendor.d/{,*}", "r")
	c.line("/usr/share/glvnd/egl_vendor.d/{,*}", "r")
	c.line("/usr/share/egl/egl_external_platform.d/", "r")
	c.line("/usr/share/egl/egl_external_platform.d/*", "r")
	c.line("/proc/modules", "r")
	c.line("/proc/driver/nvidia/params", "r")
	c.line("/dev/nvidiactl", "rw")
	r.addComment("Probe DRI device attributes")
	c.line("/dev/dri/", "r")
	c.line("/sys/devices/**/{uevent,vendor,device,subsystem_vendor,subsystem_device,config,revision}", "r")
	r.addComment("dri libs will trigger that, but t is not requited and DAC would deny it anyway")
	r.text = append(r.text, "  deny \"/var/lib/libvirt/.cache/\" w,\n"...)
	r.list = append(r.list, Rule{Device: c.device, Path: "/var/lib/libvirt/.cache/", Perms: ast.FileWrite, Deny: true})
}
