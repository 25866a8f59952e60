// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CompanionKind is the program that a companion is. It says which template its
// profile is made from: libvirt/TEMPLATE.KIND.
type CompanionKind string

// The kinds of companions that this package has templates for.
const (
	CompanionVirtiofsd     CompanionKind = "virtiofsd"
	CompanionSWTPM         CompanionKind = "swtpm"
	CompanionPasst         CompanionKind = "passt"
	CompanionBridgeHelper  CompanionKind = "qemu-bridge-helper"
	CompanionStorageDaemon CompanionKind = "qemu-storage-daemon"
)

// companionKinds are those of this package.
var companionKinds = []CompanionKind{CompanionVirtiofsd, CompanionSWTPM, CompanionPasst, CompanionBridgeHelper, CompanionStorageDaemon}

// maxCompanions is how many companions a machine may have.
const maxCompanions = 64

// Companion is a program that works for one machine beside its VMM, under a
// profile of its own, whose name is that of the machine's profile with -ID at
// its end. A Manager creates, loads and removes it with the machine, and
// Manager.StartWith starts it: see StartOptions.Companion.
//
// The device that a companion serves is described once, as one of the machine.
// The machine gets its own end, the socket, and the companion gets the rest: the
// directory of a virtiofsd, the state of a swtpm, the log of a passt.
type Companion struct {
	// ID is unique among the companions of the machine: up to 32 lower-case
	// letters, digits, `_` and `-`; empty: the Kind. A program that the VMM
	// executes itself, as QEMU does qemu-bridge-helper and passt, must go by
	// its kind, since that is where the machine's template sends it.
	ID string `json:"id,omitempty"`
	// Kind is the program that it is; see ManagerOptions.Companions for which
	// there may be.
	Kind CompanionKind `json:"kind"`
	// Program is the program, if it is not where Debian has it.
	Program string `json:"program,omitempty"`
	// Serves is the device that it works for: a filesystem of the driver
	// virtiofs with a Socket, a TPM of the backend emulator with Path and State,
	// a net with a Socket, a disk of the type vhostuser. A qemu-bridge-helper
	// has none.
	Serves Device `json:"serves,omitzero"`
	// Devices are what it has besides: the images of a storage daemon, sockets
	// to control it (Chardevs), its pid file (Extra).
	Devices Devices `json:"devices,omitzero"`
}

// id returns the ID of a companion.
func (c *Companion) id() string {
	if c.ID == "" {
		return string(c.Kind)
	}
	return c.ID
}

// checkCompanionID reports whether an ID can be part of a profile's name.
func checkCompanionID(id string) error {
	ok := id != "" && len(id) <= 32
	for i := 0; i < len(id); i++ {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '_', c == '-':
		default:
			ok = false
		}
	}
	if !ok {
		return &IdentityError{What: "companion", Value: id, Reason: "an ID is made of 1 to 32 lower-case letters, digits, `_` and `-`"}
	}
	return nil
}

// checkCompanions reports what is wrong with the companions of a machine.
func (o *Options) checkCompanions(list []Companion, kinds []CompanionKind) error {
	if len(list) == 0 {
		return nil
	}
	if o.Method != Strict {
		return fmt.Errorf("%w: the method %s has no companions", ErrOptions, o.Method)
	}
	if len(list) > maxCompanions {
		return &IdentityError{What: "companions", Value: fmt.Sprint(len(list)), Reason: fmt.Sprintf("a machine may have %d", maxCompanions)}
	}
	seen := map[string]bool{}
	var errs []error
	for i := range list {
		c := &list[i]
		id := c.id()
		switch err := checkCompanionID(id); {
		case !slices.Contains(kinds, c.Kind):
			errs = append(errs, &IdentityError{What: "companion", Value: string(c.Kind), Reason: "it is not one of the kinds " + joinKinds(kinds)})
		case err != nil:
			errs = append(errs, err)
		case seen[id]:
			errs = append(errs, &PathError{Device: Device{DeviceCompanion, id}, Reason: ReasonDuplicate})
		default:
			errs = append(errs, ofCompanion(id, checkIDs(&c.Devices)))
		}
		seen[id] = true
	}
	return errors.Join(errs...)
}

func joinKinds(kinds []CompanionKind) string {
	var s []string
	for _, k := range kinds {
		s = append(s, string(k))
	}
	return strings.Join(s, ", ")
}

// ofCompanion says which companion an error is of.
func ofCompanion(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("companion %s: %w", id, err)
}

