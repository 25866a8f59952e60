// SPDX-License-Identifier: Apache-2.0

package blob_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/features"
)

func TestLimitsOf(t *testing.T) {
	later := blob.KernelLimits{
		MaxABI: 9, PermTables: 3, Prompt: true, Disconnected: true,
		Wide: true, DiffEncode: true, Kill: true, CapsExtended: true,
	}
	for series, want := range map[string]blob.KernelLimits{
		"6.1":  {MaxABI: 8, Disconnected: true},
		"6.12": {MaxABI: 9, PermTables: 1, Prompt: true, Disconnected: true},
		"7.2":  later,
		"7.3":  later,
	} {
		set, ok := features.Kernel(series)
		if !ok {
			t.Fatalf("no features of %s", series)
		}
		if diff := cmp.Diff(want, blob.LimitsOf(set)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", series, diff)
		}
	}
	// Each feature on its own, under each of its names.
	for text, want := range map[string]blob.KernelLimits{
		"":                                   {},
		"policy {versions {v9 {yes\n}\n}\n}": {}, // which 6.1 says, too
		"policy {permstable32 {allow\n}\n}":  {MaxABI: 9, Prompt: true},
		"policy {permstable32_version {0x3\n}\n}":    {}, // without a table
		"policy {state32 {0x000001\n}\n}":            {Wide: true},
		"policy {diff-encode {yes\n}\n}":             {DiffEncode: true},
		"policy {diff_encode {yes\n}\n}":             {DiffEncode: true},
		"domain {disconnected.path {yes\n}\n}":       {Disconnected: true},
		"domain {stack {yes\n}\n}":                   {Disconnected: true},
		"domain {disconnected.ipc {yes\n}\n}":        {DisconnectedIPC: true},
		"domain {kill.signal {yes\n}\n}":             {Kill: true},
		"policy {profile {kill.signal {yes\n}\n}\n}": {Kill: true},
		"policy {profile {error {yes\n}\n}\n}":       {Error: true},
		"network {af_mask {unix\n}\n}":               {Families: true},
		"network_v8 {af_mask {unix\n}\n}":            {},
		"caps {extended {yes\n}\n}":                  {CapsExtended: true},
	} {
		set, err := features.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want.MaxABI == 0 {
			want.MaxABI = 8
		}
		if diff := cmp.Diff(want, blob.LimitsOf(set)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}
