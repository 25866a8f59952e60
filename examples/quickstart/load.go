// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/goarmor/apparmor/svirt"
)

// probeArg makes this program act as the process that is confined.
const probeArg = "-probe"

// loadAndTry does for real what the rest of the program shows: it loads the
// machine's profile, starts a process under it that tries its files and a
// stranger's, and takes everything away again.
func loadAndTry(ctx context.Context, w *bufio.Writer, dir string, machine *svirt.Domain) (err error) {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// This very program is started, in place of a VMM.
	machine.Devices.Programs = append(machine.Devices.Programs, svirt.Program{ID: "probe", Path: self})
	stranger := filepath.Join(dir, "stranger.img")
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		return err
	}

	manager, err := svirt.New(ctx, svirt.ManagerOptions{Dir: filepath.Join(dir, "policy")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Close()) }()
	if err := manager.Create(ctx, machine); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, manager.Remove(ctx, machine.UUID)) }()
	status, err := manager.Status(ctx, machine.UUID)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Loaded %s, mode %s. A process under it:\n\n", status.Profile, status.Mode)

	args := []string{probeArg}
	for _, d := range machine.Devices.Disks {
		if d.Image.Path != "" {
			args = append(args, d.Image.Path)
		}
	}
	args = append(args, stranger, "/etc/shadow")
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Dir = "/"
	// Pipes, because the profile may not grant access to what w writes to.
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := manager.Start(ctx, machine.UUID, cmd); err != nil {
		return err
	}
	if _, err := io.Copy(w, out); err != nil {
		return err
	}
	return cmd.Wait()
}

// probe tries to read files, and reports.
func probe(paths []string, w io.Writer) int {
	for _, path := range paths {
		verdict := "allowed"
		f, err := os.Open(path)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			verdict = err.Error()
		}
		if _, err := fmt.Fprintf(w, "  read %s: %s\n", path, verdict); err != nil {
			return 1
		}
	}
	return 0
}
