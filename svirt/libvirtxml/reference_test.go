// SPDX-License-Identifier: Apache-2.0

//go:build linux

package libvirtxml_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goarmor/apparmor/internal/oracle"
	"github.com/goarmor/apparmor/internal/testenv"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/fixture"
)

// domainCase is a domain to derive rules for.
type domainCase struct {
	name, xml string
	uuid      string // as the helper wants it
}

var uuidElement = regexp.MustCompile(`<uuid>\s*([^<\s]*)\s*</uuid>`)

// upstreamDomains returns the domains in the tests of libvirt's source package
// that have a UUID, each once.
func upstreamDomains(t *testing.T) []domainCase {
	t.Helper()
	root := filepath.Join(testenv.Source(t, "trixie", "libvirt"), "tests")
	var out []domainCase
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(path, ".xml") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text := string(data)
		if seen[text] || !isDomain(data) {
			return nil
		}
		seen[text] = true
		name, err := filepath.Rel(root, path)
		if m := uuidElement.FindStringSubmatch(text); m != nil && svirt.CheckUUID(strings.ToLower(m[1])) == nil {
			out = append(out, domainCase{name, text, strings.ToLower(m[1])})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) < 1500 {
		t.Fatalf("only %d domains in the tests of libvirt", len(out))
	}
	return out
}

// isDomain reports whether the first element is that of a domain.
func isDomain(data []byte) bool {
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		tok, err := d.RawToken()
		if err != nil {
			return false
		}
		if e, ok := tok.(xml.StartElement); ok {
			return e.Name.Local == "domain"
		}
	}
}

// ownPaths are the names that ownDomains puts into every place.
var ownPaths = []string{
	"/srv/images/raw.img", "/srv/images/top.qcow2", "/srv/images/mid.qcow2", "/srv/images/old.qcow2", "/srv/images/relative.qcow2",
	"/srv/images/sub/up.qcow2", "/srv/images/noformat.qcow2", "/srv/images/asraw.qcow2", "/srv/images/missing.qcow2", "/srv/images/outside.qcow2",
	"/srv/images/network.qcow2", "/srv/images/json.qcow2", "/srv/images/with space.img", "/srv/images/star*[x].img", "/srv/images/comma,.img",
	"/srv/images/link.img", "/srv/images/link2.qcow2", "/srv/images/dangling.img", "/srv/images/out.img", "/srv/pool/top.qcow2",
	"/srv/images/none.img", "/srv/images/none/../raw.img", "/srv/images/./raw.img", "/srv//images/raw.img", "/srv/images/", "/srv/images/raw.img/",
	"/", "/etc", "/etc/host.conf", "/etc/none", "/boot/vmlinuz", "/boot", "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/qemu/bios.bin", "/usr/bin/x", "/bin/x",
	"/lib/x", "/library", "/proc/1/mem", "/sys/x", "/sys/devices/pci0000:00/x", "/var/run/x.sock", "/tmp/@{HOME}", "/tmp/a\\b", "/tmp/é", "relative", "",
	"/dev/HostVG/QEMUGuest1", "/dev/disk/by-id/one", "/dev/null", "/dev/nothing", "/tmp/quote\"",
}

// ownPlaces are places of a path in a domain; %s is the path.
var ownPlaces = []string{
	`<disk type='file'><source file='%s'/><target dev='vda'/></disk>`,
	`<disk type='file'><driver name='qemu' type='qcow2'/><source file='%s'/><target dev='vda'/></disk>`,
	`<disk type='file'><driver name='qemu' type='raw'/><source file='%s'/><target dev='vda'/><readonly/></disk>`,
	`<disk type='block'><driver name='qemu' type='raw'/><source dev='%s'/><target dev='vda'/></disk>`,
	`<disk type='dir' device='floppy'><source dir='%s'/><target dev='fda'/></disk>`,
	`<disk type='file' device='cdrom'><source file='%s'/><target dev='hda' bus='ide'/></disk>`,
	`<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/images/none.img'/><backingStore type='file'><format type='qcow2'/><source file='%s'/></backingStore><target dev='vda'/></disk>`,
	`<serial type='file'><source path='%s'/></serial>`,
	`<serial type='unix'><source mode='bind' path='%s'/></serial>`,
	`<parallel type='dev'><source path='%s'/></parallel>`,
	`<channel type='pipe'><source path='%s'/><target type='virtio'/></channel>`,
	`<console type='unix'><source mode='connect' path='%s'/><target type='virtio'/></console>`,
	`<filesystem type='mount'><source dir='%s'/><target dir='t'/></filesystem>`,
	`<filesystem type='mount'><source dir='%s'/><target dir='t'/><readonly/></filesystem>`,
	`<graphics type='vnc' socket='%s'/>`,
	`<graphics type='egl-headless'><gl rendernode='%s'/></graphics>`,
	`<input type='passthrough' bus='virtio'><source evdev='%s'/></input>`,
	`<interface type='vhostuser'><source type='unix' path='%s' mode='client'/><model type='virtio'/></interface>`,
	`<tpm model='tpm-tis'><backend type='passthrough'><device path='%s'/></backend></tpm>`,
	`<smartcard mode='passthrough' type='unix'><source mode='bind' path='%s'/></smartcard>`,
	`<memory model='nvdimm'><source><path>%s</path></source><target><size unit='MiB'>128</size><label><size unit='KiB'>128</size></label></target></memory>`,
	`OS<kernel>%s</kernel>`,
	`OS<initrd>%s</initrd>`,
	`OS<loader readonly='yes' type='pflash'>%s</loader>`,
	`OS<loader type='rom'>%s</loader>`,
	`OS<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE.fd</loader><nvram>%s</nvram>`,
}

