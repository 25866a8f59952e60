// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// vhost is the side of a VMM of a vhost-user device (docs/interop/vhost-user.rst of
// QEMU): memory that both have, with queues in it (virtio 1.2, split virtqueues).
type vhost struct {
	c      *net.UnixConn
	memory []byte
	kicks  map[int]int    // descriptors, by queue
	used   map[int]uint16 // what was taken back, by queue
	avail  map[int]uint16
}

const (
	memorySize = 1 << 20
	userAddr   = 1 << 32 // where the VMM says that it has the memory
	ringSize   = 16
	// In each queue's part of the memory.
	queuePart = 1 << 16
	availAt   = 1 << 12
	usedAt    = 2 << 12
	buffersAt = 4 << 12

	featureVersion1 = 1 << 32
	featureProtocol = 1 << 30

	patience = 2 * time.Minute // under emulation
)

// Requests of vhost-user.
const (
	getFeatures, setFeatures, setOwner, setMemTable         = 1, 2, 3, 5
	setVringNum, setVringAddr, setVringBase                 = 8, 9, 10
	setVringKick, setVringCall                              = 12, 13
	getProtocolFeatures, setProtocolFeatures, setVringAlive = 15, 16, 18
)

// dialVhost connects to a device and gives it memory and queues.
func dialVhost(socket string, queues ...int) (*vhost, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		return nil, err
	}
	v := &vhost{c: conn, kicks: map[int]int{}, used: map[int]uint16{}, avail: map[int]uint16{}}
	if err := v.setUp(queues); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return v, nil
}

func (v *vhost) setUp(queues []int) error {
	if err := v.c.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("guest", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, memorySize); err != nil {
		return fmt.Errorf("ftruncate: %w", err)
	}
	if v.memory, err = unix.Mmap(fd, 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return fmt.Errorf("mmap of the guest's memory: %w", err)
	}
	if err := v.send(setOwner, nil); err != nil {
		return err
	}
	features, err := v.ask(getFeatures)
	if err != nil {
		return err
	}
	if features&featureVersion1 == 0 || features&featureProtocol == 0 {
		return fmt.Errorf("features %#x", features)
	}
	if _, err := v.ask(getProtocolFeatures); err != nil {
		return err
	}
	steps := []error{
		v.send(setProtocolFeatures, pack(uint64(0))),
		v.send(setFeatures, pack(uint64(featureVersion1|featureProtocol))),
		v.send(setMemTable, pack(uint32(1), uint32(0), uint64(0), uint64(memorySize), uint64(userAddr), uint64(0)), fd),
	}
	for _, q := range queues {
		base := uint64(userAddr + q*queuePart)
		call, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			return err
		}
		if v.kicks[q], err = unix.Eventfd(0, unix.EFD_CLOEXEC); err != nil {
			return err
		}
		steps = append(steps,
			v.send(setVringNum, pack(uint32(q), uint32(ringSize))),
			v.send(setVringBase, pack(uint32(q), uint32(0))),
			v.send(setVringAddr, pack(uint32(q), uint32(0), base, base+usedAt, base+availAt, uint64(0))),
			v.send(setVringCall, pack(uint64(q)), call),
			v.send(setVringKick, pack(uint64(q)), v.kicks[q]),
			v.send(setVringAlive, pack(uint32(q), uint32(1))),
		)
	}
	if err := errors.Join(steps...); err != nil {
		return err
	}
	// The answer comes after all of that is done: virtiofsd forgets a kick of a
	// queue that is not enabled yet.
	_, err = v.ask(getFeatures)
	return err
}

// pack writes numbers as this machine has them, which is what vhost-user does.
func pack(values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		_ = binary.Write(&b, binary.LittleEndian, v) // into memory
	}
	return b.Bytes()
}

func (v *vhost) send(request uint32, payload []byte, fds ...int) error {
	var rights []byte
	if len(fds) > 0 {
		rights = syscall.UnixRights(fds...)
	}
	message := append(pack(request, uint32(1), uint32(len(payload))), payload...)
	if _, _, err := v.c.WriteMsgUnix(message, rights, nil); err != nil {
		return fmt.Errorf("request %d: %w", request, err)
	}
	return nil
}

func (v *vhost) ask(request uint32) (uint64, error) {
	if err := v.send(request, nil); err != nil {
		return 0, err
	}
	answer := make([]byte, 20)
	if _, err := io.ReadFull(v.c, answer); err != nil {
		return 0, fmt.Errorf("request %d is not answered: %w", request, err)
	}
	return binary.LittleEndian.Uint64(answer[12:]), nil
}

