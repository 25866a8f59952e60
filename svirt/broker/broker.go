// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/goarmor/apparmor/ast"
	"github.com/goarmor/apparmor/compile"
	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/parser"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/request"
)

// Broker answers requests of users. It is safe for concurrent use.
type Broker struct {
	options Options
	limits  Limits
	log     *slog.Logger
	kernel  *loader.Kernel // nil: of a driver that has none
	checker request.Checker
	close   func() error
	parts   []svirt.Part // of policy, before the package's own
	// processes returns who runs under a profile; nil: that cannot be known.
	processes func(ctx context.Context, profile string) ([]int, error)
	// label returns what a process runs under; nil: that cannot be known.
	label func(pid int) (loader.Label, error)
	// namespace makes sure that there is a policy namespace; nil: of a driver
	// that has none.
	namespace func(ctx context.Context, name string) error

	mu    sync.Mutex
	users map[uint32]*user
	conns map[uint32]int // of each user
	total int
}

// New returns a Broker. The caller closes it.
func New(ctx context.Context, o Options) (*Broker, error) {
	o.Dir, o.Prefix = cmp.Or(o.Dir, "/var/lib/apparmor-broker"), cmp.Or(o.Prefix, "libvirt-session-")
	if o.Types == nil {
		o.Types = []string{""}
	}
	if o.Companions == nil {
		o.Companions = []svirt.CompanionKind{}
	}
	if o.Roots == nil {
		o.Roots = HomeRoots
	}
	if o.Allow == nil {
		o.Allow = Accounts
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Broker{
		options: o, limits: o.Limits.withDefaults(), log: o.Logger, close: func() error { return nil },
		checker: request.Checker{Ops: []request.Op{
			request.Create, request.Replace, request.Update, request.Remove, request.Status, request.List, request.Start, request.Namespace,
		}},
		users: map[uint32]*user{}, conns: map[uint32]int{},
	}
	if err := b.limits.check(); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(o.Prefix, "-") || svirt.CheckUUID(strings.TrimPrefix(o.Prefix, "libvirt-")) == nil {
		return nil, fmt.Errorf("%w: the prefix %q does not end with a dash", svirt.ErrOptions, o.Prefix)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	if o.Driver == nil {
		k, err := loader.Open(loader.Options{OnlyNames: b.owns})
		if err != nil {
			return nil, err
		}
		set, err := k.Features(ctx)
		if err != nil {
			return nil, errors.Join(err, k.Close())
		}
		b.options.Driver = &svirt.AppArmor{Kernel: k, Features: set, Degrade: compile.Report, Logger: b.log}
		b.close = k.Close
	}
	if a, ok := b.options.Driver.(*svirt.AppArmor); ok && a.Kernel != nil {
		b.kernel, b.label = a.Kernel, a.Kernel.Label
		b.namespace = func(ctx context.Context, name string) error {
			ns, err := a.Kernel.Namespace(ctx, name, true)
			if err != nil {
				return err
			}
			return ns.Close()
		}
		b.processes = func(ctx context.Context, profile string) (pids []int, err error) {
			users, err := a.Kernel.Users(ctx, profile)
			for _, u := range users {
				pids = append(pids, u.PID)
			}
			slices.Sort(pids)
			return slices.Compact(pids), err
		}
	}
	if err := b.confined(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// confined lets machines be looked at and ended by a Broker that runs under a
// profile: the kernel asks the profiles of both sides.
func (b *Broker) confined(ctx context.Context) error {
	if b.kernel == nil {
		return nil
	}
	self, err := b.kernel.Self()
	if err != nil || self.Name == loader.Unconfined {
		return err
	}
	peer, err := ast.Name(self.Name)
	if err != nil {
		return fmt.Errorf("the broker runs under %s: %w", self.Name, err)
	}
	base, err := svirt.ReadAbstraction(ctx, []fs.FS{svirt.PolicyFS()}, "abstractions/base")
	if err != nil {
		return err
	}
	rules, err := parser.Config{Context: parser.ContextBody}.Parse(ctx, "broker",
		`ptrace (readby) peer="`+string(peer)+`", signal (receive) set=(kill, exists) peer="`+string(peer)+`",`)
	if err != nil {
		return err
	}
	if base, err = base.With(rules.Stmts...); err != nil {
		return err
	}
	b.parts = []svirt.Part{base}
	return nil
}

// Close gives back what the Broker holds. Machines stay as they are. It must not
// be called while requests are answered.
func (b *Broker) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	for uid, u := range b.users {
		err = errors.Join(err, u.close())
		delete(b.users, uid)
	}
	return errors.Join(err, b.close())
}

// prefixOf is what the names of a user's profiles begin with.
func (b *Broker) prefixOf(uid uint32) string {
	return b.options.Prefix + strconv.FormatUint(uint64(uid), 10) + "-"
}

// owns reports whether a profile is that of a machine of any user, or a child of
// one.
func (b *Broker) owns(name string) bool {
	name, _, _ = strings.Cut(name, "//")
	rest, ok := strings.CutPrefix(name, b.options.Prefix)
	uid, machine, dash := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(uid, 10, 32)
	if !ok || !dash || err != nil || strconv.FormatUint(n, 10) != uid || len(machine) < uuidLen {
		return false
	}
	// What follows the UUID is the ID of a companion.
	return svirt.CheckUUID(machine[:uuidLen]) == nil && (len(machine) == uuidLen || machine[uuidLen] == '-')
}

const uuidLen = 36

// Serve answers requests that come in on a listener until the context ends; then
// it closes the listener, waits for the requests that are being answered, and
// returns nil. Several may be served at the same time.
func (b *Broker) Serve(ctx context.Context, l *net.UnixListener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		c, err := l.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if c != nil {
				_ = c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Such as too many open files, which ends.
			b.log.ErrorContext(ctx, "cannot accept", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		all.Go(func() {
			defer c.Close()
			b.serve(ctx, c)
		})
	}
}

// serve answers the request of one connection.
func (b *Broker) serve(ctx context.Context, c *net.UnixConn) {
	// What is not sent and taken in time is given up.
	_ = c.SetDeadline(time.Now().Add(b.limits.ReadTimeout))
	peer, alive, err := peerOf(c)
	if err != nil {
		b.log.WarnContext(ctx, "the peer is not known", "error", err)
		return
	}
	defer alive.close()
	ctx, cancel := context.WithTimeout(ctx, b.limits.RequestTimeout)
	defer cancel()
	free, err := b.enter(peer.UID)
	var answer reply
	var q *request.Request // nil: not read, or not understood
	if err == nil {
		defer free()
		if err = b.admit(peer, alive); err == nil {
			if q, err = request.Read(c, b.limits.RequestBytes); err == nil {
				answer, err = b.answer(ctx, peer, q)
			}
		}
	}
	if err != nil {
		answer = failed(err)
	}
	b.record(ctx, peer, q, err)
	_ = c.SetDeadline(time.Now().Add(b.limits.ReadTimeout))
	if err := json.NewEncoder(c).Encode(answer); err != nil {
		b.log.WarnContext(ctx, "the reply was not taken", "uid", peer.UID, "pid", peer.PID, "error", err)
	}
}

// maxRecord bounds what a record shows of a text that a user may have made, in
// bytes.
const maxRecord = 1 << 10

// record logs what was asked for, by whom, and the verdict.
func (b *Broker) record(ctx context.Context, peer Peer, q *request.Request, err error) {
	level, verdict := slog.LevelInfo, "done"
	if err != nil {
		level, verdict = slog.LevelWarn, "refused"
	}
	attrs := []slog.Attr{slog.String("verdict", verdict), slog.Uint64("uid", uint64(peer.UID)), slog.Int("pid", peer.PID)}
	add := func(key, text string) {
		if len(text) > maxRecord {
			text = strings.ToValidUTF8(text[:maxRecord], "") + "..."
		}
		if text != "" {
			attrs = append(attrs, slog.String(key, text))
		}
	}
	if q != nil {
		machine := q.Machine
		if q.Domain != nil {
			// A description that cannot be read has no machine.
			var d struct {
				UUID string `json:"uuid"`
			}
			_ = json.Unmarshal(q.Domain, &d)
			machine = d.UUID
		}
		add("op", string(q.Op))
		add("machine", machine)
		add("companion", q.Companion)
	}
	if err != nil {
		add("error", err.Error())
	}
	b.log.LogAttrs(ctx, level, "request", attrs...)
}

// enter counts a connection of a user until free is called.
func (b *Broker) enter(uid uint32) (free func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.conns[uid] >= b.limits.InFlight:
		return nil, &QuotaError{What: "connections at a time", Limit: int64(b.limits.InFlight), Got: int64(b.conns[uid]) + 1}
	case b.total >= b.limits.Connections:
		return nil, &QuotaError{What: "connections of all users at a time", Limit: int64(b.limits.Connections), Got: int64(b.total) + 1}
	}
	b.conns[uid]++
	b.total++
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.total--
		if b.conns[uid]--; b.conns[uid] == 0 {
			delete(b.conns, uid)
		}
	}, nil
}

// admit decides whether somebody is served.
func (b *Broker) admit(peer Peer, alive *alive) error {
	if err := b.options.Allow(peer); err != nil {
		return err
	}
	if b.label == nil {
		return nil
	}
	l, err := b.label(peer.PID)
	if err == nil {
		err = alive.check()
	}
	if err != nil {
		return fmt.Errorf("what the client runs under is not known: %w: %w", ErrNoPeer, err)
	}
	// A machine that is taken over must not make profiles for itself.
	for one := range strings.SplitSeq(l.Name, "//&") {
		if strings.HasPrefix(one, b.options.Prefix) || strings.HasPrefix(one, "libvirt-") || strings.HasPrefix(one, ":"+b.options.Prefix) {
			return fmt.Errorf("the client runs under %s, the profile of a machine, or in a policy namespace of one: %w", l.Name, ErrNoPeer)
		}
	}
	return nil
}

// reply is a reply, as JSON.
type reply struct {
	Profile    string         `json:"profile,omitempty"`   // of Start
	Namespace  string         `json:"namespace,omitempty"` // of Namespace
	Machines   []svirt.Status `json:"machines,omitempty"`  // of Status and List
	Holders    []svirt.Holder `json:"holders,omitempty"`   // of Update
	HoldersErr string         `json:"holders_error,omitempty"`
	request.Failure
}

// words are what errors match on the other side.
var words = []request.Word{
	{Name: "refused", Err: ErrRefused}, {Name: "quota", Err: ErrQuota}, {Name: "no-peer", Err: ErrNoPeer},
	{Name: "not-found", Err: svirt.ErrNotFound}, {Name: "exists", Err: svirt.ErrExists}, {Name: "not-loaded", Err: svirt.ErrNotLoaded},
	{Name: "removing", Err: svirt.ErrRemoving}, {Name: "foreign", Err: svirt.ErrForeign}, {Name: "no-answer", Err: svirt.ErrNoAnswer},
	{Name: "inconsistent", Err: svirt.ErrInconsistent}, {Name: "deadline", Err: context.DeadlineExceeded},
}

// failed returns the reply for an error.
func failed(err error) reply {
	var path *svirt.PathError
	var identity *svirt.IdentityError
	if errors.As(err, &path) || errors.As(err, &identity) {
		err = &refusal{err}
	}
	return reply{Failure: request.Failed(err, words...)}
}

// refusal is an error that matches ErrRefused, too.
type refusal struct{ error }

func (r *refusal) Unwrap() []error { return []error{r.error, ErrRefused} }

// answer does what a request asks for.
func (b *Broker) answer(ctx context.Context, peer Peer, q *request.Request) (reply, error) {
	if err := b.checker.Check(q); err != nil {
		return reply{}, err
	}
	if q.Retire != nil && q.Retire.Unverified {
		return reply{}, errors.New("profiles are removed when their content is verified: leave out Unverified")
	}
	if q.Op == request.Namespace {
		name, err := b.makeNamespace(ctx, peer)
		return reply{Namespace: name}, err
	}
	u, free, err := b.user(ctx, peer)
	if err != nil {
		return reply{}, err
	}
	defer free()
	return u.answer(ctx, peer, q)
}

// makeNamespace makes sure that there is a policy namespace for a user, and
// returns its name.
func (b *Broker) makeNamespace(ctx context.Context, peer Peer) (string, error) {
	if b.options.Namespaces == nil {
		return "", fmt.Errorf("nobody gets a policy namespace here: %w", ErrNoPeer)
	}
	if err := b.options.Namespaces(peer); err != nil {
		return "", err
	}
	if b.namespace == nil {
		return "", fmt.Errorf("there are no policy namespaces: %w", errors.ErrUnsupported)
	}
	name := strings.TrimSuffix(b.prefixOf(peer.UID), "-")
	return name, b.namespace(ctx, name)
}

// user returns what is known of a user, until free is called.
func (b *Broker) user(ctx context.Context, peer Peer) (u *user, free func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u = b.users[peer.UID]
	if u == nil {
		if len(b.users) >= b.limits.Users {
			if err := b.forget(); err != nil {
				return nil, nil, err
			}
		}
		u = &user{broker: b, uid: peer.UID, turn: make(chan struct{}, 1)}
		b.users[peer.UID] = u
	}
	u.refs++
	free = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		u.refs--
	}
	return u, free, ctx.Err()
}

// forget closes what is kept of a user who asks for nothing.
func (b *Broker) forget() error {
	for uid, u := range b.users {
		if u.refs == 0 && u.threads.Load() == 0 {
			delete(b.users, uid)
			return u.close()
		}
	}
	return &QuotaError{What: "users", Limit: int64(b.limits.Users), Got: int64(len(b.users)) + 1}
}
