// SPDX-License-Identifier: Apache-2.0

package svirt_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/goarmor/apparmor/svirt"
)

// TestJSON holds the form of what programs print.
func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		value any
		want  string
	}{
		{&svirt.PathError{Device: svirt.Device{Kind: svirt.DeviceDisk, ID: "vda"}, Path: "/a", Reason: svirt.ReasonOutside, Err: errors.Join(errors.New("x"), errors.New("y"))},
			`{"device":{"kind":"disk","id":"vda"},"path":"/a","reason":"the path is outside of the roots for the device",` +
				`"message":"disk vda: the path is outside of the roots for the device (\"/a\"): x\ny","errors":[{"message":"x"},{"message":"y"}]}`},
		{&svirt.PathError{Device: svirt.Device{Kind: svirt.DeviceDisk}, Reason: svirt.ReasonEmpty},
			`{"device":{"kind":"disk"},"path":"","reason":"the path is empty","message":"disk: the path is empty","errors":[]}`},
		{(*svirt.PathError)(nil), `null`},
		{svirt.Status{UUID: "u", Profile: "p", Driver: "apparmor", HasProfile: true},
			`{"uuid":"u","profile":"p","driver":"apparmor","has_profile":true,"has_files":false,"edited":false,"loaded":false,"stale":false}`},
		{svirt.Advice{Code: svirt.AdviceAdd, Text: "t"}, `{"code":"add-device","text":"t"}`},
	} {
		got, err := json.Marshal(tt.value)
		if err != nil || string(got) != tt.want {
			t.Errorf("%v:\n got %s\nwant %s\n%v", tt.value, got, tt.want, err)
		}
	}
}
