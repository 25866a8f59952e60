// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import "slices"

// shape says which parts of an element are read and become parts of the
// machine. Everything else is passed over, and reported if it has a path,
// unless it is listed here as something that needs no rule.
type shape struct {
	name string
	// many says that there may be several. Of others the first counts, as in
	// libvirt.
	many bool
	// text says that the text is read.
	text bool
	// attrs are the attributes that are read, and numbers says that those but
	// the type are numbers, in base 10, 16 or 8.
	attrs   []string
	numbers bool
	in      []shape
	// again is true of an element that is read as the nearest one of the name
	// that it is in.
	again bool
	// none are elements and attributes of which the machine opens nothing by
	// itself.
	none []string
}

// anywhere are such elements, in whatever they are.
var anywhere = []string{"address", "acpi", "boot", "target", "seclabel", "encryption", "auth", "protocol", "backenddomain"}

// ignored reports whether what has the name needs nothing.
func (s *shape) ignored(name string) bool {
	return slices.Contains(s.none, name) || slices.Contains(anywhere, name)
}

// element returns the place of an element's shape in this one, -1 if it is not
// read.
func (s *shape) element(name string) int {
	for i := range s.in {
		if s.in[i].name == name {
			return i
		}
	}
	return -1
}

var (
	aliasShape = shape{name: "alias", attrs: []string{"name"}}
	romShape   = shape{name: "rom", attrs: []string{"file"}}
	labelShape = shape{name: "seclabel", many: true, attrs: []string{"model", "relabel", "labelskip", "type"},
		in: []shape{{name: "label", text: true}}, none: []string{"baselabel", "imagelabel"}}
	addressShape = shape{name: "address", numbers: true, none: []string{"zpci"},
		attrs: []string{"type", "domain", "bus", "slot", "function", "device", "port", "controller", "target", "unit", "uuid"}}
	formatShape = shape{name: "format", attrs: []string{"type"}, none: []string{"metadata_cache"}}
	logShape    = shape{name: "log", attrs: []string{"file"}}
	chardevEnd  = shape{name: "target", attrs: []string{"type", "name"}}

	// charShape is the host side of a character device.
	charShape = shape{name: "source", in: []shape{labelShape}, none: []string{"reconnect", "mouse", "clipboard"},
		attrs: []string{"type", "mode", "path", "append", "host", "service", "channel", "master", "slave", "dev"}}

	imageShape = shape{
		name:  "source",
		attrs: []string{"file", "fdgroup", "dev", "dir", "protocol", "name", "type", "path", "mode", "pool", "volume", "startupPolicy"},
		none:  []string{"slices", "ssl", "cookies", "readahead", "timeout", "initiator", "snapshot", "reconnect"},
		in: []shape{
			{name: "host", many: true, attrs: []string{"name", "transport", "socket"}},
			labelShape, addressShape,
			{name: "reservations", attrs: []string{"managed", "enabled"}, in: []shape{charShape}},
			{name: "identity", attrs: []string{"keyfile", "agentsock"}},
			{name: "knownHosts", attrs: []string{"path"}},
			{name: "config", attrs: []string{"file"}},
			{name: "dataStore", attrs: []string{"type"}, in: []shape{formatShape, {name: "source", again: true}}},
		},
	}
	backingShape = shape{name: "backingStore", attrs: []string{"type"}, in: []shape{formatShape, imageShape, {name: "backingStore", again: true}}}

	soundAttrs = []string{"dev", "serverName", "name"}
)

// portShape is the shape of a serial port and the like.
func portShape(name string) shape {
	return shape{name: name, many: true, attrs: []string{"type"}, in: []shape{charShape, chardevEnd, logShape, aliasShape}, none: []string{"tty"}}
}

