// SPDX-License-Identifier: Apache-2.0

// Command denials turns what AppArmor denies to machines into advice for
// people: which machine and which of its devices it is about, and what to do.
//
//	denials          # as it happens, from the audit system or the kernel's log
//	denials FILE     # of a log: of auditd, of the journal, of dmesg
//
// It needs root, and a manager of the machines that has set
// svirt.ManagerOptions.Shared; a manager can run watch itself instead.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/svirt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "denials:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("denials", flag.ContinueOnError)
	dir := flags.String("dir", "", "directory of policy (default /etc/apparmor.d)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: *dir, Shared: true})
	if err != nil {
		return err
	}
	defer manager.Close()
	if flags.NArg() == 0 {
		return explain(ctx, manager, audit.Watch(ctx, audit.WatchOptions{}), w)
	}
	f, err := os.Open(flags.Arg(0))
	if err != nil {
		return err
	}
	defer f.Close()
	return explain(ctx, manager, parse(f), w)
}

// parse yields the events of a log.
func parse(r io.Reader) iter.Seq2[*audit.Event, error] {
	return func(yield func(*audit.Event, error) bool) {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, audit.MaxLine+1)
		for lines.Scan() {
			e, err := audit.Parse(lines.Text())
			if errors.Is(err, audit.ErrOther) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// explain writes what is known about each event. What comes again and again is
// explained once.
func explain(ctx context.Context, manager *svirt.Manager, events iter.Seq2[*audit.Event, error], w io.Writer) error {
	seen := map[string]bool{}
	for e, err := range events {
		var lost *audit.LostError
		var bad *audit.SyntaxError
		switch {
		case errors.As(err, &lost), errors.As(err, &bad):
			// Some events are missing, and it goes on.
			if _, err := fmt.Fprintln(w, "warning:", err); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case e.Action != audit.Denied && e.Action != audit.Allowed && e.Action != audit.Killed:
			continue
		}
		x, err := manager.Explain(ctx, e)
		var none *audit.NoRequestError
		switch {
		case errors.Is(err, svirt.ErrNotFound), errors.As(err, &none):
			continue // of somebody else's profile, or of nothing that a rule is about
		case err != nil:
			return err
		}
		text := advice(e, x)
		if seen[text] {
			continue
		}
		if len(seen) == 10_000 {
			clear(seen) // what a machine does must not fill the memory
		}
		seen[text] = true
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// advice is a paragraph for a person. Words of the log are hostile, so they are
// quoted, or come from a rule, which has no control bytes.
func advice(e *audit.Event, x *svirt.Explained) string {
	text := fmt.Sprintf("machine %s, program %q: %s\n", x.UUID, e.Comm, x.Request)
	if x.Device != (svirt.Device{}) {
		text += fmt.Sprintf("  nearest device: %s\n", x.Device)
	}
	if x.Rule != "" {
		text += fmt.Sprintf("  rule that is missing: %s\n", x.Rule)
	}
	return text + fmt.Sprintf("  %s: %s\n", x.Advice.Code, x.Advice.Text)
}
