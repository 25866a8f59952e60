// SPDX-License-Identifier: Apache-2.0

package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// percent is what is set.
func percent() int {
	now := debug.SetGCPercent(-1)
	debug.SetGCPercent(now)
	return now
}

// TestDelayCollector: the first collection comes late, the later ones as before.
func TestDelayCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Cleanup(func() { debug.SetGCPercent(100) })
	debug.SetGCPercent(90)
	delayCollector()
	if got := percent(); got != firstPercent {
		t.Fatalf("%d %% before the first collection, want %d", got, firstPercent)
	}
	// A collection that starts before the object is out of sight does not find it.
	for end := time.Now().Add(time.Minute); percent() != 90; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d %% after collections, want 90", percent())
		}
		runtime.GC()
	}
}

func TestDelayCollectorSet(t *testing.T) {
	t.Setenv("GOGC", "90")
	t.Cleanup(func() { debug.SetGCPercent(100) })
	debug.SetGCPercent(90)
	if delayCollector(); percent() != 90 {
		t.Errorf("%d %%, want 90, which GOGC says", percent())
	}
}
