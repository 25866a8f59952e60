// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// arguments grants what options of QEMU name that a description has besides its
// devices: those of QEMU 7.2 to 11.1, by qemu(1) and `qemu-system-x86_64
// -object help`.
func (s *strict) arguments() {
	c := &s.domain.CommandLine
	if len(c.Args)+len(c.Env)+len(c.Properties) == 0 {
		return
	}
	if s.opts.Origin == FromTenant {
		s.device = Device{DeviceArgument, "all"}
		s.refuse("", ReasonTenant, errors.New("clear Domain.CommandLine"))
		return
	}
	for i := 0; i < len(c.Args); i++ {
		option := strings.TrimPrefix(strings.TrimPrefix(c.Args[i], "-"), "-")
		if option == c.Args[i] || option == "" {
			// QEMU takes it for a disk.
			s.device = Device{DeviceArgument, strconv.Itoa(i)}
			s.image(map[string]string{"file": c.Args[i]})
			continue
		}
		s.device = Device{DeviceArgument, "-" + option}
		if slices.Contains(flags, option) {
			continue
		}
		if i++; i == len(c.Args) {
			s.unknown(c.Args[i-1], "the option has no value, or is not known")
			return
		}
		s.option(option, c.Args[i])
	}
	for _, variable := range c.Env {
		name, value, _ := strings.Cut(variable, "=")
		s.device = Device{DeviceArgument, name}
		s.environment(name, value)
	}
	for _, p := range c.Properties {
		s.device = Device{DeviceArgument, p.Device + "." + p.Name}
		s.property(p.Name, p.Value)
	}
}

// unknown warns of an argument that may name something.
func (s *strict) unknown(argument, text string) {
	s.warn(WarnArgument, argument, text, "add what it opens to Devices.Extra")
}

// flags are the options without a value.
var flags = []string{
	"S", "alt-grab", "ctrl-grab", "curses", "daemonize", "enable-fips", "enable-kvm", "full-screen", "h", "help", "mem-prealloc", "no-acpi", "no-fd-bootchk",
	"no-hpet", "no-kvm", "no-quit", "no-reboot", "no-shutdown", "no-user-config", "nodefaults", "nographic", "old-param", "only-migratable", "portrait",
	"preconfig", "semihosting", "show-cursor", "singlestep", "snapshot", "usb", "version", "win2k-hack", "xen-attach",
}

// plainOptions are the options whose values name nothing of the host's files.
var plainOptions = []string{
	"M", "accel", "action", "add-fd", "append", "audio", "balloon", "compat", "cpu", "d", "dfilter", "echr", "g", "icount", "iscsi", "k", "loadvm", "m", "mon",
	"msg", "name", "numa", "overcommit", "prom-env", "realtime", "rotate", "rtc", "runas", "sandbox", "seed", "semihosting-config", "set", "smp", "soundhw", "tb-size",
	"usbdevice", "uuid", "vga", "watchdog", "watchdog-action", "xen-domid",
}

