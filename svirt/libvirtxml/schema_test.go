// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtxml_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

// rng is an element of a schema in RELAX NG, as far as it is of use here.
type rng struct {
	XMLName xml.Name
	Name    string `xml:"name,attr"`
	Href    string `xml:"href,attr"`
	Type    string `xml:"type,attr"`
	In      []*rng `xml:",any"`
}

// schema finds the elements and attributes of a domain that hold a path.
type schema struct {
	t       *testing.T
	dir     string
	defines map[string][]*rng
	start   []*rng
	found   map[string]map[string]bool // data types by place
}

func (s *schema) load(name string) {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	var root rng
	if err := xml.Unmarshal(data, &root); err != nil {
		s.t.Fatal(err)
	}
	s.read(&root)
}

func (s *schema) read(n *rng) {
	for _, c := range n.In {
		switch c.XMLName.Local {
		case "include":
			s.load(c.Href)
			s.read(c)
		case "define":
			s.defines[c.Name] = append(s.defines[c.Name], c)
		case "start":
			s.start = append(s.start, c)
		case "div":
			s.read(c)
		}
	}
}

// walk goes through a pattern. The last definition that it went through on the
// way from an element or attribute is the type of the data in it.
func (s *schema) walk(n *rng, place, refs []string, typ string) {
	note := func(typ string) {
		at := strings.Join(place, "/")
		if s.found[at] == nil {
			s.found[at] = map[string]bool{}
		}
		s.found[at][typ] = true
	}
	for _, c := range n.In {
		switch c.XMLName.Local {
		case "ref":
			if slices.Contains(refs, c.Name) && c.Name != "diskSource" && !strings.HasPrefix(c.Name, "diskSource") {
				// Recursion: all that is in it was seen.
				continue
			}
			for _, d := range s.defines[c.Name] {
				s.walk(d, place, append(slices.Clip(refs), c.Name), c.Name)
			}
		case "element":
			if c.Name != "" && count(place, c.Name) < 2 && !again(place, c.Name) {
				s.walk(c, append(slices.Clip(place), c.Name), refs, "")
			}
		case "attribute":
			if c.Name == "" {
				continue
			}
			if len(c.In) == 0 {
				c.In = []*rng{{XMLName: xml.Name{Local: "text"}}} // any text
			}
			s.walk(c, append(slices.Clip(place), "@"+c.Name), refs, "")
		case "data":
			if typ == "" {
				typ = c.Type
			}
			note(typ)
		case "text":
			note("text")
		default:
			s.walk(c, place, refs, typ)
		}
	}
}

// again reports whether an image below, beside or instead of another one has
// been seen: it is one as any other.
func again(place []string, name string) bool {
	switch name {
	case "backingStore", "dataStore", "mirror":
	default:
		return false
	}
	n := count(place, "backingStore") + count(place, "dataStore") + count(place, "mirror")
	return n > 1 || n == 1 && !(name == "backingStore" && slices.Contains(place, "mirror"))
}

func count(list []string, s string) (n int) {
	for _, x := range list {
		if x == s {
			n++
		}
	}
	return n
}

// pathTypes are the types of libvirt's schema that are, or may be, a path or
// an address with one.
var pathTypes = []string{"absFilePath", "filePath", "absDirPath", "deviceName", "dbusAddr", "vmwarePath", "volName"}

// pathNames are the names of elements and attributes that hold a path though
// their type is that of any text.
var pathNames = []string{
	"@path", "@file", "@dir", "@dev", "@socket", "@xauth", "@serverName", "@runtimeDir", "@logFile", "@keyfile", "@rendernode", "@device", "@source",
	"@template", "@address", "@value", "@parent", "@wwpn", "@fdgroup", "shim", "certificate", "database", "bootloader", "datacenterpath", "path", "lockspace",
}

