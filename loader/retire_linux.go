// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
)

// Seal replaces a profile, and its children and hats, by profiles that allow
// nothing: no file, no exec, no capability, no socket, no signal, and nothing
// else that the kernel mediates, except that SIGKILL ends them. Processes under
// them keep running, without their rights but with what they have open; see
// Replace. The name is as in Remove.
func (k *Kernel) Seal(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := k.seal(ctx, name, blob.Enforce); err != nil {
		return k.fail(OpSeal, name, err)
	}
	return nil
}

// seal returns what it has loaded.
func (k *Kernel) seal(ctx context.Context, name string, mode blob.Mode) (Fingerprint, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	policy, err := k.sealed(ctx, name, mode)
	if err != nil {
		return Fingerprint{}, err
	}
	if err := k.verify(ctx, policy); err != nil {
		return Fingerprint{}, err
	}
	if err := k.write(".replace", policy.Bytes()); err != nil {
		return Fingerprint{}, err
	}
	return FingerprintOf(policy), nil
}

// sealed returns what a profile and those below it are sealed by.
func (k *Kernel) sealed(ctx context.Context, name string, mode blob.Mode) (*blob.Policy, error) {
	p, dir, err := k.lookup(ctx, name)
	if err != nil {
		return nil, err
	}
	list := []string{p.Name}
	err = k.each(ctx, dir, p.Name, func(name, _ string) error {
		list = append(list, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(list)
	return sealed(p.Namespace, list, mode)
}

// Sealed reports whether a profile is the one that Seal, or an unfinished
// Retire, has left. The name is as in Remove. The error matches ErrNotExist if
// there is no such profile, and ErrNoDigest if the kernel does not show what
// it was loaded from.
func (k *Kernel) Sealed(ctx context.Context, name string) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, mode := range []blob.Mode{blob.Enforce, blob.Kill} {
		policy, err := k.sealed(ctx, name, mode)
		var same bool
		if err == nil {
			same, err = k.holds(ctx, FingerprintOf(policy))
		}
		if err != nil {
			return false, k.fail(OpDigest, name, err)
		}
		if same {
			return true, nil
		}
	}
	return false, nil
}

// Retire removes a profile, with its children and hats, once nothing runs
// under it, so that no process is ever left unconfined. The name is as in
// Remove.
//
// While a process is seen under the profile, Retire returns ErrInUse and
// changes nothing, unless RetireOptions.Kill is set. Then it replaces the
// profile by one that allows nothing (see Seal), so that unseen processes can
// do no more than fork, and removes it when one of these is shown:
//
//   - The cgroup of RetireOptions.Cgroup is empty, and no process is seen under
//     the profile as far as the caller can see processes.
//   - Two looks at all threads of all processes, both begun after the
//     replacement, have found none and could have missed none.
//
// The profile must then still be the one that allows nothing: one that others
// have loaded meanwhile stays, and the error matches ErrContent.
//
// If neither is shown within RetireOptions.Timeout, or before the context
// ends, the error matches ErrInUse, and the profile that allows nothing stays
// loaded. Another call continues from there. The same holds for errors after
// the replacement, such as that of a process that cannot be read.
func (k *Kernel) Retire(ctx context.Context, name string, o RetireOptions) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.retire(ctx, name, o); err != nil {
		return k.fail(OpRetire, name, err)
	}
	return nil
}

func (k *Kernel) retire(ctx context.Context, name string, o RetireOptions) error {
	label, err := k.label(name)
	if err != nil {
		return err
	}
	if err := k.allowed(label); err != nil {
		return err
	}
	if _, _, err := k.lookup(ctx, name); err != nil {
		return err
	}
	r := retirement{k: k, name: name, o: o, scan: scan{tasks: k.Tasks, profile: label}}
	if r.group, err = k.openCgroup(o.Cgroup); err != nil {
		return err
	}
	defer func() { r.group.close() }()
	if !o.Kill {
		if err := r.look(ctx); err != nil {
			return err
		}
		if why := r.inUse(); why != nil {
			return why
		}
	}
	mode := blob.Enforce
	if o.Kill {
		mode = blob.Kill
	}
	if r.sealed, err = k.seal(ctx, name, mode); err != nil {
		return err
	}
	return r.finish(ctx)
}

// retirement is the work of one Retire.
type retirement struct {
	k      *Kernel
	name   string
	o      RetireOptions
	group  *cgroup // nil: none
	scan   scan
	sealed Fingerprint

	blind     error // no scan was possible, and the cgroup is the proof
	populated bool  // the cgroup
}

// look looks at the cgroup and for processes.
func (r *retirement) look(ctx context.Context) (err error) {
	r.blind, r.populated = nil, false
	if r.group != nil {
		r.populated, err = r.group.populated()
		if err := r.lost(err); err != nil {
			return err
		}
	}
	err = r.scan.run(ctx)
	if r.group != nil && (errors.Is(err, ErrProcesses) || errors.Is(err, fs.ErrPermission)) {
		r.blind, err = err, nil
	}
	return err
}

// lost forgets the cgroup if an error says that it is gone.
func (r *retirement) lost(err error) error {
	if errors.Is(err, errCgroupGone) {
		r.group.close()
		r.group, err = nil, nil
	}
	return err
}

// inUse returns why the profile is considered in use, if it is.
func (r *retirement) inUse() error {
	if users := r.scan.users; len(users) > 0 {
		return fmt.Errorf("%w: %s", ErrInUse, describe(users))
	}
	if r.populated {
		return fmt.Errorf("%w: its cgroup %s is not empty", ErrInUse, r.o.Cgroup)
	}
	return nil
}

// describe lists the processes of users for messages.
func describe(users []User) string {
	var list []string
	for _, u := range users {
		s := fmt.Sprintf("process %d", u.PID)
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	const show = 3
	if len(list) > show {
		list = append(list[:show], "and others")
	}
	return strings.Join(list, ", ")
}

// How often processes are looked for.
const (
	firstPause = time.Millisecond
	maxPause   = 50 * time.Millisecond
)

// finish waits until nothing runs under the sealed profile and removes it.
func (r *retirement) finish(ctx context.Context) error {
	bound, cancel := context.WithTimeoutCause(ctx, r.o.timeout(), fmt.Errorf("not done after %v", r.o.timeout()))
	defer cancel()
	clear := 0
	why := errors.New("it could not be shown that none does")
	for pause := firstPause; ; {
		if r.o.Kill && r.group != nil {
			if err := r.lost(r.group.kill()); err != nil {
				return err
			}
		}
		err := r.look(bound)
		if bound.Err() == nil && err != nil {
			return err
		}
		if bound.Err() == nil {
			seen := r.inUse()
			switch {
			case seen != nil:
				clear, why = 0, seen
			case r.group != nil && (r.blind != nil || r.scan.clear):
				return r.remove(ctx)
			case r.scan.clear:
				if clear++; clear == 2 {
					return r.remove(ctx)
				}
				continue
			default:
				clear = 0
			}
		}
		if r.o.Kill {
			r.killUsers()
		}
		select {
		case <-bound.Done():
			if !errors.Is(why, ErrInUse) {
				why = fmt.Errorf("%w: %w", ErrInUse, why)
			}
			return fmt.Errorf("%w (%w); a profile that allows nothing is in its place", why, context.Cause(bound))
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		}
	}
}

// remove removes the profile if it is still the one that allows nothing.
func (r *retirement) remove(ctx context.Context) error {
	k := r.k
	k.mu.Lock()
	defer k.mu.Unlock()
	same, err := k.holds(ctx, r.sealed)
	switch {
	case errors.Is(err, ErrNoDigest) && r.o.Unverified:
	case err != nil:
		return err
	case !same:
		if _, _, err := k.lookup(ctx, r.name); err != nil {
			return err // removed by others
		}
		return fmt.Errorf("%w: it was replaced meanwhile", ErrContent)
	}
	ns, profile, err := removable(r.name)
	if err != nil {
		return err
	}
	return k.write(".remove", []byte(qualify(ns, profile)))
}

// killUsers kills the processes that were found under the profile. One whose
// first thread runs under another label is a program that has confined one of
// its own threads, and not the machine's.
func (r *retirement) killUsers() {
	if !r.scan.numbers {
		return
	}
	for _, u := range r.scan.users {
		if u.PID == os.Getpid() {
			continue
		}
		pidfd, err := unix.PidfdOpen(u.PID, 0)
		if err != nil {
			continue // it has ended
		}
		// The number may belong to another process by now.
		if l, err := r.k.Label(u.PID); l.Uses(r.scan.profile) || ended(err) {
			// One that cannot be killed is found again by the next scan.
			_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		}
		unix.Close(pidfd)
	}
}

// cgroup is a directory of cgroup version 2.
type cgroup struct {
	dir
	sys  system
	path string
}

// openCgroup returns nil for no path, and for a cgroup that is gone.
func (k *Kernel) openCgroup(path string) (*cgroup, error) {
	if path == "" {
		return nil, nil
	}
	d, err := openDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := d.with(func(fd int) error { return k.sys.check(fd, unix.CGROUP2_SUPER_MAGIC) }); err != nil {
		d.close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &cgroup{d, k.sys, path}, nil
}

func (c *cgroup) close() {
	if c != nil {
		c.dir.close()
	}
}

// errCgroupGone says that the cgroup was removed.
var errCgroupGone = errors.New("the cgroup is gone")

// gone turns the error of a file of a removed cgroup into errCgroupGone. The
// root cgroup does not have the files either, but it exists.
func (c *cgroup) gone(err error) error {
	if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) {
		return err
	}
	if _, serr := os.Stat(c.path); errors.Is(serr, fs.ErrNotExist) {
		return errCgroupGone
	}
	return err
}

// populated reports whether there are processes in the cgroup or below it.
func (c *cgroup) populated() (bool, error) {
	text, err := c.sys.readOnce(c.dir, "cgroup.events")
	if err != nil {
		return false, c.gone(err)
	}
	for line := range strings.Lines(text) {
		switch strings.TrimSpace(line) {
		case "populated 0":
			return false, nil
		case "populated 1":
			return true, nil
		}
	}
	return false, fmt.Errorf("%w: cgroup.events %q", errAnswer, text)
}

// kill kills all processes in the cgroup and below it.
func (c *cgroup) kill() error {
	err := c.without(".", os.Getpid())
	if err == nil {
		var f *os.File
		if f, err = c.open("cgroup.kill", unix.O_WRONLY|unix.O_NOFOLLOW); err == nil {
			_, err = f.WriteString("1")
			err = errors.Join(err, f.Close())
		}
	}
	return c.gone(err)
}

// without returns an error if a process is in the cgroup or below it.
func (c *cgroup) without(name string, pid int) error {
	procs, err := c.read(name + "/cgroup.procs")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(procs)) {
		if strings.TrimSpace(line) == strconv.Itoa(pid) {
			return fmt.Errorf("the caller itself is in the cgroup %s", c.path)
		}
	}
	f, err := c.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := vanished(c.without(name+"/"+e.Name(), pid)); err != nil {
			return err
		}
	}
	return nil
}
