// SPDX-License-Identifier: Apache-2.0

// Command aapolicy checks, compares, explains, formats and lints AppArmor
// policy, and shows what is in force. It needs no kernel but for that.
//
//	aapolicy check DIR            expectations, for people, JSON, JUnit or SARIF
//	aapolicy diff OLD NEW         what is allowed now that was not, and the other way
//	aapolicy explain POLICY PROFILE REQUEST...
//	aapolicy fmt [-l] [-w] [-d] [FILE...]
//	aapolicy lint POLICY...       rules without effect
//	aapolicy status               profiles, processes, machines
//
// The exit status is 0 if all is well, 1 if something was found, and 2 if the
// input is wrong.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/goarmor/apparmor/cmd/aapolicy/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := command.Run(ctx, os.Args[1:], command.Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(status)
}
