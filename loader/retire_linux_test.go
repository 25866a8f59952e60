// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/goarmor/apparmor/blob"
	"github.com/goarmor/apparmor/query"
)

// steps returns what was written, in short: the files, and whether what was
// loaded allows nothing.
func (f *fake) steps() []string {
	f.t.Helper()
	var out []string
	for _, w := range f.writes {
		name, data, _ := strings.Cut(strings.TrimPrefix(w, policyDir), ": ")
		p, err := blob.Inspect([]byte(data))
		switch {
		case err != nil:
			out = append(out, name+" "+data)
		default:
			s := name
			for _, q := range p.Profiles() {
				s += " " + q.Name
				if q.Mode != blob.Enforce {
					s += fmt.Sprintf(" (mode %d)", q.Mode)
				}
				if !deniesAll(q) {
					s += " (allows something)"
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// deniesAll reports whether a profile mediates every class and has nothing
// that it allows, but one state; see TestSealedAllows.
func deniesAll(p *blob.Profile) bool {
	for c := range 256 {
		if !p.Mediates(blob.Class(c)) {
			return false
		}
	}
	for _, db := range []*blob.PolicyDB{p.Policydb, p.File} {
		if db == nil || len(db.Perms) > 0 || slices.Max(db.DFA.Accept2) != 0 {
			return false
		}
		allow := slices.DeleteFunc(slices.Clone(db.DFA.Accept), func(perms uint32) bool { return perms == 0 })
		if db == p.File && len(allow) > 0 || db == p.Policydb && !slices.Equal(allow, []uint32{blob.PermReceive}) {
			return false
		}
	}
	return p.Caps == (blob.Caps{}) && p.Families == nil && p.RlimitMask == 0
}

func TestSeal(t *testing.T) {
	f := newFake(t)
	f.namespace("namespaces/ns/")
	f.load(named(t, "p", "p//a", "p//a//b", "p//c", "q"), SHA256)
	inner := named(t, "p")
	f.loadFrom("namespaces/ns", inner.Profiles()[0], inner, SHA256)
	k := f.open(nil)
	for _, name := range []string{"p", "p//a", ":ns:p"} {
		if err := k.Seal(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	want := []string{".replace p p//a p//a//b p//c", ".replace p//a p//a//b", ".replace p"}
	got := f.steps()
	for i := range got {
		words := strings.Fields(got[i])
		slices.Sort(words)
		got[i] = strings.Join(words, " ")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	if p, err := blob.Inspect([]byte(strings.TrimPrefix(f.writes[2], policyDir+".replace: "))); err != nil || p.Profiles()[0].Namespace != "ns" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, want := range map[string]error{"none": ErrNotExist, "": ErrName} {
		if err := k.Seal(t.Context(), name); !errors.Is(err, want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	refusing := f.open(func(o *Options) { o.OnlyNames = func(name string) bool { return name != "p//c" } })
	if err := refusing.Seal(t.Context(), "p"); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("not allowed: %v", err)
	}
	if len(f.writes) != 3 {
		t.Errorf("written %q", f.steps())
	}
}

func TestRetire(t *testing.T) {
	const label = "proc/10/task/10/attr/apparmor/current"
	const p, other, gone = "p (enforce)\n", "unconfined\n", ""
	short := RetireOptions{Timeout: 30 * time.Millisecond}
	long := RetireOptions{Timeout: time.Minute}
	seal, remove := ".replace p p//c", ".remove p"
	// labels gives process 10 a label for each time that it is looked at.
	labels := func(list ...string) func(*fake) { return func(f *fake) { f.counts(label, list...) } }
	for _, c := range []struct {
		name      string
		change    func(*fake)
		sealed    func(*fake) // once the profile is replaced
		algorithm Algorithm   // empty: sha256
		o         RetireOptions
		want      error
		steps     []string
		looks     int // left of the labels
	}{
		{name: "nothing runs", o: long, steps: []string{seal, remove}},
		{name: "sha1", algorithm: SHA1, o: long, steps: []string{seal, remove}},
		{name: "in use", change: labels(p), o: long, want: ErrInUse},
		{name: "in use by a child", change: labels("p//c (enforce)\n"), o: long, want: ErrInUse},
		{name: "in use when sealed", change: labels(other, p), o: short, want: ErrInUse, steps: []string{seal}},
		{name: "in use at the second look", change: labels(other, other, p), o: short, want: ErrInUse, steps: []string{seal}},
		{name: "ends later", change: labels(other, p, p, other, p, other, other, other, other), o: long, steps: []string{seal, remove}, looks: 2},
		{name: "looks twice", change: labels(other, other, other, other, other), o: long, steps: []string{seal, remove}, looks: 2},
		{name: "looks twice after the last", change: labels(other, p, other, other, other, other), o: long, steps: []string{seal, remove}, looks: 2},
		{name: "ends while it is looked at", change: labels(other, gone), o: short, want: ErrInUse, steps: []string{seal}},
		{name: "unreadable", change: func(f *fake) {
			f.unreadable = map[string]error{label: syscall.EACCES}
		}, o: long, want: ErrPermission},
		{name: "unreadable when sealed", sealed: func(f *fake) {
			f.unreadable = map[string]error{label: syscall.EACCES}
		}, o: long, want: ErrPermission, steps: []string{seal}},
		{name: "hidden", change: func(f *fake) { f.end(2) }, o: long, want: ErrProcesses},
		{name: "replaced meanwhile", sealed: func(f *fake) { f.load(named(t, "p", "p//c"), SHA256) }, o: long, want: ErrContent, steps: []string{seal}},
		{name: "child replaced meanwhile", sealed: func(f *fake) {
			child := named(t, "p//c")
			f.loadFrom("", child.Profiles()[0], child, SHA256)
		}, o: long, want: ErrContent, steps: []string{seal}},
		{name: "removed meanwhile", sealed: func(f *fake) { f.unload("", "p") }, o: long, want: ErrNotExist, steps: []string{seal}},
		{name: "no digest", algorithm: "none", o: long, want: ErrNoDigest, steps: []string{seal}},
		{name: "no digest, accepted", algorithm: "none", o: RetireOptions{Timeout: time.Minute, Unverified: true}, steps: []string{seal, remove}},
		{name: "not loaded", change: func(f *fake) { f.unload("", "p") }, o: long, want: ErrNotExist},
		{name: "kill", change: labels(p, p, other), o: RetireOptions{Timeout: time.Minute, Kill: true}, steps: []string{".replace p (mode 2) p//c (mode 2)", remove}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			algorithm := c.algorithm
			if algorithm == "" {
				algorithm = SHA256
			}
			f.load(named(t, "p", "p//c"), algorithm)
			f.kernel(algorithm)
			if loads := f.wrote; c.sealed != nil {
				f.wrote = func(name string, data []byte) {
					loads(name, data)
					c.sealed(f)
				}
			}
			f.process(10, task{})
			k := f.open(nil)
			if c.change != nil {
				c.change(f)
			}
			err := k.Retire(t.Context(), "p", c.o)
			var own *Error
			if !errors.Is(err, c.want) || err != nil && (!errors.As(err, &own) || own.Op != OpRetire) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(c.steps, f.steps()); diff != "" {
				t.Errorf("written (-want +got):\n%s", diff)
			}
			if left := len(f.series[label]); c.looks > 0 && left != c.looks {
				t.Errorf("%d labels left, want %d", left, c.looks)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		f := newFake(t)
		f.load(named(t, "p"), SHA256)
		f.kernel(SHA256)
		f.process(10, task{})
		f.counts(label, other, p)
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the caller has no time")
		loads := f.wrote
		f.wrote = func(name string, data []byte) { loads(name, data); cancel(why) }
		err := f.open(nil).Retire(ctx, "p", RetireOptions{})
		if !errors.Is(err, ErrInUse) || !errors.Is(err, why) || len(f.writes) != 1 {
			t.Errorf("error %v, written %q", err, f.steps())
		}
		if err := f.open(nil).Retire(ctx, "p", RetireOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})
	t.Run("name", func(t *testing.T) {
		f := newFake(t)
		f.load(named(t, "p"), SHA256)
		k := f.open(func(o *Options) { o.OnlyNames = func(string) bool { return false } })
		if err := k.Retire(t.Context(), "p", RetireOptions{}); !errors.Is(err, ErrNotAllowed) {
			t.Errorf("not allowed: %v", err)
		}
		if err := k.Retire(t.Context(), ":ns:", RetireOptions{}); !errors.Is(err, ErrName) {
			t.Errorf("namespace: %v", err)
		}
		if len(f.writes) > 0 {
			t.Errorf("written %q", f.steps())
		}
	})
}

// TestRetireKills has a process that ends when it is killed and no sooner.
func TestRetireKills(t *testing.T) {
	for _, c := range []struct {
		name string
		o    RetireOptions
		// change may make the process one that must live.
		change func(*fake, int)
		dies   bool
	}{
		{"kill", RetireOptions{Kill: true}, nil, true},
		{"do not kill", RetireOptions{Timeout: 30 * time.Millisecond}, nil, false},
		{"one thread only", RetireOptions{Kill: true, Timeout: 30 * time.Millisecond}, func(f *fake, pid int) {
			f.process(pid, task{}, task{id: pid + 1, label: "p (enforce)"})
		}, false},
		{"other process numbers", RetireOptions{Kill: true, Timeout: 30 * time.Millisecond}, func(f *fake, _ int) {
			f.file("proc/self/status", "NSpid:\t900\t7\n")
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.load(named(t, "p"), SHA256)
			f.kernel(SHA256)
			cmd := exec.CommandContext(t.Context(), "/bin/sleep", "60")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			go func() {
				err := cmd.Wait()
				f.mu.Lock()
				defer f.mu.Unlock()
				f.end(cmd.Process.Pid)
				over <- err
			}()
			pid := cmd.Process.Pid
			f.process(pid, task{label: "p (enforce)"})
			if c.change != nil {
				c.change(f, pid)
			}
			err := f.open(nil).Retire(t.Context(), "p", c.o)
			if c.dies != (err == nil) || err != nil && !errors.Is(err, ErrInUse) {
				t.Errorf("error %v", err)
			}
			if !c.dies {
				if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
					t.Errorf("the process: %v", err)
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Error(err)
				}
			}
			if err := <-over; err == nil {
				t.Error("the process ended without being killed")
			}
		})
	}
}

// TestRetireCgroup has directories that look like cgroups.
func TestRetireCgroup(t *testing.T) {
	const empty, full = "populated 0\nfrozen 0\n", "populated 1\nfrozen 0\n"
	user := func(f *fake) { f.process(10, task{label: "p (enforce)"}) }
	hidden := func(f *fake) { f.end(2) }
	for _, c := range []struct {
		name   string
		events []string // as they are read; nil: no file
		o      RetireOptions
		change func(*fake)
		want   error
		steps  int // 1: sealed, 2: removed
		killed bool
	}{
		{name: "empty", events: []string{empty}, steps: 2},
		{name: "in use", events: []string{full}, want: ErrInUse},
		{name: "fills up", events: []string{empty, full}, want: ErrInUse, steps: 1},
		{name: "fills up and empties", events: []string{empty, full, full, empty}, o: RetireOptions{Timeout: time.Minute}, steps: 2},
		{name: "killed", events: []string{full, full, empty}, o: RetireOptions{Kill: true, Timeout: time.Minute}, steps: 2, killed: true},
		{name: "cannot be killed", events: []string{full}, o: RetireOptions{Kill: true}, want: ErrInUse, steps: 1, killed: true},
		// The wrong cgroup.
		{name: "runs elsewhere", events: []string{empty}, change: user, want: ErrInUse},
		{name: "runs elsewhere, to be killed", events: []string{empty}, change: user, o: RetireOptions{Kill: true}, want: ErrInUse, steps: 1, killed: true},
		// Where the caller sees no processes, the cgroup is the proof.
		{name: "hidden, empty", events: []string{empty}, change: hidden, steps: 2},
		{name: "hidden, in use", events: []string{full}, change: hidden, want: ErrInUse},
		{name: "hidden, gone", change: hidden, want: ErrProcesses},
		{name: "gone", steps: 2},
		{name: "odd answer", events: []string{"populated 2\n"}, want: errAnswer},
		{name: "caller in it", events: []string{full}, o: RetireOptions{Kill: true}, change: func(f *fake) {
			f.file("cgroup/a/b/cgroup.procs", "7\n"+strconv.Itoa(os.Getpid())+"\n")
		}, steps: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.load(named(t, "p"), SHA256)
			f.kernel(SHA256)
			for _, name := range []string{"cgroup.procs", "cgroup.kill", "a/cgroup.procs", "a/b/cgroup.procs"} {
				f.file("cgroup/"+name, "")
			}
			if c.events != nil {
				f.counts("cgroup/cgroup.events", c.events...)
			} else if err := os.RemoveAll(filepath.Join(f.dir, "cgroup")); err != nil {
				t.Fatal(err)
			}
			if c.change != nil {
				c.change(f)
			}
			c.o.Cgroup = filepath.Join(f.dir, "cgroup")
			if c.o.Timeout == 0 {
				c.o.Timeout = 30 * time.Millisecond
			}
			err := f.open(nil).Retire(t.Context(), "p", c.o)
			if c.name == "caller in it" {
				if err == nil || !strings.Contains(err.Error(), "the caller itself") {
					t.Errorf("error %v", err)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
			if len(f.writes) != c.steps {
				t.Errorf("written %q", f.steps())
			}
			if text, err := os.ReadFile(filepath.Join(f.dir, "cgroup/cgroup.kill")); string(text) == "1" != c.killed {
				t.Errorf("cgroup.kill has %q, %v", text, err)
			}
		})
	}
	t.Run("no cgroup", func(t *testing.T) {
		f := newFake(t)
		f.load(named(t, "p"), SHA256)
		sys := f.system()
		sys.check = func(_ int, magic int64) error { return onlyFor(magic == 0x63677270) }
		k, err := open(f.options(), sys)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		if err := k.Retire(t.Context(), "p", RetireOptions{Cgroup: f.dir}); !errors.Is(err, ErrFileSystem) || len(f.writes) > 0 {
			t.Errorf("error %v", err)
		}
	})
	t.Run("the first of all", func(t *testing.T) {
		f := newFake(t)
		f.load(named(t, "p"), SHA256)
		f.file("cgroup/cgroup.procs", "")
		if err := f.open(nil).Retire(t.Context(), "p", RetireOptions{Cgroup: filepath.Join(f.dir, "cgroup")}); !errors.Is(err, ErrNotExist) || len(f.writes) > 0 {
			t.Errorf("error %v", err)
		}
	})
}

// TestSealed asks what is sealed.
func TestSealed(t *testing.T) {
	for _, algorithm := range []Algorithm{SHA256, SHA1} {
		for _, mode := range []blob.Mode{blob.Enforce, blob.Kill} {
			f := newFake(t)
			f.kernel(algorithm)
			k, p := f.open(nil), named(t, "p", "p//c", "p//b", "q")
			f.load(p, algorithm)
			want := func(what, name string, want bool) {
				t.Helper()
				if got, err := k.Sealed(t.Context(), name); got != want || err != nil {
					t.Errorf("%s %v: %s: %v, %v", algorithm, mode, what, got, err)
				}
			}
			want("loaded", "p", false)
			if _, err := k.seal(t.Context(), "p", mode); err != nil {
				t.Fatal(err)
			}
			want("sealed", "p", true)
			want("another", "q", false)
			f.load(p, algorithm)
			want("loaded again", "p", false)
			if _, err := k.Sealed(t.Context(), "none"); !errors.Is(err, ErrNotExist) {
				t.Errorf("no such profile: %v", err)
			}
		}
	}
	f := newFake(t)
	f.load(named(t, "p"), "")
	if _, err := f.open(nil).Sealed(t.Context(), "p"); !errors.Is(err, ErrNoDigest) {
		t.Errorf("no digest: %v", err)
	}
}

// TestSealedAllows asks what a sealed profile allows: to be killed.
func TestSealedAllows(t *testing.T) {
	for _, mode := range []blob.Mode{blob.Enforce, blob.Kill} {
		policy, err := sealed("", []string{"p"}, mode)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := query.Open(policy).Profile("p")
		if !ok {
			t.Fatal("no profile")
		}
		ask := func(want bool, r query.Request) {
			t.Helper()
			if d, err := p.Ask(r); err != nil || d.Allowed() != want {
				t.Errorf("%v: %v: %v, %v", mode, r, d, err)
			}
		}
		for _, peer := range []string{"unconfined", "p", ":ns:unconfined", "a//b"} {
			ask(true, query.Signal{Signal: "kill", Peer: peer, Perms: query.Receive})
			ask(false, query.Signal{Signal: "kill", Peer: peer, Perms: query.Send})
			for _, other := range []string{"term", "hup", "cont", "stop", "exists", "usr1", "rtmin+0"} {
				ask(false, query.Signal{Signal: other, Peer: peer, Perms: query.Receive})
				ask(false, query.Signal{Signal: other, Peer: peer, Perms: query.Send})
			}
			ask(false, query.Ptrace{Peer: peer, Perms: query.TracedBy})
			ask(false, query.Ptrace{Peer: peer, Perms: query.ReadPeer})
		}
		ask(false, query.Capability("kill"))
		ask(false, query.Network{Family: "inet", Type: "stream"})
		ask(false, query.File{Path: "/", Perms: query.Read})
	}
}
