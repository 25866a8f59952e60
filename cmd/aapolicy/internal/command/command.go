// SPDX-License-Identifier: Apache-2.0

// Package command is the program aapolicy.
package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/expect"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
)

// Env is what the program has from its surroundings.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Open opens the running kernel; nil: loader.Open.
	Open func(loader.Options) (Kernel, error)
}

// The exit statuses.
const (
	statusOK    = 0
	statusFound = 1 // an expectation that does not hold, a difference, a finding
	statusWrong = 2 // bad usage or bad input
)

// errFound ends a command that has found something.
var errFound = errors.New("something was found")

// Run runs the program and returns its exit status. What it found is on
// Env.Stdout, and what is wrong with the input on Env.Stderr.
func Run(ctx context.Context, args []string, env Env) int {
	if env.Open == nil {
		env.Open = openKernel
	}
	out := &buffer{w: env.Stdout}
	root := newRoot(env, out)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(out)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if out.err != nil {
		err = out.err
	}
	switch {
	case err == nil:
		return statusOK
	case errors.Is(err, errFound):
		return statusFound
	}
	for _, e := range unjoin(err) {
		_, _ = fmt.Fprintf(env.Stderr, "aapolicy: %+v\n", e)
	}
	return statusWrong
}

// buffer remembers that what was written could not be.
type buffer struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	n, err := b.w.Write(p)
	if err != nil && b.err == nil {
		b.err = err
	}
	return n, err
}

// unjoin returns the errors that errors.Join has joined.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, unjoin(e)...)
		}
		return all
	}
	return []error{err}
}

func newRoot(env Env, out io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "aapolicy",
		Short: "Check, compare, explain, format and lint AppArmor policy",
		Long: `aapolicy answers questions about AppArmor policy from the binary that a kernel
would load, without a kernel: whether what must never be allowed is denied, what
a change allows that was not allowed before, which rule decides, which rules have
no effect. It also formats policy, and shows what is in force on this machine.

The exit status is 0 if all is well, 1 if something was found: an expectation
that does not hold, a difference, a rule without effect; and 2 if the input or
the usage is wrong.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.DisableAutoGenTag = true
	root.AddCommand(newCheck(out), newDiff(out), newExplain(out), newFmt(env, out), newLint(out), newStatus(env, out), newMan(root))
	return root
}

// kernelFlag adds the flag --kernel.
func kernelFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "kernel", expect.DefaultKernel, "compile for this `kernel`: "+strings.Join(features.Kernels(), ", "))
	complete(c, "kernel", features.Kernels())
}

// includeFlag adds the flag --include.
func includeFlag(c *cobra.Command, to *[]string) {
	c.Flags().StringArrayVarP(to, "include", "I", nil, "look for include <...> in this `directory`; can be repeated (default: next to the policy)")
}

// formatFlag adds the flag --format.
func formatFlag(c *cobra.Command, to *string, formats ...string) {
	c.Flags().StringVar(to, "format", formats[0], "the `form` of the output: "+strings.Join(formats, ", "))
	complete(c, "format", formats)
}

func complete(c *cobra.Command, flag string, words []string) {
	// The error says that the flag does not exist, or has completions already.
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

func kernelOf(name string) (*features.Set, error) {
	set, ok := features.Kernel(name)
	if !ok {
		return nil, fmt.Errorf("unknown kernel %q: one of %s", name, strings.Join(features.Kernels(), ", "))
	}
	return set, nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
