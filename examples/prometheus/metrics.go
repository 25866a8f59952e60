// SPDX-License-Identifier: Apache-2.0

// Package prometheus has svirt.Metrics for Prometheus, to be copied: the library
// itself does not depend on its client.
//
//	metrics := prometheus.New()
//	registry.MustRegister(metrics)
//	manager, err := svirt.New(ctx, svirt.ManagerOptions{Metrics: metrics})
package prometheus

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/goarmor/apparmor/svirt"
)

// Metrics are the metrics of one Manager or of several together. They are a
// collector, and safe for concurrent use. None has a label for the machine:
// their number is not bounded.
type Metrics struct {
	work    *prometheus.HistogramVec // seconds, by verb and result
	bytes   *prometheus.CounterVec   // by verb
	refused prometheus.Counter
	denied  *prometheus.CounterVec // by class
}

var (
	_ svirt.Metrics        = (*Metrics)(nil)
	_ prometheus.Collector = (*Metrics)(nil)
)

// New returns metrics in which everything is zero.
func New() *Metrics {
	return &Metrics{
		work: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apparmor_policy_seconds", Help: "How long policy of machines took, by what was done (compile, load).",
			// A compilation takes a millisecond, a load into a busy kernel seconds.
			Buckets: prometheus.ExponentialBuckets(0.0005, 4, 8),
		}, []string{"do", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apparmor_policy_bytes_total", Help: "Bytes of policy, by what was done (compile, load).",
		}, []string{"do"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "apparmor_machines_refused_total", Help: "Descriptions of machines that were refused.",
		}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apparmor_denials_total", Help: "Denials of machines that were explained, by class.",
		}, []string{"class"}),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.work, m.bytes, m.refused, m.denied}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(c chan<- *prometheus.Desc) {
	for _, x := range m.collectors() {
		x.Describe(c)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(c chan<- prometheus.Metric) {
	for _, x := range m.collectors() {
		x.Collect(c)
	}
}

func (m *Metrics) done(what string, x svirt.Measured) {
	result := "ok"
	if x.Err != nil {
		result = "failed"
	}
	m.work.WithLabelValues(what, result).Observe(x.Duration.Seconds())
	m.bytes.WithLabelValues(what).Add(float64(x.Bytes))
}

// Compiled implements svirt.Metrics.
func (m *Metrics) Compiled(x svirt.Measured) { m.done("compile", x) }

// Loaded implements svirt.Metrics.
func (m *Metrics) Loaded(x svirt.Measured) { m.done("load", x) }

// Refused implements svirt.Metrics.
func (m *Metrics) Refused(svirt.Measured) { m.refused.Inc() }

// Denied implements svirt.Metrics.
func (m *Metrics) Denied(x svirt.Measured) {
	class := x.Class
	if !classes[class] {
		class = "other" // whoever writes to the log may name any
	}
	m.denied.WithLabelValues(class).Inc()
}

// classes are those of the kernel's and dbus-daemon's records.
var classes = map[string]bool{
	"file": true, "cap": true, "net": true, "signal": true, "ptrace": true, "mount": true, "rlimits": true, "namespace": true,
	"io_uring": true, "posix_mqueue": true, "sysv_mqueue": true, "dbus": true,
}