// option grants what the value of an option names.
func (s *strict) option(option, value string) {
	if slices.Contains(plainOptions, option) {
		return
	}
	firmware := func(path string) { s.grant(useFirmware, path, permR) }
	switch option {
	case "kernel", "initrd", "dtb", "shim", "option-rom":
		firmware(value)
	case "bios":
		if strings.Contains(value, "/") { // otherwise QEMU has it
			firmware(value)
		}
	case "pflash":
		s.image(map[string]string{"file": value, "if": "pflash"})
	case "hda", "hdb", "hdc", "hdd", "fda", "fdb", "sd", "mtdblock":
		s.image(map[string]string{"file": value})
	case "cdrom":
		s.image(map[string]string{"file": value, "media": "cdrom"})
	case "drive":
		s.image(s.values(value, "file"))
	case "blockdev":
		s.blockdev(s.values(value, "driver"))
	case "fw_cfg", "smbios", "boot", "machine":
		keys := map[string][]string{"fw_cfg": {"file"}, "smbios": {"file", "path"}, "boot": {"splash"}, "machine": {"kernel", "initrd", "dtb", "firmware", "shim"}}
		v := s.values(value, "name")
		delete(v, "string")
		s.files(v, useFirmware, permR, keys[option]...)
	case "acpitable":
		v := s.values(value, "")
		for _, list := range []string{v["data"], v["file"]} {
			for path := range strings.SplitSeq(list, ":") {
				if path != "" {
					firmware(path)
				}
			}
		}
	case "object":
		s.object(s.values(value, "qom-type"))
	case "device":
		s.deviceOption(s.values(value, "driver"))
	case "global":
		if name, v, ok := strings.Cut(value, "="); ok && strings.Contains(name, ".") {
			_, name, _ = strings.Cut(name, ".")
			s.property(name, v)
			return
		}
		if v := s.values(value, ""); v["property"] != "" {
			s.property(v["property"], v["value"])
		}
	case "chardev":
		s.chardevOption(s.values(value, "backend"))
	case "serial", "parallel", "monitor", "qmp", "qmp-pretty", "debugcon", "gdb":
		s.chardevName(value)
	case "netdev", "nic", "net":
		s.netdev(s.values(value, "type"))
	case "fsdev", "virtfs":
		v := s.values(value, "fsdriver")
		perms := permRWL
		if isOn(v["readonly"]) {
			perms = permR
		}
		if v["path"] != "" {
			s.share(useShare, v["path"], perms)
		}
		delete(v, "path")
		s.files(v, useSocket, permRW, "socket")
	case "tpmdev":
		s.files(s.values(value, "type"), useTPM, permRW, "path")
	case "audiodev":
		s.audiodev(s.values(value, "driver"))
	case "display":
		v := s.values(value, "type")
		s.files(v, useRender, permRW, "rendernode")
		switch v["type"] {
		case "dbus":
			if v["addr"] != "" {
				s.bus(v["addr"])
			}
		case "gtk", "sdl", "spice-app":
			s.warn(WarnUnknown, value, "where the display is depends on the user of the VMM", "add its socket to Devices.Extra")
		}
	case "spice":
		v := s.values(value, "")
		if isOn(v["unix"]) && v["addr"] != "" {
			s.grant(useSocket, v["addr"], permRW)
			delete(v, "addr")
		}
		if v["rendernode"] != "" {
			s.grant(useRender, v["rendernode"], permRW)
		}
		s.certificates(v["x509-dir"])
		delete(v, "rendernode")
		delete(v, "x509-dir")
		s.files(v, useSettings, permR, "x509-key-file", "x509-cert-file", "x509-cacert-file", "x509-dh-key-file", "tls-creds")
	case "vnc":
		if path, ok := strings.CutPrefix(value, "unix:"); ok {
			path, _, _ = strings.Cut(path, ",")
			s.grant(useSocket, path, permRW)
		}
	case "L":
		if !s.readable(value) {
			s.firmwareTree(value)
		}
	case "mem-path":
		s.memoryPath(value, permRW)
	case "pidfile", "D", "writeconfig":
		s.grant(useLog, value, permRW)
	case "trace":
		v := s.values(value, "enable")
		if v["events"] != "" {
			s.grant(useSettings, v["events"], permR)
		}
		delete(v, "events")
		s.files(v, useLog, permW, "file")
	case "incoming":
		switch kind, rest, _ := strings.Cut(value, ":"); kind {
		case "unix":
			rest, _, _ = strings.Cut(rest, ",")
			s.grant(useSocket, rest, permRW)
		case "file":
			rest, _, _ = strings.Cut(rest, ",")
			s.grant(useImage, rest, permR)
		case "exec":
			s.unknown(value, "the option runs a program")
		}
	case "readconfig":
		s.grant(useSettings, value, permR)
		s.unknown(value, "what is in the file is not read")
	case "chroot", "run-with":
		v := s.values(value, "chroot")
		if v["chroot"] != "" {
			s.warn(WarnRule, v["chroot"], "the VMM leaves the root of the host", "add `capability sys_chroot,` to the template")
		}
	default:
		s.unknown("-"+option+" "+value, "the option is not known")
	}
}

func isOn(v string) bool { return v == "on" || v == "true" || v == "yes" || v == "y" }

