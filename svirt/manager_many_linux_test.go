// SPDX-License-Identifier: Apache-2.0

package svirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/internal/testenv"
)

// stage is what has been done to a machine.
type stage uint8

const (
	absent stage = iota
	created
	updated
)

// domain is the description of a machine at a stage; nil: there is none.
func (s stage) domain(i int) *Domain {
	switch s {
	case created:
		return numbered(i, raw("a", fmt.Sprint("/srv/a", i)))
	case updated:
		return numbered(i, raw("b", fmt.Sprint("/srv/b", i)))
	}
	return nil
}

// task is what a manager is told to do: to bring a machine from the stage
// before it to the one it names, or all that there are, after a restart.
type task struct {
	Machine int
	To      stage
	All     map[int]stage
}

type reply struct{ Error string }

// serve is a manager that does what it is told until nobody tells it anything
// any more, or it is killed.
func serve(dir, prefix string) int {
	ctx := context.Background()
	m, err := openIn(ctx, filepath.Join(dir, prefix+"policy"), filepath.Join(dir, "kernel"), emptyFS{}, false, prefix)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	orders, replies := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var o task
		switch err := orders.Decode(&o); {
		case err == io.EOF:
			return 0
		case err != nil:
			return 1
		}
		var r reply
		if err := obey(ctx, m, o); err != nil {
			r.Error = err.Error()
		}
		if err := replies.Encode(r); err != nil {
			return 1
		}
	}
}

func obey(ctx context.Context, m *Manager, o task) error {
	if o.All != nil {
		var wanted []*Domain
		for i, s := range o.All {
			if d := s.domain(i); d != nil {
				wanted = append(wanted, d)
			}
		}
		_, err := m.Reconcile(ctx, wanted, ReconcileOptions{Load: true, Replace: true, Remove: true})
		return err
	}
	switch o.To {
	case created:
		return m.Create(ctx, o.To.domain(o.Machine))
	case updated:
		return m.update(ctx, numbered(o.Machine).UUID, Change{Remove: []Device{{DeviceDisk, "a"}}, Add: updated.domain(o.Machine).Devices})
	}
	return m.Remove(ctx, numbered(o.Machine).UUID)
}

// keeper runs a manager in a process of its own, starts it again whenever it
// was killed, and knows what there must be.
type keeper struct {
	dir, prefix string
	is          map[int]stage
	doubt       int // the machine that a process was at when it was killed; 0: none
	was         stage
	starts      int

	mu      sync.Mutex
	process *os.Process // nil: it is not running
}

// kill kills the process if it runs.
func (k *keeper) kill() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.process != nil && k.process.Kill() == nil
}

func (k *keeper) runs(p *os.Process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.process = p
}

// work has a manager do a list of orders, by as many processes as it takes.
// Before is called before each of them.
func (k *keeper) work(ctx context.Context, list []task, before func()) error {
	for killed := true; killed; {
		var err error
		if list, killed, err = k.run(list, before); err != nil {
			return err
		}
		if err := k.check(ctx, killed); err != nil {
			return fmt.Errorf("%s after process %d: %w", k.prefix, k.starts, err)
		}
	}
	return nil
}

// run has one process do orders until it ends, and returns those that are left.
func (k *keeper) run(list []task, before func()) (left []task, killed bool, err error) {
	k.starts++
	cmd := exec.Command(os.Args[0], k.dir)
	cmd.Env = append(os.Environ(), workerVariable+"="+k.prefix)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, false, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, false, err
	}
	if err := cmd.Start(); err != nil {
		return nil, false, err
	}
	k.runs(cmd.Process)
	orders, replies := json.NewEncoder(in), json.NewDecoder(out)
	told := func(o task) bool {
		var r reply
		killed = orders.Encode(o) != nil || replies.Decode(&r) != nil
		if r.Error != "" {
			err = fmt.Errorf("%s, %+v: %s", k.prefix, o, r.Error)
		}
		return !killed && err == nil
	}
	// What was in doubt is to be what it was to become.
	if told(task{All: k.is}) {
		k.doubt = 0
	}
	for !killed && err == nil && len(list) > 0 {
		o := list[0]
		list = list[1:]
		before()
		k.doubt, k.was, k.is[o.Machine] = o.Machine, k.is[o.Machine], o.To
		if told(o) {
			k.doubt = 0
		}
	}
	_ = in.Close() // of no use if the process was killed
	werr := cmd.Wait()
	k.runs(nil)
	if exit := (*exec.ExitError)(nil); errors.As(werr, &exit) && !exit.Exited() {
		killed = true // if only after its last order
	} else if werr != nil {
		err = errors.Join(err, werr)
	}
	return list, killed, err
}

// check compares what there is with what there must be. If a process was
// killed, what it was at may be as before or as it was to become, each file and
// what is in force for itself.
func (k *keeper) check(ctx context.Context, killed bool) error {
	policy := filepath.Join(k.dir, k.prefix+"policy", names{k.prefix}.dir())
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return string(text)
	}
	has := func(s stage, i int) (files string, profile, loaded bool, err error) {
		d := s.domain(i)
		if d == nil {
			return "", false, false, nil
		}
		rules, _, err := derive(ctx, d, &Options{FS: emptyFS{}}, surroundings{managed: true})
		if err != nil {
			return "", false, false, err
		}
		rules.owner = names{k.prefix}.dir()
		return string(rules.AppendFile(nil)), true, true, nil
	}
	var errs []error
	for i, s := range k.is {
		profile := k.prefix + numbered(i).UUID
		files, text, loaded := read(filepath.Join(policy, profile+".files")), read(filepath.Join(policy, profile)), inForce(read(filepath.Join(k.dir, "kernel", profile)))[profile]
		fits := [3]bool{}
		for _, s := range []stage{s, k.was} {
			f, p, l, err := has(s, i)
			if err != nil {
				return err
			}
			fits[0] = fits[0] || f == files
			fits[1] = fits[1] || p == (text != "")
			fits[2] = fits[2] || l == (loaded != "")
			if i != k.doubt {
				break
			}
		}
		if fits != [3]bool{true, true, true} {
			errs = append(errs, fmt.Errorf("machine %d should be at stage %d (files, profile, in force: %v); doubt %d, which was at %d", i, s, fits, k.doubt, k.was))
		}
	}
	list, err := os.ReadDir(policy)
	if err != nil {
		return err
	}
	for _, e := range list {
		if _, litter := (names{k.prefix}).litter(e.Name()); litter && !killed {
			errs = append(errs, fmt.Errorf("%s was left over", e.Name()))
		}
	}
	return errors.Join(errs...)
}