// domainShape is what is read of a domain.
var domainShape = shape{
	name: "domain", attrs: []string{"type", "id"},
	none: []string{
		// Texts, numbers and features of the machine.
		"title", "description", "metadata", "genid", "hwuuid", "memory", "currentMemory", "maxMemory", "vcpu", "vcpus", "iothreads", "iothreadids",
		"defaultiothread", "features", "clock", "on_poweroff", "on_reboot", "on_crash", "on_lockfailure", "pm", "perf", "idmap", "keywrap",
		"throttlegroups",
		// libvirtd sets these up for the process.
		"blkiotune", "memtune", "cputune", "numatune", "resource",
		// Xen's tools run it.
		"bootloader", "bootloader_args",
	},
	in: []shape{
		{name: "iommufd", attrs: []string{"enabled", "fdgroup"}},
		{name: "name", text: true},
		{name: "uuid", text: true},
		{name: "cpu", in: []shape{{name: "numa", in: []shape{{name: "cell", many: true, attrs: []string{"memAccess"}, none: []string{"distances", "cache"}}}, none: []string{"interconnects"}}},
			none: []string{"model", "vendor", "topology", "cache", "maxphysaddr", "feature"}},
		{name: "memoryBacking", none: []string{"nosharepages", "locked", "allocation", "discard"}, in: []shape{
			{name: "access", attrs: []string{"mode"}},
			{name: "hugepages", in: []shape{{name: "page", many: true, attrs: []string{"size", "unit", "nodeset"}}}},
			{name: "source", attrs: []string{"type"}},
		}},
		{name: "sysinfo", many: true, attrs: []string{"type"},
			none: []string{"bios", "system", "baseBoard", "chassis", "processor", "memory_device", "oemStrings"},
			in:   []shape{{name: "entry", many: true, attrs: []string{"name", "file"}}},
		},
		{name: "os",
			// Of a container, in its own file system, or words for a kernel.
			none: []string{"init", "initarg", "initenv", "initdir", "inituser", "initgroup", "cmdline", "firmware", "bootmenu", "bios", "smbios"},
			in: []shape{
				{name: "type", text: true},
				{name: "loader", text: true, attrs: []string{"readonly", "type"}},
				{name: "nvram", text: true, attrs: []string{"type", "template"}, in: []shape{imageShape}},
				{name: "varstore", attrs: []string{"path", "template"}},
				{name: "kernel", text: true},
				{name: "initrd", text: true},
				{name: "shim", text: true},
				{name: "dtb", text: true},
				{name: "acpi", in: []shape{{name: "table", many: true, text: true, attrs: []string{"type"}}}},
			},
		},
		{name: "launchSecurity", attrs: []string{"type"},
			none: []string{"policy", "cbitpos", "reducedPhysBits", "dhCert", "session", "guestVisibleWorkarounds", "idBlock", "idAuth", "hostData", "mrConfigId", "mrOwner", "mrOwnerConfig"},
			in:   []shape{{name: "quoteGenerationService", attrs: []string{"path"}}},
		},
		labelShape,
		devicesShape,
	},
}

