// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/svirttest"
)

// TestCapabilities holds the form that libvirt's clients read; internal/libvirtd
// compares it with what a libvirtd says.
func TestCapabilities(t *testing.T) {
	for _, tt := range []struct {
		driver    svirt.Driver
		xml, json string
	}{
		{svirttest.NewKernel(nil), "<secmodel><model>apparmor</model><doi>0</doi></secmodel>", `{"model":"apparmor","doi":"0"}`},
		{svirt.None{}, "<secmodel><model>none</model><doi>0</doi></secmodel>", `{"model":"none","doi":"0"}`},
	} {
		m, err := svirt.New(t.Context(), svirt.ManagerOptions{Dir: t.TempDir(), Driver: tt.driver})
		if err != nil {
			t.Fatal(err)
		}
		c := m.Capabilities()
		text, err := xml.Marshal(c)
		if err != nil || string(text) != tt.xml {
			t.Errorf("%s, %v; want %s", text, err, tt.xml)
		}
		data, err := json.Marshal(c)
		if err != nil || string(data) != tt.json {
			t.Errorf("%s, %v; want %s", data, err, tt.json)
		}
		var back svirt.Capabilities
		if err := xml.Unmarshal(text, &back); err != nil || back != c {
			t.Errorf("read back: %+v, %v", back, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
