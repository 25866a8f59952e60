// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Revision returns the number of the namespace's policy, which grows with
// every change. It is 0 if nothing was ever loaded.
func (k *Kernel) Revision(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := k.policy.open("revision", unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	defer f.Close()
	n, err := firstRevision(f)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	return n, nil
}

// WaitRevision waits until the number of the namespace's policy differs from
// after, and returns it. Given what Revision or WaitRevision returned last, it
// waits for the next change.
func (k *Kernel) WaitRevision(ctx context.Context, after uint64) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := k.policy.open("revision", unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	defer f.Close()
	n, err := firstRevision(f)
	if err == nil && n == after {
		n, err = nextRevision(ctx, f, after)
	}
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, k.fail(OpRevision, "", err)
	}
	return n, nil
}

// nextRevision waits until the number is another one, or the context ends.
func nextRevision(ctx context.Context, f *os.File, after uint64) (uint64, error) {
	// A deadline wakes the reads. If the file takes one now, it also takes the
	// later one.
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		return 0, err
	}
	stop := context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		if n, err := readRevision(f); err != nil || n != after {
			return n, err
		}
	}
}

// firstRevision reads for the first time. It does not wait: if nothing was
// ever loaded, there is nothing to read.
func firstRevision(f *os.File) (n uint64, err error) {
	buf := make([]byte, revisionSize)
	err = dir{f}.with(func(fd int) error {
		read, err := unix.Read(fd, buf)
		for errors.Is(err, unix.EINTR) {
			read, err = unix.Read(fd, buf)
		}
		switch {
		case err == nil:
			n, err = parseRevision(buf[:read])
		case errors.Is(err, unix.EAGAIN):
			err = nil
		}
		return err
	})
	return n, err
}

// readRevision reads once: the file never ends.
func readRevision(f fs.File) (uint64, error) {
	buf := make([]byte, revisionSize)
	n, err := f.Read(buf)
	if err != nil {
		return 0, err
	}
	return parseRevision(buf[:n])
}

// revisionSize holds a number and a newline.
const revisionSize = 32

func parseRevision(b []byte) (uint64, error) {
	return strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
}
