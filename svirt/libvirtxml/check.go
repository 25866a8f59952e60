// SPDX-License-Identifier: Apache-2.0

package libvirtxml

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Version tells whose parser a document must pass.
type Version uint8

// The versions.
const (
	// Any takes every document that has what confinement needs.
	Any Version = iota
	// Libvirt90 and Libvirt128 refuse what libvirt 9.0 and 12.8 refuse, as
	// far as it is known here.
	Libvirt90
	Libvirt128
)

// word is an element, or a value of an attribute of it, that the older version
// does not know.
type word struct {
	path  string // of the element, below the domain
	attr  string // empty: the element itself
	value string
}

var newerWords = [...]word{
	{"devices/audio", "type", "pipewire"},
	{"devices/disk", "type", "vhostvdpa"},
	{"devices/filesystem/driver", "type", "mtp"},
	{"devices/interface/backend", "type", "passt"},
	{"devices/panic", "model", "pvpanic"},
	{"devices/sound", "model", "virtio"},
	{"devices/watchdog", "model", "itco"},
	{"features/aia", "", ""},
	{"features/async-teardown", "", ""},
	{"features/hyperv/emsr_bitmap", "", ""},
	{"features/hyperv/xmm_input", "", ""},
	{"features/ps2", "", ""},
	{"iothreadids/iothread/poll", "", ""},
	{"launchSecurity", "type", "sev-snp"},
	{"launchSecurity", "type", "tdx"},
	{"os/acpi/table", "type", "raw"},
	{"os/acpi/table", "type", "rawset"},
	{"os/type", "arch", "loongarch64"},
}

// each calls f for every element of the path.
func (n *node) each(path string, f func(*node)) {
	name, rest, more := strings.Cut(path, "/")
	n.all(name, func(c *node) {
		if more {
			c.each(rest, f)
		} else {
			f(c)
		}
	})
}

// checker collects the first thing that a version refuses.
type checker struct {
	root    *node
	version Version
	err     error
}

// check returns what the version refuses about a domain.
func (v Version) check(root *node) error {
	if v == Any {
		return nil
	}
	c := &checker{root: root, version: v}
	if v == Libvirt90 {
		c.older()
	}
	for _, step := range []func(){
		c.system, c.cpus, c.chardevs, c.graphics, c.networks, c.hostDevices, c.usb, c.addresses, c.others,
	} {
		if c.err == nil {
			step()
		}
	}
	return c.err
}

func (c *checker) refuse(element, format string, args ...any) {
	if c.err == nil {
		c.err = invalid("domain/"+element, format, args...)
	}
}

// older refuses what came after 9.0.
func (c *checker) older() {
	for _, w := range newerWords {
		c.root.each(w.path, func(n *node) {
			if w.attr == "" || n.attr(w.attr) == w.value {
				c.refuse(w.path, "%s %s is not known yet", w.attr, w.value)
			}
		})
	}
	if d := c.root.child("devices"); len(d.named("watchdog")) > 1 {
		c.refuse("devices/watchdog", "there is more than one")
	}
	c.root.each("devices/hostdev/source/address", func(n *node) {
		if n.attr("port") != "" && n.attr("device") == "" && n.attr("type") == "" {
			c.refuse("devices/hostdev", "a USB address needs a device")
		}
	})
	if n := c.root.child("maxMemory"); n != nil && n.attr("slots") == "" {
		c.refuse("maxMemory", "the number of slots is not given")
	}
	if c.root.at("numatune", "memory").attr("mode") == "restrictive" {
		c.root.each("numatune/memnode", func(n *node) {
			if n.attr("mode") != "restrictive" {
				c.refuse("numatune/memnode", "the mode must be restrictive")
			}
		})
	}
}

func (n *node) named(name string) (out []*node) {
	n.all(name, func(c *node) { out = append(out, c) })
	return out
}

var (
	loadparm = regexp.MustCompile(`^[A-Za-z0-9. ]{1,8}$`)
	biosDate = regexp.MustCompile(`^(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])/([0-9]{2}|[0-9]{4})$`)
)