// ownDevices are devices whose rules come from elsewhere.
var ownDevices = []string{
	`<hostdev mode='subsystem' type='usb'><source><address bus='1' device='2'/></source></hostdev>`,
	`<hostdev mode='subsystem' type='usb'><source><vendor id='0x0204'/><product id='0x6025'/></source></hostdev>`,
	`<hostdev mode='subsystem' type='usb'><source><vendor id='0x046d'/><product id='0xc52b'/></source></hostdev>`,
	`<hostdev mode='subsystem' type='usb'><source><vendor id='0x046d'/><product id='0xc52b'/><address bus='2' device='2'/></source></hostdev>`,
	`<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' bus='0x06' slot='0x12' function='0x5'/></source></hostdev>`,
	`<hostdev mode='subsystem' type='pci'><driver name='vfio'/><source><address domain='0x0000' bus='0x07' slot='0x12' function='0x5'/></source></hostdev>`,
	`<interface type='hostdev'><source><address type='pci' domain='0x0000' bus='0x03' slot='0x05' function='0x0'/></source></interface>`,
	`<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='53764d0e-85a0-42b4-af5c-2046b460b1dc'/></source></hostdev>`,
	`<interface type='user'><model type='virtio'/></interface>`,
	`<interface type='user'><model type='e1000'/></interface>`,
	`<interface type='user'><model type='virtio'/><driver name='qemu'/></interface>`,
	`<graphics type='spice'><gl enable='yes' rendernode='/dev/dri/renderD129'/></graphics>`,
	`<graphics type='sdl' display=':0' xauth='/root/.Xauthority'/>`,
	`<shmem name='x'><model type='ivshmem-plain'/><size unit='M'>4</size></shmem>`,
	`<shmem name='x'><server path='/tmp/shm.sock'/></shmem>`,
	`<tpm model='tpm-tis'><backend type='emulator' version='2.0'/></tpm>`,
	`<smartcard mode='host'/>`,
	`<filesystem type='mount'><driver type='virtiofs'/><source dir='/srv/images'/><target dir='t'/></filesystem>`,
	`<rng model='virtio'><backend model='random'>/dev/random</backend></rng>`,
	`<disk type='network'><source protocol='nbd' name='x'><host name='h'/></source><target dev='vda'/></disk>`,
	`<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>`,
	`<disk type='file'><driver name='qemu' type='qcow2'/><source file='/srv/images/top.qcow2'/><backingStore/><target dev='vda'/></disk>`,
}

// ownNames are names of domains.
var ownNames = []string{"vm", "a b", "a-name-of-more-than-twenty-bytes", "ééééééééééé", "x@y", "a#b", "a\\b", "a/b", "a[b", "a*", "a,b", "a\"b", "a{b}", "a^b", "a?"}

// ownDomains returns domains in our own words: every path in every place, and
// more.
func ownDomains() []domainCase {
	const uuid = "6d8c1494-16d5-5675-9439-85dd7dfec85d"
	var out []domainCase
	add := func(name, typ, label, os, devices string) {
		text := fmt.Sprintf(`<domain type='%s'><name>%s</name><uuid>%s</uuid><memory>1024</memory><os><type arch='x86_64'>%s</type>%s</os><devices>%s</devices></domain>`,
			typ, escape(label), uuid, map[bool]string{true: "exe", false: "hvm"}[typ == "lxc"], os, devices)
		out = append(out, domainCase{name, text, uuid})
	}
	for i, place := range ownPlaces {
		for _, path := range ownPaths {
			if path == "" && strings.Contains(place, "rendernode") {
				continue // the library does not tell an empty node from none
			}
			name := fmt.Sprintf("own/%d %q", i, path)
			if os, ok := strings.CutPrefix(place, "OS"); ok {
				add(name, "kvm", "vm", fmt.Sprintf(os, escape(path)), "")
			} else {
				add(name, "kvm", "vm", "", fmt.Sprintf(place, escape(path)))
			}
		}
	}
	for i, device := range ownDevices {
		for _, typ := range []string{"kvm", "qemu"} {
			add(fmt.Sprintf("own/%s device %d", typ, i), typ, "vm", "", device)
		}
	}
	for _, name := range ownNames {
		add(fmt.Sprintf("own/name %q", name), "kvm", name, "", "")
	}
	for _, typ := range []string{"kvm", "qemu", "kqemu", "lxc", "xen", "hvf", "bhyve", "test", "vmware", "none", ""} {
		add("own/type "+typ, typ, "vm", "", `<disk type='file'><source file='/srv/images/raw.img'/><target dev='vda'/></disk>`)
	}
	return out
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // which fails where its writer does
	return b.String()
}

