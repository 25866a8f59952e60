// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"cmp"
	"context"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/goarmor/apparmor/diag"
)

// Files returns the files that processes under a profile have open for reading
// or writing and for which want returns true: once for each process, path and
// access, sorted. The name is as in Remove. Processes are found as in Users,
// with the same rights and errors. More than 10,000 files are a
// *diag.LimitError.
//
// The descriptors of each thread are looked at. Not seen are files that are
// only mapped into memory, and descriptors that were sent to a socket and not
// yet received, that io_uring holds, or that a process under another profile
// has. A file that was renamed has its new name. A list is not a proof: a
// process that forks endlessly may be missed.
func (k *Kernel) Files(ctx context.Context, name string, want func(File) bool) ([]File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	label, err := k.label(name)
	if err != nil {
		return nil, k.fail(OpFiles, name, err)
	}
	seen := map[File]bool{}
	s := scan{tasks: k.Tasks, profile: label}
	s.visit = func(task string, pid int) error {
		return k.files(ctx, task+"/fd", func(f File) error {
			f.PID = pid
			if seen[f] || !want(f) {
				return nil
			}
			seen[f] = true
			if len(seen) > maxFiles {
				return &diag.LimitError{What: "open files", Limit: maxFiles, Got: int64(len(seen))}
			}
			return nil
		})
	}
	if err := s.run(ctx); err != nil {
		return nil, k.fail(OpFiles, name, err)
	}
	var out []File
	for f := range seen {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int {
		return cmp.Or(a.PID-b.PID, cmp.Compare(a.Path, b.Path), cmp.Compare(a.access(), b.access()))
	})
	return out, nil
}

func (f File) access() (n int) {
	if f.Read {
		n |= 1
	}
	if f.Write {
		n |= 2
	}
	return n
}

// files calls f for each open file in a directory of descriptors.
func (t *Tasks) files(ctx context.Context, fds string, f func(File) error) error {
	list, err := t.proc.names(fds)
	if err != nil {
		return err
	}
	d, err := t.proc.sub(fds)
	if err != nil {
		return err
	}
	defer d.close()
	for i, name := range list {
		if i%64 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		path, mode, err := d.link(name)
		if ended(err) {
			continue // closed meanwhile
		}
		if err != nil {
			return err
		}
		// The owner's bits of the link say what the descriptor may do.
		open := File{Path: path, Read: mode&unix.S_IRUSR != 0, Write: mode&unix.S_IWUSR != 0}
		if !open.Read && !open.Write {
			continue // O_PATH
		}
		if err := f(open); err != nil {
			return err
		}
	}
	return nil
}

// link returns where a link in d leads, and the link's own mode.
func (d dir) link(name string) (target string, mode uint32, err error) {
	err = d.with(func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "stat", Path: d.f.Name() + "/" + name, Err: err}
		}
		mode = st.Mode
		for size := 1 << 8; ; size *= 4 {
			buf := make([]byte, size)
			n, err := unix.Readlinkat(fd, name, buf)
			if err != nil {
				return &os.PathError{Op: "readlink", Path: d.f.Name() + "/" + name, Err: err}
			}
			if n < size || size > maxRead {
				target = string(buf[:n])
				return nil
			}
		}
	})
	return target, mode, err
}
