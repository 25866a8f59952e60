// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/svirt"
)

// TestWarnings hands what a reader found through Derive and a Manager, whatever
// the method.
func TestWarnings(t *testing.T) {
	d := &svirt.Domain{UUID: "6d8c1494-16d5-5675-9439-85dd7dfec85d", Name: "vm", Type: "kvm"}
	d.Warnings = []svirt.Warning{
		{Device: svirt.Device{Kind: svirt.DeviceDisk, ID: "vda"}, Code: svirt.WarnUnread, Text: "it is not read", Add: "name the image"},
		{Device: svirt.Device{Kind: svirt.DeviceDomain, ID: "machine"}, Code: svirt.WarnArgument, Path: "-x\n", Text: "what it opens is not known", Add: "name the file"},
	}
	for _, m := range []svirt.Method{svirt.Strict, svirt.Compat90, svirt.Compat128} {
		rules, err := svirt.Derive(context.Background(), d, svirt.Options{Method: m})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d.Warnings, rules.Warnings()); diff != "" {
			t.Errorf("%s: %s", m, diff)
		}
	}
	if got, want := d.Warnings[1].String(), `domain machine: what it opens is not known ("-x\n"): name the file`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := d.Warnings[0].String(), `disk vda: it is not read: name the image`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	back := &svirt.Domain{}
	if err := json.Unmarshal(data, back); err != nil || cmp.Diff(d, back) != "" {
		t.Errorf("%s comes back as %+v, %v", data, back, err)
	}
}
