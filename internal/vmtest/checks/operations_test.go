// SPDX-License-Identifier: Apache-2.0

//go:build linux

package checks

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// operations are further things that a probe can do, by name. Each runs on a
// thread of its own, which ends with it.
var operations = map[string]func(args []string) (out string, err error){
	"truncate": onPath(func(path string) error { return unix.Truncate(path, 0) }),
	"open to truncate": onPath(func(path string) error {
		return withOpen(path, unix.O_WRONLY|unix.O_TRUNC, func(int) error { return nil })
	}),
	"open to append": onPath(func(path string) error {
		return withOpen(path, unix.O_WRONLY|unix.O_APPEND, func(int) error { return nil })
	}),
	"lock to write": onPath(func(path string) error {
		return withOpen(path, unix.O_WRONLY, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX) })
	}),
	"protect": onPath(func(path string) error {
		return withOpen(path, unix.O_RDONLY, func(fd int) error {
			m, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE)
			if err != nil {
				return err
			}
			return errors.Join(unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC), unix.Munmap(m))
		})
	}),
	"stat":    onPath(func(path string) error { return unix.Stat(path, new(unix.Stat_t)) }),
	"rmdir":   onPath(unix.Rmdir),
	"symlink": onPath(func(path string) error { return unix.Symlink("target", path) }),
	"fifo":    onPath(func(path string) error { return unix.Mknod(path, unix.S_IFIFO|0o600, 0) }),
	"device": onPath(func(path string) error {
		return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	}),
	"set xattr": onPath(func(path string) error { return unix.Setxattr(path, "trusted.probe", []byte("x"), 0) }),
	"get xattr": onPath(func(path string) error {
		_, err := unix.Getxattr(path, "trusted.probe", make([]byte, 16))
		return err
	}),
	"utimes": onPath(func(path string) error { return unix.Utimes(path, make([]unix.Timeval, 2)) }),
	"exchange": func(args []string) (string, error) {
		return "", unix.Renameat2(unix.AT_FDCWD, args[0], unix.AT_FDCWD, args[1], unix.RENAME_EXCHANGE)
	},

	// Open a file in a mount that has no place in the tree.
	"read in nowhere": func([]string) (string, error) {
		return "", withDetached("tmpfs", func(mnt int) error {
			fd, err := unix.Openat(mnt, "lost", unix.O_RDONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
			if err != nil {
				return err
			}
			return unix.Close(fd)
		})
	},

	// Whether the kernel has told this program not to trust its environment.
	"secure": func([]string) (string, error) {
		const secure = 23 // AT_SECURE
		aux, err := unix.Auxv()
		for _, a := range aux {
			if a[0] == secure {
				return strconv.FormatBool(a[1] != 0), err
			}
		}
		return "", errors.Join(err, errors.New("no AT_SECURE"))
	},
	"stack": func(args []string) (string, error) {
		return "", os.WriteFile("/proc/thread-self/attr/apparmor/current", []byte("stack "+args[0]), 0)
	},
	"hats": func(args []string) (string, error) {
		// A hat, and the tokens to enter and to leave it with.
		for _, command := range []string{
			"changehat " + args[1] + "^" + args[0],
			"changehat " + args[2] + "^",
		} {
			if err := os.WriteFile("/proc/thread-self/attr/apparmor/current", []byte(command), 0); err != nil {
				return "", err
			}
		}
		return "", nil
	},

	"mount with": func(args []string) (string, error) {
		flags, err := strconv.ParseUint(args[3], 0, 64)
		if err != nil {
			return "", err
		}
		return "", unix.Mount(args[0], args[1], args[2], uintptr(flags), args[4])
	},
	"move mount": func(args []string) (string, error) {
		return "", withDetached(args[0], func(fd int) error {
			return unix.MoveMount(fd, "", unix.AT_FDCWD, args[1], unix.MOVE_MOUNT_F_EMPTY_PATH)
		})
	},
	"pivot": func(args []string) (string, error) {
		// In a mount namespace of the thread's own, with the first directory
		// for its root: the root file system of the guest cannot be replaced.
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return "", err
		}
		if err := unix.Chroot(args[0]); err != nil {
			return "", err
		}
		return "", unix.PivotRoot(args[1], args[2])
	},

	"environment": func(args []string) (string, error) {
		f, err := os.Open("/proc/" + args[0] + "/environ")
		if err != nil {
			return "", err
		}
		defer f.Close()
		_, err = f.Read(make([]byte, 1))
		return "", err
	},

	"limits": func(args []string) (string, error) {
		// Soft and hard limit of a resource.
		resource, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		var limit unix.Rlimit
		err = unix.Prlimit(0, resource, nil, &limit)
		return strconv.FormatUint(limit.Cur, 10) + " " + strconv.FormatUint(limit.Max, 10), err
	},
	"set limit": func(args []string) (string, error) {
		// Process (0: the probe's own), resource, soft and hard limit.
		var n [4]uint64
		for i := range n {
			var err error
			if n[i], err = strconv.ParseUint(args[i], 10, 64); err != nil {
				return "", err
			}
		}
		return "", unix.Prlimit(int(n[0]), int(n[1]), &unix.Rlimit{Cur: n[2], Max: n[3]}, nil)
	},

	"queue": func(args []string) (string, error) {
		// Make a message queue, and remove it.
		name, err := unix.BytePtrFromString(args[0])
		if err != nil {
			return "", err
		}
		fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, uintptr(unsafe.Pointer(name)), unix.O_CREAT|unix.O_RDWR, 0o600, 0, 0, 0)
		if errno != 0 {
			return "", errno
		}
		unix.Close(int(fd))
		if _, _, errno := unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(name)), 0, 0); errno != 0 {
			return "", errno
		}
		return "", nil
	},
	"sysv queue": func([]string) (string, error) {
		const rmid, create = 0, 0o1000
		id, _, errno := unix.Syscall(unix.SYS_MSGGET, 0x1234, create|0o600, 0)
		if errno != 0 {
			return "", errno
		}
		_, _, errno = unix.Syscall(unix.SYS_MSGCTL, id, rmid, 0)
		if errno != 0 {
			return "", errno
		}
		return "", nil
	},
	"new user namespace": func([]string) (string, error) {
		// For a child that then finds nothing to execute.
		cmd := exec.Command("/nothing")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
		err := cmd.Start()
		if errors.Is(err, syscall.ENOENT) {
			err = nil
		}
		return "", err
	},
	"override credentials": func([]string) (string, error) { return "", overrideCredentials() },

	"socket pair": func(args []string) (string, error) {
		typ, err := strconv.Atoi(args[0])
		if err != nil {
			return "", err
		}
		fds, err := unix.Socketpair(unix.AF_UNIX, typ, 0)
		if err != nil {
			return "", err
		}
		defer unix.Close(fds[0])
		defer unix.Close(fds[1])
		if _, err := unix.Write(fds[0], []byte("x")); err != nil {
			return "", err
		}
		_, err = unix.Read(fds[1], make([]byte, 1))
		return "", err
	},
	"unix listen": func(args []string) (string, error) {
		return "", withUnix(unix.SOCK_STREAM, func(fd int) error {
			if err := unix.Bind(fd, &unix.SockaddrUnix{Name: args[0]}); err != nil {
				return err
			}
			return unix.Listen(fd, 1)
		})
	},
	// Listens for as long as the probe lives.
	"unix serve": func(args []string) (string, error) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: args[0]}); err != nil {
			return "", err
		}
		return "", unix.Listen(fd, 10)
	},
	"unix receiver": func(args []string) (string, error) {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		return "", unix.Bind(fd, &unix.SockaddrUnix{Name: args[0]})
	},
	"unix bind": func(args []string) (string, error) {
		return "", withUnix(unix.SOCK_STREAM, func(fd int) error { return unix.Bind(fd, &unix.SockaddrUnix{Name: args[0]}) })
	},
	"unix connect": func(args []string) (string, error) {
		return "", withUnix(unix.SOCK_STREAM, func(fd int) error { return unix.Connect(fd, &unix.SockaddrUnix{Name: args[0]}) })
	},
	"unix send": func(args []string) (string, error) {
		return "", withUnix(unix.SOCK_DGRAM, func(fd int) error {
			return unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrUnix{Name: args[0]})
		})
	},
	"unix get option": func([]string) (string, error) {
		return "", withUnix(unix.SOCK_STREAM, func(fd int) error {
			_, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
			return err
		})
	},
	"unix set option": func([]string) (string, error) {
		return "", withUnix(unix.SOCK_STREAM, func(fd int) error {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
		})
	},

	// Each takes a capability.
	"chroot":    func([]string) (string, error) { return "", unix.Chroot("/") },
	"nice":      func([]string) (string, error) { return "", unix.Setpriority(unix.PRIO_PROCESS, 0, -1) },
	"interface": func([]string) (string, error) { return "", raiseLoopback() },
	"kernel log": func([]string) (string, error) {
		const sizeUnread = 9
		_, err := unix.Klogctl(sizeUnread, nil)
		return "", err
	},
	"user": func([]string) (string, error) {
		_, _, errno := unix.RawSyscall(unix.SYS_SETUID, 1, 0, 0) // of the thread
		return "", errnoError(errno)
	},
	"group": func([]string) (string, error) {
		_, _, errno := unix.RawSyscall(unix.SYS_SETGID, 1, 0, 0)
		return "", errnoError(errno)
	},
	"drop bounding": func([]string) (string, error) {
		return "", unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_WAKE_ALARM, 0, 0, 0)
	},
	"ports": func([]string) (string, error) {
		return "", errnoError(iopl(3))
	},
	"clock": func([]string) (string, error) {
		var now unix.Timex
		if _, err := unix.Adjtimex(&now); err != nil {
			return "", err
		}
		now = unix.Timex{Modes: unix.ADJ_TICK, Tick: now.Tick}
		_, err := unix.Adjtimex(&now)
		return "", err
	},
	"load policy": func([]string) (string, error) {
		fd, err := unix.Open("/sys/kernel/security/apparmor/.remove", unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		defer unix.Close(fd)
		_, err = unix.Write(fd, []byte("no such profile"))
		if errors.Is(err, unix.ENOENT) {
			err = nil // it was looked for
		}
		return "", err
	},
}

