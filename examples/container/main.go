// SPDX-License-Identifier: Apache-2.0

//go:build linux

// Command container runs a program as a container runtime does: in a root of
// its own, under a profile that is made for it, and, if asked, under a second
// one: that of whoever asks for the container, or one that the container brings
// along, in a policy namespace of its own.
//
//	container run [-stack LABEL | -policy FILE] ID ROOT PROGRAM [ARGUMENT...]
//	container delete ID
//
// It needs root and a kernel with AppArmor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/goarmor/apparmor/loader"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "container:", err)
	}
	os.Exit(code)
}

var errUsage = errors.New("usage: container run [-stack LABEL | -policy FILE] ID ROOT PROGRAM [ARGUMENT...], or container delete ID")

// run returns the status of the container's program, or 125 with the error that
// kept it from running.
func run(ctx context.Context, args []string) (int, error) {
	if len(args) == 0 {
		return 125, errUsage
	}
	flags := flag.NewFlagSet("container "+args[0], flag.ContinueOnError)
	stack := flags.String("stack", "", "a `label` that the container runs under, too")
	policy := flags.String("policy", "", "`file` of the container's own policy, with a profile named init")
	if err := flags.Parse(args[1:]); err != nil {
		return 125, err
	}
	c := Container{ID: flags.Arg(0), Root: flags.Arg(1), Stack: *stack}
	kernel, err := open()
	if err != nil {
		return 125, err
	}
	defer kernel.Close()
	switch {
	case args[0] == "delete" && flags.NArg() == 1:
		if err := c.remove(ctx, kernel); err != nil {
			return 125, err
		}
		return 0, nil
	case args[0] != "run" || flags.NArg() < 3 || *stack != "" && *policy != "":
		return 125, errUsage
	}
	if *policy != "" {
		text, err := os.ReadFile(*policy)
		if err != nil {
			return 125, err
		}
		c.Policy = string(text)
	}
	cmd := exec.CommandContext(ctx, flags.Arg(2), flags.Args()[3:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return c.run(ctx, kernel, cmd)
}

// run runs a command in the container, and takes away everything afterwards.
func (c Container) run(ctx context.Context, kernel *loader.Kernel, cmd *exec.Cmd) (code int, err error) {
	label, err := c.load(ctx, kernel)
	if errors.Is(err, loader.ErrExist) {
		return 125, fmt.Errorf("there is a container %s already: %w", c.ID, err)
	}
	defer func() { err = errors.Join(err, c.remove(context.WithoutCancel(ctx), kernel)) }()
	if err != nil {
		return 125, err
	}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     c.Root,
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The label comes with the exec, after the root has changed, and is read
	// back: the program runs confined or not at all.
	if err := kernel.Start(ctx, cmd, label); err != nil {
		return 125, err
	}
	if err := cmd.Wait(); err != nil && cmd.ProcessState == nil {
		return 125, err
	}
	return cmd.ProcessState.ExitCode(), nil
}