// values takes the value of an option apart: `first,key=value,...` with commas
// doubled, or JSON, whose members are named like file.filename. The first value
// without a key gets the name first.
func (s *strict) values(text, first string) map[string]string {
	out := map[string]string{}
	if strings.HasPrefix(text, "{") {
		var top map[string]any
		if err := json.Unmarshal([]byte(text), &top); err != nil {
			s.unknown(text, "the value is not JSON")
			return out
		}
		flatten(out, "", top, 0)
		return out
	}
	for i := 0; text != ""; i++ {
		var b strings.Builder
		for {
			part, rest, ok := strings.Cut(text, ",")
			b.WriteString(part)
			text = rest
			if !ok || !strings.HasPrefix(rest, ",") {
				break
			}
			b.WriteByte(',')
			text = rest[1:]
		}
		key, value, ok := strings.Cut(b.String(), "=")
		switch {
		case ok && !(i == 0 && strings.HasPrefix(key, "/")):
			out[key] = value
		case i == 0 && first != "":
			out[first] = b.String()
		default:
			out[key] = "on"
		}
	}
	return out
}

// flatten names the members of a JSON object by their path.
func flatten(out map[string]string, prefix string, v any, depth int) {
	const deep = 32
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if depth < deep {
				flatten(out, strings.TrimPrefix(prefix+"."+key, "."), value, depth+1)
			}
		}
	case []any:
		for i, value := range v {
			if depth < deep {
				flatten(out, prefix+"."+strconv.Itoa(i), value, depth+1)
			}
		}
	case nil:
	default:
		out[prefix] = fmt.Sprint(v)
	}
}

// files grants the paths that some keys have, and warns of those of others.
func (s *strict) files(v map[string]string, u use, perms ast.FilePerm, keys ...string) {
	for _, key := range keys {
		if path := v[key]; path != "" {
			s.grant(u, path, perms)
		}
	}
	s.rest(v, keys...)
}

// rest warns of values that are paths, except those of known keys.
func (s *strict) rest(v map[string]string, known ...string) {
	for _, key := range slices.Sorted(maps.Keys(v)) {
		if strings.HasPrefix(v[key], "/") && !slices.Contains(known, key) {
			s.unknown(v[key], "what "+key+" means is not known")
		}
	}
}

// image grants a disk of -drive.
func (s *strict) image(v map[string]string) {
	if v["file"] == "" {
		s.blockdev(v)
		return
	}
	perms := permRWK
	if isOn(v["readonly"]) || isOn(v["read-only"]) || v["media"] == "cdrom" {
		perms = permRK
	}
	name := parseBackingName(strings.TrimPrefix(v["file"], "file:"))
	switch {
	case name.more:
		s.unknown(v["file"], "the name is JSON that names more than one file")
	case name.socket != "":
		s.grant(useSocket, name.socket, permRW)
	case name.path != "":
		image := Image{Path: name.path, Format: v["format"]}
		if image.Format == "" {
			image.Format = v["driver"]
		}
		if name.format != "" {
			image.Format = name.format
		}
		u := useImage
		if v["if"] == "pflash" {
			u = useVariables
			if perms == permRK || s.readable(image.Path) {
				u, perms = useFirmware, permRK
			}
		} else if strings.HasPrefix(image.Path, "/dev/") && !strings.HasPrefix(image.Path, "/dev/shm/") {
			image.Type = ImageBlock
		}
		if image.Format == "" {
			s.warn(WarnUnknown, image.Path, "the format of the image is not said, so that QEMU looks for it, and for more images in it", "say format=")
		}
		s.images(u, &image, perms)
	}
	delete(v, "file")
	s.rest(v)
}

// blockdev grants the files of a tree of block drivers.
func (s *strict) blockdev(v map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(v)) {
		at := strings.LastIndexByte(key, '.') + 1
		prefix, value := key[:at], v[key]
		top := strings.ReplaceAll(prefix, "file.", "") == ""
		perms := permRWK
		if isOn(v[prefix+"read-only"]) || isOn(v["read-only"]) || !top {
			perms = permRK // what is below an image is not written
		}
		switch last := key[at:]; {
		case value == "":
		case last == "filename":
			u := useImage
			if d := v[prefix+"driver"]; d == "host_device" || d == "host_cdrom" {
				u = useBlock
			}
			s.grant(u, strings.TrimPrefix(value, "file:"), perms)
		case last == "path" && (v[prefix+"driver"] == "nbd" || v[prefix+"type"] == "unix"):
			s.grant(useSocket, value, permRW)
		case last == "path" && strings.HasPrefix(v[prefix+"driver"], "virtio-blk-vhost"):
			u := useVHost
			if v[prefix+"driver"] == "virtio-blk-vhost-user" {
				u = useVHostUser
			}
			s.grant(u, value, permRW)
		case last == "driver" && value == "nvme":
			s.unknown(value, "the device is not looked up")
		case strings.HasPrefix(value, "/"):
			s.unknown(value, "what "+key+" means is not known")
		}
	}
}

