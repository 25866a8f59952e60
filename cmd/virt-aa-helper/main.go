// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/goarmor/apparmor/cmd/virt-aa-helper/internal/command"
)

// heapLimit is from how much memory on it is collected. Until then this program,
// which ends after one call, collects none.
const heapLimit = 64 << 20

func main() {
	smallPages()
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
	// What is done in a call is too little for several threads, which cost more
	// than they gain.
	runtime.GOMAXPROCS(1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := command.Run(ctx, os.Args[1:], command.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(status)
}
