// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/internal/debian"
	"github.com/goarmor/apparmor/internal/testenv"
)

// tracer runs operations under strace, with errors and signals in the place of
// system calls.
type tracer struct {
	strace []string
	log    string
	result string
	dir    string // of the operations
}

func newTracer(t *testing.T) *tracer {
	t.Helper()
	tree := testenv.Packages(t, debian.Binary{Suite: "trixie", Names: []string{"strace"}, Libraries: true})
	strace, err := tree.Command("/usr/bin/strace")
	if err != nil {
		t.Fatal(err)
	}
	tr := &tracer{strace: strace, log: filepath.Join(t.TempDir(), "log"), result: filepath.Join(t.TempDir(), "result"), dir: t.TempDir()}
	if out, err := tr.command(strace[0], "--version").CombinedOutput(); err != nil {
		testenv.Missing(t, fmt.Sprintf("the right to trace a process: %v: %s", err, bytes.TrimSpace(out)), "run the tests where ptrace is allowed: in a container, with the capability SYS_PTRACE")
	}
	writeTree(t, tr.dir, map[string]string{"srv/top": string(qcow2Header("mid")), "srv/mid": string(qcow2Header("base")), "srv/base": string(qcow2Header(""))})
	return tr
}

func (tr *tracer) command(args ...string) *exec.Cmd {
	args = append(append(slices.Clone(tr.strace[1:]), "-qq", "-o", tr.log), args...)
	return exec.Command(tr.strace[0], args...)
}