// memoryPath grants memory in a file, or in files of a directory.
func (s *strict) memoryPath(path string, perms ast.FilePerm) {
	directory := strings.HasPrefix(path, hugeMount)
	if s.look != nil {
		if _, file, err := s.look.find(path); err == nil {
			directory = file.mode.IsDir()
		}
	}
	if directory {
		s.share(useMemoryTree, path, perms)
		return
	}
	s.grant(useMemory, path, perms)
}

// firmwareTree grants a directory to read firmware in.
func (s *strict) firmwareTree(dir string) {
	if real, ok := s.check(useDirectory, dir, permR); ok {
		s.below(real, "*", permR)
	}
}

// certificates grants a directory of certificates.
func (s *strict) certificates(dir string) {
	if dir == "" || within(dir, "/etc/pki/qemu") || strings.HasPrefix(dir, "/etc/pki/libvirt") && isPlain(dir) {
		return // the templates have these
	}
	s.firmwareTree(dir)
}

// object grants what an object of QEMU has.
func (s *strict) object(v map[string]string) {
	switch kind := v["qom-type"]; kind {
	case "memory-backend-file":
		perms := permRW
		if isOn(v["readonly"]) {
			perms = permR
		}
		if v["mem-path"] != "" {
			s.memoryPath(v["mem-path"], perms)
		}
		s.rest(v, "mem-path")
	case "memory-backend-epc":
		s.literal("/dev/sgx_vepc", permRW)
	case "rng-random":
		if path := v["filename"]; path != "" && path != "/dev/urandom" && path != "/dev/random" {
			s.grant(useSerial, path, permR)
		}
	case "secret", "authz-list-file":
		s.files(v, useSettings, permR, "file", "filename")
	case "tls-creds-x509", "tls-creds-psk", "tls-creds-anon":
		s.certificates(v["dir"])
		s.rest(v, "dir")
	case "input-linux":
		s.files(v, useInput, permRW, "evdev")
	case "filter-dump":
		s.files(v, useLog, permW, "file")
	case "sev-guest", "sev-snp-guest":
		s.literal("/dev/sev", permRW)
		s.files(v, useSettings, permR, "dh-cert-file", "session-file")
	case "tdx-guest":
		s.files(v, useQuote, permRW, "quote-generation-socket.path")
	case "pr-manager-helper":
		s.files(v, useReserve, permRW, "path")
	case "iommufd":
		s.literal("/dev/iommu", permRW)
	case "igvm-cfg":
		s.files(v, useFirmware, permR, "file")
	case "cryptodev-backend-lkcf":
		s.warn(WarnRule, kind, "the kernel's ciphers are reached by sockets of the family alg", "add `network alg seqpacket,` to the template")
	case "dbus-vmstate":
		if v["addr"] != "" {
			s.bus(v["addr"])
		}
	default:
		s.rest(v)
	}
}

// property grants what a property of a device names.
func (s *strict) property(name, value string) {
	switch {
	case !strings.HasPrefix(value, "/"):
	case name == "romfile":
		s.grant(useFirmware, value, permR)
	case name == "rendernode":
		s.grant(useRender, value, permRW)
	default:
		s.unknown(name+"="+value, "what the property means is not known")
	}
}

