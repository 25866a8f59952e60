// Apparmor_parser compiles AppArmor policy and loads it into the kernel. It
// takes the options of the program of that name from AppArmor 6.0, so that it
// can stand in its place, and some of its own: --format and --json.
//
// The flag --help lists the options.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/goarmor/apparmor/cmd/apparmor_parser/internal/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := command.Run(ctx, os.Args[1:], command.Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
	})
	stop()
	os.Exit(status)
}