var devicesShape = shape{
	name: "devices",
	none: []string{
		"controller", "hub", "sound", "watchdog", "memballoon", "panic", "iommu", "redirfilter", "nvram",
		"lease", // libvirtd's lock manager holds it
	},
	in: []shape{
		{name: "emulator", text: true},
		{name: "disk", many: true, attrs: []string{"type", "device"},
			none: []string{"geometry", "blockio", "iotune", "throttlefilters", "serial", "wwn", "vendor", "product"},
			in: []shape{
				imageShape, backingShape, aliasShape,
				{name: "driver", attrs: []string{"type"}, none: []string{"iothreads", "metadata_cache", "statistics"}},
				{name: "mirror", attrs: []string{"type", "file", "format", "job"}, in: []shape{formatShape, imageShape, backingShape}},
				{name: "target", attrs: []string{"dev", "bus"}},
				{name: "readonly"}, {name: "shareable"}, {name: "transient"},
			}},
		{name: "interface", many: true, attrs: []string{"type"},
			none: []string{
				"mac", "vlan", "virtualport", "ip", "route", "portForward", "guest", "filterref", "tune", "teaming", "link", "mtu", "bandwidth", "port", "coalesce",
				"script", "downscript", // libvirtd runs them
			},
			in: []shape{
				{name: "source", attrs: []string{"type", "path", "mode", "dev", "network", "bridge"}, in: []shape{addressShape}, none: []string{"ip", "route", "local", "reconnect"}},
				{name: "model", attrs: []string{"type"}},
				{name: "driver", attrs: []string{"name"}, none: []string{"host", "guest"}},
				{name: "backend", attrs: []string{"type", "logFile", "tap", "vhost"}},
				romShape, aliasShape,
			}},
		portShape("serial"), portShape("parallel"), portShape("console"), portShape("channel"),
		{name: "redirdev", many: true, attrs: []string{"type", "bus"}, in: []shape{charShape, aliasShape}},
		{name: "smartcard", many: true, attrs: []string{"mode", "type"}, in: []shape{charShape, aliasShape, {name: "database", text: true}}, none: []string{"certificate"}},
		{name: "rng", many: true, attrs: []string{"model"}, none: []string{"rate", "driver"}, in: []shape{
			{name: "backend", text: true, attrs: []string{"model", "type"}, in: []shape{charShape}}, aliasShape,
		}},
		{name: "input", many: true, attrs: []string{"type"}, none: []string{"driver"}, in: []shape{{name: "source", attrs: []string{"evdev", "dev"}}, aliasShape}},
		{name: "graphics", many: true, attrs: []string{"type", "socket", "xauth", "address", "p2p"},
			none: []string{"audio", "channel", "image", "jpeg", "zlib", "playback", "streaming", "mouse", "clipboard", "filetransfer"},
			in: []shape{
				{name: "listen", many: true, attrs: []string{"type", "socket"}},
				{name: "gl", attrs: []string{"enable", "rendernode"}},
			}},
		{name: "hostdev", many: true, attrs: []string{"mode", "type", "model"}, none: []string{"teaming", "ip", "route"}, in: []shape{
			{name: "source", attrs: []string{"startupPolicy", "protocol", "wwpn", "name"}, none: []string{"host", "initiator"}, in: []shape{
				addressShape, {name: "adapter", attrs: []string{"name"}}, {name: "vendor", attrs: []string{"id"}}, {name: "product", attrs: []string{"id"}},
				{name: "block", text: true}, {name: "char", text: true}, {name: "interface", text: true},
			}},
			{name: "driver", attrs: []string{"name", "iommufd"}}, {name: "readonly"}, romShape, aliasShape,
		}},
		{name: "filesystem", many: true, attrs: []string{"type"}, none: []string{"idmap", "space_hard_limit", "space_soft_limit"}, in: []shape{
			{name: "driver", attrs: []string{"type", "name"}},
			{name: "source", attrs: []string{"dir", "socket", "file", "dev", "name", "pool", "volume"}},
			{name: "binary", attrs: []string{"path"}, none: []string{"cache", "sandbox", "lock", "thread_pool", "openfiles"}},
			{name: "readonly"}, aliasShape,
		}},
		{name: "memory", many: true, attrs: []string{"model", "access"}, none: []string{"uuid", "driver"}, in: []shape{
			{name: "source", none: []string{"pmem", "nodemask", "alignsize"}, in: []shape{{name: "path", text: true}, {name: "pagesize", text: true, attrs: []string{"unit"}}}},
			{name: "target", in: []shape{{name: "readonly"}}, none: []string{"size", "node", "label", "block", "requested", "current"}},
			aliasShape,
		}},
		{name: "shmem", many: true, attrs: []string{"name"}, none: []string{"size", "msi"}, in: []shape{
			{name: "model", attrs: []string{"type"}}, {name: "server", attrs: []string{"path"}}, aliasShape,
		}},
		{name: "tpm", many: true, in: []shape{
			{name: "backend", attrs: []string{"type", "version"}, none: []string{"active_pcr_banks", "profile"}, in: []shape{{name: "device", attrs: []string{"path"}}, charShape}},
			aliasShape,
		}},
		{name: "pstore", attrs: []string{"backend"}, none: []string{"size"}, in: []shape{{name: "path", text: true}, aliasShape}},
		{name: "audio", many: true, attrs: []string{"type", "id", "serverName", "runtimeDir", "path", "driver"}, in: []shape{
			{name: "input", attrs: soundAttrs, none: []string{"settings"}}, {name: "output", attrs: soundAttrs, none: []string{"settings"}},
		}},
		{name: "video", many: true, in: []shape{
			{name: "driver", attrs: []string{"name"}},
			{name: "model", attrs: []string{"type", "blob"}, none: []string{"resolution"}, in: []shape{{name: "acceleration", attrs: []string{"rendernode"}}}},
			aliasShape,
		}},
		{name: "crypto", many: true, attrs: []string{"model", "type"}, in: []shape{{name: "backend", attrs: []string{"model"}}, aliasShape}},
		{name: "vsock", attrs: []string{"model"}, none: []string{"cid", "driver"}, in: []shape{aliasShape}},
	},
}

// qemuSpace is the namespace of what libvirt hands to QEMU as it is.
const qemuSpace = "http://libvirt.org/schemas/domain/qemu/1.0"

// qemuShapes are what is read of that namespace, in a domain.
var qemuShapes = shape{in: []shape{
	{name: "commandline", in: []shape{{name: "arg", many: true, attrs: []string{"value"}}, {name: "env", many: true, attrs: []string{"name", "value"}}}},
	{name: "override", in: []shape{
		{name: "device", many: true, attrs: []string{"alias"}, in: []shape{
			{name: "frontend", in: []shape{{name: "property", many: true, attrs: []string{"name", "type", "value"}}}},
		}},
	}},
}, none: []string{"capabilities", "deprecation"}}
