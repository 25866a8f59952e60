// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/features"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt/internal/request"
)

// Helper is the driver of a manager that may not touch the kernel's policy, such
// as one whose own profile denies /sys/kernel/security. It compiles policy itself
// and hands everything that concerns the kernel to a small program, which is
// confined and refuses whatever is not a machine's profile: cmd/virt-aa-helper
// with the argument --serve, or any other that calls ServeHelper. The program
// runs once for each call, with an empty environment.
//
// A process is started, and a thread put under a profile, by the manager: its
// profile needs change_profile for machines' profiles, as libvirtd's has. The
// program confirms the profile in force, before and afterwards.
//
// A manager that is taken over can load what it likes under the names of
// machines, as a libvirtd can that describes machines as it likes; it cannot
// change other policy. Its fields must not be changed once it is in use, and it
// is safe for concurrent use.
type Helper struct {
	// Path and Args are the program, and its arguments without its name.
	Path string
	Args []string
	// Tasks change labels; nil: Start and ChangeProfile fail.
	Tasks *loader.Tasks
	// Degrade and Logger are as in AppArmor.
	Degrade compile.Degrade
	Logger  *slog.Logger

	handed   atomic.Pointer[slog.Logger] // by a Manager
	mu       sync.Mutex
	compiler *AppArmor
	exec     func(ctx context.Context, data []byte) ([]byte, error) // nil: the program
}

var _ Driver = (*Helper)(nil)

// OpenHelper returns a driver with a program, which is asked for the features
// of the kernel. The caller closes its Tasks.
func OpenHelper(ctx context.Context, path string, args ...string) (*Helper, error) {
	h := &Helper{Path: path, Args: args, Degrade: compile.Report}
	if _, err := h.compile(ctx); err != nil {
		return nil, err
	}
	tasks, err := loader.OpenTasks(loader.Options{})
	h.Tasks = tasks
	return h, err
}

// maxHelperMessage is the longest request and the longest reply, in bytes.
const maxHelperMessage = 16 << 20

// helperChecker decides what the program is asked.
var helperChecker = request.Checker{
	Ops: []request.Op{
		request.Features, request.Load, request.Unload, request.Sealed, request.List,
		request.InUse, request.Files, request.InForce, request.Confines,
	},
	Names: requestNames{libvirtNames},
}

// requestNames tells package request which profiles are those of machines.
type requestNames struct{ names names }

func (n requestNames) Machine(profile string) (uuid, companion string, ok bool) {
	return n.names.machine(profile)
}

// helperReply is a reply, as JSON.
type helperReply struct {
	Features string        `json:"features,omitempty"`
	Loaded   []Loaded      `json:"loaded,omitempty"`
	Files    []loader.File `json:"files,omitempty"`
	Yes      bool          `json:"yes,omitempty"`
	request.Failure
}

// HelperError is an error of the program of a Helper. It matches those of package
// loader that the program's own error matches.
type HelperError struct {
	Path string // of the program
	Text string // what the program says
	is   []error
}

// Error implements error.
func (e *HelperError) Error() string { return e.Path + ": " + e.Text }

// Unwrap returns what the error matches.
func (e *HelperError) Unwrap() []error { return e.is }

// call runs the program.
func (h *Helper) call(ctx context.Context, q request.Request) (*helperReply, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	run := h.exec
	if run == nil {
		run = h.run
	}
	output, err := run(ctx, data)
	if err != nil {
		return nil, err
	}
	var reply helperReply
	if err := json.Unmarshal(output, &reply); err != nil {
		return nil, &HelperError{Path: h.Path, Text: "it replies what is not a reply", is: []error{err}}
	}
	if reply.Error == "" {
		return &reply, nil
	}
	return nil, &HelperError{Path: h.Path, Text: reply.Error, is: reply.Matches()}
}

// run runs the program on a request and returns its output.
func (h *Helper) run(ctx context.Context, data []byte) ([]byte, error) {
	cmd := exec.CommandContext(ctx, h.Path, h.Args...)
	cmd.Env = []string{}
	cmd.Stdin = bytes.NewReader(data)
	cmd.WaitDelay = time.Second
	var stderr, stdout limitedBuffer
	cmd.Stderr, cmd.Stdout = &stderr, &stdout
	err := cmd.Run()
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, &HelperError{Path: h.Path, Text: strings.TrimSpace(err.Error() + ": " + string(stderr.data)), is: []error{err}}
	}
	return stdout.data, nil
}

