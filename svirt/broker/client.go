// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"time"

	"github.com/goarmor/apparmor/diag"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/request"
)

// DefaultSocket is where a Broker listens by custom.
const DefaultSocket = "/run/apparmor-broker.sock"

// Client asks a Broker, as a user. It is safe for concurrent use, and its fields
// must not be changed once it is in use. Errors of the Broker are *Error.
type Client struct {
	// Socket is where the Broker listens; DefaultSocket when empty.
	Socket string
	// Launch starts a program under a profile that is in force; nil:
	// loader.Tasks, which verifies the label. Another one is for tests.
	Launch func(ctx context.Context, cmd *exec.Cmd, profile string, o svirt.StartOptions) error

	dial func(ctx context.Context) (net.Conn, error) // nil: Socket
}

// Error is what a Broker said. It matches ErrRefused, ErrQuota, ErrNoPeer, and
// those errors of packages svirt and loader that the Broker's own error
// matches.
type Error struct {
	Text string // what the Broker says
	is   []error
}

// Error implements error.
func (e *Error) Error() string { return "broker: " + e.Text }

// Unwrap returns what the error matches.
func (e *Error) Unwrap() []error { return e.is }

// maxReply is the longest reply, in bytes.
const maxReply = 64 << 20

// call sends a request and reads the reply.
func (c *Client) call(ctx context.Context, q *request.Request) (*reply, error) {
	data, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	return c.send(ctx, data)
}

// send sends what is or is not a request.
func (c *Client) send(ctx context.Context, data []byte) (*reply, error) {
	dial := c.dial
	if dial == nil {
		dial = func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", cmp.Or(c.Socket, DefaultSocket))
		}
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	// A Broker that refuses to read on has replied all the same.
	_, werr := conn.Write(data)
	if half, ok := conn.(*net.UnixConn); ok && werr == nil {
		werr = half.CloseWrite()
	}
	text, err := io.ReadAll(io.LimitReader(conn, maxReply+1))
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if len(text) > maxReply {
		return nil, &diag.LimitError{What: "bytes of a reply", Limit: maxReply, Got: int64(len(text))}
	}
	var r reply
	if jerr := json.Unmarshal(text, &r); jerr != nil {
		return nil, fmt.Errorf("the broker gave no reply: %w", errors.Join(werr, err, jerr))
	}
	if r.Failure.Error != "" {
		return nil, &Error{Text: r.Failure.Error, is: r.Matches(words...)}
	}
	return &r, nil
}

// Create makes a machine's profile and puts it in force; see
// svirt.Manager.Create. The description is taken as a tenant's.
func (c *Client) Create(ctx context.Context, d *svirt.Domain) error {
	return c.domain(ctx, request.Create, d)
}

// Replace takes a whole new description of a machine; see svirt.Manager.Replace.
func (c *Client) Replace(ctx context.Context, d *svirt.Domain) error {
	return c.domain(ctx, request.Replace, d)
}

func (c *Client) domain(ctx context.Context, op request.Op, d *svirt.Domain) error {
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = c.call(ctx, &request.Request{Op: op, Domain: data})
	return err
}

// Updated is what the Broker says of an Update.
type Updated struct {
	// Holders are what processes still have open of that which was removed, and
	// HoldersErr why that could not be found out; see svirt.Changed.
	Holders    []svirt.Holder
	HoldersErr error
}

// Update changes the devices of a machine; see svirt.Manager.Update.
func (c *Client) Update(ctx context.Context, uuid string, change svirt.Change) (Updated, error) {
	data, err := json.Marshal(change)
	if err != nil {
		return Updated{}, err
	}
	r, err := c.call(ctx, &request.Request{Op: request.Update, Machine: uuid, Change: data})
	if err != nil {
		return Updated{}, err
	}
	u := Updated{Holders: r.Holders}
	if r.HoldersErr != "" {
		u.HoldersErr = &Error{Text: r.HoldersErr}
	}
	return u, nil
}

// RemoveOptions tell how a machine is removed. The zero value ends no process.
type RemoveOptions struct {
	// Kill ends the user's own processes under the machine's profiles. Those of
	// other users are never ended; while there are any, the error matches
	// svirt.ErrInUse.
	Kill bool
	// Timeout bounds the time that processes have to end; zero: the Broker's own
	// for a request. When it is over the error matches svirt.ErrInUse: something
	// runs under a profile, or it could not be shown that nothing does.
	Timeout time.Duration
}

