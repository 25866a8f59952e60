// SPDX-License-Identifier: Apache-2.0

package loader

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The system calls for attributes of the calling thread, which the kernel has
// since 6.8. They do not depend on a mounted file system.

const (
	lsmAppArmor   = 104 // LSM_ID_APPARMOR
	lsmFlagSingle = 1   // LSM_FLAG_SINGLE
	lsmHeader     = 32  // id, flags, length of all, length of the text
)

// haveLSMCalls reports whether the calls are there and AppArmor takes part.
func haveLSMCalls() bool {
	var ids [64]uint64
	size := uint32(unsafe.Sizeof(ids))
	n, _, errno := unix.Syscall(unix.SYS_LSM_LIST_MODULES,
		uintptr(unsafe.Pointer(&ids[0])), uintptr(unsafe.Pointer(&size)), 0)
	return errno == 0 && int(n) <= len(ids) && slices.Contains(ids[:n], lsmAppArmor)
}

func lsmSet(a attribute, command string) error {
	buf := make([]byte, (lsmHeader+len(command)+7)&^7)
	binary.NativeEndian.PutUint64(buf[0:], lsmAppArmor)
	binary.NativeEndian.PutUint64(buf[16:], uint64(len(buf)))
	binary.NativeEndian.PutUint64(buf[24:], uint64(len(command)))
	copy(buf[lsmHeader:], command)
	_, _, errno := unix.Syscall6(unix.SYS_LSM_SET_SELF_ATTR, uintptr(a.id),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
	runtime.KeepAlive(buf)
	if errno != 0 {
		return os.NewSyscallError("lsm_set_self_attr", errno)
	}
	return nil
}

func lsmGet(a attribute) (string, error) {
	size := uint32(4096)
	for {
		buf := make([]byte, size)
		binary.NativeEndian.PutUint64(buf[0:], lsmAppArmor)
		_, _, errno := unix.Syscall6(unix.SYS_LSM_GET_SELF_ATTR, uintptr(a.id),
			uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&size)), lsmFlagSingle, 0, 0)
		runtime.KeepAlive(buf)
		if errno == unix.E2BIG && int(size) > len(buf) && size <= maxRead {
			continue // size is the size needed
		}
		if errno != 0 {
			return "", os.NewSyscallError("lsm_get_self_attr", errno)
		}
		return lsmText(buf)
	}
}

// lsmText returns the text of an answer.
func lsmText(buf []byte) (string, error) {
	n := binary.NativeEndian.Uint64(buf[24:])
	if n > uint64(len(buf)-lsmHeader) {
		return "", errAnswer
	}
	return string(buf[lsmHeader:][:n]), nil
}