// tasksFor brings n machines through their lives, some at a time, in an order
// of the generator's choice. Every tenth stays as it is after its update.
func tasksFor(r *rand.Rand, n int) []task {
	var out []task
	next := map[int]stage{}
	begun := 0
	for begun < n || len(next) > 0 {
		if begun < n && (len(next) < 20 || r.IntN(2) == 0) {
			begun++
			next[begun] = created
		}
		var alive []int
		for i := 1; i <= n; i++ {
			if _, ok := next[i]; ok {
				alive = append(alive, i)
			}
		}
		i := alive[r.IntN(len(alive))]
		out = append(out, task{Machine: i, To: next[i]})
		switch s := next[i]; {
		case s == created:
			next[i] = updated
		case s == updated && i%10 != 0:
			next[i] = absent
		default:
			delete(next, i)
		}
	}
	return out
}

// TestManyMachines has four managers with a directory and a prefix each, and
// one kernel, create, update and remove machines of the same names and numbers,
// while their processes are killed one after the other and started again.
// Nothing that a manager has said is done is lost, what it was at is brought to
// its end by the next process, and what is not a manager's own stays as it is.
func TestManyMachines(t *testing.T) {
	ctx := t.Context()
	total := 40
	if testenv.Full() {
		total = 1000
	}
	const managers = 4
	dir := t.TempDir()
	foreign := map[string]string{"kernel/docker-default": "theirs", "kernel/libvirt-" + numbered(1).UUID: "theirs", "kernel/unconfined": "theirs"}
	var keepers []*keeper
	for i := range managers {
		k := &keeper{dir: dir, prefix: fmt.Sprintf("vm%d-", i), is: map[int]stage{}}
		keepers = append(keepers, k)
		at := k.prefix + "policy/"
		foreign[at+"usr.bin.other"] = "theirs"
		foreign[at+k.prefix[:3]+"/README"] = "theirs"
		foreign[at+k.prefix[:3]+"/libvirt-"+numbered(1).UUID] = "theirs"
		foreign[at+k.prefix[:3]+"/.libvirt-"+numbered(1).UUID+".abcdefghijklmnopqrstuvwxyz"] = "theirs"
		// In force by a name that could be the manager's, with no file.
		foreign["kernel/"+k.prefix+numbered(9999).UUID] = "theirs"
	}
	writeTree(t, dir, foreign)
	var killed atomic.Int64
	end := make(chan struct{})
	var kills sync.WaitGroup
	if testenv.Full() {
		kills.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for i := 0; ; i++ {
				select {
				case <-end:
					return
				case <-tick.C:
					if keepers[i%managers].kill() {
						killed.Add(1)
					}
				}
			}
		})
	}
	var work sync.WaitGroup
	for i, k := range keepers {
		work.Go(func() {
			r := rand.New(rand.NewPCG(13, uint64(i)))
			err := k.work(ctx, tasksFor(r, total/managers), func() {
				// In a normal run it does not depend on how fast it is.
				if wait := time.Duration(r.IntN(20)) * time.Millisecond; !testenv.Full() && r.IntN(6) == 0 {
					kills.Go(func() {
						time.Sleep(wait)
						if k.kill() {
							killed.Add(1)
						}
					})
				}
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	close(end)
	kills.Wait()
	for _, k := range keepers {
		left := 0
		for _, s := range k.is {
			if s != absent {
				left++
			}
		}
		if len(k.is) != total/managers || left != total/managers/10 {
			t.Errorf("%s has seen %d machines, and %d are left", k.prefix, len(k.is), left)
		}
		// What is left is what it should be, in force and on disk.
		m, err := openIn(ctx, filepath.Join(dir, k.prefix+"policy"), filepath.Join(dir, "kernel"), emptyFS{}, false, k.prefix)
		if err != nil {
			t.Fatal(err)
		}
		var wanted []*Domain
		for i, s := range k.is {
			if d := s.domain(i); d != nil {
				wanted = append(wanted, d)
			}
		}
		list, err := m.Reconcile(ctx, wanted, ReconcileOptions{})
		if err != nil || len(list) != left {
			t.Errorf("%s: %d machines, %v", k.prefix, len(list), err)
		}
		for _, s := range list {
			if !s.Wanted || !s.Loaded || s.Stale || s.Differs || s.Edited || s.Err != nil {
				t.Errorf("%s: %+v", k.prefix, s)
			}
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	is := map[string]string{}
	for name := range foreign {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		is[name] = string(text)
	}
	if diff := cmp.Diff(foreign, is); diff != "" {
		t.Error(diff)
	}
	starts := 0
	for _, k := range keepers {
		starts += k.starts
	}
	t.Logf("%d machines, %d processes were killed, %d started", total, killed.Load(), starts)
}
