// SPDX-License-Identifier: Apache-2.0

package broker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Options of sockets, see asm-generic/socket.h.
const (
	soPeerGroups = 59 // since Linux 4.13
	soPeerPIDFD  = 77 // since Linux 6.5
)

// peerOf returns who was at the other end of a connection when it was made.
func peerOf(c *net.UnixConn) (Peer, *alive, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, nil, err
	}
	var cred *unix.Ucred
	var groups []uint32
	pidfd := -1
	cerr := raw.Control(func(fd uintptr) {
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err != nil {
			return
		}
		if groups, err = peerGroups(int(fd)); err != nil {
			return
		}
		if n, perr := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, soPeerPIDFD); perr == nil {
			pidfd = n
		}
	})
	if err := errors.Join(cerr, err); err != nil {
		return Peer{}, nil, err
	}
	if pidfd >= 0 {
		unix.CloseOnExec(pidfd)
	}
	return Peer{UID: cred.Uid, GID: cred.Gid, Groups: groups, PID: int(cred.Pid)}, &alive{pidfd}, nil
}

// peerGroups returns the supplementary groups.
func peerGroups(fd int) ([]uint32, error) {
	for n := 64; ; n *= 2 {
		groups := make([]uint32, n)
		size := uint32(4 * n)
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, soPeerGroups,
			uintptr(unsafe.Pointer(&groups[0])), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errno == unix.ERANGE && n < 1<<16: // NGROUPS_MAX
		case errno != 0:
			return nil, os.NewSyscallError("getsockopt", errno)
		default:
			return groups[:size/4], nil
		}
	}
}

// alive tells whether the process of a peer still has its number.
type alive struct{ pidfd int }

// check reports whether it has. Where the kernel does not say, it is taken to
// have.
func (a *alive) check() error {
	if a.pidfd < 0 {
		return nil
	}
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(a.pidfd, 0, nil, 0))
}

func (a *alive) close() {
	if a.pidfd >= 0 {
		unix.Close(a.pidfd)
	}
}

// processes are held by their descriptors, so that their numbers are their own.
type processes map[int]int

func holdProcesses(pids []int) processes {
	p := processes{}
	for _, pid := range pids {
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			p[pid] = fd
		}
	}
	return p
}

func (p processes) close() {
	for _, fd := range p {
		unix.Close(fd)
	}
}

// kill ends those of the processes in the list that are a user's: whose real user
// it is.
func (p processes) kill(list []int, uid uint32) (err error) {
	for pid, fd := range p {
		if !slices.Contains(list, pid) {
			continue
		}
		real, uerr := realUser(pid)
		if errors.Is(uerr, os.ErrNotExist) {
			continue
		}
		if uerr != nil {
			err = errors.Join(err, uerr)
			continue
		}
		// The process that is held is alive, so what was read was about it.
		if unix.PidfdSendSignal(fd, 0, nil, 0) != nil || real != uid {
			continue
		}
		if kerr := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); kerr != nil && !errors.Is(kerr, unix.ESRCH) {
			err = errors.Join(err, fmt.Errorf("process %d: %w", pid, kerr))
		}
	}
	return err
}

// realUser returns the real user of a process, see proc_pid_status(5).
func realUser(pid int) (uint32, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if ids, ok := strings.CutPrefix(line, "Uid:"); ok {
			if f := strings.Fields(ids); len(f) == 4 {
				n, err := strconv.ParseUint(f[0], 10, 32)
				return uint32(n), err
			}
		}
	}
	return 0, fmt.Errorf("process %d: its user is not known", pid)
}
