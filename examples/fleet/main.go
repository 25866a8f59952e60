// SPDX-License-Identifier: Apache-2.0

// Command fleet compiles the profile of a fleet's machines once for each kernel that
// its nodes run, and pushes what comes out to an OCI registry. Nodes pull it by its
// digest, and give each of their machines a profile of its own without compiling
// anything but what the machine has for itself.
//
//	fleet push -to localhost:5000/policy/machine:v1 -kernels 6.12,7.3
//	fleet load -from localhost:5000/policy/machine@sha256:... -cache /var/cache/fleet -machines /etc/fleet
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
)

const usage = "usage: fleet push|load [options]; each tells its own with -h"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, log io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "push":
		return runPush(ctx, args[1:], out)
	case "load":
		return runLoad(ctx, args[1:], slog.New(slog.NewTextHandler(log, nil)))
	}
	return errors.New(usage)
}

// repository returns a repository of a registry. One on this machine may do without
// TLS.
func repository(reference string) (*remote.Repository, error) {
	r, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	host, _, _ := strings.Cut(r.Reference.Registry, ":")
	r.PlainHTTP = host == "localhost" || host == "127.0.0.1"
	return r, nil
}

func runPush(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	to := flags.String("to", "", "`reference` to push to: REGISTRY/REPOSITORY:TAG")
	kernels := flags.String("kernels", "6.12,7.3", "the kernels of the nodes: "+strings.Join(features.Kernels(), ", ")+"; or files with the features of one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	repo, err := repository(*to)
	if err != nil {
		return fmt.Errorf("-to: %w", err)
	}
	var sets []*features.Set
	for name := range strings.SplitSeq(*kernels, ",") {
		set, ok := features.Kernel(name)
		if !ok {
			data, err := os.ReadFile(name)
			if err == nil {
				set, err = features.Parse(data)
			}
			if err != nil {
				return fmt.Errorf("-kernels: %w", err)
			}
		}
		sets = append(sets, set)
	}
	digest, err := push(ctx, repo, repo.Reference.Reference, sets)
	if err != nil {
		return err
	}
	// Nodes are told this, over a way that they trust: a tag is whatever who may
	// push says that it is.
	_, err = fmt.Fprintf(out, "%s/%s@%s\n", repo.Reference.Registry, repo.Reference.Repository, digest)
	return err
}

func runLoad(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	from := flags.String("from", "", "`reference` of what was pushed: REGISTRY/REPOSITORY@DIGEST")
	cache := flags.String("cache", "/var/cache/fleet", "`directory` of what was pulled, with which a node starts without the registry")
	machines := flags.String("machines", "/etc/fleet", "`directory` of descriptions of machines, UUID.json")
	if err := flags.Parse(args); err != nil {
		return err
	}
	repo, err := repository(*from)
	if err != nil {
		return fmt.Errorf("-from: %w", err)
	}
	kernel, err := loader.Open(loader.Options{OnlyNames: ours})
	if err != nil {
		return err
	}
	defer kernel.Close()
	local, err := oci.New(*cache)
	if err != nil {
		return err
	}
	n := node{kernel: kernel, local: local, remote: repo, log: log}
	if err := n.open(ctx, repo.Reference.Reference); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(*machines, "*.json"))
	if err != nil {
		return err
	}
	// What is wrong with one machine does not keep the others from being confined.
	var errs []error
	for _, f := range files {
		if err := n.loadFile(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", f, err))
		}
	}
	return errors.Join(errs...)
}

// loadFile confines the machine that a file describes.
func (n *node) loadFile(ctx context.Context, name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var d svirt.Domain
	if err := json.Unmarshal(data, &d); err != nil {
		return err
	}
	return n.load(ctx, &d, svirt.HostFS())
}
