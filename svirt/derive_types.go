// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goarmor/apparmor/ast"
)

// fileTypes is a set of types of files.
type fileTypes uint8

const (
	typeFile fileTypes = 1 << iota
	typeDirectory
	typeSocket
	typePipe
	typeBlock
	typeChar
	typeOther
)

// typeOf returns the type of a file.
func typeOf(m fs.FileMode) fileTypes {
	switch {
	case m.IsRegular():
		return typeFile
	case m.IsDir():
		return typeDirectory
	case m&fs.ModeSocket != 0:
		return typeSocket
	case m&fs.ModeNamedPipe != 0:
		return typePipe
	case m&fs.ModeCharDevice != 0:
		return typeChar
	case m&fs.ModeDevice != 0:
		return typeBlock
	}
	return typeOther
}

var typeNames = [...]struct {
	t    fileTypes
	name string
}{
	{typeFile, "a regular file"}, {typeDirectory, "a directory"}, {typeSocket, "a socket"}, {typePipe, "a named pipe"},
	{typeBlock, "a block device"}, {typeChar, "a character device"}, {typeOther, "something else"},
}

// String lists the types.
func (t fileTypes) String() string {
	var list []string
	for _, n := range typeNames {
		if t&n.t != 0 {
			list = append(list, n.name)
		}
	}
	return strings.Join(list, " or ")
}

// use is what a device does with a path. It decides what the file may be and
// where.
type use uint8

const (
	useImage     use = iota // an image in a file
	useBlock                // a disk that is a block device
	useShare                // a directory with all in it
	useDirectory            // a directory and what is directly in it, for reading
	useFirmware             // what a machine is started from
	useVariables            // the variables of firmware
	useMemory               // the guest's memory, in a file or on a device
	useLog                  // a file that a character device writes
	usePipe
	useSocket
	useVHostUser // the socket of a switch
	useSerial    // a character device for a character device
	usePTY       // a terminal that the VMM makes itself
	useInput
	useTPM
	useRender
	useDisplay // the cookies of an X server
	useNode    // the node of a host device
	useProgram
	useExtra
	useExtraTree
	useSound      // a sound card
	useVHost      // a node of the kernel's side of a device
	useReserve    // the socket of a qemu-pr-helper
	useQuote      // the socket of the service that signs quotes
	useCapability // a node that a container gets
	useSettings   // a file that is read
	useMemoryTree // a directory with the guest's memory
	useState      // the directory of a TPM
)

// uses says of each use which types of files it may have, which nodes in /dev
// without Options.Roots, and which of the roots it goes by.
var uses = [...]struct {
	types fileTypes
	must  bool                   // be there
	nodes []string               // patterns of path.Match of names in /dev
	open  func(path string) bool // what of private places it may have
	root  rootKind
}{
	useImage:     {types: typeFile, root: rootImages},
	useBlock:     {types: typeBlock, must: true, root: rootDevices},
	useShare:     {types: typeDirectory, root: rootShares},
	useDirectory: {types: typeDirectory, root: rootShares},
	useFirmware:  {types: typeFile, root: rootFirmware},
	useVariables: {types: typeFile, root: rootImages},
	useMemory:    {types: typeFile | typeChar, nodes: []string{"dax[0-9]*", "kvmfr[0-9]*", "shm/*"}, root: rootImages},
	useLog:       {types: typeFile | typePipe, root: rootLogs},
	usePipe:      {types: typePipe, root: rootSockets},
	useSocket:    {types: typeSocket, root: rootSockets},
	useVHostUser: {types: typeSocket, open: switchSocket, root: rootSockets},
	useSerial: {types: typeChar | typeSocket, must: true, nodes: []string{"ttyS[0-9]*", "ttyUSB[0-9]*", "ttyACM[0-9]*", "ttyAMA[0-9]*", "ttyMXUSB[0-9]*",
		"parport[0-9]*", "lp[0-9]*", "usb/lp[0-9]*", "serial/by-id/*", "serial/by-path/*", "null", "random", "urandom", "hwrng"}, root: rootDevices},
	usePTY:       {types: typeChar, nodes: []string{"pts/[0-9]*"}, root: rootDevices},
	useInput:     {types: typeChar, must: true, nodes: []string{"input/event[0-9]*", "input/by-id/*", "input/by-path/*"}, root: rootDevices},
	useTPM:       {types: typeChar, must: true, nodes: []string{"tpm[0-9]*", "tpmrm[0-9]*"}, root: rootDevices},
	useRender:    {types: typeChar, nodes: []string{"dri/renderD[0-9]*", "dri/by-path/*-render"}, root: rootDevices},
	useDisplay:   {types: typeFile, open: displayCookies, root: rootExtra},
	useNode:      {types: typeChar, root: rootDevices},
	useProgram:   {types: typeFile, root: rootPrograms},
	useExtra:     {types: ^fileTypes(0), nodes: []string{"null", "zero", "full", "random", "urandom", "kvm", "vhost-net", "vhost-vsock", "shm/*"}, root: rootExtra},
	useExtraTree: {types: typeDirectory, root: rootExtra},
	useSound:     {types: typeChar, must: true, nodes: []string{"snd/*", "dsp*", "adsp*", "audio*", "mixer*"}, root: rootDevices},
	useVHost:     {types: typeChar, nodes: []string{"vhost-net", "vhost-vdpa-[0-9]*", "vhost-vsock", "vhost-scsi", "net/tun", "tap[0-9]*"}, root: rootDevices},
	useReserve:   {types: typeSocket, open: reserveSocket, root: rootSockets},
	useQuote:     {types: typeSocket, open: quoteSocket, root: rootSockets},

	useCapability: {types: typeChar | typeBlock, must: true, root: rootDevices},
	useSettings:   {types: typeFile, root: rootExtra},
	useMemoryTree: {types: typeDirectory, root: rootImages},
	useState:      {types: typeDirectory, root: rootImages},
}