func (c *checker) system() {
	root := c.root
	memory, err := strconv.ParseUint(strings.TrimSpace(root.child("memory").content()), 10, 64)
	switch numa := root.at("cpu", "numa", "cell") != nil; {
	case root.child("memory").content() != "" && err != nil:
		c.refuse("memory", "it is not a number")
	case memory == 0 && !numa:
		c.refuse("memory", "there is none")
	case !numa:
		plugged := uint64(0)
		root.each("devices/memory/target/size", func(n *node) { plugged += size(n) })
		if plugged > 0 && plugged >= size(root.child("memory")) {
			c.refuse("devices/memory", "there is no memory besides the devices'")
		}
	}
	if t := root.at("os", "type").content(); t == "exe" && root.at("os", "init").content() == "" {
		c.refuse("os/init", "a container needs one")
	}
	if v, ok := root.at("features", "gic").lookup("version"); ok && !slices.Contains([]string{"host", "2", "3"}, v) {
		c.refuse("features/gic", "there is no version %q", v)
	}
	order := false
	for _, device := range root.child("devices").children() {
		if boot := device.child("boot"); boot != nil {
			order = order || boot.attr("order") != ""
			if p, ok := boot.lookup("loadparm"); ok && !loadparm.MatchString(p) {
				c.refuse("devices/"+device.name+"/boot", "loadparm %q is not valid", p)
			}
		}
	}
	if order && root.at("os", "boot") != nil {
		c.refuse("os/boot", "boot devices are given there and at the devices")
	}
	root.each("sysinfo/bios/entry", func(n *node) {
		if n.attr("name") == "date" && !biosDate.MatchString(n.content()) {
			c.refuse("sysinfo/bios/entry", "%q is not a date", n.content())
		}
	})
}

// size returns an amount of memory in KiB; what makes no sense is zero.
func size(n *node) uint64 {
	v, err := strconv.ParseUint(strings.TrimSpace(n.content()), 10, 40)
	if err != nil {
		return 0
	}
	switch n.attr("unit") {
	case "b", "bytes":
		return v >> 10
	case "M", "MiB":
		return v << 10
	case "G", "GiB":
		return v << 20
	}
	return v
}

// children returns the children of a node that may be nil.
func (n *node) children() []*node {
	if n == nil {
		return nil
	}
	return n.elements
}

// set is a set of numbers: 0-3,^2,7.
func set(s string) (map[int]bool, bool) {
	out := map[int]bool{}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		part, not := strings.CutPrefix(part, "^")
		first, last, isRange := strings.Cut(part, "-")
		from, err := strconv.Atoi(first)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(last)
		}
		if err != nil || from < 0 || to < from || to > 1<<16 {
			return nil, false
		}
		for i := from; i <= to; i++ {
			if not {
				delete(out, i)
			} else {
				out[i] = true
			}
		}
	}
	return out, true
}

func (c *checker) cpus() {
	cells := 0
	c.root.each("cpu/numa/cell", func(*node) { cells++ })
	c.root.each("cpu/numa/cell", func(n *node) {
		if id, err := strconv.Atoi(n.attr("id")); err == nil && id >= cells {
			c.refuse("cpu/numa/cell", "the numbers are not in a row")
		}
		if m, ok := n.lookup("memAccess"); ok && m != "shared" && m != "private" {
			c.refuse("cpu/numa/cell", "there is no access %q", m)
		}
	})
	if s, ok := c.root.at("numatune", "memory").lookup("nodeset"); ok {
		if nodes, ok := set(s); !ok || len(nodes) == 0 {
			c.refuse("numatune/memory", "the set of nodes is empty or malformed")
		}
	}
	c.tunes()
}