// deviceOption grants what a device of QEMU has.
func (s *strict) deviceOption(v map[string]string) {
	driver := v["driver"]
	if path := v["romfile"]; strings.HasPrefix(path, "/") {
		s.grant(useFirmware, path, permR)
	}
	if b := v["blob"]; b == "on" || b == "yes" || b == "true" || b == "y" {
		s.literal("/dev/udmabuf", permRW)
	}
	known := []string{"romfile"}
	has := func(u use, perms ast.FilePerm, key string) {
		if v[key] != "" {
			s.grant(u, v[key], perms)
		}
		known = append(known, key)
	}
	switch {
	case driver == "loader":
		has(useFirmware, permR, "file")
	case driver == "guest-loader":
		has(useFirmware, permR, "kernel")
		has(useFirmware, permR, "initrd")
	case strings.HasPrefix(driver, "vhost-scsi"):
		s.literal("/dev/vhost-scsi", permRW)
	case strings.HasPrefix(driver, "vhost-vdpa-device"):
		has(useNode, permRW, "vhostdev")
	case strings.HasPrefix(driver, "vhost-vsock"):
		s.literal("/dev/vhost-vsock", permRW)
	case strings.HasPrefix(driver, "vfio-") && (v["host"] != "" || v["sysfsdev"] != ""):
		known = append(known, "sysfsdev")
		s.vfioOption(v)
	case driver == "usb-host":
		s.usbOption(v)
		known = append(known, "hostdevice")
	case driver == "usb-mtp" || driver == "mtp":
		if v["rootdir"] != "" {
			s.share(useShare, v["rootdir"], permRW)
		}
		known = append(known, "rootdir")
	case strings.HasPrefix(driver, "ipmi-bmc"):
		has(useFirmware, permR, "sdrfile")
		has(useFirmware, permR, "furareafile")
	case strings.HasPrefix(driver, "virtio-gpu-rutabaga"):
		has(useSocket, permRW, "wayland-socket-path")
	}
	s.rest(v, known...)
}

// vfioOption grants a device that -device gives to the machine.
func (s *strict) vfioOption(v map[string]string) {
	dir := v["sysfsdev"]
	if host := v["host"]; dir == "" {
		if strings.Count(host, ":") == 1 {
			host = "0000:" + host
		}
		if !s.component(host) {
			return
		}
		dir = "/sys/bus/pci/devices/" + host
	}
	switch {
	case s.look == nil:
		s.refuse(dir, ReasonNoDevice, errNoLookup)
	case !within(dir, "/sys"):
		s.refuse(dir, ReasonNoDevice, errors.New("it is not in /sys"))
	case v["iommufd"] != "":
		s.cdev(dir)
	default:
		s.vfio(dir)
	}
}

// usbOption grants a USB device that -device gives to the machine.
func (s *strict) usbOption(v map[string]string) {
	if path := v["hostdevice"]; path != "" {
		if !within(path, "/dev/bus/usb") {
			s.refuse(path, ReasonFileType, errors.New("it is not in /dev/bus/usb"))
			return
		}
		s.grant(useNode, path, permRW)
		return
	}
	number := func(key string) uint32 {
		n, _ := strconv.ParseUint(v[key], 0, 32)
		return uint32(n)
	}
	if s.look == nil {
		s.refuse("", ReasonNoDevice, errNoLookup)
		return
	}
	node, err := s.look.usb(USBAddress{Bus: number("hostbus"), Device: number("hostaddr"), Port: v["hostport"], Vendor: number("vendorid"), Product: number("productid")})
	if err != nil {
		s.refuse("", ReasonNoDevice, err)
		return
	}
	s.grant(useNode, node, permRW)
}

// chardevOption grants what a character device of -chardev has.
func (s *strict) chardevOption(v map[string]string) {
	if v["logfile"] != "" {
		s.grant(useLog, v["logfile"], permW)
	}
	known := []string{"logfile", "path", "input-path"}
	path := v["path"]
	switch backend := v["backend"]; {
	case path == "" && backend != "file":
	case backend == "file":
		if path != "" {
			s.grant(useLog, path, permRW)
		}
		if v["input-path"] != "" {
			s.grant(useLog, v["input-path"], permR)
		}
	case backend == "pipe":
		s.pipe(path)
	case backend == "socket":
		if !isOn(v["abstract"]) {
			s.grant(useSocket, path, permRW)
		}
	case backend == "pty":
		s.grant(useLog, path, permRW) // a link to the terminal
	case slices.Contains([]string{"serial", "tty", "parallel", "parport"}, backend):
		s.grant(useSerial, path, permRW)
	default:
		known = known[:1]
	}
	s.rest(v, known...)
}

// pipe grants a named pipe: a pair of them, or one for both ways.
func (s *strict) pipe(path string) {
	if s.look != nil && s.look.exists(path) && !s.look.exists(path+".in") {
		s.grant(usePipe, path, permRW)
		return
	}
	s.grant(usePipe, path+".in", permRW)
	s.grant(usePipe, path+".out", permRW)
}

