// SPDX-License-Identifier: Apache-2.0

// Command quickstart takes a virtual machine the whole way: from its
// description to the rules that it needs, to the files of its profile, to the
// binary that a kernel loads, and to what that binary allows and denies.
//
//	go run ./examples/quickstart
//
// needs no AppArmor in the kernel and no privilege. With -domain it takes a
// machine of yours, described in JSON (see svirt.Domain) or in libvirt's XML.
// If the kernel has AppArmor, root may add -load: then the profile is loaded,
// a process under it tries what the table says, and everything is removed
// again.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/query"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/libvirtxml"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == probeArg {
		os.Exit(probe(os.Args[2:], os.Stdout))
	}
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "quickstart:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) (err error) {
	// The writer keeps its first error for Flush.
	w := bufio.NewWriter(out)
	defer func() { err = errors.Join(err, w.Flush()) }()
	flags := flag.NewFlagSet("quickstart", flag.ContinueOnError)
	file := flags.String("domain", "", "`file` that describes the machine, JSON or libvirt XML (default: a sample machine)")
	series := flags.String("kernel", "6.12", "compile for the kernel `series`: "+strings.Join(features.Kernels(), ", "))
	load := flags.Bool("load", false, "load the profile and start a process under it (needs root and AppArmor)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	kernel, ok := features.Kernel(*series)
	if !ok {
		return fmt.Errorf("-kernel %s: not one of %s", *series, strings.Join(features.Kernels(), ", "))
	}

	// Everything happens in a directory of its own; the host's
	// /etc/apparmor.d is neither read nor written.
	dir, err := os.MkdirTemp("", "quickstart-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	// 1. The machine.
	var machine *svirt.Domain
	if *file == "" {
		machine, err = sample(dir)
	} else {
		machine, err = read(*file)
	}
	if err != nil {
		return err
	}
	if *load {
		return loadAndTry(ctx, w, dir, machine)
	}

	// 2. What it needs.
	derive := svirt.Options{FS: svirt.HostFS()}
	for _, d := range machine.Devices.Disks {
		// A backing file that only an image names must be beside an image.
		if filepath.IsAbs(d.Image.Path) {
			derive.Backing = append(derive.Backing, filepath.Dir(d.Image.Path))
		}
	}
	rules, err := svirt.Derive(ctx, machine, derive)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Machine %s (%s) needs:\n\n%s\n", machine.Name, machine.UUID, rules.AppendText(nil))

	// 3. Its profile: written, compiled and, by a driver that has a kernel,
	// loaded. This driver only keeps what it would load.
	d := &dryRun{kernel: kernel}
	manager, err := svirt.New(ctx, svirt.ManagerOptions{
		Dir:    filepath.Join(dir, "policy"), // from which no machine may have files
		Driver: d,
		Derive: derive,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	if err := manager.Create(ctx, machine); err != nil {
		return err
	}
	if err := showFiles(w, filepath.Join(dir, "policy", "libvirt")); err != nil {
		return err
	}

	// 4. The binary.
	binary := d.output.Policy
	fmt.Fprintf(w, "Binary for kernel %s:\n\n", *series)
	for i, s := range d.output.Stats {
		fmt.Fprintf(w, "  %s  %d states for files, %d for the rest\n", binary.Names()[i], s.File.States, s.Policydb.States)
	}
	fmt.Fprintf(w, "  %d bytes, sha256 %x\n", len(binary.Bytes()), binary.Digest())
	if n := len(d.output.Degraded); n > 0 {
		fmt.Fprintf(w, "  %d rules are not enforced as written, the first: %s\n", n, d.output.Degraded[0])
	}

	// 5. What it allows and denies, decided from the compiled bytes alone.
	name, err := svirt.ProfileName(machine.UUID)
	if err != nil {
		return err
	}
	profile, ok := query.Open(binary).Profile(name)
	if !ok {
		return fmt.Errorf("the binary has no profile %s", name)
	}
	fmt.Fprintln(w, "\nWhat the profile says, read from the binary:")
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, q := range questions(machine) {
		answer, err := profile.Ask(q.request)
		if err != nil {
			return err
		}
		fmt.Fprintf(tw, "  %s\t%s\n", q.text, answer)
	}
	return tw.Flush()
}

// read reads the description of a machine.
func read(name string) (*svirt.Domain, error) {
	const limit = 10 << 20
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, limit)
	}
	if bytes.HasPrefix(bytes.TrimLeft(data, "\ufeff \t\r\n"), []byte("<")) {
		d, err := libvirtxml.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return d, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	d := new(svirt.Domain)
	if err := dec.Decode(d); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more text follows the description", name)
	}
	return d, nil
}

// showFiles lists what is on disk.
func showFiles(w *bufio.Writer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fmt.Fprint(w, "Files, as libvirt has them below /etc/apparmor.d/libvirt:\n\n")
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %s  %s  %d bytes\n", info.Mode(), e.Name(), info.Size())
	}
	fmt.Fprintln(w)
	return nil
}
