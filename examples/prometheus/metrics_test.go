// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/goarmor/apparmor/audit"
	metrics "github.com/goarmor/apparmor/examples/prometheus"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

const uuid = "7d3e5a34-1c0f-4f4e-9d0a-2b8f6c1e9a11"

// TestMetrics counts what a Manager does.
func TestMetrics(t *testing.T) {
	ctx := t.Context()
	m := metrics.New()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(m); err != nil {
		t.Fatal(err)
	}
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: t.TempDir(), Driver: svirttest.NewKernel(nil), Metrics: m})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	bad := &svirt.Domain{UUID: uuid, Name: "vm", Devices: svirt.Devices{Disks: []svirt.Disk{{ID: "a", Image: svirt.Image{Path: "/etc/shadow"}}}}}
	if err := manager.Create(ctx, bad); err == nil {
		t.Fatal("it is created")
	}
	if err := manager.Create(ctx, &svirt.Domain{UUID: uuid, Name: "vm"}); err != nil {
		t.Fatal(err)
	}
	for _, class := range []string{"file", "an invented one"} {
		e, err := audit.Parse(`audit: type=1400 audit(1.000:1): apparmor="DENIED" operation="open" class="` + class +
			`" profile="libvirt-` + uuid + `" name="/srv/x" requested_mask="r" denied_mask="r" pid=1 comm="vmm"`)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = manager.Explain(ctx, e) // one of them tells of no request
	}
	m.Denied(svirt.Measured{Class: "an invented one"})
	const want = `
# HELP apparmor_denials_total Denials of machines that were explained, by class.
# TYPE apparmor_denials_total counter
apparmor_denials_total{class="file"} 1
apparmor_denials_total{class="other"} 1
# HELP apparmor_machines_refused_total Descriptions of machines that were refused.
# TYPE apparmor_machines_refused_total counter
apparmor_machines_refused_total 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "apparmor_denials_total", "apparmor_machines_refused_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(registry, "apparmor_policy_seconds", "apparmor_policy_bytes_total"); n != 4 || err != nil {
		t.Errorf("%d metrics of compile and load, %v", n, err)
	}
}