func errnoError(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// onPath makes an operation of a function on one path.
func onPath(f func(path string) error) func([]string) (string, error) {
	return func(args []string) (string, error) { return "", f(args[0]) }
}

// withOpen opens a file for f.
func withOpen(path string, flags int, f func(fd int) error) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

// withUnix makes a unix socket for f.
func withUnix(typ int, f func(fd int) error) error {
	fd, err := unix.Socket(unix.AF_UNIX, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(fd)
}

// withDetached makes a mount that is nowhere yet for f.
func withDetached(fstype string, f func(fd int) error) error {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	const create = 6 // FSCONFIG_CMD_CREATE
	if _, _, errno := unix.Syscall6(unix.SYS_FSCONFIG, uintptr(fs), create, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(mnt)
	return f(mnt)
}

// raiseLoopback switches the loopback interface on.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// overrideCredentials has the kernel do nothing, on an io_uring, with
// credentials that were registered before.
func overrideCredentials() (err error) {
	const (
		registerPersonality = 9
		offRings, offSQEs   = 0, 0x10000000
		enterGetEvents      = 1
	)
	params := make([]uint32, 30) // struct io_uring_params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		return errno
	}
	defer unix.Close(int(fd))
	id, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, fd, registerPersonality, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	// Both rings are in one mapping. The offsets into it, of the submission
	// ring: head, tail, mask, entries, flags, dropped, array, and of the
	// completion ring: head, tail, mask, entries, overflow, cqes.
	sq, cq := params[10:17], params[20:26]
	rings, err := unix.Mmap(int(fd), offRings, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Munmap(rings)) }()
	sqes, err := unix.Mmap(int(fd), offSQEs, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.Munmap(sqes)) }()
	word := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&rings[offset])) }
	*(*uint16)(unsafe.Pointer(&sqes[42])) = uint16(id) // personality; all else is zero: no operation
	*word(sq[6]) = 0
	*word(sq[1])++
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_ENTER, fd, 1, 1, enterGetEvents, 0, 0); errno != 0 {
		return errno
	}
	const cqeResult = 8 // in struct io_uring_cqe
	if result := int32(*word(cq[5] + cqeResult)); result < 0 {
		return syscall.Errno(-result)
	}
	return nil
}

// number is for arguments of probes.
func number(n int) string { return strconv.Itoa(n) }

// flags is for arguments of "mount with".
func flags(n uintptr) string { return "0x" + strconv.FormatUint(uint64(n), 16) }
