// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goarmor/apparmor/loader"
	"github.com/goarmor/apparmor/svirt"
	"github.com/goarmor/apparmor/svirt/internal/request"
)

// user is what is known of a user, whose requests take turns.
type user struct {
	broker *Broker
	uid    uint32
	refs   int           // of requests; under Broker.mu
	turn   chan struct{} // holds whose turn it is

	manager *svirt.Manager // nil: not opened yet
	driver  *userDriver
	// thread is where the file system is looked at for the request whose turn it
	// is.
	thread  atomic.Pointer[thread]
	threads atomic.Int64 // that live, also those that a file system holds up
}

func (u *user) close() error {
	if u.manager == nil {
		return nil
	}
	return u.manager.Close()
}

// answer does what a request asks for.
func (u *user) answer(ctx context.Context, peer Peer, q *request.Request) (reply, error) {
	select {
	case u.turn <- struct{}{}:
	case <-ctx.Done():
		return reply{}, fmt.Errorf("waiting for another request of the user: %w", ctx.Err())
	}
	defer func() { <-u.turn }()
	if n := u.threads.Load(); n >= int64(u.broker.limits.InFlight) {
		return reply{}, &QuotaError{What: "requests that a file system does not answer", Limit: int64(u.broker.limits.InFlight), Got: n + 1}
	}
	t, err := newThread(peer, &u.threads)
	if err != nil {
		return reply{}, err
	}
	defer t.end()
	u.thread.Store(t)
	if err := u.open(ctx, peer); err != nil {
		return reply{}, err
	}
	switch q.Op {
	case request.Create, request.Replace:
		return reply{}, u.make(ctx, q)
	case request.Update:
		return u.update(ctx, q)
	case request.Remove:
		return reply{}, u.remove(ctx, q)
	case request.Status:
		s, err := u.manager.Status(ctx, q.Machine)
		return reply{Machines: []svirt.Status{s}}, err
	case request.List:
		all, err := u.manager.List(ctx)
		return reply{Machines: all}, err
	case request.Start:
		return u.start(ctx, q)
	}
	return reply{}, fmt.Errorf("unknown request %q", q.Op)
}

// open opens the Manager of the user's machines.
func (u *user) open(ctx context.Context, peer Peer) error {
	if u.manager != nil {
		return nil
	}
	b := u.broker
	roots, err := b.options.Roots(peer)
	if err != nil {
		return err
	}
	driver := &userDriver{Driver: b.options.Driver, limit: b.limits.PolicyBytes, size: map[string]int64{}, loaded: map[string]int64{}}
	m, err := svirt.New(ctx, svirt.ManagerOptions{
		Dir: b.options.Dir, Prefix: b.prefixOf(u.uid), Types: b.options.Types, Companions: b.options.Companions,
		Driver: driver, Templates: svirt.TemplatesOwn, Parts: b.parts,
		Derive: svirt.Options{Origin: svirt.FromTenant, Roots: roots, FS: svirt.HostFSBy(u.look), NoProbe: true},
		Grant:  u.grant, Logger: b.log.With("uid", u.uid),
	})
	if err != nil {
		return err
	}
	// What is in force already counts.
	all, err := m.List(ctx)
	if err == nil {
		for _, s := range all {
			if !s.Loaded {
				continue
			}
			if _, err = m.Status(ctx, s.UUID); err != nil {
				break
			}
			driver.found(s.Profile)
		}
	}
	if err != nil {
		return errors.Join(err, m.Close())
	}
	u.manager, u.driver = m, driver
	return nil
}

// look runs f with the credentials of the user.
func (u *user) look(f func()) error { return u.thread.Load().run(f) }

