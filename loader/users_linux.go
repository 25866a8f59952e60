// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Users returns the threads that run under a profile, alone or in a stack, or
// under a child or hat of it; the name is as in Remove. It looks at every
// thread of every process. A process that has ended and was not waited for yet
// does not count.
//
// A process that cannot be read is an error: it might be one of them. Users
// needs the right to read the attributes of all processes, which is
// CAP_SYS_PTRACE, and `ptrace read` rules if the caller is confined. The error
// matches ErrProcesses if procfs does not show all processes.
//
// A list is not a proof: a process that forks endlessly may be missed. Retire
// gives a proof.
func (k *Kernel) Users(ctx context.Context, name string) ([]User, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	label, err := k.label(name)
	if err != nil {
		return nil, k.fail(OpUsers, name, err)
	}
	s := scan{tasks: k.Tasks, profile: label}
	if err := s.run(ctx); err != nil {
		return nil, k.fail(OpUsers, name, err)
	}
	return s.users, nil
}

// label returns the label, as the caller sees it, of the profile that Remove
// knows by name.
func (k *Kernel) label(name string) (string, error) {
	ns, profile, err := removable(name)
	return qualify(join(k.ns, ns), profile), err
}

// scan looks for the threads under a profile.
//
// If it has found none and is clear, there was none when it ended, provided
// that what runs under the profile can do no more than fork. It lists
// processes, looks at each that it has not looked at yet, and repeats that
// until there are no new ones. procfs lists processes by their numbers in
// ascending order, and the kernel assigns numbers in ascending order too: a
// process that ends before the list reaches it leaves a child that is listed
// later. So a family that forks and ends is in each list, and in the last one
// as a process that was looked at while it ran. The exception is a lower
// number because the kernel has started again from the lowest: then the scan
// is not clear. Threads of one process are not listed in such an order. They
// are listed again until none has ended between being listed and being looked
// at, and none can be created by another process.
type scan struct {
	tasks   *Tasks
	profile string // label

	users   []User
	clear   bool
	numbers bool // PID and TID are those of the caller's own system calls
	// visit, if set, is called for each of the users, and no list is made. A
	// task that has ended meanwhile is not an error.
	visit func(task string, pid int) error
}

// stop is how many users are enough.
const stop = 1000

func (s *scan) run(ctx context.Context) error {
	s.users, s.clear, s.numbers = nil, false, false
	t := s.tasks
	if err := t.showsAll(); err != nil {
		return err
	}
	clock, err := t.newForkClock()
	if err != nil {
		return err
	}
	s.numbers = clock.byNumber
	settled, complete := true, false
	looked := map[int]bool{}
	for n := 0; n < maxListings && !complete && len(s.users) < stop; n++ {
		// In the order of procfs, with as many system calls as needed.
		list, err := t.proc.names(".")
		if err != nil {
			return err
		}
		complete = true
		for _, name := range list {
			pid, err := strconv.Atoi(name)
			if err != nil || looked[pid] {
				continue
			}
			looked[pid], complete = true, false
			if len(looked)%64 == 0 {
				if err := clock.tick(); err != nil {
					return err
				}
			}
			ok, err := s.process(ctx, pid)
			if err != nil {
				return err
			}
			settled = settled && ok
		}
	}
	if err := clock.tick(); err != nil {
		return err
	}
	s.clear = complete && settled && clock.onward && len(s.users) == 0
	return nil
}

// maxListings is how often processes, and the threads of one, are listed
// again.
const maxListings = 100

