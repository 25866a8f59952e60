// SPDX-License-Identifier: Apache-2.0

//go:build linux

package guest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Commands are programs inside the test binary by name, for tests that need
// one to run confined. Each gets its arguments and returns its exit status.
type Commands map[string]func(args []string) int

// Variables of the processes below the guest's init.
const (
	// ReleaseEnv is the release of the kernel, which marks them. A test that
	// starts one with variables of its own passes it on.
	ReleaseEnv   = "GOARMOR_VMTEST_RELEASE"
	scenariosEnv = "GOARMOR_VMTEST_SCENARIOS" // set if scenarios run
)

// Main is the body of TestMain in a package of guest tests. It returns the
// exit status, except as the guest's init, when it does not return.
//
// As process 1 it prepares the guest, runs itself again for the tests, passes
// their output to the host and switches the machine off. In that second
// process it runs the tests. Started by the name of one of the commands, it
// runs that. Outside of a guest it says so and runs nothing.
func Main(m *testing.M, commands Commands) int {
	if isInit() {
		initMain()
	}
	if Release() == "" {
		fmt.Println("these tests run in virtual machines; see package vmtest")
		return 0
	}
	if run, ok := commands[filepath.Base(os.Args[0])]; ok {
		return run(os.Args[1:])
	}
	return m.Run()
}

// isInit reports whether this process is the guest's first. The first process
// of a container outside has no such file, that of one in a guest the variable.
func isInit() bool {
	if os.Getpid() != 1 || Release() != "" {
		return false
	}
	_, err := os.Lstat(ConfigFile)
	return err == nil
}

// Inside reports whether this process runs in a guest.
func Inside() bool { return Release() != "" || isInit() }

// Release returns the release of the guest's kernel, such as
// "6.12.118+deb13-cloud-amd64", as the host knows it, and the empty string
// outside of a guest.
func Release() string { return os.Getenv(ReleaseEnv) }

// Since reports whether the guest's kernel is of version major.minor or later.
func Since(major, minor int) bool {
	var x, y int
	if _, err := fmt.Sscanf(Release(), "%d.%d", &x, &y); err != nil {
		panic("guest: a kernel without a version: " + Release())
	}
	return x > major || x == major && y >= minor
}

// Ubuntu reports whether the guest's kernel is Ubuntu's, which carries more of
// AppArmor than others of its version.
func Ubuntu() bool { return strings.HasSuffix(Release(), "-generic") }

// Scenario skips a test that plays something through for which it matters
// little which kernel it is, where the host has not asked for it.
func Scenario(tb testing.TB) {
	tb.Helper()
	if os.Getenv(scenariosEnv) == "" {
		tb.Skip("scenarios run on two kernels only; APPARMOR_TEST_FULL=1 runs them on every one")
	}
}

// File returns a file that the host put into the guest.
func File(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(FilesDir, filepath.FromSlash(name)))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// Command returns a command that runs one of the Commands given to Main. The
// executable is /init; set Path to a link or copy of it where the path of the
// executable matters.
func Command(tb testing.TB, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(tb.Context(), "/init")
	cmd.Args = append([]string{name}, args...)
	return cmd
}

// initMain is process 1.
func initMain() {
	var c Config
	data, err := os.ReadFile(ConfigFile)
	if err == nil {
		err = json.Unmarshal(data, &c)
	}
	var port *os.File
	if err == nil {
		port, err = prepare(c.Port)
	}
	if port != nil {
		frames := json.NewEncoder(port)
		if err == nil {
			err = runTests(frames, c)
		}
		if err != nil {
			err = errors.Join(err, frames.Encode(Frame{Fatal: err.Error()}))
		}
		// This waits until all is sent.
		err = errors.Join(err, unix.IoctlSetInt(int(port.Fd()), unix.TCSBRK, 1))
	}
	if err != nil {
		fmt.Println("vmtest:", err) // the console
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("vmtest: reboot:", err)
	}
	for {
		time.Sleep(time.Hour) // the kernel panics when init ends
	}
}

// prepare mounts file systems and opens the port to the host.
func prepare(portName string) (*os.File, error) {
	var errs []error
	for _, m := range []struct{ fs, dir string }{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"securityfs", "/sys/kernel/security"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/run"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			errs = append(errs, err)
			continue
		}
		err := unix.Mount(m.fs, m.dir, m.fs, 0, "")
		if err != nil && !errors.Is(err, unix.EBUSY) { // devtmpfs may be there already
			errs = append(errs, fmt.Errorf("mount %s: %w", m.fs, err))
		}
	}
	if err := os.Chmod("/tmp", 0o777|os.ModeSticky); err != nil {
		errs = append(errs, err)
	}
	if err := loadModules(); err != nil {
		errs = append(errs, err)
	}
	port, err := os.OpenFile(portName, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	if err := makeRaw(int(port.Fd())); err != nil {
		errs = append(errs, err)
	}
	return port, errors.Join(errs...)
}

// loadModules loads the modules of the kernel that the host has put there.
func loadModules() error {
	list, err := filepath.Glob(ModulesDir + "/*")
	if err != nil {
		return err
	}
	for _, name := range list {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := unix.InitModule(data, ""); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("module %s: %w", name, err)
		}
	}
	return nil
}

// makeRaw stops the terminal from translating line ends and from echoing.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.B115200
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

// runTests runs the test binary once more, not as process 1, and sends its
// output and exit status. It reaps whatever the tests leave.
func runTests(frames *json.Encoder, c Config) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	if err := frames.Encode(Frame{Hello: unix.ByteSliceToString(uts.Release[:])}); err != nil {
		return err
	}
	var shown strings.Builder
	if err := dump(&shown, "/sys/kernel/security/apparmor/features"); err != nil {
		return err
	}
	if err := frames.Encode(Frame{Features: shown.String()}); err != nil {
		return err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	environ := []string{ReleaseEnv + "=" + c.Release, "PATH=/bin", "HOME=/", "TMPDIR=/tmp"}
	if c.Scenarios {
		environ = append(environ, scenariosEnv+"=1")
	}
	p, err := os.StartProcess("/init", append([]string{"vmtest"}, c.Args...), &os.ProcAttr{
		Dir:   "/",
		Env:   environ,
		Files: []*os.File{null, in, in},
	})
	if err != nil {
		return err
	}
	if err := in.Close(); err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() { copied <- sendLines(frames, out) }()
	status, err := reap(p.Pid)
	if err != nil {
		return err
	}
	// A process that outlives the tests may hold the pipe open.
	if err := out.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if err := <-copied; err != nil {
		return err
	}
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return frames.Encode(Frame{Exit: &code})
}

// dump writes a directory of features in the form that apparmor_parser reads:
// an entry is its name and what is in it in braces.
func dump(b *strings.Builder, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		b.WriteString(e.Name() + " {")
		if e.IsDir() {
			err = dump(b, path)
		} else {
			var data []byte
			data, err = os.ReadFile(path)
			b.Write(data)
		}
		if err != nil {
			return err
		}
		b.WriteString("}\n")
	}
	return nil
}

// reap waits until the process pid ends, and for everything else on the way.
func reap(pid int) (syscall.WaitStatus, error) {
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 0, os.NewSyscallError("wait4", err)
		case got == pid:
			return status, nil
		}
	}
}

func sendLines(frames *json.Encoder, r io.Reader) error {
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadString('\n')
		if line != "" {
			if err := frames.Encode(Frame{Out: line}); err != nil {
				return err
			}
		}
		if err == io.EOF || errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