// tunes checks how caches and memory bandwidth are shared out. A processor
// belongs to one set only.
func (c *checker) tunes() {
	var taken []map[int]bool
	claim := func(n *node) map[int]bool {
		cpus, ok := set(n.attr("vcpus"))
		if !ok {
			c.refuse("cputune", "the set of processors is malformed")
			return nil
		}
		for _, other := range taken {
			shared := 0
			for i := range cpus {
				if other[i] {
					shared++
				}
			}
			same := n.name == "memorytune" && shared == len(cpus) && shared == len(other)
			if shared > 0 && !same {
				c.refuse("cputune", "sets of processors overlap")
			}
		}
		taken = append(taken, cpus)
		return cpus
	}
	c.root.each("cputune/cachetune", func(n *node) {
		cpus := claim(n)
		types := map[string]string{}
		n.all("cache", func(n *node) {
			key := n.attr("level") + ":" + n.attr("id")
			if have := types[key]; have != "" && (have == n.attr("type") || have == "both" || n.attr("type") == "both") {
				c.refuse("cputune/cachetune", "a cache is shared out twice")
			}
			types[key] = n.attr("type")
		})
		n.all("monitor", func(n *node) {
			watched, ok := set(n.attr("vcpus"))
			for i := range watched {
				ok = ok && cpus[i]
			}
			if !ok {
				c.refuse("cputune/cachetune/monitor", "it watches other processors")
			}
		})
	})
	c.root.each("cputune/memorytune", func(n *node) {
		claim(n)
		seen := map[string]bool{}
		n.all("node", func(n *node) {
			if seen[n.attr("id")] {
				c.refuse("cputune/memorytune", "a node is there twice")
			}
			seen[n.attr("id")] = true
		})
	})
}

func (c *checker) chardevs() {
	d := c.root.child("devices")
	for _, kind := range []string{"serial", "parallel", "console", "channel"} {
		for i, n := range d.named(kind) {
			if n.attr("type") == "spicevmc" && kind != "channel" {
				c.refuse("devices/"+kind, "spicevmc is for channels")
			}
			if kind == "console" && i > 0 && n.child("target").attr("type") == "serial" {
				c.refuse("devices/console", "only the first can be a serial port")
			}
			modes := map[string]int{}
			n.all("source", func(n *node) { modes[n.attr("mode")]++ })
			switch n.attr("type") {
			case "tcp":
				if len(n.named("source")) > 1 {
					c.refuse("devices/"+kind, "there is more than one source")
				}
			case "udp":
				if modes["connect"] > 1 || modes["bind"] > 1 {
					c.refuse("devices/"+kind, "there is more than one source of a kind")
				}
			}
		}
	}
}

func (c *checker) graphics() {
	c.root.each("devices/graphics", func(n *node) {
		listens := n.named("listen")
		if len(listens) == 0 {
			return
		}
		first := listens[0]
		if a := n.attr("listen"); a != "" && first.attr("type") == "address" && first.attr("address") != "" && first.attr("address") != a {
			c.refuse("devices/graphics", "it listens on two addresses")
		}
		if s := n.attr("socket"); s != "" && first.attr("type") == "socket" && first.attr("socket") != "" && first.attr("socket") != s {
			c.refuse("devices/graphics", "it listens on two sockets")
		}
	})
}

func (c *checker) networks() {
	c.root.each("devices/interface", func(n *node) {
		src := n.child("source")
		switch n.attr("type") {
		case "vds":
			if _, ok := canonicalUUID(src.attr("switchid")); !ok {
				c.refuse("devices/interface", "the switch has no UUID")
			}
		case "vhostuser":
			// Without a path the helper fails, if the parser does not.
			if src.attr("path") == "" {
				c.refuse("devices/interface", "the socket has no path")
			}
		}
	})
}

