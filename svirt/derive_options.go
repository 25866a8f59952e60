// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Method is the way in which rules are derived.
type Method uint8

// The methods.
const (
	// Strict writes every path as a literal, refuses what no machine should
	// have and grants a device what it needs and no more.
	Strict Method = iota
	// Compat90, Compat113, Compat128 and Compat129 reproduce virt-aa-helper of
	// libvirt 9.0, 11.3, 12.8 and 12.9, byte for byte, with all that they let
	// through.
	Compat90
	Compat128
	Compat113
	Compat129
)

// release is a release of libvirt, in order.
type release uint8

const (
	libvirt90 release = iota
	libvirt113
	libvirt128
	libvirt129
)

// release returns the release that a method reproduces.
func (m Method) release() release {
	switch m {
	case Compat113:
		return libvirt113
	case Compat128:
		return libvirt128
	case Compat129:
		return libvirt129
	}
	return libvirt90
}

// String returns the name of the method.
func (m Method) String() string {
	switch m {
	case Strict:
		return "strict"
	case Compat90:
		return "compat-9.0"
	case Compat113:
		return "compat-11.3"
	case Compat128:
		return "compat-12.8"
	case Compat129:
		return "compat-12.9"
	}
	return "unknown"
}

// Origin says who wrote a description, and so how far it is trusted.
type Origin uint8

// The origins.
const (
	// FromManager: the manager of the machines made the description. The kind of
	// a device decides what it may have: the type of the file and where it is.
	// Files of the system, of its services, of users and of other machines are
	// closed, and Options.Roots opens them.
	FromManager Origin = iota
	// FromTenant: another party did, and the manager hands it on. Every path
	// must be in the root for its kind; a kind without a root gets nothing. A
	// backing file that only an image names must be in Options.Backing, and
	// the number of the machine is not the description's to give.
	FromTenant
)

// String returns the name of the origin.
func (o Origin) String() string {
	if o == FromTenant {
		return "tenant"
	}
	return "manager"
}

// Roots are the directories, or files, that the devices of a kind must be in:
// absolute paths, whole components. Symbolic links in them are followed, as in
// the paths of devices. A kind without any goes by where things are by custom
// under FromManager, and gets nothing under FromTenant.
//
// Roots open what is closed by custom, such as /home, /run or a node in /dev.
// They never open what no machine should have: /etc, /proc, /sys, the programs
// and libraries of the system, /dev/mem and the like.
type Roots struct {
	// Images are for disk images, backing and data files, the variables of
	// firmware, and memory and crash dumps of the guest in files.
	Images []string `json:"images,omitempty"`
	// Shares are for directories that are shared with the machine.
	Shares []string `json:"shares,omitempty"`
	// Sockets are for unix sockets and named pipes.
	Sockets []string `json:"sockets,omitempty"`
	// Logs are for files that character devices write.
	Logs []string `json:"logs,omitempty"`
	// Firmware is for what a machine is started from: kernels, initial RAM
	// disks, firmware, tables.
	Firmware []string `json:"firmware,omitempty"`
	// Devices are for nodes: block devices, character devices, host devices.
	Devices []string `json:"devices,omitempty"`
	// Programs are for Devices.Programs.
	Programs []string `json:"programs,omitempty"`
	// Extra is for Devices.Extra, and cookies of an X server.
	Extra []string `json:"extra,omitempty"`
}

// rootKind is a field of Roots.
type rootKind uint8

const (
	rootImages rootKind = iota
	rootShares
	rootSockets
	rootLogs
	rootFirmware
	rootDevices
	rootPrograms
	rootExtra
	rootKinds
)

func (k rootKind) String() string {
	return [...]string{"Images", "Shares", "Sockets", "Logs", "Firmware", "Devices", "Programs", "Extra"}[k]
}

func (r *Roots) of(k rootKind) []string {
	return [...][]string{r.Images, r.Shares, r.Sockets, r.Logs, r.Firmware, r.Devices, r.Programs, r.Extra}[k]
}

