// SPDX-License-Identifier: Apache-2.0

package features_test

import (
	"fmt"
	"testing"

	"github.com/goarmor/apparmor/features"
)

// The built-in sets are what real kernels showed. The sums are of the canonical
// text of what the named kernels have below
// /sys/kernel/security/apparmor/features; what today's kernels show is
// compared by TestFeatureSets of internal/vmtest, which boots them.
func TestKernel(t *testing.T) {
	shown := map[string]struct{ release, id string }{
		"6.1":  {"6.1.0-56-cloud-amd64", "3ff8e062caa04dab2ed3b40c346f76d4cef8a31cc009e156ef4126321021aed9"},
		"6.12": {"6.12.118+deb13-cloud-amd64", "fef819e0946efdb07d32ec6d669422bfe685f13569b7583af4a5f7e090a92764"},
		"7.2":  {"7.2.13+deb14-cloud-amd64", "29655cf2e08b6f7524b52ba4b22de8c3d327aa75634530ff35b1e6cff3cb1400"},
		"7.3":  {"7.3.4+deb13-cloud-amd64", "620f1543c890b7302d4f077c6d8d6e543931fa53b6dcd7ca9de4d4f90b24703a"},

		"ubuntu-22.04": {"5.15.0-204-generic", "14087c71f7f608e13d6ed3ea5f9aca00820b23c9896145c9ed4856e8e23f129a"},
		"ubuntu-24.04": {"6.8.0-151-generic", "48129712818f812a140b0fa513e21c0e7f77da50c9021b10e429db57d56cd3e5"},
		"ubuntu-26.04": {"7.0.0-44-generic", "611413ba507a5c19522a9ae5f4b479d3f782c7a3553cc761fbff3c02cd20c927"},
	}
	for _, name := range features.Kernels() {
		set, ok := features.Kernel(name)
		if !ok {
			t.Errorf("%s is listed and not known", name)
		}
		if got := fmt.Sprintf("%x", set.ID()); got != shown[name].id {
			t.Errorf("%s is not what %s shows: %s\n%s", name, shown[name].release, got, set)
		}
	}
	if _, ok := features.Kernel("6.99"); ok {
		t.Error("an unknown kernel has features")
	}
}
