// SPDX-License-Identifier: Apache-2.0

package compile

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/goarmor/apparmor/compile/internal/automaton"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policy"
)

// TestMemoryGoes keeps what was compiled, and not the memory that it was made in.
func TestMemoryGoes(t *testing.T) {
	file, err := parser.Parse("p", "profile p /p/** { /** r, /x/** w, }\n")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := parser.Config{}.FollowIncludes(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	kernel, _ := features.Kernel("6.12")
	set, err := policy.Resolve(t.Context(), unit, policy.Options{Kernel: kernel, Default: kernel})
	if err != nil {
		t.Fatal(err)
	}
	q := newRequest(context.Background(), Options{Kernel: kernel})
	gone := make(chan struct{})
	func() {
		own := new(automaton.Memory)
		runtime.AddCleanup(own, func(c chan struct{}) { close(c) }, gone)
		memories.Put(own)
	}()
	out, err := compileSet(q, set, Options{Kernel: kernel})
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		runtime.GC()
		select {
		case <-gone:
			runtime.KeepAlive(out)
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Error("the memory is still held")
	runtime.KeepAlive(out)
}