// run does an operation. What is said of calls is in the log.
func (tr *tracer) run(operation string, args ...string) (o outcome, killed bool, log string, err error) {
	cmd := tr.command(append(args, os.Args[0], tr.dir)...)
	// A runtime that collects no garbage and interrupts nobody makes the same
	// calls each time.
	cmd.Env = append(os.Environ(), operationVariable+"="+operation, "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	result, err := os.Create(tr.result)
	if err != nil {
		return o, false, "", err
	}
	defer result.Close()
	cmd.ExtraFiles = []*os.File{result}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	text, lerr := os.ReadFile(tr.log)
	if lerr != nil {
		return o, false, "", lerr
	}
	log = string(text)
	if strings.Contains(log, "+++ killed by SIGKILL") {
		return o, true, log, nil
	}
	if err != nil {
		return o, false, log, fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	if text, err = os.ReadFile(tr.result); err != nil {
		return o, false, log, err
	}
	return o, false, log, json.Unmarshal(text, &o)
}

// runtimeCalls are those of Go's runtime, which does not go on when they fail;
// nothing is between them and the next call that counts.
var runtimeCalls = []string{
	"futex", "mmap", "munmap", "madvise", "mprotect", "prctl", "clone", "clone3", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"nanosleep", "clock_nanosleep", "sched_yield", "sched_getaffinity", "tgkill", "gettid", "getpid", "getrandom",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2",
}

// call is a system call of an operation.
type call struct {
	name string
	n    int // the n-th of the name in the thread, from one on
}

func (c call) String() string { return fmt.Sprintf("%s %d", c.name, c.n) }

var callPattern = regexp.MustCompile(`^([a-z0-9_]+)\(`)

// calls returns the system calls of an operation that count, in order.
func (tr *tracer) calls(t *testing.T, operation string) []call {
	t.Helper()
	o, _, log, err := tr.run(operation)
	if err != nil || o.Error != "" {
		t.Fatalf("%v, %+v", err, o)
	}
	var out []call
	in := false
	seen := map[string]int{}
	for line := range strings.Lines(log) {
		m := callPattern.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := m[1]
		seen[name]++
		switch {
		case strings.Contains(line, beginMark):
			in = true
		case strings.Contains(line, endMark):
			in = false
		case in && !slices.Contains(runtimeCalls, name):
			out = append(out, call{name, seen[name]})
		}
	}
	if len(out) < 10 {
		t.Fatalf("%s makes the calls %v", operation, out)
	}
	return out
}

// inject does an operation with a call exchanged for something else. It
// reports whether that happened within the operation.
func (tr *tracer) inject(t *testing.T, c faultCase) (o outcome, killed, hit bool) {
	t.Helper()
	when := fmt.Sprint(c.call.n)
	if c.forever {
		when += "+"
	}
	o, killed, log, err := tr.run(c.operation, "-e", "trace=faccessat,"+c.call.name, "-e", fmt.Sprintf("inject=%s:%s:when=%s", c.call.name, c.what, when))
	if err != nil && strings.Contains(log, beginMark) {
		t.Errorf("%v: %v", c, err)
	}
	_, after, begun := strings.Cut(log, beginMark)
	body, _, ended := strings.Cut(after, endMark)
	if killed {
		return o, true, begun && !ended
	}
	return o, false, begun && ended && strings.Contains(body, "(INJECTED)")
}

// faultCase is one run of an operation.
type faultCase struct {
	operation string
	call      call
	what      string        // as strace says it
	errno     syscall.Errno // 0: a signal
	forever   bool          // this call and all later ones of the name
}

func (c faultCase) String() string {
	s := fmt.Sprintf("%s, %v, %s", c.operation, c.call, c.what)
	if c.forever {
		s += " from there on"
	}
	return s
}

// prepared is an operation with the states before and after it.
type prepared struct {
	operation
	old, new map[string]string
	calls    []call
}

// prepare does an operation twice, without faults.
func (tr *tracer) prepare(t *testing.T, name string) *prepared {
	t.Helper()
	ctx := t.Context()
	p := &prepared{operation: operations(tr.dir)[name]}
	setState(t, tr.dir, nil)
	if p.before != nil {
		m, err := openProcess(ctx, tr.dir, chained(), p.shared, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.before(ctx, m), m.Close()); err != nil {
			t.Fatal(err)
		}
	}
	p.old = processState(t, tr.dir)
	p.calls = tr.calls(t, name)
	p.new = processState(t, tr.dir)
	if maps.Equal(p.old, p.new) {
		t.Fatal("the operation changes no file")
	}
	return p
}

// cases returns those that are to be run: all of them, or of so many one, as a
// normal run has time for.
func cases(all []faultCase, of int) []faultCase {
	if testenv.Full() {
		return all
	}
	r := rand.New(rand.NewPCG(9, uint64(len(all))))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:(len(all)+of-1)/of]
}

// mixed reports what of a state is neither what was before nor what should be.
func mixed(state, old, new map[string]string) []string {
	var out []string
	names := map[string]bool{}
	for _, s := range []map[string]string{state, old, new} {
		for n := range s {
			names[n] = true
		}
	}
	for n := range names {
		is, there := state[n]
		before, was := old[n]
		after, will := new[n]
		if (there != was || is != before) && (there != will || is != after) {
			out = append(out, n)
		}
	}
	return out
}

// halves returns the machines of which a part is old and a part is new, but for
// those that are being removed.
func halves(state, old, new map[string]string) []string {
	var out []string
	for i := 1; i <= 5; i++ {
		uuid := numbered(i).UUID
		is := func(other map[string]string) bool {
			for _, s := range []map[string]string{state, other} {
				for n := range s {
					if strings.Contains(n, uuid) && state[n] != other[n] {
						return false
					}
				}
			}
			return true
		}
		if _, stays := new["libvirt-"+uuid+".files"]; stays && !is(old) && !is(new) {
			out = append(out, uuid)
		}
	}
	return out
}

// goOn opens the directory after a run, does the operation again, and reports
// what is wrong then.
func (tr *tracer) goOn(ctx context.Context, p *prepared) error {
	m, err := openProcess(ctx, tr.dir, p.images(), p.shared, "")
	if err != nil {
		return fmt.Errorf("the next open: %w", err)
	}
	err = p.do(ctx, m)
	if errors.Is(err, ErrExists) {
		// Only putting it in force was left to do.
		err = m.Load(ctx, numbered(1).UUID)
	}
	return errors.Join(err, m.Close())
}

// chainsKept opens the directory with an image whose header the guest has
// rewritten since, and reports whether a machine that remembers its chain takes
// it.
func (tr *tracer) chainsKept(ctx context.Context, p *prepared, state map[string]string) error {
	files := "libvirt-" + numbered(1).UUID + ".files"
	if !strings.Contains(state[files], "# chain: disk top ") {
		return nil
	}
	host := chained()
	host["srv/top"].Data = qcow2Header("other")
	m, err := openProcess(ctx, tr.dir, host, p.shared, "")
	if err != nil {
		return fmt.Errorf("the next open: %w", err)
	}
	defer m.Close()
	err = m.Replace(ctx, withChain(1))
	if err == nil {
		return errors.New("an image with another chain is accepted")
	}
	if r := reasonsOf(err); !slices.Contains(r, ReasonChain) {
		return fmt.Errorf("an image with another chain: %w", err)
	}
	return nil
}

// faultErrnos are those that the storage of a host in trouble gives.
var faultErrnos = []syscall.Errno{syscall.ENOSPC, syscall.EIO, syscall.EMFILE, syscall.EROFS, syscall.EINTR}

// TestSystemCallsFail makes each system call of each operation fail, once or
// from there on, in each of several ways. An operation that reports an error
// has changed nothing, or says that it could not undo it; the error has the
// system's in it; the next Manager finds the directory free, does the operation
// again and leaves nothing over. An interrupted call is made again.
func TestSystemCallsFail(t *testing.T) {
	tr := newTracer(t)
	total := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(operations(tr.dir))) {
		t.Run(name, func(t *testing.T) {
			p := tr.prepare(t, name)
			var all []faultCase
			for i, c := range p.calls {
				for _, errno := range faultErrnos {
					all = append(all, faultCase{name, c, "error=" + unix.ErrnoName(errno), errno, false})
				}
				// Nobody goes on for ever after EINTR, the last.
				errno := faultErrnos[i%(len(faultErrnos)-1)]
				all = append(all, faultCase{name, c, "error=" + unix.ErrnoName(errno), errno, true})
			}
			tr.faults(t, p, cases(all, 60), total, tr.failed)
		})
	}
	t.Log(total)
}

