// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package broker

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/goarmor/apparmor/svirt"
)

// On other systems there is no AppArmor, and nobody is served.

type thread struct{}

func newThread(Peer, *atomic.Int64) (*thread, error) { return nil, errors.ErrUnsupported }
func (*thread) run(func()) error                     { return errors.ErrUnsupported }
func (*thread) end()                                 {}

func mayHave(context.Context, uint32, []svirt.Rule) error { return errors.ErrUnsupported }
func ownerOf(string) (uint32, error)                      { return 0, errors.ErrUnsupported }

type alive struct{}

func (*alive) check() error { return errors.ErrUnsupported }
func (*alive) close()       {}

func peerOf(*net.UnixConn) (Peer, *alive, error) { return Peer{}, nil, errors.ErrUnsupported }

type processes struct{}

func holdProcesses([]int) processes        { return processes{} }
func (processes) close()                   {}
func (processes) kill([]int, uint32) error { return errors.ErrUnsupported }
