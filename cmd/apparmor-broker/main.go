// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/broker"
)

// The first thread of a program never ends, so it must not be one of those that
// get the credentials of users. With the main goroutine locked to it, it is none.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr, nil)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "apparmor-broker:", err)
		os.Exit(1)
	}
}

// run serves until the context ends. A driver is for tests.
func run(ctx context.Context, args []string, log io.Writer, driver svirt.Driver) error {
	set := flag.NewFlagSet("apparmor-broker", flag.ContinueOnError)
	set.SetOutput(log)
	socket := set.String("socket", broker.DefaultSocket, "the `path` of the socket, if systemd has opened none")
	dir := set.String("dir", "", "the `directory` of the files of machines (/var/lib/apparmor-broker)")
	config := set.String("config", "", "a `file` of settings")
	if err := set.Parse(args); err != nil {
		return err
	}
	if set.NArg() > 0 {
		return fmt.Errorf("unknown argument %q", set.Arg(0))
	}
	listeners, err := broker.Activated()
	if err != nil {
		return err
	}
	o := broker.Options{Dir: *dir, Driver: driver, Logger: slog.New(slog.NewTextHandler(log, nil))}
	if *config != "" {
		if err := readConfig(*config, &o); err != nil {
			return fmt.Errorf("%s: %w", *config, err)
		}
	}
	b, err := broker.New(ctx, o)
	if err != nil {
		return err
	}
	if len(listeners) == 0 {
		l, err := broker.Listen(*socket)
		if err != nil {
			return errors.Join(err, b.Close())
		}
		listeners = []*net.UnixListener{l}
	}
	ended := make(chan error)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, l := range listeners {
		go func() {
			err := b.Serve(ctx, l)
			cancel()
			ended <- err
		}()
	}
	for range listeners {
		err = errors.Join(err, <-ended)
	}
	return errors.Join(err, b.Close())
}

// settings are what a file of settings says.
type settings struct {
	Roots      *svirt.Roots          `json:"roots"`
	Types      []string              `json:"types"`
	Companions []svirt.CompanionKind `json:"companions"`
	Namespaces []uint32              `json:"namespaces"`
	Limits     broker.Limits         `json:"limits"`
}

// readConfig reads settings into options.
func readConfig(path string, o *broker.Options) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var s settings
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return err
	}
	o.Types, o.Companions, o.Limits = s.Types, s.Companions, s.Limits
	if len(s.Namespaces) > 0 {
		o.Namespaces = func(p broker.Peer) error {
			if !slices.Contains(s.Namespaces, p.UID) {
				return fmt.Errorf("the settings name no policy namespace for user %d: %w", p.UID, broker.ErrNoPeer)
			}
			return nil
		}
	}
	if s.Roots != nil {
		o.Roots = func(p broker.Peer) (svirt.Roots, error) { return expand(*s.Roots, p, broker.HomeRoots) }
	}
	return nil
}

// expand replaces what stands for a user in roots.
func expand(r svirt.Roots, p broker.Peer, home func(broker.Peer) (svirt.Roots, error)) (svirt.Roots, error) {
	own, err := home(p)
	if err != nil {
		return svirt.Roots{}, err
	}
	for _, list := range []*[]string{&r.Images, &r.Shares, &r.Sockets, &r.Logs, &r.Firmware, &r.Devices, &r.Programs, &r.Extra} {
		var out []string
		for _, dir := range *list {
			if dir == "%h" {
				out = append(out, own.Images...)
				continue
			}
			out = append(out, strings.ReplaceAll(dir, "%u", strconv.FormatUint(uint64(p.UID), 10)))
		}
		*list = out
	}
	return r, nil
}