// TestFilesAreSynced looks at the system calls of operations that write files: what
// was written is on the disk before it gets its name.
func TestFilesAreSynced(t *testing.T) {
	tr := newTracer(t)
	for _, name := range []string{"create", "replace"} {
		p := tr.prepare(t, name)
		synced, named := false, 0
		for _, c := range p.calls {
			switch c.name {
			case "write":
				synced = false
			case "fsync":
				synced = true
			case "linkat", "renameat", "renameat2":
				named++
				if !synced {
					t.Errorf("%s: %v of a file that was not synced", name, c)
				}
			}
		}
		if named == 0 {
			t.Errorf("%s gives no file a name: %v", name, p.calls)
		}
	}
}

// TestSystemCallsKilled ends a process before each system call of each
// operation. Each file is old or new, the locks are free, the next Manager finds
// out what is left to do and does it, and remembers chains, and nothing is left
// over.
func TestSystemCallsKilled(t *testing.T) {
	tr := newTracer(t)
	total := map[string]int{}
	for _, name := range slices.Sorted(maps.Keys(operations(tr.dir))) {
		t.Run(name, func(t *testing.T) {
			p := tr.prepare(t, name)
			var all []faultCase
			for _, c := range p.calls {
				all = append(all, faultCase{operation: name, call: c, what: "signal=KILL"})
			}
			tr.faults(t, p, cases(all, 20), total, tr.killed)
		})
	}
	t.Log(total)
}

