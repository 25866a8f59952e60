// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// thread is a thread with the file system credentials of a user. It ends with
// its request, or when the file system has answered that holds it up.
type thread struct {
	work  chan func()
	ended chan struct{} // closed when it is to end
	gone  chan struct{} // closed when it has
	stop  func()
	busy  atomic.Bool
}

// end ends the thread, and waits for that unless a file system holds it up.
func (t *thread) end() {
	t.stop()
	if !t.busy.Load() {
		<-t.gone
	}
}

var errThreadEnded = errors.New("the request has ended")

// newThread starts a thread, which is counted in alive while it lives.
func newThread(peer Peer, alive *atomic.Int64) (*thread, error) {
	t := &thread{work: make(chan func()), ended: make(chan struct{}), gone: make(chan struct{})}
	t.stop = sync.OnceFunc(func() { close(t.ended) })
	ready := make(chan error)
	alive.Add(1)
	go func() {
		defer close(t.gone)
		defer alive.Add(-1)
		// It is never unlocked, so the thread ends with the goroutine, and Go
		// makes no others from it.
		runtime.LockOSThread()
		err := become(peer)
		ready <- err
		for err == nil {
			select {
			case f := <-t.work:
				t.busy.Store(true)
				f()
				t.busy.Store(false)
			case <-t.ended:
				return
			}
		}
	}()
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("the credentials of user %d cannot be taken: %w", peer.UID, err)
	}
	return t, nil
}

// run runs f on the thread.
func (t *thread) run(f func()) error {
	done := make(chan struct{})
	select {
	case t.work <- func() { defer close(done); f() }:
		<-done
		return nil
	case <-t.ended:
		return errThreadEnded
	}
}

// become gives the calling thread, and no other of the process, the credentials
// of a user for the file system, and takes its capabilities. Its real, effective
// and saved users stay: with one of those the user could send the thread a signal,
// which is one for the whole process.
func become(peer Peer) error {
	if os.Geteuid() != 0 {
		if peer.UID == uint32(os.Geteuid()) {
			return nil // it is the user's own process
		}
		return unix.EPERM
	}
	groups := slices.Clone(peer.Groups)
	var first unsafe.Pointer
	if len(groups) > 0 {
		first = unsafe.Pointer(&groups[0])
	}
	// Those of package syscall are for all threads.
	if _, _, errno := unix.RawSyscall(sysSetgroups, uintptr(len(groups)), uintptr(first), 0); errno != 0 {
		return os.NewSyscallError("setgroups", errno)
	}
	runtime.KeepAlive(groups)
	setfs := func(name string, call uintptr, id uint32) error {
		const keep = ^uint32(0) // changes nothing
		_, _, _ = unix.RawSyscall(call, uintptr(id), 0, 0)
		// It has no errors, and returns what was before.
		if now, _, _ := unix.RawSyscall(call, uintptr(keep), 0, 0); uint32(now) != id {
			return fmt.Errorf("%s: it is %d and not %d", name, uint32(now), id)
		}
		return nil
	}
	if err := setfs("setfsgid", sysSetfsgid, peer.GID); err != nil {
		return err
	}
	if err := setfs("setfsuid", sysSetfsuid, peer.UID); err != nil {
		return err
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none, now [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return os.NewSyscallError("capset", err)
	}
	if err := unix.Capget(&header, &now[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if now != none {
		return errors.New("capset: the thread still has capabilities")
	}
	return nil
}
