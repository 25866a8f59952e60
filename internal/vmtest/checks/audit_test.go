// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goarmor/apparmor/audit"
	"github.com/goarmor/apparmor/internal/vmtest/guest"
	"github.com/goarmor/apparmor/query"
)

// TestAudit has the kernel refuse something of each class that it mediates, and
// reads the record of it from the audit system and from the kernel log: the
// policy that was loaded refuses the request, too.
func TestAudit(t *testing.T) {
	k := kernel(t)
	dir := fresh(t, "/srv/watched")
	writeFile(t, dir+"/a")
	writeFile(t, dir+"/first")
	other(t, dir+"/run")
	guest.LogEverything(t)
	const text = "abi <kernel>,\nprofile watched {" + base + `
	network netlink raw,
	capability sys_admin,
	capability sys_resource,
	set rlimit nofile <= 64,
	^h {}
}
profile watched-peer {` + base + `}
`
	_, out := newCompiler(t).output(t, "text", text)
	load(t, k, out.Policy)
	pol := query.Open(out.Policy)
	watched, ok := pol.Profile("watched")
	if !ok {
		t.Fatal("no profile")
	}

	byAudit, byLog := follow(t, audit.SourceAudit), follow(t, audit.SourceKernelLog)
	p := confine(t, k, "watched")
	peer := confine(t, k, "watched-peer")
	// Until both sources are open.
	for n := 0; byAudit.len() == 0 || byLog.len() == 0; n++ {
		if n == 100 {
			t.Fatalf("%d events from the audit system, %d from the kernel log", byAudit.len(), byLog.len())
		}
		p.want(t, syscall.EACCES, "read", dir+"/first")
		time.Sleep(100 * time.Millisecond)
	}
	const tcp, sigCont = "6", "18"
	for _, tt := range []struct {
		op   string
		args []string
		want query.Request
	}{
		{"read", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Read, Owner: true}},
		{"write", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Write, Owner: true}},
		{"append", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Append, Owner: true}},
		{"truncate", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Write, Owner: true}},
		{"chmod", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Chmod, Owner: true}},
		{"remove", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Delete, Owner: true}},
		{"mkdir", []string{dir + "/b c"}, query.File{Path: dir + "/b c/", Perms: query.Create, Owner: true}},
		{"fifo", []string{dir + "/é\\\""}, query.File{Path: dir + "/é\\\"", Perms: query.Create, Owner: true}},
		{"link", []string{dir + "/a", dir + "/l"}, query.Link{Path: dir + "/l", Target: dir + "/a", Owner: true}},
		{"start", []string{dir + "/run"}, query.Execute{Path: dir + "/run", Owner: true}},
		{"label", []string{"watched-peer"}, query.ChangeProfile{Target: "watched-peer"}},
		{"chown", []string{dir + "/a"}, query.File{Path: dir + "/a", Perms: query.Chown, Owner: true}},
		{"chroot", nil, query.Capability("sys_chroot")},
		{"socket", []string{"2", "1", tcp}, query.Network{Family: "inet", Type: "stream", Protocol: 6, Perms: query.Create}},
		{"kill", []string{peer.pid(), sigCont}, query.Signal{Signal: "cont", Perms: query.Send, Peer: "watched-peer"}},
		{"trace", []string{peer.pid()}, query.Ptrace{Perms: query.Trace, Peer: "watched-peer"}},
		{"mount", []string{dir}, query.Mount{Source: "probe", Target: dir + "/", FSType: "tmpfs", Flags: query.MountNoSuid}},
		{"bind", []string{"/proc", dir}, query.Mount{Source: "/proc/", Target: dir + "/", Flags: query.MountBind}},
		{"umount", []string{"/proc"}, query.Umount{Target: "/proc/"}},
		{"set limit", []string{"0", "7", "60", "128"}, query.Rlimit{Resource: "nofile", Value: 128}},
		{"new user namespace", nil, query.Userns{}},
		{"sqpoll", nil, query.IOUring{}},
	} {
		t.Run(tt.op, func(t *testing.T) {
			d, err := watched.Ask(tt.want)
			if err != nil {
				t.Fatal(err)
			}
			if !d.Mediated {
				t.Skipf("a choice: %s does not mediate %v", guest.Release(), tt.want)
			}
			if d.Allowed() {
				t.Fatalf("the policy allows %v", tt.want)
			}
			if o := p.try(t, tt.op, tt.args...); o.Errno == 0 {
				t.Fatalf("the kernel allowed it: %+v", o)
			}
			for _, w := range []*follower{byAudit, byLog} {
				e := w.wait(t, func(e *audit.Event) bool {
					got, err := e.Request()
					return e.Profile == "watched" && e.Action == audit.Denied && err == nil && got == tt.want
				})
				if e == nil {
					continue
				}
				if e.PID == 0 || e.Comm == "" || e.Serial == 0 || e.Time.IsZero() || e.Truncated {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

// follower keeps the events of a source.
type follower struct {
	source audit.Source
	mu     sync.Mutex
	events []*audit.Event
	more   chan struct{}
}

// follow reads a source until the test ends.
func follow(t *testing.T, source audit.Source) *follower {
	t.Helper()
	f := &follower{source: source, more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range audit.Watch(ctx, audit.WatchOptions{Source: source}) {
			if errors.Is(err, context.Canceled) {
				return
			}
			if err != nil {
				t.Errorf("source %d: %v", source, err)
				continue
			}
			f.mu.Lock()
			f.events = append(f.events, e)
			f.mu.Unlock()
			select {
			case f.more <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

func (f *follower) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.events)
}

// wait returns the first event that fits; nil and a failure if none comes.
func (f *follower) wait(t *testing.T, fits func(*audit.Event) bool) *audit.Event {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		f.mu.Lock()
		for _, e := range f.events {
			if fits(e) {
				f.mu.Unlock()
				return e
			}
		}
		f.mu.Unlock()
		select {
		case <-f.more:
		case <-late:
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, e := range f.events {
				r, err := e.Request()
				t.Logf("%s %s of %s: %v, %v: %v", e.Action, e.Operation, e.Profile, r, err, e.Fields)
			}
			t.Errorf("source %s has no such event", strconv.Itoa(int(f.source)))
			return nil
		}
	}
}