// sample returns n of the cases, the same each time, and all of them when
// everything is asked for.
func sample(cases []domainCase, n int) []domainCase {
	if testenv.Full() || len(cases) <= n {
		return cases
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	rnd.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
	return cases[:n]
}

// references are the versions of virt-aa-helper that rules are derived for.
var references = []struct {
	suite, version string
	method         svirt.Method
}{
	{"bookworm", "9.0.", svirt.Compat90},
	{"trixie", "11.3.", svirt.Compat113},
	{"sid", "12.8.", svirt.Compat128},
	{"trixie-backports", "12.9.", svirt.Compat129},
}

// TestReference derives the rules of libvirt's test domains, and of our own, as
// Debian's virt-aa-helper does today.
func TestReference(t *testing.T) {
	for _, v := range references {
		t.Run(v.suite, func(t *testing.T) {
			h := oracle.VirtAAHelper(t, v.suite, fixture.Own())
			judged := strings.HasPrefix(h.Version(), v.version)
			if !judged {
				t.Logf("%s has libvirt %s now; differences from %sx are reported, but do not fail", v.suite, h.Version(), v.version)
			}
			n := 200
			if testing.Short() {
				n = 20
			}
			for _, set := range []struct {
				name  string
				cases []domainCase
			}{{"upstream", sample(upstreamDomains(t), n)}, {"own", sample(ownDomains(), n)}} {
				t.Run(set.name, func(t *testing.T) {
					compareDomains(t, h, v.method, judged, set.cases)
				})
			}
		})
	}
}

var withoutSocket = regexp.MustCompile(`(?s)<interface type=.vhostuser.>.*<backend type=.passt.`)

// compareDomains derives the rules of domains and compares them with the
// helper's. Unless they are judged, differences are only counted.
func compareDomains(t *testing.T, h oracle.VirtHelper, method svirt.Method, judged bool, cases []domainCase) {
	t.Helper()
	differ := t.Errorf
	if !judged {
		differ = t.Logf
	}
	var taken, invalid, killed, different atomic.Int64
	var wg sync.WaitGroup
	work := make(chan domainCase)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for c := range work {
				want, err := h.Rules(c.xml, "libvirt-"+c.uuid)
				var failed *oracle.Error
				if err != nil && !errors.As(err, &failed) {
					t.Error(err)
					continue
				}
				got, ours := derive([]byte(c.xml), svirt.Options{Method: method, FS: h.FS()})
				if want == "(null)" { // how the helper prints that there are none
					want = ""
				}
				if want != "" && !strings.HasSuffix(want, "\n") {
					want += "\n"
				}
				if err == nil {
					taken.Add(1)
				}
				switch {
				case err == nil && ours != nil:
					different.Add(1)
					differ("%s: refused: %v", c.name, ours)
				case failed != nil && ours == nil && strings.Contains(failed.Stderr, "could not get VM definition"):
					// A description that libvirtd never hands to the helper.
					invalid.Add(1)
				case failed != nil && failed.Exit == -1 && ours == nil:
					killed.Add(1) // by a signal: that is not an answer
				case err != nil && ours == nil && withoutSocket.MatchString(c.xml):
					// The helper stumbles over a switch without a socket.
					invalid.Add(1)
				case err != nil && ours == nil:
					different.Add(1)
					differ("%s: taken, the reference refuses it: %v", c.name, err)
				case err == nil && !equal(got, []byte(want)):
					different.Add(1)
					differ("%s: got\n%swant\n%s", c.name, got, want)
				}
			}
		})
	}
	for _, c := range cases {
		work <- c
	}
	close(work)
	wg.Wait()
	t.Logf("libvirt %s: %d domains, of which it takes %d; %d that are not a description to it are taken by us; %d end it; %d differ",
		h.Version(), len(cases), taken.Load(), invalid.Load(), killed.Load(), different.Load())
	if taken.Load() == 0 || taken.Load() == int64(len(cases)) && len(cases) > 100 {
		t.Error("want domains that are accepted and some that are not")
	}
}
