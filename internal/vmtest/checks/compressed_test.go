// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/features"
)

// TestCompressed loads policy that package blob has compressed. Kernels that do
// not say that they unpack it refuse it.
func TestCompressed(t *testing.T) {
	k := kernel(t)
	set, err := k.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, p := newCompiler(t).compile(t, "text", "abi <kernel>,\nprofile packed {"+base+"\n\t/srv/packed/{a,b}* r,\n\tdeny /srv/packed/ab* r,\n}\n")
	for _, level := range []int{1, 3, 10, 22} {
		data, err := p.AppendCompressed(nil, level)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile("/sys/kernel/security/apparmor/.replace", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		// The kernel answers with the length of the plain stream.
		_, err = unix.Write(int(f.Fd()), data)
		if cerr := f.Close(); cerr != nil {
			t.Error(cerr)
		}
		if !set.Supports(features.CompressedLoad) {
			wantError(t, err, unix.EPROTONOSUPPORT)
			continue
		}
		if err != nil {
			t.Errorf("level %d: %v", level, err)
			continue
		}
		if holds, err := k.Holds(t.Context(), p); err != nil || !holds {
			t.Errorf("level %d: another policy is loaded: %v, %v", level, holds, err)
		}
		if err := k.Remove(t.Context(), "packed"); err != nil {
			t.Error(err)
		}
	}
}
