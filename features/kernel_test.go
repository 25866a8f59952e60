// SPDX-License-Identifier: Apache-2.0

package features_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/internal/testenv"
)

// The built-in sets are what real kernels showed.
func TestKernel(t *testing.T) {
	files := map[string]string{
		"6.1":  "features/kernel-6.1.192",
		"6.12": "features/kernel-6.12.107",
		"7.2":  "features/kernel-7.2.13",
		"7.3":  "features/kernel-7.3.4",
	}
	for _, series := range features.Kernels() {
		t.Run(series, func(t *testing.T) {
			data, err := os.ReadFile(testenv.Corpus(t, files[series]))
			if err != nil {
				t.Fatal(err)
			}
			want, err := features.Parse(data)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := features.Kernel(series)
			if !ok {
				t.Fatal("unknown series")
			}
			if diff := cmp.Diff(want.String(), got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, ok := features.Kernel("6.99"); ok {
		t.Error("a kernel that is not known has features")
	}
}