// Options say how rules are derived. The zero value is the method Strict for a
// description by the manager, without a file system.
type Options struct {
	Method Method // zero: Strict
	// Origin says who wrote the description. Compat takes none from a tenant.
	Origin Origin
	// Roots bound what devices may have, and open what is closed by custom.
	// Compat does not look at them, nor at what follows but FS and NoProbe.
	Roots Roots
	// Backing lists directories. Under Strict a backing file that only an
	// image names, not the description, must be in one of them. Without any
	// such an image is refused, except by a Manager under FromManager, which
	// takes what is there when the machine is created and remembers it.
	//
	// Files that only an image names are never writable: an external data file
	// must be in the description.
	Backing []string
	// Private lists directories that no machine gets anything of, whatever
	// else is said, such as those where the manager keeps its own state. A
	// Manager adds its own.
	Private []string
	// HardLinks takes files that have further names. Whoever can make a hard
	// link where images are can give an image's name to another file of the
	// same file system.
	HardLinks bool
	// Live says that the number in the description is libvirtd's own word on a
	// running machine; see libvirtxml.ParseLive. Under Strict the runtime
	// directory of the machine with that number is granted, so without Live a
	// description that has one is refused, as it always is under FromTenant. A
	// Manager knows which of its machines has which number and needs no Live.
	Live bool
	// FS is the file system of the host, by names without a leading slash.
	// Symbolic links are followed in it, files are looked at, images are
	// probed and host devices looked up. Without one every path is taken as it
	// is, types of files are not checked, and what has to be looked up is
	// refused.
	//
	// HostFS is the machine's own. There, every path is followed step by step
	// from descriptors that are held, no link is followed by the kernel, and
	// nothing is opened before it is known to be a regular file or a block
	// device. Any other is taken to be at rest: nobody changes it meanwhile.
	FS fs.ReadLinkFS
	// NoProbe leaves images closed: only what the description says of a chain
	// is granted.
	NoProbe bool
	// EscapeSpecial makes Strict take paths that have control bytes or bytes
	// that are special in policy. They are escaped, so that the rule still
	// matches that path and no other.
	EscapeSpecial bool
}

// The errors of derivation as a whole.
var (
	// ErrOptions: the options contradict each other, or name a directory by a
	// path that is not absolute.
	ErrOptions = errors.New("the options are wrong")
	// ErrNoAnswer: the context ended before the file system had answered. What
	// was asked of it is left running and ends when it answers.
	ErrNoAnswer = errors.New("the file system did not answer")
)

// check reports what is wrong with the options.
func (o *Options) check() error {
	if o.Origin == FromTenant && o.Method != Strict {
		return fmt.Errorf("%w: the method %s is not for a tenant's description", ErrOptions, o.Method)
	}
	list := func(name string, dirs []string) error {
		for _, dir := range dirs {
			if !strings.HasPrefix(dir, "/") || len(dir) > 1 && !isClean(strings.TrimSuffix(dir, "/")) {
				return fmt.Errorf("%w: %s has %q, which is not an absolute path without `.`, `..` and empty components", ErrOptions, name, dir)
			}
		}
		return nil
	}
	err := errors.Join(list("Backing", o.Backing), list("Private", o.Private))
	for k := range rootKinds {
		err = errors.Join(err, list("Roots."+k.String(), o.Roots.of(k)))
	}
	return err
}

func (o *Options) fs() fs.ReadLinkFS {
	if o.FS == nil {
		return emptyFS{}
	}
	return o.FS
}

// emptyFS has nothing in it.
type emptyFS struct{}

func (emptyFS) Open(n string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: n, Err: fs.ErrNotExist}
}

func (emptyFS) ReadLink(n string) (string, error) {
	return "", &fs.PathError{Op: "readlink", Path: n, Err: fs.ErrNotExist}
}

func (emptyFS) Lstat(n string) (fs.FileInfo, error) {
	return nil, &fs.PathError{Op: "lstat", Path: n, Err: fs.ErrNotExist}
}
