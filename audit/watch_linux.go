// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Numbers of the audit system (include/uapi/linux/audit.h).
const (
	groupReadLog = 1    // AUDIT_NLGRP_READLOG, as a bit of the mask of groups
	recordAVC    = 1400 // AUDIT_AVC
	recordUser   = 1107 // AUDIT_USER_AVC
	netlinkHead  = 16   // struct nlmsghdr
)

// Watch yields the events that happen from now on, until the context ends or
// the source fails; it then yields the last error, which is the context's if
// that ended. A *LostError reports a gap and does not end the loop, nor does a
// *SyntaxError for a record that cannot be read. The source is opened when the
// loop begins and closed when it ends.
func Watch(ctx context.Context, o WatchOptions) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		src, err := open(o.Source)
		if err != nil {
			yield(nil, err)
			return
		}
		defer src.file.Close()
		// A read that waits ends with the context. If a file takes a deadline
		// now, it also takes the later one: it is closed after the function
		// has run or will not run any more.
		if err := src.file.SetReadDeadline(time.Time{}); err != nil {
			yield(nil, err)
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = src.file.SetReadDeadline(time.Unix(1, 0)) })
		defer stop()
		src.run(ctx, yield)
	}
}

// source is an open source of records.
type source struct {
	file   *os.File
	record func(message []byte) (*Event, error) // ErrOther: skipped
}

func open(s Source) (*source, error) {
	switch s {
	case SourceAudit:
		return openAudit()
	case SourceKernelLog:
		return openKmsg()
	}
	src, err := openAudit()
	if err == nil {
		return src, nil
	}
	log, err2 := openKmsg()
	if err2 != nil {
		return nil, errors.Join(err, err2)
	}
	return log, nil
}

func openAudit() (*source, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_AUDIT)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupReadLog}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind to the audit group", err), unix.Close(fd))
	}
	return &source{os.NewFile(uintptr(fd), "audit"), parseNetlink}, nil
}

func openKmsg() (*source, error) {
	f, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &source{f, parseKmsg}, nil
}

// run reads messages, one a read, until the context or the source ends.
func (s *source) run(ctx context.Context, yield func(*Event, error) bool) {
	buf := make([]byte, 1<<16)
	for {
		n, err := s.file.Read(buf)
		switch {
		case err == nil:
			e, err := s.record(buf[:n])
			if errors.Is(err, ErrOther) {
				continue
			}
			if !yield(e, err) {
				return
			}
		case ctx.Err() != nil:
			yield(nil, context.Cause(ctx))
			return
		case errors.Is(err, unix.ENOBUFS):
			if !yield(nil, &LostError{Why: "the socket's buffer was full"}) {
				return
			}
		case errors.Is(err, unix.EPIPE):
			if !yield(nil, &LostError{Why: "the kernel log wrapped around"}) {
				return
			}
		default:
			yield(nil, err)
			return
		}
	}
}

// parseNetlink reads a message of the audit system: a header in the machine's
// byte order and the text of a record. Only AVC records can be AppArmor's.
func parseNetlink(message []byte) (*Event, error) {
	if len(message) < netlinkHead {
		return nil, ErrOther
	}
	switch binary.NativeEndian.Uint16(message[4:]) {
	case recordAVC, recordUser:
		return Parse(strings.TrimRight(string(message[netlinkHead:]), "\x00"))
	}
	return nil, ErrOther
}

// parseKmsg reads a record of /dev/kmsg.
func parseKmsg(record []byte) (*Event, error) {
	line := string(record)
	if text, kernel, ok := cutKmsg(line); ok && kernel {
		if lost := lostIn(text); lost != nil {
			return nil, lost
		}
	}
	return Parse(line)
}
