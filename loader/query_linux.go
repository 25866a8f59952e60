// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/blob"
)

// maxQuery is the longest query that kernels take.
const maxQuery = 4095

// Query asks what the policy of a label says about a string of a class:
// blob.ClassFile and a path, blob.ClassSignal and the bytes of signal and
// peer. The label is a profile of this namespace, or several stacked with //&.
// Files count as the caller's own if it runs as root, and as somebody else's
// otherwise. The answer does not show complain mode.
func (k *Kernel) Query(ctx context.Context, label string, class blob.Class, match []byte) (Permissions, error) {
	if err := ctx.Err(); err != nil {
		return Permissions{}, err
	}
	p, err := k.query(label, class, match)
	if err != nil {
		return Permissions{}, k.fail(OpQuery, label, err)
	}
	return p, nil
}

// Allowed reports whether the policy of a label allows all of the given
// permissions; see Query.
func (k *Kernel) Allowed(ctx context.Context, label string, class blob.Class, match []byte, perms uint32) (bool, error) {
	p, err := k.Query(ctx, label, class, match)
	return err == nil && p.Allow&perms == perms, err
}

func (k *Kernel) query(label string, class blob.Class, match []byte) (p Permissions, err error) {
	if strings.ContainsRune(label, 0) || label == "" {
		return p, ErrName
	}
	parts := strings.Split(label, "//&")
	for i := range parts {
		if !strings.HasPrefix(parts[i], ":") {
			parts[i] = k.Qualify(parts[i])
		}
	}
	q := append([]byte("label\x00"), strings.Join(parts, "//&")...)
	q = append(q, 0, byte(class))
	q = append(q, match...)
	if len(q) > maxQuery {
		return p, fmt.Errorf("the query takes %d bytes, more than %d", len(q), maxQuery)
	}
	f, err := k.root.open(".access", unix.O_RDWR|unix.O_NOFOLLOW)
	if err != nil {
		return p, err
	}
	defer f.Close()
	// The answer belongs to the open file, which is not shared.
	if err := (dir{f}).with(func(fd int) error {
		_, err := k.sys.write(fd, q)
		return os.NewSyscallError("write", err)
	}); err != nil {
		return p, err
	}
	buf := make([]byte, 256)
	n, err := f.Read(buf)
	if err != nil {
		return p, err
	}
	return parsePermissions(string(buf[:n]))
}

var errAnswer = errors.New("unexpected answer of the kernel")

// parsePermissions parses "allow 0x1 deny 0x2 audit 0x3 quiet 0x4".
func parsePermissions(s string) (p Permissions, err error) {
	var rest string
	n, _ := fmt.Sscanf(s, "allow 0x%x\ndeny 0x%x\naudit 0x%x\nquiet 0x%x\n%s", &p.Allow, &p.Deny, &p.Audit, &p.Quiet, &rest)
	if n != 4 {
		return Permissions{}, fmt.Errorf("%w: %q", errAnswer, s)
	}
	return p, nil
}
