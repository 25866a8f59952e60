// SPDX-License-Identifier: Apache-2.0

// Command agent is a node agent, such as a DaemonSet of Kubernetes runs on each
// node: it brings the profiles of a directory, such as a ConfigMap, into the
// kernel of the node, for pods that name them as Localhost profiles.
//
//	agent -profiles /profiles -sys /host/sys -proc /host/proc
//
// It is one static binary that needs no other file, see the Dockerfile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/policydir"
	"github.com/goarmor/apparmor/svirt"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stderr); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	a := &agent{log: slog.New(slog.NewJSONHandler(w, nil)), wrong: map[string]string{}}
	flags := flag.NewFlagSet("agent", flag.ContinueOnError)
	flags.StringVar(&a.dir, "profiles", "/profiles", "`directory` of the profiles")
	flags.StringVar(&a.cache, "cache", "", "`directory` of compiled profiles; empty: they are compiled whenever the agent starts")
	flags.StringVar(&a.prefix, "prefix", "k8s-", "what the `names` of the profiles begin with; others are refused")
	sys := flags.String("sys", "/sys", "where the sysfs of the host is mounted, with its securityfs")
	proc := flags.String("proc", "/proc", "where the procfs of the host is mounted")
	every := flags.Duration("every", 10*time.Second, "how often the directory is looked at; 0: once, then the agent ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// Whatever the profiles say, no profile of the node's own is replaced or
	// removed. Open verifies that what is mounted there is the kernel's.
	kernel, err := loader.Open(loader.Options{SysFS: *sys, ProcFS: *proc, OnlyNames: a.ours})
	if err != nil {
		return err
	}
	defer kernel.Close()
	for {
		err := a.apply(ctx, kernel)
		if *every == 0 || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(*every):
		}
	}
}

type agent struct {
	dir, cache, prefix string
	log                *slog.Logger
	wrong              map[string]string // what was said of each file
}

// ours reports whether a profile may be touched: none of a namespace is ours.
func (a *agent) ours(name string) bool { return strings.HasPrefix(name, a.prefix) }

// apply brings the directory into the kernel: what changed since, and what
// others have changed in the kernel. What is wrong with one profile is logged
// and does not keep the others from being loaded.
func (a *agent) apply(ctx context.Context, kernel policydir.Kernel) error {
	// A ConfigMap is a directory of links to the files of its current version,
	// which all change at once. A root that is open stays at one version, and
	// no link in it leads out of it.
	dir, err := filepath.EvalSymlinks(filepath.Join(a.dir, "..data"))
	if errors.Is(err, fs.ErrNotExist) {
		dir, err = a.dir, nil
	}
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	o := policydir.Options{
		Kernel: kernel,
		// Includes and abi files come with the agent: nothing of the node's
		// file system is read.
		Parser: parser.Config{Roots: []fs.FS{root.FS(), svirt.PolicyFS()}, Limits: parser.Untrusted()},
		Dir:    ".",
		// Nodes have different kernels; what one of them does not mediate is
		// reported.
		Compile: compile.Options{Degrade: compile.Report, Limits: compile.Untrusted()},
		// What was loaded before and is gone from the directory is removed,
		// once no pod runs under it.
		Prefix: a.prefix,
	}
	if a.cache != "" {
		o.CacheDirs = []string{a.cache}
	}
	report, err := policydir.Apply(ctx, o)
	if report == nil {
		return err
	}
	for _, f := range report.Files {
		switch f.State {
		case policydir.Unchanged:
			delete(a.wrong, f.Name)
		case policydir.Failed:
			a.problem(ctx, f.Name, f.Err)
		default:
			delete(a.wrong, f.Name)
			a.log.InfoContext(ctx, string(f.State), "file", f.Name, "profiles", f.Profiles, "degraded", len(f.Degraded))
		}
	}
	for _, r := range report.Removed {
		if r.Err != nil {
			a.problem(ctx, r.Name, r.Err) // such as loader.ErrInUse: a pod still runs
			continue
		}
		delete(a.wrong, r.Name)
		a.log.InfoContext(ctx, "removed", "profile", r.Name)
	}
	return err
}

// problem logs what is wrong with a file or a profile, until it is something
// else.
func (a *agent) problem(ctx context.Context, name string, err error) {
	if text := err.Error(); a.wrong[name] != text {
		a.wrong[name] = text
		a.log.ErrorContext(ctx, "not done", "name", name, "error", text)
	}
}