// limitedBuffer keeps what a program writes, up to maxHelperMessage bytes. It is
// not a bytes.Buffer, whose ReadFrom knows no limit.
type limitedBuffer struct{ data []byte }

// Write implements io.Writer.
func (b *limitedBuffer) Write(p []byte) (int, error) {
	if n := len(b.data) + len(p); n > maxHelperMessage {
		return 0, &diag.LimitError{What: "bytes of a reply", Limit: maxHelperMessage, Got: int64(n)}
	}
	b.data = append(b.data, p...)
	return len(p), nil
}

// compile returns what compiles policy for the kernel of the program.
func (h *Helper) compile(ctx context.Context) (*AppArmor, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.compiler == nil {
		reply, err := h.call(ctx, request.Request{Op: request.Features})
		if err != nil {
			return nil, err
		}
		set, err := features.Parse([]byte(reply.Features))
		if err != nil {
			return nil, err
		}
		h.compiler = &AppArmor{Features: set, Degrade: h.Degrade, Logger: cmp.Or(h.Logger, h.handed.Load())}
	}
	return h.compiler, nil
}

// Name implements Driver. Machines are under AppArmor.
func (*Helper) Name() string { return (*AppArmor)(nil).Name() }

// Compile implements Driver, in this process.
func (h *Helper) Compile(ctx context.Context, src *Source) (Compiled, error) {
	compiler, err := h.compile(ctx)
	if err != nil {
		return nil, err
	}
	return compiler.Compile(ctx, src)
}

// Mark implements Driver; it is a loader.Fingerprint.
func (h *Helper) Mark(c Compiled) Mark { return (*AppArmor)(nil).Mark(c) }

// Load implements Driver.
func (h *Helper) Load(ctx context.Context, c Compiled, a loader.Accept) error {
	p, ok := c.(*blob.Policy)
	if !ok {
		return errNoKernel
	}
	_, err := h.call(ctx, request.Request{Op: request.Load, Profile: p.Names()[0], Policy: p.Bytes(), Accept: a})
	return err
}

// Unload implements Driver.
func (h *Helper) Unload(ctx context.Context, profile string, o loader.RetireOptions) error {
	_, err := h.call(ctx, request.Request{Op: request.Unload, Profile: profile, Retire: &o})
	return err
}

// Sealed implements Driver.
func (h *Helper) Sealed(ctx context.Context, profile string) (bool, error) {
	return h.ask(ctx, request.Request{Op: request.Sealed, Profile: profile})
}

// List implements Driver.
func (h *Helper) List(ctx context.Context) ([]Loaded, error) {
	reply, err := h.call(ctx, request.Request{Op: request.List})
	if err != nil {
		return nil, err
	}
	return reply.Loaded, nil
}

// InUse implements Driver.
func (h *Helper) InUse(ctx context.Context, profile string) (bool, error) {
	return h.ask(ctx, request.Request{Op: request.InUse, Profile: profile})
}

// Files implements Driver.
func (h *Helper) Files(ctx context.Context, profile string, want func(loader.File) bool) ([]loader.File, error) {
	reply, err := h.call(ctx, request.Request{Op: request.Files, Profile: profile})
	if err != nil {
		return nil, err
	}
	var out []loader.File
	for _, f := range reply.Files {
		if want(f) {
			out = append(out, f)
		}
	}
	return out, nil
}

// InForce implements Driver.
func (h *Helper) InForce(ctx context.Context, c Confinement) (bool, error) {
	print, err := content(c)
	if err != nil {
		return false, err
	}
	return h.ask(ctx, request.Request{Op: request.InForce, Profile: c.Profile, Mark: &print})
}

func (h *Helper) ask(ctx context.Context, q request.Request) (bool, error) {
	reply, err := h.call(ctx, q)
	return err == nil && reply.Yes, err
}

// confines asks whether the right profile is in force and enforced.
func (h *Helper) confines(ctx context.Context, c Confinement, a loader.Accept) error {
	print, err := content(c)
	if err != nil {
		return err
	}
	if h.Tasks == nil {
		return errNoTasks
	}
	_, err = h.call(ctx, request.Request{Op: request.Confines, Profile: c.Profile, Mark: &print, Accept: a})
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrNotLoaded, err)
	}
	return err
}

var errNoTasks = errors.New("the driver has no Tasks to change labels with")

