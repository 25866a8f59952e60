// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"os"

	"github.com/goarmor/apparmor/cmd/apparmor_parser/internal/command"
)

// main leaves signals alone: an interrupt ends the process at once, as it does the
// reference. Policy is loaded, and files take the place of others, as a whole or not
// at all; at most a temporary file is left. To listen for signals takes Go two threads
// more, which is a tenth of what a small profile takes in all.
func main() {
	delayCollector()
	calmScheduler()
	growStack(os.Stdin == nil)
	os.Exit(command.Run(context.Background(), os.Args[1:], command.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	}))
}

// growStack has Go make the stack large at once, as it checks for the room that a
// function may need when it is called. Otherwise it makes a stack twice as large
// again and again, and each time reads the tables of all functions on it, for 3 % of
// the time of a profile.
//
//go:noinline
func growStack(never bool) byte {
	if never {
		var room [64 << 10]byte
		n := copy(room[:], os.Args[0])
		return room[n/2]
	}
	return 0
}