// grant reports whether the user may have rules.
func (u *user) grant(ctx context.Context, _ string, rules []svirt.Rule) error {
	if most := u.broker.limits.Rules; len(rules) > most {
		return &QuotaError{What: "rules of one machine", Limit: int64(most), Got: int64(len(rules))}
	}
	rules = slices.Clone(rules)
	done, t := make(chan error, 1), u.thread.Load()
	go func() {
		var err error
		if terr := t.run(func() { err = mayHave(ctx, u.uid, rules) }); terr != nil {
			err = terr
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", svirt.ErrNoAnswer, ctx.Err())
	}
}

// make creates or replaces a machine.
func (u *user) make(ctx context.Context, q *request.Request) error {
	var d svirt.Domain
	if err := request.Strict(q.Domain, &d); err != nil {
		return fmt.Errorf("the description cannot be read: %w", err)
	}
	d.Warnings = nil // the user's own words
	if q.Op == request.Replace {
		return u.manager.Replace(ctx, &d)
	}
	all, err := u.manager.List(ctx)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(all, func(s svirt.Status) bool { return s.UUID == d.UUID })
	if most := u.broker.limits.Machines; len(all) >= most && !known {
		return &QuotaError{What: "machines", Limit: int64(most), Got: int64(len(all)) + 1}
	}
	return u.manager.Create(ctx, &d)
}

// update changes the devices of a machine.
func (u *user) update(ctx context.Context, q *request.Request) (reply, error) {
	var c svirt.Change
	if err := request.Strict(q.Change, &c); err != nil {
		return reply{}, fmt.Errorf("the change cannot be read: %w", err)
	}
	changed, err := u.manager.Update(ctx, q.Machine, c)
	out := reply{Holders: changed.Holders}
	if changed.HoldersErr != nil {
		out.HoldersErr = changed.HoldersErr.Error()
	}
	return out, err
}

// remove removes a machine, and ends the user's own processes under its profiles
// if that is asked for. Those of others are left, and keep it from being
// removed.
func (u *user) remove(ctx context.Context, q *request.Request) error {
	status, err := u.manager.Status(ctx, q.Machine)
	if err != nil {
		return err
	}
	o := svirt.RemoveOptions{}
	if q.Retire != nil {
		o.Retire.Timeout = q.Retire.Timeout
	}
	if q.Retire == nil || !q.Retire.Kill {
		return u.manager.RemoveWith(ctx, q.Machine, o)
	}
	profiles := []string{status.Profile}
	for _, c := range status.Companions {
		profiles = append(profiles, c.Profile)
	}
	if o.Retire.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Retire.Timeout)
		defer cancel()
	}
	var inUse error
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		for _, profile := range profiles {
			if err := u.broker.kill(ctx, profile, u.uid); err != nil {
				return unproven(ctx, inUse, err)
			}
		}
		err := u.manager.RemoveWith(ctx, q.Machine, o)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, svirt.ErrInUse):
			inUse = err
		default:
			return unproven(ctx, inUse, err)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return unproven(ctx, inUse, ctx.Err())
		}
	}
}

// unproven returns the error of a removal. If it is that the time is over, the
// profile counts as in use: that nothing runs under it is what there was no time
// to show. What was seen before says more than that.
func unproven(ctx context.Context, inUse, err error) error {
	if ended := ctx.Err(); ended == nil || !errors.Is(err, ended) {
		return err
	}
	if inUse == nil {
		inUse = fmt.Errorf("%w: it could not be shown in time that none does", svirt.ErrInUse)
	}
	return fmt.Errorf("%w (%w)", inUse, err)
}

// kill ends the processes of a user under a profile.
func (b *Broker) kill(ctx context.Context, profile string, uid uint32) error {
	if b.processes == nil {
		return fmt.Errorf("processes of %s cannot be found: %w", profile, errors.ErrUnsupported)
	}
	first, err := b.processes(ctx, profile)
	if err != nil || len(first) == 0 {
		return err
	}
	held := holdProcesses(first)
	defer held.close()
	// Who is in both lists, and alive throughout, is the process that is held,
	// and not another one that got its number.
	again, err := b.processes(ctx, profile)
	if err != nil {
		return err
	}
	return held.kill(again, uid)
}

