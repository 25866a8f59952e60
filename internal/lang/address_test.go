// SPDX-License-Identifier: Apache-2.0

package lang_test

import (
	"testing"

	"github.com/goarmor/apparmor/internal/lang"
)

func TestParsePorts(t *testing.T) {
	for _, tt := range []struct {
		text     string
		from, to uint16
		ok       bool
	}{
		{"0", 0, 0, true}, {"80", 80, 80, true}, {"080", 80, 80, true}, {"80-80", 80, 80, true}, {"1-65535", 1, 65535, true},
		{text: ""}, {text: "-"}, {text: "1-"}, {text: "-1"}, {text: "+1"}, {text: "2-1"}, {text: "65536"}, {text: "1-2-3"}, {text: "1_0"}, {text: "x"},
	} {
		from, to, ok := lang.ParsePorts(tt.text)
		if ok != tt.ok || ok && (from != tt.from || to != tt.to) {
			t.Errorf("%q: %d, %d, %v", tt.text, from, to, ok)
		}
	}
}

func TestParseIP(t *testing.T) {
	for text, want := range map[string]bool{"127.0.0.1": true, "::1": true, "::ffff:1.2.3.4": true, "": false, "none": false, "1.2.3": false, "fe80::1%eth0": false, "01.2.3.4": false} {
		if _, ok := lang.ParseIP(text); ok != want {
			t.Errorf("%q: %v", text, ok)
		}
	}
}
