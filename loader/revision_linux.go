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
// every change.
func (k *Kernel) Revision(ctx context.Context) (uint64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	f, err := k.policy.open("revision", unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	defer f.Close()
	n, err := readRevision(f)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	return n, nil
}

// WaitRevision waits until the number of the namespace's policy is not after,
// and returns it: with what Revision or WaitRevision returned, the next
// change.
func (k *Kernel) WaitRevision(ctx context.Context, after uint64) (uint64, error) {
	f, err := k.policy.open("revision", unix.O_RDONLY|unix.O_NONBLOCK)
	if err != nil {
		return 0, k.fail(OpRevision, "", err)
	}
	defer f.Close()
	// The deadline wakes the read below.
	stop := context.AfterFunc(ctx, func() { f.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// The first read returns at once, the next ones on a change.
		n, err := readRevision(f)
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil:
			return 0, k.fail(OpRevision, "", err)
		case n != after:
			return n, nil
		}
	}
}

// readRevision reads once: the file never ends.
func readRevision(f fs.File) (uint64, error) {
	buf := make([]byte, 32)
	n, err := f.Read(buf)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(buf[:n])), 10, 64)
}