// directory reports whether all or much in a directory is meant.
func (u use) directory() bool {
	switch u {
	case useShare, useDirectory, useExtraTree, useMemoryTree, useState:
		return true
	}
	return false
}

// hasNode reports whether the use may have the node in /dev with the name.
func (u use) hasNode(name string) bool {
	switch u {
	case useBlock:
		return blockNode(name)
	case useNode, useCapability:
		return true // it was looked up, or may be any
	}
	return matchAny(uses[u].nodes, name)
}

// matchAny reports whether a name matches one of the patterns.
func matchAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if ok, err := path.Match(p, name); ok && err == nil {
			return true
		}
	}
	return false
}

// closedNodes are nodes that no machine ever gets: memory, ports, logs and
// processors of the host, and links to open files of the process itself.
var closedNodes = []string{
	"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/cpu", "/dev/fd", "/dev/mapper/control", "/dev/stdin", "/dev/stdout", "/dev/stderr",
}

func alwaysClosed(path string) bool { return withinAny(path, closedNodes) }

// blockNodes are the names that the kernel and udev give to block devices.
var blockNodes = []string{
	"sd*", "hd*", "vd*", "xvd*", "nvme[0-9]*n[0-9]*", "mmcblk[0-9]*", "dm-[0-9]*", "md[0-9]*", "loop[0-9]*", "sr[0-9]*", "fd[0-9]", "rbd[0-9]*",
	"nbd[0-9]*", "zd[0-9]*", "drbd[0-9]*", "bcache[0-9]*", "pmem[0-9]*", "ram[0-9]*", "cdrom", "dvd", "das*",
	"mapper/*", "md/*", "disk/*/*", "zvol/*/*", "zvol/*/*/*", "zvol/*/*/*/*", "drbd/by-*/*", "drbd/by-*/*/*", "rbd/*/*", "rbd/*/*/*",
}

// notVolumes are directories in /dev that are not volume groups.
var notVolumes = []string{
	"block/*", "bsg/*", "bus/*", "char/*", "cpu/*", "cpu_dma_latency/*", "dma_heap/*", "dri/*", "fd/*", "hugepages/*", "infiniband/*", "input/*",
	"mapper/*", "mqueue/*", "net/*", "pts/*", "raw/*", "shm/*", "snd/*", "usb/*", "v4l/*", "vfio/*", "vhost*/*", "serial/*",
}

// blockNode reports whether a name in /dev is that of a block device, as far as
// names tell: one of the kernel's, or VOLUMEGROUP/VOLUME.
func blockNode(name string) bool {
	if matchAny(blockNodes, name) {
		return true
	}
	return strings.Count(name, "/") == 1 && !matchAny(notVolumes, name)
}