// DeriveCompanion returns the rules of a companion of a machine, by its ID, as
// Derive does those of the machine. A companion that the machine does not have
// is ErrNotFound.
func DeriveCompanion(ctx context.Context, d *Domain, id string, o Options) (*Rules, error) {
	if err := o.checkCompanions(d.Companions, companionKinds); err != nil {
		return nil, err
	}
	for i := range d.Companions {
		if c := &d.Companions[i]; c.id() == id {
			own, err := c.domain(d)
			if err != nil {
				return nil, err
			}
			rules, _, err := derive(ctx, own, &o, surroundings{companion: true, locked: c.locked(d)})
			return rules, ofCompanion(id, err)
		}
	}
	return nil, fmt.Errorf("companion %s: %w", id, ErrNotFound)
}

// domain describes what a companion has as if it were a machine.
func (c *Companion) domain(d *Domain) (*Domain, error) {
	own := (&Domain{UUID: d.UUID, Name: d.Name, Devices: c.Devices}).clone()
	v := &own.Devices
	if c.Program != "" {
		v.Programs = append(v.Programs, Program{ID: "companion", Path: c.Program})
	}
	refuse := func(reason Reason, text string) error {
		return ofCompanion(c.id(), &PathError{Device: c.Serves, Reason: reason, Err: errors.New(text)})
	}
	if c.Serves == (Device{}) {
		switch c.Kind {
		case CompanionVirtiofsd, CompanionSWTPM:
			return nil, ofCompanion(c.id(), &PathError{Device: Device{DeviceCompanion, c.id()}, Reason: ReasonNoDevice, Err: errors.New("set Companion.Serves")})
		}
		return own, nil
	}
	found := false
	d.Devices.each(func(dev Device, _ *string) { found = found || dev == c.Serves })
	if !found {
		return nil, refuse(ReasonNoDevice, "the machine does not have it")
	}
	socket := func(path string) {
		v.Chardevs = append(v.Chardevs, Chardev{ID: servedID, Type: ChardevUnix, Path: path})
	}
	switch {
	case c.Kind == CompanionVirtiofsd && c.Serves.Kind == DeviceFilesystem:
		for i := range d.Devices.Filesystems {
			f := d.Devices.Filesystems[i]
			if device(DeviceFilesystem, f.ID, i) != c.Serves {
				continue
			}
			if f.Driver != "virtiofs" || f.Socket == "" {
				return nil, refuse(ReasonEmpty, "it is not of the driver virtiofs with a Socket")
			}
			socket(f.Socket)
			f.ID, f.Driver, f.Socket = c.Serves.ID, "", ""
			v.Filesystems = append(v.Filesystems, f)
		}
	case c.Kind == CompanionSWTPM && c.Serves.Kind == DeviceTPM:
		for i := range d.Devices.TPMs {
			t := d.Devices.TPMs[i]
			if device(DeviceTPM, t.ID, i) != c.Serves {
				continue
			}
			if t.Backend != "emulator" || t.Path == "" || t.State == "" {
				return nil, refuse(ReasonEmpty, "it is not of the backend emulator with Path and State")
			}
			t.ID = c.Serves.ID
			v.TPMs = append(v.TPMs, t)
		}
	case c.Kind == CompanionPasst && c.Serves.Kind == DeviceNet:
		for i := range d.Devices.Nets {
			n := &d.Devices.Nets[i]
			if device(DeviceNet, n.ID, i) != c.Serves {
				continue
			}
			if n.Socket == "" {
				return nil, refuse(ReasonEmpty, "it has no Socket")
			}
			v.Nets = append(v.Nets, Net{ID: c.Serves.ID, Socket: n.Socket, Backend: "passt", Log: n.Log})
		}
	case c.Kind == CompanionStorageDaemon && c.Serves.Kind == DeviceDisk:
		for i := range d.Devices.Disks {
			disk := &d.Devices.Disks[i]
			if device(DeviceDisk, disk.ID, i) != c.Serves {
				continue
			}
			if disk.Image.Type != ImageVHostUser || disk.Image.Path == "" {
				return nil, refuse(ReasonEmpty, "it is not of the type vhostuser with a Path")
			}
			socket(disk.Image.Path)
		}
	default:
		return nil, refuse(ReasonUnsupported, "a "+string(c.Kind)+" does not serve such a device")
	}
	return own, nil
}

// servedID is the ID of the socket that a companion has for the machine.
const servedID = "served"

// locked returns the socket beside which a virtiofsd has a file with its number,
// which it locks.
func (c *Companion) locked(d *Domain) string {
	for i := range d.Devices.Filesystems {
		if f := &d.Devices.Filesystems[i]; c.Kind == CompanionVirtiofsd && device(DeviceFilesystem, f.ID, i) == c.Serves {
			return f.Socket
		}
	}
	return ""
}

// serves reports whether a companion of the machine serves a device.
func (d *Domain) serves(dev Device) bool {
	return slices.ContainsFunc(d.Companions, func(c Companion) bool { return c.Serves == dev })
}