// start makes sure that the profile of a machine, or of a companion, is in force
// as the files say, and enforced. After a restart of the host it loads it; what
// it grants is asked of the kernel again then.
func (u *user) start(ctx context.Context, q *request.Request) (reply, error) {
	status, err := u.manager.Status(ctx, q.Machine)
	if err != nil {
		return reply{}, err
	}
	if !status.Loaded {
		members := []string{status.Profile}
		for _, c := range status.Companions {
			members = append(members, c.Profile)
		}
		for _, profile := range members {
			rules, err := u.onDisk(ctx, profile)
			if err == nil {
				err = u.grant(ctx, q.Machine, rules)
			}
			if err != nil {
				return reply{}, err
			}
		}
		if err := u.manager.Load(ctx, q.Machine); err != nil {
			return reply{}, err
		}
	}
	profile := status.Profile
	if q.Companion != "" {
		profile += "-" + q.Companion
	}
	// The driver starts nothing; it looks whether it might.
	err = u.manager.StartWith(ctx, q.Machine, &exec.Cmd{}, svirt.StartOptions{Companion: q.Companion})
	return reply{Profile: profile}, err
}

// onDisk returns the rules of a machine or a companion as they are on disk.
func (u *user) onDisk(ctx context.Context, profile string) ([]svirt.Rule, error) {
	name := filepath.Join(u.broker.options.Dir, strings.TrimSuffix(u.broker.prefixOf(u.uid), "-"), profile+".files")
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rules, err := svirt.ParseRules(ctx, name, bytes.Clone(text))
	if err != nil {
		return nil, err
	}
	return rules.List(), nil
}

// userDriver is the driver of one user: it counts what is in force, and starts
// nothing.
type userDriver struct {
	svirt.Driver
	limit int64

	mu     sync.Mutex
	size   map[string]int64 // as last compiled, by profile
	loaded map[string]int64 // of what is in force
}

// found notes that what was compiled last is in force.
func (d *userDriver) found(profile string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded[profile] = d.size[profile]
}

// Compile implements svirt.Driver. Policy that is too much is an error before
// anything is changed.
func (d *userDriver) Compile(ctx context.Context, src *svirt.Source) (svirt.Compiled, error) {
	c, err := d.Driver.Compile(ctx, src)
	if err != nil {
		return nil, err
	}
	var size int64
	if p, ok := c.(interface{ Bytes() []byte }); ok {
		size = int64(len(p.Bytes()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	all := size
	for profile, n := range d.loaded {
		if profile != src.Profile {
			all += n
		}
	}
	if had := d.loaded[src.Profile]; size > had && all > d.limit {
		return nil, &QuotaError{What: "bytes of policy", Limit: d.limit, Got: all}
	}
	d.size[src.Profile] = size
	return sized{c, src.Profile, size}, nil
}

// sized is compiled policy and how much it is.
type sized struct {
	svirt.Compiled
	profile string
	size    int64
}

// Load implements svirt.Driver.
func (d *userDriver) Load(ctx context.Context, c svirt.Compiled, a loader.Accept) error {
	s, ok := c.(sized)
	if !ok {
		return fmt.Errorf("%T is not policy of this driver", c)
	}
	if err := d.Driver.Load(ctx, s.Compiled, a); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.loaded[s.profile] = s.size
	return nil
}

// Mark implements svirt.Driver.
func (d *userDriver) Mark(c svirt.Compiled) svirt.Mark {
	if s, ok := c.(sized); ok {
		c = s.Compiled
	}
	return d.Driver.Mark(c)
}

// Unload implements svirt.Driver.
func (d *userDriver) Unload(ctx context.Context, profile string, o loader.RetireOptions) error {
	err := d.Driver.Unload(ctx, profile, o)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.loaded, profile)
	}
	return err
}

// Start implements svirt.Driver: it starts nothing, and reports whether it might.
func (d *userDriver) Start(ctx context.Context, _ *exec.Cmd, c svirt.Confinement, o svirt.StartOptions) error {
	a, ok := d.Driver.(*svirt.AppArmor)
	if !ok || a.Kernel == nil {
		// A kernel in memory looks, and changes nothing.
		return d.Driver.ChangeProfile(ctx, c, o.Accept)
	}
	print, ok := c.Mark.(loader.Fingerprint)
	if !ok {
		return fmt.Errorf("%s: it is not known what the profile should be", c.Profile)
	}
	err := a.Kernel.Confines(ctx, print, o.Accept)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", svirt.ErrNotLoaded, err)
	}
	return err
}

// ChangeProfile implements svirt.Driver. The Broker never changes its own.
func (d *userDriver) ChangeProfile(context.Context, svirt.Confinement, loader.Accept) error {
	return errors.ErrUnsupported
}