// ChangeProfile implements Driver, as that of AppArmor does.
func (h *Helper) ChangeProfile(ctx context.Context, c Confinement, a loader.Accept) error {
	if err := h.confines(ctx, c, a); err != nil {
		return err
	}
	if err := h.Tasks.ChangeProfile(c.Profile); err != nil {
		return err
	}
	// On another thread: this one may not run the program any more.
	after := make(chan error)
	go func() { after <- h.confines(ctx, c, a) }()
	return <-after
}

// Start implements Driver. It confirms the profile in force before it starts the
// process and again afterwards; if that has changed, it kills the process.
func (h *Helper) Start(ctx context.Context, cmd *exec.Cmd, c Confinement, o StartOptions) error {
	if err := h.confines(ctx, c, o.Accept); err != nil {
		return err
	}
	err := h.Tasks.StartWith(ctx, cmd, c.Profile, loader.StartOptions{
		Accept: o.Accept, KeepFiles: o.KeepFiles, KeepEnv: o.KeepEnv, NoNewPrivs: o.NoNewPrivs, Started: o.Started,
	})
	if err != nil {
		return err
	}
	if err := h.confines(ctx, c, o.Accept); err != nil {
		return errors.Join(err, cmd.Process.Kill(), ended(cmd.Wait()))
	}
	return nil
}

// ended leaves out that a process was killed.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// ServeHelper is the program of a Helper: it reads one request, does what it asks
// for with the driver, and writes the reply. It refuses policy of other names
// than machines have, and policy that would attach to programs by their path. The
// error is that there was no request, or that the reply could not be written.
func ServeHelper(ctx context.Context, r io.Reader, w io.Writer, driver *AppArmor) error {
	return serveHelper(ctx, r, w, driver)
}

func serveHelper(ctx context.Context, r io.Reader, w io.Writer, driver helperKernel) error {
	q, err := request.Read(r, maxHelperMessage)
	if err != nil {
		return err
	}
	reply := helperReply{}
	if err := answerHelper(ctx, driver, q, &reply); err != nil {
		reply = helperReply{Failure: request.Failed(err)}
	}
	return json.NewEncoder(w).Encode(reply)
}

// helperKernel is a driver that a program can serve.
type helperKernel interface {
	Driver
	features(ctx context.Context) (*features.Set, error)
	confines(ctx context.Context, c Confinement, a loader.Accept) error
}

// features returns what the kernel can enforce.
func (a *AppArmor) features(ctx context.Context) (*features.Set, error) {
	switch {
	case a.Features != nil:
		return a.Features, nil
	case a.Kernel == nil:
		return nil, errNoKernel
	}
	return a.Kernel.Features(ctx)
}

// confines returns nil if the right profile is in force and enforced.
func (a *AppArmor) confines(ctx context.Context, c Confinement, accept loader.Accept) error {
	if a.Kernel == nil {
		return errNoKernel
	}
	print, err := content(c)
	if err != nil {
		return err
	}
	return a.Kernel.Confines(ctx, print, accept)
}

func answerHelper(ctx context.Context, driver helperKernel, q *request.Request, reply *helperReply) (err error) {
	if err := helperChecker.Check(q); err != nil {
		return err
	}
	switch q.Op {
	case request.Features:
		set, err := driver.features(ctx)
		if err == nil {
			reply.Features = set.String()
		}
		return err
	case request.List:
		all, err := driver.List(ctx)
		for _, l := range all {
			if libvirtNames.owns(l.Name) {
				reply.Loaded = append(reply.Loaded, l)
			}
		}
		return err
	}
	c := Confinement{Profile: q.Profile}
	if q.Mark != nil {
		c.Mark = *q.Mark
	}
	switch q.Op {
	case request.Load:
		p, err := helperChecker.Policy(q)
		if err != nil {
			return err
		}
		return driver.Load(ctx, p, q.Accept)
	case request.Unload:
		return driver.Unload(ctx, q.Profile, *q.Retire)
	case request.Sealed:
		reply.Yes, err = driver.Sealed(ctx, q.Profile)
	case request.InUse:
		reply.Yes, err = driver.InUse(ctx, q.Profile)
	case request.Files:
		reply.Files, err = driver.Files(ctx, q.Profile, func(loader.File) bool { return true })
	case request.InForce:
		reply.Yes, err = driver.InForce(ctx, c)
	case request.Confines:
		return driver.confines(ctx, c, q.Accept)
	}
	return err
}
