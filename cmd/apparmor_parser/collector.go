// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstPercent has the first collection of garbage start at 16 MB, instead of 4 MB
// (heapMinimum in Go 1.26's runtime/mgcpacer.go).
const firstPercent = 400

// delayCollector lets a process that ends soon leave its garbage to the system: most
// files of profiles take less than 16 MB from beginning to end, and collecting before
// is a fifth of what a large one takes. Later collections are as ever, so that a process
// takes no more memory than the limits of compiling allow for; with one processor the
// second may come late, at 80 MB at the most. GOGC decides, if it is set.
func delayCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	later := debug.SetGCPercent(firstPercent)
	// Nothing refers to it, so the first collection finds it. It has a pointer because
	// small objects without are put together, and found together.
	found := new(struct{ _ *byte })
	runtime.AddCleanup(found, func(percent int) { debug.SetGCPercent(percent) }, later)
}