// offer puts a chain of buffers into a queue: one to be read if there is something
// in it, and one of the given size to be written. Where those are, it returns.
func (v *vhost) offer(q int, read []byte, write int) ([]byte, error) {
	part := v.memory[q*queuePart:]
	at := q*queuePart + buffersAt
	var descriptors []byte
	if len(read) > 0 {
		copy(v.memory[at:], read)
		flags := uint16(0)
		if write > 0 {
			flags = 1 // there is a next one
		}
		descriptors = pack(uint64(at), uint32(len(read)), flags, uint16(1))
	}
	answer := v.memory[at+len(read)+64:][:write]
	if write > 0 {
		descriptors = append(descriptors, pack(uint64(at+len(read)+64), uint32(write), uint16(2), uint16(0))...)
	}
	copy(part, descriptors)
	index := v.avail[q]
	binary.LittleEndian.PutUint16(part[availAt+4+2*int(index%ringSize):], 0)
	v.avail[q]++
	binary.LittleEndian.PutUint16(part[availAt+2:], v.avail[q])
	if _, err := unix.Write(v.kicks[q], pack(uint64(1))); err != nil {
		return nil, fmt.Errorf("kick: %w", err)
	}
	return answer, nil
}

// wait waits until the device has used a chain, and returns how much it wrote.
func (v *vhost) wait(q int) (int, error) {
	part := v.memory[q*queuePart:]
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if binary.LittleEndian.Uint16(part[usedAt+2:]) != v.used[q] {
			entry := part[usedAt+4+8*int(v.used[q]%ringSize):]
			v.used[q]++
			return int(binary.LittleEndian.Uint32(entry[4:])), nil
		}
	}
	return 0, fmt.Errorf("queue %d: the device does not answer", q)
}

// readShare reads a file of the directory that virtiofsd serves, by FUSE
// (include/uapi/linux/fuse.h).
func readShare(socket, name string) (string, error) {
	const requests = 1 // the queue; 0 is for urgent ones
	v, err := dialVhost(socket, 0, requests)
	if err != nil {
		return "", err
	}
	defer v.c.Close()
	unique := uint64(0)
	call := func(opcode uint32, node uint64, arguments []byte) ([]byte, error) {
		unique++
		in := append(pack(uint32(40+len(arguments)), opcode, unique, node, uint32(0), uint32(0), uint32(0), uint32(0)), arguments...)
		out, err := v.offer(requests, in, 4096)
		if err != nil {
			return nil, err
		}
		n, err := v.wait(requests)
		if err != nil {
			return nil, err
		}
		if n < 16 || n > len(out) || binary.LittleEndian.Uint64(out[8:]) != unique {
			return nil, fmt.Errorf("FUSE %d: an answer of %d bytes", opcode, n)
		}
		if e := int32(binary.LittleEndian.Uint32(out[4:])); e != 0 {
			return nil, fmt.Errorf("FUSE %d: %w", opcode, syscall.Errno(-e))
		}
		return bytes.Clone(out[16:n]), nil
	}
	const root, fuseLookup, fuseOpen, fuseRead, fuseInit = 1, 1, 14, 15, 26
	if _, err := call(fuseInit, 0, append(pack(uint32(7), uint32(31), uint32(4096), uint32(0)), make([]byte, 48)...)); err != nil {
		return "", err
	}
	entry, err := call(fuseLookup, root, append([]byte(name), 0))
	if err != nil {
		return "", err
	}
	node := binary.LittleEndian.Uint64(entry)
	opened, err := call(fuseOpen, node, pack(uint32(unix.O_RDONLY), uint32(0)))
	if err != nil {
		return "", err
	}
	handle := binary.LittleEndian.Uint64(opened)
	text, err := call(fuseRead, node, pack(handle, uint64(0), uint32(1024), uint32(0), uint64(0), uint32(0), uint32(0)))
	return string(text), err
}

// askNetwork asks passt by ARP (RFC 826) who its gateway is.
func askNetwork(socket string) error {
	const receive, transmit, header = 0, 1, 12
	v, err := dialVhost(socket, receive, transmit)
	if err != nil {
		return err
	}
	defer v.c.Close()
	frame, err := v.offer(receive, nil, 2048)
	if err != nil {
		return err
	}
	own, guest, gateway := []byte{0x52, 0x54, 0, 0x12, 0x34, 0x56}, []byte{169, 254, 2, 1}, []byte{169, 254, 2, 2}
	question := bytes.Join([][]byte{
		make([]byte, header), bytes.Repeat([]byte{0xff}, 6), own, {8, 6},
		{0, 1, 8, 0, 6, 4, 0, 1}, own, guest, make([]byte, 6), gateway,
	}, nil)
	if _, err := v.offer(transmit, question, 0); err != nil {
		return err
	}
	if _, err := v.wait(transmit); err != nil {
		return err
	}
	n, err := v.wait(receive)
	if err != nil {
		return err
	}
	got := frame[:n]
	if n < header+42 || !bytes.Equal(got[header:header+6], own) || !bytes.Equal(got[header+12:header+14], []byte{8, 6}) ||
		!bytes.Equal(got[header+20:header+22], []byte{0, 2}) || !bytes.Equal(got[header+28:header+32], gateway) {
		return fmt.Errorf("the answer is %x", got)
	}
	return nil
}
