// SPDX-License-Identifier: Apache-2.0

// Package svirtexpvar counts what a svirt.Manager does, for package expvar. It
// is a package of its own because expvar comes with an HTTP server.
//
//	metrics := svirtexpvar.New()
//	expvar.Publish("machines", metrics)
//	manager, err := svirt.New(ctx, svirt.ManagerOptions{Metrics: metrics})
package svirtexpvar

import (
	"expvar"

	"github.com/goarmor/apparmor/svirt"
)

// Metrics are the counts of one Manager, or of several together: compiled,
// compile_failed, compile_ns and compile_bytes; loaded, load_failed, load_ns and
// load_bytes; refused; denied, and denied_CLASS for each class of denials. They
// are safe for concurrent use. See New.
//
// There are no counts for each machine: their number is not bounded.
type Metrics struct{ counts *expvar.Map }

var (
	_ svirt.Metrics = (*Metrics)(nil)
	_ expvar.Var    = (*Metrics)(nil)
)

// New returns metrics in which everything is zero. They are not published.
func New() *Metrics {
	m := &Metrics{new(expvar.Map)}
	for _, name := range []string{
		"compiled", "compile_failed", "compile_ns", "compile_bytes", "loaded", "load_failed", "load_ns", "load_bytes", "refused", "denied",
	} {
		m.counts.Add(name, 0)
	}
	return m
}

// String returns the counts as a JSON object.
func (m *Metrics) String() string { return m.counts.String() }

// Get returns a count; 0 for a name that nothing was counted under.
func (m *Metrics) Get(name string) int64 {
	if n, ok := m.counts.Get(name).(*expvar.Int); ok {
		return n.Value()
	}
	return 0
}

func (m *Metrics) work(done, verb string, x svirt.Measured) {
	if x.Err != nil {
		done = verb + "_failed"
	}
	m.counts.Add(done, 1)
	m.counts.Add(verb+"_ns", x.Duration.Nanoseconds())
	m.counts.Add(verb+"_bytes", int64(x.Bytes))
}

// Compiled implements svirt.Metrics.
func (m *Metrics) Compiled(x svirt.Measured) { m.work("compiled", "compile", x) }

// Loaded implements svirt.Metrics.
func (m *Metrics) Loaded(x svirt.Measured) { m.work("loaded", "load", x) }

// Refused implements svirt.Metrics.
func (m *Metrics) Refused(svirt.Measured) { m.counts.Add("refused", 1) }

// Denied implements svirt.Metrics.
func (m *Metrics) Denied(x svirt.Measured) {
	m.counts.Add("denied", 1)
	if classes[x.Class] {
		m.counts.Add("denied_"+x.Class, 1)
	}
}

// classes are those of denials; records could name any others.
var classes = map[string]bool{
	"file": true, "cap": true, "net": true, "signal": true, "ptrace": true, "mount": true, "rlimits": true, "namespace": true,
	"io_uring": true, "posix_mqueue": true, "sysv_mqueue": true, "dbus": true,
}
