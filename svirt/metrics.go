// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"errors"
	"time"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/loader"
)

// Metrics are told what a Manager does. They are called while the machine is
// locked, so they must not call the Manager, and should return at once. They
// must be safe for concurrent use. Package svirt/svirtexpvar has them for
// expvar.
type Metrics interface {
	// Compiled is called after each compilation of a machine's policy, also
	// after one that failed.
	Compiled(Measured)
	// Loaded is called after each policy that was handed to the kernel, also if
	// the kernel refused it. Bytes are those of the policy, whether the kernel
	// held it already or not.
	Loaded(Measured)
	// Refused is called for each description that was refused, with the error.
	Refused(Measured)
	// Denied is called for each denial that was explained, with its class.
	Denied(Measured)
}

// Measured is one thing that was done for a machine.
type Measured struct {
	UUID    string // of the machine
	Profile string // its profile, or that of a companion
	// Duration is how long it took; 0 for what takes no time worth measuring.
	Duration time.Duration
	// Bytes is the length of the compiled policy; 0 if there is none, or if the
	// driver's policy has no bytes.
	Bytes int
	Class string // of a denial, as audit.Event has it
	Err   error  // nil if it was done
}

// refuse tells that a description was refused. It returns the error.
func (m *Manager) refuse(ctx context.Context, uuid string, err error) error {
	var path *PathError
	var identity *IdentityError
	if !errors.As(err, &path) && !errors.As(err, &identity) {
		return err
	}
	device := ""
	if path != nil {
		device = path.Device.String()
	}
	m.log.WarnContext(ctx, "machine refused", "uuid", uuid, "device", device, "error", err)
	if m.options.Metrics != nil {
		m.options.Metrics.Refused(Measured{UUID: uuid, Profile: m.names.profile(uuid), Err: err})
	}
	return err
}

// measuring is a driver whose work is measured.
type measuring struct {
	Driver
	manager *Manager
}

func (d *measuring) measured(profile string, began time.Time, c Compiled, err error) Measured {
	uuid, _, _ := d.manager.names.machine(profile)
	m := Measured{UUID: uuid, Profile: profile, Duration: time.Since(began), Err: err}
	if p, ok := c.(*blob.Policy); ok && p != nil {
		m.Bytes = len(p.Bytes())
	}
	return m
}

// Compile measures that of the driver.
func (d *measuring) Compile(ctx context.Context, src *Source) (Compiled, error) {
	began := time.Now()
	c, err := d.Driver.Compile(ctx, src)
	d.manager.options.Metrics.Compiled(d.measured(src.Profile, began, c, err))
	return c, err
}

// Load measures that of the driver.
func (d *measuring) Load(ctx context.Context, c Compiled, a loader.Accept) error {
	began := time.Now()
	err := d.Driver.Load(ctx, c, a)
	profile := ""
	if p, ok := c.(*blob.Policy); ok && p != nil {
		profile = p.Names()[0]
	}
	d.manager.options.Metrics.Loaded(d.measured(profile, began, c, err))
	return err
}