// process looks at the threads of one process. It reports whether it has seen
// all of them.
func (s *scan) process(ctx context.Context, pid int) (settled bool, err error) {
	t, task := s.tasks, strconv.Itoa(pid)+"/task"
	for range maxListings {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		list, err := t.proc.namesAtOnce(task)
		if ended(err) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		settled, found := true, false
		for _, name := range list {
			tid, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			dir := task + "/" + name
			text, err := t.readProc(dir, attrCurrent)
			if ended(err) || err == nil && text == "" {
				settled = false
				continue
			}
			if err != nil {
				if errors.Is(err, unix.EINVAL) && t.isKernels(dir) || t.below && errors.Is(err, fs.ErrPermission) {
					continue
				}
				return false, err
			}
			l := ParseLabel(text)
			if !l.Uses(s.profile) {
				continue
			}
			// Only the number of an ended process is left, for its parent.
			state, _, err := t.stat(dir)
			switch {
			case ended(err):
				settled = false
			case err != nil:
				return false, err
			case state != "Z" && state != "X" && s.visit != nil:
				if err := s.visit(dir, pid); err != nil && !ended(err) {
					return false, err
				}
				found = true
			case state != "Z" && state != "X":
				s.users = append(s.users, User{PID: pid, TID: tid, Label: l})
				found = true
			}
		}
		if settled || found {
			return settled, nil
		}
	}
	return false, nil
}

// ended reports whether an error of a file of a task means that the task has
// ended.
func ended(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH)
}

// Flags of processes, which /proc/PID/stat shows (include/linux/sched.h).
const (
	forkNoExec = 0x40       // has not executed anything since it was forked
	kernels    = 0x00200000 // a thread of the kernel's own
)

func (t *Tasks) stat(task string) (state string, flags uint64, err error) {
	text, err := t.sys.readOnce(t.proc, task+"/stat")
	if err != nil {
		return "", 0, err
	}
	return parseStat(text)
}

// isKernels reports whether a task is a thread of the kernel's own.
func (t *Tasks) isKernels(task string) bool {
	_, flags, err := t.stat(task)
	return err == nil && flags&kernels != 0
}

// showsAll reports whether procfs shows all processes of the machine: if it
// shows the one that makes the kernel's own threads, which always has the
// number 2. That of another PID namespace does not, nor one that hides the
// processes of others from the caller.
func (t *Tasks) showsAll() error {
	if t.own {
		return nil
	}
	if _, flags, err := t.stat("2"); err != nil && !ended(err) {
		return err
	} else if err != nil || flags&kernels == 0 {
		return fmt.Errorf("%w: it is of another PID namespace than the machine's first, or hides the processes of others", ErrProcesses)
	}
	return nil
}

// forkClock says whether the kernel has started again to give low numbers to
// new tasks.
type forkClock struct {
	tasks  *Tasks
	onward bool // it has not
	// byNumber: the number of the last task is known. Only a caller in the
	// same PID namespace sees it; others count the tasks that were made, and
	// know that no number was assigned if none was made.
	byNumber bool
	last     uint64
}

func (t *Tasks) newForkClock() (*forkClock, error) {
	c := &forkClock{tasks: t, onward: true}
	status, err := t.sys.readOnce(t.proc, "self/status")
	if err == nil {
		for line := range strings.Lines(status) {
			if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
				c.byNumber = len(strings.Fields(numbers)) == 1
			}
		}
	} else if !ended(err) {
		return nil, err
	}
	c.last, err = c.read()
	return c, err
}

// tick reads the clock.
func (c *forkClock) tick() error {
	n, err := c.read()
	if err != nil {
		return err
	}
	if n < c.last || !c.byNumber && n > c.last {
		c.onward = false
	}
	c.last = n
	return nil
}

func (c *forkClock) read() (uint64, error) {
	if c.byNumber {
		text, err := c.tasks.sys.readOnce(c.tasks.proc, "loadavg")
		if err != nil {
			return 0, err
		}
		f := strings.Fields(text)
		if len(f) != 5 {
			return 0, fmt.Errorf("%w: loadavg %q", errAnswer, text)
		}
		return strconv.ParseUint(f[4], 10, 64)
	}
	text, err := c.tasks.sys.readOnce(c.tasks.proc, "stat")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "processes "); ok {
			return strconv.ParseUint(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("%w: stat does not count processes", errAnswer)
}