// faults runs cases of an operation, has check look at what each has left, and
// counts.
func (tr *tracer) faults(t *testing.T, p *prepared, cases []faultCase, total map[string]int, check func(t *testing.T, p *prepared, c faultCase, o outcome) []string) {
	t.Helper()
	count := map[string]int{}
	for _, c := range cases {
		var o outcome
		hit := false
		for try := 0; try < 3 && !hit; try++ {
			setState(t, tr.dir, p.old)
			var killed bool
			o, killed, hit = tr.inject(t, c)
			hit = hit && killed == (c.errno == 0)
		}
		if !hit {
			count["not met"]++
			continue
		}
		count["run"]++
		for _, what := range check(t, p, c, o) {
			count[what]++
		}
	}
	t.Log(count)
	for what, n := range count {
		total[what] += n
	}
	if n := count["not met"]; n > 2+len(cases)/50 {
		t.Errorf("%d calls of %d were not met", n, len(cases))
	}
}

// failed looks at what an operation has left in which calls failed.
func (tr *tracer) failed(t *testing.T, p *prepared, c faultCase, o outcome) (found []string) {
	t.Helper()
	state := processState(t, tr.dir)
	seen, litter := visible(state), len(hidden(state)) > 0
	if litter {
		found = append(found, "litter")
	}
	if o.Error == "" {
		found = append(found, "succeeded")
		if diff := cmp.Diff(p.new, seen); diff != "" {
			t.Errorf("%v: no error, and the state is not the new one:\n%s", c, diff)
		}
		if c.errno == syscall.EINTR && len(o.Close) > 0 {
			t.Errorf("%v: closing it: %v", c, o.Close)
		}
	} else {
		found = append(found, "reported")
		if c.errno == syscall.EINTR {
			t.Errorf("%v: it was not tried again: %s", c, o.Error)
		}
		if !slices.Contains(o.Errnos, c.errno) {
			t.Errorf("%v: the error does not have the system's in it: %s", c, o.Error)
		}
		switch m := mixed(seen, p.old, p.new); {
		case len(m) > 0:
			t.Errorf("%v: %v are neither old nor new", c, m)
		case maps.Equal(seen, p.old):
			found = append(found, "old")
		case o.Inconsistent:
			found = append(found, "could not be undone")
			if !c.forever {
				t.Errorf("%v: one fault could not be undone: %s", c, o.Error)
			}
		case p.halfway:
			found = append(found, "halfway")
			if m := halves(seen, p.old, p.new); len(m) > 0 && !c.forever && !p.apart {
				t.Errorf("%v: the machines %v are changed in part: %s", c, m, o.Error)
			}
		default:
			t.Errorf("%v: an error, and the state is not the old one: %s\n%s", c, o.Error, cmp.Diff(p.old, seen))
		}
	}
	if o.Error == "" && !litter {
		return found
	}
	if err := tr.goOn(t.Context(), p); err != nil && (o.Error != "" || !isDone(err)) {
		t.Errorf("%v: again: %v", c, err)
	}
	if diff := cmp.Diff(p.new, processState(t, tr.dir)); diff != "" {
		t.Errorf("%v: again: %s", c, diff)
	}
	return found
}

// isDone reports whether an operation could not be done again since it was done.
func isDone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrExists) }

// killed looks at what a process has left that was killed.
func (tr *tracer) killed(t *testing.T, p *prepared, c faultCase, _ outcome) (found []string) {
	t.Helper()
	state := processState(t, tr.dir)
	seen := visible(state)
	switch m := mixed(seen, p.old, p.new); {
	case len(m) > 0:
		t.Errorf("%v: %v are neither old nor new", c, m)
	case maps.Equal(seen, p.old):
		found = append(found, "old")
	case maps.Equal(seen, p.new):
		found = append(found, "new")
	default:
		found = append(found, "between")
	}
	if len(hidden(state)) > 0 {
		found = append(found, "litter")
	}
	if err := tr.chainsKept(t.Context(), p, seen); err != nil {
		t.Errorf("%v: %v", c, err)
	}
	if err := tr.goOn(t.Context(), p); err != nil {
		t.Errorf("%v: again: %v", c, err)
	}
	if diff := cmp.Diff(p.new, processState(t, tr.dir)); diff != "" {
		t.Errorf("%v: again: %s", c, diff)
	}
	return found
}
