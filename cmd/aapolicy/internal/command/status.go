// SPDX-License-Identifier: Apache-2.0

package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goarmor/apparmor/loader"
)

// Kernel is what is asked of the running kernel.
type Kernel interface {
	Mode(ctx context.Context) (loader.Mode, error)
	Profiles(ctx context.Context) ([]loader.Profile, error)
	Label(pid int) (loader.Label, error)
	Close() error
}

func openKernel(o loader.Options) (Kernel, error) {
	k, err := loader.Open(o)
	if err != nil {
		return nil, err
	}
	return k, nil
}

// state is what is in force.
type state struct {
	Mode     loader.Mode     `json:"mode"` // of the kernel as a whole; empty: not known
	Profiles []loadedProfile `json:"profiles"`
	Machines []machine       `json:"machines"`
	// Unreadable is how many processes could not be looked at.
	Unreadable int `json:"unreadable"`
}

type loadedProfile struct {
	Name      string      `json:"name"`
	Namespace string      `json:"namespace"`
	Mode      loader.Mode `json:"mode"`
	Processes []int       `json:"processes"`
}

type machine struct {
	UUID      string      `json:"uuid"`
	Mode      loader.Mode `json:"mode"`
	Processes []int       `json:"processes"`
}

func newStatus(env Env, out io.Writer) *cobra.Command {
	var format string
	o := loader.Options{}
	c := &cobra.Command{
		Use:   "status",
		Short: "Show profiles, their processes, and machines",
		Long: `Status shows the profiles that are loaded in this policy namespace and below it, in
which mode they are, the processes that run under them, and the machines, whose
profiles are called libvirt-UUID. It needs the right to read securityfs, which
is root's.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if err := oneOf(format, "text", "json"); err != nil {
				return err
			}
			kernel, err := env.Open(o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, kernel.Close()) }()
			s, err := readState(c.Context(), kernel, o.ProcFS)
			if err != nil {
				return err
			}
			if format == "json" {
				return writeJSON(out, s)
			}
			return s.write(out)
		},
	}
	formatFlag(c, &format, "text", "json")
	c.Flags().StringVar(&o.SysFS, "sys", "/sys", "`directory` where sysfs is mounted")
	c.Flags().StringVar(&o.ProcFS, "proc", "/proc", "`directory` where procfs is mounted")
	return c
}

func readState(ctx context.Context, kernel Kernel, procfs string) (*state, error) {
	s := &state{Profiles: []loadedProfile{}, Machines: []machine{}}
	var err error
	if s.Mode, err = kernel.Mode(ctx); err != nil && !errors.Is(err, os.ErrPermission) {
		return nil, err
	}
	profiles, err := kernel.Profiles(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[string]int{}
	for _, p := range profiles {
		byName[qualified(p)] = len(s.Profiles)
		s.Profiles = append(s.Profiles, loadedProfile{p.Name, p.Namespace, p.Mode, []int{}})
	}
	entries, err := os.ReadDir(procfs)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid <= 0 {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		label, err := kernel.Label(pid)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue // it has ended
		case err != nil:
			s.Unreadable++
			continue
		}
		for _, name := range label.Profiles() {
			if i, ok := byName[normal(name)]; ok {
				s.Profiles[i].Processes = append(s.Profiles[i].Processes, pid)
			}
		}
	}
	for _, p := range s.Profiles {
		slices.Sort(p.Processes)
		if uuid, ok := strings.CutPrefix(p.Name, "libvirt-"); ok && p.Namespace == "" && !strings.Contains(uuid, "//") {
			s.Machines = append(s.Machines, machine{uuid, p.Mode, p.Processes})
		}
	}
	return s, nil
}

// qualified is the name of a profile with its namespace.
func qualified(p loader.Profile) string {
	if p.Namespace == "" {
		return p.Name
	}
	return ":" + p.Namespace + ":" + p.Name
}

// normal is the name of a profile in a label, in the form of qualified.
func normal(name string) string {
	if rest, ok := strings.CutPrefix(name, ":"); ok {
		if ns, profile, ok := strings.Cut(rest, ":"); ok {
			return ":" + ns + ":" + strings.TrimPrefix(profile, "//")
		}
	}
	return name
}

func (s *state) write(w io.Writer) error {
	var out strings.Builder
	switch s.Mode {
	case "":
		out.WriteString("The mode of the kernel as a whole is not known.\n")
	default:
		fmt.Fprintf(&out, "The kernel is in mode %s.\n", s.Mode)
	}
	counts := map[loader.Mode]int{}
	running := map[int]bool{}
	for _, p := range s.Profiles {
		counts[p.Mode]++
		for _, pid := range p.Processes {
			running[pid] = true
		}
	}
	fmt.Fprintf(&out, "%d profiles are loaded, and %d processes run under them.\n", len(s.Profiles), len(running))
	var modes []string
	for mode := range counts {
		modes = append(modes, string(mode))
	}
	slices.Sort(modes)
	for _, mode := range modes {
		fmt.Fprintf(&out, "\n%d in mode %s:\n", counts[loader.Mode(mode)], mode)
		for _, p := range s.Profiles {
			if string(p.Mode) == mode {
				fmt.Fprintf(&out, "  %s%s\n", shown(qualified(loader.Profile{Name: p.Name, Namespace: p.Namespace})), pids(p.Processes))
			}
		}
	}
	if len(s.Machines) > 0 {
		out.WriteString("\nMachines:\n")
		for _, m := range s.Machines {
			fmt.Fprintf(&out, "  %s %s%s\n", shown(m.UUID), m.Mode, pids(m.Processes))
		}
	}
	if s.Unreadable > 0 {
		fmt.Fprintf(&out, "\nProcesses that could not be looked at (root can): %d\n", s.Unreadable)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func pids(all []int) string {
	if len(all) == 0 {
		return ""
	}
	var s []string
	for _, pid := range all {
		s = append(s, strconv.Itoa(pid))
	}
	return " (" + strings.Join(s, ", ") + ")"
}

// shown is a name that others chose, without what a terminal would obey.
func shown(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