func (c *checker) hostDevices() {
	places := map[[4]uint32]bool{}
	place := func(n *node) [4]uint32 {
		a := n.child("address")
		return [4]uint32{number(a.attr("controller")), number(a.attr("bus")), number(a.attr("target")), number(a.attr("unit"))}
	}
	c.root.each("devices/disk", func(n *node) {
		target := n.child("target")
		if target.attr("bus") != "scsi" {
			return
		}
		if n.child("address") != nil {
			places[place(n)] = true
		} else if i := letter(strings.TrimPrefix(target.attr("dev"), "sd")); i >= 0 {
			// A controller has seven places.
			places[[4]uint32{uint32(i / 7), 0, 0, uint32(i % 7)}] = true
		}
	})
	c.root.each("devices/hostdev", func(n *node) {
		address := n.child("address")
		switch kind := n.attr("type"); kind {
		case "scsi":
			if address != nil && places[place(n)] {
				c.refuse("devices/hostdev", "a disk has the same address")
			}
		case "mdev":
			if _, ok := canonicalUUID(n.at("source", "address").attr("uuid")); !ok {
				c.refuse("devices/hostdev", "the mediated device has no UUID")
			}
			if n.attr("model") == "vfio-ccw" && address.attr("type") == "pci" {
				c.refuse("devices/hostdev", "a channel device has no PCI address")
			}
		}
		if _, ok := n.lookup("rawio"); ok && n.attr("type") != "scsi" {
			c.refuse("devices/hostdev", "rawio is for SCSI devices")
		}
	})
}

func (c *checker) usb() {
	none, controllers := false, 0
	masters := map[string]bool{}
	var companions []string
	c.root.each("devices/controller", func(n *node) {
		if n.attr("type") != "usb" {
			return
		}
		controllers++
		none = none || n.attr("model") == "none"
		if n.child("master") != nil {
			companions = append(companions, n.attr("index"))
		} else {
			masters[n.attr("index")] = true
		}
	})
	for _, index := range companions {
		if !masters[index] {
			c.refuse("devices/controller", "a USB controller has no master")
		}
	}
	if !none {
		return
	}
	if controllers > 1 {
		c.refuse("devices/controller", "there is a USB controller, and none")
	}
	for _, n := range c.root.child("devices").children() {
		switch {
		case n.name == "hub" && n.attr("type") == "usb",
			n.name == "input" && n.attr("bus") == "usb",
			n.name == "hostdev" && n.attr("type") == "usb",
			n.name == "redirdev" && n.attr("bus") == "usb",
			n.name == "sound" && n.attr("model") == "usb",
			n.name == "serial" && n.child("target").attr("type") == "usb-serial",
			n.name == "disk" && n.child("target").attr("bus") == "usb",
			n.name == "smartcard" && n.child("address").attr("type") == "usb",
			n.name == "controller" && n.child("address").attr("type") == "usb":
			c.refuse("devices/"+n.name, "there is no USB")
		}
	}
}

// addresses checks the addresses that devices have in the machine and on the
// host.
func (c *checker) addresses() {
	var walk func(n *node)
	walk = func(n *node) {
		for _, e := range n.elements {
			walk(e)
			if e.name != "address" {
				continue
			}
			switch e.attr("type") {
			case "pci":
				for _, limit := range []struct {
					attr string
					max  uint64
				}{{"domain", 0xffff}, {"bus", 0xff}, {"slot", 0x1f}, {"function", 7}} {
					if s, ok := e.lookup(limit.attr); ok {
						if v, err := strconv.ParseUint(s, 0, 32); err != nil || v > limit.max {
							c.refuse("devices/"+n.name+"/address", "the %s is %q", limit.attr, s)
						}
					}
				}
			case "usb":
				if strings.Count(e.attr("port"), ".") > 3 {
					c.refuse("devices/"+n.name+"/address", "the path of ports is too long")
				}
			}
		}
	}
	if d := c.root.child("devices"); d != nil {
		walk(d)
	}
}

func (c *checker) others() {
	c.root.each("devices/controller", func(n *node) {
		if n.child("driver").attr("iothread") != "" && n.attr("type") != "scsi" {
			c.refuse("devices/controller", "only SCSI controllers have threads")
		}
	})
	c.root.each("devices/shmem", func(n *node) {
		if n.child("msi") != nil && n.child("server") == nil {
			c.refuse("devices/shmem", "interrupts need a server")
		}
	})
	if c.version == Libvirt128 {
		c.root.each("devices/disk/target", func(n *node) {
			// The number of the drive does not fit.
			const letters = "abcdefghijklmnopqrstuvwxyz"
			if dev := n.attr("dev"); len(dev) > 8 && strings.Trim(dev, letters) == "" {
				c.refuse("devices/disk", "the target %q is too far", dev)
			}
		})
	}
}