// plain reports whether what may hold a path by its name does not.
func plain(place string, types map[string]bool) bool {
	if strings.HasSuffix(place, "/@value") {
		return !strings.Contains(place, "commandline") && !strings.Contains(place, "override")
	}
	if strings.HasSuffix(place, "/@address") {
		return !types["dbusAddr"]
	}
	return false
}

// paths returns the places of a schema that hold a path.
func (s *schema) paths() []string {
	var out []string
	for place, types := range s.found {
		_, last := filepath.Split(place)
		holds := slices.Contains(pathNames, last) && !plain(place, types) && (types["text"] || types["string"])
		for _, t := range pathTypes {
			holds = holds || types[t]
		}
		if holds {
			out = append(out, place)
		}
	}
	slices.Sort(out)
	return out
}

// claim is what becomes of a path in a description.
type claim uint8

const (
	granted  claim = iota // a rule
	reported              // a warning or an error, which names it
	nothing               // nothing is needed
)

// place is what becomes of a path at some place of the schema.
type place struct {
	at    string // below domain
	claim claim
	// why nothing is needed, or the path with which the claim is checked.
	text string
	// document has %s for the path. It is in <devices>, unless it starts
	// with !: then it is in <domain>.
	document string
}

// images are the places of images, whose sources have the same elements, and
// documents with a source of a type: %[1]s and %[2]s.
var images = []struct{ at, document string }{
	{"devices/disk/source", "<disk type='%[1]s'><driver type='raw'/>%[2]s<target dev='vda'/></disk>"},
	{"devices/disk/backingStore/source", "<disk type='file'><driver type='qcow2'/><source file='/srv/top'/><backingStore type='%[1]s'><format type='raw'/>%[2]s</backingStore><target dev='vda'/></disk>"},
	{"devices/disk/mirror/source", "<disk type='file'><driver type='qcow2'/><source file='/srv/top'/><mirror type='%[1]s' job='copy'><format type='raw'/>%[2]s</mirror><target dev='vda'/></disk>"},
	{"devices/disk/source/dataStore/source", "<disk type='file'><driver type='qcow2'/><source file='/srv/top'><dataStore type='%[1]s'><format type='raw'/>%[2]s</dataStore></source><target dev='vda'/></disk>"},
	{"os/nvram/source/dataStore/source", "!<os><type>hvm</type><loader type='pflash' readonly='yes'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram type='file'><source file='/srv/top'><dataStore type='%[1]s'><format type='raw'/>%[2]s</dataStore></source></nvram></os>"},
	{"os/nvram/source", "!<os><type>hvm</type><loader type='pflash' readonly='yes'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram type='%[1]s'>%[2]s</nvram></os>"},
}

// imagePlaces are the paths in the source of an image.
var imagePlaces = []struct {
	at    string
	typ   string
	claim claim
	text  string
	xml   string
}{
	{"@file", "file", granted, "/srv/vm/x.img", "<source file='%s'/>"},
	{"@dev", "block", granted, "/dev/vg/x", "<source dev='%s'/>"},
	{"@dir", "dir", granted, "/srv/vm/x", "<source dir='%s'/>"},
	{"@path", "vhostuser", granted, "/srv/run/vhost.sock", "<source type='unix' path='%s'/>"},
	{"@volume", "volume", reported, "x", "<source pool='p' volume='%s'/>"},
	{"host/@socket", "network", granted, "/srv/run/nbd.sock", "<source protocol='nbd' name='x'><host transport='unix' socket='%s'/></source>"},
	{"config/@file", "network", granted, "/srv/ceph/x.conf", "<source protocol='rbd' name='x'><config file='%s'/></source>"},
	{"identity/@keyfile", "network", granted, "/srv/keys/x", "<source protocol='ssh' name='x'><host name='h'/><identity keyfile='%s'/></source>"},
	{"identity/@agentsock", "network", granted, "/srv/run/agent.sock", "<source protocol='ssh' name='x'><host name='h'/><identity agentsock='%s'/></source>"},
	{"knownHosts/@path", "network", granted, "/srv/keys/known", "<source protocol='ssh' name='x'><host name='h'/><knownHosts path='%s'/></source>"},
	{"reservations/source/@path", "block", granted, "/srv/run/pr.sock", "<source dev='/dev/vg/x'><reservations managed='no'><source type='unix' path='%s' mode='client'/></reservations></source>"},
}