// switchSocket reports whether a path is that of a port of a virtual switch,
// and not of the switch itself.
func switchSocket(p string) bool {
	dir, base := path.Split(p)
	switch dir {
	case "/run/openvswitch/", "/var/run/openvswitch/", "/run/vpp/", "/var/run/vpp/", "/var/lib/vhost_sockets/", "/var/lib/openvswitch/":
	default:
		return false
	}
	return strings.HasPrefix(base, "vhu") || strings.HasPrefix(base, "vhost") || strings.HasPrefix(base, "dpdkvhost")
}

// reserveSocket reports whether a path is the socket of the qemu-pr-helper that
// QEMU's own unit of systemd starts.
func reserveSocket(p string) bool { return runDir(p) == "/run/qemu-pr-helper.sock" }

// quoteSocket reports whether a path is where Intel's service listens.
func quoteSocket(p string) bool { return runDir(p) == "/run/tdx-qgs/qgs.socket" }

// displayCookies reports whether a path is where a user keeps what opens the
// user's X server.
func displayCookies(p string) bool {
	return path.Base(p) == ".Xauthority" && (within(p, "/home") || path.Dir(p) == "/root")
}

// fits returns the reason to refuse a file for what it is.
func (s *strict) fits(real string, found bool, file info, u use, perms ast.FilePerm) (Reason, error) {
	want := uses[u].types
	if !found {
		if uses[u].must {
			return ReasonNoDevice, nil
		}
		return "", nil
	}
	switch got := typeOf(file.mode); {
	case got&want == 0:
		return ReasonFileType, errors.New("it is " + got.String() + ", and must be " + want.String())
	case got == typeFile && file.links > 1 && !s.opts.HardLinks && placeOf(real).kind != placeReadable && u != useProgram:
		return ReasonLinks, errors.New("Options.HardLinks allows it")
	case got == typeBlock && u == useBlock && perms&ast.FileWrite != 0 && !withinAny(real, s.roots(rootDevices)):
		if by := s.look.usedBy(file.device); by != "" {
			return ReasonInUse, errors.New(by)
		}
	}
	return "", nil
}

// The words that a description uses for things other than paths. One that is
// misspelled would be granted nothing without a message.
var (
	knownImages     = []string{"", "file", "block", "dir", "network", "volume", "nvme", "vhostuser", "vhostvdpa"}
	knownFormats    = []string{"", "none", "raw", "dir", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "vhd", "vhdx", "fat", "luks", "parallels", "ploop", "cow", "qcow", "qcow2", "qed", "vmdk", "auto"}
	knownChardevs   = []string{"null", "vc", "pty", "dev", "file", "pipe", "stdio", "udp", "tcp", "unix", "spicevmc", "spiceport", "nmdm", "qemu-vdagent", "dbus"}
	knownMemory     = []string{"", "dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"}
	knownShmem      = []string{"", "ivshmem", "ivshmem-plain", "ivshmem-doorbell"}
	knownTPMs       = []string{"", "emulator", "passthrough", "external"}
	knownSmartcards = []string{"", "host", "host-certificates", "passthrough"}
	knownSecurity   = []string{"", "sev", "sev-snp", "s390-pv", "tdx"}
	knownLoaders    = []string{"", "rom", "pflash"}
	knownDrivers    = []string{"", "path", "virtiofs"}
	knownBackends   = []string{"", "default", "passt"}
	knownMemSources = []string{"", "anonymous", "memfd", "file"}
	knownAudios     = []string{"none", "alsa", "coreaudio", "dbus", "file", "jack", "oss", "pipewire", "pulseaudio", "sdl", "sndio", "spice"}
	knownCryptos    = []string{"", "builtin", "lkcf", "vhost-user"}
	knownGraphics   = []string{"vnc", "spice", "sdl", "egl-headless", "dbus", "rdp", "desktop"}
)

// known reports whether a word is one of those that there are, and refuses the
// device otherwise.
func (s *strict) known(what, word string, list []string) bool {
	if slices.Contains(list, word) {
		return true
	}
	s.refuse("", ReasonUnsupported, errors.New("unknown "+what+" "+strconv.Quote(word)))
	return false
}
