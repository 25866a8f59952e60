// SPDX-License-Identifier: Apache-2.0

//go:build linux

package containers

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goarmor/apparmor/internal/vmtest/guest"
)

// Runtime is a program that runs containers.
type Runtime struct {
	Name string
	Type string // the svirt.Domain.Type of its containers
	// Prepare writes what the runtime reads of a container, and returns the
	// command that runs it.
	Prepare func(tb testing.TB, c *Container) []string
	// Exec is the command that runs another program in the container.
	Exec func(c *Container, program ...string) []string
	// Stop is the command that stops it.
	Stop func(c *Container) []string
	// Init says that the container's first process is one of the runtime's.
	Init bool
}

// Container is a container that a runtime runs.
type Container struct {
	Name  string
	Label string // the name of its profile
	Args  []string
	// PIDs is the process whose PID namespace it shares, or zero.
	PIDs int
}

func (c *Container) dir() string  { return filepath.Join("/srv", c.Name) }
func (c *Container) root() string { return filepath.Join(c.dir(), "rootfs") }

// Runtimes are what TestContainers runs.
var Runtimes = []Runtime{
	oci("crun", "/usr/bin/crun"),
	oci("runc", "/usr/sbin/runc"),
	lxc("lxc-start", "lxc.init.cmd = ", false),
	lxc("lxc-execute", "lxc.execute.cmd = ", true),
}

// oci returns a runtime that takes a bundle. Its containers have the
// capabilities that mounting and tracing take, no filter of system calls and
// none of the mounts over procfs that hide things, so that nothing but the
// profile is in the way.
func oci(name, program string) Runtime {
	command := func(args ...string) []string { return append([]string{program, "--root", "/run/" + name}, args...) }
	return Runtime{
		Name: name,
		Type: "oci",
		Prepare: func(tb testing.TB, c *Container) []string {
			type object = map[string]any
			caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_MAC_ADMIN"}
			pids := object{"type": "pid"}
			if c.PIDs != 0 {
				pids["path"] = fmt.Sprintf("/proc/%d/ns/pid", c.PIDs)
			}
			config, err := json.Marshal(object{
				"ociVersion": "1.0.0",
				"process": object{
					"user": object{"uid": 0, "gid": 0},
					"args": c.Args,
					"env":  environ(),
					"cwd":  "/",
					"capabilities": object{
						"bounding": caps, "effective": caps, "permitted": caps,
					},
					"apparmorProfile": c.Label,
				},
				"root": object{"path": "rootfs"},
				"mounts": []object{
					{"destination": "/proc", "type": "proc", "source": "proc"},
					{"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": []string{"nosuid", "mode=755"}},
					{"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": []string{"newinstance", "ptmxmode=0666"}},
					{"destination": "/dev/shm", "type": "tmpfs", "source": "shm"},
					{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"},
					{"destination": "/sys", "type": "sysfs", "source": "sysfs"},
				},
				"linux": object{"namespaces": []object{
					pids, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "network"},
				}},
			})
			if err == nil {
				err = os.WriteFile(filepath.Join(c.dir(), "config.json"), config, 0o600)
			}
			if err != nil {
				tb.Fatal(err)
			}
			// A root in the first file system cannot be pivoted from.
			return command("run", "--no-pivot", "--bundle", c.dir(), c.Name)
		},
		Exec: func(c *Container, program ...string) []string {
			return append(command("exec", c.Name), program...)
		},
		Stop: func(c *Container) []string { return command("kill", c.Name, "TERM") },
	}
}

// lxc returns one of LXC's two ways to run a container: as a system, whose
// first process is the program, or with a first process of LXC's.
func lxc(name, program string, init bool) Runtime {
	return Runtime{
		Name: name,
		Type: "lxc",
		Init: init,
		Prepare: func(tb testing.TB, c *Container) []string {
			config := []string{
				"lxc.rootfs.path = dir:" + c.root(),
				"lxc.uts.name = " + c.Name,
				"lxc.apparmor.profile = " + c.Label,
				"lxc.mount.auto = proc:rw sys:rw",
				"lxc.mount.entry = mqueue dev/mqueue mqueue rw,create=dir 0 0",
				"lxc.mount.entry = shm dev/shm tmpfs rw,create=dir 0 0",
				"lxc.autodev = 1",
				"lxc.pty.max = 16",
				"lxc.net.0.type = empty",
				"lxc.signal.halt = SIGTERM",
				program + strings.Join(c.Args, " "),
			}
			for _, variable := range environ() {
				config = append(config, "lxc.environment = "+variable)
			}
			if c.PIDs != 0 {
				config = append(config, fmt.Sprintf("lxc.namespace.share.pid = %d", c.PIDs))
			}
			file := filepath.Join(c.dir(), "config")
			if err := os.WriteFile(file, []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
				tb.Fatal(err)
			}
			args := []string{"/usr/bin/" + name, "-P", "/srv", "-n", c.Name, "-f", file, "-o", filepath.Join(c.dir(), "log"), "-l", "INFO"}
			if !init {
				args = append(args, "-F")
			}
			return args
		},
		Exec: func(c *Container, program ...string) []string {
			args := []string{"/usr/bin/lxc-attach", "-P", "/srv", "-n", c.Name, "-f", filepath.Join(c.dir(), "config")}
			for _, variable := range environ() {
				args = append(args, "-v", variable)
			}
			return append(append(args, "--"), program...)
		},
		Stop: func(c *Container) []string {
			return []string{"/usr/bin/lxc-stop", "-P", "/srv", "-n", c.Name, "-t", "30"}
		},
	}
}

// environ tells the test binary that it is in a guest.
func environ() []string { return []string{guest.ReleaseEnv + "=" + guest.Release(), "PATH=/bin"} }