// Remove takes a machine's profiles out of force and removes its files; see
// svirt.Manager.RemoveWith. One that is not there is svirt.ErrNotFound.
func (c *Client) Remove(ctx context.Context, uuid string, o RemoveOptions) error {
	q := &request.Request{Op: request.Remove, Machine: uuid}
	if o != (RemoveOptions{}) {
		q.Retire = &loader.RetireOptions{Kill: o.Kill, Timeout: o.Timeout}
	}
	_, err := c.call(ctx, q)
	return err
}

// Status returns the state of a machine of the user's.
func (c *Client) Status(ctx context.Context, uuid string) (svirt.Status, error) {
	r, err := c.call(ctx, &request.Request{Op: request.Status, Machine: uuid})
	if err != nil {
		return svirt.Status{}, err
	}
	if len(r.Machines) != 1 {
		return svirt.Status{}, fmt.Errorf("the broker describes %d machines", len(r.Machines))
	}
	return r.Machines[0], nil
}

// List returns the states of the user's machines; see svirt.Manager.List.
func (c *Client) List(ctx context.Context) ([]svirt.Status, error) {
	r, err := c.call(ctx, &request.Request{Op: request.List})
	if err != nil {
		return nil, err
	}
	return r.Machines, nil
}

// Ready returns the profile of a machine, or with an ID of a companion of it, once
// the Broker has seen that it is in force, is what the machine's files say, and is
// enforced. After a restart of the host the Broker loads it.
func (c *Client) Ready(ctx context.Context, uuid, companion string) (profile string, err error) {
	r, err := c.call(ctx, &request.Request{Op: request.Start, Machine: uuid, Companion: companion})
	if err != nil {
		return "", err
	}
	return r.Profile, nil
}

// Namespace returns the name of a policy namespace that is the user's, once the
// Broker has seen to it that it exists; it stays until the host restarts. With
// loader.Tasks.StartInNamespace the user starts a manager in there, which then
// needs no Broker: it loads, lists and removes the profiles of its machines
// itself. Nobody gets one unless Options.Namespaces says so (ErrNoPeer).
func (c *Client) Namespace(ctx context.Context) (string, error) {
	r, err := c.call(ctx, &request.Request{Op: request.Namespace})
	if err != nil {
		return "", err
	}
	if r.Namespace == "" {
		return "", errors.New("the broker names no policy namespace")
	}
	return r.Namespace, nil
}

// Start starts cmd under a machine's profile. The Broker confirms what is in
// force before and afterwards; if it has changed, the process is killed. When
// Start returns an error no process is left. Options.Accept takes nothing here.
func (c *Client) Start(ctx context.Context, uuid string, cmd *exec.Cmd, o svirt.StartOptions) error {
	if o.Accept != (loader.Accept{}) {
		return fmt.Errorf("%w: a Broker's profiles are enforced: leave Accept empty", svirt.ErrOptions)
	}
	profile, err := c.Ready(ctx, uuid, o.Companion)
	if err != nil {
		return err
	}
	launch := c.Launch
	if launch == nil {
		launch = launchTask
	}
	if err := launch(ctx, cmd, profile, o); err != nil {
		return err
	}
	if _, err := c.Ready(ctx, uuid, o.Companion); err != nil {
		return errors.Join(err, cmd.Process.Kill(), ended(cmd.Wait()))
	}
	return nil
}

// launchTask starts a program as a process may that is not confined.
func launchTask(ctx context.Context, cmd *exec.Cmd, profile string, o svirt.StartOptions) error {
	tasks, err := loader.OpenTasks(loader.Options{})
	if err != nil {
		return err
	}
	err = tasks.StartWith(ctx, cmd, profile, loader.StartOptions{
		KeepFiles: o.KeepFiles, KeepEnv: o.KeepEnv, NoNewPrivs: o.NoNewPrivs, Started: o.Started,
	})
	return errors.Join(err, tasks.Close())
}

// ended leaves out that a process was killed.
func ended(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}