// chardevName grants a character device by the name that -serial takes.
func (s *strict) chardevName(name string) {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(name, "mon:"), ":")
	path, _, _ := strings.Cut(rest, ",")
	switch kind {
	case "null", "none", "vc", "pty", "stdio", "msmouse", "wctablet", "braille", "chardev", "tcp", "telnet", "websocket", "udp", "con", "spicevmc", "spiceport":
	case "file":
		s.grant(useLog, path, permRW)
	case "pipe":
		s.pipe(path)
	case "unix":
		s.grant(useSocket, path, permRW)
	default:
		if strings.HasPrefix(kind, "/dev/") {
			kind, _, _ = strings.Cut(kind, ",")
			s.grant(useSerial, kind, permRW)
			return
		}
		s.unknown(name, "the character device is not known")
	}
}

// netdev grants what a network of QEMU's own has.
func (s *strict) netdev(v map[string]string) {
	var known []string
	has := func(u use, perms ast.FilePerm, key string) {
		if v[key] != "" {
			s.grant(u, v[key], perms)
		}
		known = append(known, key)
	}
	program := func(keys ...string) {
		for _, key := range keys {
			if v[key] != "" && v[key] != "no" {
				s.unknown(key+"="+v[key], "the option runs a program")
			}
		}
		known = append(known, keys...)
	}
	switch v["type"] {
	case "tap":
		program("script", "downscript", "helper")
		if isOn(v["vhost"]) && v["vhostfd"] == "" {
			s.literal("/dev/vhost-net", permRW)
		}
	case "bridge":
		s.warn(WarnCompanion, "", "qemu-bridge-helper is run, which needs to be root's", "make the interface and give it as an open descriptor")
		program("helper")
	case "user":
		program("smb")
		if v["tftp"] != "" {
			s.share(useShare, v["tftp"], permR)
		}
		if strings.Contains(v["guestfwd"], "cmd:") {
			s.unknown(v["guestfwd"], "the option runs a program")
		}
		known = append(known, "tftp", "guestfwd", "bootfile")
	case "stream", "dgram":
		for _, end := range []string{"addr", "local", "remote"} {
			if v[end+".type"] == "unix" {
				has(useSocket, permRW, end+".path")
			}
		}
	case "vhost-vdpa":
		has(useVHost, permRW, "vhostdev")
	case "vde":
		has(useSocket, permRW, "sock")
	case "passt":
		s.warn(WarnCompanion, "", "QEMU starts a passt under the profile of the machine", "add its program to Devices.Programs")
		has(useLog, permW, "log-file")
	case "af-xdp":
		s.warn(WarnRule, "", "it takes sockets of the family xdp, and programs of BPF", "add `network xdp,` and the capabilities to the template")
	}
	s.rest(v, known...)
}

// audiodev grants the sound of -audiodev.
func (s *strict) audiodev(v map[string]string) {
	a := Audio{Type: v["driver"], Server: v["server"], Path: v["path"]}
	switch a.Type {
	case "pa":
		a.Type = "pulseaudio"
	case "wav":
		a.Type = "file"
	}
	for _, key := range []string{"in.dev", "out.dev"} {
		if v[key] != "" {
			a.Devices = append(a.Devices, v[key])
		}
	}
	s.audio(&a)
	s.rest(v, "server", "path", "in.dev", "out.dev")
}

// plainVariables are variables of the environment that name nothing of the
// host's files, or nothing that QEMU writes or needs.
var plainVariables = []string{"HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"}

// environment grants what a variable names.
func (s *strict) environment(name, value string) {
	switch {
	case name == "PULSE_SERVER" || name == "QEMU_PA_SERVER":
		s.audio(&Audio{Type: "pulseaudio", Server: value})
	case name == "PIPEWIRE_RUNTIME_DIR":
		s.audio(&Audio{Type: "pipewire", RuntimeDir: value})
	case name == "QEMU_WAV_PATH":
		s.audio(&Audio{Type: "file", Path: value})
	case name == "XAUTHORITY":
		s.grant(useDisplay, value, permR)
	case name == "DISPLAY", name == "WAYLAND_DISPLAY":
		s.warn(WarnUnknown, value, "where the display is depends on the user of the VMM", "add its socket to Devices.Extra")
	case strings.Contains(value, "/") && !slices.Contains(plainVariables, name):
		s.unknown(name+"="+value, "what the variable means is not known")
	}
}