// places are all others.
var places = []place{
	{"blkiotune/device/path", nothing, "libvirtd puts it in control groups", ""},
	{"bootloader", nothing, "Xen's tools run it", ""},
	{"datacenterpath", nothing, "it is a place in VMware's inventory", ""},
	{"resource/partition", nothing, "it is a control group", ""},
	{"iommufd/@fdgroup", nothing, "libvirtd gets the descriptor", ""},
	{"commandline/arg/@value", granted, "/srv/vm/arg.img", "!<qemu:commandline><qemu:arg value='-drive'/><qemu:arg value='file=%s,format=raw,if=none'/></qemu:commandline>"},
	{"commandline/env/@value", reported, "/srv/vm/env", "!<qemu:commandline><qemu:env name='PIGEON' value='%s'/></qemu:commandline>"},
	{"override/device/frontend/property/@value", granted, "/srv/vm/override.rom", "!<qemu:override><qemu:device alias='net0'><qemu:frontend><qemu:property name='romfile' type='string' value='%s'/></qemu:frontend></qemu:device></qemu:override>"},
	{"launchSecurity/quoteGenerationService/@path", granted, "/srv/run/qgs.socket", "!<launchSecurity type='tdx'><quoteGenerationService path='%s'/></launchSecurity>"},
	{"sysinfo/entry/@file", granted, "/srv/vm/fw.cfg", "!<sysinfo type='fwcfg'><entry name='opt/x' file='%s'/></sysinfo>"},

	{"os/kernel", granted, "/srv/vm/kernel", "!<os><type>hvm</type><kernel>%s</kernel></os>"},
	{"os/initrd", granted, "/srv/vm/initrd", "!<os><type>hvm</type><initrd>%s</initrd></os>"},
	{"os/shim", granted, "/srv/vm/shim", "!<os><type>hvm</type><shim>%s</shim></os>"},
	{"os/dtb", granted, "/srv/vm/dtb", "!<os><type>hvm</type><dtb>%s</dtb></os>"},
	{"os/acpi/table", granted, "/srv/vm/slic", "!<os><type>hvm</type><acpi><table type='slic'>%s</table></acpi></os>"},
	{"os/loader", granted, "/srv/vm/bios", "!<os><type>hvm</type><loader type='rom'>%s</loader></os>"},
	{"os/nvram", granted, "/srv/vm/vars", "!<os><type>hvm</type><nvram>%s</nvram></os>"},
	{"os/varstore/@path", granted, "/srv/vm/store.json", "!<os><type>hvm</type><varstore path='%s'/></os>"},
	{"os/nvram/@template", nothing, "libvirtd copies it", ""},
	{"os/varstore/@template", nothing, "libvirtd copies it", ""},
	{"os/init", nothing, "it is in the container", ""},
	{"os/initdir", nothing, "it is in the container", ""},
	{"os/root", nothing, "it is in the guest", ""},

	{"devices/emulator", granted, "/opt/qemu/bin/qemu-system-x86_64", "<emulator>%s</emulator>"},
	{"devices/disk/mirror/@file", granted, "/srv/vm/copy", "<disk type='file'><source file='/srv/top'/><mirror file='%s' job='copy'/><target dev='vda'/></disk>"},
	{"devices/disk/source/@fdgroup", nothing, "libvirtd hands the descriptors on", ""},
	{"devices/filesystem/source/@dir", granted, "/srv/vm/share", "<filesystem type='mount'><source dir='%s'/><target dir='t'/></filesystem>"},
	{"devices/filesystem/source/@socket", granted, "/srv/run/fs.sock", "<filesystem type='mount'><driver type='virtiofs'/><source socket='%s'/><target dir='t'/></filesystem>"},
	{"devices/filesystem/source/@dev", nothing, "it is a container's, whose template has files", ""},
	{"devices/filesystem/source/@file", nothing, "it is a container's, whose template has files", ""},
	{"devices/filesystem/target/@dir", nothing, "it is in the guest", ""},
	{"devices/filesystem/binary/@path", nothing, "libvirtd starts it under another profile", ""},
	{"devices/graphics/@address", granted, "/srv/run/bus", "<graphics type='dbus' address='unix:path=%s'/>"},
	{"devices/graphics/@socket", granted, "/srv/run/vnc", "<graphics type='vnc' socket='%s'/>"},
	{"devices/graphics/@xauth", granted, "/home/u/.Xauthority", "<graphics type='sdl' display=':0' xauth='%s'/>"},
	{"devices/graphics/gl/@rendernode", granted, "/dev/dri/renderD128", "<graphics type='egl-headless'><gl rendernode='%s'/></graphics>"},
	{"devices/graphics/listen/@socket", granted, "/srv/run/spice", "<graphics type='spice'><listen type='socket' socket='%s'/></graphics>"},
	{"devices/hostdev/rom/@file", granted, "/srv/vm/hostdev.rom", "HOST<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='6' slot='0x12' function='5'/></source><rom file='%s'/></hostdev>"},
	{"devices/hostdev/source/block", granted, "/dev/vg/x", "LXC<hostdev mode='capabilities' type='storage'><source><block>%s</block></source></hostdev>"},
	{"devices/hostdev/source/char", granted, "/dev/input/event3", "LXC<hostdev mode='capabilities' type='misc'><source><char>%s</char></source></hostdev>"},
	{"devices/hostdev/source/interface", nothing, "libvirt_lxc moves the interface", ""},
	{"devices/hostdev/source/@wwpn", nothing, "it is a name in configfs; the node is /dev/vhost-scsi", ""},
	{"devices/hostdev/source/adapter/@parent", nothing, "it is the name of an adapter", ""},
	{"devices/input/source/@dev", granted, "/dev/input/event3", "<input type='evdev'><source dev='%s'/></input>"},
	{"devices/input/source/@evdev", granted, "/dev/input/event4", "<input type='passthrough' bus='virtio'><source evdev='%s'/></input>"},
	{"devices/interface/backend/@logFile", granted, "/srv/log/passt.log", "<interface type='user'><backend type='passt' logFile='%s'/></interface>"},
	{"devices/interface/backend/@tap", granted, "/dev/net/tun", "<interface type='ethernet'><backend tap='%s'/></interface>"},
	{"devices/interface/backend/@vhost", granted, "/dev/vhost-net", "<interface type='ethernet'><backend vhost='%s'/></interface>"},
	{"devices/interface/rom/@file", granted, "/srv/vm/net.rom", "<interface type='network'><source network='default'/><rom file='%s'/></interface>"},
	{"devices/interface/source/@path", granted, "/srv/run/switch.sock", "<interface type='vhostuser'><source type='unix' path='%s' mode='client'/></interface>"},
	{"devices/interface/source/@dev", granted, "/dev/vhost-vdpa-0", "<interface type='vdpa'><source dev='%s'/></interface>"},
	{"devices/interface/source/@name", nothing, "it is the name of a network", ""},
	{"devices/interface/source/@portgroup", nothing, "it is the name of a group", ""},
	{"devices/interface/script/@path", nothing, "libvirtd runs it", ""},
	{"devices/interface/downscript/@path", nothing, "libvirtd runs it", ""},
	{"devices/interface/guest/@dev", nothing, "it is the name of an interface", ""},
	{"devices/interface/guest/@actual", nothing, "it is the name of an interface", ""},
	{"devices/interface/target/@dev", nothing, "it is the name of an interface", ""},
	{"devices/interface/portForward/@dev", nothing, "it is the name of an interface", ""},
	{"devices/lease/target/@path", nothing, "libvirtd's lock manager has it", ""},
	{"devices/lease/lockspace", nothing, "it is a name", ""},
	{"devices/memory/source/path", granted, "/srv/vm/nvdimm", "<memory model='nvdimm'><source><path>%s</path></source></memory>"},
	{"devices/pstore/path", granted, "/srv/vm/pstore", "<pstore backend='acpi-erst'><path>%s</path></pstore>"},
	{"devices/rng/backend", granted, "/dev/hwrng", "<rng model='virtio'><backend model='random'>%s</backend></rng>"},
	{"devices/shmem/server/@path", granted, "/srv/run/shm.sock", "<shmem name='x'><server path='%s'/></shmem>"},
	{"devices/smartcard/database", granted, "/srv/vm/nss", "<smartcard mode='host-certificates'><certificate>a</certificate><database>%s</database></smartcard>"},
	{"devices/smartcard/certificate", nothing, "it is a name in the database", ""},
	{"devices/tpm/backend/device/@path", granted, "/dev/tpm0", "<tpm model='tpm-tis'><backend type='passthrough'><device path='%s'/></backend></tpm>"},
	{"devices/tpm/backend/source/@path", granted, "/srv/vm/tpm", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'><source type='dir' path='%s'/></backend></tpm>"},
	{"devices/video/model/acceleration/@rendernode", granted, "/dev/dri/renderD128", "<video><driver name='vhostuser'/><model type='virtio'><acceleration rendernode='%s'/></model></video>"},
	{"devices/audio/@path", granted, "/srv/vm/sound.wav", "<audio id='1' type='file' path='%s'/>"},
	{"devices/audio/@runtimeDir", granted, "/srv/run/pipewire", "<audio id='1' type='pipewire' runtimeDir='%s'/>"},
	{"devices/audio/@serverName", granted, "/srv/run/pulse", "<audio id='1' type='pulseaudio' serverName='%s'/>"},
	{"devices/audio/input/@dev", granted, "/dev/dsp0", "<audio id='1' type='oss'><input dev='%s'/></audio>"},
	{"devices/audio/output/@dev", granted, "/dev/dsp1", "<audio id='1' type='oss'><output dev='%s'/></audio>"},
	{"devices/audio/input/@serverName", nothing, "it is a name; of the back end as a whole there is a warning", ""},
	{"devices/audio/output/@serverName", nothing, "it is a name; of the back end as a whole there is a warning", ""},
	{"devices/redirdev/source/@path", granted, "/srv/run/usb.sock", "<redirdev bus='usb' type='unix'><source mode='connect' path='%s'/></redirdev>"},
	{"devices/redirdev/log/@file", reported, "/srv/log/usb.log", "<redirdev bus='usb' type='tcp'><log file='%s'/></redirdev>"},
	{"devices/rng/backend/source/@path", granted, "/srv/run/egd.sock", "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='%s'/></backend></rng>"},
	{"devices/rng/backend/log/@file", reported, "/srv/log/egd.log", "<rng model='virtio'><backend model='egd' type='udp'><log file='%s'/></backend></rng>"},
	{"devices/smartcard/source/@path", granted, "/srv/run/card.sock", "<smartcard mode='passthrough' type='unix'><source mode='bind' path='%s'/></smartcard>"},
	{"devices/smartcard/log/@file", reported, "/srv/log/card.log", "<smartcard mode='passthrough' type='tcp'><log file='%s'/></smartcard>"},
	{"devices/serial/@tty", nothing, "libvirtd says it again, in the source", ""},
	{"devices/parallel/@tty", nothing, "libvirtd says it again, in the source", ""},
	{"devices/console/@tty", nothing, "libvirtd says it again, in the source", ""},
	{"devices/serial/source/@path", granted, "/srv/run/serial.sock", "<serial type='unix'><source mode='bind' path='%s'/></serial>"},
	{"devices/parallel/source/@path", granted, "/srv/run/parallel.sock", "<parallel type='unix'><source mode='bind' path='%s'/></parallel>"},
	{"devices/console/source/@path", granted, "/srv/run/console.sock", "<console type='unix'><source mode='bind' path='%s'/><target type='virtio'/></console>"},
	{"devices/channel/source/@path", granted, "/srv/run/channel.sock", "<channel type='unix'><source mode='bind' path='%s'/><target type='virtio'/></channel>"},
	{"devices/serial/log/@file", granted, "/srv/log/serial.log", "<serial type='pty'><log file='%s'/></serial>"},
	{"devices/parallel/log/@file", granted, "/srv/log/parallel.log", "<parallel type='pty'><log file='%s'/></parallel>"},
	{"devices/console/log/@file", granted, "/srv/log/console.log", "<console type='pty'><target type='virtio'/><log file='%s'/></console>"},
	{"devices/channel/log/@file", granted, "/srv/log/channel.log", "<channel type='pty'><target type='virtio'/><log file='%s'/></channel>"},
}

// allPlaces returns the places, those of images spelled out.
func allPlaces() []place {
	out := slices.Clone(places)
	for _, image := range images {
		for _, p := range imagePlaces {
			if strings.HasPrefix(image.at, "os/") && strings.HasPrefix(p.at, "reservations") {
				p.claim = reported
			}
			if strings.Contains(image.at, "dataStore") && strings.HasPrefix(p.at, "reservations") {
				continue // the schema has none there
			}
			out = append(out, place{image.at + "/" + p.at, p.claim, p.text, fmt.Sprintf(image.document, p.typ, p.xml)})
		}
		if image.at != "devices/disk/source" {
			out = append(out, place{image.at + "/@fdgroup", nothing, "libvirtd hands the descriptors on", ""})
		}
	}
	// A chain below a mirror is read as one below a disk.
	out = append(out, place{"devices/disk/mirror/backingStore/source/@fdgroup", nothing, "libvirtd hands the descriptors on", ""})
	for _, p := range imagePlaces {
		out = append(out, place{"devices/disk/mirror/backingStore/source/" + p.at, p.claim, p.text,
			fmt.Sprintf("<disk type='file'><source file='/srv/top'/><mirror type='file' job='copy'><format type='qcow2'/><source file='/srv/mirror'/><backingStore type='%s'><format type='raw'/>%s</backingStore></mirror><target dev='vda'/></disk>", p.typ, p.xml)})
	}
	return out
}

// schemas are the releases of libvirt whose schema was looked at.
var schemas = []struct{ suite, version string }{{"bookworm", "9.0."}, {"trixie", "11.3."}, {"sid", "12.8."}, {"trixie-backports", "12.9."}}

// TestSchema walks libvirt's own schema of a domain. Every element and attribute
// that holds a path is granted, reported, or known to need nothing.
func TestSchema(t *testing.T) {
	known := map[string]bool{}
	for _, p := range allPlaces() {
		if known[p.at] {
			t.Errorf("%s is there twice", p.at)
		}
		known[p.at] = true
	}
	seen := map[string]bool{}
	for _, v := range schemas {
		t.Run(v.suite, func(t *testing.T) {
			tree := testenv.Packages(t, debian.Binary{Suite: v.suite, Names: []string{"libvirt-daemon-system", "libvirt-daemon"}, Libraries: true})
			fail := t.Errorf
			if !strings.HasPrefix(tree.Version(), v.version) {
				t.Logf("%s has libvirt %s now; additions since %sx are reported, but do not fail", v.suite, tree.Version(), v.version)
				fail = t.Logf
			}
			dir := filepath.Join(tree.Dir, "usr/share/libvirt/schemas")
			if v.suite == "trixie" {
				dir = filepath.Join(testenv.Source(t, v.suite, "libvirt"), "src/conf/schemas")
			}
			s := schema{t: t, dir: dir, defines: map[string][]*rng{}, found: map[string]map[string]bool{}}
			s.load("domain.rng")
			for _, n := range s.start {
				s.walk(n, nil, nil, "")
			}
			paths := s.paths()
			if len(paths) < 80 {
				t.Fatalf("only %d places of paths in the schema", len(paths))
			}
			missing := 0
			for _, at := range paths {
				at = strings.TrimPrefix(at, "domain/")
				seen[at] = true
				if !known[at] {
					missing++
					fail("%s is not in the table, of type %v", at, s.found["domain/"+at])
				}
			}
			t.Logf("libvirt %s: %d elements and attributes, %d of them paths, %d of these not in the table", tree.Version(), len(s.found), len(paths), missing)
		})
	}
	for at := range known {
		if !seen[at] && !t.Skipped() && len(seen) > 0 {
			t.Errorf("%s is in no schema", at)
		}
	}
}

// TestSchemaClaims derives a small document for each place of the table.
func TestSchemaClaims(t *testing.T) {
	for _, p := range allPlaces() {
		if p.claim == nothing {
			continue
		}
		t.Run(p.at, func(t *testing.T) {
			rules, err := deriveDevice(p.document, p.text)
			switch p.claim {
			case granted:
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				if !slices.ContainsFunc(rules.List(), func(r svirt.Rule) bool {
					return string(r.Path) == p.text || strings.HasPrefix(string(r.Path), p.text+"/")
				}) {
					t.Errorf("not granted; warnings: %v", rules.Warnings())
				}
			case reported:
				told := err != nil
				if err == nil {
					told = slices.ContainsFunc(rules.Warnings(), func(w svirt.Warning) bool { return strings.Contains(w.Path+w.Text, p.text) })
				}
				if !told {
					t.Error("neither an error nor a warning names the value")
				}
			}
		})
	}
}

// deriveDevice derives a machine with one thing in it, strictly.
func deriveDevice(form, path string) (*svirt.Rules, error) {
	text := strings.Replace(form, "%s", path, 1)
	typ, os, rest, devices := "kvm", "<os><type>hvm</type></os>", "", ""
	o := svirt.Options{Live: true}
	switch {
	case strings.HasPrefix(text, "!<os>"):
		os = text[1:]
	case strings.HasPrefix(text, "!"):
		rest = text[1:]
	case strings.HasPrefix(text, "LXC"):
		typ, os, devices = "lxc", "<os><type>exe</type></os>", text[3:]
		o.FS = fixture.New(fstest.MapFS{path[1:]: {Mode: fs.ModeDevice | 0o600}})
		if strings.Contains(text, "misc") {
			o.FS = fixture.New(fstest.MapFS{path[1:]: {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600}})
		}
	case strings.HasPrefix(text, "HOST"):
		devices, o.FS = text[4:], fixture.New(fstest.MapFS{
			"sys/devices/pci0000:00/0000:06:12.5/config":      {},
			"sys/devices/pci0000:00/0000:06:12.5/iommu_group": {Mode: fs.ModeSymlink | 0o777, Data: []byte("../../../kernel/iommu_groups/7")},
			"sys/kernel/iommu_groups/7/type":                  {},
			"sys/bus/pci/devices/0000:06:12.5":                {Mode: fs.ModeSymlink | 0o777, Data: []byte("../../../devices/pci0000:00/0000:06:12.5")},
			"dev/vfio/7":                                      {Mode: fs.ModeDevice | fs.ModeCharDevice | 0o600},
		})
	default:
		devices = text
	}
	d, err := libvirtxml.ParseLive([]byte("<domain type='" + typ + "' id='4' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>vm</name><uuid>" + uuid +
		"</uuid>" + os + rest + "<devices>" + devices + "</devices></domain>"))
	if err != nil {
		return nil, err
	}
	return svirt.Derive(context.Background(), d, o)
}
